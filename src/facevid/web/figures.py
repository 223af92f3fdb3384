"""Counts over the dataset: what is in it, facets under a filter, and what another threshold would keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facevid.dataset.vocabulary import ATTRIBUTES, Attribute
from facevid.web.coded import (
    Bins,
    Floats,
    Ints,
    Lists,
    Values,
    coded,
    edges_for,
    has_numbers,
    numbers,
    plain,
)
from facevid.web.data import Tables
from facevid.web.errors import Refused
from facevid.web.filters import LENGTH, Bounds, Filter, Table, annotate_command, field_of

_MOST_VALUES = 200
_POINTS = 60
_OTHER: dict[Table, Table] = {"clips": "rejected", "rejected": "clips"}


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
        self._fields: dict[tuple[Table, str], Values | Lists | Bins] = {}

    def prepare(self) -> Figures:
        """Look at every field once, so that no page waits for it."""
        _ = self.info
        for table, scores in self._tables.names.scores.items():
            for name in (*(f"s.{s}" for s in scores), "source"):
                self._coded(table, name)
        for name in (*(f"a.{a}" for a in self._tables.names.attributes), "action", "identity"):
            self._coded("clips", name)
        self._coded("rejected", "reason")
        return self

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
            "annotate": annotate_command(tables.dataset.folder),
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
        chosen: dict[Filter, Ints | None] = {}
        out: dict[str, Any] = {}
        for name in wanted:
            table: Table = "rejected" if name == "reason" else filter.table
            out[name] = self._facet(filter.of(table, names).without(name), name, chosen)
            other = _OTHER[table]
            if name[:2] == "s." and name[2:] in names.scores[other]:
                # The same histogram of the other table, under what the filter says of that one too.
                theirs = self._facet(filter.of(other, names).without(name), name, chosen)["counts"]
                both = (out[name]["counts"], theirs)
                out[name]["kept"], out[name]["rejected"] = both if table == "clips" else both[::-1]
        return out

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
        edges = self._bins(f"s.{score}")
        at = np.linspace(edges[0], edges[-1], _POINTS)
        other: Bounds = (None, bounds[1]) if side == "min" else (bounds[0], None)
        counts = [_kept_over(v[passing(v, other)], at, side) for v in (values, rejected)]
        return [
            {"threshold": float(f"{t:.6g}"), "clips": int(c), "rejected_that_would_pass": int(r)}
            for t, c, r in zip(at, *counts, strict=True)
        ]

    def _clip_values(self, score: str) -> tuple[Floats, Floats]:
        found = self._tables.columns(f'select "s.{score}"::double as v, seconds from clips')
        return plain(found["v"]), plain(found["seconds"])

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
        values = plain(found["v"])
        eligible = np.ones(len(values), bool)
        for k, other in enumerate(others):
            eligible &= other.passes(plain(found[f"r{k}"]))
        return values, plain(found["seconds"]), eligible

    def _facet(self, filter: Filter, name: str, chosen: dict[Filter, Ints | None]) -> dict[str, Any]:
        """The counts of one field; `chosen` keeps the rows of filters that several fields share."""
        filter = replace(filter, sort="", descending=False)
        if filter not in chosen:
            everything = filter == Filter(filter.table)
            chosen[filter] = None if everything else self._tables.ordered(filter)
        field = self._coded(filter.table, name)
        counts = field.count(chosen[filter]).tolist()
        if isinstance(field, Bins):
            return {
                "kind": "histogram",
                "edges": list(field.edges),
                "counts": counts[1:-2],
                "below": counts[0],
                "above": counts[-2],
                "missing": counts[-1],
                "thresholds": [
                    {"min": r.min, "max": r.max, "reason": r.reason}
                    for r in self.rules
                    if name == f"s.{r.score}"
                ],
            }
        known = sorted(
            ((n, label) for n, label in zip(counts, field.labels, strict=False) if n),
            key=lambda found: (-found[0], found[1]),
        )
        return {
            "kind": "values",
            "values": [{"value": label, "count": n} for n, label in known[:_MOST_VALUES]],
            "distinct": len(known),
            "unknown": counts[-1],
        }

    def _coded(self, table: Table, name: str) -> Values | Lists | Bins:
        if (table, name) not in self._fields:
            edges = self._bins(name) if has_numbers(name, self._tables) else None
            self._fields[table, name] = coded(self._tables, table, name, edges)
        return self._fields[table, name]

    def _bins(self, name: str) -> list[float]:
        """Edges of a histogram, the same under every filter and for both tables."""
        if name not in self._edges:
            scores = self._tables.names.scores
            homes: list[Table] = [t for t in scores if name[:2] == "s." and name[2:] in scores[t]]
            values = np.concatenate([numbers(self._tables, t, name) for t in homes or ["clips"]])
            within = [
                float(e)
                for r in self.rules
                if name == f"s.{r.score}"
                for e in (r.min, r.max)
                if e is not None
            ]
            self._edges[name] = edges_for(values, within)
        return self._edges[name]

    def _ranges(self) -> list[dict[str, Any]]:
        """Lowest and highest value of every score over both tables, null where none was measured."""
        found: dict[str, list[float]] = {}
        for table, scores in self._tables.names.scores.items():
            asked = ", ".join(f'min("s.{s}"), max("s.{s}")' for s in scores)
            (row,) = self._tables.ask(f"select {asked} from {table}")
            for k, name in enumerate(scores):
                found.setdefault(name, []).extend(v for v in row[2 * k : 2 * k + 2] if v is not None)
        return [
            {"name": n, "min": min(v, default=None), "max": max(v, default=None)} for n, v in found.items()
        ]


def _kept_over(values: Floats, at: Floats, side: str) -> NDArray[np.int64]:
    """How many values each threshold keeps: all without a value, and those not beyond it."""
    known = np.sort(values[~np.isnan(values)]).astype(np.float32)
    if side == "min":
        return len(values) - np.searchsorted(known, at.astype(np.float32), side="left")
    return len(values) - len(known) + np.searchsorted(known, at.astype(np.float32), side="right")


def _sum(seconds: Floats) -> float:
    return round(float(np.nansum(seconds)), 3)


def _described(a: Attribute) -> dict[str, Any]:
    out = {"name": a.name, "kind": a.kind, "group": a.group, "about": a.about, "values": list(a.choices)}
    return out | ({"unit": a.unit, "low": a.low, "high": a.high} if a.kind == "number" else {})
