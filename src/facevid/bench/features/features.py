"""Vectors of single videos whose distributions are compared, computed without any weights but the face readers'."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from facevid.bench.looking.seen import Seen
from facevid.bench.measures.measure import filled, front_of
from facevid.curate.pose import LEFT_EYE, RIGHT_EYE

Doubles = NDArray[np.float64]
_MOUTH = (13, 14, 61, 291)  # upper and lower lip, right and left corner
_LIDS = ((159, 145), (386, 374))
_BROWS = (105, 334)
_JAW, _NOSE = 152, 1
SIGNALS = (
    "yaw", "pitch", "roll", "x", "y", "size", "mouth open", "mouth wide", "right eye", "left eye", "right brow",
    "left brow", "jaw",
)  # fmt: skip
"""Of each frame: angles in degrees, place in widths of the picture, log of the size, the rest in eye distances."""
BANDS = ((1, 2), (2, 3), (3, 5), (5, 9), (9, None))
"""Of the cosine transform over time, from and to before: octaves of speed from half a wave in the video upwards."""


@dataclass(frozen=True)
class Feature:
    """A kind of feature. of: vector (d,) of a video, None where it has none. scaled: whether each dimension is taken
    from its mean among the real videos in deviations of these, as dimensions have units of their own."""

    name: str
    title: str
    about: str
    of: Callable[[Seen], Doubles | None]
    scaled: bool = False


def appearance(seen: Seen) -> Doubles | None:
    """Face embedding of the middle frame looked at, (128,)."""
    vector = seen.embeddings[len(seen.embeddings) // 2].astype(np.float64)
    return vector if np.isfinite(vector).all() else None


def colours(seen: Seen) -> Doubles | None:
    """L*, a* and b* of a 4 x 4 grid over the middle frame looked at, (48,)."""
    return np.asarray(seen.colours[len(seen.colours) // 2].astype(np.float64).ravel())


def dynamics(seen: Seen) -> Doubles | None:
    """Mean of each signal, and its deviation within each octave of its speed, (13 x 6,).

    By Parseval's theorem the squares of a signal's cosine transform (orthonormal, type II) over the number of frames
    are the shares of its variance. None where a face was found in fewer than 4 of 5 frames; gaps are filled linearly.
    """
    signals = signals_of(seen)
    if signals is None:
        return None
    power: Doubles = dct(signals, axis=0, norm="ortho") ** 2 / len(signals)
    bands = [np.sqrt(power[low:high].sum(axis=0)) for low, high in BANDS]
    return np.asarray(np.concatenate([signals.mean(axis=0), *bands]))


def signals_of(seen: Seen) -> Doubles | None:
    """How the head and the face move, (n, 13), see SIGNALS; None where a face was found in too few frames."""
    face = front_of(seen)
    centre = seen.mesh[:, :468, :2].astype(np.float64).mean(axis=1) / seen.size[1]
    eyes = np.linalg.norm(seen.mesh[:, LEFT_EYE] - seen.mesh[:, RIGHT_EYE], axis=-1)[:, None] / seen.size[1]

    def between(a: int, b: int) -> Doubles:
        return np.asarray(np.linalg.norm(face[:, a] - face[:, b], axis=-1))[:, None]

    signals = np.concatenate(
        [
            seen.pose.astype(np.float64), centre, np.log(np.maximum(eyes, 1e-6)),
            between(*_MOUTH[:2]), between(*_MOUTH[2:]), *(between(*lids) for lids in _LIDS),
            *(between(brow, lids[0]) for brow, lids in zip(_BROWS, _LIDS, strict=True)), between(_JAW, _NOSE),
        ],
        axis=1,
    )  # fmt: skip
    return filled(signals)


FEATURES = (
    Feature(
        "appearance", "faces",
        "Face embedding (128 numbers) of the middle one of up to 8 evenly spread frames of each video, small pictures "
        "enlarged whole times to 256 pixels or more, the face aligned by its mesh.",
        appearance,
    ),
    Feature(
        "dynamics", "movement",
        "Of 13 signals of the face mesh (pose, place, size, mouth, eyes, brows, jaw) the mean and the deviation within "
        "5 octaves of speed: 78 numbers a video, each standardised by mean and deviation of the real videos.",
        dynamics,
        scaled=True,
    ),
    Feature(
        "colours", "colours",
        "CIE L*a*b* of a 4 x 4 grid of mean colours of the middle one of up to 8 evenly spread frames: 48 numbers a "
        "video, each standardised by mean and deviation of the real videos.",
        colours,
        scaled=True,
    ),
)  # fmt: skip
