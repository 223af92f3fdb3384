"""What a scaling law is to those who fit it and ask it: values, gradients, constants, and the data for a loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from facevid.bench.scaling.runs import Runs

Floats = NDArray[np.float64]

Pull = Callable[[Floats], Floats]
"""Weights of the predictions (K, n) -> the gradient of their weighted sum in the parameters, (K, P)."""

Surface = Callable[[Floats], tuple[Floats, Pull]]
"""Parameters (K, P) -> the log loss at each of n points, (K, n), and its gradient as a `Pull`."""


class Law(Protocol):
    """A law bound to the runs it is fitted to. Inside, a law's parameters theta (K, P) are logs and exponents, with
    size and data counted from the runs' geometric means, which keeps the fit well conditioned; `constants` gives them
    in the units of the runs.
    """

    name: ClassVar[str]
    title: ClassVar[str]  # as sentences call it
    formula: ClassVar[str]
    source: ClassVar[str]
    in_size: ClassVar[bool]  # has an exponent of size
    has_floor: ClassVar[bool]
    per_size: ClassVar[bool]  # has parameters for every size, so none for a size not fitted
    linear: ClassVar[bool]  # the log loss is linear in the parameters, so the fit has one optimum

    @property
    def width(self) -> int:
        """P, the number of parameters."""

    def surface(self, log_size: Floats, log_data: Floats) -> Surface:
        """The law at points whose size and data are given as logs (n,).

        Raises ScalingError where it has nothing to say of a size.
        """

    def starts(self, runs: Runs) -> Floats:
        """Parameters to start fits from, (K, P)."""

    def constants(self, theta: Floats) -> dict[str, Floats]:
        """The constants of the formula, each (K,), in the units of the runs; exponents by their Greek names."""

    def log_floor(self, theta: Floats, log_size: float) -> Floats:
        """The log loss (K,) that a size comes to with endless data; minus infinity without a floor."""

    def log_data_for(self, theta: Floats, log_size: float, log_loss: float) -> Floats:
        """The log amount of data (K,) at which a size reaches a loss; infinity where no amount does."""


def gradient(law: Law, theta: Floats, log_size: Floats, log_data: Floats) -> Floats:
    """The gradient (n, P) of the log loss at n points, for one set of parameters (P,)."""
    count = len(log_size)
    _, pull = law.surface(log_size, log_data)(np.tile(theta, (count, 1)))
    return pull(np.eye(count))
