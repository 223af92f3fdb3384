"""`write_leaderboard` puts many results on one page, grouped by what they may be compared with, best first."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote

from facevid.bench.errors import BenchError
from facevid.bench.measures.metric import Better
from facevid.bench.page.alike import differences
from facevid.bench.page.document import bullets, document, save, section, small
from facevid.bench.page.head import definitions, model_text
from facevid.bench.page.judge import measured, off
from facevid.bench.page.words import (
    NONE,
    Interval,
    better_of,
    capital,
    count,
    in_order,
    setting,
    shape_text,
    side,
    spread,
    title_of,
)
from facevid.bench.result import PAGE, Result, read_result


@dataclass(frozen=True)
class _Entry:
    folder: Path
    result: Result


@dataclass(frozen=True)
class _Column:
    """A distance or a metric of a table."""

    name: str
    title: str
    better: Better | None
    distance: bool


@dataclass(frozen=True)
class _Cell:
    """What a row has in a column. off: what is smallest for the best; None where there is no value."""

    text: str
    off: float | None


def write_leaderboard(folders: Sequence[Path], path: Path) -> Path:
    """Write one HTML page over the results in `folders`; the same results give the same bytes.

    Results with the same real videos, chosen alike, and the same shape share a table, sorted by its first distance, or
    first metric where it has no distance; a click on a heading sorts by another. Folders whose result cannot be read
    are named with the reason, and stop nothing. Returns the path. Raises BenchError where there are no folders or the
    name does not end in .html; StorageError where it cannot be written.
    """
    if not folders:
        raise BenchError("a leaderboard needs results; give one folder of facevid bench or more.")
    alike: dict[str, list[_Entry]] = {}
    broken = []
    for folder in folders:
        try:
            result = _checked(read_result(folder))
        except BenchError as error:
            broken.append(f"{folder}: {error}")
            continue
        alike.setdefault(_key(result), []).append(_Entry(folder, result))
    body = _before(sum(map(len, alike.values())), len(alike))
    for entries in sorted(alike.values(), key=lambda found: -len(found)):
        body += _group(entries, path.parent)
    if broken:
        body += section(f"{count(len(broken), 'folder')} could not be read", bullets(broken))
    return save(path, document("Leaderboard", body, script="sort.js"))


def _checked(result: Result) -> Result:
    """The result, of which everything that a table needs is there; else BenchError."""
    for name in ("videos", "data", "shape", "settings", "readers"):
        if not isinstance(getattr(result, name), dict):
            raise BenchError(f"its {name} is no set of named values; run facevid bench again.")
    for distance in result.distances:
        measured(distance)
    for metric in result.metrics:
        mean = metric.made.mean
        if mean is not None and not (isinstance(mean, int | float) and math.isfinite(mean)):
            raise BenchError(
                f"its mean of {metric.name} is {mean!r}, no finite number; run facevid bench again."
            )
    return result


def _key(result: Result) -> str:
    data = [result.data.get(name) for name in ("dataset_sha256", "clips", "chosen_by")]
    return json.dumps([data, result.shape], sort_keys=True)


def _before(results: int, tables: int) -> str:
    if not results:
        return "<p>No result could be read.</p>"
    parted = "" if tables == 1 else f", in {tables:,} tables: results of different tables cannot be compared"
    return (
        f'<p class="note">{count(results, "result")}{parted}. A click on a heading sorts, best first. Intervals are '
        "95 %; where they overlap the order may be chance.</p>"
    )


def _group(entries: Sequence[_Entry], below: Path) -> str:
    first = entries[0].result
    data = first.data
    about = definitions(
        [
            ("Its hash", setting(data.get("dataset_sha256"))),
            ("Clips", ", ".join([setting(data.get("clips")), *map(str, data.get("chosen_by") or [])])),
        ]
    )
    names = [entry.folder.name for entry in entries]
    said = [f"{capital(one.said)}." for one in differences([entry.result for entry in entries], names)]
    if len({entry.result.videos.get("count") for entry in entries}) > 1:
        said.append("Numbers of videos differ; a Fréchet distance is smaller for more of them.")
    title = ", ".join(filter(None, [f"Against {setting(data.get('name'))}", shape_text(first.shape)]))
    return section(title, about + (bullets(said) if said else "") + _table(entries, below))


def _table(entries: Sequence[_Entry], below: Path) -> str:
    columns = _columns(entries)
    rows = [(entry, [_cell(entry.result, column) for column in columns]) for entry in entries]
    if columns:
        rows.sort(key=lambda row: (row[1][0].off is None, row[1][0].off or 0.0))
    heads = [_head("result", "", "text"), _head("date", "", "text"), _head("videos", "", "number")]
    for k, column in enumerate(columns):
        heads.append(_head(column.title, side(column.better), "number", by=k == 0))
    body = "".join(_row(entry, cells, below) for entry, cells in rows)
    return (
        f'<div class="wide"><table class="sortable"><thead><tr>{"".join(heads)}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _columns(entries: Sequence[_Entry]) -> list[_Column]:
    titles = {one.name: one.title for entry in entries for one in reversed(entry.result.distances)}
    order = dict.fromkeys(one.name for entry in entries for one in entry.result.distances)
    found = [_Column(name, titles[name], "lower", True) for name in order]
    metrics = in_order(one.name for entry in entries for one in entry.result.metrics)
    return found + [_Column(name, title_of(name), better_of(name), False) for name in metrics]


def _head(title: str, way: str, kind: str, *, by: bool = False) -> str:
    sort = ' aria-sort="ascending"' if by else ""
    return f'<th scope="col" data-kind="{kind}"{sort}><button type="button">{escape(title)}</button>{small(way)}</th>'


def _row(entry: _Entry, cells: Sequence[_Cell], below: Path) -> str:
    result = entry.result
    name, page = escape(result.name), entry.folder / PAGE
    if page.is_file():
        address = quote(Path(os.path.relpath(page, below)).as_posix())
        name = f'<a href="./{escape(address)}">{name}</a>'
    made = result.videos.get("count")
    text = (
        f'<tr><th scope="row" data-v="{escape(result.name)}">{name}{small(model_text(result.videos.get("model")))}'
        f'{small(entry.folder.name)}</th><td data-v="{escape(result.date)}">{escape(result.date)}</td>'
        f'<td data-v="{"" if made is None else made}">{setting(made)}</td>'
    )
    for cell in cells:
        at = "" if cell.off is None else repr(cell.off)
        text += f'<td data-v="{at}">{cell.text}</td>'
    return text + "</tr>"


def _cell(result: Result, column: _Column) -> _Cell:
    if column.distance:
        distance = next((one for one in result.distances if one.name == column.name), None)
        found = None if distance is None else measured(distance)
        if found is None:
            return _Cell(NONE + small("not measured" if distance is None else "too few videos"), None)
        return _Cell(_value(found.value, found.interval), found.value)
    metric = next((one for one in result.metrics if one.name == column.name), None)
    if metric is None or metric.made.mean is None:
        return _Cell(NONE + small("not measured" if metric is None else "no video has it"), None)
    real = None if metric.real is None else metric.real.mean
    text = _value(metric.made.mean, metric.made.interval)
    if column.better == "as real" and real is not None:
        text += small(f"real {spread(real, None)[0]}")
    return _Cell(text, None if column.better is None else off(metric.made.mean, column.better, real))


def _value(value: float, interval: Interval | None) -> str:
    shown, of = spread(value, interval)
    return f"<b>{shown}</b>{small(of)}"
