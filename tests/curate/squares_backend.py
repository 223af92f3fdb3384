"""Backends that see orange squares as faces, quickly, and remember what they saw before as real trackers do.

A magenta picture ends the process that looks at it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facevid.backends.protocols import Box, Face

SKIN, CRASH = (240, 140, 40), (255, 0, 255)
NAMES = {
    "face_detector": "SquareDetector",
    "face_mesh": "SquareMesh",
    "hand_detector": "NoHands",
    "text_detector": "NoText",
    "speech_detector": "LoudSpeech",
}
RECIPE = dict.fromkeys(NAMES, "squares")
_POINTS = np.random.default_rng(4).uniform(0, 1, (478, 3)).astype(np.float32)
_POINTS[0], _POINTS[1] = 0, 1


def squares(image: NDArray[np.uint8]) -> list[Box]:
    """Boxes of the orange squares in a picture, largest first."""
    low, high = (tuple(int(np.clip(c + d, 0, 255)) for c in SKIN) for d in (-50, 50))
    count, _, stats, _ = cv2.connectedComponentsWithStats(cv2.inRange(image, low, high))
    found = [stats[k] for k in range(1, count) if stats[k][4] > 150]
    boxes = [(float(x), float(y), float(x + w), float(y + h)) for x, y, w, h, _ in found]
    return sorted(boxes, key=lambda b: (-(b[3] - b[1]) * (b[2] - b[0]), b))


class _Backend:
    name, version = "squares", "1"

    def __init__(self, *, threads: int = 1, **options: Any) -> None:
        pass


class SquareDetector(_Backend):
    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        if np.abs(image[::8, ::8].reshape(-1, 3).mean(axis=0) - CRASH).max() < 12:
            os.kill(os.getpid(), signal.SIGSEGV)
        return [Face(box, 0.9, np.zeros((6, 2), np.float32)) for box in squares(image)]


class SquareMesh(_Backend):
    def tracker(self) -> SquareTracker:
        return SquareTracker()


class SquareTracker:
    """Its mesh lags behind the square, so it shows for how long the face was followed."""

    presence = 0.9

    def __init__(self) -> None:
        self._last: NDArray[np.float32] | None = None

    def update(self, image: NDArray[np.uint8], box: Sequence[float]) -> NDArray[np.float32] | None:
        there = [s for s in squares(image) if abs(s[0] + s[2] - box[0] - box[2]) < 40]
        if not there:
            return None
        now = np.array(there[0], np.float32)
        self._last = now if self._last is None else 0.7 * self._last + 0.3 * now
        low, high = np.append(self._last[:2], 0), np.append(self._last[2:], 30)
        return np.asarray(low + _POINTS * (high - low), np.float32)

    def release(self) -> None:
        self._last = None


class NoHands(_Backend):
    def detect(self, image: NDArray[np.uint8]) -> list[Any]:
        return []


class NoText(_Backend):
    def read(self, image: NDArray[np.uint8]) -> list[Any]:
        return []


class LoudSpeech(_Backend):
    def reset(self) -> None:
        pass

    def probabilities(self, samples: NDArray[np.float32], *, final: bool = True) -> NDArray[np.float32]:
        return np.clip(np.abs(samples.reshape(-1, 512)).mean(axis=1) * 5, 0, 1).astype(np.float32)


def register(folder: Path) -> None:
    """Make this module a package that is installed in `folder`, which must be on sys.path."""
    from plugin import register as register_as

    register_as(folder, "squares_backend", {f"{kind}.squares": name for kind, name in NAMES.items()})
