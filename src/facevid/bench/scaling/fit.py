"""Fits a law to runs: Huber's loss of the log residuals from many starts, and the bootstrap over runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from facevid.bench.scaling.errors import ScalingError, UnsupportedError
from facevid.bench.scaling.laws import Law, Surface
from facevid.bench.scaling.minimise import Objective, minimise
from facevid.bench.scaling.runs import Runs
from facevid.bench.scaling.support import identified, lacks, law_for

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DELTA = 1e-3  # Hoffmann et al. 2022, appendix D.3
_TOGETHER = 96  # problems minimised side by side: their arrays stay in the cache
_SPREAD = 0.2  # of starts around the optimum, in logs and exponents
_DRAWS = 100  # times as many resamples as asked for, before the runs are called too few


@dataclass(frozen=True)
class Fit:
    """A law fitted to runs.

    theta: the law's parameters (P,). objective: the sum over runs of Huber(log L predicted - log L). delta: Huber's,
    infinity for least squares. against: why the runs do not support the law, for a fit that was forced. starts: how
    many there were; agreed: how many of them ended within a millionth of the best objective.
    """

    law: Law
    runs: Runs
    theta: Floats
    objective: float
    delta: float
    against: str | None
    starts: int
    agreed: int
    ends: Floats = field(repr=False)

    @property
    def constants(self) -> dict[str, float]:
        """The constants of the law's formula, in the units of the runs."""
        return {name: float(values[0]) for name, values in self.law.constants(self.theta[None]).items()}

    @property
    def residuals(self) -> Floats:
        """log of measured over predicted loss (n,)."""
        return np.asarray(np.log(self.runs.loss) - log_predicted(self.law, self.theta[None], self.runs)[0])

    @property
    def rmse(self) -> float:
        """Root of the mean square of the residuals, on the runs fitted."""
        return float(np.sqrt((self.residuals**2).mean()))


@dataclass(frozen=True)
class Bootstrap:
    """A fit repeated on resamples of its runs. thetas (R, P). redrawn: resamples left out and drawn again because they
    did not determine the law (a size missing, say)."""

    fit: Fit
    thetas: Floats
    seed: int
    redrawn: int

    def constants(self) -> dict[str, Floats]:
        """The constants of every resample, each (R,)."""
        return self.fit.law.constants(self.thetas)

    def standard_errors(self) -> dict[str, float]:
        """The standard deviation of each constant over the resamples."""
        return {name: float(np.std(values, ddof=1)) for name, values in self.constants().items()}

    def intervals(self, level: float = 0.95) -> dict[str, tuple[float, float]]:
        """The percentile interval of each constant (Efron & Tibshirani 1993, chapter 13)."""
        return {name: percentiles(values, level) for name, values in self.constants().items()}


def fit_law(runs: Runs, name: str, *, delta: float = DELTA, force: bool = False) -> Fit:
    """Fits the law of a name (see `support.LAWS`) by BFGS from its grid of starts.

    The objective is summed, not averaged, over runs; the optimiser stops by relative tolerances, so that it makes no
    difference here. delta: where Huber's loss turns from a square to a line, in logs; far below the noise it makes a
    fit of least absolute residuals, and infinity one of least squares. force: fit although the grid cannot support
    the law, to show how it fails; the fit then says why in `against`.

    Raises UnsupportedError, with the reasons, where the runs cannot support the law.
    """
    if not delta > 0:
        raise ScalingError(
            f"delta is {delta}; it shall be above 0 (Hoffmann et al. took {DELTA}), or infinity."
        )
    law = law_for(name, runs)
    lacking = lacks(law, runs)
    reasons = "; ".join(lack.reason for lack in lacking)
    if any(not (force and lack.forcible) for lack in lacking):
        advice = " Fit it with force to see how it fails." if all(lack.forcible for lack in lacking) else ""
        raise UnsupportedError(f"The law {law.formula} is refused: {reasons}.{advice}", reasons)
    starts = law.starts(runs)
    found = minimise(_objective(law, runs, delta, None), starts)
    order = np.argsort(found.value, kind="stable")
    best = float(found.value[order[0]])
    if not math.isfinite(best):
        raise ScalingError(
            f"No start of the fit of {law.formula} came to a finite loss; look for wild values in the runs."
        )
    agreed = int((found.value <= best * (1 + 1e-6) + 1e-18).sum())
    others = order[found.value[order] > best * (1 + 1e-3)][:1]
    ends = found.theta[[order[0], *others]]
    return Fit(law, runs, ends[0], best, delta, reasons or None, len(starts), agreed, ends)


