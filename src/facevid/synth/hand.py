"""An open hand, palm to the camera, that moves in front of a face."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from facevid.synth.light import GAMMA, Light
from facevid.synth.noise import Array, noise_image, smoothstep
from facevid.synth.person import Person
from facevid.synth.skin import base_tone, mix

# chains of (x, y, radius) in cm, wrist at the origin, fingers up; a right hand's palm as the camera sees it
FINGERS = (
    ((-2.9, 8.3, 1.0), (-4.2, 11.5, 0.86), (-4.9, 13.6, 0.77), (-5.4, 15.2, 0.64)),
    ((-1.0, 8.9, 1.0), (-1.3, 12.7, 0.88), (-1.4, 15.2, 0.79), (-1.45, 17.1, 0.65)),
    ((1.0, 8.7, 0.98), (1.9, 12.1, 0.84), (2.4, 14.4, 0.76), (2.75, 16.2, 0.63)),
    ((2.8, 7.9, 0.88), (4.5, 10.3, 0.75), (5.4, 11.9, 0.68), (6.1, 13.2, 0.57)),
    ((-2.3, 2.8, 1.9), (-5.2, 5.2, 1.25), (-7.0, 7.0, 0.98), (-8.1, 8.7, 0.8)),
)
PALM = (
    ((-2.5, 7.5, 1.6), (-2.1, 2.4, 2.2)), ((0.0, 7.9, 1.6), (0.0, 2.0, 2.2)), ((2.2, 7.1, 1.6), (1.9, 2.2, 2.2)),
    ((0.0, 2.0, 2.7), (0.3, -6.0, 2.6)), ((0.3, -6.0, 2.6), (0.6, -26.0, 4.0)),
)  # fmt: skip
SPAN = (-11.0, 8.5, -24.0, 18.5)  # x and y reach of the sprite, cm
SLEEVE = -8.5  # cm


def _cone(x: Array, y: Array, a: tuple[float, float, float], b: tuple[float, float, float]) -> Array:
    """Height in cm of a rounded rod from a to b above the picture plane; negative outside."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    t = np.clip(((x - a[0]) * dx + (y - a[1]) * dy) / (dx * dx + dy * dy), 0, 1)
    r = a[2] + (b[2] - a[2]) * t
    return np.asarray(r - np.hypot(x - a[0] - t * dx, y - a[1] - t * dy), np.float32)


