"""The 478-point face mesh with irises, followed from frame to frame, by the model in the mediapipe wheel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import import_cv2, import_part
from .mediapipe_graph import import_mediapipe, landmark_graph, outputs_of, quiet_stderr, shrunk, version_of
from .protocols import Floats, Image

POINTS = 478
RIGHT_EYE_OUTER, LEFT_EYE_OUTER = 33, 263
MARGIN = 1.5
CROP_SIDE = 384

GRAPH = """
input_stream: "image"
input_stream: "roi"
output_stream: "landmarks"
output_stream: "facelandmarkcpu__face_presence_score"
input_side_packet: "with_attention"
node {
  calculator: "FaceLandmarkCpu"
  input_stream: "IMAGE:image"
  input_stream: "ROI:roi"
  input_side_packet: "WITH_ATTENTION:with_attention"
  output_stream: "LANDMARKS:landmarks"
}
"""


@dataclass(frozen=True)
class Region:
    """A square to look at: centre and side in pixels, turned by `angle` radians (clockwise on the screen)."""

    x: float
    y: float
    side: float
    angle: float


class MediapipeFaceMesh:
    """Face landmarks with attention (Grishchenko et al. 2020), run on a region that we keep ourselves.

    mediapipe's own FaceMesh hides where it looks inside the graph. Here the graph has no memory: where to
    look is computed from the last mesh by mediapipe's own rule (its box, turned to level eyes, 1.5 times
    as large). So one graph serves any number of trackers, nothing has to be reset, and the same calls
    give the same bytes. The face score stays near 1 for a face half covered by a hand: it does not
    measure occlusion.
    """

    name = "mediapipe"

    def __init__(self, *, threads: int = 1, min_presence: float = 0.5) -> None:
        """min_presence: below this the model's own face score (0 to 1) means that the face is lost."""
        used_for = "the face mesh (mediapipe)"
        self._cv2 = import_cv2(threads=threads, used_for=used_for)
        import_mediapipe(threads=threads, used_for=used_for)
        self._rect = import_part(
            "mediapipe.framework.formats.rect_pb2", package="mediapipe==0.10.21", used_for=used_for
        ).NormalizedRect
        self.min_presence = min_presence
        with quiet_stderr():
            self._graph = landmark_graph(
                GRAPH,
                threads=threads,
                side_inputs={"with_attention": True},
                calculator_params={"facelandmarkcpu__ThresholdingCalculator.threshold": -1.0},
                outputs=["landmarks", "facelandmarkcpu__face_presence_score"],
            )
            self.look(np.zeros((64, 64, 3), np.uint8), Region(32, 32, 32, 0))
        self.version = version_of("face_landmark/face_landmark_with_attention.tflite")

    def tracker(self) -> MediapipeMeshTracker:
        """A tracker for one face; any number may be used side by side."""
        return MediapipeMeshTracker(self)

    def look(self, image: Image, region: Region) -> tuple[Floats, float]:
        """The mesh seen in a region, (478, 3) float32 pixels of `image`, and the model's face score."""
        crop, left, top, factor = self._crop(image, region)
        side = crop.shape[0] * factor
        rect = self._rect(
            x_center=(region.x - left) / side,
            y_center=(region.y - top) / side,
            width=region.side / side,
            height=region.side / side,
            rotation=region.angle,
        )
        seen: Any = outputs_of(self._graph, {"image": crop, "roi": rect})
        presence = float(seen.facelandmarkcpu__face_presence_score)
        points = points_of(seen.landmarks)
        mesh = points * side
        mesh[:, 0] += left
        mesh[:, 1] += top
        return mesh.astype(np.float32), presence

    def _crop(self, image: Image, region: Region) -> tuple[Image, int, int, int]:
        """A square around the turned region, at most CROP_SIDE wide; its left, top, and pixels per pixel."""
        turn = abs(math.cos(region.angle)) + abs(math.sin(region.angle))
        side = max(8, math.ceil(region.side * turn) + 2)
        left, top = math.floor(region.x - side / 2), math.floor(region.y - side / 2)
        height, width = image.shape[:2]
        x0, y0 = min(max(left, 0), width - 1), min(max(top, 0), height - 1)
        x1, y1 = max(min(left + side, width), x0 + 1), max(min(top + side, height), y0 + 1)
        crop = image[y0:y1, x0:x1]
        around = (max(y0 - top, 0), max(top + side - y1, 0), max(x0 - left, 0), max(left + side - x1, 0))
        if any(around):
            crop = self._cv2.copyMakeBorder(crop, *around, self._cv2.BORDER_REPLICATE)[:side, :side]
        small, factor = shrunk(self._cv2, crop, at_most=CROP_SIDE)
        return small, left, top, factor


