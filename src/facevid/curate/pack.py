"""Publish a dataset: Parquet tables, tar shards, `dataset.json` and a card, switched in as a whole (see
`facevid.dataset.publish`).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facevid.curate.undamaged import undamaged
from facevid.dataset.annotating import Drop, Merging, statements_of
from facevid.dataset.describing.options import ABOUT
from facevid.dataset.labels import from_labels, label_tables
from facevid.dataset.outlet import FolderOutlet, Outlet
from facevid.dataset.published import (
    MEMBERS,
    STORAGE_COLUMNS,
    Manifest,
    PublishedFile,
    schema,
)
from facevid.dataset.shards import (
    KEYPOINT_ROWS_A_GROUP,
    SHARD_BYTES,
    ClipMembers,
    Member,
    ShardPlan,
    plan_shards,
)
from facevid.dataset.spans import read_spans, said_of
from facevid.dataset.statements import LABEL_COLUMNS
from facevid.dataset.tables import described, staging_folder, write_table

PROVENANCE = ("url", "licence", "consent")
"""What travels with every clip, in its row and in its own json member."""
_STRETCH_ONLY = frozenset({"first_frame", "last_frame", "best_frames", "identity"})


@dataclass(frozen=True)
class WorkTables:
    """What a build knows when it comes to publishing.

    sources, rejected, failed: tables of the work folder; columns that are not published are left out, and
    published ones that are missing become null. stretches: the kept stretches; every float column that is not
    a published column is a score. identity: clip_id -> person. cuts: clip_id -> what `cut_step` returned;
    only stretches found there are published.
    """

    sources: pa.Table
    stretches: pa.Table
    rejected: pa.Table
    failed: pa.Table
    identity: Mapping[str, str | None]
    cuts: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class ClipFolders:
    """The folders of cut clips, each as `cut_step` writes it.

    of: clip_id -> its folder. here: has a folder on this machine for the length of a `with` block, where it may be
    elsewhere; None where all are here.
    """

    of: Callable[[str], Path]
    here: Callable[[Path], AbstractContextManager[Path]] | None = None

    def open(self, clip_id: str) -> AbstractContextManager[Path]:
        """The folder of a clip, here."""
        folder = self.of(clip_id)
        return nullcontext(folder) if self.here is None else self.here(folder)

    def member(self, name: str, clip_id: str, file: str, recorded: Mapping[str, Any]) -> Member:
        """A file of a clip's folder as the member of a shard; recorded: its bytes and sha256."""
        size, sha256 = int(recorded["bytes"]), str(recorded["sha256"])
        if self.here is None:
            return Member(name, size, sha256, path=self.of(clip_id) / file)

        def read() -> bytes:
            with self.open(clip_id) as folder:
                return (folder / file).read_bytes()

        return Member(name, size, sha256, read=read)


def pack_dataset(output: Path, *, clip_folder: Path, **options: Any) -> Manifest:
    """Publish in a folder what `clip_folder` holds, one folder a clip; options as `pack_into` takes them."""
    return pack_into(
        FolderOutlet(output), clips=ClipFolders(lambda clip_id: clip_folder / clip_id), **options
    )


