"""An open hand, palm to the camera, that moves in front of a face."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from facevid.synth.light import GAMMA, Light
from facevid.synth.noise import Array, noise_image, smoothstep
from facevid.synth.person import Person

# chains of (x, y, radius) in cm, wrist at the origin, fingers up; a right hand's palm as the camera sees it
FINGERS = (
    ((-3.0, 8.3, 0.95), (-3.7, 11.4, 0.82), (-4.0, 13.5, 0.74), (-4.15, 15.1, 0.62)),
    ((-1.0, 8.9, 0.98), (-1.15, 12.6, 0.86), (-1.2, 15.1, 0.77), (-1.2, 17.0, 0.64)),
    ((1.0, 8.7, 0.95), (1.35, 12.1, 0.82), (1.55, 14.5, 0.74), (1.65, 16.3, 0.62)),
    ((2.9, 8.0, 0.85), (3.7, 10.7, 0.72), (4.15, 12.4, 0.65), (4.45, 13.8, 0.55)),
    ((-2.4, 3.0, 1.7), (-4.9, 5.6, 1.15), (-6.3, 7.7, 0.92), (-7.1, 9.5, 0.75)),
)
PALM = (
    ((-2.4, 7.6, 1.5), (-2.2, 2.6, 2.0)), ((0.0, 7.9, 1.5), (0.0, 2.0, 2.1)), ((2.1, 7.2, 1.5), (1.9, 2.4, 2.0)),
    ((0.0, 2.0, 2.6), (0.2, -9.0, 2.7)),
)  # fmt: skip
SPAN = (-9.5, 7.5, -8.0, 18.5)  # x and y reach of the sprite, cm


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
    rods = [_cone(x, y, a, b) for chain in fingers for a, b in zip(chain, chain[1:], strict=False)]
    palm = [_cone(x, y, a, b) for a, b in PALM]
    inside = np.maximum.reduce(rods + palm)
    height = np.zeros_like(x)
    for d, r in [(k, 0.85) for k in rods] + [(k, 2.0) for k in palm]:
        deep = np.clip(d, 0, r)
        height = np.maximum(height, np.sqrt(np.maximum(2 * r * deep - deep * deep, 0)))
    height += 0.45 * np.exp(-0.5 * (((x + 2.6) / 1.5) ** 2 + ((y - 3.8) / 2.0) ** 2))
    height = cv2.GaussianBlur(height, (0, 0), 0.16 * scale)
    gy, gx = np.gradient(height * scale)
    normal = np.stack([-gx, gy, np.full_like(gx, 1.3)], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    tone = np.array(person.skin_srgb, np.float32)
    tone = tone * 0.62 + np.array([206, 156, 134], np.float32) * 0.38 * (0.45 + 0.55 * tone.mean() / 255)
    flush = np.exp(-0.5 * ((y - 7.6) / 0.8) ** 2) + 0.6 * smoothstep(12.0, 17.0, y)
    colour = tone * (1 + 0.035 * noise_image(rng, x.shape, (10, 10), 2)[..., None])
    colour = colour * (1 - np.array([0.0, 0.13, 0.12], np.float32) * flush[..., None])
    colour = colour * (1 - 0.4 * _creases(x, y, fingers)[..., None] * np.array([0.8, 1.0, 1.0]))
    facing = np.clip((normal @ light.direction + 0.3) / 1.3, 0, 1)
    factor = np.power((0.32 + 0.95 * facing) * light.level, GAMMA)
    edge = np.where(inside > 0, 0.8 + 0.2 * smoothstep(0.0, 0.35, np.asarray(inside)), 1.0)
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
    for cx, cy, radius, low, high in ((-5.6, 2.0, 4.4, -0.6, 1.1), (-1.0, 12.0, 5.6, -2.4, -0.9), (-3.0, 10.5, 5.9, -1.55, -0.55)):
        angle = np.arctan2(y - cy, x - cx)
        arc = np.exp(-0.5 * ((np.hypot(x - cx, y - cy) - radius) / 0.08) ** 2) * ((angle > low) & (angle < high))
        lines = np.maximum(lines, arc)
    return np.asarray(lines, np.float32)


def put_hand(canvas: NDArray[np.uint8], sprite: NDArray[np.uint8], centre: tuple[float, float], degrees: float) -> None:
    """Lays the sprite over `canvas` with its middle at `centre`, turned by `degrees`, in place."""
    h, w = sprite.shape[:2]
    move = cv2.getRotationMatrix2D((w / 2, h / 2), degrees, 1.0)
    move[:, 2] += [centre[0] - w / 2, centre[1] - h / 2]
    size = (canvas.shape[1], canvas.shape[0])
    laid = cv2.warpAffine(sprite, move, size, flags=cv2.INTER_LINEAR, borderValue=(0, 0, 0, 0))
    a = laid[..., 3].astype(np.float32) / 255
    canvas[:] = cv2.blendLinear(np.ascontiguousarray(laid[..., :3]), canvas, a, 1 - a)
