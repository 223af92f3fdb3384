"""What the distances take: a matrix of features, one row a sample, read block by block so that memory stays flat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facevid.bench.errors import BenchError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BLOCK = 512
"""Rows that are float64 at once."""


class Chosen:
    """Some rows of a matrix of features, read when they are asked for; `rows`: their numbers, (n,)."""

    def __init__(self, features: NDArray[Any], rows: Ints) -> None:
        self._features, self._rows = features, rows
        self.dtype = features.dtype
        self.ndim = features.ndim
        self.shape = (len(rows), *features.shape[1:])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, which: slice | Ints) -> NDArray[Any]:
        return np.asarray(self._features[self._rows[which]])


Features = NDArray[Any] | Chosen
"""Real numbers (n, d); a `numpy.memmap` is never read as a whole."""


def blocks(features: Features, first: int = 0) -> Iterator[tuple[int, Floats]]:
    """The number of the first row and the rows as float64 (up to `BLOCK`, d), in order from row `first` on."""
    for start in range(first, len(features), BLOCK):
        yield start, np.asarray(features[start : start + BLOCK], np.float64)


def check_features(features: Features, name: str, *, least: int = 2) -> None:
    """Raises BenchError unless `features` is (n, d) with finite real numbers, n >= `least` and d >= 1; reads it once.

    name: what the message calls them, such as "the real features".
    """
    check_shape(features, name)
    if len(features) < least:
        raise BenchError(
            f"{name} have {len(features)} row{'s' if len(features) != 1 else ''}, one a sample; this needs at least "
            f"{least}: give more samples."
        )
    for start, rows in blocks(features):
        check_finite(rows, name, start)


def check_pair(real: Features, made: Features, *, least: int = 2) -> None:
    """`check_features` for both, and that they have equally many columns."""
    check_features(real, "the real features", least=least)
    check_features(made, "the made features", least=least)
    if real.shape[1] != made.shape[1]:
        raise BenchError(
            f"the real features have {real.shape[1]} columns and the made ones {made.shape[1]}; a distance needs the "
            "same features of both: take them with one extractor and the same settings."
        )


def check_shape(features: Features, name: str) -> None:
    """Raises BenchError unless `features` is a matrix of real numbers with a column or more."""
    matrix = isinstance(features, np.ndarray | Chosen)
    if not matrix or features.dtype.kind not in "fiu":
        kind = features.dtype if matrix else type(features).__name__
        raise BenchError(f"{name} are {kind}; give a numpy array of floats or integers (samples, features).")
    if features.ndim != 2 or features.shape[1] == 0:
        raise BenchError(
            f"{name} have the shape {features.shape}; give a matrix (samples, features) with a column or more, a "
            "single sample as (1, features)."
        )


def check_finite(rows: Floats, name: str, start: int = 0) -> None:
    """Raises BenchError with the number of the first row (counted from 0, the first of `rows` being `start`) and the
    column where a number is NaN or infinite."""
    if np.isfinite(rows).all():
        return
    row, column = np.argwhere(~np.isfinite(rows))[0].tolist()
    raise BenchError(
        f"{name} hold {rows[row, column]} in row {start + row}, column {column} (counted from 0); only finite numbers "
        "can be compared: leave that sample out, or look at how its features were made."
    )


def check_ddof(ddof: int) -> None:
    """Raises BenchError unless `ddof` is 0 (covariance over n) or 1 (over n - 1)."""
    if ddof not in (0, 1):
        raise BenchError(
            f"ddof is {ddof}; a covariance is over n - 1 (ddof=1, as in FID) or over n (ddof=0, as in StyleGAN-V's "
            "FVD)."
        )


def check_seed(seed: int) -> None:
    """Raises BenchError unless `seed` is what numpy's RandomState takes."""
    if not 0 <= seed < 2**32:
        raise BenchError(f"the seed is {seed}; it must be a whole number from 0 to 2^32 - 1.")
