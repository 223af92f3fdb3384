"""Laws whose terms add up: a power of data, the same with a floor, and Chinchilla's with a term for size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from facevid.bench.scaling.laws import Surface
from facevid.bench.scaling.runs import Runs
from facevid.bench.scaling.sums import grid, least_squares, log_amount, log_rest, stack, sum_of_powers

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PowerLaw:
    """L = B / D^beta for all sizes alike: a straight line on logs. theta: log B at the middle amount, beta."""

    data0: float

    name: ClassVar[str] = "power"
    title: ClassVar[str] = "the power law in data"
    formula: ClassVar[str] = "L = B / D^beta"
    source: ClassVar[str] = "Hestness et al. 2017"
    in_size: ClassVar[bool] = False
    has_floor: ClassVar[bool] = False
    per_size: ClassVar[bool] = False
    linear: ClassVar[bool] = True

    @property
    def width(self) -> int:
        return 2

    def surface(self, log_size: Floats, log_data: Floats) -> Surface:
        return sum_of_powers([stack(1.0, self.data0 - log_data, like=log_data)])

    def starts(self, runs: Runs) -> Floats:
        design = stack(1.0, self.data0 - np.log(runs.data), like=runs.data)
        return least_squares(design, runs)

    def constants(self, theta: Floats) -> dict[str, Floats]:
        return {"B": np.exp(theta[:, 0] + theta[:, 1] * self.data0), "beta": theta[:, 1]}

    def log_floor(self, theta: Floats, log_size: float) -> Floats:
        return np.full(len(theta), -np.inf)

    def log_data_for(self, theta: Floats, log_size: float, log_loss: float) -> Floats:
        rest = np.full(len(theta), log_loss)
        return log_amount(theta[:, 0] + theta[:, 1] * self.data0, theta[:, 1], rest)


@dataclass(frozen=True)
class FlooredLaw:
    """L = E + B / D^beta for all sizes alike. theta: log E, log of the data term at the middle amount, beta."""

    data0: float

    name: ClassVar[str] = "floored"
    title: ClassVar[str] = "the power law in data with a floor"
    formula: ClassVar[str] = "L = E + B / D^beta"
    source: ClassVar[str] = "Rosenfeld et al. 2020; Henighan et al. 2020, equation 1.1"
    in_size: ClassVar[bool] = False
    has_floor: ClassVar[bool] = True
    per_size: ClassVar[bool] = False
    linear: ClassVar[bool] = False

    @property
    def width(self) -> int:
        return 3

    def surface(self, log_size: Floats, log_data: Floats) -> Surface:
        floor = stack(1.0, 0.0, 0.0, like=log_data)
        return sum_of_powers([floor, stack(0.0, 1.0, self.data0 - log_data, like=log_data)])

    def starts(self, runs: Runs) -> Floats:
        shares = grid([0.02, 0.3, 0.6, 0.8, 0.9, 0.97], [0.1, 0.2, 0.4, 0.7, 1.2, 2.0])
        floor = shares[:, 0] * runs.loss.min()
        return np.stack([np.log(floor), np.log(np.median(runs.loss) - floor), shares[:, 1]], axis=1)

    def constants(self, theta: Floats) -> dict[str, Floats]:
        scale = np.exp(theta[:, 1] + theta[:, 2] * self.data0)
        return {"E": np.exp(theta[:, 0]), "B": scale, "beta": theta[:, 2]}

    def log_floor(self, theta: Floats, log_size: float) -> Floats:
        return theta[:, 0].copy()

    def log_data_for(self, theta: Floats, log_size: float, log_loss: float) -> Floats:
        rest = log_rest(log_loss, theta[:, 0])
        return log_amount(theta[:, 1] + theta[:, 2] * self.data0, theta[:, 2], rest)


@dataclass(frozen=True)
class AdditiveLaw:
    """L = E + A / N^alpha + B / D^beta. theta: logs of E, of the size term at the middle size and of the data term at
    the middle amount, alpha, beta."""

    size0: float
    data0: float

    name: ClassVar[str] = "additive"
    title: ClassVar[str] = "the additive law"
    formula: ClassVar[str] = "L = E + A / N^alpha + B / D^beta"
    source: ClassVar[str] = "Hoffmann et al. 2022, equation 2"
    in_size: ClassVar[bool] = True
    has_floor: ClassVar[bool] = True
    per_size: ClassVar[bool] = False
    linear: ClassVar[bool] = False

    @property
    def width(self) -> int:
        return 5

    def surface(self, log_size: Floats, log_data: Floats) -> Surface:
        like = log_data
        return sum_of_powers(
            [
                stack(1.0, 0.0, 0.0, 0.0, 0.0, like=like),
                stack(0.0, 1.0, 0.0, self.size0 - log_size, 0.0, like=like),
                stack(0.0, 0.0, 1.0, 0.0, self.data0 - log_data, like=like),
            ]
        )

    def starts(self, runs: Runs) -> Floats:
        return additive_starts(runs)

    def constants(self, theta: Floats) -> dict[str, Floats]:
        e, a, b, alpha, beta = theta.T
        with np.errstate(over="ignore"):
            scales = {"A": np.exp(a + alpha * self.size0), "B": np.exp(b + beta * self.data0)}
        return {"E": np.exp(e), **scales, "alpha": alpha, "beta": beta}

    def log_floor(self, theta: Floats, log_size: float) -> Floats:
        e, a, _, alpha, _ = theta.T
        return np.asarray(np.logaddexp(e, a - alpha * (log_size - self.size0)), np.float64)

    def log_data_for(self, theta: Floats, log_size: float, log_loss: float) -> Floats:
        rest = log_rest(log_loss, self.log_floor(theta, log_size))
        return log_amount(theta[:, 2] + theta[:, 4] * self.data0, theta[:, 4], rest)

    def terms(self, theta: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        _, a, b, alpha, beta = theta.T
        return a + alpha * self.size0, alpha, b + beta * self.data0, beta


def additive_starts(runs: Runs) -> Floats:
    """Starts (K, 5) of laws with a floor, a size term and a data term: shares of a floor, of a size term, exponents."""
    shares = grid([0.05, 0.4, 0.75, 0.95], [0.15, 0.5, 0.85], [0.1, 0.3, 0.6, 1.2], [0.1, 0.3, 0.6, 1.2])
    floor = shares[:, 0] * runs.loss.min()
    rest = np.median(runs.loss) - floor
    size, data = np.log(shares[:, 1] * rest), np.log((1 - shares[:, 1]) * rest)
    return np.stack([np.log(floor), size, data, shares[:, 2], shares[:, 3]], axis=1)
