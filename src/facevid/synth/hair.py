"""What sits on a head besides its skin: ears, the volume of hair, long hair, a bun."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facevid.synth.head import Head, rows_at, vertex_normals
from facevid.synth.noise import Array, noise_image, noise_space, smoothstep
from facevid.synth.person import HAIR, Person
from facevid.synth.raster import TEXELS

# thickness of the hair on top and at the sides, cm
VOLUME: dict[str, tuple[float, float]] = {
    "bald": (0.0, 0.0),
    "buzz": (0.15, 0.1),
    "short": (1.0, 0.35),
    "medium": (1.5, 0.9),
    "curly": (1.9, 1.2),
    "afro": (2.4, 2.5),
    "long": (1.1, 0.9),
    "bob": (1.2, 1.1),
    "bun": (0.5, 0.4),
}


def puff_up(person: Person, head: Head, cover: Array, rng: np.random.Generator) -> None:
    """Moves the scalp points of `head` out by the hair's volume, in place; `cover` (R, C) cm inside the hairline."""
    top, side = VOLUME[person.hair_style]
    p = head.skin
    inside = smoothstep(-0.2, 1.6 if person.bangs else 2.8, cover)
    thick = side + (top - side) * smoothstep(3.0, 9.0, p[..., 1])
    lumps = 1 + 0.1 * noise_space(rng, p, 4.0)
    if person.hair_style in ("curly", "afro"):
        lumps = lumps + 0.12 * noise_space(rng, p, 1.6)
    if person.hair_style in ("short", "medium") and person.presentation == "male":
        lumps = lumps + 0.35 * smoothstep(1.0, 6.0, p[..., 2]) * smoothstep(6.0, 9.0, p[..., 1])
    out = vertex_normals(p)
    out[:4] = out[:4] * 0.2 + np.array([0, 1, 0], np.float32)
    head.points[:] = p + out * (thick * inside * lumps)[..., None]
    head.points[:, 0] = head.points[:, -1] = (head.points[:, 0] + head.points[:, -1]) / 2


def curtain(person: Person, rng: np.random.Generator) -> Array | None:
    """Hair that falls behind and beside the face; a grid (rows, cols, 3), or None for styles without."""
    ends = {"long": -19.0, "bob": -9.5, "medium": -5.0 if person.presentation == "male" else -7.5}
    if person.hair_style not in ends:
        return None
    s = person.shape
    low = ends[person.hair_style] + float(rng.uniform(-1.5, 1.5))
    rows, cols = 26, 41
    y = np.linspace(8.6, low, rows)
    wide = s["face_width"]
    half = (
        np.interp(y, [low, -10, -4, 0, 5, 8.6], [8.4, 8.6, 8.5, 8.45, 8.3, 6.7]) * (0.5 + 0.5 * wide) + 0.15
    )
    if person.hair_style == "long":
        half = half + np.interp(y, [low, -8, 2], [1.2, 0.6, 0.0])
    back = np.interp(y, [low, -8, 3, 8.6], [-8.5, -9.8, -11.2, -9.0])
    front = np.interp(y, [low, -6, 0, 4, 8.6], [3.4, 2.8, 1.6, 1.4, 1.0])
    keys = np.stack([y, y, y, front * 2 + 3, back, half, np.full(rows, 0.4), np.full(rows, 2.0)], 1).astype(
        np.float32
    )
    start = float(1.14 + 0.05 * rng.uniform(-1, 1))
    theta = np.linspace(start, 2 * np.pi - start, cols).astype(np.float32)[::-1]
    grid = rows_at(keys, np.arange(rows, dtype=np.float32), np.asarray(theta, np.float32))
    wave = noise_space(rng, grid * np.array([1, 0.25, 1], np.float32), 2.6)
    amount = 0.22 * smoothstep(8.0, 2.0, grid[..., 1])
    grid[..., 0] += np.sign(grid[..., 0]) * wave * amount
    grid[-1, :, 1] += rng.uniform(-0.7, 0.7, cols)
    return np.asarray(grid, np.float32)


def bun(person: Person) -> Array | None:
    """A knot of hair on the crown, for the style of that name."""
    if person.hair_style != "bun":
        return None
    a = np.linspace(0, np.pi, 12)[:, None]
    b = np.linspace(-np.pi, np.pi, 19)[None]
    r = 2.7
    x, y, z = r * np.sin(a) * np.sin(b), r * 0.85 * np.cos(a) * np.ones_like(b), r * np.sin(a) * np.cos(b)
    return np.asarray(np.stack([x, y + 12.1 * person.shape["skull_height"], z - 3.2], -1), np.float32)


def ear(person: Person, skin: Array, theta: Array, side: int) -> Array:
    """The ear at the picture's left (-1) or right (1): a dish of (rows outwards, columns around, 3)."""
    s = person.shape
    row = int(np.argmin(np.abs(skin[:, len(theta) // 2, 1] + 1.2)))
    column = int(np.argmin(np.abs(theta - side * 1.62)))
    root = skin[row, column] + np.array([-0.25 * side, 0, 0], np.float32)
    r = np.linspace(0, 1, 9)[:, None]
    phi = np.linspace(0, 2 * np.pi, 21)[None]
    out = 0.35 + 0.55 * s["ear_out"]
    back = np.array([side * np.sin(out), 0.0, -np.cos(out)])
    up = np.array([0.0, 0.98, -0.18])
    normal = np.array([side * np.cos(out), 0.0, np.sin(out)])
    along = (1.55 * np.cos(phi) * r + 1.05) * s["ear_size"]
    lobe = 1 - 0.22 * np.maximum(-np.sin(phi), 0)
    height = (3.05 * np.sin(phi) * r - 0.35) * s["ear_size"]
    along = along * (0.72 + 0.28 * np.clip(height / 3.0 + 0.7, 0, 1)) * lobe
    dish = (
        0.55 * (r**2.5)
        - 0.35 * smoothstep(0.85, 1.0, np.asarray(r, np.float32))
        - 0.3 * np.exp(-((r - 0.3) ** 2) / 0.03)
    )
    depth = dish * np.ones_like(phi) * (0.5 + 0.5 * np.cos(phi) ** 2)
    grid = root + along[..., None] * back + height[..., None] * up + depth[..., None] * normal
    return np.asarray(grid, np.float32)


def hair_texture(person: Person, grid: Array, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Strands that run down the rows of a hair grid."""
    h, w = grid.shape[0] * TEXELS, grid.shape[1] * TEXELS
    base = np.array(HAIR[person.hair_colour], np.float32)
    streak = 0.55 * noise_image(rng, (h, w), (90, 2.4)) + 0.45 * noise_image(rng, (h, w), (60, 8))
    shine = np.exp(
        -0.5 * ((np.arange(h)[:, None] / h - 0.12 + 0.02 * noise_image(rng, (h, w), (20, 10))) / 0.09) ** 2
    )
    colour = base * (1 + 0.45 * streak[..., None]) + 22 * (shine * (0.6 + 0.6 * streak))[..., None] + 3
    if person.hair_style == "bun":
        colour = base * (1 + 0.35 * noise_image(rng, (h, w), (6, 40))[..., None]) + 3
    return np.dstack([np.clip(colour, 2, 255), np.full((h, w), 255)]).astype(np.uint8)
