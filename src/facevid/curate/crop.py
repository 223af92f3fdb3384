"""The square that a clip keeps of its source: head and upper shoulders, inside the picture, never distorted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facevid.recipe import Crop

Box = tuple[float, float, float, float]
Floats = NDArray[np.float64]


def crop_squares(union: Floats, face_height: Floats, picture: Floats, settings: Crop) -> Floats:
    """Squares around the unions of face boxes with margins in units of the face height.

    union: (n, 4) x0, y0, x1, y1 in pixels; face_height: (n,); picture: (n, 2) width and height. Where a
    square does not fit it is moved, then made as large as the picture's shorter side, so that head and
    shoulders give way alike. Returns (n, 4).
    """
    x0, y0, x1, y1 = union.T
    top, bottom = y0 - settings.above * face_height, y1 + settings.below * face_height
    wide = x1 - x0 + 2 * settings.sides * face_height
    width, height = picture.T
    side = np.minimum(np.maximum(wide, bottom - top), np.minimum(width, height))
    left = np.clip((x0 + x1) / 2 - side / 2, 0, width - side)
    upper = np.clip((top + bottom) / 2 - side / 2, 0, height - side)
    return np.stack([left, upper, left + side, upper + side], axis=1)


def crop_square(union: Box, face_height: float, picture: tuple[float, float], settings: Crop) -> Box:
    """`crop_squares` of one box."""
    square = crop_squares(np.array([union]), np.array([face_height]), np.array([picture], float), settings)[0]
    return float(square[0]), float(square[1]), float(square[2]), float(square[3])


def even_squares(boxes: Floats, picture: Floats) -> NDArray[np.int64]:
    """The same squares on even whole pixels inside the picture, as 4:2:0 colour needs them: (n, 4)."""
    size = picture.astype(np.int64)
    side = np.minimum((boxes[:, 2] - boxes[:, 0]).round().astype(np.int64), size.min(axis=1)) // 2 * 2
    left = np.clip((boxes[:, 0] / 2).round().astype(np.int64) * 2, 0, (size[:, 0] - side) // 2 * 2)
    top = np.clip((boxes[:, 1] / 2).round().astype(np.int64) * 2, 0, (size[:, 1] - side) // 2 * 2)
    return np.stack([left, top, left + side, top + side], axis=1)
