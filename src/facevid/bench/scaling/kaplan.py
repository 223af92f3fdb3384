"""The law with an interaction of size and data, after Kaplan et al. 2020."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from facevid.bench.scaling.laws import Pull, Surface
from facevid.bench.scaling.powers import additive_starts
from facevid.bench.scaling.runs import Runs

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class KaplanLaw:
    """L = E + (A / N^(alpha / beta) + B / D)^beta: how much data is worth depends on size.

    With endless data it falls as N^-alpha, with endless size as D^-beta. theta: logs of E, of the size term and of the
    data term at the middle if each were alone, alpha, log beta.
    """

    size0: float
    data0: float

    name: ClassVar[str] = "kaplan"
    title: ClassVar[str] = "Kaplan's law"
    formula: ClassVar[str] = "L = E + (A / N^(alpha/beta) + B / D)^beta"
    source: ClassVar[str] = "Kaplan et al. 2020, equation 1.5, with a floor E"
    in_size: ClassVar[bool] = True
    has_floor: ClassVar[bool] = True
    per_size: ClassVar[bool] = False
    linear: ClassVar[bool] = False

    @property
    def width(self) -> int:
        return 5

    def surface(self, log_size: Floats, log_data: Floats) -> Surface:
        n, d = log_size - self.size0, log_data - self.data0
        columns = np.stack([np.ones(len(n)), -n], axis=1)

        def surface(theta: Floats) -> tuple[Floats, Pull]:
            e, a, b, alpha, beta = (t[:, None] for t in (*theta.T[:4], np.exp(theta[:, 4])))
            size, data = (a - alpha * n) / beta, b / beta - d
            together = np.logaddexp(size, data)
            share = np.exp(size - together)
            log_loss = np.logaddexp(e, beta * together)
            falling = np.exp(beta * together - log_loss)

            def pull(weights: Floats) -> Floats:
                w = weights * falling
                # beta d/dbeta of beta log(exp(x / beta) + exp(y / beta)): what the two terms' sum adds to their mean.
                spread = beta * together - share * (a - alpha * n) - (1 - share) * b
                floor = (weights * (1 - falling)).sum(1)
                of_size, of_alpha = ((w * share) @ columns).T
                of_data = (w * (1 - share)).sum(1)
                return np.stack([floor, of_size, of_data, of_alpha, (w * spread).sum(1)], axis=1)

            return log_loss, pull

        return surface

    def starts(self, runs: Runs) -> Floats:
        starts = additive_starts(runs)
        starts[:, 4] = np.log(starts[:, 4])
        return starts

    def constants(self, theta: Floats) -> dict[str, Floats]:
        log_u, _, log_v, _ = self.terms(theta)
        with np.errstate(over="ignore"):
            scales = {"A": np.exp(log_u), "B": np.exp(log_v)}
        return {"E": np.exp(theta[:, 0]), **scales, "alpha": theta[:, 3], "beta": np.exp(theta[:, 4])}

    def log_floor(self, theta: Floats, log_size: float) -> Floats:
        return np.logaddexp(theta[:, 0], theta[:, 1] - theta[:, 3] * (log_size - self.size0))

    def log_data_for(self, theta: Floats, log_size: float, log_loss: float) -> Floats:
        log_u, p, log_v, _ = self.terms(theta)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            together = (log_loss + np.log1p(-np.exp(np.minimum(theta[:, 0] - log_loss, 0)))) / np.exp(
                theta[:, 4]
            )
            gap = -np.expm1(log_u - p * log_size - together)
            found = log_v - together - np.log(gap)
        return np.where((gap > 0) & np.isfinite(found), found, np.inf)

    def terms(self, theta: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        _, a, b, alpha, log_beta = theta.T
        beta = np.exp(log_beta)
        return (a + alpha * self.size0) / beta, alpha / beta, b / beta + self.data0, np.ones(len(theta))
