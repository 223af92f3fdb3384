"""Mean and covariance of features that come in batches: memory O(d^2) whatever the number of samples."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facevid.bench.distances.features import (
    Features,
    Floats,
    blocks,
    check_ddof,
    check_finite,
    check_shape,
)
from facevid.bench.distances.products import gram
from facevid.bench.errors import BenchError
from facevid.engine.files import atomic_path

Array = NDArray[Any]

_FORMAT = 1
_KEYS = ("format", "n", "mean", "scatter")


class RunningMoments:
    """Number, mean and scatter of the samples seen so far, in float64.

    Batches and other moments are merged by Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for
    computing sample variances" (1979): with delta the difference of the means, scatter = scatter_a + scatter_b +
    n_a n_b / (n_a + n_b) delta delta^T. So order and size of batches change rounding only.

    n: samples seen. mean: (d,). scatter: (d, d), the sum of (x - mean)(x - mean)^T.
    """

    def __init__(self, dimensions: int) -> None:
        if dimensions < 1:
            raise BenchError(f"moments of {dimensions} features cannot be taken; there must be one or more.")
        self.n = 0
        self.mean: Floats = np.zeros(dimensions)
        self.scatter: Floats = np.zeros((dimensions, dimensions))

    @classmethod
    def of(cls, features: Features) -> RunningMoments:
        """Moments of a matrix (n, d), read in blocks; raises as `add` does."""
        check_shape(features, "the features")
        moments = cls(features.shape[1])
        moments.add(features)
        return moments

    @property
    def dimensions(self) -> int:
        """How many features a sample has."""
        return len(self.mean)

    def add(self, batch: Features) -> None:
        """Takes in a batch (n, d); no rows change nothing.

        Raises BenchError where it is no matrix of d columns or a number is not finite, which names the row; nothing of
        the batch is then taken in.
        """
        check_shape(batch, "the features of the batch")
        if batch.shape[1] != self.dimensions:
            raise BenchError(
                f"the batch has {batch.shape[1]} columns and the moments are of {self.dimensions} features; all "
                "batches must come of one extractor."
            )
        for start, rows in blocks(batch):
            check_finite(rows, "the features of the batch", start)
        for _, rows in blocks(batch):
            mean = rows.mean(axis=0)
            centred = rows - mean
            self._merge(len(rows), mean, gram(centred) if len(rows) > 1 else None)

    def merge(self, other: RunningMoments) -> None:
        """Takes in the samples that other moments have seen, which must be of as many features (else BenchError)."""
        if other.dimensions != self.dimensions:
            raise BenchError(
                f"moments of {other.dimensions} features cannot be merged into moments of {self.dimensions}; both must "
                "come of one extractor."
            )
        if other.n:
            self._merge(other.n, other.mean, other.scatter)

    def _merge(self, n: int, mean: Floats, scatter: Floats | None) -> None:
        total = self.n + n
        delta = mean - self.mean
        if scatter is not None:
            self.scatter += scatter
        if self.n:
            scaled = delta * np.sqrt(self.n * n / total)
            self.scatter += np.outer(scaled, scaled)
        self.mean = self.mean + delta * (n / total)
        self.n = total

    def covariance(self, ddof: int = 1) -> Floats:
        """Covariance (d, d) over n - ddof: 1 for FID's, 0 for that of StyleGAN-V's FVD.

        Raises BenchError with fewer than two samples.
        """
        check_ddof(ddof)
        if self.n < 2:
            raise BenchError(
                f"a covariance needs at least 2 samples and {self.n} {'was' if self.n == 1 else 'were'} seen; add more."
            )
        return self.scatter / (self.n - ddof)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes an npz with format, n, mean and scatter, whole or not at all; raises StorageError if it cannot."""
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, format=_FORMAT, n=self.n, mean=self.mean, scatter=self.scatter)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> RunningMoments:
        """Reads what `save` wrote, bit for bit; raises BenchError where there is no such file or it is another's."""
        again = "make it anew with RunningMoments.save."
        try:
            with np.load(Path(path), allow_pickle=False) as file:
                found = {key: np.asarray(file[key]) for key in _KEYS}
        except FileNotFoundError:
            raise BenchError(f"there is no file of moments at {path}; {again}") from None
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise BenchError(f"{path} is no file of moments ({error}); {again}") from error
        wrong = _wrong(found["format"], found["n"], found["mean"], found["scatter"])
        if wrong:
            raise BenchError(f"{path} is no usable file of moments: {wrong}; {again}")
        moments = cls(len(found["mean"]))
        moments.n = int(found["n"])
        moments.mean = found["mean"].astype(np.float64)
        moments.scatter = found["scatter"].astype(np.float64)
        return moments


def _wrong(version: Array, n: Array, mean: Array, scatter: Array) -> str:
    """What is wrong with the numbers of a file; empty if nothing is."""
    if version.shape != () or version != _FORMAT:
        return f"its format is {version} and this version of facevid reads {_FORMAT}"
    if n.shape != () or n.dtype.kind not in "iu" or n < 0:
        return f"n is {n}, not a number of samples"
    if mean.ndim != 1 or not len(mean) or scatter.shape != (len(mean), len(mean)):
        return f"mean {mean.shape} and scatter {scatter.shape} do not fit each other"
    if mean.dtype.kind != "f" or scatter.dtype.kind != "f":
        return f"mean is {mean.dtype} and scatter {scatter.dtype}, not floats"
    if not (np.isfinite(mean).all() and np.isfinite(scatter).all()):
        return "it holds numbers that are not finite"
    return ""
