"""Face boxes by BlazeFace, from the weights inside the mediapipe wheel."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .errors import BackendError, import_cv2
from .mediapipe_graph import bounded, import_mediapipe, outputs_of, quiet_stderr, shrunk, version_of
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

    Each call is independent of those before it. Missed: some faces narrower than 5 % of the image's
    longer side (one in ten at 3 %, four in ten at 2.3 %) and many tilted by more than about 50 degrees.
    Now and then a texture passes for a small face with a score up to .65; the mesh tells such from real
    ones.
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
                bounded(mediapipe.solutions.face_detection.FaceDetection, threads=threads)(
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
        found = self._look(image, border=0.0)
        if not found:
            shorter = min(image.shape[:2])
            again = self._look(image, border=0.5)
            found = [face for face in again if face.box[2] - face.box[0] > CLOSE_UP * shorter]
        return _without_overlaps(found)

    def _look(self, image: Image, *, border: float) -> list[Face]:
        """What the models see with a grey border of `border` times the longer side, in pixels of `image`."""
        small, factor = shrunk(self._cv2, image, at_most=round(self._max_side / (1 + 2 * border)))
        edge = round(border * max(small.shape[:2]))
        if edge:
            grey = (GREY, GREY, GREY)
            small = self._cv2.copyMakeBorder(
                small, edge, edge, edge, edge, self._cv2.BORDER_CONSTANT, value=grey
            )
        size = np.array([small.shape[1], small.shape[0]])
        return [
            _face(detection, size, edge, factor)
            for graph in self._graphs
            for detection in outputs_of(graph, small).detections or ()
        ]


def _face(detection: Any, size: NDArray[np.int64], edge: int, factor: int) -> Face:
    """A mediapipe detection, relative to a picture of `size` (width, height), in pixels of the original."""
    place = detection.location_data
    box = place.relative_bounding_box
    points = [(point.x, point.y) for point in place.relative_keypoints]
    corners = [(box.xmin, box.ymin), (box.xmin + box.width, box.ymin + box.height)]
    placed = ((np.array(corners + points) * size - edge) * factor).astype(np.float32)
    (x0, y0), (x1, y1) = placed[0].tolist(), placed[1].tolist()
    return Face(box=(x0, y0, x1, y1), score=float(detection.score[0]), points=placed[2:])


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
