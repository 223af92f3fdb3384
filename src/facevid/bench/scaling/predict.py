"""What a fitted law answers, with intervals from its bootstrap: losses, amounts of data, budgets, crossings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facevid.bench.scaling.crossed import CrossedLaw, SlopesLaw
from facevid.bench.scaling.errors import ScalingError
from facevid.bench.scaling.fit import Bootstrap, percentiles
from facevid.bench.scaling.kaplan import KaplanLaw
from facevid.bench.scaling.laws import Law
from facevid.bench.scaling.powers import AdditiveLaw
from facevid.bench.scaling.runs import Runs, size_name

Floats = NDArray[np.float64]

TRANSFORMER = 6.0  # FLOP per parameter and token, forward and backward: Kaplan et al. 2020, section 2.1


@dataclass(frozen=True)
class Estimate:
    """A value with the percentile interval of the bootstrap; infinity where no finite amount does."""

    value: float
    low: float
    high: float
    level: float


@dataclass(frozen=True)
class Band:
    """Losses predicted at n points, with their intervals, each (n,)."""

    value: Floats
    low: Floats
    high: Floats
    level: float


@dataclass(frozen=True)
class Needed:
    """The amount of data that reaches a loss. amount: None where none does, and `why` says so. floor: the loss that the
    size comes to with endless data, 0 without a floor. never: share of the resamples in which no amount does."""

    amount: Estimate | None
    floor: float
    never: float
    why: str | None


@dataclass(frozen=True)
class Split:
    """The best use of a budget of compute C = k N D. exponent: a of N ~ C^a, which is beta / (alpha + beta).
    without: the share of the resamples that have no best split, as a term does not fall, and are not in the intervals.
    """

    size: Estimate
    data: Estimate
    loss: Estimate
    exponent: Estimate
    without: float


@dataclass(frozen=True)
class Crossing:
    """Where the curves of two sizes cross.

    at: the amount of data by the law, None where they never do. inside: the share of the resamples in which they cross
    within the amounts measured. better_after: the size of lower loss beyond it. measured: neighbouring amounts between
    which the runs themselves change order, for every time they do; a law of straight lines may cross elsewhere.
    """

    sizes: tuple[float, float]
    at: Estimate | None
    inside: float
    better_after: float
    measured: tuple[tuple[float, float], ...]


def predict(
    boot: Bootstrap,
    size: Sequence[float] | Floats,
    data: Sequence[float] | Floats,
    *,
    level: float = 0.95,
    of: Literal["run", "curve"] = "run",
) -> Band:
    """The loss at n pairs of size and amount of data.

    of: "curve" for the interval of the law's value, "run" for that of one more run, which adds noise to the log:
    Student's t of n - P degrees of freedom, drawn by the bootstrap's seed, times the residuals' standard
    deviation, estimated with n - P, for n runs and P constants.

    Raises ScalingError for sizes or amounts not above 0, and for a size that the law knows nothing of.
    """
    sizes, amounts = np.atleast_1d(np.asarray(size, np.float64)), np.atleast_1d(np.asarray(data, np.float64))
    if sizes.shape != amounts.shape or sizes.ndim != 1:
        raise ScalingError(
            f"{sizes.size} sizes and {amounts.size} amounts of data are no pairs; give as many of each."
        )
    if not (np.isfinite(sizes) & np.isfinite(amounts) & (sizes > 0) & (amounts > 0)).all():
        raise ScalingError("Sizes and amounts of data to predict at shall be finite numbers above 0.")
    fit = boot.fit
    surface = fit.law.surface(np.log(sizes), np.log(amounts))
    value, logs = surface(fit.theta[None])[0][0], surface(boot.thetas)[0]
    if of == "run":
        count, width = len(fit.runs), fit.law.width
        noise = fit.rmse * math.sqrt(count / (count - width))
        logs = logs + noise * np.random.default_rng([boot.seed, 1]).standard_t(count - width, logs.shape)
    bounds = [percentiles(column, level) for column in logs.T]
    low, high = np.exp(np.array(bounds).T)
    return Band(np.exp(value), low, high, level)


def data_for(boot: Bootstrap, loss: float, *, size: float, level: float = 0.95) -> Needed:
    """The least amount of data with which a model of `size` parameters reaches `loss`."""
    _positive(loss, "The loss to reach")
    _positive(size, "The size")
    law, theta = boot.fit.law, boot.fit.theta[None]
    logs = law.log_data_for(boot.thetas, math.log(size), math.log(loss))
    best = float(law.log_data_for(theta, math.log(size), math.log(loss))[0])
    floor = float(np.exp(law.log_floor(theta, math.log(size))[0]))
    never = float(np.isinf(logs).mean())
    if math.isinf(best):
        above = f"the floor of {size_name(size)}, {floor:.4g}, is above {loss:.4g}"
        flat = f"by this fit more data does not lower the {boot.fit.runs.metric} of {size_name(size)}"
        return Needed(None, floor, never, above if floor >= loss else flat)
    return Needed(_exponential(best, logs, level), floor, never, None)


def best_split(boot: Bootstrap, budget: float, *, factor: float, level: float = 0.95) -> Split:
    """Size and data of least loss that a budget of compute buys, C = factor x N x D (TRANSFORMER = 6 for tokens; see
    `Runs.factor` for other units).

    The law's falling part is u N^-p + v D^-q, least at N = (p u / (q v))^(1 / (p + q)) (C / factor)^(q / (p + q))
    (Hoffmann et al. 2022, equation 4).

    Raises ScalingError for a law without terms in size and data, and for a fit in which either does not fall.
    """
    _positive(budget, "The budget of compute")
    _positive(factor, "The factor of C = factor N D")
    law = boot.fit.law
    if not isinstance(law, AdditiveLaw | KaplanLaw):
        raise ScalingError(
            f"The law {law.formula} has no best split of a budget, for it has no falling terms in size and data to "
            "weigh against each other; fit the additive law or Kaplan's."
        )
    log_budget = math.log(budget / factor)
    sizes, exponents = _split(law, boot.thetas, log_budget)
    best, exponent = _split(law, boot.fit.theta[None], log_budget)
    if not np.isfinite(best[0]):
        raise ScalingError(
            f"By this fit of {law.formula} the loss does not fall with both size and data, so no split of a "
            "budget is best."
        )
    kept = np.isfinite(sizes)
    sizes, exponents, thetas = sizes[kept], exponents[kept], boot.thetas[kept]
    logs = np.array(
        [_log_loss(law, t, n, log_budget - n) for t, n in zip(thetas, sizes, strict=True)], np.float64
    )
    loss = _log_loss(law, boot.fit.theta, float(best[0]), log_budget - float(best[0]))
    return Split(
        _exponential(float(best[0]), sizes, level),
        _exponential(log_budget - float(best[0]), log_budget - sizes, level),
        _exponential(loss, logs, level),
        Estimate(float(exponent[0]), *percentiles(exponents, level), level),
        float(1 - kept.mean()),
    )


def crossing(boot: Bootstrap, one: float, other: float, *, level: float = 0.95) -> Crossing:
    """Where the curves of two sizes cross, for laws in which they can: one slope per size, and the crossed law.

    Raises ScalingError for other laws, whose curves never cross, for a size that the law knows nothing of, and for one
    size given twice.
    """
    _positive(one, "The one size")
    _positive(other, "The other size")
    if one == other:
        raise ScalingError(f"A curve does not cross itself: both sizes are {size_name(one)}; give two sizes.")
    law = boot.fit.law
    if isinstance(law, SlopesLaw):
        logs = law.log_crossing(boot.thetas, math.log(one), math.log(other))
        best = float(law.log_crossing(boot.fit.theta[None], math.log(one), math.log(other))[0])
    elif isinstance(law, CrossedLaw):
        logs, best = law.log_crossing(boot.thetas), float(law.log_crossing(boot.fit.theta[None])[0])
    else:
        raise ScalingError(
            f"By the law {law.formula} the curves of two sizes never cross; fit one slope per size, or the crossed law."
        )
    amounts = boot.fit.runs.amounts
    inside = (logs >= math.log(amounts[0])) & (logs <= math.log(amounts[-1]))
    far = max(best, math.log(amounts[-1])) + 1 if math.isfinite(best) else math.log(amounts[-1])
    first, second = (_log_loss(law, boot.fit.theta, math.log(s), far) for s in (one, other))
    at = _exponential(best, logs, level) if math.isfinite(best) else None
    return Crossing(
        (one, other),
        at,
        float(inside.mean()),
        one if first < second else other,
        _changes(boot.fit.runs, one, other),
    )


def _changes(runs: Runs, one: float, other: float) -> tuple[tuple[float, float], ...]:
    """Neighbouring amounts, of those that both sizes had, between which the lower mean log loss changes sides."""
    both = [d for d in runs.amounts if {one, other} <= set(runs.size[runs.data == d])]
    ahead = [_mean_log(runs, one, d) < _mean_log(runs, other, d) for d in both]
    return tuple(
        (float(both[i]), float(both[i + 1])) for i in range(len(both) - 1) if ahead[i] != ahead[i + 1]
    )


def _mean_log(runs: Runs, size: float, data: float) -> float:
    return float(np.log(runs.loss[(runs.size == size) & (runs.data == data)]).mean())


def _split(law: AdditiveLaw | KaplanLaw, theta: Floats, log_budget: float) -> tuple[Floats, Floats]:
    """The best log size and the exponent of the budget in it, each (K,), nan where either term does not fall."""
    log_u, p, log_v, q = law.terms(theta)
    falls = (p > 0) & (q > 0)
    p, q = np.where(falls, p, np.nan), np.where(falls, q, np.nan)
    size = (np.log(p) + log_u - np.log(q) - log_v + q * log_budget) / (p + q)
    return size, q / (p + q)


def _log_loss(law: Law, theta: Floats, log_size: float, log_data: float) -> float:
    return float(law.surface(np.array([log_size]), np.array([log_data]))(theta[None])[0][0, 0])


def _exponential(value: float, logs: Floats, level: float) -> Estimate:
    low, high = percentiles(logs, level)
    with np.errstate(over="ignore"):
        return Estimate(float(np.exp(value)), float(np.exp(low)), float(np.exp(high)), level)


def _positive(value: float, what: str) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ScalingError(f"{what} is {value}; it shall be a finite number above 0.")
