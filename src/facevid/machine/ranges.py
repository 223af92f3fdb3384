"""Figures worked out from a sample, each with the range that the sample supports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import add, mul

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Range:
    """A figure, and the lowest and highest that the sample leaves likely; both None where it cannot tell."""

    value: float
    low: float | None
    high: float | None

    def __mul__(self, factor: float) -> Range:
        """In another unit; factor is not negative."""
        low, high = (None if end is None else end * factor for end in (self.low, self.high))
        return Range(self.value * factor, low, high)

    def __add__(self, other: Range) -> Range:
        """The sum, as wide as if both were at the same end at once."""
        return Range(
            self.value + other.value, _each(add, self.low, other.low), _each(add, self.high, other.high)
        )

    def times(self, other: Range) -> Range:
        """The product, as wide as if both were at the same end at once."""
        return Range(
            self.value * other.value, _each(mul, self.low, other.low), _each(mul, self.high, other.high)
        )

    def at_most(self, most: Range) -> Range:
        """The smaller of the two, end by end."""
        return Range(
            min(self.value, most.value), _each(min, self.low, most.low), _each(min, self.high, most.high)
        )

    def at_least(self, least: Range) -> Range:
        """The greater of the two, end by end."""
        return Range(
            max(self.value, least.value), _each(max, self.low, least.low), _each(max, self.high, least.high)
        )


def exactly(value: float) -> Range:
    """A figure that is counted and not estimated."""
    return Range(value, value, value)


def ratio(amounts: Sequence[float], sizes: Sequence[float]) -> Range:
    """Amount per size over all that was not sampled: the ratio of the sums, and its 95 % interval.

    The interval is that of the ratio estimator (Cochran, Sampling Techniques, 3rd ed. 1977, chapter 6) with Student's
    t, cut at 0. One sampled piece gives no interval. sizes must not be all 0.
    """
    y, x = np.asarray(amounts, np.float64), np.asarray(sizes, np.float64)
    value, count = float(y.sum() / x.sum()), len(y)
    if count < 2:
        return Range(value, None, None)
    error = float(np.sqrt(((y - value * x) ** 2).sum() / (count - 1) / count) / x.mean())
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * error
    return Range(value, max(0.0, value - reach), value + reach)


def _each(how: Callable[[float, float], float], one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else how(one, other)
