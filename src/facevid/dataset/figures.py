"""Counts over a dataset, which its statistics, its card and its report share; all are made by DuckDB."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facevid.dataset.dataset import Dataset
from facevid.dataset.vocabulary import ATTRIBUTES

THIN_PERSONS = 5
"""A cell of the balance table with fewer persons is named as thin: a test set of it would rest on single people."""
AGE_GROUPS = (
    "case when {a} < 20 then 'under 20' when {a} >= 60 then '60 and over' else "
    "floor({a} / 10)::int * 10 || ' to ' || floor({a} / 10)::int * 10 + 9 end"
)
_AGE = "try_cast(attributes.age.value as double)"
GROUPED = ("ethnicity", "gender", "age_group", "skin_tone")
_SECONDS = "sum(frames / fps)"


@dataclass(frozen=True)
class Share:
    """A count of a whole with its Wilson 95 % interval (Wilson 1927)."""

    count: int
    total: int

    @property
    def value(self) -> float:
        """0 to 1; 0 where nothing was counted."""
        return self.count / self.total if self.total else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.count, self.total)


def wilson(count: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval of a share, 0 to 1; (0, 1) where nothing was counted."""
    if not total:
        return 0.0, 1.0
    p, n = count / total, total
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True)
class Part:
    """What of a dataset goes under one word: a licence, a consent, a language, a split. None: not stated."""

    word: str | None
    sources: int
    clips: int
    seconds: float


class Figures:
    """Counts over one dataset; attributes that it has no column for count as unknown."""

    def __init__(self, ds: Dataset) -> None:
        self.ds = ds
        columns = _attribute_names(ds)
        self.labelled = bool(columns)
        self.names = self._known(columns)
        self.clips = len(ds)
        self.seconds = self._length()
        self.persons = int(self._one("select count(distinct identity) from clips"))

    def _length(self) -> float:
        """Seconds of all clips: frames are counted as whole numbers, so that no order of adding shows."""
        frames = self._rows("select fps, sum(frames) from clips group by 1 order by 1")
        return sum(float(n) / float(fps) for fps, n in frames)

    def _known(self, columns: list[str]) -> list[str]:
        """The attributes that any clip has; the others need no query of their own."""
        if not columns:
            return []
        counts = self._rows(
            f"select {', '.join(f'count(attributes.{n}.value)' for n in columns)} from clips"
        )[0]
        return [name for name, count in zip(columns, counts, strict=True) if count]

    def _one(self, query: str) -> Any:
        return self._rows(query)[0][0]

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return list(self.ds.sql(query).fetchall())

    def totals(self) -> dict[str, int]:
        """Rows of sources, rejected and failed, and clips of nobody known ("nobody")."""
        counts = {t: int(self._one(f"select count(*) from {t}")) for t in ("sources", "rejected", "failed")}
        return {**counts, "nobody": int(self._one("select count(*) from clips where identity is null"))}

    def said(self, name: str) -> str:
        """SQL of an attribute's value, null where unknown."""
        if ("age" if name == "age_group" else name) not in self.names:
            return "null::varchar"
        if name == "age_group":
            return AGE_GROUPS.format(a=_AGE)
        return f"attributes.{name}.value"

    def values(self, name: str) -> tuple[list[tuple[str, int]], int]:
        """(value, clips) of an attribute, the most first, and the clips where it is unknown."""
        if ("age" if name == "age_group" else name) not in self.names:
            return [], self.clips
        rows = self._rows(f"select {self.said(name)} v, count(*) from clips group by 1 order by 2 desc, 1")
        return [(str(v), n) for v, n in rows if v is not None], sum(n for v, n in rows if v is None)

    def flags(self) -> list[tuple[str, int, int]]:
        """(flag, clips with yes, clips with an answer) of every yes-or-no attribute that has any answer."""
        names = [n for n in self.names if ATTRIBUTES[n].kind == "flag"]
        if not names:
            return []
        sums = ", ".join(f"count(*) filter ({self.said(n)} = 'yes'), count({self.said(n)})" for n in names)
        row = self._rows(f"select {sums} from clips")[0]
        found = [(n, int(row[2 * k]), int(row[2 * k + 1])) for k, n in enumerate(names)]
        return sorted((f for f in found if f[2]), key=lambda f: (-f[1], f[0]))

    def actions(self) -> list[tuple[str, int]]:
        """(action, clips that show it), the most first."""
        if not self.labelled:
            return []
        return self._rows(
            "select a, count(*) from (select unnest(list_distinct([x.name for x in actions])) a from clips) "
            "group by 1 order by 2 desc, 1"
        )

    def ages(self) -> tuple[list[tuple[int, int]], int]:
        """(first year, clips) of each five years of age that has any clip, and the clips without an age."""
        rows = self._rows(
            f"select floor({self.numbers('age')} / 5)::int * 5 v, count(*) from clips group by 1 order by 1"
        )
        return [(v, n) for v, n in rows if v is not None], sum(n for v, n in rows if v is None)

    def numbers(self, name: str) -> str:
        """SQL of a numeric attribute; null where unknown."""
        return f"try_cast(attributes.{name}.value as double)" if name in self.names else "null::double"

    def balance(self, names: Sequence[str]) -> list[tuple[tuple[str, ...], int, int]]:
        """(values of the attributes, persons, clips) of every cell that has anybody, of clips that have them all."""
        said = ", ".join(self.said(n) for n in names)
        rows = self._rows(
            f"select {said}, count(distinct identity), count(*) from clips "
            f"where not ({' or '.join(f'{self.said(n)} is null' for n in names)}) group by all order by all"
        )
        return [(tuple(row[:-2]), row[-2], row[-1]) for row in rows]

    def clips_per_person(self) -> list[tuple[int, int]]:
        """(clips, persons that have so many)."""
        return self._rows(
            "select n, count(*) from (select count(*) n from clips where identity is not null group by identity) "
            "group by 1 order by 1"
        )

    def origins(self) -> list[tuple[str, str, int, float | None]]:
        """(attribute, who said it, clips, mean confidence or None) of the labels shown.

        Who: "self", "annotator", "model" or "measured".
        """
        found: dict[tuple[str, str], list[int]] = {}
        for name, by, *counts in self.makers():
            kept = found.setdefault((name, by.split(":", 1)[0]), [0, 0, 0])
            for k, count in enumerate(counts):
                kept[k] += count
        return [
            (name, by, n, total / sure / _STEPS if sure else None)
            for name in self.names
            for (of, by), (n, sure, total) in sorted(found.items())
            if of == name
        ]

    def makers(self) -> list[tuple[str, str, int, int, int]]:
        """(attribute, by, clips, those with a confidence, sum of the confidences in ten-thousandths) of what is shown.

        by: in full, such as "measured:mesh". Confidences are summed as whole numbers, since a sum of floats depends on
        the order in which threads come.
        """
        return [
            (name, *row)
            for name in self.names
            for row in self._rows(
                f'select attributes.{name}."by", count(*), count(attributes.{name}.confidence), '
                f"coalesce(sum((attributes.{name}.confidence * {_STEPS})::bigint), 0)::bigint "
                f"from clips where attributes.{name}.value is not null group by 1 order by 1"
            )
        ]

    def reasons(self) -> list[tuple[str, int, float]]:
        """(reason, stretches, seconds), the most seconds first."""
        return self._rows(
            "select reason, count(*), sum(end_s - start_s) from rejected group by 1 order by 3 desc, 1"
        )

    def by_source(self, column: str) -> list[Part]:
        """Sources, clips and seconds by a column of the sources table, such as "licence"; the most seconds first.

        Sources without a clip count too.
        """
        rows = self._rows(
            f"select s.{column}, count(*), sum(coalesce(c.n, 0))::bigint, sum(coalesce(c.seconds, 0)) from sources s "
            f"left join (select source_id, count(*) n, {_SECONDS} seconds from clips group by 1) c using (source_id) "
            "group by 1"
        )
        return _parts(rows)

    def splits(self) -> list[Part]:
        """Sources, clips and seconds by the column `split` of the clips."""
        return _parts(
            self._rows(f"select split, count(distinct source_id), count(*), {_SECONDS} from clips group by 1")
        )


