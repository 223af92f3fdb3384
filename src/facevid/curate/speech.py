"""What a source's sound says at each frame: speech probability, level, and whether the mouth moves with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facevid import media
from facevid.backends.protocols import SpeechDetector

RATE = 16000
_HOP = 512
_BLOCK_S = 32.768
"""A whole number of the detector's 512-sample hops."""
_BEYOND_S = 1.0
SILENCE_DB = -120.0

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Sound:
    """Per frame of the grid: `speech` probability 0 to 1, `level` in dB below full scale (RMS, -120 to 0)."""

    speech: Floats
    level: Floats


def listen(
    path: str,
    detector: SpeechDetector,
    *,
    frames: int,
    fps: float,
    stretches: Sequence[tuple[int, int | None]] = ((0, None),),
) -> Sound:
    """Stream the sound once; a source without sound is silent throughout.

    stretches: (first frame, frame after the last or None) of what is listened to; between them it is silent.
    """
    sound = Sound(np.zeros(frames, np.float32), np.full(frames, SILENCE_DB, np.float32))
    for first, end in stretches:
        part = slice(first, frames if end is None else min(end, frames))
        if part.start < part.stop:
            # A little beyond the last picture, so that its hop of samples is whole; damaged sound may claim days.
            end_s = (first + part.stop - part.start) / fps + _BEYOND_S if end is None else end / fps
            heard = _listen(path, detector, part.stop - part.start, fps, start_s=first / fps, end_s=end_s)
            sound.speech[part], sound.level[part] = heard.speech, heard.level
    return sound


def _listen(
    path: str, detector: SpeechDetector, frames: int, fps: float, *, start_s: float, end_s: float | None
) -> Sound:
    detector.reset()
    probabilities: list[Floats] = []
    powers: list[Floats] = []
    left = np.zeros(0, np.float32)
    for block in media.audio_blocks(path, rate=RATE, block_s=_BLOCK_S, start_s=start_s, end_s=end_s):
        block = np.concatenate([left, block])
        whole = len(block) // _HOP * _HOP
        block, left = block[:whole], block[whole:]
        if whole:
            probabilities.append(detector.probabilities(block))
            powers.append((block.reshape(-1, _HOP) ** 2).mean(axis=1))
    if not powers:
        return Sound(np.zeros(frames, np.float32), np.full(frames, SILENCE_DB, np.float32))
    speech, power = np.concatenate(probabilities), np.concatenate(powers)
    hops = np.arange(frames) / fps * RATE / _HOP
    at = np.minimum(np.rint(hops).astype(int), len(power) - 1)
    heard = hops < len(power)
    level = np.maximum(10 * np.log10(np.maximum(power, 1e-12)), SILENCE_DB)
    return Sound(
        np.where(heard, speech[at], 0).astype(np.float32),
        np.where(heard, level[at], SILENCE_DB).astype(np.float32),
    )


def mouth_sync(mouth: Floats, level: Floats, *, max_offset: int) -> tuple[float, int]:
    """Best correlation of mouth opening and loudness over offsets, and that offset in frames.

    mouth, level: one value a frame. Offset > 0: the sound comes after the picture. Pearson's correlation of
    the opening with the level clipped at -60 dB, searched over +-max_offset frames as LSE-C does (Prajwal
    et al. 2020, +-15). (nan, 0) where either stands still or fewer than 25 frames overlap. It tells gross
    mismatch only: lips also move for smiles, and one voice's loudness resembles another's.
    """
    loud = np.maximum(level.astype(np.float64), -60)
    best, best_offset = float("nan"), 0
    for offset in sorted(range(-max_offset, max_offset + 1), key=lambda o: (abs(o), o)):
        a = mouth[max(0, -offset) : len(mouth) - max(0, offset)].astype(np.float64)
        b = loud[max(0, offset) : len(loud) - max(0, -offset)]
        n = min(len(a), len(b))
        if n < 25:
            continue
        a, b = a[:n] - a[:n].mean(), b[:n] - b[:n].mean()
        energy = float(np.sqrt((a @ a) * (b @ b)))
        if energy < 1e-6:
            continue
        value = float(a @ b) / energy
        if not best >= value:
            best, best_offset = value, offset
    return best, best_offset
