"""Neck base, shoulders and clothes: a still layer behind the head."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facevid.synth.head import rows_at, vertex_normals
from facevid.synth.light import Light, shade
from facevid.synth.noise import Array, noise_image, smoothstep
from facevid.synth.person import Person
from facevid.synth.raster import Atlas, Camera, Layer, draw
from facevid.synth.skin import base_tone, mix, texel_points

SHOULDERS = np.array(
    [
        [-13.2, -12.4, -11.8, 3.0, -6.4, 4.9, -1.6, 2.0],
        [-16.2, -15.2, -14.4, 4.0, -7.6, 6.6, -1.8, 2.0],
        [-18.0, -16.6, -15.4, 5.2, -8.6, 9.5, -1.8, 2.0],
        [-20.0, -18.0, -16.6, 6.4, -9.4, 14.0, -1.6, 2.0],
        [-22.5, -20.0, -19.0, 7.6, -10.2, 18.0, -1.4, 2.1],
        [-26.0, -24.0, -23.0, 8.8, -11.0, 20.6, -1.2, 2.3],
        [-31.0, -30.0, -29.0, 9.8, -11.6, 21.6, -1.0, 2.5],
        [-44.0, -44.0, -43.0, 10.6, -12.0, 21.4, -1.0, 2.6],
    ],
    np.float32,
)


def paint_body(person: Person, light: Light, camera: Camera, size: tuple[int, int]) -> Layer | None:
    """The drawn layer of `person`'s shoulders."""
    rng = np.random.default_rng([person.seed, 3])
    s = person.shape
    keys = SHOULDERS.copy()
    keys[:, :3] -= 11.7 * (s["face_length"] - 1)
    wide = (0.9 if person.presentation == "female" else 1.04) * (0.85 + 0.15 * s["neck_width"])
    keys[2:, 5] *= wide
    keys[:2, 5] *= s["neck_width"]
    theta = np.linspace(-np.pi, np.pi, 81).astype(np.float32)
    grid = rows_at(keys, np.linspace(0, 7, 44).astype(np.float32), theta)
    folds = noise_image(rng, (44, 81), (14, 7), 2)
    grid[..., 2] += 0.35 * folds * smoothstep(-19.0, -24.0, grid[..., 1])
    atlas = Atlas([(grid.shape, False)])
    atlas.dress(0, _cloth(person, texel_points(grid), s, rng))
    normals = vertex_normals(grid)
    visible = 1 - 0.75 * np.exp(-0.5 * (grid[..., 0] / 6.5) ** 2) * smoothstep(-20.0, -15.0, grid[..., 1])
    lit, sheen = shade(light, normals, 0.05, np.asarray(visible, np.float32))
    return draw(atlas, grid, lit, sheen, camera, size)


def _cloth(person: Person, p: Array, s: dict[str, float], rng: np.random.Generator) -> NDArray[np.uint8]:
    x, y, z = p[..., 0], p[..., 1] + 11.7 * (s["face_length"] - 1), p[..., 2]
    front = z > -1.0
    base = np.array(person.clothes_colour, np.float32) * 0.9
    weave = 1 + 0.05 * noise_image(rng, x.shape, (2, 2)) + 0.04 * noise_image(rng, x.shape, (20, 20))
    colour = np.asarray(base * weave[..., None], np.float32)
    skin = np.broadcast_to(base_tone(person) * [0.86, 0.82, 0.81], colour.shape).astype(np.float32)
    kind = person.clothes
    depth = {
        "t-shirt": -18.2,
        "sweater": -17.0,
        "hoodie": -17.4,
        "v-neck": -23.5,
        "shirt": -20.5,
        "suit": -18.6,
    }[kind]
    slope = {"v-neck": 1.05, "shirt": 1.1, "suit": 1.6}.get(kind)
    edge = depth + slope * np.abs(x) * (1 + 0.02 * np.abs(x)) if slope else depth + 0.06 * x**2
    edge = np.where(front, np.minimum(edge, -14.4), -14.8)
    if kind in ("shirt", "suit"):
        collar = smoothstep(0.0, 0.15, edge - y) * smoothstep(2.9, 2.7, edge - y) * (np.abs(x) < 7)
        white = np.array((232, 232, 236) if kind == "suit" else person.clothes_colour, np.float32)
        shirt = np.abs(x) < np.maximum(0.0, (y + 40) * 0.24) if kind == "suit" else np.zeros_like(x, bool)
        colour = mix(colour, white, shirt.astype(np.float32))
        if kind == "suit":
            tie = (np.abs(x) < 1.15 + 0.05 * (-18.6 - y)) & (y < -18.2)
            colour = mix(colour, (110, 30, 44), tie.astype(np.float32))
            lapel = np.exp(-0.5 * ((np.abs(x) - np.maximum(0.0, (y + 40) * 0.24)) / 0.18) ** 2)
            colour = mix(colour, base * 0.45, np.asarray(0.8 * lapel, np.float32))
        colour = mix(colour, white * 1.04, collar)
        rim = np.exp(-0.5 * ((edge - y - 2.8) / 0.12) ** 2) * (np.abs(x) < 7)
        colour = mix(colour, white * 0.55, np.asarray(0.7 * rim, np.float32))
        if kind == "shirt":
            placket = np.exp(-0.5 * ((np.abs(x) - 1.1) / 0.06) ** 2) * (y < depth - 1)
            colour = mix(colour, base * 0.6, np.asarray(0.5 * placket, np.float32))
    else:
        width = 1.4 if kind != "v-neck" else 0.8
        rib = smoothstep(0.0, 0.1, edge - y) * smoothstep(width, width - 0.1, edge - y)
        colour = mix(colour, base * 0.86, rib)
        seam = np.exp(-0.5 * ((edge - y - width) / 0.07) ** 2)
        colour = mix(colour, base * 0.5, np.asarray(0.7 * seam, np.float32))
    colour = mix(colour, skin, smoothstep(-0.08, 0.08, y - edge))
    under = np.exp(-0.5 * ((y - edge) / 0.12) ** 2)
    colour = colour * (1 - 0.35 * under[..., None])
    return np.dstack([np.clip(colour, 0, 255), np.full(x.shape, 255)]).astype(np.uint8)
