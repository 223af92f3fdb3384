"""The tables of a merge that do not hold clips: sources, what was rejected and what failed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from facevid.dataset.dataset import Dataset
from facevid.dataset.published import schema
from facevid.dataset.sharing.distinct import renamed
from facevid.dataset.sharing.own import is_in, is_whole
from facevid.dataset.sharing.taken_down import TakenDown

_STATED = ("url", "licence", "consent", "collected_by", "language", "self_reported")


@dataclass(frozen=True)
class MergedSources:
    """The sources of all datasets, each once; names: of each dataset, source_id -> the name that the source has now."""

    table: pa.Table
    names: list[dict[str, str]]
    renamed: int


def merged_sources(
    views: Sequence[Dataset], prefixes: Sequence[str], down: TakenDown, conflicts: list[str]
) -> MergedSources:
    """Sources of the clips, and of whole datasets all; not those taken down.

    The first dataset that has a source describes it; what it leaves open the others fill. Where two state different
    things, such as two licences, the first one's stays and `conflicts` tells of it.
    """
    rows: dict[str, dict[str, Any]] = {}
    names: list[dict[str, str]] = []
    taken: set[str] = set()
    changed = 0
    for view, prefix in zip(views, prefixes, strict=True):
        table = view.to_arrow("sources")
        table = table.filter(pc.invert(pa.array(down.sources(table))))
        if not is_whole(view):
            table = table.filter(is_in(table["source_id"], view.rows(["source_id"])["source_id"]))
        fresh = {r["source_name"] for r in table.to_pylist() if r["source_id"] not in rows}
        called = renamed(fresh, taken, prefix)
        changed += sum(old != new for old, new in called.items())
        here = {}
        for row in table.to_pylist():
            there = rows.get(row["source_id"])
            if there is None:
                rows[row["source_id"]] = row | {"source_name": called[row["source_name"]]}
                here[row["source_id"]] = called[row["source_name"]]
            else:
                _complete(there, row, view, conflicts)
                here[row["source_id"]] = there["source_name"]
        taken |= set(called.values())
        names.append(here)
    table = pa.Table.from_pylist(list(rows.values()), schema("sources"))
    return MergedSources(table, names, changed)


def merged_rows(
    views: Sequence[Dataset], table: str, names: Sequence[Mapping[str, str]], down: TakenDown
) -> pa.Table:
    """`rejected` or `failed` of the datasets that are whole, each row once; nothing of what was taken down."""
    parts = [schema(table).empty_table()]
    for view, called in zip(views, names, strict=True):
        if not is_whole(view):
            continue
        rows = view.to_arrow(table)
        if table == "rejected":
            rows = rows.filter(pa.array(~down.covers(rows)))
            new = [
                called.get(i, n)
                for i, n in zip(rows["source_id"].to_pylist(), rows["source_name"].to_pylist(), strict=True)
            ]
            rows = rows.set_column(
                rows.column_names.index("source_name"), "source_name", pa.array(new, pa.string())
            )
        parts.append(rows)
    united = pa.concat_tables(parts, promote_options="permissive")
    seen: set[str] = set()
    first = []
    for number, row in enumerate(united.to_pylist()):
        key = json.dumps(row, sort_keys=True, default=str)
        if key not in seen:
            seen.add(key)
            first.append(number)
    return united.take(pa.array(first, pa.int64()))


def _complete(there: dict[str, Any], row: Mapping[str, Any], view: Dataset, conflicts: list[str]) -> None:
    for name in _STATED:
        if there.get(name) is None:
            there[name] = row.get(name)
        elif row.get(name) is not None and row[name] != there[name]:
            conflicts.append(
                f"Source {row['source_id']}: {name} is {row[name]!r} in {view.location} and {there[name]!r} in an "
                "earlier dataset, which stays."
            )