def points_of(landmarks: Any) -> NDArray[np.float64]:
    """x, y, z of a NormalizedLandmarkList, (n, 3); from its wire format where that is plain, four times as fast.

    Each landmark is then 17 bytes: tag and length of the message, then tag and float32 of x, y and z.
    """
    wire = landmarks.SerializeToString()
    if len(wire) == 17 * len(landmarks.landmark):
        rows = np.frombuffer(wire, np.uint8).reshape(-1, 17)
        if (rows[:, (0, 1, 2, 7, 12)] == (0x0A, 0x0F, 0x0D, 0x15, 0x1D)).all():
            floats = rows[:, (3, 4, 5, 6, 8, 9, 10, 11, 13, 14, 15, 16)].copy().view("<f4")
            return np.asarray(floats, np.float64)
    return np.array([(p.x, p.y, p.z) for p in landmarks.landmark], np.float64)


class MediapipeMeshTracker:
    """One face followed: looks where the last mesh was, and starts again from the box when that fails."""

    def __init__(self, model: MediapipeFaceMesh) -> None:
        self._model = model
        self._region: Region | None = None
        self.presence = 0.0

    def update(self, image: Image, box: Sequence[float]) -> Floats | None:
        """The mesh of the face near `box`, (478, 3) float32, or None when no face is seen there.

        The box (x0, y0, x1, y1, pixels) starts the tracker; later it only tells whether the mesh still sits
        on the same face, so it may be rough or some frames old.
        """
        if self._region is not None:
            mesh, self.presence = self._model.look(image, self._region)
            if self.presence >= self._model.min_presence and _sits_on(mesh, box):
                self._region = region_of(mesh)
                return mesh
        return self._start(image, box)

    def release(self) -> None:
        """Forget the face; the next `update` starts from its box alone."""
        self._region = None
        self.presence = 0.0

    def _start(self, image: Image, box: Sequence[float]) -> Floats | None:
        """Two looks: the box knows neither the tilt nor the chin, the first mesh does."""
        self._region = None
        side = max(box[2] - box[0], box[3] - box[1])
        if not side > 0:
            self.presence = 0.0
            return None
        first = Region((box[0] + box[2]) / 2, (box[1] + box[3]) / 2, MARGIN * side, 0.0)
        mesh, self.presence = self._model.look(image, first)
        if self.presence >= self._model.min_presence:
            mesh, self.presence = self._model.look(image, region_of(mesh))
        if self.presence < self._model.min_presence or not _sits_on(mesh, box):
            return None
        self._region = region_of(mesh)
        return mesh


def region_of(mesh: Floats) -> Region:
    """Where to look next, as mediapipe's FaceLandmarkLandmarksToRoi: square of the longer side, x 1.5."""
    low, high = mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)
    eyes = mesh[LEFT_EYE_OUTER] - mesh[RIGHT_EYE_OUTER]
    x, y = (low + high) / 2
    return Region(float(x), float(y), MARGIN * float((high - low).max()), math.atan2(eyes[1], eyes[0]))


def _sits_on(mesh: Floats, box: Sequence[float]) -> bool:
    """Whether the mesh's middle lies in the box (half as large again) and the two are of like size."""
    low, high = mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)
    x, y = (low + high) / 2
    side = max(box[2] - box[0], box[3] - box[1])
    near = abs(x - (box[0] + box[2]) / 2) < 0.75 * side and abs(y - (box[1] + box[3]) / 2) < 0.75 * side
    return bool(near and 0.4 * side < (high - low).max() < 2.5 * side)