def pack_into(
    outlet: Outlet,
    *,
    tables: WorkTables,
    clips: ClipFolders,
    recipe: Mapping[str, Any],
    name: str,
    licence: str | None = None,
    tools: Mapping[str, str] | None = None,
    shard_bytes: int = SHARD_BYTES,
    on_shard: Callable[[int, int], None] | None = None,
    left_out: Mapping[str, int] | None = None,
    drop: Drop | None = None,
    threads: int = 1,
) -> Manifest:
    """Publish the dataset and return its manifest.

    `on_shard(done, total)` is called after each shard. left_out: counts of what no table has a trace of. drop: tells
    which earlier statements go though a build keeps the like of them, see `Merging`. threads: shards written at once.
    Equal input gives equal bytes in every file. Raises DatasetError if a cut clip is missing or damaged.
    """
    old = outlet.old
    rows = _clip_rows(tables)
    plans = list(plan_shards([_members(row, tables.cuts, clips) for row in rows], shard_bytes=shard_bytes))
    _fill_storage(rows, plans)
    about = _about(tables, rows, name=name, licence=licence, recipe=recipe, tools=tools or {})
    about["counts"] |= left_out or {}
    if old and ABOUT in old.about:  # what the makers say of it, a build cannot know
        about |= {ABOUT: old.about[ABOUT], "licence": old.about.get("licence")}
    staged = _staging(outlet.folder, about, rows, plans)
    scores = _scores(tables.stretches)
    table = pa.Table.from_pylist(rows, schema("clips", scores)).drop_columns(list(LABEL_COLUMNS))
    files = [
        *write_table(staged, "sources", tables.sources, ()),
        # What was said of clips that stay is kept, but the manifest's labels are made into statements anew.
        *Merging(
            table,
            statements_of(outlet.location, old),
            label_tables(rows, tables.sources),
            lambda t: pc.or_(from_labels(t), drop(t)) if drop else from_labels(t),
        ).write(staged, scores),
        *write_table(staged, "rejected", tables.rejected, _scores(tables.rejected)),
        *write_table(staged, "failed", tables.failed, ()),
    ]

    def stage(k: int) -> tuple[PublishedFile, PublishedFile]:
        keypoints = outlet.take(staged, _stage_keypoints(staged, k, plans[k], clips))
        return keypoints, outlet.shard(staged, plans[k])

    # Hashing, compressing and writing let other threads run meanwhile.
    with ThreadPoolExecutor(threads) as pool:
        try:
            for k, made in enumerate(pool.map(stage, range(len(plans)))):
                files += made
                if on_shard:
                    on_shard(k + 1, len(plans))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if not plans:
        files += write_table(staged, "keypoints", schema("keypoints").empty_table(), ())
    return outlet.publish(staged, files, about)


def _clip_rows(tables: WorkTables) -> list[dict[str, Any]]:
    """Rows of the clips table, sorted by clip_id, with everything but where the members lie."""
    rows = []
    scores = set(_scores(tables.stretches))
    wanted = set(schema("clips").names) - STORAGE_COLUMNS
    sources = {s["source_id"]: (s, read_spans(s.get("spans"))) for s in tables.sources.to_pylist()}
    for stretch in tables.stretches.to_pylist():
        cut = tables.cuts.get(stretch["clip_id"])
        if cut is None:
            continue
        row: dict[str, Any] = {k: v for k, v in stretch.items() if k in wanted or k in scores}
        row.update({k: cut[k] for k in ("frames", "width", "height", "audio")})
        row["identity"] = tables.identity.get(stretch["clip_id"])
        source = sources.get(stretch["source_id"], ({}, ()))
        row.update({name: said_of(stretch, *source, name) for name in PROVENANCE})
        rows.append(row)
    return sorted(rows, key=lambda r: str(r["clip_id"]))


def _scores(table: pa.Table) -> list[str]:
    known = set(schema("clips").names) | set(schema("rejected").names) | _STRETCH_ONLY
    return [f.name for f in table.schema if f.name not in known and pa.types.is_floating(f.type)]


def _members(
    row: Mapping[str, Any], cuts: Mapping[str, Mapping[str, Any]], clips: ClipFolders
) -> ClipMembers:
    clip_id = str(row["clip_id"])
    recorded = cuts[clip_id]["members"]
    text = _clip_json(row)
    members = {"json": Member(f"{clip_id}.json", len(text), hashlib.sha256(text).hexdigest(), content=text)}
    for kind, file in (("mp4", "clip.mp4"), ("flac", "speech.flac")):
        if file in recorded:
            members[kind] = clips.member(f"{clip_id}.{kind}", clip_id, file, recorded[file])
    return ClipMembers(clip_id, members)


