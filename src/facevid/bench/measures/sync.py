"""Whether the mouth moves with the voice, and how much the sound is early or late, without any model of either."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
VOICE_HZ = (300.0, 3000.0)
"""Band whose envelope follows the area of the mouth most closely (Chandrasekaran et al. 2009, "The natural statistics
of audiovisual speech"): formants lie there, and neither the hiss of consonants behind closed teeth nor hum."""
RHYTHM_HZ = (2.0, 7.0)
"""Rates at which the two move together (the same): those of syllables."""
MOST_OFFSET = 15
"""Frames to either side that sound is tried at, as LSE-C does (Prajwal et al. 2020)."""
LEAST_S = 2.0
"""Seconds in which mouth and voice must overlap: in fewer there are too few syllables to tell offsets apart."""
_RATE = 16000


def voice(sound: Floats, *, frames: int, fps: float) -> Floats:
    """Amplitude (RMS, 0 to 1) of the voice's band in each frame, (frames,), of (n,) samples at 16 kHz; then 0."""
    band = butter(4, VOICE_HZ, "bandpass", fs=_RATE, output="sos")
    heard = sosfiltfilt(band, sound) if len(sound) > 100 else np.zeros(len(sound))
    edges = np.round(np.arange(frames + 1) / fps * _RATE).astype(np.int64)
    power = np.concatenate([[0.0], np.cumsum(heard**2)])
    at = np.minimum(edges, len(sound))
    mean = (power[at[1:]] - power[at[:-1]]) / np.maximum(edges[1:] - edges[:-1], 1)
    level: Floats = np.sqrt(np.maximum(mean, 0)).astype(np.float32)
    return level


def mouth_sync(mouth: Doubles, level: Doubles, *, fps: float) -> tuple[float, int]:
    """Best correlation of mouth opening and voice over offsets, and that offset in frames; > 0: the sound comes late.

    mouth, level: (n,), one value a frame; level as `voice` gives it. Both are reduced to the rhythm of syllables before
    Pearson's correlation is taken at each offset. (nan, 0) where they overlap for less than 2 s, or either is still.
    """
    if len(mouth) < LEAST_S * fps or 2 * RHYTHM_HZ[1] >= fps:
        return float("nan"), 0
    rhythm = butter(2, RHYTHM_HZ, "bandpass", fs=fps, output="sos")
    a, b = (sosfiltfilt(rhythm, x - x.mean()) for x in (mouth, level))
    best, best_offset = float("nan"), 0
    for offset in sorted(range(-MOST_OFFSET, MOST_OFFSET + 1), key=lambda o: (abs(o), o)):
        x = a[max(0, -offset) : len(a) - max(0, offset)]
        y = b[max(0, offset) : len(b) - max(0, -offset)]
        spread = float(x.std() * y.std())
        if len(x) < LEAST_S * fps or spread < 1e-9:
            continue
        value = float(((x - x.mean()) * (y - y.mean())).mean()) / spread
        if not best >= value:
            best, best_offset = value, offset
    return best, best_offset
