"""A metric over many videos in a few numbers, with an interval that knows which videos show the same person."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facevid.bench.distances.bootstrap import LEAST, numbered
from facevid.bench.result import Figure

Doubles = NDArray[np.float64]


def figure(
    values: Doubles, people: Sequence[str], *, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> Figure:
    """Mean, median and interval of (n,) values, NaN where a video lacks the metric; people: who is seen in each.

    The interval is the percentile bootstrap's of the mean over videos, whole people drawn with replacement (Field and
    Welsh 2007, the cluster bootstrap): videos of one person resemble each other. None with fewer than 10 people.
    """
    known = np.isfinite(values)
    held = values[known]
    missing = int((~known).sum())
    if not len(held):
        return Figure(0, missing, None, None, None)
    of = numbered(np.asarray(people, object)[known].astype(str), len(held))
    count = int(of.max()) + 1
    interval = None
    if count >= LEAST:
        sums, sizes = np.bincount(of, held), np.bincount(of).astype(np.float64)
        dice = np.random.default_rng([seed, 8201])
        means = np.empty(resamples)
        for k in range(resamples):
            drawn = dice.integers(count, size=count)
            means[k] = sums[drawn].sum() / sizes[drawn].sum()
        low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
        interval = (float(low), float(high))
    return Figure(len(held), missing, float(held.mean()), float(np.median(held)), interval)
