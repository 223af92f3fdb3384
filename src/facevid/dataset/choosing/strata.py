"""Strata: the cells that clips fall into by their attributes and other columns, and the units that a choice is made of.

A choice looks at a table of its own: `clip_id`, what its units need, and one column for each thing to stratify by.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facevid.dataset.published import DatasetError, schema
from facevid.dataset.vocabulary import ATTRIBUTES

Of = Literal["clips", "hours", "persons"]
"""What a choice counts: clips, their hours, or the people in them."""
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

UNKNOWN = "unknown"
BANDS = 4
"""A number is cut into this many bands, each with as many clips as the next."""
_MANY = 20_000  # so many names are hashed faster by DuckDB, one by one is faster below
_AGE_BAND = 10  # years
_US = 1_000_000  # hours are counted in whole microseconds, whose sums are the same in every order
_OF_SOURCES = frozenset(schema("sources").names)
_NEEDED = {"clips": (), "hours": ("frames", "fps"), "persons": ("identity", "source_id")}


@dataclass(frozen=True)
class Cells:
    """The cell of every clip, and how the cells are called.

    of: the number of each clip's cell. names: per cell the value of each thing stratified by, as text, "unknown" where
    nobody knows. above: per cell the number of the cell that it lies in where the last `by` is not looked at, and so
    on up to the first; empty without `by`.
    """

    of: Ints
    names: tuple[tuple[str, ...], ...]
    above: tuple[Ints, ...]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Units:
    """What is chosen whole: clips, or everything of a person.

    of: the unit of every clip. names: its name, by which chance is drawn. weight: how much it counts for, a whole
    number: 1, or microseconds.
    """

    of: Ints
    names: pa.Array
    weight: Ints

    def __len__(self) -> int:
        return len(self.names)


def columns_sql(columns: Sequence[str], by: Sequence[str], of: Sequence[str] = ()) -> str:
    """The query of `clips` for the table that a choice looks at.

    columns: those the clips table has. by: attributes, columns of clips or else of their source, or SQL expressions;
    they become by_0, by_1 and so on.
    of: further columns. Raises DatasetError for a name that is neither an attribute nor a column nor SQL.
    """
    wanted = [f"{_expression(name, columns)} as by_{k}" for k, name in enumerate(by)]
    return f"select {', '.join(['clip_id', *of, *wanted])} from clips"


def needed(of: str) -> tuple[str, ...]:
    """Columns of the clips table that units of this kind are made from, beside `clip_id`."""
    if of not in get_args(Of):
        raise ValueError(f"of cannot be {of!r}; allowed: {', '.join(get_args(Of))}.")
    return _NEEDED[of]


def cells_of(table: pa.Table, by: Sequence[str]) -> Cells:
    """The cells of a table that `columns_sql` asked for; the same whatever the order of its rows."""
    count = len(table)
    codes = np.zeros(count, np.int64)
    above: list[Ints] = []
    names: list[tuple[str, ...]] = [()]
    for k, name in enumerate(by):
        values, labels = _banded(table[f"by_{k}"], name)
        codes, joined = compacted(codes * len(labels) + values)
        parents = joined // len(labels)
        above = [a[parents] for a in above] + [parents]
        names = [
            (*names[p], labels[v])
            for p, v in zip(parents.tolist(), (joined % len(labels)).tolist(), strict=True)
        ]
    if not count:
        names = []
    # above[i] says, for cells of all `by`, which cell of the first i of them it lies in; the finest comes last.
    return Cells(codes, tuple(names), tuple(above))


def units_of(table: pa.Table, of: Of) -> Units:
    """The units of a table: its clips, or the people in them.

    A person is a unit with all clips. Clips of nobody known are together with those of their source: that is the best
    that can be said of who they show.
    """
    if of == "persons":
        return _people(table)
    count = len(table)
    ids = table["clip_id"].combine_chunks()
    weight = np.ones(count, np.int64) if of == "clips" else microseconds(table)
    return Units(np.arange(count, dtype=np.int64), ids, weight)


def microseconds(table: pa.Table) -> Ints:
    """How long the clips are."""
    frames = np.asarray(table["frames"], np.float64)
    length: Ints = np.rint(frames / np.asarray(table["fps"], np.float64) * _US).astype(np.int64)
    return np.maximum(length, 1, dtype=np.int64)


def commonest(cell: Ints, unit: Ints, units: int, weight: Ints | None = None) -> Ints:
    """The cell that most of a unit's clips are in; of two equally common ones the first."""
    if not len(cell):
        return np.zeros(0, np.int64)
    both, inverse = np.unique(unit * (int(cell.max()) + 1) + cell, return_inverse=True)
    many = np.bincount(inverse.reshape(-1), minlength=len(both))
    at, which = np.divmod(both, int(cell.max()) + 1)
    order = np.lexsort((which, -many, at))
    first = np.flatnonzero(np.diff(at[order], prepend=-1))
    out = np.zeros(units, np.int64)
    out[at[order][first]] = which[order][first]
    return out


def compacted(codes: Ints) -> tuple[Ints, Ints]:
    """Codes (0 or more) numbered anew from 0 without gaps, in their order, and the code that each number stands for."""
    if len(codes) and int(codes.max()) < 4 * len(codes):
        used = np.zeros(int(codes.max()) + 1, bool)
        used[codes] = True
        return (np.cumsum(used) - 1)[codes], np.flatnonzero(used)
    found, inverse = np.unique(codes, return_inverse=True)
    return inverse.reshape(-1).astype(np.int64), found


