"""Writes a dataset of clips of others: members go over byte for byte into new shards, tables are cut to the clips."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from facevid.dataset.annotating import Merging
from facevid.dataset.dataset import Dataset
from facevid.dataset.keypoint_rows import KeypointRows
from facevid.dataset.ordering import RETOLD, VIEW
from facevid.dataset.publish import publish
from facevid.dataset.published import (
    MANIFEST,
    MEDIA,
    MEMBERS,
    DatasetError,
    Manifest,
    PublishedFile,
    check_output,
    schema,
)
from facevid.dataset.shards import (
    KEYPOINT_ROWS_A_GROUP,
    ClipMembers,
    Member,
    ShardPlan,
    plan_shard,
    stage_shard,
    write_shard,
)
from facevid.dataset.storage import Folder
from facevid.dataset.tables import described, staging_folder, write_table
from facevid.engine import atomic_path, folder_lock

MADE_FROM = "made_from"
"""Field of `dataset.json` that tells of what datasets this one was written; a built one has none."""
_TOLD_ANEW = ("identity", "source_name")
_READ = 1 << 20


@dataclass(frozen=True)
class Content:
    """What a dataset is to be written of.

    views: the datasets that the clips come from. rows: their rows of the clips table in the order in which the shards
    will hold them, with two more columns: `view` (int32, which of `views`) and `retold` (boolean, true where `identity`
    or `source_name` are not those of the clip's json member, which is then written anew). shards: how many clips each
    shard holds, in order. statements: tables of what is said of clips, in the order of their ids. about: the free part
    of `dataset.json`, with `made_from`. beside: files by name that `dataset.json` does not list.
    """

    views: Sequence[Dataset]
    rows: pa.Table
    shards: Sequence[int]
    sources: pa.Table
    rejected: pa.Table
    failed: pa.Table
    statements: Iterable[pa.Table]
    about: Mapping[str, Any]
    beside: Mapping[str, bytes] = field(default_factory=dict)


def write_dataset(
    output: Path,
    content: Content,
    *,
    on_shard: Callable[[int, int], None] | None = None,
) -> Manifest:
    """Publish the dataset of `content` in `output` and return its manifest.

    Holds the clips table and one clip's media in memory. A shard that has the same members as one of a view is linked
    to it, or copied where the file system has no links. A run that was killed finds the shards that it finished. Equal
    content gives equal bytes. Raises DatasetError if `output` holds anything but an earlier writing of the same, or a
    member is damaged where it comes from; FolderBusy while another process writes there.
    """
    check_free(output, content.views)
    with folder_lock(output / ".work"):
        old = check_output(output)
        staged = staging_folder(output, _fingerprint(content))
        present = {f.path: f for f in old.files if f.key} if old else {}
        writer = _Writer(output, staged, content, present)
        files = writer.media(on_shard)
        rows = writer.placed()
        scores = _scores(rows, "clips")
        files += Merging(rows.sort_by("clip_id"), content.statements).write(staged, scores)
        for table in ("sources", "rejected", "failed"):
            given = getattr(content, table)
            files += write_table(staged, table, given, _scores(given, table) if table == "rejected" else ())
        for name, data in content.beside.items():
            with atomic_path(output / name) as partial:
                partial.write_bytes(data)
        manifest = publish(output, staged=staged, files=files, about=content.about, card=None)
        shutil.rmtree(output / ".work", ignore_errors=True)
    return manifest


def local_place(output: str | os.PathLike[str]) -> Path:
    """The path to write to. Raises DatasetError for an address, which is written to by a push."""
    text = os.fspath(output)
    if "://" in text:
        raise DatasetError(f"{text} is an address; write to a folder, and then: facevid push FOLDER {text}.")
    return Path(text)


def check_free(output: Path, views: Sequence[Dataset] = ()) -> None:
    """Raise DatasetError unless `output` may take a dataset written of others: a new or empty folder, or such a one."""
    if any(isinstance(v.storage, Folder) and _same(v.storage.path, output) for v in views):
        raise DatasetError(f"{output} is the dataset that is read; name another folder for the new one.")
    old = check_output(output)
    if old is not None and MADE_FROM not in old.about:
        raise DatasetError(
            f"{output} is a dataset of its own, and not one written of others; name another folder, or remove it first."
        )
    if old is None and (work := output / ".work").is_dir():
        strange = [p.name for p in work.iterdir() if p.name != "lock" and not p.name.startswith("publish-")]
        if strange:
            raise DatasetError(
                f"{output} holds an unfinished build ({strange[0]}); finish it, or name another folder."
            )


def _scores(rows: pa.Table, table: str) -> list[str]:
    """The columns of a table that are scores; whatever else a foreign dataset has there does not travel."""
    known = schema(table).names
    return [f.name for f in rows.schema if f.name not in known and pa.types.is_floating(f.type)]


def _same(a: Path, b: Path) -> bool:
    return a.resolve() == b.resolve()


def _fingerprint(content: Content) -> bytes:
    """What the shards and keypoints will hold: enough to tell whether a killed run wrote the same."""
    digest = hashlib.sha256(json.dumps(list(content.shards)).encode())
    for name in ("clip_id", *(f"{k}_sha256" for k in MEMBERS), *_TOLD_ANEW):
        digest.update("\n".join(str(v) for v in content.rows[name].to_pylist()).encode())
    return digest.digest()


class _Writer:
    """Stages shards and keypoints a shard at a time, and remembers where every member went."""

    def __init__(
        self, output: Path, staged: Path, content: Content, present: Mapping[str, PublishedFile]
    ) -> None:
        self._output, self._staged, self._content, self._present = output, staged, content, present
        self._points = [KeypointRows(v.storage, v.manifest) for v in content.views]
        self._whole = {
            f.key: (number, f)
            for number, v in enumerate(content.views)
            for f in v.manifest.of(MEDIA)
            if f.key
        }
        self._group: tuple[tuple[int, str, int], pa.Table] | None = None
        self._places: dict[str, list[Any]] = {
            name: []
            for name in ("shard", *(f"{k}_{w}" for k in MEMBERS for w in ("offset", "size", "sha256")))
        }

    def media(self, on_shard: Callable[[int, int], None] | None) -> list[PublishedFile]:
        files, start, shards = [], 0, self._content.shards
        for k, count in enumerate(shards):
            rows = self._content.rows.slice(start, count).select(self._needed()).to_pylist()
            plan = plan_shard(k, [self._members(row) for row in rows])
            files.append(self._keypoints(k, rows, plan))
            files.append(
                stage_shard(
                    self._output, self._staged, plan, self._present.get(f"{MEDIA}/{plan.name}"), self._write
                )
            )
            self._remember(plan)
            start += count
            if on_shard:
                on_shard(k + 1, len(shards))
        if not shards:
            files += write_table(self._staged, "keypoints", schema("keypoints").empty_table(), ())
        return files

    def placed(self) -> pa.Table:
        """The clips table, with where each member lies now."""
        rows = self._content.rows.drop_columns([VIEW, RETOLD])
        for field_ in schema("clips"):
            if field_.name in self._places:
                column = pa.array(self._places[field_.name], field_.type)
                rows = rows.set_column(rows.column_names.index(field_.name), field_, column)
        return rows

    def _needed(self) -> list[str]:
        storage = [f"{k}_{w}" for k in MEMBERS for w in ("offset", "size", "sha256")]
        return [VIEW, RETOLD, "clip_id", "shard", *_TOLD_ANEW, *storage]

    def _members(self, row: Mapping[str, Any]) -> ClipMembers:
        view = self._content.views[row[VIEW]]
        file, members = view.shard(row["shard"]), {}
        for kind in MEMBERS:
            offset, size = row[f"{kind}_offset"], row[f"{kind}_size"]
            if offset is None:
                continue

            def read(offset: int = offset, size: int = size) -> bytes:
                data: bytes = view.storage.read(file, offset, size)
                return data

            name = f"{row['clip_id']}.{kind}"
            if kind == "json" and row[RETOLD]:
                data = _retold(read(), row, name)
                members[kind] = Member(name, len(data), hashlib.sha256(data).hexdigest(), content=data)
            else:
                members[kind] = Member(name, size, str(row[f"{kind}_sha256"]), read=read)
        return ClipMembers(str(row["clip_id"]), members)

    def _write(self, plan: ShardPlan, path: Path) -> str:
        """Write a shard; or link one that is the same."""
        if plan.key not in self._whole:
            return write_shard(plan, path)
        number, file = self._whole[plan.key]
        return take_file(self._content.views[number], file, path)

    def _keypoints(self, number: int, rows: Sequence[Mapping[str, Any]], plan: ShardPlan) -> PublishedFile:
        """The keypoints of one shard's clips, in the order of its members, as the part of the same number."""
        path = f"keypoints/part-{number:05d}.parquet"
        target = schema("keypoints")
        with pq.ParquetWriter(
            self._staged / path, target, compression="zstd", use_dictionary=False
        ) as writer:
            for k in range(0, len(rows), KEYPOINT_ROWS_A_GROUP):
                group = [self._points_of(row) for row in rows[k : k + KEYPOINT_ROWS_A_GROUP]]
                table = pa.concat_tables(group).select(target.names).cast(target)
                writer.write_table(table.combine_chunks(), KEYPOINT_ROWS_A_GROUP)
        return described(self._staged, path, len(plan.clips))

    def _points_of(self, row: Mapping[str, Any]) -> pa.Table:
        """One row of keypoints; the row group read last is kept, since neighbours mostly stay neighbours."""
        reader, storage = self._points[row[VIEW]], self._content.views[row[VIEW]].storage
        part, number = reader.part(row["shard"]), reader.number(row["clip_id"], row["shard"])
        with storage.open(part) as opened:
            file = pq.ParquetFile(opened)
            for group in range(file.num_row_groups):
                count = file.metadata.row_group(group).num_rows
                if number < count:
                    key = (int(row[VIEW]), part.path, group)
                    if self._group is None or self._group[0] != key:
                        self._group = (key, file.read_row_group(group))
                    return self._group[1].slice(number, 1)
                number -= count
        raise DatasetError(
            f"{storage.location}/{part.path} ends before clip {row['clip_id']}; fetch it again."
        )

    def _remember(self, plan: ShardPlan) -> None:
        for clip, offsets in zip(plan.clips, plan.offsets, strict=True):
            self._places["shard"].append(plan.name)
            for kind in MEMBERS:
                member = clip.members.get(kind)
                self._places[f"{kind}_offset"].append(offsets.get(kind))
                self._places[f"{kind}_size"].append(member.size if member else None)
                self._places[f"{kind}_sha256"].append(member.sha256 if member else None)


def take_file(view: Dataset, file: PublishedFile, path: Path) -> str:
    """Bring a published file of a dataset to `path`, linked where that is possible; returns its SHA-256.

    Raises DatasetError if it does not have the bytes that `dataset.json` gives.
    """
    path.unlink(missing_ok=True)
    linked = False
    if isinstance(view.storage, Folder):
        try:
            os.link(view.storage.local(file), path)
            linked = True
        except OSError:
            linked = False  # another file system, or one without links
    digest = hashlib.sha256()
    with view.storage.open(file) as source, path.open("rb" if linked else "wb") as target:
        for block in iter(lambda: source.read(_READ), b""):
            digest.update(block)
            if not linked:
                target.write(block)
        os.fsync(target.fileno())
    if digest.hexdigest() != file.sha256:
        path.unlink()
        raise DatasetError(
            f"{view.location}/{file.stored_as} does not have the SHA-256 that its {MANIFEST} gives; "
            f"facevid verify {view.location} tells what is damaged."
        )
    return digest.hexdigest()


def _retold(data: bytes, row: Mapping[str, Any], name: str) -> bytes:
    """A json member with the person and the source name that the clip has now."""
    try:
        told = json.loads(data)
        told.update({key: row[key] for key in _TOLD_ANEW if key in told})
    except (ValueError, AttributeError) as error:
        raise DatasetError(f"{name} cannot be read as JSON ({error}); run facevid verify there.") from error
    return json.dumps(told, ensure_ascii=False, allow_nan=False).encode()
