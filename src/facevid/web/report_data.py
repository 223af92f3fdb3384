"""The figures of a report, all counted by DuckDB over the dataset's tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy import stats

from facevid.annotate.stated import stated_statements
from facevid.dataset import Dataset
from facevid.dataset.vocabulary import ATTRIBUTES
from facevid.recipe import SCORES

THIN_PERSONS = 5
"""A cell of the balance table with fewer persons is named as thin: a test set of it would rest on single people."""
AGE_GROUPS = (
    "case when {a} < 20 then 'under 20' when {a} >= 60 then '60 and over' else "
    "floor({a} / 10)::int * 10 || ' to ' || floor({a} / 10)::int * 10 + 9 end"
)
_AGE = "try_cast(attributes.age.value as double)"
GROUPED = ("ethnicity", "gender", "age_group", "skin_tone")
BINS = 40


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


def chance(table: Sequence[Sequence[int]]) -> float | None:
    """p of Pearson's chi-square test of independence; None where an expected count is under 5."""
    rows = [r for r in table if sum(r)]
    columns = [c for c in zip(*rows, strict=True) if sum(c)]
    if len(rows) < 2 or len(columns) < 2:
        return None
    # scipy would correct a table of two by two for continuity, and no larger one.
    result = stats.chi2_contingency([list(r) for r in zip(*columns, strict=True)], correction=False)
    return None if result.expected_freq.min() < 5 else float(result.pvalue)


class Figures:
    """Counts over one dataset; attributes that it has no column for count as unknown."""

    def __init__(self, ds: Dataset) -> None:
        self.ds = ds
        columns = _attribute_names(ds)
        self.labelled = bool(columns)
        self.names = self._known(columns)
        self.clips = len(ds)
        self.seconds = float(self._one("select coalesce(sum(frames / fps), 0) from clips"))
        self.persons = int(self._one("select count(distinct identity) from clips"))

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
            "select a.name, count(distinct clip_id) from (select clip_id, unnest(actions) a from clips) "
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

    def histogram(self, column: str, *, with_rejected: bool = False) -> Histogram:
        """Counts over the 0.5 to 99.5 percent of a column or SQL expression; what lies beyond falls into the ends."""
        tables = ("clips", "rejected") if with_rejected else ("clips",)
        both = " union all ".join(
            f"select ({column})::double v, '{table}' t from {table} where isfinite(({column})::double)"
            for table in tables
        )
        low, high = self._rows(f"select quantile_cont(v, .005), quantile_cont(v, .995) from ({both})")[0]
        if low is None:
            return Histogram([], [], [])
        if not high > low:
            least, most = SCORES.get(column, (-math.inf, math.inf))
            low, high = max(least, low - 0.5), min(most, high + 0.5)
        width = (high - low) / BINS
        rows = self._rows(
            f"select t, least({BINS - 1}, greatest(0, floor((v - {low!r}) / {width!r})))::int, count(*) "
            f"from ({both}) group by 1, 2"
        )
        counts = {(t, b): n for t, b, n in rows}
        return Histogram(
            [low + k * width for k in range(BINS + 1)],
            *([int(counts.get((t, k), 0)) for k in range(BINS)] for t in ("clips", "rejected")),
        )

    def resolutions(self) -> list[tuple[str, int, int]]:
        """(width x height of the source, sources, clips), the most clips first."""
        return self._rows(
            "select coalesce(s.width || ' x ' || s.height, 'unknown'), count(distinct s.source_id), "
            "count(c.source_id) from sources s left join (select source_id from clips) c using (source_id) "
            "group by 1 order by 3 desc, 1"
        )

    def spread(self, count: int) -> list[dict[str, Any]]:
        """Place and person of at most `count` clips, evenly spread over the clips in the order of their ids."""
        if not self.clips:
            return []
        n = min(count, self.clips)
        wanted = sorted({round(k * (self.clips - 1) / max(1, n - 1)) for k in range(n)})
        found = self.ds.sql(
            "select clip_id, identity, frames, fps, shard, mp4_offset, mp4_size, mp4_sha256 "
            "from clips where clip_id in "
            "(select clip_id from (select clip_id, row_number() over (order by clip_id) - 1 k from clips) "
            f"where k in ({', '.join(map(str, wanted))})) order by clip_id"
        )
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]

    def scores(self) -> list[str]:
        """Scores that clips and rejected stretches both have."""
        return [s for s in SCORES if s in self.ds.clips.columns and s in self.ds.rejected.columns]

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
        return [
            (name, *row)
            for name in self.names
            for row in self._rows(
                f"select split_part(attributes.{name}.\"by\", ':', 1), count(*), avg(attributes.{name}.confidence) "
                f"from clips where attributes.{name}.value is not null group by 1 order by 1"
            )
        ]

    def reasons(self) -> list[tuple[str, int, float]]:
        """(reason, stretches, seconds), the most seconds first."""
        return self._rows(
            "select reason, count(*), sum(end_s - start_s) from rejected group by 1 order by 3 desc, 1"
        )

    def rejection(self, name: str) -> Rejection:
        """Who loses how much to the filters: groups of sources by an attribute, and what was kept and rejected.

        A source's group is what its people state of themselves, else what most of its clips are labelled.
        """
        groups = self._groups(name)
        rejected = self._rows("select source_id, reason, count(*) from rejected group by 1, 2")
        kept = dict(self._rows("select source_id, count(*) from clips group by 1"))
        table: dict[str, dict[str, int]] = {}
        for source, group in groups.items():
            table.setdefault(group, {"kept": 0})["kept"] += kept.get(source, 0)
        for source, reason, n in rejected:
            if source in groups:
                row = table[groups[source]]
                row[reason] = row.get(reason, 0) + n
        unknown = int(self._one("select count(*) from sources")) - len(groups)
        return Rejection(name, table, unknown)

    def _groups(self, name: str) -> dict[str, str]:
        plain = "age" if name == "age_group" else name
        stated = dict(self._rows("select source_id, self_reported from sources"))
        said, _ = stated_statements([(s, s) for s in stated], stated)
        own = {s.clip_id: s.value for s in said if s.name == plain}
        if name == "age_group":
            own = {source: _age_group(float(value)) for source, value in own.items()}
        # Not mode(): of two values as frequent it gives the one that a thread met first.
        rows = self._rows(
            f"select source_id, v from (select source_id, {self.said(name)} v, count(*) n from clips group by 1, 2) "
            "where v is not null qualify row_number() over (partition by source_id order by n desc, v) = 1"
        )
        return {**dict(rows), **own}


