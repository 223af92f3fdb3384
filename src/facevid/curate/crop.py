"""The square that a clip keeps of its source: head and upper shoulders, inside the picture, never distorted."""

from __future__ import annotations

from facevid.recipe import Crop

Box = tuple[float, float, float, float]


def crop_square(union: Box, face_height: float, picture: tuple[float, float], settings: Crop) -> Box:
    """A square around the union of a stretch's face boxes with margins in units of the face height.

    union: x0, y0, x1, y1 in source pixels; picture: its width and height. Where the square does not fit,
    it is first moved, then made as large as the picture's shorter side. Returns x0, y0, x1, y1 (float).
    """
    width, height = picture
    x0 = union[0] - settings.sides * face_height
    x1 = union[2] + settings.sides * face_height
    y0 = union[1] - settings.above * face_height
    y1 = union[3] + settings.below * face_height
    side = min(max(x1 - x0, y1 - y0), width, height)
    centre_x = (union[0] + union[2]) / 2
    # Where the height cannot all be had, head and shoulders give way alike.
    centre_y = (y0 + y1) / 2
    left = min(max(centre_x - side / 2, 0.0), width - side)
    top = min(max(centre_y - side / 2, 0.0), height - side)
    return left, top, left + side, top + side


def even_square(box: Box, picture: tuple[int, int]) -> tuple[int, int, int, int]:
    """The same square on even whole pixels inside the picture, as 4:2:0 colour needs it."""
    width, height = picture
    side = int(min(box[2] - box[0], width, height)) // 2 * 2
    left = min(max(0, round(box[0] / 2) * 2), (width - side) // 2 * 2)
    top = min(max(0, round(box[1] / 2) * 2), (height - side) // 2 * 2)
    return left, top, left + side, top + side
