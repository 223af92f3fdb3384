"""Sentences of a study that the laws themselves do not have: the largest run, and what more data would bring."""

from __future__ import annotations

from facevid.bench.scaling import Runs, size_name
from facevid.bench.study.foretold import Foretold


def amount(value: float) -> str:
    """An amount of data: 1,024 or 0.356."""
    return f"{value:,.0f}" if value >= 100 or float(value).is_integer() else f"{value:.3g}"


def four(value: float) -> str:
    """A loss, to four digits: 0.8065 or 215.1."""
    return f"{value:#.4g}".rstrip(".")


def minutes(seconds: float) -> str:
    """Such as "40 s", "12 min", "3.4 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def say_foretold(found: Foretold) -> str:
    """What the largest run was foretold to come to, what it came to, and whether that lies within the interval."""
    best = found.best
    measured = ", ".join(four(value) for value in found.measured)
    inside = sum(best.low <= value <= best.high for value in found.measured)
    if inside == len(found.measured):
        where = "within the interval"
    elif len(found.measured) > 1:
        where = f"{inside} of {len(found.measured)} within the interval"
    else:
        above = found.measured[0] > best.high
        where = (
            f"{'above' if above else 'below'} the interval, so this law does not hold up to the largest run"
        )
    return (
        f"The largest run ({size_name(found.size)} parameters, {amount(found.data)} {found.unit}) was held out: "
        f"{best.title}, chosen and fitted on the {found.others} others, foretells {four(best.value)} in {found.metric} "
        f"({found.level:.0%} interval for one run {four(best.low)} to {four(best.high)}); it came to {measured}, "
        f"{where}."
    )


def say_more(
    runs: Runs,
    size: float | None,
    data: float,
    values: tuple[float, float, float, float],
    ratio: tuple[float, float, float],
    level: float,
) -> str:
    """What twice the data brings. values: the curve now, one run's value with it, and its interval."""
    now, value, low, high = values
    who = "any size by this law" if size is None else size_name(size)
    best, least, most = (100 * (1 - r) for r in (ratio[0], ratio[2], ratio[1]))
    if best <= 0:
        return f"By this law twice the data ({amount(data)} {runs.unit}) does not lower the {runs.metric} of {who}."
    sure = "" if least > 0 else "; it could be nothing at all"
    return (
        f"Twice the data ({amount(data)} {runs.unit}) would bring the {runs.metric} of {who} from {four(now)} to "
        f"{four(value)} ({level:.0%} interval for one run {four(low)} to {four(high)}): {best:.2g} % less "
        f"({least:.2g} to {most:.2g} %){sure}. That is beyond what was measured."
    )