def _attribute_names(ds: Dataset) -> list[str]:
    """Attributes of the vocabulary that the clips table has; none before the dataset is annotated."""
    types = dict(zip(ds.clips.columns, ds.clips.types, strict=True))
    fields = {name for name, _ in types["attributes"].children} if "attributes" in types else set()
    return [name for name in ATTRIBUTES if name in fields]


@dataclass(frozen=True)
class Histogram:
    """Edges (one more than counts), and how many clips and rejected stretches lie between; empty without values."""

    edges: list[float]
    kept: list[int]
    rejected: list[int]


@dataclass(frozen=True)
class Rejection:
    """Kept and rejected stretches (by reason) of each group of one attribute, and the sources of unknown group."""

    name: str
    table: Mapping[str, Mapping[str, int]]
    unknown_sources: int

    def share(self, group: str, reason: str | None = None) -> Share:
        """The share of a group's stretches that was rejected, for one reason or for any."""
        row = self.table[group]
        total = sum(row.values())
        return Share(row.get(reason, 0) if reason else total - row["kept"], total)

    def p(self, reason: str | None = None) -> float | None:
        """Chance of differences as large between groups if the filter were blind to them; None for too few."""
        shares = [self.share(g, reason) for g in self.table]
        return chance([[s.count, s.total - s.count] for s in shares])


def _age_group(age: float) -> str:
    if age < 20 or age >= 60:
        return "under 20" if age < 20 else "60 and over"
    return f"{int(age // 10) * 10} to {int(age // 10) * 10 + 9}"


def thresholds(ds: Dataset) -> dict[str, list[tuple[str, float]]]:
    """score -> (reason, bound) of every rule of the recipe that the dataset was built with."""
    rules = _selection(ds).get("rules", [])
    found: dict[str, list[tuple[str, float]]] = {}
    for rule in rules:
        for end in ("min", "max"):
            if rule.get(end) is not None:
                found.setdefault(rule["score"], []).append((rule["reason"], float(rule[end])))
    return found


def durations(ds: Dataset) -> list[tuple[str, float]]:
    """("shortest", seconds) and ("longest", seconds) of a clip that the recipe allows, where it is known."""
    select = _selection(ds)
    return [
        (name, float(select[key]))
        for name, key in (("shortest", "min_s"), ("longest", "max_s"))
        if key in select
    ]


def _selection(ds: Dataset) -> Mapping[str, Any]:
    selection: Mapping[str, Any] = ds.manifest.about.get("recipe", {}).get("select", {})
    return selection
