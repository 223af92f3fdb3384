"""Fields as one small whole number a row, so that counting one under any filter is a single pass over an array."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from facevid.dataset.vocabulary import ATTRIBUTES
from facevid.web.data import Tables
from facevid.web.filters import Table

LEAST_BINS = 20
_STEPS = (1, 2, 5, 10)
_OUTER = 0.001
"""Share of rows that may lie beyond each end of a histogram, so that one outlier does not flatten the rest."""

Ints = NDArray[np.int32]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Values:
    """A field with named values. codes: (rows,) place in `labels`, or their number where unknown."""

    labels: Sequence[str]
    codes: Ints

    def count(self, chosen: Ints | None) -> NDArray[np.int64]:
        """(labels + 1,) rows with each value among the chosen ones (None: all), the unknown last."""
        codes = self.codes if chosen is None else self.codes[chosen]
        return np.bincount(codes, minlength=len(self.labels) + 1)


@dataclass(frozen=True)
class Lists:
    """A field with several values a row. rows, codes: one entry a value; unlisted: (rows,) nobody looked."""

    labels: Sequence[str]
    rows: Ints
    codes: Ints
    unlisted: NDArray[np.bool_]

    def count(self, chosen: Ints | None) -> NDArray[np.int64]:
        """(labels + 1,) rows that have each value, and those of which nothing is known."""
        if chosen is None:
            codes, unlisted = self.codes, self.unlisted
        else:
            wanted = np.zeros(len(self.unlisted), bool)
            wanted[chosen] = True
            codes, unlisted = self.codes[wanted[self.rows]], self.unlisted[chosen]
        return np.append(np.bincount(codes, minlength=len(self.labels)), unlisted.sum())


@dataclass(frozen=True)
class Bins:
    """A field of numbers. codes: (rows,) 0 below the first of n + 1 edges, 1 to n a bin, then above, then missing."""

    edges: Sequence[float]
    codes: Ints

    def count(self, chosen: Ints | None) -> NDArray[np.int64]:
        """(n + 3,) rows of each code."""
        codes = self.codes if chosen is None else self.codes[chosen]
        return np.bincount(codes, minlength=len(self.edges) + 2)


def coded(tables: Tables, table: Table, name: str, edges: Sequence[float] | None) -> Values | Lists | Bins:
    """A field of a table in memory; edges: of its histogram, None for a field that has values.

    Tables in memory lie in the order of their numbers, and DuckDB reads them in this order.
    """
    if edges is not None:
        return Bins(edges, _bins_of(numbers(tables, table, name), edges))
    if name == "action":
        return _lists(tables)
    if name.startswith("a.") and name[2:] not in tables.names.attributes:
        return Values([], np.zeros(tables.clips, np.int32))
    column = {"source": "source_name"}.get(name, f'"{name}"')
    found = tables.arrow(f"select {column} as v from {table}")["v"]
    labels, codes = _encoded(found)
    return Values(labels, codes)


def numbers(tables: Tables, table: Table, name: str) -> Floats:
    """A score ("s.NAME") or a number attribute ("a.NAME") of all rows, nan where unknown."""
    return plain(tables.columns(f'select "{name}"::double as v from {table} order by number')["v"])


def plain(column: NDArray[Any]) -> Floats:
    """A column as float64, nan where null."""
    values: Floats = np.array(column, np.float64)
    if isinstance(column, np.ma.MaskedArray):
        values[np.ma.getmaskarray(column)] = np.nan  # type: ignore[no-untyped-call]
    return values


def has_numbers(name: str, tables: Tables) -> bool:
    """Whether a field is drawn as a histogram."""
    if name.startswith("a."):
        return ATTRIBUTES[name[2:]].kind == "number" and name[2:] in tables.names.attributes
    return name.startswith("s.")


def edges_for(values: Floats, within: Sequence[float]) -> list[float]:
    """Edges of round numbers around nearly all values, and around the thresholds in `within`."""
    known = values[~np.isnan(values)]
    ends = np.quantile(known, (_OUTER, 1 - _OUTER), method="nearest").tolist() if len(known) else []
    ends = [*ends, *within]
    return round_edges(min(ends, default=0.0), max(ends, default=1.0))


def round_edges(low: float, high: float) -> list[float]:
    """At least 21 edges from below `low` to above `high`, at multiples of 1, 2 or 5 times a power of ten."""
    span = high - low if high > low else max(abs(low), 1.0)
    size = 10.0 ** math.floor(math.log10(span / LEAST_BINS))
    step = max((s * size for s in _STEPS if span / (s * size) >= LEAST_BINS * (1 - 1e-9)), default=size)
    first, last = math.floor(low / step + 1e-9), math.ceil(max(high, low + span) / step - 1e-9)
    return [float(f"{k * step:.6g}") for k in range(first, last + 1)]


def _bins_of(values: Floats, edges: Sequence[float]) -> Ints:
    """Scores are float32, so the edges are compared as such; the last edge belongs to the last bin."""
    at = np.asarray(edges, np.float32).astype(np.float64)
    codes = np.searchsorted(at, values, side="right").astype(np.int32)
    codes[values == at[-1]] = len(edges) - 1
    codes[np.isnan(values)] = len(edges) + 1
    return codes


def _lists(tables: Tables) -> Lists:
    found = tables.arrow("select actions as v from clips")["v"]
    lists = found.combine_chunks() if found.num_chunks != 1 else found.chunk(0)
    count = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    labels, codes = _encoded(pa.chunked_array([lists.flatten()]))
    rows = np.repeat(np.arange(len(lists), dtype=np.int32), count)
    return Lists(labels, rows, codes, lists.is_null().to_numpy(zero_copy_only=False))


def _encoded(column: Any) -> tuple[list[str], Ints]:
    """The values of a column of text and each row's place among them, their number where null."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    whole = column.unify_dictionaries().combine_chunks()
    whole = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
    labels = [str(v) for v in whole.dictionary.to_pylist()]
    return labels, pc.fill_null(whole.indices.cast(pa.int32()), len(labels)).to_numpy()
