"""A small rasteriser for grids of points: draws which quad covers each pixel, then looks texture and light up there.

Grids lie one below the other in an atlas; a point of the atlas at (row, column) has its texel at TEXELS times that.
The quads are painted from far to near, so no depth buffer is needed; everything per pixel is one vectorised pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facevid.synth.noise import Array

TEXELS = 8  # texture pixels per quad side
_SHIFT = 4  # fractional bits of the polygon corners


@dataclass(frozen=True)
class Camera:
    """A pinhole in front of the head: `scale` pixels per cm at the face (z = 9), (cx, cy) the picture's place of
    the origin, `distance` in cm."""

    cx: float
    cy: float
    scale: float
    distance: float = 95.0

    def project(self, points: Array) -> tuple[Array, Array]:
        """(n, 3) cm to (n, 2) pixels and (n,) depth in cm."""
        depth = self.distance - points[:, 2]
        k = self.scale * (self.distance - 9.0) / depth
        xy = np.empty((len(points), 2), np.float32)
        xy[:, 0] = self.cx + points[:, 0] * k
        xy[:, 1] = self.cy - points[:, 1] * k
        return xy, depth


@dataclass(frozen=True)
class Part:
    """A grid of `rows` x `cols` points in the atlas, from row `top` on; `two_sided` grids show their backs."""

    rows: int
    cols: int
    top: int
    two_sided: bool = False


class Atlas:
    """Where every grid lies, its quads, and its texture: RGB (H, W, 3) and opacity (H, W), both uint8."""

    def __init__(self, shapes: list[tuple[tuple[int, ...], bool]]) -> None:
        self.parts: list[Part] = []
        top = 0
        for (rows, cols), two_sided in ((shape[:2], sided) for shape, sided in shapes):
            self.parts.append(Part(rows, cols, top, two_sided))
            top += rows
        self.height, self.width = top, max(p.cols for p in self.parts)
        self.rgb = np.zeros((self.height * TEXELS, self.width * TEXELS, 3), np.uint8)
        self.opacity = np.zeros(self.rgb.shape[:2], np.uint8)
        corners, sided = [], []
        for p in self.parts:
            r, c = np.mgrid[p.top : p.top + p.rows - 1, 0 : p.cols - 1]
            a = (r * self.width + c).ravel()
            corners.append(np.stack([a, a + 1, a + 1 + self.width, a + self.width], 1))
            sided.append(np.full(len(a), p.two_sided))
        self.corners = np.concatenate(corners)
        self.sided = np.concatenate(sided)

    def place(self, grids: list[Array]) -> Array:
        """The atlas image (height, width, channels) that holds the given grids."""
        image = np.zeros((self.height, self.width, grids[0].shape[-1]), np.float32)
        for part, grid in zip(self.parts, grids, strict=True):
            image[part.top : part.top + part.rows, : part.cols] = grid
        return image

    def texels(self, part: int) -> NDArray[np.uint8]:
        """View of one grid's RGB; its texel (8 i, 8 j) belongs to point (i, j)."""
        p = self.parts[part]
        return self.rgb[p.top * TEXELS : (p.top + p.rows) * TEXELS, : p.cols * TEXELS]

    def dress(self, part: int, rgba: NDArray[np.uint8]) -> None:
        """Gives one grid its texture (rows * TEXELS, cols * TEXELS, 4)."""
        p = self.parts[part]
        self.texels(part)[:] = rgba[..., :3]
        self.opacity[p.top * TEXELS : (p.top + p.rows) * TEXELS, : p.cols * TEXELS] = rgba[..., 3]


@dataclass(frozen=True)
class Layer:
    """A drawn picture: premultiplied-free RGB, opacity 0..255, and its corner in the whole picture."""

    rgb: NDArray[np.uint8]
    alpha: NDArray[np.uint8]
    x0: int
    y0: int


