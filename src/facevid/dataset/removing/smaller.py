"""Publishes a dataset anew without what is taken down: its rows go, and shards that held its members are rewritten."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facevid.dataset.publish import publish
from facevid.dataset.published import (
    MEDIA,
    MEMBERS,
    TABLES,
    DatasetError,
    Manifest,
    PublishedFile,
    read_manifest,
    schema,
)
from facevid.dataset.removing.removal import Removal
from facevid.dataset.removing.traces import Traces
from facevid.dataset.shards import ClipMembers, Member, plan_shard, stage_shard
from facevid.dataset.tables import ROWS_A_GROUP, described, staging_folder

_PLACE = ["clip_id", "shard", *(f"{m}_{what}" for m in MEMBERS for what in ("offset", "size", "sha256"))]

Offsets = Mapping[str, Mapping[str, int]]


def publish_without(folder: Path, removal: Removal, traces: Traces) -> Manifest:
    """Publish the dataset less what is removed; a shard and a part that hold none of it stay byte for byte.

    Numbers of shards and parts stay too: where all clips of shard 3 go, there is no shard 3. Done again, it only
    finishes what a killed run began. The caller holds the locks.
    """
    manifest = read_manifest(folder)
    staged = staging_folder(folder, _digest(removal))
    gone = pa.array(removal.clips, pa.string())
    places = _places(folder, manifest)
    held = places.filter(pc.is_in(places["clip_id"], value_set=gone))
    affected = set(held["shard"].to_pylist())
    shards: list[PublishedFile] = []
    moved: dict[str, Mapping[str, int]] = {}
    for file in manifest.of(MEDIA):
        name = file.path.removeprefix(f"{MEDIA}/")
        if name not in affected:
            shards.append(file)
            continue
        stay = pc.and_not(pc.equal(places["shard"], name), pc.is_in(places["clip_id"], value_set=gone))
        rows = places.filter(stay).sort_by("json_offset").to_pylist()
        if rows:
            rewritten, offsets = _rewrite_shard(folder, staged, file, rows)
            shards.append(rewritten)
            moved.update(offsets)
    files: list[PublishedFile] = []
    for table in TABLES:
        files += _without(folder, staged, manifest.of(table), table, removal, traces, moved)
    files += shards
    about = counted(folder, staged, manifest, files)
    return publish(folder, staged=staged, files=files, about=about, card=None, taking_down=True)


def rows_to_go(table: pa.Table, name: str, removal: Removal, traces: Traces) -> pa.Array:
    """Which rows of a published table go."""
    if name in ("clips", "keypoints"):
        found = pc.is_in(table["clip_id"], value_set=pa.array(removal.clips, pa.string()))
    elif name == "sources":
        found = pa.array([False] * len(table), pa.bool_())
    else:
        found = traces.in_rows(table)
    if "source_id" in table.column_names:
        whole = pa.array(sorted(traces.sources), pa.string())
        found = pc.or_(found, pc.is_in(table["source_id"], value_set=whole))
    if name == "rejected":
        keys = {(s.source_id, s.track, s.start_s, s.end_s) for s in removal.stretches if not s.clip}
        rows = zip(*(table[c].to_pylist() for c in ("source_id", "track", "start_s", "end_s")), strict=True)
        found = pc.or_(found, pa.array([row in keys for row in rows], pa.bool_()))
    return found


def counted(folder: Path, staged: Path, manifest: Manifest, files: Sequence[PublishedFile]) -> dict[str, Any]:
    """The free part of `dataset.json` with its counts, and the licences of its sources, made from the new tables."""
    listed = Manifest(manifest.about, tuple(files))

    def read(table: str, columns: Sequence[str]) -> pa.Table:
        return pa.concat_tables(
            pq.ParquetFile(_where(folder, staged, f)).read(columns) for f in listed.of(table)
        )

    clips = read("clips", ["start_s", "end_s", "identity"])
    seconds = pc.sum(pc.subtract(clips["end_s"], clips["start_s"])).as_py() or 0.0
    rows = {table: sum(f.rows for f in listed.of(table)) for table in TABLES}
    counts = {
        "sources": rows["sources"],
        "clips": rows["clips"],
        "seconds": round(seconds, 3),
        "identities": pc.count_distinct(clips["identity"], mode="only_valid").as_py(),
        "rejected": rows["rejected"],
        "failed": rows["failed"],
    }
    about = {**manifest.about, "counts": {**manifest.about.get("counts", {}), **counts}}
    before = pa.concat_tables(
        pq.ParquetFile(folder / f.stored_as).read(["licence"]) for f in manifest.of("sources")
    )
    if about.get("licence") == _licences(before):
        about["licence"] = _licences(read("sources", ["licence"]))
    return about


def _licences(sources: pa.Table) -> str | None:
    """The licence of a dataset, as `pack` words it."""
    return ", ".join(sorted({v for v in sources["licence"].to_pylist() if v})) or None


def _where(folder: Path, staged: Path, file: PublishedFile) -> Path:
    made = staged / file.path
    return made if file.stored_as == file.path and made.exists() else folder / file.stored_as


def _places(folder: Path, manifest: Manifest) -> pa.Table:
    parts = [pq.ParquetFile(folder / f.stored_as).read(_PLACE) for f in manifest.of("clips")]
    return pa.concat_tables(parts)


def _rewrite_shard(
    folder: Path, staged: Path, file: PublishedFile, rows: Sequence[Mapping[str, Any]]
) -> tuple[PublishedFile, Offsets]:
    """A shard with the members of these clips alone, in the order they had, and where each now lies."""
    source = folder / file.stored_as
    members = []
    for row in rows:
        of_clip = {
            kind: Member(
                f"{row['clip_id']}.{kind}",
                row[f"{kind}_size"],
                row[f"{kind}_sha256"],
                read=_Slice(source, row[f"{kind}_offset"], row[f"{kind}_size"]),
            )
            for kind in MEMBERS
            if row[f"{kind}_offset"] is not None
        }
        members.append(ClipMembers(row["clip_id"], of_clip))
    plan = replace(plan_shard(0, members), name=file.path.removeprefix(f"{MEDIA}/"))
    made = stage_shard(folder, staged, plan, None)
    offsets = {clip.clip_id: where for clip, where in zip(plan.clips, plan.offsets, strict=True)}
    return made if file.key else replace(made, key=None), offsets


class _Slice:
    """Bytes of a shard, read when they are written into the next."""

    def __init__(self, path: Path, offset: int, size: int) -> None:
        self._path, self._offset, self._size = path, offset, size

    def __call__(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                return file.read(self._size)
        except FileNotFoundError:
            raise DatasetError(
                f"Shard {self._path} is missing, so it cannot be rewritten; fetch it and run the takedown again."
            ) from None


def _without(
    folder: Path,
    staged: Path,
    parts: Sequence[PublishedFile],
    table: str,
    removal: Removal,
    traces: Traces,
    moved: Offsets,
) -> Iterator[PublishedFile]:
    """The parts of a table, those that change written anew; a part without a row goes unless it is the last one."""
    left = []
    for file in parts:
        if table == "keypoints":
            new = _keypoints(folder, staged, file, removal)
        else:
            opened = pq.ParquetFile(folder / file.stored_as)
            if table == "clips" and not _changes(opened, removal, moved):
                left.append(file)
                continue
            content = opened.read()
            kept = content.filter(pc.invert(rows_to_go(content, table, removal, traces)))
            if table == "clips":
                kept = _placed(kept, moved)
            new = file if kept.equals(content) else _write(staged, file.path, kept)
        left.append(new)
    filled = [f for f in left if f.rows]
    yield from filled or left[:1]


def _changes(clips: pq.ParquetFile, removal: Removal, moved: Offsets) -> bool:
    """Whether a part of the clips table has a clip that goes, or one whose members lie elsewhere now."""
    ids = clips.read(["clip_id"])["clip_id"]
    touched = pa.array(sorted({*removal.clips, *moved}), pa.string())
    return bool(pc.any(pc.is_in(ids, value_set=touched)).as_py())


def _write(staged: Path, path: str, content: pa.Table) -> PublishedFile:
    content = content.cast(_as_built(content.schema, path.split("/")[0]))
    pq.write_table(content.combine_chunks(), staged / path, compression="zstd", row_group_size=ROWS_A_GROUP)
    return described(staged, path, content.num_rows)


def _as_built(found: pa.Schema, table: str) -> pa.Schema:
    """A table's schema with the fields as a build writes them; Parquet reads the items of lists under another name."""
    wanted = {field.name: field for field in schema(table)}
    return pa.schema([wanted.get(field.name, field) for field in found])