def drawn(seed: int, names: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    """A number for each name that seems drawn by chance and is the same everywhere.

    It is the first 64 bits of the SHA-256 of "SEED NAME".
    """
    if len(names) < _MANY:
        found = [hashlib.sha256(f"{int(seed)} {name}".encode()).digest()[:8] for name in names.to_pylist()]
        return np.frombuffer(b"".join(found), ">u8").astype(np.uint64)
    query = f"select ('0x' || left(sha256('{int(seed)} ' || name), 16))::ubigint as drawn from names"
    with duckdb.connect() as connection:
        connection.register("names", pa.table({"name": names}))
        return np.asarray(connection.sql(query).fetchnumpy()["drawn"], np.uint64)


def by_chance(keys: npt.NDArray[np.uint64], names: pa.Array) -> Ints:
    """The order of the units by the numbers drawn for them; by their names should two have drawn the same."""
    order = np.argsort(keys)
    if len(order) > 1 and (keys[order][1:] == keys[order][:-1]).any():
        both = pa.table({"key": keys, "name": names})
        order = np.asarray(pc.sort_indices(both, [("key", "ascending"), ("name", "ascending")]))
    return order.astype(np.int64)


def shown_cell(by: Sequence[str], values: Iterable[str]) -> str:
    """A cell as people read it: "gender female, emotion happy"."""
    return ", ".join(f"{name} {value}" for name, value in zip(by, values, strict=True)) or "all clips"


def _expression(name: str, columns: Sequence[str]) -> str:
    if name in ATTRIBUTES:
        # A dataset that nobody annotated knows nothing of any clip.
        value = f"attributes.{name}.value" if "attributes" in columns else "null"
        return f"({value})::double" if ATTRIBUTES[name].kind == "number" else f"({value})::varchar"
    if name in columns:
        return '"' + name.replace('"', '""') + '"'
    if name in _OF_SOURCES:
        return f'(select s."{name}" from sources s where s.source_id = clips.source_id)'
    if name.isidentifier():
        raise DatasetError(
            f"There is no attribute and no column {name!r} to go by; attributes are {', '.join(ATTRIBUTES)}; columns "
            f"are {', '.join(columns)}; or give an SQL expression, such as 'sharpness > 1'."
        )
    return f"({name})"


def _banded(column: pa.ChunkedArray, name: str) -> tuple[Ints, list[str]]:
    """The number of each value, and what the numbers stand for, in order; nothing known comes last."""
    if pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
        return _bands(np.asarray(column.cast(pa.float64()), np.float64), name)
    if pa.types.is_nested(column.type):
        raise DatasetError(
            f"Clips cannot be told apart by {name!r}, which is {column.type}; give one value of it, such as "
            "'attributes.gender.value' or 'len(actions)'."
        )
    coded = column.combine_chunks().dictionary_encode()
    values = [_text(v) for v in coded.dictionary.to_pylist()]
    number = _number if pa.types.is_integer(column.type) else str
    labels = [*sorted(set(values) - {UNKNOWN}, key=number), UNKNOWN]
    place = {label: k for k, label in enumerate(labels)}
    lookup = np.array([place[v] for v in values] + [place[UNKNOWN]], np.int64)
    return lookup[np.asarray(coded.indices.fill_null(len(values)), np.int64)], labels


def _bands(values: Floats, name: str) -> tuple[Ints, list[str]]:
    known = np.isfinite(values)
    if name == "age":
        bands = np.floor(np.where(known, values, 0) / _AGE_BAND).astype(np.int64)
        used = np.unique(bands[known])
        labels = [f"{b * _AGE_BAND} to {(b + 1) * _AGE_BAND - 1}" for b in used.tolist()]
        return np.where(known, np.searchsorted(used, bands), len(used)), [*labels, UNKNOWN]
    ordered = np.sort(values[known])
    at = [math.floor(len(ordered) * k / BANDS) for k in range(1, BANDS)] if len(ordered) else []
    edges = np.unique(ordered[at])
    edges = edges[edges > ordered[0]] if len(ordered) else edges
    shown = [f"{e:g}" for e in edges.tolist()]
    labels = (
        [
            f"under {shown[0]}",
            *(f"{a} to {b}" for a, b in pairwise(shown)),
            f"from {shown[-1]}",
        ]
        if shown
        else ["any"]
    )
    return np.where(known, np.searchsorted(edges, values, side="right"), len(labels)), [*labels, UNKNOWN]


def _people(table: pa.Table) -> Units:
    person, source = table["identity"], table["source_id"]
    names = pc.if_else(
        pc.is_valid(person), pc.binary_join_element_wise("person", person, " "),
        pc.binary_join_element_wise("source", source, " "),
    )  # fmt: skip
    coded = names.combine_chunks().dictionary_encode()
    unit = np.asarray(coded.indices, np.int64)
    return Units(unit, coded.dictionary, np.ones(len(coded.dictionary), np.int64))


def _text(value: Any) -> str:
    if value is None:
        return UNKNOWN
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _number(text: str) -> tuple[int, str]:
    return int(text), text
