"""The figures that only a report shows, counted by DuckDB over the dataset's tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy import stats

from facevid.annotate.stated import stated_statements
from facevid.dataset.describing import figures
from facevid.dataset.describing.figures import Share
from facevid.recipe import SCORES

BINS = 40


def chance(table: Sequence[Sequence[int]]) -> float | None:
    """p of Pearson's chi-square test of independence; None where an expected count is under 5."""
    rows = [r for r in table if sum(r)]
    columns = [c for c in zip(*rows, strict=True) if sum(c)]
    if len(rows) < 2 or len(columns) < 2:
        return None
    # scipy would correct a table of two by two for continuity, and no larger one.
    result = stats.chi2_contingency([list(r) for r in zip(*columns, strict=True)], correction=False)
    return None if result.expected_freq.min() < 5 else float(result.pvalue)


class Figures(figures.Figures):
    """Counts over one dataset, with what only its report shows."""

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
