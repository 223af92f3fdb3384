"""Glasses and earrings, drawn as lines over the finished head."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from facevid.synth.light import Light
from facevid.synth.noise import Array
from facevid.synth.person import Person
from facevid.synth.raster import Camera

_SHIFT = 4
# half width and height of a lens in cm, roundness (2 = ellipse), width of the rim in cm, colour
GLASSES: dict[str, tuple[float, float, float, float, tuple[int, int, int]]] = {
    "round": (2.25, 2.1, 2.0, 0.22, (40, 30, 26)),
    "square": (2.55, 1.75, 4.5, 0.34, (24, 24, 28)),
    "thin": (2.45, 1.6, 3.0, 0.12, (150, 132, 92)),
}


def draw_glasses(
    canvas: NDArray[np.uint8],
    person: Person,
    skin: Array,
    place: Callable[[Array], Array],
    camera: Camera,
    light: Light,
) -> None:
    """Rims, bridge and the front of the temples, in place; `place` poses points of the head."""
    half, tall, power, thick, colour = GLASSES[person.glasses]
    e = max(person.shape["eye_space"], half + 0.55)
    front = float(skin[np.abs(skin[..., 1]) < 1.5][:, 2].max()) + 0.1
    angle = np.linspace(0, 2 * np.pi, 41)[:-1]
    cos, sin = np.cos(angle), np.sin(angle)
    ring_x = half * np.sign(cos) * np.abs(cos) ** (2 / power)
    ring_y = tall * np.sign(sin) * np.abs(sin) ** (2 / power) - 0.25
    width = max(1, round(thick * camera.scale))
    lens = np.zeros(canvas.shape[:2], np.uint8)
    for side in (-1, 1):
        x = side * e + ring_x
        ring = np.stack([x, ring_y, front - 0.05 * x**2], -1).astype(np.float32)
        points = _pixels(place(ring), camera)
        cv2.fillPoly(lens, [points], (40,), cv2.LINE_AA, _SHIFT)
        cv2.polylines(canvas, [points], True, _lit(colour, light), width, cv2.LINE_AA, _SHIFT)
        hinge = [side * (e + half), 0.6, front - 0.05 * (e + half) ** 2]
        temple = np.array([hinge, [side * (e + half + 0.7), 0.55, 3.6]], np.float32)
        turned = place(temple)
        if side * (turned[1, 0] - turned[0, 0]) > 0:
            cv2.polylines(
                canvas, [_pixels(turned, camera)], False, _lit(colour, light), width, cv2.LINE_AA, _SHIFT
            )
    t = np.linspace(-1, 1, 9)
    gap = e - half
    bridge = np.stack([gap * t, 0.35 + 0.3 * (1 - t * t), front + 0.1 + 0 * t], -1).astype(np.float32)
    cv2.polylines(
        canvas, [_pixels(place(bridge), camera)], False, _lit(colour, light), width, cv2.LINE_AA, _SHIFT
    )
    rows, cols = np.flatnonzero(lens.any(1)), np.flatnonzero(lens.any(0))
    if len(rows):  # a faint reflection
        box = (slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1))
        ramp = np.linspace(1.0, 0.1, rows[-1] - rows[0] + 1)[:, None] * (lens[box] / 255.0) * 0.55
        tint = np.array([210, 222, 235], np.float32) * min(light.level, 1.0)
        canvas[box] = (canvas[box] * (1 - ramp[..., None]) + tint * ramp[..., None]).astype(np.uint8)


def draw_earrings(canvas: NDArray[np.uint8], ears: list[Array], camera: Camera, yaw: float) -> None:
    """A stud below each ear that faces the camera, in place."""
    for side, ear in zip((-1, 1), ears, strict=True):
        if side * yaw > 3:
            continue
        lobe = ear[-1][int(np.argmin(ear[-1][:, 1]))][None] + np.array([[0, 0.15, 0.4]], np.float32)
        (point,) = _pixels(lobe, camera)
        radius = int(0.24 * camera.scale * (1 << _SHIFT))
        cv2.circle(canvas, (int(point[0]), int(point[1])), radius, (226, 190, 96), -1, cv2.LINE_AA, _SHIFT)


def _pixels(points: Array, camera: Camera) -> NDArray[np.int32]:
    return np.asarray(np.round(camera.project(points)[0] * (1 << _SHIFT)), np.int32)


def _lit(colour: tuple[int, int, int], light: Light) -> tuple[int, int, int]:
    r, g, b = (int(min(255, c * min(light.level, 1.1) ** 0.45)) for c in colour)
    return r, g, b
