"""Adds statements to a published dataset and publishes it anew: annotations and clips' labels change, media do not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facevid.dataset.outlet import FolderOutlet, Outlet
from facevid.dataset.published import (
    DatasetError,
    Manifest,
    PublishedFile,
    read_manifest,
    refuse_pending,
    schema,
)
from facevid.dataset.statements import (
    LABEL_COLUMNS,
    LABELS,
    Statement,
    combined,
    from_table,
    shown,
    to_table,
    with_labels,
)
from facevid.dataset.storage import Storage, storage_of, table_told
from facevid.dataset.tables import ROWS_A_PART, staging_folder, write_parts, write_table
from facevid.engine import folder_lock

ANNOTATE_LOCK = "annotate.lock"
"""Held, beside a work folder's own lock, by who measures published clips and by who may replace their media."""
_STRETCH = 2000  # clips whose statements are in memory at once

Drop = Callable[[pa.Table], pa.Array]


@dataclass(frozen=True)
class Updated:
    """What an update did: statements added, statements dropped, and added ones left out for want of their clip."""

    added: int
    dropped: int
    without_clip: int
    statements: int
    """How many statements the dataset holds now."""


def update_annotations(
    dataset: str | os.PathLike[str],
    *,
    add: Iterable[Statement] | pa.Table | pa.RecordBatchReader,
    drop: Drop | None = None,
) -> Updated:
    """Publish the dataset with `add` added to its statements, less those for which `drop` is true.

    add: statements, a table of them in the columns of `annotations`, or a stream of those in the order of their clips,
    which is read as the update goes along. drop: gets tables of the statements there are and gives one
    boolean each, for example `lambda t: pc.equal(t["by"], "measured:mesh")`. A statement that is there already is kept
    once; one about a clip that the dataset does not have is left out and counted, unless it is a review, by which that
    clip may have left. Labels are made anew for clips of which other things are said now. Media and keypoints are not
    touched; a reader sees the old dataset or the new one. Takes memory for the clips table and for the statements of
    2,000 clips. Raises DatasetError where there is no dataset, FolderBusy while another process works on it.
    """
    folder = Path(dataset)
    read_manifest(folder)
    refuse_pending(folder)
    with folder_lock(folder / ".work"):
        return add_statements(FolderOutlet(folder), add=add, drop=drop)


def add_statements(
    outlet: Outlet, *, add: Iterable[Statement] | pa.Table | pa.RecordBatchReader, drop: Drop | None = None
) -> Updated:
    """`update_annotations` for a dataset that is published through `outlet`, and that the caller holds."""
    manifest, storage = outlet.old, storage_of(outlet.location)
    if manifest is None:
        raise DatasetError(f"There is no dataset in {outlet.location}; build one there first.")
    clips = pa.concat_tables([_read(storage, f) for f in manifest.of("clips")])
    merging = Merging(clips, statements_of(outlet.location, manifest), _in_order(add), drop)
    staged = staging_folder(outlet.folder, b"annotations")
    files = [
        *(f for f in manifest.files if f.path.split("/")[0] not in ("clips", "annotations")),
        *merging.write(staged, [n for n in clips.column_names if n not in schema("clips").names]),
    ]
    # Also where nothing changed: a killed run may have left its publication half done.
    outlet.publish(staged, files, manifest.about)
    return merging.done


