"""A comparison as one HTML page: the results, whether they may be compared, and all figures with pictures."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from facevid.bench.errors import BenchError
from facevid.bench.page.compare import Comparison, Row, Value
from facevid.bench.page.compare_text import OVERLAP, against_text, best_text
from facevid.bench.page.document import bullets, document, explained, save, section, small, table
from facevid.bench.page.head import model_text
from facevid.bench.page.plots import Span, spans
from facevid.bench.page.words import NONE, about_of, count, listed, number, setting, shape_text, side, spread
from facevid.bench.result import Result


def write_comparison(comparison: Comparison, results: Sequence[Result], path: Path) -> Path:
    """Write a comparison as one HTML page that needs nothing else; the same comparison gives the same bytes.

    results: those that were compared, in their order. Returns the path. Raises BenchError where they are others or the
    name does not end in .html; StorageError where it cannot be written.
    """
    if [one.name for one in results] != comparison.names:
        raise BenchError("the results are not those that were compared; give them in the same order.")
    body = _results(comparison, results)
    body += section("May they be compared", bullets(comparison.sentences()))
    body += section("Distances", _rows(comparison, comparison.distances, "No distance was computed."))
    body += section(
        "Metrics of single videos", _rows(comparison, comparison.metrics, "No metric was measured.")
    )
    return save(path, document("Benchmarks compared", body))


def _results(comparison: Comparison, results: Sequence[Result]) -> str:
    rows = []
    for label, one in zip(comparison.labels, results, strict=True):
        data = one.data
        sha = setting(data.get("dataset_sha256"))[:12]
        rows.append(
            [
                f"<b>{label}</b> {escape(one.name)}",
                f"{escape(setting(one.videos.get('folder')))}{small(model_text(one.videos.get('model')))}",
                f"{one.videos.get('count', 0):,}",
                escape(setting(data.get("name")))
                + small(f"{sha}, {count(int(data.get('clips') or 0), 'clip')}"),
                escape(shape_text(one.shape)),
                escape(one.date) + small(f"facevid {one.facevid}"),
            ]
        )
    return table(["result", "videos", "n made", "real videos", "compared as", "date"], rows)


def _rows(comparison: Comparison, rows: Sequence[Row], otherwise: str) -> str:
    if not rows:
        return f"<p>{escape(otherwise)}</p>"
    heads = ["", "which way", "best", "picture", *comparison.labels]
    lines = [
        [
            explained(row.title, about_of(row.name)) + small(row.unit),
            escape(side(row.better)),
            _best(comparison, row),
            _picture(comparison, row),
            *(_cell(one, k, row, comparison.labels[0]) for k, one in enumerate(row.values)),
        ]
        for row in rows
    ]
    note = f"{OVERLAP} A dashed line in a picture is the mean of the real videos, where near it is best."
    return f'<p class="note">{escape(note)}</p>' + table(heads, lines)


def _best(comparison: Comparison, row: Row) -> str:
    if not row.comparable:
        return f'<span class="said">not compared{small(row.why or "", wraps=True)}</span>'
    return escape(best_text(comparison, row)) or NONE


def _picture(comparison: Comparison, row: Row) -> str:
    there = [
        Span(label, one.value, one.interval)
        for label, one in zip(comparison.labels, row.values, strict=True)
        if one.value is not None
    ]
    said = listed(f"{one.label} {number(one.value)}" for one in there)
    real = row.values[0].real if row.better == "as real" else None
    band = None if real is None else (real, real, real)
    beside = "" if real is None else f", real {number(real)}"
    return spans(there, f"{row.title}: {said}{beside}", band, from_zero=row.kind == "distance")


def _cell(one: Value, k: int, row: Row, first: str) -> str:
    if one.value is None:
        return NONE + small(one.note or "", wraps=True)
    value, interval = spread(one.value, one.interval)
    text = f"<b>{value}</b>{small(interval)}{small(count(one.n, 'video'))}"
    if one.real is not None and row.better == "as real":
        text += small(f"real {number(one.real)}")
    if k and one.difference is not None:
        text += f'<span class="against">to {first}: {escape(against_text(one))}</span>'
    return text
