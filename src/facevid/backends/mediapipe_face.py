"""Face boxes by BlazeFace, from the weights inside the mediapipe wheel."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from .errors import BackendError, import_cv2
from .mediapipe_graph import import_mediapipe, quiet_stderr, version_of
from .protocols import Box, Face, Image

MODELS = {
    "short": (0, "face_detection/face_detection_short_range.tflite"),
    "full": (1, "face_detection/face_detection_full_range_sparse.tflite"),
}
OVERLAP = 0.5
GREY = 127
CLOSE_UP = 0.5


class MediapipeFaceDetector:
    """BlazeFace (Bazarevsky et al. 2019): full range (192x192 input), short range (128x128), or both.

    Each call is independent of those before it. Missed: some faces narrower than 5 % of the image's longer side
    (one in ten at 3 %, four in ten at 2.3 %) and many tilted by more than about 50 degrees. Now and then a
    texture passes for a small face with a score up to .65; the mesh tells such from real ones.
    """

    name = "mediapipe"

    def __init__(
        self,
        *,
        threads: int = 1,
        model: Literal["full", "short", "both"] = "full",
        min_score: float = 0.5,
        max_side: int = 640,
    ) -> None:
        """model: which range; min_score: 0 to 1; max_side: larger images are reduced to this many pixels."""
        if model not in (*MODELS, "both"):
            raise BackendError(f"The face detector has no model {model!r}; allowed are full, short and both.")
        used_for = "the face detector (mediapipe)"
        self._cv2 = import_cv2(threads=threads, used_for=used_for)
        mediapipe = import_mediapipe(threads=threads, used_for=used_for)
        chosen = list(MODELS.values()) if model == "both" else [MODELS[model]]
        self._max_side = max_side
        with quiet_stderr():
            self._graphs = [
                mediapipe.solutions.face_detection.FaceDetection(
                    model_selection=number, min_detection_confidence=min_score
                )
                for number, _ in chosen
            ]
            for graph in self._graphs:
                graph.process(np.zeros((64, 64, 3), np.uint8))
        self.version = version_of(*(file for _, file in chosen))

    def detect(self, image: Image) -> list[Face]:
        """The faces of `image`, highest score first, none sharing more than half of the smaller with another.

        An image without any is looked at again with a grey border, for a face that fills it: of faces as wide
        as the image, full range finds half at the first look and all at the second.
        """
        height, width = image.shape[:2]
        found = self._look(image, border=0)
        if not found:
            shorter = min(height, width)
            again = self._look(image, border=max(height, width) // 2)
            found = [face for face in again if face.box[2] - face.box[0] > CLOSE_UP * shorter]
        return _without_overlaps(found)

    def _look(self, image: Image, *, border: int) -> list[Face]:
        """What the models see in `image` with a grey border of so many pixels added, in pixels of `image`."""
        height, width = image.shape[0] + 2 * border, image.shape[1] + 2 * border
        shrink = min(1.0, self._max_side / max(height, width))
        edge = round(border * shrink)
        if shrink < 1:
            size = (max(1, round(image.shape[1] * shrink)), max(1, round(image.shape[0] * shrink)))
            image = self._cv2.resize(image, size, interpolation=self._cv2.INTER_AREA)
        if border:
            grey = (GREY, GREY, GREY)
            image = self._cv2.copyMakeBorder(
                image, edge, edge, edge, edge, self._cv2.BORDER_CONSTANT, value=grey
            )
        ready = np.ascontiguousarray(image)
        return [
            _face(detection, width, height, border)
            for graph in self._graphs
            for detection in graph.process(ready).detections or ()
        ]


def _face(detection: Any, width: int, height: int, border: int) -> Face:
    """A mediapipe detection, relative to a picture of that size, in pixels inside its border."""
    place = detection.location_data
    box = place.relative_bounding_box
    points = [(point.x * width - border, point.y * height - border) for point in place.relative_keypoints]
    corners: Box = (
        box.xmin * width - border,
        box.ymin * height - border,
        (box.xmin + box.width) * width - border,
        (box.ymin + box.height) * height - border,
    )
    return Face(box=corners, score=float(detection.score[0]), points=np.array(points, np.float32))


def _without_overlaps(faces: list[Face]) -> list[Face]:
    kept: list[Face] = []
    for face in sorted(faces, key=lambda one: -one.score):
        if all(_overlap(face.box, other.box) <= OVERLAP for other in kept):
            kept.append(face)
    return kept


def _overlap(a: Box, b: Box) -> float:
    """Shared area over the area of the smaller box."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return max(0.0, width) * max(0.0, height) / smaller if smaller > 0 else 0.0