class Merging:
    """Old statements and new ones merged, a stretch of clips at a time, with the clips' labels.

    clips: rows of the clips table in the order of their ids; with label columns where those agree with `old`. old, new:
    statements in the order of their clips. Left out are old ones for which `drop` is true, and those about clips that
    there are not.
    """

    def __init__(
        self,
        clips: pa.Table,
        old: Iterable[pa.Table],
        new: Iterable[pa.Table] = (),
        drop: Drop | None = None,
    ) -> None:
        self._clips = clips
        self._old, self._new, self._drop = ByClip(old), ByClip(new), drop
        self._labelled = all(
            name in clips.column_names and clips.schema.field(name).type == kind for name, kind, _ in LABELS
        )
        self.done = Updated(0, 0, 0, 0)

    def write(self, staged: Path, scores: list[str]) -> Iterator[PublishedFile]:
        """Write the tables clips and annotations; `done` is told when that is finished."""
        parts: list[pa.Table] = []
        yield from write_parts(staged, "annotations", self._merged(parts))
        clips = pa.concat_tables(parts)
        if not self.done.statements:
            clips = clips.drop_columns(list(LABEL_COLUMNS))
        yield from write_table(staged, "clips", clips, scores)

    def _merged(self, labelled: list[pa.Table]) -> Iterator[pa.Table]:
        for start in range(0, max(1, len(self._clips)), _STRETCH):
            clips = self._clips.slice(start, _STRETCH)
            more = start + _STRETCH < len(self._clips)
            end = self._clips["clip_id"][start + _STRETCH].as_py() if more else None
            old, new = self._old.until(end), self._new.until(end)
            stays = _of_clips(old, clips["clip_id"])
            kept = old.filter(pc.and_not(stays, self._drop(old)) if self._drop is not None else stays)
            known = new.filter(_of_clips(new, clips["clip_id"]))
            now = combined(kept, known)
            same = now.equals(old)
            self.done = Updated(
                self.done.added + len(known),
                self.done.dropped + len(old) - len(kept),
                self.done.without_clip + len(new) - len(known),
                self.done.statements + len(now),
            )
            labelled.append(clips if same and self._labelled else with_labels(clips, now))
            yield now


class ByClip:
    """Statements that come in the order of their clips, handed on a stretch of clips at a time."""

    def __init__(self, tables: Iterable[pa.Table]) -> None:
        self._tables = iter(tables)
        self._waiting = schema("annotations").empty_table()
        self._last = ""

    def until(self, clip_id: str | None) -> pa.Table:
        """What was not handed on yet of clips before this one; None: all that is left."""
        found = []
        while True:
            ids = self._waiting["clip_id"]
            count = len(ids) if clip_id is None else pc.sum(pc.less(ids, clip_id)).as_py() or 0
            found.append(self._waiting.slice(0, count))
            self._waiting = self._waiting.slice(count)
            if len(self._waiting) or (following := self._following()) is None:
                return pa.concat_tables(found)
            self._waiting = following

    def _following(self) -> pa.Table | None:
        table = next(self._tables, None)
        if table is not None and len(table):
            first, last = table["clip_id"][0].as_py(), table["clip_id"][-1].as_py()
            if first < self._last:
                raise ValueError(
                    f"Statements must come in the order of their clips: {first} after {self._last}."
                )
            self._last = last
        return table


def statements_of(location: str | Path, manifest: Manifest | None) -> Iterator[pa.Table]:
    """The statements that a dataset holds, in the order of their clips, a part of the table at a time."""
    files = manifest.of("annotations") if manifest else []
    storage = storage_of(location)
    return (_read(storage, f) for f in files)


def _read(storage: Storage, file: PublishedFile) -> pa.Table:
    with table_told(storage, file):
        return pq.ParquetFile(storage.local(file)).read()


def rejected_by_review(location: str | Path, manifest: Manifest | None) -> set[str]:
    """Clips of which the review that counts says reject, also those that have left the dataset for it."""
    about: dict[str, list[Statement]] = {}
    for table in statements_of(location, manifest):
        for statement in from_table(table.filter(pc.equal(table["kind"], "review"))):
            about.setdefault(statement.clip_id, []).append(statement)
    return {clip_id for clip_id, said in about.items() if shown(said)["review"] == "reject"}


def _in_order(add: Iterable[Statement] | pa.Table | pa.RecordBatchReader) -> Iterator[pa.Table]:
    if isinstance(add, pa.RecordBatchReader):
        return (pa.Table.from_batches([batch]) for batch in add)
    table = add if isinstance(add, pa.Table) else to_table(add)
    order = pc.sort_indices(table, [("clip_id", "ascending")])
    return (table.take(order.slice(k, ROWS_A_PART)) for k in range(0, len(table), ROWS_A_PART))


def _of_clips(table: pa.Table, clip_ids: pa.ChunkedArray) -> pa.Array:
    """Which statements are about the given clips, or a review.

    A clip that a reviewer rejected is not among the clips of the next build; the review stays, or that clip would be
    back in the one after.
    """
    return pc.or_(
        pc.is_in(table["clip_id"], value_set=clip_ids.combine_chunks()), pc.equal(table["kind"], "review")
    )
