"""`merge`: one dataset of several; every clip is there once, people stay apart, what was taken down stays out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facevid.dataset.dataset import Dataset, open
from facevid.dataset.ordering import RETOLD, VIEW, fill_shards, natural_order
from facevid.dataset.published import MEDIA, DatasetError
from facevid.dataset.shards import SHARD_BYTES
from facevid.dataset.sharing.beside import united_subsets
from facevid.dataset.sharing.distinct import prefixes, renamed, same_people
from facevid.dataset.sharing.merged_tables import merged_rows, merged_sources
from facevid.dataset.sharing.own import OF_ITSELF, clip_rows, counted, origin, statements
from facevid.dataset.sharing.taken_down import TakenDown
from facevid.dataset.statements import LABEL_COLUMNS
from facevid.dataset.writing import MADE_FROM, Content, check_free, local_place, write_dataset


@dataclass
class Merged:
    """What a merge did: its clips, and what could not simply be put together."""

    output: str
    clips: int = 0
    shared: int = 0
    """Clips that stood in more than one dataset and are there once."""
    conflicts: list[str] = field(default_factory=list)
    """Sentences: clips of one id with different media, sources about which two datasets say different things."""
    taken_down: int = 0
    """Clips left out for a tombstone of any of the datasets."""
    people_renamed: int = 0
    sources_renamed: int = 0


def merge(
    datasets: Sequence[Dataset | str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    name: str | None = None,
    shard_bytes: int = SHARD_BYTES,
    on_progress: Callable[[int, int], None] | None = None,
) -> Merged:
    """Write the union of datasets, or of choices of their clips, to `output`.

    The first dataset that has a clip gives it; that another has other media under its id is told in `conflicts`. What
    is said of a clip anywhere is said of it here. A person of a later dataset keeps the id unless one of an earlier
    dataset has it, and becomes `NAME-id` then, NAME being the dataset's: two datasets' people are the same only where a
    clip that both have shows it. File names of sources likewise. What was taken down from any of them, or from
    `output`, stays out. Shards that go over whole are linked. name: of the new dataset; by default the names joined by
    " + ". Raises DatasetError for fewer than two datasets, or where `output` holds anything but an earlier merge.
    """
    views = [d if isinstance(d, Dataset) else open(d) for d in datasets]
    target = local_place(output)
    if len(views) < 2:
        raise DatasetError("A merge needs at least two datasets; to copy one, use facevid export.")
    check_free(target, views)
    down = TakenDown(views, target)
    told = Merged(str(target))
    joined = _joined(views, down, told)
    rows, shards = _in_shards(joined.rows, views, shard_bytes)
    about = _about(views, name, joined, rows)
    ids = joined.rows["clip_id"]
    content = Content(
        views=views,
        rows=rows,
        shards=shards,
        sources=joined.sources,
        rejected=joined.rejected,
        failed=joined.failed,
        statements=_said(views, ids, down),
        about=about,
        beside={
            **united_subsets(views, prefixes([v.name for v in views]), set(ids.to_pylist())),
            **down.beside(),
        },
    )
    write_dataset(target, content, on_shard=on_progress)
    told.clips = len(rows)
    return told


@dataclass(frozen=True)
class _Joined:
    rows: pa.Table
    sources: pa.Table
    rejected: pa.Table
    failed: pa.Table
    kept: list[int]


def _joined(views: Sequence[Dataset], down: TakenDown, told: Merged) -> _Joined:
    """The tables put together; the clips table in the order of the datasets, without labels."""
    named = prefixes([v.name for v in views])
    sources = merged_sources(views, named, down, told.conflicts)
    told.sources_renamed = sources.renamed
    parts: list[pa.Table] = []
    people: set[str] = set()
    kept = []
    for number, view in enumerate(views):
        rows = clip_rows(view, number)
        rows = rows.drop_columns([c for c in rows.column_names if c in LABEL_COLUMNS])
        covered = down.covers(rows)
        told.taken_down += int(covered.sum())
        rows = rows.filter(pa.array(~covered))
        before = (
            pa.concat_tables([p.select(_COMPARED) for p in parts])
            if parts
            else rows.select(_COMPARED).slice(0, 0)
        )
        place = pc.index_in(rows["clip_id"], value_set=before["clip_id"])
        shared = pc.is_valid(place)
        both, there = rows.filter(shared), before.take(pc.drop_null(place).combine_chunks())
        told.shared += len(both)
        _name_conflicts(both, there, views, told.conflicts)
        known = same_people(zip(there["identity"].to_pylist(), both["identity"].to_pylist(), strict=True))
        rows = rows.filter(pc.invert(shared))
        own = {p for p in pc.unique(rows["identity"]).to_pylist() if p is not None and p not in known}
        names = renamed(own, people, named[number]) | known
        told.people_renamed += sum(1 for old, new in names.items() if old != new and old in own)
        people |= set(names.values())
        rows = _called(rows, names, sources.names[number])
        kept.append(len(rows))
        parts.append(rows)
    return _Joined(
        rows=pa.concat_tables(parts, promote_options="permissive"),
        sources=sources.table,
        rejected=merged_rows(views, "rejected", sources.names, down),
        failed=merged_rows(views, "failed", sources.names, down),
        kept=kept,
    )


_NOT_SHARED = ("name", "licence", "counts", "recipe", *OF_ITSELF)
_COMPARED = ["clip_id", "identity", "mp4_sha256", "flac_sha256", VIEW]


def _name_conflicts(both: pa.Table, there: pa.Table, views: Sequence[Dataset], conflicts: list[str]) -> None:
    for here, first in zip(both.select(_COMPARED).to_pylist(), there.to_pylist(), strict=True):
        if any(here[m] != first[m] for m in ("mp4_sha256", "flac_sha256")):
            conflicts.append(
                f"Clip {here['clip_id']} has other media in {views[here[VIEW]].location} than in "
                f"{views[first[VIEW]].location}, from which it was taken."
            )


def _called(rows: pa.Table, people: Mapping[str, str], sources: Mapping[str, str]) -> pa.Table:
    """Rows with people and sources by their new names; marked where that is not what the json member says."""
    identity = pa.array([people.get(p) for p in rows["identity"].to_pylist()], pa.string())
    ids = rows["source_id"].to_pylist()
    source = pa.array([sources.get(i, n) for i, n in zip(ids, rows["source_name"].to_pylist(), strict=True)])
    retold = np.zeros(len(rows), bool)
    for name, new in (("identity", identity), ("source_name", source.cast(pa.string()))):
        old = rows[name].combine_chunks()
        retold |= ~np.asarray(pc.fill_null(pc.equal(old, new), False)) & np.asarray(old.is_valid())
        rows = rows.set_column(rows.column_names.index(name), rows.schema.field(name), new)
    return rows.set_column(rows.column_names.index(RETOLD), RETOLD, pa.array(retold))


def _in_shards(rows: pa.Table, views: Sequence[Dataset], shard_bytes: int) -> tuple[pa.Table, list[int]]:
    """The rows in the order of the new shards, and how many each takes: shards that stay whole first, then the rest."""
    rows = natural_order(rows)
    sizes = {
        (k, f.path.removeprefix(f"{MEDIA}/")): f.rows
        for k, v in enumerate(views)
        for f in v.manifest.of(MEDIA)
    }
    places = list(zip(rows[VIEW].to_pylist(), rows["shard"].to_pylist(), strict=True))
    here: dict[tuple[int, str], int] = {}
    changed = set()
    for place, retold in zip(places, rows[RETOLD].to_pylist(), strict=True):
        here[place] = here.get(place, 0) + 1
        if retold:
            changed.add(place)
    whole = [place for place, count in here.items() if count == sizes[place] and place not in changed]
    stays = (
        np.array([place in set(whole) for place in places], bool) if whole else np.zeros(len(places), bool)
    )
    rest = rows.filter(pa.array(~stays))
    ordered = pa.concat_tables([rows.filter(pa.array(stays)), rest])
    return ordered, [here[place] for place in whole] + fill_shards(rest, shard_bytes)


def _said(views: Sequence[Dataset], ids: pa.ChunkedArray, down: TakenDown) -> Any:
    """Statements about the clips, and reviews of clips that left, but for those of sources taken down."""
    for table in statements(views, ids, reviews_of_others=True):
        others = pc.invert(pc.is_in(table["clip_id"], value_set=pc.unique(ids)))
        away: npt.NDArray[np.bool_] = np.asarray(others)
        if down.marks and away.any():
            sources = [str(i).partition("_")[0] for i in table["clip_id"].filter(others).to_pylist()]
            drop = np.zeros(len(table), bool)
            drop[np.flatnonzero(away)] = down.touches(sources)
            table = table.filter(pa.array(~drop))
        yield table


def _about(views: Sequence[Dataset], name: str | None, joined: _Joined, rows: pa.Table) -> dict[str, Any]:
    """What all datasets say alike stays; each one's recipe and the rest stands in `made_from`."""
    every = [dict(v.manifest.about) for v in views]
    about = {k: v for k, v in every[0].items() if all(k in e and e[k] == v for e in every[1:])}
    recipes = [e.get("recipe") or {} for e in every]
    common = {k: v for k, v in recipes[0].items() if all(k in r and r[k] == v for r in recipes[1:])}
    made = [
        origin(view, kept) | {k: e.get(k) for k in ("licence", "recipe", "tools")}
        for view, kept, e in zip(views, joined.kept, every, strict=True)
    ]
    return {
        "name": name or " + ".join(v.name for v in views),
        "licence": about.get("licence"),
        "counts": counted(
            rows, sources=len(joined.sources), rejected=len(joined.rejected), failed=len(joined.failed)
        ),
        **{
            k: v
            for k, v in about.items()
            if k not in ("name", "licence", "counts", "recipe", MADE_FROM, "stages", "released")
        },
        "recipe": common,
        MADE_FROM: made,
    }
