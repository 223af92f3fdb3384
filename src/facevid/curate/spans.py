"""Values of spans of windows: means, extremes and moving averages of many spans in one array operation.

A span is a range [a, b) of one long row of values. What comes out of a span depends on its own values
only, never on what lies beside it, so that tracks may be judged in any grouping.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Spans:
    """Spans a[i] to b[i] (b not included, none empty) of a row of `length` values, in order of a.

    Spans may overlap and leave gaps; where one begins at the end of the one before, both cost one pass.
    """

    a: Ints
    b: Ints
    _cuts: Ints
    _at: Ints

    @classmethod
    def of(cls, a: Ints, b: Ints, length: int) -> Spans:
        """Raises ValueError where a span is empty or reaches past the row."""
        if len(a) and ((b <= a).any() or a.min() < 0 or b.max() > length):
            raise ValueError(f"every span must lie in 0 to {length} and hold a value")
        cuts = np.stack([a, b], axis=1).ravel()
        # reduceat reduces from each cut to the next; an end is a cut of its own unless the next span begins
        # there, or the row ends there.
        needed = np.ones(len(cuts), bool)
        needed[1:-1:2] = b[:-1] != a[1:]
        if len(b):
            needed[-1] = b[-1] != length or (b[:-1] == length).any()
        return cls(a, b, cuts[needed], (np.cumsum(needed) - 1)[::2])

    def __len__(self) -> int:
        return len(self.a)

    def reduce(self, operation: np.ufunc, values: NDArray[Any]) -> NDArray[Any]:
        """The operation (np.add, np.maximum, ...) over every span of values."""
        if not len(self):
            return values[:0]
        if self._cuts.max() >= len(values):  # reduceat takes no cut at the very end
            values = np.append(values, values.dtype.type(0))
        return np.asarray(operation.reduceat(values, self._cuts)[self._at])

    def mean(self, values: Floats) -> Doubles:
        """Mean of what is known (not nan) in every span; nan where nothing is."""
        means: Doubles = self.reduce(np.add, values.astype(np.float64)) / (self.b - self.a)
        unknown = np.flatnonzero(np.isnan(means))
        if len(unknown):
            lengths = self.b[unknown] - self.a[unknown]
            inside = values[ranges(self.a[unknown], self.b[unknown])].astype(np.float64)
            known = ~np.isnan(inside)
            if known.any():
                ends = np.cumsum(lengths)
                part = Spans.of(ends - lengths, ends, len(inside))
                total = part.reduce(np.add, np.where(known, inside, 0.0))
                count = part.reduce(np.add, known.astype(np.float64))
                with np.errstate(invalid="ignore"):
                    means[unknown] = total / count
        return means


def ranges(a: Ints, b: Ints) -> Ints:
    """a[0], a[0]+1, ... b[0]-1, a[1], ... b[1]-1, and so on."""
    lengths = b - a
    ends = np.cumsum(lengths)
    return np.asarray(np.arange(ends[-1] if len(ends) else 0) + np.repeat(a - (ends - lengths), lengths))


class Neighbours:
    """Moving averages over the `reach` values before and after each value, within its group.

    group: number of each value's group, 0, 0, ... 1, 1, ..., in which numbers may be left out.
    """

    def __init__(self, group: Ints, reach: int) -> None:
        self._reach = reach
        self._at = np.arange(len(group)) + reach * group
        self._size = int(self._at[-1]) + 1 if len(group) else 0
        self._all = self._sum(np.ones(len(group), np.float32))

    def mean(self, values: Floats) -> Floats:
        """Mean of what is known (not nan) near each value; nan where nothing is."""
        unknown = np.isnan(values)
        if not unknown.any():
            return self._sum(values) / self._all
        total = self._sum(np.where(unknown, np.float32(0), values))
        with np.errstate(invalid="ignore"):
            return total / self._sum((~unknown).astype(np.float32))

    def _sum(self, values: Floats) -> Floats:
        """Sums over values laid out with zeros between the groups, so that no sum crosses into another."""
        reach, size = self._reach, self._size
        padded = np.zeros(size + 2 * reach, np.float32)
        padded[self._at + reach] = values
        total = padded[reach : size + reach].copy()
        for shift in range(1, reach + 1):
            total += padded[reach + shift : size + reach + shift]
            total += padded[reach - shift : size + reach - shift]
        return np.asarray(total[self._at])
