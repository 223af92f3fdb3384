"""Brows and eyes of every frame as small pictures from the front, and how far parts of them move in these.

A mesh hardly follows raised brows and shut lids; pictures show them. To keep the head's own movement out, the plane of
the brows (or of the eyes) of the clip's median face is laid into each picture by the rotation and scale of its mesh.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facevid.annotate.frontal import BROWS, RIGID, seen_frames, to_front
from facevid.annotate.observed import Floats, Images, UpperFace

PER_EYE_DISTANCE = 96
"""Pixels an eye distance: about a millimetre each, half of what a face in a clip of 512 pixels has."""
EYE_CORNERS = (33, 133, 362, 263)
SMOOTH_PX, CONTRAST, NOISE = 1.2, 0.35, 8.0
"""Contrast is that of a picture smoothed over a millimetre against the 3 cm around; noise of dark pixels."""
LEAST_PX = 5
"""Smaller boxes hold nothing that could be followed."""
Box = tuple[int, int, int, int]
"""Left, right, top, bottom in pixels of a small picture."""


@dataclass(frozen=True)
class Frame:
    """What a small picture shows: left, right, top and bottom in eye distances from between the outer eye corners."""

    left: float
    right: float
    top: float
    bottom: float
    points: Sequence[int]
    """Points of the mesh in whose median depth the plane lies."""

    @property
    def size(self) -> tuple[int, int]:
        return (
            round((self.right - self.left) * PER_EYE_DISTANCE),
            round((self.bottom - self.top) * PER_EYE_DISTANCE),
        )


FRAMES = {
    "brows": Frame(-0.66, 0.66, -0.62, 0.06, BROWS[0] + BROWS[1]),
    "eyes": Frame(-0.66, 0.66, -0.27, 0.27, EYE_CORNERS),
}


class UpperFaces:
    """Takes the pictures of a clip one by one."""

    def __init__(self, mesh: Floats, pose: Floats) -> None:
        """`mesh` (n, 478, 3) in pixels, `pose` (n, 3): of the whole clip; frames without take their neighbours'."""
        self._maps: dict[str, NDArray[np.float64]] = {}
        self._kept: dict[str, list[Images]] = {name: [] for name in FRAMES}
        valid = np.flatnonzero(seen_frames(mesh, pose))
        if len(valid) < 2:
            return
        points = mesh[valid].astype(np.float64)
        face, turns, scale = to_front(points, pose[valid].astype(np.float64))
        middle = points[:, RIGID].mean(axis=1)
        template = np.median(face, axis=0)
        origin = (template[33] + template[263]) / 2
        self._template = (template - origin).astype(np.float32)
        between = (valid[1:] + valid[:-1]) / 2
        nearest = np.searchsorted(between, np.arange(len(mesh)))
        for name, frame in FRAMES.items():
            depth = float(np.median(template[list(frame.points), 2]))
            corner = np.array([origin[0] + frame.left, origin[1] + frame.top, depth])
            axes = scale[:, None, None] * turns[:, :2]  # picture = axes @ front + middle
            shift = axes @ corner + middle[:, :2]
            maps = np.concatenate([axes[:, :, :2] / PER_EYE_DISTANCE, shift[:, :, None]], axis=2)
            self._maps[name] = maps[nearest]

    def look(self, image: Images) -> None:
        """The next picture of the clip, (h, w, 3) RGB."""
        if not self._maps:
            return
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        for name, maps in self._maps.items():
            kept = self._kept[name]
            seen = cv2.warpAffine(
                grey, maps[len(kept)], FRAMES[name].size,
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
            )  # fmt: skip
            kept.append(np.asarray(seen, np.uint8))

    def all(self) -> UpperFace | None:
        """What was taken; None where the clip has hardly any mesh."""
        if not self._maps:
            return None
        return UpperFace(np.stack(self._kept["brows"]), np.stack(self._kept["eyes"]), self._template)


def contrast(pictures: Images) -> Floats:
    """Log of brightness over the brightness around it (n, h, w): what is drawn on a face, whatever the light."""
    around = round(CONTRAST * PER_EYE_DISTANCE) | 1
    out = np.empty(pictures.shape, np.float32)
    for k, picture in enumerate(pictures):
        fine = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), SMOOTH_PX)
        out[k] = np.log((fine + NOISE) / (cv2.blur(fine, (around, around)) + NOISE))
    return out


def follow(pictures: Floats, box: Box, reach: tuple[int, int]) -> Floats:
    """How far what lies in `box` moves from its place in the clip's median picture: (n, 2) right and down, in pixels.

    pictures: (n, h, w) of `contrast`. reach: the farthest way looked for. The best normalised correlation (Lewis 1995),
    between pixels by a parabola. Nothing moves where the box lies (almost) outside of the picture.
    """
    return _matched(pictures, box, reach)[:, :2]


def likeness(pictures: Floats, box: Box, reach: tuple[int, int]) -> Floats:
    """How much what lies in `box`, or near it, looks as in the clip's median picture: correlation (n,), at most 1."""
    return _matched(pictures, box, reach)[:, 2]


def _matched(pictures: Floats, box: Box, reach: tuple[int, int]) -> Floats:
    height, width = pictures.shape[1:]
    left, right = np.clip(box[:2], 0, width)
    top, bottom = np.clip(box[2:], 0, height)
    across, down = reach
    found = np.zeros((len(pictures), 3), np.float32)
    if right - left < LEAST_PX or bottom - top < LEAST_PX:
        return found
    wanted = np.ascontiguousarray(np.median(pictures[:, top:bottom, left:right], axis=0))
    for k, picture in enumerate(pictures):
        padded = cv2.copyMakeBorder(picture, down, down, across, across, cv2.BORDER_REPLICATE)
        part = padded[top : bottom + 2 * down, left : right + 2 * across]
        fit = cv2.matchTemplate(part, wanted, cv2.TM_CCOEFF_NORMED)
        y, x = np.unravel_index(int(np.argmax(fit)), fit.shape)
        found[k] = _peak(fit[y], int(x)) - across, _peak(fit[:, x], int(y)) - down, fit[y, x]
    return found


def box_in(frame: Frame, left: float, right: float, top: float, bottom: float) -> Box:
    """A box in eye distances (x right, y down, from between the outer eye corners) as pixels of a small picture."""
    across = [round((v - frame.left) * PER_EYE_DISTANCE) for v in sorted((left, right))]
    down = [round((v - frame.top) * PER_EYE_DISTANCE) for v in (top, bottom)]
    return across[0], across[1], down[0], down[1]


def _peak(values: NDArray[Any], k: int) -> float:
    """Where a parabola through the largest of `values`, the k-th, and its neighbours has its top."""
    if not 0 < k < len(values) - 1:
        return float(k)
    before, here, after = (float(v) for v in values[k - 1 : k + 2])
    bend = before - 2 * here + after
    return k + (0.5 * (before - after) / bend if bend < 0 else 0.0)
