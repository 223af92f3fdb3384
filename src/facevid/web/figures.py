"""Counts over the dataset: what is in it, facets under a filter, and what another threshold would keep."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facevid.dataset.vocabulary import ATTRIBUTES, Attribute
from facevid.web.data import Tables
from facevid.web.errors import Refused
from facevid.web.filters import LENGTH, Bounds, Filter, Names, Table, field_of

_MOST_VALUES = 200
_LEAST_BINS = 20
_STEPS = (1, 2, 5, 10)
_OUTER = 0.001
"""Share of rows that may lie beyond each end of a histogram, so that one outlier does not flatten the rest."""
_POINTS = 60
_OTHER: dict[Table, Table] = {"clips": "rejected", "rejected": "clips"}

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Threshold:
    """A rule of the recipe that the dataset was built with."""

    reason: str
    score: str
    min: float | None
    max: float | None
    rejected_as: str  # what the rejected table names as the score

    def passes(self, values: Floats) -> NDArray[np.bool_]:
        return passing(values, (self.min, self.max))


def passing(values: Floats, bounds: Bounds) -> NDArray[np.bool_]:
    """Where values are within bounds; what could not be measured (nan) breaks no rule."""
    low, high = bounds
    out = np.zeros(len(values), bool)
    if low is not None:
        out |= values < np.float32(low)
    if high is not None:
        out |= values > np.float32(high)
    return ~out


class Figures:
    """Counts over one publication."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._edges: dict[str, list[float]] = {}

    @cached_property
    def rules(self) -> list[Threshold]:
        """Rules of the dataset's recipe on scores that it has, and its shortest clip as one on the length."""
        select = (self._tables.dataset.manifest.about.get("recipe") or {}).get("select") or {}
        known = self._tables.names.scores["clips"]
        rules = [
            Threshold(r["reason"], r["score"], r.get("min"), r.get("max"), r["score"])
            for r in select.get("rules") or ()
            if r.get("score") in known
        ]
        if select.get("min_s") is not None:
            rules.append(Threshold("duration", LENGTH, float(select["min_s"]), None, "duration_s"))
        return rules

    @cached_property
    def info(self) -> dict[str, Any]:
        """What the dataset has to look at and to filter by."""
        ask, tables = self._tables.ask, self._tables
        ((seconds, persons),) = ask("select sum(seconds), count(distinct identity) from clips")
        present = [a for a in ATTRIBUTES.values() if a.name in tables.names.attributes]
        actions = ask(
            "select a, count(*) from (select unnest(actions) as a from clips) group by 1 order by 2 desc, 1"
        )
        reasons = ask("select reason, count(*), sum(seconds) from rejected group by 1 order by 2 desc, 1")
        return {
            "name": tables.dataset.manifest.about.get("name"),
            "clips": tables.clips,
            "seconds": round(seconds or 0.0, 3),
            "persons": persons,
            "rejected": tables.rejected,
            "annotated": tables.names.labelled,
            "scores": self._ranges(),
            "attributes": [_described(a) for a in present],
            "all_attributes": [_described(a) for a in ATTRIBUTES.values()],
            "actions": [{"name": name, "count": count} for name, count in actions],
            "rules": [{"reason": r.reason, "score": r.score, "min": r.min, "max": r.max} for r in self.rules],
            "reasons": [{"reason": r, "count": n, "seconds": round(s or 0.0, 3)} for r, n, s in reasons],
        }

    def facets(self, filter: Filter, fields: Sequence[str]) -> dict[str, Any]:
        """Per field the counts of its values, or its histogram, under everything else that the filter says."""
        names = self._tables.names
        wanted = [field_of(f, filter.table, names) for f in dict.fromkeys(fields)]
        groups: dict[Filter, list[str]] = {}
        for name in wanted:
            table: Table = "rejected" if name == "reason" else filter.table
            groups.setdefault(filter.of(table, names).without(name), []).append(name)
        out: dict[str, Any] = {}
        for group, members in groups.items():
            out.update(self._count(group, members))
        for name in wanted:
            if name.startswith("s."):
                self._add_other_table(out[name], filter, name)
        return {name: out[name] for name in wanted}

    def what_if(self, score: str, bounds: Bounds, side: Literal["min", "max"] | None) -> dict[str, Any]:
        """How many clips and rejected stretches would be kept with other bounds for a score.

        A clip is judged by its one value of the score; `facevid select` judges windows, so it may differ at the
        edges of clips. A rejected stretch that would pass is one that this rule rejected, by the value it was rejected
        for, and whose own scores break no other rule.
        """
        names = self._tables.names
        if score not in names.scores["clips"]:
            raise Refused(
                400, f"There is no score {score[:60]!r}; allowed: {', '.join(names.scores['clips'])}."
            )
        rule = next((r for r in self.rules if r.score == score), None)
        if side is None:
            side = "max" if rule and rule.min is None else "min"
        values, seconds = self._clip_values(score)
        rejected, rejected_seconds, eligible = self._rejected_values(score, rule)
        kept, back = passing(values, bounds), passing(rejected, bounds) & eligible
        return {
            "score": score,
            "side": side,
            "min": bounds[0],
            "max": bounds[1],
            "rule": {"reason": rule.reason, "min": rule.min, "max": rule.max} if rule else None,
            "clips_now": len(values),
            "clips_kept": int(kept.sum()),
            "seconds_now": _sum(seconds),
            "seconds_kept": _sum(seconds[kept]),
            "rejected_by_this_rule": len(rejected),
            "rejected_seconds": _sum(rejected_seconds),
            "rejected_that_would_pass": int(back.sum()),
            "seconds_that_would_pass": _sum(rejected_seconds[back]),
            "points": self._curve(score, bounds, side, values, rejected[eligible]),
        }

    def _curve(
        self, score: str, bounds: Bounds, side: str, values: Floats, rejected: Floats
    ) -> list[dict[str, float | int]]:
        """Clips and rejected stretches kept over thresholds of one side, the other side as asked for."""
        edges = self._bins(score)
        at = np.linspace(edges[0], edges[-1], _POINTS)
        other: Bounds = (None, bounds[1]) if side == "min" else (bounds[0], None)
        counts = [_kept_over(v[passing(v, other)], at, side) for v in (values, rejected)]
        return [
            {"threshold": float(f"{t:.6g}"), "clips": int(c), "rejected_that_would_pass": int(r)}
            for t, c, r in zip(at, *counts, strict=True)
        ]

    def _clip_values(self, score: str) -> tuple[Floats, Floats]:
        found = self._tables.columns(f'select "s.{score}"::double as v, seconds from clips')
        return _plain(found["v"]), _plain(found["seconds"])

    def _rejected_values(
        self, score: str, rule: Threshold | None
    ) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """Value and length of the stretches that the rule rejected, and whether they meet all other rules."""
        others = [
            r for r in self.rules if r.score != score and r.score in self._tables.names.scores["rejected"]
        ]
        columns = "".join(f', "s.{r.score}"::double as r{k}' for k, r in enumerate(others))
        found = self._tables.columns(
            f"select value::double as v, seconds{columns} from rejected where score = ? and reason = ?",
            [rule.rejected_as if rule else score, rule.reason if rule else ""],
        )
        values = _plain(found["v"])
        eligible = np.ones(len(values), bool)
        for k, other in enumerate(others):
            eligible &= other.passes(_plain(found[f"r{k}"]))
        return values, _plain(found["seconds"]), eligible

    def _count(self, filter: Filter, fields: Sequence[str]) -> dict[str, Any]:
        """Facets that share one filter, in one query: the filter is applied once."""
        where, values = self._tables.where(filter)
        read, branches = [], []
        for k, name in enumerate(fields):
            read.append(f"{_column(name, self._tables.names)} as f{k}")
            edges = self._edges_of(name)
            if edges is not None:
                branches.append(_histogram(k, edges))
            elif name == "action":
                branches.append(
                    f"select {k} as field, a as value, null as bin, count(*) as n "
                    f"from (select unnest(f{k}) as a from f) group by a "
                    f"union all select {k}, null, null, count(*) from f where f{k} is null"
                )
            else:
                branches.append(
                    f"select {k} as field, f{k}::varchar as value, null as bin, count(*) as n from f group by f{k}"
                )
        rows = self._tables.ask(
            f"with f as materialized (select {', '.join(read)} from {filter.table} where {where}) "
            + " union all ".join(branches),
            values,
        )
        out: dict[str, Any] = {}
        for k, name in enumerate(fields):
            mine = [(value, bin, n) for number, value, bin, n in rows if number == k]
            edges = self._edges_of(name)
            out[name] = self._drawn(name, edges, mine) if edges is not None else _listed(mine)
        return out

    def _drawn(self, name: str, edges: list[float], rows: Sequence[tuple[Any, Any, int]]) -> dict[str, Any]:
        bins = {b: n for _, b, n in rows}
        count = len(edges) - 1
        score = name.partition(".")[2]
        return {
            "kind": "histogram",
            "edges": edges,
            "counts": [bins.get(k, 0) for k in range(count)],
            "below": bins.get(-1, 0),
            "above": bins.get(count, 0),
            "missing": bins.get(None, 0),
            "thresholds": [
                {"min": r.min, "max": r.max, "reason": r.reason}
                for r in self.rules
                if name.startswith("s.") and r.score == score
            ],
        }

    def _add_other_table(self, facet: dict[str, Any], filter: Filter, name: str) -> None:
        """The same histogram of the other table, under what the filter says of that one too."""
        names, other = self._tables.names, _OTHER[filter.table]
        if name[2:] in names.scores[other]:
            counts = self._count(filter.of(other, names).without(name), [name])[name]["counts"]
            own = facet["counts"]
            facet["kept"], facet["rejected"] = (own, counts) if other == "rejected" else (counts, own)

    def _edges_of(self, name: str) -> list[float] | None:
        """Edges of a field's histogram; None for a field that has values to count."""
        kind, _, bare = name.partition(".")
        if kind == "s":
            return self._bins(bare)
        if kind == "a" and ATTRIBUTES[bare].kind == "number" and bare in self._tables.names.attributes:
            return self._bins(name)
        return None

    def _bins(self, name: str) -> list[float]:
        """Edges of round numbers, the same under every filter; thresholds lie between the outer ones."""
        if name not in self._edges:
            number = name.startswith("a.")
            column = f'"{name}"' if number else f'"s.{name}"'
            tables = ["clips"] if number else [t for t, s in self._tables.names.scores.items() if name in s]
            rows = " union all ".join(f"select {column} as v from {t}" for t in tables)
            ((low, high),) = self._tables.ask(
                f"select quantile_cont(v, {_OUTER}), quantile_cont(v, {1 - _OUTER}) from ({rows})"
            )
            ends = [float(end) for end in (low, high) if end is not None]
            ends += [float(e) for r in self.rules if r.score == name for e in (r.min, r.max) if e is not None]
            self._edges[name] = round_edges(min(ends, default=0.0), max(ends, default=1.0))
        return self._edges[name]

    def _ranges(self) -> list[dict[str, Any]]:
        scores = self._tables.names.scores
        out = []
        for name in dict.fromkeys((*scores["clips"], *scores["rejected"])):
            rows = " union all ".join(
                f'select "s.{name}" as v from {t}' for t, s in scores.items() if name in s
            )
            ((low, high),) = self._tables.ask(f"select min(v), max(v) from ({rows})")
            out.append({"name": name, "min": low, "max": high})
        return out