_STEPS = 10_000


def _parts(rows: Sequence[tuple[Any, ...]]) -> list[Part]:
    parts = [Part(word, int(sources), int(clips), float(seconds)) for word, sources, clips, seconds in rows]
    return sorted(parts, key=lambda p: (-round(p.seconds, 3), -p.clips, p.word is None, p.word or ""))


def _attribute_names(ds: Dataset) -> list[str]:
    """Attributes of the vocabulary that the clips table has; none before the dataset is annotated."""
    types = dict(zip(ds.clips.columns, ds.clips.types, strict=True))
    fields = {name for name, _ in types["attributes"].children} if "attributes" in types else set()
    return [name for name in ATTRIBUTES if name in fields]


def thresholds(ds: Dataset) -> dict[str, list[tuple[str, float]]]:
    """score -> (reason, bound) of every rule of the recipe that the dataset was built with."""
    rules = selection(ds).get("rules", [])
    found: dict[str, list[tuple[str, float]]] = {}
    for rule in rules:
        for end in ("min", "max"):
            if rule.get(end) is not None:
                found.setdefault(rule["score"], []).append((rule["reason"], float(rule[end])))
    return found


def durations(ds: Dataset) -> list[tuple[str, float]]:
    """("shortest", seconds) and ("longest", seconds) of a clip that the recipe allows, where it is known."""
    select = selection(ds)
    return [
        (name, float(select[key]))
        for name, key in (("shortest", "min_s"), ("longest", "max_s"))
        if key in select
    ]


def selection(ds: Dataset) -> Mapping[str, Any]:
    """What the dataset's recipe says of selecting; empty where it has no recipe."""
    chosen: Mapping[str, Any] = (ds.manifest.about.get("recipe") or {}).get("select") or {}
    return chosen


def in_order(values: Iterable[str]) -> list[str]:
    """Age groups by age, skin tones by number, everything else by name."""
    return sorted(
        values, key=lambda v: (v != "under 20", v == "60 and over", int(v) if v.isdigit() else 0, v)
    )
