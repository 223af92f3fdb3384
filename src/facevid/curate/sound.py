"""A fingerprint of sound that survives re-encoding: log-mel energy in 10 ms steps, and its correlation at
a lag.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]

RATE, HOP, WINDOW, BANDS = 16000, 160, 512, 24
LOWEST_HZ, HIGHEST_HZ = 100.0, 6000.0  # what low bit rates keep too
SILENCE_DB = -60.0
_RANGE_DB = 50.0  # quieter than this below the loudest band is noise, which codecs change at will
_SLACK_S = 0.04  # picture and sound of a copy may be one frame of 25 apart


def log_mel(samples: F32) -> F32:
    """Log-mel energies (n, 24) in dB of 16 kHz mono samples, one row every 10 ms, floored 50 dB below the
    loudest.
    """
    count = len(samples) // HOP
    if count == 0:
        return np.zeros((0, BANDS), np.float32)
    padded = np.pad(samples.astype(np.float32), (WINDOW // 2, WINDOW))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[: count * HOP : HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW).astype(np.float32), axis=1)) ** 2
    energy = 10 * np.log10(power @ _filters() + 1e-12)
    result: F32 = np.maximum(energy, energy.max() - _RANGE_DB).astype(np.float32)
    return result


def level_db(samples: F32) -> float:
    """Root mean square of samples in [-1, 1], in dB of full scale; -120 for nothing."""
    if not len(samples):
        return -120.0
    return float(10 * np.log10(np.mean(samples.astype(np.float64) ** 2) + 1e-12))


def sound_correlation(a: F32, b: F32, *, start_a_s: float, start_b_s: float, length_s: float) -> float:
    """Best correlation of two log-mel fingerprints over `length_s` from the given starts, within 40 ms either
    way.

    Each band is taken around its mean, so a change of level or of tone does not count.
    """
    step = HOP / RATE
    slack = round(_SLACK_S / step)
    first_a, first_b, count = round(start_a_s / step), round(start_b_s / step), round(length_s / step)
    best = -1.0
    for shift in range(-slack, slack + 1):
        low = max(0, -(first_b + shift))
        high = min(count, len(a) - first_a, len(b) - first_b - shift)
        if high - low < count // 2:
            continue
        x = a[first_a + low : first_a + high].astype(np.float64)
        y = b[first_b + shift + low : first_b + shift + high].astype(np.float64)
        x, y = x - x.mean(axis=0), y - y.mean(axis=0)
        norm = np.sqrt((x**2).sum() * (y**2).sum())
        if norm > 0:
            best = max(best, float((x * y).sum() / norm))
    return best


@lru_cache(maxsize=1)
def _filters() -> F32:
    """Triangular mel filters (257, 24); mel = 2595 log10(1 + f / 700) (O'Shaughnessy 1987)."""
    low, high = (2595 * np.log10(1 + f / 700) for f in (LOWEST_HZ, HIGHEST_HZ))
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    hz = np.fft.rfftfreq(WINDOW, 1 / RATE)[:, None]
    rise = (hz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - hz) / (edges[2:] - edges[1:-1])
    filters: F32 = np.maximum(0, np.minimum(rise, fall)).astype(np.float32)
    return filters