def round_edges(low: float, high: float) -> list[float]:
    """At least 21 edges from below `low` to above `high`, at multiples of 1, 2 or 5 times a power of ten."""
    span = high - low if high > low else max(abs(low), 1.0)
    size = 10.0 ** math.floor(math.log10(span / _LEAST_BINS))
    step = max((s * size for s in _STEPS if span / (s * size) >= _LEAST_BINS * (1 - 1e-9)), default=size)
    first, last = math.floor(low / step + 1e-9), math.ceil(max(high, low + span) / step - 1e-9)
    return [float(f"{k * step:.6g}") for k in range(first, last + 1)]


def _histogram(k: int, edges: Sequence[float]) -> str:
    """Counts per bin of column `f{k}`; -1 below the first edge, the number of bins above the last one."""
    low, high, count = edges[0], edges[-1], len(edges) - 1
    width = (high - low) / count
    # An edge belongs to the bin above it, but float32 values lie a little to either side of it.
    place = f"floor((f{k}::double - {low!r}) / {width!r} + 1e-6)::integer"
    bin_ = (
        f"case when f{k} is null then null when f{k} < {low!r}::float then -1 "
        f"when f{k} > {high!r}::float then {count} else least(greatest({place}, 0), {count - 1}) end"
    )
    return f"select {k} as field, null as value, {bin_} as bin, count(*) as n from f group by bin"


