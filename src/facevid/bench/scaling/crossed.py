"""Laws in which the slope in data changes with size, so that the curves of two sizes can cross."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from facevid.bench.scaling.errors import ScalingError
from facevid.bench.scaling.laws import Surface
from facevid.bench.scaling.runs import Runs, distinct_names, size_name, size_names
from facevid.bench.scaling.sums import least_squares, log_amount, stack, sum_of_powers

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CrossedLaw:
    """log L = c - a log N - b log D + g log N log D: the slope in data changes with size, so that curves can cross.

    Clark et al. put it to sizes and numbers of experts. theta: log L at the middle, slopes there, g.
    """

    size0: float
    data0: float

    name: ClassVar[str] = "crossed"
    title: ClassVar[str] = "the crossed law"
    formula: ClassVar[str] = "log L = c - alpha log N - beta log D + gamma log N log D"
    source: ClassVar[str] = "Clark et al. 2022 (the bilinear law), with data for experts"
    in_size: ClassVar[bool] = True
    has_floor: ClassVar[bool] = False
    per_size: ClassVar[bool] = False
    linear: ClassVar[bool] = True

    @property
    def width(self) -> int:
        return 4

    def _design(self, log_size: Floats, log_data: Floats) -> Floats:
        n, d = log_size - self.size0, log_data - self.data0
        return stack(1.0, -n, -d, n * d, like=log_data)

    def surface(self, log_size: Floats, log_data: Floats) -> Surface:
        return sum_of_powers([self._design(log_size, log_data)])

    def starts(self, runs: Runs) -> Floats:
        return least_squares(self._design(np.log(runs.size), np.log(runs.data)), runs)

    def constants(self, theta: Floats) -> dict[str, Floats]:
        c, a, b, g = theta.T
        level = c + a * self.size0 + b * self.data0 + g * self.size0 * self.data0
        return {"c": level, "alpha": a + g * self.data0, "beta": b + g * self.size0, "gamma": g}

    def log_floor(self, theta: Floats, log_size: float) -> Floats:
        return np.full(len(theta), -np.inf)

    def log_data_for(self, theta: Floats, log_size: float, log_loss: float) -> Floats:
        c, a, b, g = theta.T
        n = log_size - self.size0
        slope = b - g * n
        return log_amount(c - a * n + slope * self.data0, slope, np.full(len(theta), log_loss))

    def log_crossing(self, theta: Floats) -> Floats:
        """The log amount (K,) at which all sizes do equally well; infinity where they never do."""
        with np.errstate(divide="ignore"):
            return np.where(theta[:, 3] != 0, self.data0 + theta[:, 1] / theta[:, 3], np.inf)


@dataclass(frozen=True)
class SlopesLaw:
    """L = B_s / D^beta_s with a level and a slope for each size s. theta: S logs of levels at the middle amount, then S
    slopes."""

    sizes: tuple[float, ...]
    data0: float

    name: ClassVar[str] = "slopes"
    title: ClassVar[str] = "one slope per size"
    formula: ClassVar[str] = "L = B_s / D^beta_s for each size s"
    source: ClassVar[str] = "Hestness et al. 2017, for each size by itself"
    in_size: ClassVar[bool] = False
    has_floor: ClassVar[bool] = False
    per_size: ClassVar[bool] = True
    linear: ClassVar[bool] = True

    @property
    def width(self) -> int:
        return 2 * len(self.sizes)

    def place(self, log_size: float) -> int:
        """The number of a size; raises ScalingError for one that the law has no slope for."""
        found = int(np.argmin(np.abs(np.log(self.sizes) - log_size)))
        if abs(math.log(self.sizes[found]) - log_size) > 1e-9:
            known = size_names(np.array(self.sizes))
            raise ScalingError(
                f"One slope per size says nothing of a model of {size_name(math.exp(log_size))} parameters; it "
                f"was fitted to {known}. Ask for one of these, or fit a law in size."
            )
        return found

    def _design(self, log_size: Floats, log_data: Floats) -> Floats:
        chosen = np.eye(len(self.sizes))[[self.place(float(s)) for s in log_size]]
        return np.concatenate([chosen, chosen * (self.data0 - log_data)[:, None]], axis=1)

    def surface(self, log_size: Floats, log_data: Floats) -> Surface:
        return sum_of_powers([self._design(log_size, log_data)])

    def starts(self, runs: Runs) -> Floats:
        return least_squares(self._design(np.log(runs.size), np.log(runs.data)), runs)

    def constants(self, theta: Floats) -> dict[str, Floats]:
        names = distinct_names(np.array(self.sizes))
        count = len(names)
        levels = {
            f"B[{s}]": np.exp(theta[:, i] + theta[:, count + i] * self.data0) for i, s in enumerate(names)
        }
        return {**levels, **{f"beta[{s}]": theta[:, count + i] for i, s in enumerate(names)}}

    def log_floor(self, theta: Floats, log_size: float) -> Floats:
        return np.full(len(theta), -np.inf)

    def log_data_for(self, theta: Floats, log_size: float, log_loss: float) -> Floats:
        i = self.place(log_size)
        level, slope = theta[:, i], theta[:, len(self.sizes) + i]
        return log_amount(level + slope * self.data0, slope, np.full(len(theta), log_loss))

    def log_crossing(self, theta: Floats, one: float, other: float) -> Floats:
        """The log amount (K,) at which two sizes, given as logs, do equally well; infinity where they never do."""
        i, j = self.place(one), self.place(other)
        count = len(self.sizes)
        steeper = theta[:, count + j] - theta[:, count + i]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(steeper != 0, self.data0 + (theta[:, j] - theta[:, i]) / steeper, np.inf)
