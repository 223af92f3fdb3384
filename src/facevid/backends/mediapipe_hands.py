"""Hands in single images, from the weights inside the mediapipe wheel."""

from __future__ import annotations

import numpy as np

from .errors import import_cv2
from .mediapipe_graph import bounded, import_mediapipe, outputs_of, quiet_stderr, shrunk, version_of
from .protocols import Hand, Image


class MediapipeHandDetector:
    """mediapipe Hands (Zhang et al. 2020): palms, then 21 points each; calls are independent.

    Missed: hands so blurred or cut off that no palm shows. A face is rarely taken for a hand (none of 157).
    """

    name = "mediapipe"

    def __init__(
        self, *, threads: int = 1, max_hands: int = 2, min_score: float = 0.5, max_side: int = 384
    ) -> None:
        """max_hands: at most; min_score: 0 to 1; max_side: larger images are reduced to this many pixels."""
        used_for = "the hand detector (mediapipe)"
        self._cv2 = import_cv2(threads=threads, used_for=used_for)
        mediapipe = import_mediapipe(threads=threads, used_for=used_for)
        self._max_side = max_side
        with quiet_stderr():
            self._graph = bounded(mediapipe.solutions.hands.Hands, threads=threads)(
                static_image_mode=True,
                max_num_hands=max_hands,
                model_complexity=0,
                min_detection_confidence=min_score,
            )
            self._graph.process(np.zeros((64, 64, 3), np.uint8))
        self.version = version_of(
            "palm_detection/palm_detection_lite.tflite", "hand_landmark/hand_landmark_lite.tflite"
        )

    def detect(self, image: Image) -> list[Hand]:
        """The hands of `image`, highest score first."""
        small, factor = shrunk(self._cv2, image, at_most=self._max_side)
        height, width = small.shape[0] * factor, small.shape[1] * factor
        seen = outputs_of(self._graph, small)
        hands: list[Hand] = []
        for marks, sides in zip(seen.multi_hand_landmarks or (), seen.multi_handedness or (), strict=True):
            points = np.array(
                [(p.x * width, p.y * height, p.z * width) for p in marks.landmark], dtype=np.float32
            )
            x0, y0 = points[:, :2].min(axis=0)
            x1, y1 = points[:, :2].max(axis=0)
            box = (float(x0), float(y0), float(x1), float(y1))
            hands.append(Hand(points=points, box=box, score=float(sides.classification[0].score)))
        return sorted(hands, key=lambda hand: -hand.score)
