"""Face embeddings by dlib's ResNet, on faces aligned from mesh points."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import BackendError, import_cv2, import_part, package_version
from .protocols import Floats, Image
from .weights import resolve, weights_tag

CHIP = 150
PADDING = 0.25
FACE_SIDE = 200
CROP = 2.2

FIVE_POINTS = (263, 362, 33, 133, 2)
"""Mesh points in dlib's 5-point order: left eye outer, inner; right eye outer, inner; nose base."""


class DlibFaceEmbedder:
    """dlib's face recognition ResNet (King 2017): 128 numbers a face, same person when nearer than about 0.6.

    dlib aligns by eye corners and nose base, which its 5-point predictor gives. The mesh gives the same
    points (within 3 % of the eyes' distance), so no predictor is loaded; the 68-point one, which may not
    be used commercially, never is. Two different people can lie nearer together than the 0.6 suggests:
    three East Asian men were measured 0.43 to 0.5 apart, so single pictures do not tell such people from
    each other.
    """

    name = "dlib"

    def __init__(self, *, threads: int = 1) -> None:
        used_for = "the face embedder (dlib)"
        self._cv2 = import_cv2(threads=threads, used_for=used_for)
        self._dlib = import_part("dlib", package="dlib-bin", used_for=used_for)
        weights = resolve("dlib-resnet")
        try:
            self._model: Any = self._dlib.face_recognition_model_v1(str(weights))
        except RuntimeError as error:
            raise BackendError(
                f"dlib cannot read the weight file {weights.name} ({error}); "
                "put it anew where docs/licences.md says."
            ) from error
        self.version = f"dlib {package_version('dlib-bin')} weights {weights_tag(weights)}"

    def chip(self, image: Image, mesh: Floats) -> Image:
        """The face of `mesh` aligned: (150, 150, 3) uint8; where it reaches past the image, black."""
        low, high = mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)
        extent = float((high - low).max())
        if not np.isfinite(extent) or extent < 4:
            raise BackendError(
                f"A face mesh {extent:.1f} pixels wide cannot be aligned; at least 4 are needed."
            )
        crop, matrix = self._face_crop(image, (low + high) / 2, extent)
        points = mesh[list(FIVE_POINTS), :2] @ matrix[:, :2].T + matrix[:, 2]
        parts = [self._dlib.point(round(float(x)), round(float(y))) for x, y in points]
        whole = self._dlib.rectangle(0, 0, crop.shape[1] - 1, crop.shape[0] - 1)
        marks = self._dlib.full_object_detection(whole, parts)
        chip: Image = self._dlib.get_face_chip(crop, marks, size=CHIP, padding=PADDING)
        return chip

    def embed(self, chips: Image) -> Floats:
        """(n, 150, 150, 3) uint8 to (n, 128) float32."""
        if chips.ndim != 4 or chips.shape[1:] != (CHIP, CHIP, 3):
            raise BackendError(f"Chips must have shape (n, {CHIP}, {CHIP}, 3), not {chips.shape}.")
        vectors = [
            self._model.compute_face_descriptor(np.ascontiguousarray(chip), num_jitters=0) for chip in chips
        ]
        return np.array(vectors, dtype=np.float32).reshape(-1, 128)

    def _face_crop(self, image: Image, centre: Floats, extent: float) -> tuple[Image, Floats]:
        """The face scaled to FACE_SIDE, because dlib takes whole pixels only, and the map to it (2, 3)."""
        scale = FACE_SIDE / extent
        side = round(FACE_SIDE * CROP)
        if scale < 0.5:
            # A bilinear warp that shrinks more than twice would skip pixels.
            smaller = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
            stretch = np.array([smaller[0] / image.shape[1], smaller[1] / image.shape[0]])
            image = self._cv2.resize(image, smaller, interpolation=self._cv2.INTER_AREA)
        else:
            stretch = np.ones(2)
        shift = side / 2 - centre * scale
        warp = np.array([[scale / stretch[0], 0, shift[0]], [0, scale / stretch[1], shift[1]]])
        crop: Image = self._cv2.warpAffine(image, warp, (side, side), flags=self._cv2.INTER_LINEAR)
        return crop, np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], dtype=np.float32)
