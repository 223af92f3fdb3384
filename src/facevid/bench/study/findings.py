"""What the runs of a study say: all laws fitted, the best chosen, the largest run foretold, what more would buy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from facevid.bench.scaling import (
    LAWS,
    Bootstrap,
    Choice,
    Runs,
    ScalingError,
    Verdict,
    best_split,
    bootstrap,
    choose,
    crossing,
    fit_law,
    law_for,
    predict,
    say_choice,
    say_crossing,
    say_fit,
    say_split,
    size_name,
    why_failing,
)
from facevid.bench.study.foretold import Foretold, foretell
from facevid.bench.study.recipe import FitSettings
from facevid.bench.study.words import say_foretold, say_more


@dataclass(frozen=True)
class LawFound:
    """One law. constants: value, and the interval's ends where there is one. held_out: root mean square error of log
    loss on each held-out part. rmse: on the runs fitted, None where refused without a fit. failing: why its fit is
    none, though the optimiser came to an end. sentence: what a person would write of it."""

    name: str
    title: str
    formula: str
    source: str
    refused: str | None
    constants: dict[str, tuple[float, float | None, float | None]]
    rmse: float | None
    held_out: dict[str, float]
    unjudged: dict[str, str]
    failing: str | None
    sentence: str


@dataclass(frozen=True)
class More:
    """What a size comes to with `times` the largest amount. now: by the fitted curve at that amount; value, low, high:
    of one more run at `data`. ratio: of the curve there to the curve now, with its interval."""

    size: float
    times: float
    data: float
    now: float
    value: float
    low: float
    high: float
    ratio: tuple[float, float, float]
    sentence: str


@dataclass(frozen=True)
class Findings:
    """All that was found. best: the chosen law's name, None where none could be judged, and `why_none` says so.

    foretold: the largest run, predicted by fits that did not see it. split: the best use of twice the compute, as a
    sentence, or why there is none. crossings: sentences. boots: fits with their resamples, by law.
    """

    runs: Runs
    settings: FitSettings
    best: str | None
    why_none: str | None
    laws: tuple[LawFound, ...]
    foretold: Foretold | None
    why_not_foretold: str | None
    more: tuple[More, ...]
    split: str | None
    why_no_split: str | None
    crossings: tuple[str, ...]
    sentences: tuple[str, ...]
    boots: dict[str, Bootstrap] = field(default_factory=dict, repr=False, compare=False)

    @property
    def law(self) -> LawFound | None:
        """The chosen one."""
        return next((law for law in self.laws if law.name == self.best), None)

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON, the runs too."""
        runs = self.runs
        kept = {
            k: v
            for k, v in vars(self).items()
            if k not in ("runs", "settings", "boots", "laws", "more", "foretold")
        }
        rows = {
            "size": runs.size.tolist(),
            "data": runs.data.tolist(),
            "loss": runs.loss.tolist(),
            "compute": None if runs.compute is None else runs.compute.tolist(),
            "seed": None if runs.seed is None else runs.seed.tolist(),
        }
        return {
            **kept,
            "laws": [asdict(law) for law in self.laws],
            "more": [asdict(one) for one in self.more],
            "foretold": None if self.foretold is None else self.foretold.to_dict(),
            "settings": self.settings.model_dump(mode="json"),
            "runs": {"unit": runs.unit, "metric": runs.metric, **rows},
        }


def find(runs: Runs, settings: FitSettings | None = None) -> Findings:
    """Fits all laws to the runs and asks them everything; what the grid cannot support is refused with the reason.

    The law is chosen by its error on the largest runs, held out of its fit (`scaling.choose`). Refused laws are fitted
    all the same where that can be done, to show how they fail, and never used. Runs too few for any law give findings
    that say so.
    """
    settings = settings or FitSettings()
    choice: Choice | None = None
    best: str | None = None
    why_none: str | None = None
    try:
        choice = choose(runs, LAWS, delta=settings.delta, force=True)
        verdicts, best = choice.verdicts, choice.best
    except ScalingError as error:
        why_none = str(error)
        verdicts = tuple(_alone(runs, name, settings) for name in LAWS)
    boots, unsure = _boots(verdicts, settings)
    if best is not None and best not in boots:
        why_none, best = unsure[best], None
    laws = tuple(_law(runs, verdict, boots.get(verdict.name), unsure, settings) for verdict in verdicts)
    boot = None if best is None else boots[best]
    foretold, why_not = foretell(runs, settings)
    more = () if boot is None else _more(boot, settings.level)
    split, why_no_split = split_of(boot, settings.level)
    crossings = _crossings(runs, boots, settings.level)
    sentences = _sentences(
        choice, boot, why_none, foretold, why_not, more, split, why_no_split, crossings, settings
    )
    return Findings(
        runs, settings, best, why_none, laws, foretold, why_not, more, split, why_no_split, crossings, sentences, boots
    )  # fmt: skip


def _alone(runs: Runs, name: str, settings: FitSettings) -> Verdict:
    """A law's fit where none can be judged by held-out runs."""
    law = law_for(name, runs)
    try:
        fit = fit_law(runs, name, delta=settings.delta, force=True)
    except ScalingError as error:
        return Verdict(
            name, law.title, law.formula, None, getattr(error, "reasons", str(error)), {}, {}, None
        )
    return Verdict(name, law.title, law.formula, fit, fit.against, {}, {}, None)


