"""A face detector that eats memory, or stands still, at pictures of certain colours, and is mediapipe's otherwise."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facevid.backends.mediapipe_face import MediapipeFaceDetector

EATS, WAITS = (255, 0, 255), (0, 255, 0)


class FaultyFaceDetector(MediapipeFaceDetector):
    """Registered as "face_detector.faulty" by what `register` writes."""

    def detect(self, image: NDArray[np.uint8]) -> list[Any]:
        colour = image.reshape(-1, 3).mean(axis=0)
        if np.abs(colour - EATS).max() < 12:
            held = []
            while True:
                held.append(np.ones(10_000_000))
        if np.abs(colour - WAITS).max() < 12:
            time.sleep(1)
        return super().detect(image)


def register(folder: Path) -> None:
    """Make this module a package that is installed in `folder`, which must be on sys.path."""
    from plugin import register as register_as

    register_as(folder, "faulty_backend", {"face_detector.faulty": "FaultyFaceDetector"})
