"""The distances of a benchmark's page: value, interval and floor, in figures, in words and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from facevid.bench.page.document import explained, small, table
from facevid.bench.page.judge import Measured, beside_floor, measured
from facevid.bench.page.plots import Span, spans
from facevid.bench.page.words import NONE, count, number, spread
from facevid.bench.result import DistanceResult

_SAID = {
    "above": "above the floor",
    "reaching": "above the floor, but its interval reaches down to it",
    "within": "no larger than real videos have among themselves",
    "unknown": "no floor that could tell",
}


def distances(found: Sequence[DistanceResult]) -> str:
    """The table of distances, or a sentence that there are none."""
    if not found:
        return "<p>No distance was computed.</p>"
    rows = []
    for one in found:
        title = explained(one.title, one.about)
        of = [f"{one.n_real:,} / {one.n_made:,}", f"{one.missing_real:,} / {one.missing_made:,}"]
        figures = measured(one)
        if figures is None:
            why = small(one.why or "too few videos have its features", wraps=True)
            rows.append([title, NONE, f"too few{why}", NONE, NONE, *of])
        else:
            rows.append([title, *_cells(one, figures), *of])
    heads = ["distance", "picture", "value, interval", "real against real", "beside it"]
    heads += ["n real / made", "missing real / made"]
    return (
        '<p class="note">Smaller is better. The dot is the value, the line its interval; the field is the floor: what '
        "two sets of real videos of the same size without a common clip come to, lowest to highest draw, its "
        "line the mean. A model as good as the data itself would lie in the field.</p>" + table(heads, rows)
    )


def floor_text(found: Measured) -> tuple[str, str]:
    """The floor's mean; and the range of its draws, their sizes where these are not those of the distance, what they
    were drawn from, and a warning where that is unlike the videos compared."""
    if found.floor is None or found.floor_sizes is None:
        return NONE, "no floor"
    low, mean, high = found.floor
    text = f"{number(low)} to {number(high)}"
    if not found.same_n:
        text += f"; of only {found.floor_sizes[0]:,} against {found.floor_sizes[1]:,}"
    if found.pool is not None:
        videos, people, further = found.pool
        text += f"; from {count(videos, 'clip')} of {'1 person' if people == 1 else f'{people:,} people'}"
        text += f", {further:,} of them not compared" if further else ""
    if found.further_differ and found.further_apart is not None:
        text += (
            f". These are {number(found.further_apart)} from those compared, more than any draw, so the floor may be "
            "of another kind of clip"
        )
    return number(mean), text


def _cells(one: DistanceResult, found: Measured) -> list[str]:
    value, interval = spread(found.value, found.interval)
    mean, draws = floor_text(found)
    said = _SAID[beside_floor(found)]
    level = (one.found or {}).get("level", 0.95)
    interval_text = interval if level == 0.95 else f"{interval} ({level:.0%})"
    ratio = ""
    if found.kind == "frechet" and found.floor is not None and found.floor[1] > 0:
        ratio = f"{number(found.value / found.floor[1])} times the floor"
    label = f"{one.title}: {value}, interval {interval}, floor {mean}: {said}"
    picture = spans([Span("", found.value, found.interval)], label, found.floor)
    return [
        picture,
        f"<b>{value}</b>{small(interval_text)}",
        f"{mean}{small(draws, wraps=True)}",
        f'<span class="said">{escape(said)}</span>{small(ratio)}',
    ]
