"""Which law to believe: the one that says best what the largest runs come to when it is fitted without them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facevid.bench.scaling.errors import ScalingError, UnsupportedError
from facevid.bench.scaling.fit import DELTA, Fit, fit_law, log_predicted
from facevid.bench.scaling.runs import Runs
from facevid.bench.scaling.support import LAWS, SIZES, law_for

_SHARE = 0.1  # of the runs, held out at least: a grid's last column, or the largest tenth of scattered runs
_ALIKE = 1.01  # errors within a hundredth are the same, and the law of fewer constants is taken


@dataclass(frozen=True)
class HeldOut:
    """Runs kept from the fits. by: what they are the largest of. chosen: mask (n,) of the held out."""

    by: str
    chosen: NDArray[np.bool_]

    @property
    def count(self) -> int:
        return int(self.chosen.sum())


@dataclass(frozen=True)
class Verdict:
    """What became of one law.

    fit: on all runs, None where refused (or forced: see `Fit.against`). refused: why, or None. held_out: for each
    split, the root mean square error of log loss of the held-out runs. unjudged: for each split where there is no
    such error, why. score: the root of the mean of the squares of `held_out`; None where a split is missing.
    """

    name: str
    title: str
    formula: str
    fit: Fit | None
    refused: str | None
    held_out: dict[str, float]
    unjudged: dict[str, str]
    score: float | None


@dataclass(frozen=True)
class Choice:
    """The verdicts on all laws, in the order asked; the splits they were judged on; and the name of the best."""

    runs: Runs
    splits: tuple[HeldOut, ...]
    not_split: str | None
    verdicts: tuple[Verdict, ...]
    best: str

    def verdict(self, name: str) -> Verdict:
        """What became of a law; raises ScalingError for one that was not asked."""
        for verdict in self.verdicts:
            if verdict.name == name:
                return verdict
        asked = ", ".join(v.name for v in self.verdicts)
        raise ScalingError(f"The law {name!r} was not among those to choose from: {asked}.")

    @property
    def fit(self) -> Fit:
        """The best law's fit on all runs."""
        fit = self.verdict(self.best).fit
        assert fit is not None
        return fit


def choose(runs: Runs, names: Sequence[str] = LAWS, *, delta: float = DELTA, force: bool = False) -> Choice:
    """Judges laws by their error on the largest runs: those of the largest amount of data, and, where `support.SIZES`
    sizes are left to fit, those of the largest size. The fit on all runs decides nothing.

    A law that cannot answer on every split (one slope per size knows no new size) is judged where it can, but not
    chosen over those that can. Within a hundredth of the least error, the law of fewest constants is taken. force:
    fit laws that the grid cannot support too, to show how they fail; they are never chosen.

    Raises UnsupportedError where no law can be judged.
    """
    splits, not_split = held_out_splits(runs)
    verdicts = tuple(_judge(runs, name, splits, delta, force) for name in names)
    scored = [v for v in verdicts if v.score is not None and v.refused is None]
    if not scored:
        reasons = "; ".join(f"{v.name}, {v.refused or '; '.join(v.unjudged.values())}" for v in verdicts)
        raise UnsupportedError(
            f"No law can be judged by runs held out of these {len(runs)}: {reasons}.", reasons
        )
    least = min(v.score for v in scored if v.score is not None)
    alike = [v for v in scored if v.score is not None and v.score <= least * _ALIKE + 1e-12]
    best = min(alike, key=lambda v: law_for(v.name, runs).width)
    return Choice(runs, splits, not_split, verdicts, best.name)


def held_out_splits(runs: Runs) -> tuple[tuple[HeldOut, ...], str | None]:
    """The splits to judge on, and why the largest size is not held out, if it is not."""
    splits = [HeldOut("data", _largest(runs.data))]
    of_size = _largest(runs.size)
    left = len(np.unique(runs.size[~of_size]))
    if left < SIZES:
        return tuple(splits), (
            f"the largest size was not held out, for it would leave {left} to tell an exponent of size from, and it "
            f"takes {SIZES}"
        )
    return (*splits, HeldOut("size", of_size)), None


def _largest(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(values >= np.quantile(values, 1 - _SHARE, method="higher"), np.bool_)


def _judge(runs: Runs, name: str, splits: tuple[HeldOut, ...], delta: float, force: bool) -> Verdict:
    law = law_for(name, runs)
    fit, refused = None, None
    try:
        fit = fit_law(runs, name, delta=delta, force=force)
        refused = fit.against
    except UnsupportedError as error:
        refused = error.reasons
    if fit is None:
        return Verdict(name, law.title, law.formula, None, refused, {}, {}, None)
    errors: dict[str, float] = {}
    unjudged: dict[str, str] = {}
    for split in splits:
        try:
            errors[split.by] = _error(runs, name, split, delta, force)
        except UnsupportedError as error:
            unjudged[split.by] = f"without them, {error.reasons}"
        except ScalingError as error:
            unjudged[split.by] = str(error).rstrip(".")
    score = None if unjudged else float(np.sqrt(np.mean(np.square(list(errors.values())))))
    return Verdict(name, law.title, law.formula, fit, refused, errors, unjudged, score)


def _error(runs: Runs, name: str, split: HeldOut, delta: float, force: bool) -> float:
    """RMSE of log loss of the held-out runs by a fit to the others; raises ScalingError where there is none."""
    fit = fit_law(runs.where(~split.chosen), name, delta=delta, force=force)
    held = runs.where(split.chosen)
    residuals = np.log(held.loss) - log_predicted(fit.law, fit.theta[None], held)[0]
    return float(np.sqrt((residuals**2).mean()))