def bootstrap(fit: Fit, resamples: int = 1000, *, seed: int = 0) -> Bootstrap:
    """Fits `resamples` draws of the runs with replacement, each from the optimum, one start near it, and the next best
    minimum of the fit; a law that is linear on logs has one minimum and one start.

    Raises ScalingError where so few runs determine the law that hardly a resample of them does.
    """
    if resamples < 2:
        raise ScalingError(f"{resamples} resamples make no interval; ask for at least 2, better 1,000.")
    random = np.random.default_rng(seed)
    counts, redrawn = _resampled(fit, resamples, random)
    starts = (
        [fit.theta] if fit.law.linear else [*fit.ends, fit.theta + random.normal(0, _SPREAD, len(fit.theta))]
    )
    count = len(starts)
    thetas = np.empty((resamples, len(fit.theta)))
    size = max(1, _TOGETHER // count)
    for first in range(0, resamples, size):
        some = counts[first : first + size].astype(np.float64)
        objective = _objective(fit.law, fit.runs, fit.delta, np.repeat(some, count, axis=0))
        found = minimise(objective, np.tile(np.stack(starts), (len(some), 1)))
        best = found.value.reshape(-1, count).argmin(1)
        thetas[first : first + size] = found.theta.reshape(len(some), count, -1)[np.arange(len(some)), best]
    return Bootstrap(fit, thetas, seed, redrawn)


def log_predicted(law: Law, thetas: Floats, runs: Runs) -> Floats:
    """The log loss (K, n) that a law has for the size and data of runs."""
    return law.surface(np.log(runs.size), np.log(runs.data))(thetas)[0]


def percentiles(values: Floats, level: float) -> tuple[float, float]:
    """The central interval of values that may be infinite; the level is between 0 and 1."""
    if not 0 < level < 1:
        raise ScalingError(f"The level of an interval is {level}; it shall be between 0 and 1, such as 0.95.")
    tail = (1 - level) / 2
    return (
        float(np.quantile(values, tail, method="lower")),
        float(np.quantile(values, 1 - tail, method="higher")),
    )


def _objective(law: Law, runs: Runs, delta: float, weights: Floats | None) -> Objective:
    """The sum of Huber's loss with its gradient; weights (K, n) of the runs in each problem, None for 1."""
    surface: Surface = law.surface(np.log(runs.size), np.log(runs.data))
    log_loss = np.log(runs.loss)

    def objective(theta: Floats, which: Ints) -> tuple[Floats, Floats]:
        values, pull = surface(theta)
        residuals = values - log_loss
        bent = np.clip(residuals, -delta, delta)
        weighted = bent if weights is None else bent * weights[which]
        return np.einsum("kn,kn->k", weighted, residuals - 0.5 * bent), pull(weighted)

    return objective


def _resampled(fit: Fit, resamples: int, random: np.random.Generator) -> tuple[Ints, int]:
    """Counts (R, n) of resamples that determine the law, and how many were drawn that do not."""
    count = len(fit.runs)
    kept: list[Ints] = []
    have, drawn = 0, 0
    while have < resamples:
        if drawn > _DRAWS * resamples:
            raise ScalingError(
                f"Of {drawn} resamples of the {count} runs only {have} determine {fit.law.formula}, too few for an "
                "interval; add runs, or repeat some with other seeds."
            )
        counts = random.multinomial(count, np.full(count, 1 / count), size=resamples)
        good = counts[identified(fit.law, fit.runs, counts)]
        kept.append(good)
        have, drawn = have + len(good), drawn + resamples
    found = np.concatenate(kept)[:resamples]
    share = have / drawn
    return np.asarray(found, np.int64), round(resamples / share) - resamples
