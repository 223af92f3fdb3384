"""Parts of the 478-point mesh that measures of a face look at, and the pixels and colours inside them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Image = NDArray[np.uint8]
Bools = NDArray[np.bool_]

# Numbers of mediapipe's canonical face model; right and left are the subject's.
FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
LIPS_OUTER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
LIPS_INNER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
RIGHT_BROW = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)
LEFT_BROW = (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
RIGHT_CHEEK = (117, 118, 101, 36, 205, 123)
LEFT_CHEEK = (346, 347, 330, 266, 425, 352)
"""The cheek from below the eye down to the wing of the nose: skin where a full beard leaves any."""
FOREHEAD = (103, 67, 109, 10, 338, 297, 332, 334, 296, 336, 9, 107, 66, 105)
"""From the brows' upper edges to the mesh's own top, which lies at or below the hairline."""
RIGHT_EYE_CORNER, LEFT_EYE_CORNER = 33, 263
FOREHEAD_TOP, CHIN, NOSE_TIP = 10, 152, 1
RIGHT_TEMPLE, LEFT_TEMPLE = 127, 356
RIGHT_JAW, LEFT_JAW = 172, 397


def points_of(mesh: Floats, group: Sequence[int]) -> Floats:
    """(len(group), 2) x, y of those points of a (478, 3) mesh."""
    picked: Floats = mesh[list(group), :2]
    return picked


def polygon_mask(points: Floats, shape: tuple[int, int]) -> Bools:
    """(h, w) true inside the polygon of (n, 2) points x, y in pixels, in order; it may reach past the picture."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(points).astype(np.int32)], (1,))
    return mask.astype(bool)


def cropped(image: Image, mesh: Floats, group: Sequence[int]) -> tuple[Image, Floats]:
    """The part of a picture that holds those points of the mesh, with 4 pixels around, and the mesh in its pixels.

    Masks of a whole picture cost more than what is read through them; points outside the picture stay outside. The part
    begins at even pixels, so that coordinates that end in one half are rounded (to even) as in the whole picture.
    """
    height, width = image.shape[:2]
    points = points_of(mesh, group)
    low = np.clip(np.floor(points.min(axis=0)).astype(int) - 4, 0, (width - 1, height - 1)) // 2 * 2
    high = np.clip(np.ceil(points.max(axis=0)).astype(int) + 5, low + 1, (width, height))
    moved = mesh.copy()
    moved[:, :2] -= low
    return image[low[1] : high[1], low[0] : high[0]], moved


def eye_distance(mesh: Floats) -> float:
    """Pixels between the outer eye corners, in three dimensions, so that turning the head does not shrink it."""
    return float(np.linalg.norm(mesh[LEFT_EYE_CORNER] - mesh[RIGHT_EYE_CORNER]))


def lab(image: Image) -> Floats:
    """CIELAB (D65, CIE 15) of sRGB: (h, w, 3) uint8 to float32, L* 0..100, a* and b* about -128..127."""
    scaled = np.ascontiguousarray(image).astype(np.float32) / 255
    return np.asarray(cv2.cvtColor(scaled, cv2.COLOR_RGB2LAB), np.float32)


def cheek_mask(mesh: Floats, shape: tuple[int, int]) -> Bools:
    """(h, w) true on the cheeks; of a turned face only on the nearer cheek, where the other is foreshortened."""
    sides = [points_of(mesh, group) for group in (RIGHT_CHEEK, LEFT_CHEEK)]
    areas = [cv2.contourArea(side) for side in sides]
    seen = [side for side, area in zip(sides, areas, strict=True) if area > max(areas) / 2]
    mask = np.zeros(shape, bool)
    for side in seen:
        mask |= polygon_mask(side, shape)
    return mask