def _placed(clips: pa.Table, moved: Offsets) -> pa.Table:
    """The clips table with the new offsets of members in rewritten shards."""
    if not moved:
        return clips
    ids = clips["clip_id"].to_pylist()
    for kind in MEMBERS:
        name = f"{kind}_offset"
        old = clips[name].to_pylist()
        new = [moved[i].get(kind) if i in moved else was for i, was in zip(ids, old, strict=True)]
        at = clips.schema.get_field_index(name)
        clips = clips.set_column(at, clips.schema.field(at), pa.array(new, clips.schema.field(at).type))
    return clips


def _keypoints(folder: Path, staged: Path, file: PublishedFile, removal: Removal) -> PublishedFile:
    """A part of the keypoints without the removed clips, a group of rows at a time."""
    opened = pq.ParquetFile(folder / file.stored_as)
    gone = pa.array(removal.clips, pa.string())
    if not pc.any(pc.is_in(opened.read(["clip_id"])["clip_id"], value_set=gone)).as_py():
        return file
    rows, size = 0, max(1, opened.metadata.row_group(0).num_rows)
    target = _as_built(opened.schema_arrow, "keypoints")
    with pq.ParquetWriter(staged / file.path, target, compression="zstd", use_dictionary=False) as writer:
        waiting: list[pa.Table] = []
        for number in range(opened.num_row_groups):
            group = opened.read_row_group(number).cast(target)
            waiting.append(group.filter(pc.invert(pc.is_in(group["clip_id"], value_set=gone))))
            while sum(map(len, waiting)) >= size:
                whole = pa.concat_tables(waiting)
                writer.write_table(whole.slice(0, size).combine_chunks(), size)
                waiting, rows = [whole.slice(size)], rows + size
        rest = pa.concat_tables(waiting)
        if len(rest):
            writer.write_table(rest.combine_chunks(), size)
            rows += len(rest)
    return described(staged, file.path, rows)


def _digest(removal: Removal) -> bytes:
    return hashlib.sha256(repr(removal).encode()).digest()
