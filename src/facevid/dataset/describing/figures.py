"""Counts over a dataset, which its statistics, its card and its report share; all are made by DuckDB."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facevid.dataset.dataset import Dataset
from facevid.dataset.published import DatasetError
from facevid.dataset.vocabulary import ATTRIBUTES

THIN_PERSONS = 5
"""A cell of the balance table with fewer persons is named as thin: a test set of it would rest on single people."""
AGE_GROUPS = (
    "case when {a} < 20 then 'under 20' when {a} >= 60 then '60 and over' else "
    "floor({a} / 10)::int * 10 || ' to ' || floor({a} / 10)::int * 10 + 9 end"
)
_AGE = "try_cast(attributes.age.value as double)"
GROUPED = ("ethnicity", "gender", "age_group", "skin_tone")
# Sums are made of whole numbers, since a sum of floats depends on the order in which threads come.
SECONDS = "coalesce(sum((frames * 1000000 / fps)::bigint), 0)::bigint / 1000000"


OF_SOURCES = ("language", "collected_by")
"""What only the table of sources says, and clips can be counted by."""


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
    """Counts over one dataset, each made once; attributes that it has no column for count as unknown."""

    def __init__(self, ds: Dataset) -> None:
        self.ds = ds
        self._answers: dict[str, list[tuple[Any, ...]]] = {}
        self._counted: dict[str, list[_Label]] = {}
        columns = _attribute_names(ds)
        self.labelled = bool(columns)
        self.names = self._known(columns)
        self.clips = len(ds)
        self.seconds = float(self._one(f"select {SECONDS} from clips"))
        self.persons = int(self._one("select count(distinct identity) from clips"))

    def _known(self, columns: list[str]) -> list[str]:
        """The attributes that any clip has; the others need no query of their own."""
        if not columns:
            return []
        if len(self.ds) < sum(f.rows for f in self.ds.manifest.of("clips")):
            self._count_all(columns)
            return [name for name in columns if self._counted[name]]
        counts = self._rows(
            f"select {', '.join(f'count(attributes.{n}.value)' for n in columns)} from clips"
        )[0]
        return [name for name, count in zip(columns, counts, strict=True) if count]

    def _one(self, query: str) -> Any:
        return self._rows(query)[0][0]

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        # A card and its Croissant ask the same again and again; of a dataset once opened the answer stays.
        if query not in self._answers:
            self._answers[query] = self.ds.sql(query).fetchall()
        return list(self._answers[query])

    def _count_all(self, names: Sequence[str]) -> None:
        """Count what is shown of every attribute in one query.

        A choice of clips is made anew by each query, and reads all attributes for each; the whole dataset is counted
        faster attribute by attribute, with the columns of that one.
        """
        values = ", ".join(self._value(n) for n in names)
        makers = ", ".join(f'attributes.{n}."by"' for n in names)
        sure = ", ".join(f"attributes.{n}.confidence" for n in names)
        rows = self._rows(
            f"select k, v, m, count(*), count(c), coalesce(sum((c * {_STEPS})::bigint), 0)::bigint from "
            f"(select unnest(range({len(names)})) as k, unnest([{values}]) as v, unnest([{makers}]) as m, "
            f"unnest([{sure}]) as c from clips) where m is not null group by all order by all"
        )
        self._counted = {name: [] for name in names}
        for k, *label in rows:
            self._counted[names[k]].append(_Label(*label))

    def _value(self, name: str) -> str:
        return "''" if ATTRIBUTES[name].kind == "number" else f"attributes.{name}.value"

    def sources(self) -> int:
        """Sources that the clips come from."""
        return int(self._one("select count(distinct source_id) from clips"))

    def nobody(self) -> int:
        """Clips of nobody known."""
        return int(self._one("select count(*) from clips where identity is null"))

    def totals(self) -> dict[str, int]:
        """Rows of sources, rejected and failed, and clips of nobody known ("nobody")."""
        counts = {t: int(self._one(f"select count(*) from {t}")) for t in ("sources", "rejected", "failed")}
        return {**counts, "nobody": self.nobody()}

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
        if name != "age_group" and ATTRIBUTES[name].kind != "number":
            counts: dict[str, int] = {}
            for label in self._labels(name):
                counts[label.value] = counts.get(label.value, 0) + label.clips
            values = sorted(counts.items(), key=lambda v: (-v[1], v[0]))
            return values, self.clips - sum(counts.values())
        rows = self._rows(f"select {self.said(name)} v, count(*) from clips group by 1 order by 2 desc, 1")
        return [(str(v), n) for v, n in rows if v is not None], sum(n for v, n in rows if v is None)

    def flags(self) -> list[tuple[str, int, int]]:
        """(flag, clips with yes, clips with an answer) of every yes-or-no attribute that has any answer."""
        found = []
        for name in (n for n in self.names if ATTRIBUTES[n].kind == "flag"):
            counts = dict(self.values(name)[0])
            found.append((name, counts.get("yes", 0), sum(counts.values())))
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
        said = [self.said(name) for name in names]
        rows = self._rows(
            "select * exclude (n, identity), count(identity), sum(n)::bigint from "
            f"(select {', '.join(said)}, identity, count(*) as n from clips "
            f"where {' and '.join(f'({s}) is not null' for s in said)} group by all) group by all order by all"
        )
        return [(tuple(row[:-2]), row[-2], row[-1]) for row in rows]

    def cells(self, names: Sequence[str]) -> list[tuple[tuple[str | None, ...], int, int, float]]:
        """(values, clips, persons, seconds) of every combination of what `names` say, the most clips first.

        names: attributes, `age_group`, columns of clips, or columns of sources. None: unknown. Raises DatasetError for
        a name that is none of these.
        """
        said = ", ".join(f"({self._grouped(n)})::varchar as g{k}" for k, n in enumerate(names))
        keys = ", ".join(f"g{k}" for k in range(len(names)))
        rows = self._rows(
            f"select {keys}, sum(n)::bigint, count(identity), sum(s)::bigint / 1000000 from (select {said}, identity, "
            "count(*) as n, sum((frames * 1000000 / fps)::bigint) as s from clips left join "
            "(select source_id, language, collected_by from sources) using (source_id) group by all) group by all "
            f"order by {len(names) + 1} desc, {keys}"
        )
        return [(tuple(row[:-3]), int(row[-3]), int(row[-2]), float(row[-1])) for row in rows]

    def _grouped(self, name: str) -> str:
        if name in (*ATTRIBUTES, "age_group"):
            return self.said(name)
        if name in OF_SOURCES:
            return name
        types = dict(zip(self.ds.clips.columns, map(str, self.ds.clips.types), strict=True))
        if name in types and not types[name].startswith(("STRUCT", "MAP")) and not types[name].endswith("[]"):
            return f'clips."{name}"'
        plain = [n for n, t in types.items() if t in ("VARCHAR", "BOOLEAN", "INTEGER")]
        raise DatasetError(
            f"Clips cannot be counted by {name!r}; allowed: an attribute ({', '.join(self.names) or 'none is known'}), "
            f"age_group, {', '.join(OF_SOURCES)}, or a column of clips such as {', '.join(plain)}."
        )

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
        return [(name, *row) for name in self.names for row in self.makers(name, whole=False)]

    def makers(self, name: str, *, whole: bool = True) -> list[tuple[str, int, float | None]]:
        """(by, clips, mean confidence or None) of what is shown of an attribute, by name.

        whole: "measured:mesh" instead of "measured".
        """
        sums: dict[str, tuple[int, int, int]] = {}
        for label in self._labels(name) if name in self.names else []:
            by = label.by if whole else label.by.split(":", 1)[0]
            n, sure, total = sums.get(by, (0, 0, 0))
            sums[by] = (n + label.clips, sure + label.sure, total + label.confidence)
        return [
            (by, n, total / sure / _STEPS if sure else None) for by, (n, sure, total) in sorted(sums.items())
        ]

    def _labels(self, name: str) -> list[_Label]:
        """What is shown of an attribute, counted by value and by who said it; the values of a number are not told
        apart.
        """
        if name not in self._counted:
            self._counted[name] = [
                _Label(*row)
                for row in self._rows(
                    f'select {self._value(name)}, attributes.{name}."by", count(*), '
                    f"count(attributes.{name}.confidence), "
                    f"coalesce(sum((attributes.{name}.confidence * {_STEPS})::bigint), 0)::bigint "
                    f"from clips where attributes.{name}.value is not null group by 1, 2 order by 1, 2"
                )
            ]
        return self._counted[name]

    def reasons(self) -> list[tuple[str, int, float]]:
        """(reason, stretches, seconds), the most seconds first."""
        return self._rows(
            "select reason, count(*), sum(((end_s - start_s) * 1000000)::bigint)::bigint / 1000000 "
            "from rejected group by 1 order by 3 desc, 1"
        )

    def by_source(self, column: str) -> list[Part]:
        """Sources, clips and seconds by a column of the sources table, such as "licence"; the most seconds first.

        Sources without a clip count too.
        """
        rows = self._rows(
            f"select o.{column}, count(*), coalesce(sum(c.n), 0)::bigint, coalesce(sum(c.s), 0) from sources o "
            f"left join (select source_id, count(*) as n, {SECONDS} as s from clips group by 1) c using (source_id) "
            "group by 1"
        )
        return _parts(rows)

    def lengths(self) -> tuple[float, float, float]:
        """Seconds of the shortest, the median and the longest clip; zeros without clips."""
        row = self._rows("select min(frames / fps), median(frames / fps), max(frames / fps) from clips")[0]
        return (float(row[0] or 0), float(row[1] or 0), float(row[2] or 0))

    def shapes(self) -> list[tuple[int, int, float, int]]:
        """(width, height, frames a second, clips) of every shape of clip, the most first."""
        return self._rows(
            "select width, height, fps, count(*) from clips group by all order by 4 desc, 1 desc, 2 desc, 3 desc"
        )

    def with_sound(self) -> int:
        """Clips with sound."""
        return int(self._one("select count(*) from clips where audio"))

    def captioned(self) -> int:
        """Clips that are shown a caption."""
        return int(self._one("select count(caption) from clips")) if self.labelled else 0

    def transcribed(self) -> int:
        """Clips whose words are known."""
        return int(self._one("select count(transcript.text) from clips")) if self.labelled else 0

    def agreement(self) -> list[tuple[str, str, Share]]:
        """(attribute, model or measure, how often it says the same) where a person said something of the same clip.

        The person shown counts before annotators, and of these the surest. Numbers are left out.
        """
        rows = self._rows(
            'with said as (select clip_id, name, value, "by" as maker, split_part("by", \':\', 1) as whose, '
            "confidence from annotations where kind = 'attribute' and value <> 'unknown'), "
            "person as (select clip_id, name, value from said where whose in ('self', 'annotator') qualify "
            "row_number() over (partition by clip_id, name order by whose desc, confidence desc nulls last, value) = 1"
            ") select name, maker, count(*), count(*) filter (said.value = person.value) from said "
            "join person using (clip_id, name) where whose in ('model', 'measured') group by 1, 2 order by 1, 2"
        )
        known = [r for r in rows if r[0] in ATTRIBUTES and ATTRIBUTES[r[0]].kind != "number"]
        return [(name, maker, Share(same, n)) for name, maker, n, same in known]

    def statements(self) -> list[tuple[str, str, int, int]]:
        """(by, kind, statements, clips) of all that was ever said."""
        return self._rows(
            'select "by", kind, count(*), count(distinct clip_id) from annotations group by 1, 2 order by 1, 2'
        )

    def splits(self) -> list[Part]:
        """Sources, clips and seconds by the column `split` of the clips."""
        return _parts(
            self._rows(f"select split, count(distinct source_id), count(*), {SECONDS} from clips group by 1")
        )


_STEPS = 10_000


@dataclass(frozen=True)
class _Label:
    """Clips that are shown one value of an attribute by one who said it.

    sure: how many of them have a confidence. confidence: the sum of those in ten-thousandths.
    """

    value: str
    by: str
    clips: int
    sure: int
    confidence: int


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


def percent(share: Share) -> str:
    """A share as people read it; "none" of nothing."""
    if not share.total:
        return "none"
    value = 100 * share.value
    if 0 < value < 0.1:
        return "under 0.1 %"
    return f"{value:.1f} %" if value < 99.95 or share.count == share.total else "99.9 %"


def words(name: str) -> str:
    """A name of the vocabulary as words."""
    return name.replace("_", " ")


def in_order(values: Iterable[str]) -> list[str]:
    """Age groups by age, skin tones by number, everything else by name."""
    return sorted(
        values, key=lambda v: (v != "under 20", v == "60 and over", int(v) if v.isdigit() else 0, v)
    )
