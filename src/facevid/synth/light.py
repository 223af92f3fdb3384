"""Light of a scene, and the shade it gives to points of a head: key, fill and rim, soft terminator, sheen, shadow."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from facevid.synth.noise import Array

GAMMA = 1 / 2.2


@dataclass(frozen=True)
class Light:
    """`side` -1 (from the left of the picture) .. 1, `height` 0..1, `level` brightness of the whole, `warmth` -1
    (cool) .. 1 (warm), `hardness` 0 (all round) .. 1 (one lamp)."""

    side: float
    height: float
    level: float
    warmth: float
    hardness: float

    @property
    def name(self) -> str:
        """dark, dim, normal or bright."""
        return (
            "dark"
            if self.level < 0.2
            else "dim"
            if self.level < 0.75
            else "bright"
            if self.level > 1.12
            else "normal"
        )

    @property
    def colour(self) -> Array:
        return np.array([1 + 0.09 * self.warmth, 1.0, 1 - 0.14 * self.warmth], np.float32)

    @property
    def direction(self) -> Array:
        d = np.array([1.1 * self.side, 0.25 + 0.55 * self.height, 1.0], np.float32)
        return np.asarray(d / np.linalg.norm(d), np.float32)


def shade(light: Light, normals: Array, gloss: Array | float, shadow: Array) -> tuple[Array, Array]:
    """Factors (h, w, 3) for the texture's RGB (display-referred) and the highlight (h, w) on unit normals (h, w, 3);
    `shadow` is the share of the key light that arrives."""
    key = light.direction
    facing = normals @ key
    ambient = 0.5 - 0.22 * light.hardness
    strength = 0.72 + 0.45 * light.hardness
    lit = np.empty((*facing.shape, 3), np.float32)
    sky = 0.8 + 0.2 * normals[..., 1]
    fill = np.maximum(normals @ np.array([-0.7 * key[0] - 0.2, 0.1, 0.7], np.float32), 0) * 0.16
    back = (
        np.maximum(normals @ np.array([-0.85 * np.sign(key[0] + 1e-6), 0.35, -0.4], np.float32), 0) ** 2 * 0.3
    )
    # light bleeds through skin past the terminator, red the farthest
    for c, wrap in enumerate((0.42, 0.26, 0.2)):
        diffuse = np.clip((facing + wrap) / (1 + wrap), 0, 1) ** 1.25
        linear = light.colour[c] * strength * diffuse * shadow + ambient * sky + fill + back
        lit[..., c] = np.power(np.maximum(linear * light.level, 1e-4), GAMMA)
    half = key + np.array([0, 0, 1], np.float32)
    half /= np.linalg.norm(half)
    lobe = np.maximum(normals @ half, 0)
    edge = np.maximum(1 - normals[..., 2], 0) ** 3
    sheen = 0.11 * lobe**14 + 0.14 * lobe**45 + 0.03 * edge
    return lit, np.asarray(sheen * gloss * np.sqrt(light.level) * shadow, np.float32)


def cast_shadow(points: Array, normals: Array, light: Light, steps: int = 9) -> Array:
    """0..1 visibility of the key light for a grid of points (R, C, 3), by marching through the front depth map."""
    cell, half = 0.5, 13.0
    n = int(2 * half / cell)
    flat = points.reshape(-1, 3)
    ix = np.clip(((flat[:, 0] + half) / cell).astype(int), 0, n - 1)
    iy = np.clip(((half + 3 - flat[:, 1]) / cell).astype(int), 0, n - 1)
    depth = np.full((n, n), -30.0, np.float32)
    np.maximum.at(depth, (iy, ix), flat[:, 2])
    d = light.direction / light.direction[2]
    blocked = np.zeros(len(flat), np.float32)
    for k in range(1, steps + 1):
        q = flat + d * (0.65 * k) + normals.reshape(-1, 3) * 0.35
        mx, my = (q[:, 0] + half) / cell - 0.5, (half + 3 - q[:, 1]) / cell - 0.5
        surface = cv2.remap(depth, mx[None], my[None], cv2.INTER_LINEAR, borderValue=(-30.0,))[0]
        np.maximum(blocked, np.clip((surface - q[:, 2] - 0.1) / 0.5, 0, 1), out=blocked)
    visible = 1 - 0.85 * blocked.reshape(points.shape[:2])
    return np.asarray(cv2.GaussianBlur(visible, (0, 0), 1.3), np.float32)