def draw(
    atlas: Atlas, points: Array, light: Array, sheen: Array, camera: Camera, size: tuple[int, int]
) -> Layer | None:
    """Draws atlas `points` (H, W, 3) cm into a picture of `size` (width, height), RGB times `light` (H, W, 3) plus
    `sheen` (H, W) in 0..1; None when nothing is in view."""
    xy, depth = camera.project(points.reshape(-1, 3))
    quads = xy[atlas.corners]
    d1, d2 = quads[:, 2] - quads[:, 0], quads[:, 3] - quads[:, 1]
    area = d1[:, 0] * d2[:, 1] - d1[:, 1] * d2[:, 0]
    in_view = (quads[:, 0] > -40).all(1) & (quads[:, 0] < np.array(size) + 40).all(1)
    seen = np.flatnonzero(((area > 0.02) | (atlas.sided & (np.abs(area) > 0.02))) & in_view)
    if len(seen) == 0:
        return None
    far = depth[atlas.corners[seen]].mean(1)
    seen = seen[np.argsort(-far, kind="stable")]
    quads = quads[seen]
    low = np.maximum(np.floor(quads.min((0, 1))).astype(int) - 2, 0)
    high = np.minimum(np.ceil(quads.max((0, 1))).astype(int) + 3, size)
    if (high - low).min() < 4:
        return None
    quads -= low.astype(np.float32)
    ids = _fill(quads, (int(high[1] - low[1]), int(high[0] - low[0])))
    u, v = _coordinates(ids, quads, atlas.corners[seen, 0], atlas.width)
    where, fraction = cv2.convertMaps(u, v, cv2.CV_16SC2)
    lit = cv2.remap(light, where, fraction, cv2.INTER_LINEAR)
    shine = cv2.remap(sheen * 255.0, where, fraction, cv2.INTER_LINEAR)
    u *= TEXELS
    v *= TEXELS
    where, fraction = cv2.convertMaps(u, v, cv2.CV_16SC2)
    colour = cv2.remap(atlas.rgb, where, fraction, cv2.INTER_LINEAR)
    rgb = np.multiply(lit, colour, dtype=np.float32)
    rgb += shine[..., None]
    opacity = cv2.remap(atlas.opacity, where, fraction, cv2.INTER_LINEAR)
    return Layer(
        *_soften(np.asarray(cv2.convertScaleAbs(rgb), np.uint8), np.asarray(opacity, np.uint8)),
        int(low[0]),
        int(low[1]),
    )


def _fill(quads: Array, shape: tuple[int, int]) -> NDArray[np.int32]:
    ids = np.full(shape, -1, np.int32)
    fixed = np.round(quads * (1 << _SHIFT)).astype(np.int32)
    fill: Any = cv2.fillConvexPoly  # its stub asks for a list as colour, which takes twice the time
    for i, corners in enumerate(fixed):
        fill(ids, corners, i, 8, _SHIFT)
    return ids


def _coordinates(
    ids: NDArray[np.int32], quads: Array, first: NDArray[np.int64], width: int
) -> tuple[Array, Array]:
    """Column and row in the atlas of every pixel, by the affine map that fits its quad best; -9 where nothing is."""
    a = (quads[:, 1] - quads[:, 0] + quads[:, 2] - quads[:, 3]) / 2
    b = (quads[:, 3] - quads[:, 0] + quads[:, 2] - quads[:, 1]) / 2
    det = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    det = np.where(np.abs(det) < 1e-3, 1e-3, det)
    centre = quads.mean(1)
    # a last entry, which ids of -1 pick, for the pixels where nothing is
    table = np.zeros((8, len(quads) + 1), np.float32)
    rows = (b[:, 1] / det, -b[:, 0] / det, -a[:, 1] / det, a[:, 0] / det)
    for k, row in enumerate(rows):
        table[k, :-1] = row
    table[4, :-1] = first % width + 0.5 - rows[0] * centre[:, 0] - rows[1] * centre[:, 1]
    table[5, :-1] = first // width + 0.5 - rows[2] * centre[:, 0] - rows[3] * centre[:, 1]
    table[6, :-1], table[7, :-1] = first % width, first // width
    table[4:, -1] = -9
    x = np.arange(ids.shape[1], dtype=np.float32)
    y = np.arange(ids.shape[0], dtype=np.float32)[:, None]
    index = ids.astype(np.intp)

    def plane(across: int, down: int, start: int, lowest: int) -> Array:
        value = table[across].take(index, mode="wrap")
        value *= x
        slope = table[down].take(index, mode="wrap")
        slope *= y
        value += slope
        value += table[start].take(index, mode="wrap")
        bound = table[lowest].take(index, mode="wrap")
        np.maximum(value, bound, out=value)
        bound += 1
        return np.asarray(np.minimum(value, bound, out=value), np.float32)

    return plane(0, 1, 4, 6), plane(2, 3, 5, 7)


def _soften(rgb: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Antialiases the outline: colour grows one pixel outwards, opacity ramps over it."""
    inside = (alpha > 6).astype(np.uint8) * 255
    grown = cv2.dilate(rgb, np.ones((3, 3), np.uint8))
    cv2.copyTo(rgb, inside, grown)
    soft = np.maximum(cv2.GaussianBlur(inside, (5, 5), 0.8), 40) - 40
    ramp = cv2.convertScaleAbs(soft, alpha=255.0 / 160)
    full = cv2.bitwise_or(alpha, cv2.bitwise_not(inside))
    return np.asarray(grown, np.uint8), np.asarray(cv2.min(full, ramp), np.uint8)


def blend(canvas: NDArray[np.uint8], layer: Layer | None) -> None:
    """Puts a layer on a picture, in place."""
    if layer is None:
        return
    h, w = layer.alpha.shape
    view = canvas[layer.y0 : layer.y0 + h, layer.x0 : layer.x0 + w]
    a = layer.alpha.astype(np.float32)
    a *= 1 / 255
    view[:] = cv2.blendLinear(layer.rgb, np.ascontiguousarray(view), a, 1 - a)
