"""A face detector that crashes, hangs or raises at pictures of certain colours, and is mediapipe's otherwise."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facevid.backends.mediapipe_face import MediapipeFaceDetector

CRASH, HANG, BUG = (255, 0, 255), (0, 255, 0), (255, 0, 0)


class HostileFaceDetector(MediapipeFaceDetector):
    """Registered as "face_detector.hostile" by what `register` writes."""

    def detect(self, image: NDArray[np.uint8]) -> list[Any]:
        colour = image.reshape(-1, 3).mean(axis=0)
        if np.abs(colour - CRASH).max() < 12:
            os.kill(os.getpid(), signal.SIGSEGV)
        if np.abs(colour - HANG).max() < 12:
            time.sleep(3600)
        if np.abs(colour - BUG).max() < 12:
            raise ZeroDivisionError("the detector divided by zero")
        return super().detect(image)


def register(folder: Path) -> None:
    """Make this module a package that is installed in `folder`, which must be on sys.path."""
    from plugin import register as register_as

    register_as(folder, "hostile_backend", {"face_detector.hostile": "HostileFaceDetector"})
