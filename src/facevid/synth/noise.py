"""Smooth, seeded noise in two and three dimensions, and the easing functions that the drawings share."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def smoothstep(low: float | Array, high: float | Array, x: Array) -> Array:
    """0 below `low`, 1 above `high`, a cubic ease between."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), np.float32)


def bump(x: Array, y: Array, cx: float, cy: float, sx: float, sy: float) -> Array:
    """A Gaussian hill of height 1 at (cx, cy)."""
    return np.asarray(np.exp(-0.5 * (((x - cx) / sx) ** 2 + ((y - cy) / sy) ** 2)), np.float32)


def pair(x: Array, y: Array, cx: float, cy: float, sx: float, sy: float) -> Array:
    """Two mirrored Gaussian hills at (+-cx, cy)."""
    return bump(x, y, cx, cy, sx, sy) + bump(x, y, -cx, cy, sx, sy)


def noise_image(
    rng: np.random.Generator, shape: tuple[int, ...], cell: tuple[float, float], octaves: int = 1
) -> Array:
    """Value noise of `shape` (h, w) in about [-1, 1]; `cell` is the size (h, w) of its largest lumps in pixels."""
    height, width = shape[:2]
    total = np.zeros((height, width), np.float32)
    weight, norm = 1.0, 0.0
    for octave in range(octaves):
        rows = max(2, int(height * 2**octave / cell[0]) + 2)
        cols = max(2, int(width * 2**octave / cell[1]) + 2)
        seedling = rng.uniform(-1.0, 1.0, (min(rows, height), min(cols, width))).astype(np.float32)
        total += weight * cv2.resize(seedling, (width, height), interpolation=cv2.INTER_CUBIC)
        norm += weight
        weight *= 0.5
    return np.asarray(total / norm, np.float32)


def noise_space(rng: np.random.Generator, points: Array, wavelength: float, waves: int = 12) -> Array:
    """Smooth noise of points (..., 3) as a sum of sine waves in random directions; about unit variance.

    Of a large picture (h, w, 3) every fourth point is worked out and the rest filled in, as it is smooth anyway.
    """
    if points.ndim == 3 and min(points.shape[:2]) > 200:
        coarse = noise_space(rng, np.ascontiguousarray(points[::4, ::4]), wavelength, waves)
        size = (points.shape[1], points.shape[0])
        return np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR), np.float32)
    directions = rng.normal(size=(waves, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = wavelength * rng.uniform(0.7, 1.4, waves)
    phases = rng.uniform(0, 2 * np.pi, waves)
    angles = points @ (directions * (2 * np.pi / lengths[:, None])).T.astype(np.float32) + phases.astype(
        np.float32
    )
    return np.asarray(np.sin(angles).sum(-1) * np.sqrt(2.0 / waves), np.float32)


def noise_time(rng: np.random.Generator, n: int, fps: float, period_s: float) -> Array:
    """Smooth noise over n frames, about unit variance, with swings of about `period_s` seconds."""
    t = np.arange(n) / fps
    total = np.zeros(n)
    for _ in range(6):
        total += np.sin(2 * np.pi * t / (period_s * rng.uniform(0.6, 1.8)) + rng.uniform(0, 2 * np.pi))
    return np.asarray(total / np.sqrt(3.0), np.float32)


def cubic(keys: Array, positions: Array) -> Array:
    """Catmull-Rom interpolation of `keys` (k, c) at fractional indices `positions` (n,); returns (n, c)."""
    last = len(keys) - 1
    i = np.clip(np.floor(positions).astype(int), 0, last - 1)
    t = (positions - i)[:, None]
    before, here, there, after = (
        keys[np.maximum(i - 1, 0)],
        keys[i],
        keys[i + 1],
        keys[np.minimum(i + 2, last)],
    )
    left, right = (there - before) / 2, (after - here) / 2
    value = here + t * (
        left + t * (3 * (there - here) - 2 * left - right + t * (2 * (here - there) + left + right))
    )
    return np.asarray(value, np.float32)