def _column(name: str, names: Names) -> str:
    if name.startswith("a.") and name[2:] not in names.attributes:
        return "null"  # nobody gave a value
    if name[:2] in ("a.", "s."):
        return f'"{name}"'
    return {"action": "actions", "source": "source_name"}.get(name, name)


def _listed(rows: Sequence[tuple[Any, Any, int]]) -> dict[str, Any]:
    known = sorted(((n, value) for value, _, n in rows if value is not None), key=lambda r: (-r[0], r[1]))
    return {
        "kind": "values",
        "values": [{"value": value, "count": n} for n, value in known[:_MOST_VALUES]],
        "distinct": len(known),
        "unknown": sum(n for value, _, n in rows if value is None),
    }


def _kept_over(values: Floats, at: Floats, side: str) -> NDArray[np.int64]:
    """How many values each threshold keeps: all without a value, and those not beyond it."""
    known = np.sort(values[~np.isnan(values)]).astype(np.float32)
    if side == "min":
        return len(values) - np.searchsorted(known, at.astype(np.float32), side="left")
    return len(values) - len(known) + np.searchsorted(known, at.astype(np.float32), side="right")


def _plain(column: NDArray[Any]) -> Floats:
    """A column as float64, nan where null."""
    values: Floats = np.array(column, np.float64)
    if isinstance(column, np.ma.MaskedArray):
        values[np.ma.getmaskarray(column)] = np.nan  # type: ignore[no-untyped-call]
    return values


def _sum(seconds: Floats) -> float:
    return round(float(np.nansum(seconds)), 3)


def _described(a: Attribute) -> dict[str, Any]:
    out = {"name": a.name, "kind": a.kind, "group": a.group, "about": a.about, "values": list(a.choices)}
    return out | ({"unit": a.unit, "low": a.low, "high": a.high} if a.kind == "number" else {})