def hand_sprite(person: Person, light: Light, scale: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The hand as (h, w, 4) uint8 at `scale` pixels per cm."""
    h, w = int((SPAN[3] - SPAN[2]) * scale), int((SPAN[1] - SPAN[0]) * scale)
    row, col = np.mgrid[0:h, 0:w].astype(np.float32)
    x, y = col / scale + SPAN[0], SPAN[3] - row / scale
    spread = float(rng.uniform(0.96, 1.08))
    fingers = [tuple((px * spread, py, r) for px, py, r in chain) for chain in FINGERS]
    rods = [_cone(x, y, a, b) for chain in fingers for a, b in pairwise(chain)]
    palm = [_cone(x, y, a, b) for a, b in PALM]
    inside = np.maximum.reduce(rods + palm)
    height = np.zeros_like(x)
    for d, r in [(k, 0.85) for k in rods] + [(k, 2.0) for k in palm]:
        deep = np.clip(d, 0, r)
        height = np.maximum(height, np.sqrt(np.maximum(2 * r * deep - deep * deep, 0)))
    height += 0.45 * np.exp(-0.5 * (((x + 2.6) / 1.5) ** 2 + ((y - 3.8) / 2.0) ** 2))
    height = np.asarray(cv2.GaussianBlur(height, (0, 0), 0.16 * scale), np.float32)
    gy, gx = np.gradient(height * scale)
    normal = np.stack([-gx, gy, np.full_like(gx, 0.9)], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    light_palm = 0.3 if person.monk < 6 else 0.5
    tone = base_tone(person) * (1 - light_palm) + np.array([214, 156, 132], np.float32) * light_palm * (
        0.5 + 0.5 * person.lightness
    )
    flush = np.exp(-0.5 * ((y - 7.6) / 0.8) ** 2) + 0.6 * smoothstep(12.0, 17.0, y)
    colour = tone * (1 + 0.035 * noise_image(rng, x.shape, (10, 10), 2)[..., None])
    colour = colour * (1 - np.array([0.0, 0.13, 0.12], np.float32) * flush[..., None])
    colour = colour * (1 - 0.3 * _creases(x, y, fingers)[..., None] * np.array([0.8, 1.0, 1.0]))
    cloth = (
        np.array(person.clothes_colour, np.float32)
        * 0.9
        * (1 + 0.08 * noise_image(rng, x.shape, (2, 2)))[..., None]
    )
    colour = mix(
        colour, np.asarray(cloth, np.float32), smoothstep(SLEEVE + 0.1, SLEEVE - 0.1, y + 0.05 * x**2)
    )
    facing = np.clip((normal @ light.direction + 0.3) / 1.3, 0, 1)
    factor = np.power((0.16 + 1.1 * facing) * light.level, GAMMA)
    edge = np.where(inside > 0, 0.62 + 0.38 * smoothstep(0.0, 0.4, np.asarray(inside)), 1.0)
    colour = colour * (factor * edge)[..., None] * light.colour
    alpha = 255 * np.clip(inside * scale + 0.5, 0, 1)
    return np.dstack([np.clip(colour, 0, 255), alpha]).astype(np.uint8)


def _creases(x: Array, y: Array, fingers: list[tuple[tuple[float, float, float], ...]]) -> Array:
    lines = np.zeros_like(x)
    for chain in fingers:
        for k in (0, 1, 2) if chain is not fingers[4] else (1, 2):
            (ax, ay, r), (bx, by, _) = chain[k], chain[k + 1]
            length = np.hypot(bx - ax, by - ay)
            ux, uy = (bx - ax) / length, (by - ay) / length
            start = 1.3 if k == 0 else 0.0
            along = (x - ax) * ux + (y - ay) * uy - start
            across = np.abs((x - ax) * uy - (y - ay) * ux)
            lines = np.maximum(lines, np.exp(-0.5 * (along / 0.07) ** 2) * smoothstep(r, r * 0.6, across))
    for cx, cy, radius, low, high in (
        (-5.6, 2.0, 4.4, -0.6, 1.1),
        (-1.0, 12.0, 5.6, -2.4, -0.9),
        (-3.0, 10.5, 5.9, -1.55, -0.55),
    ):
        angle = np.arctan2(y - cy, x - cx)
        arc = np.exp(-0.5 * ((np.hypot(x - cx, y - cy) - radius) / 0.08) ** 2) * (
            (angle > low) & (angle < high)
        )
        lines = np.maximum(lines, arc)
    return np.asarray(lines, np.float32)


def put_hand(
    canvas: NDArray[np.uint8], sprite: NDArray[np.uint8], centre: tuple[float, float], degrees: float
) -> None:
    """Lays the sprite and its shadow over `canvas`, the palm's middle at `centre`, turned by `degrees`, in place."""
    w = sprite.shape[1]
    scale = w / (SPAN[1] - SPAN[0])
    px, py = -SPAN[0] * scale, (SPAN[3] - 6.0) * scale
    move = cv2.getRotationMatrix2D((px, py), degrees, 1.0)
    move = np.asarray(move + np.array([[0, 0, centre[0] - px], [0, 0, centre[1] - py]]))
    size = (canvas.shape[1], canvas.shape[0])
    laid = cv2.warpAffine(sprite, move, size, flags=cv2.INTER_LINEAR, borderValue=(0, 0, 0, 0))
    a = laid[..., 3].astype(np.float32) / 255
    away = np.array([[1, 0, 0.3 * scale], [0, 1, 0.7 * scale]], np.float32)
    shade = cv2.warpAffine(cv2.GaussianBlur(a, (0, 0), 0.5 * scale), away, size)
    canvas[:] = cv2.convertScaleAbs(canvas * (1 - 0.55 * shade)[..., None])
    canvas[:] = cv2.blendLinear(np.ascontiguousarray(laid[..., :3]), canvas, a, 1 - a)
