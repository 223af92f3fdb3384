"""Which of several means is best and which worst, and the gap between them."""

from __future__ import annotations

import numpy as np

from facevid.bench.groups.sample import Floats, Ints
from facevid.bench.measures.metric import Better


def ends(means: Floats, better: Better, real: float | None) -> tuple[Ints, Ints]:
    """The numbers of the best and of the worst group, from means (..., groups), two or more.

    "as real": the nearest to `real` and the farthest from it; where `real` is None the lowest and the highest, of which
    neither is better. Of equal means the first is best and the last worst, so that the two are never the same group.
    """
    if better == "higher":
        badness = -means
    elif better == "lower" or real is None:
        badness = means
    else:
        badness = np.abs(means - real)
    last = means.shape[-1] - 1
    return np.argmin(badness, axis=-1), last - np.argmax(badness[..., ::-1], axis=-1)


def gaps(means: Floats, better: Better, real: float | None) -> Floats:
    """Absolute difference of the means of the best and the worst group, (...); NaN where any mean is."""
    best, worst = ends(means, better, real)
    low = np.take_along_axis(means, best[..., None], axis=-1)
    high = np.take_along_axis(means, worst[..., None], axis=-1)
    found = np.abs(high - low)[..., 0]
    return np.where(np.isnan(means).any(axis=-1), np.nan, found)
