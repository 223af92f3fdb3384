"""What a person would write about a fit: which law, its exponents, what was refused, and where curves cross."""

from __future__ import annotations

import numpy as np

from facevid.bench.scaling.choose import Choice
from facevid.bench.scaling.crossed import SlopesLaw
from facevid.bench.scaling.fit import Bootstrap, Fit
from facevid.bench.scaling.kaplan import KaplanLaw
from facevid.bench.scaling.powers import AdditiveLaw
from facevid.bench.scaling.predict import Crossing, Estimate, Needed, Split
from facevid.bench.scaling.runs import size_name

_STEP = 0.01  # of what falls: a size term that comes below this at the largest size is a step, not a power
_SURE = 0.9  # of the resamples


def say_fit(boot: Bootstrap, *, level: float = 0.95) -> str:
    """The law, its exponents and floor with intervals, its error on the runs; for a fit that fails or was forced, why
    its constants mean nothing."""
    fit = boot.fit
    runs, failing = fit.runs, why_failing(fit)
    error = f"the residuals of log {runs.metric} are {fit.rmse:.3f} (root mean square)"
    if fit.against or failing:
        text = f"{_capital(fit.law.title)}, {fit.law.formula}, was fitted to {len(runs)} runs: {error}."
        text += f" It fails: {failing}." if failing else ""
        return text + (
            f" These runs cannot support it, so its constants mean nothing: {fit.against}."
            if fit.against
            else ""
        )
    intervals = boot.intervals(level)
    told = [
        f"{_label(name)} {value:.3f} ({_range(*intervals[name])})"
        for name, value in fit.constants.items()
        if name == "E" or name.startswith(("alpha", "beta", "gamma"))
    ]
    law = "one power of data for each size" if isinstance(fit.law, SlopesLaw) else fit.law.formula
    return (
        f"Over {len(runs)} runs the {runs.metric} follows {law}: {_listed(told)}, {level:.0%} intervals in brackets; "
        f"{error}."
    )


def why_failing(fit: Fit) -> str | None:
    """Why a fit of a law in size and data is none, although the optimiser came to an end: a size term that rises with
    size or is driven to 0, weighed at the middle amount of data. None where the term is as it should be.
    """
    law = fit.law
    if not isinstance(law, AdditiveLaw | KaplanLaw):
        return None
    sizes = fit.runs.sizes
    log_u, p, log_v, q = (float(t[0]) for t in law.terms(fit.theta[None]))
    of_data = log_v - q * float(np.median(np.log(fit.runs.data)))
    shares = np.exp(-np.logaddexp(0, of_data - (log_u - p * np.log(sizes))))
    first, last = size_name(sizes[0]), size_name(sizes[-1])
    if p <= 0:
        return f"by its size term larger models do worse (alpha = {fit.constants['alpha']:.3f})"
    if shares.max() < _STEP:
        return "its size term is driven to 0 for every size, so that it is a law in data alone"
    if shares[-1] < _STEP and shares[0] > 100 * shares[-1]:
        return (
            f"its size term is driven to 0 at {last} from {shares[0]:.0%} of what falls at {first}, "
            f"a step between sizes and no power of size"
        )
    return None


def say_choice(choice: Choice) -> str:
    """Which law said best what the largest runs came to, how the others did, and which were refused and why."""
    runs, best = choice.runs, choice.verdict(choice.best)
    held = _listed([f"the {s.count} runs of {_most(s.by)}" for s in choice.splits])
    text = (
        f"Fitted without {held}, {best.title} foretells them best, with an error of {_errors(best.held_out)} in log "
        f"{runs.metric}."
    )
    others = [v for v in choice.verdicts if v.name != choice.best and v.refused is None]
    judged = [f"{v.title} {_errors(v.held_out)}" for v in others if v.held_out]
    if judged:
        text += f" The others: {_listed(judged)}."
    for verdict in others:
        for by, why in verdict.unjudged.items():
            text += f" {_capital(verdict.title)} was not judged on the runs of {_most(by)}: {why}."
    if choice.not_split:
        text += f" {_capital(choice.not_split)}."
    for reason in dict.fromkeys(v.refused for v in choice.verdicts if v.refused):
        titles = [v.title for v in choice.verdicts if v.refused == reason]
        text += f" Refused: {_listed(titles)}, for {reason}."
    for verdict in choice.verdicts:
        failing = why_failing(verdict.fit) if verdict.fit else None
        if verdict.fit and failing:
            text += (
                f" {_capital(verdict.title)}{', fitted all the same,' if verdict.refused else ''} fails: {failing}; "
                f"its residuals are {verdict.fit.rmse:.3f} against {choice.fit.rmse:.3f}."
            )
    return text


def say_crossing(found: Crossing, unit: str, metric: str) -> str:
    """Where one size overtakes the other, how sure that is, and that no additive law can have it."""
    one, other = found.sizes
    after = size_name(found.better_after)
    before = size_name(other if found.better_after == one else one)
    if found.at is None:
        return f"The curves of {before} and {after} run side by side and never cross; {after} has the lower {metric}."
    text = (
        f"{after} overtakes {before} at about {_amount(found.at, unit)} by the fitted curves: below, {before} has the "
        f"lower {metric}."
    )
    if found.measured:
        spans = _listed([f"between {_number(low)} and {_number(high)}" for low, high in found.measured])
        text += f" The runs themselves change order {spans} {unit}."
    if found.inside < _SURE:
        text += f" That is unsure: only {found.inside:.0%} of the resamples cross within the data measured."
    return (
        text
        + " No sum of a size term and a data term can cross, so the additive law cannot describe such runs."
    )


def say_needed(found: Needed, loss: float, size: float, unit: str, metric: str) -> str:
    """How much data brings a size to a loss, or that none does."""
    if found.amount is None:
        return f"No amount of data brings {size_name(size)} to a {metric} of {loss:.4g}: {found.why}."
    text = f"{size_name(size)} comes to a {metric} of {loss:.4g} at about {_amount(found.amount, unit)}."
    return text + (f" In {found.never:.0%} of the resamples no amount does." if found.never else "")


def say_split(found: Split, budget: float, unit: str, metric: str) -> str:
    """The best size and amount of data for a budget."""
    size, loss, a = found.size, found.loss, found.exponent
    unsure = f" In {found.without:.0%} of the resamples no split is best." if found.without else ""
    return (
        f"{budget:.3g} FLOP are best spent on {size_name(size.value)} parameters ({size_name(size.low)} to "
        f"{size_name(size.high)}) and {_amount(found.data, unit)}, for a {metric} of {loss.value:.4g} "
        f"({_range(loss.low, loss.high)}); the best size grows as the budget to the power {a.value:.3f} "
        f"({_range(a.low, a.high)}).{unsure}"
    )


def _amount(estimate: Estimate, unit: str) -> str:
    high = f"{_number(estimate.high)}" if np.isfinite(estimate.high) else "no end"
    interval = f"{estimate.level:.0%} interval {_number(estimate.low)} to {high}"
    return f"{_number(estimate.value)} {unit} ({interval})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if 100 <= value < 1e7 else f"{value:.3g}"


def _range(low: float, high: float) -> str:
    return f"{low:.3f} to {high:.3f}"


def _label(name: str) -> str:
    kind, _, size = name.partition("[")
    return f"{kind} of {size.rstrip(']')}" if size else name


def _most(by: str) -> str:
    return "the most data" if by == "data" else "the largest sizes"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _errors(held_out: dict[str, float]) -> str:
    return " and ".join(f"{error:.3f}" for error in held_out.values())


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
