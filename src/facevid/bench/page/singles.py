"""The metrics of single videos on a benchmark's page: made against real, in figures and as two distributions."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facevid.bench.errors import BenchError
from facevid.bench.page.document import explained, small, table
from facevid.bench.page.judge import beside_real
from facevid.bench.page.plots import Floats, back_to_back
from facevid.bench.page.words import (
    NONE,
    about_of,
    better_of,
    count,
    in_order,
    side,
    spread,
    title_of,
    unit_of,
)
from facevid.bench.result import Figure, MetricResult

_SAID = {
    "better": "better than real",
    "worse": "worse than real",
    "higher": "higher than real",
    "lower": "lower than real",
    "not clear": "no clear difference",
}


def singles(found: Sequence[MetricResult], videos: pa.Table) -> str:
    """The table of metrics, or a sentence that there are none.

    videos: the rows of videos.parquet, of which the distributions are drawn. Raises BenchError where it lacks the kind
    or a metric that the result has.
    """
    if not found:
        return "<p>No metric of single videos was measured.</p>"
    by_name = {one.name: one for one in found}
    rows = [_row(by_name[name], videos) for name in in_order(by_name)]
    return (
        '<p class="note">Means over videos, 95 % intervals by resampling people. In the pictures made videos stand '
        "above the line and real ones hang below it, the strokes are the means. Where intervals overlap the difference "
        "is called not clear; a title opens to what is measured.</p>"
        + table(["metric", "picture", "made", "real", "beside real", "which way"], rows)
    )


def column(videos: pa.Table, name: str, kind: str) -> Floats:
    """Values (n,) of a metric over the videos of a kind, "made" or "real"; those without a finite one are left out."""
    for needed in ("kind", name):
        if needed not in videos.column_names:
            raise BenchError(
                f"the table of videos has no column {needed}, which the result speaks of; give the videos.parquet that "
                "was written with it."
            )
    of_kind = videos.filter(pc.equal(videos["kind"], kind))
    values = np.asarray(of_kind[name].cast(pa.float64()).drop_null().to_numpy(), np.float64)
    return np.asarray(values[np.isfinite(values)], np.float64)


def _row(one: MetricResult, videos: pa.Table) -> list[str]:
    title, unit = title_of(one.name), unit_of(one.name)
    said = beside_real(better_of(one.name), one.made, one.real)
    made, real = column(videos, one.name, "made"), column(videos, one.name, "real")
    picture = back_to_back(made, real, f"{title}: {len(made)} made above, {len(real)} real below")
    return [
        explained(title, about_of(one.name)) + small(unit),
        picture,
        figure_cell(one.made),
        NONE if one.real is None else figure_cell(one.real),
        escape(_SAID[said]) if said else NONE,
        escape(side(better_of(one.name))),
    ]


def figure_cell(figure: Figure) -> str:
    """Mean, interval, n and missing of one figure as HTML."""
    missing = f", {figure.missing:,} missing" if figure.missing else ""
    of = small(count(figure.n, "video") + missing)
    if figure.mean is None:
        return NONE + of
    value, interval = spread(figure.mean, figure.interval)
    return f"<b>{value}</b>{small(interval or 'no interval: under 10 people')}{of}"