def _clip_json(row: Mapping[str, Any]) -> bytes:
    """The clip's row as JSON; scores to the seven digits that float32 holds, unknown ones as null."""

    def plain(value: Any) -> Any:
        if isinstance(value, float):
            return float(f"{value:.7g}") if math.isfinite(value) else None
        return value

    exact = {"start_s", "end_s", "fps"}
    out = {k: v if k in exact else plain(v) for k, v in sorted(row.items())}
    return json.dumps(out, ensure_ascii=False, allow_nan=False).encode()


def _fill_storage(rows: Sequence[dict[str, Any]], plans: Sequence[ShardPlan]) -> None:
    position = iter(rows)
    for plan in plans:
        for clip, offsets in zip(plan.clips, plan.offsets, strict=True):
            row = next(position)
            row["shard"], row["split"] = plan.name, None
            for kind in MEMBERS:
                member = clip.members.get(kind)
                row[f"{kind}_offset"] = offsets.get(kind)
                row[f"{kind}_size"] = member.size if member else None
                row[f"{kind}_sha256"] = member.sha256 if member else None


def _about(
    tables: WorkTables,
    rows: Sequence[Mapping[str, Any]],
    *,
    name: str,
    licence: str | None,
    recipe: Mapping[str, Any],
    tools: Mapping[str, str],
) -> dict[str, Any]:
    seconds = sum(float(r["end_s"]) - float(r["start_s"]) for r in rows)
    counts = {
        "sources": tables.sources.num_rows,
        "clips": len(rows),
        "seconds": round(seconds, 3),
        "identities": len({r["identity"] for r in rows if r["identity"] is not None}),
        "rejected": tables.rejected.num_rows,
        "failed": tables.failed.num_rows,
    }
    return {"name": name, "licence": licence, "counts": counts, "recipe": dict(recipe), "tools": dict(tools)}


def _staging(
    output: Path, about: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], plans: Sequence[ShardPlan]
) -> Path:
    content = [about, [p.key for p in plans], [r["clip_id"] for r in rows]]
    return staging_folder(output, json.dumps(content, sort_keys=True, default=str).encode())


def _stage_keypoints(staged: Path, index: int, plan: ShardPlan, clips: ClipFolders) -> PublishedFile:
    """The keypoints of one shard's clips, as the part of the same number."""
    path = f"keypoints/part-{index:05d}.parquet"
    target = schema("keypoints")
    with pq.ParquetWriter(staged / path, target, compression="zstd", use_dictionary=False) as writer:
        for k in range(0, len(plan.clips), KEYPOINT_ROWS_A_GROUP):
            group = plan.clips[k : k + KEYPOINT_ROWS_A_GROUP]
            writer.write_table(_keypoint_rows([c.clip_id for c in group], clips), KEYPOINT_ROWS_A_GROUP)
    return described(staged, path, len(plan.clips))


def _keypoint_rows(clip_ids: Sequence[str], clips: ClipFolders) -> pa.Table:
    columns: dict[str, list[Any]] = {"mesh": [], "pose": [], "box": []}
    frames = []
    for clip_id in clip_ids:
        path = clips.of(clip_id) / "keypoints.npz"
        with (
            undamaged(path, delete=path.parent),
            clips.open(clip_id) as folder,
            np.load(folder / path.name) as stored,
        ):
            for name, values in columns.items():
                values.append(stored[name].reshape(-1))
            frames.append(len(stored["mesh"]))
    target = schema("keypoints")
    arrays = [pa.array(clip_ids, pa.string()), pa.array(frames, pa.int32())]
    for name, values in columns.items():
        offsets = np.cumsum([0, *(len(v) for v in values)]).astype(np.int32)
        inner = pa.array(np.concatenate(values), target.field(name).type.value_type)
        arrays.append(pa.ListArray.from_arrays(pa.array(offsets), inner, type=target.field(name).type))
    return pa.Table.from_arrays(arrays, schema=target)