def _boots(verdicts: Sequence[Verdict], settings: FitSettings) -> tuple[dict[str, Bootstrap], dict[str, str]]:
    """The bootstraps of the laws that the runs support, and why some have none."""
    boots: dict[str, Bootstrap] = {}
    unsure: dict[str, str] = {}
    for verdict in verdicts:
        if verdict.fit is None or verdict.refused is not None:
            continue
        try:
            boots[verdict.name] = bootstrap(verdict.fit, settings.resamples, seed=settings.seed)
        except ScalingError as error:
            unsure[verdict.name] = str(error)
    return boots, unsure


def _law(
    runs: Runs, verdict: Verdict, boot: Bootstrap | None, unsure: dict[str, str], settings: FitSettings
) -> LawFound:
    law, fit = law_for(verdict.name, runs), verdict.fit
    intervals = {} if boot is None else boot.intervals(settings.level)
    constants = {
        name: (value, *intervals.get(name, (None, None)))
        for name, value in ({} if fit is None else fit.constants).items()
    }
    if boot is not None:
        sentence = say_fit(boot, level=settings.level)
    elif verdict.refused is not None:
        sentence = f"Refused: {verdict.refused}."
    else:
        sentence = unsure[verdict.name]
    return LawFound(
        verdict.name, verdict.title, verdict.formula, law.source, verdict.refused, constants,
        None if fit is None else fit.rmse, dict(verdict.held_out), dict(verdict.unjudged),
        None if fit is None else why_failing(fit), sentence,
    )  # fmt: skip


def _more(boot: Bootstrap, level: float) -> tuple[More, ...]:
    """Twice the data, for every size that the law tells apart."""
    runs, law = boot.fit.runs, boot.fit.law
    sizes = runs.sizes if law.in_size or law.per_size else runs.sizes[-1:]
    found = []
    for size in map(float, sizes):
        amount = float(runs.amounts[-1])
        ahead = predict(boot, [size], [2 * amount], level=level)
        now = predict(boot, [size], [amount], level=level, of="curve")
        points = np.log([size, size]), np.log([amount, 2 * amount])
        both = law.surface(*points)(np.vstack([boot.fit.theta[None], boot.thetas]))[0]
        ratios = np.exp(both[:, 1] - both[:, 0])
        tail = (1 - level) / 2
        ratio = (
            float(ratios[0]),
            float(np.quantile(ratios[1:], tail)),
            float(np.quantile(ratios[1:], 1 - tail)),
        )
        values = (float(now.value[0]), float(ahead.value[0]), float(ahead.low[0]), float(ahead.high[0]))
        told = say_more(runs, size if law.in_size or law.per_size else None, 2 * amount, values, ratio, level)
        found.append(More(size, 2.0, 2 * amount, *values, ratio, told))
    return tuple(found)


def split_of(boot: Bootstrap | None, level: float) -> tuple[str | None, str | None]:
    """The best split of twice the compute of the largest run, or why there is none."""
    if boot is None:
        return None, "no law was chosen"
    runs = boot.fit.runs
    failing = why_failing(boot.fit)
    if failing:
        return None, failing
    if runs.compute is None:
        return None, "the runs have no column of compute"
    largest = runs.where(runs.size == runs.sizes[-1])
    assert largest.compute is not None
    try:
        factor = largest.factor()
    except ScalingError:
        return None, (
            "the compute of these runs does not grow with their data, as runs of all amounts saw as many samples; only "
            "runs of as many epochs trade size against data"
        )
    budget = 2 * float(largest.compute.max())
    try:
        found = best_split(boot, budget, factor=factor, level=level)
    except ScalingError as error:
        return None, str(error).rstrip(".")
    return "Twice the compute of the largest run: " + say_split(found, budget, runs.unit, runs.metric), None


def _crossings(runs: Runs, boots: dict[str, Bootstrap], level: float) -> tuple[str, ...]:
    """Where neighbouring sizes change places: those that do so within the amounts measured."""
    boot = boots.get("slopes")
    if boot is None:
        return ()
    told = []
    for one, other in pairwise(map(float, runs.sizes)):
        found = crossing(boot, one, other, level=level)
        within = found.at is not None and runs.amounts[0] <= found.at.value <= runs.amounts[-1]
        if within or found.measured:
            told.append(say_crossing(found, runs.unit, runs.metric))
    if not told and len(runs.sizes) > 1:
        names = f"{size_name(float(runs.sizes[0]))} to {size_name(float(runs.sizes[-1]))}"
        told.append(f"Within the data measured no size overtakes another ({names}, by one slope per size).")
    return tuple(told)


def _sentences(
    choice: Choice | None, boot: Bootstrap | None, why_none: str | None, foretold: Foretold | None,
    why_not: str | None, more: Sequence[More], split: str | None, why_no_split: str | None,
    crossings: Sequence[str], settings: FitSettings,
) -> tuple[str, ...]:  # fmt: skip
    told = [say_fit(boot, level=settings.level)] if boot is not None else []
    told += [f"No law was chosen: {why_none}"] if why_none else []
    told += [say_choice(choice)] if choice is not None else []
    told.append(
        say_foretold(foretold) if foretold is not None else f"The largest run was not foretold: {why_not}."
    )
    told += [one.sentence for one in more]
    told += [split] if split else [f"No best split of a budget: {why_no_split}."]
    return (*told, *crossings)
