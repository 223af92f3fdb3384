"""Adds statements to a published dataset and publishes it anew: annotations and clips' labels change, media do not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facevid.dataset.publish import publish
from facevid.dataset.published import MANIFEST, Manifest, PublishedFile, read_manifest, schema
from facevid.dataset.statements import Statement, combined, from_table, shown, to_table, with_labels
from facevid.dataset.tables import staging_folder, write_table
from facevid.engine import folder_lock


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
    add: Iterable[Statement] | pa.Table,
    drop: Callable[[pa.Table], pa.Array] | None = None,
) -> Updated:
    """Publish the dataset with `add` added to its statements, less those for which `drop` is true.

    add: statements, or a table of them in the columns of `annotations`. drop: gets the table of the statements there
    are and gives one boolean each, for example `lambda t: pc.equal(t["by"], "measured:mesh")`. A statement that is
    there already is kept once; one about a clip that the dataset does not have is left out and counted, unless it is
    a rejection, by which that clip may have left. Media and
    keypoints are not touched; a reader sees the old dataset or the new one. Raises DatasetError where there is no
    dataset, FolderBusy while another process works on it.
    """
    folder = Path(dataset)
    read_manifest(folder)
    with folder_lock(folder / ".work"):
        return _update(folder, add if isinstance(add, pa.Table) else to_table(add), drop)


def _update(folder: Path, new: pa.Table, drop: Callable[[pa.Table], pa.Array] | None) -> Updated:
    manifest = read_manifest(folder)
    clips = _read(folder, manifest.of("clips"))
    old = _read(folder, manifest.of("annotations")) if manifest.of("annotations") else new.slice(0, 0)
    kept = old.filter(pc.invert(drop(old))) if drop is not None and old.num_rows else old
    known = new.filter(_kept(new, clips["clip_id"]))
    annotations = combined(kept, known)
    done = Updated(
        known.num_rows, old.num_rows - kept.num_rows, new.num_rows - known.num_rows, annotations.num_rows
    )
    if annotations.equals(old):
        return done
    staged = staging_folder(folder, b"annotations")
    fixed = set(schema("clips").names)
    scores = [f.name for f in clips.schema if f.name not in fixed]
    files = [
        *(f for f in manifest.files if f.path.split("/")[0] not in ("clips", "annotations")),
        *write_table(staged, "clips", with_labels(clips, annotations), scores),
        *write_table(staged, "annotations", annotations),
    ]
    publish(folder, staged=staged, files=files, about=manifest.about, card=None)
    return done


def annotations_of(output: Path, manifest: Manifest | None, clip_ids: pa.ChunkedArray) -> pa.Table:
    """The statements that a dataset holds about the given clips, and every rejection by a reviewer.

    A clip that a reviewer rejected is not among the clips of the next build; the rejection stays, or that clip would
    be back in the one after.
    """
    files = manifest.of("annotations") if manifest else []
    if not files:
        return schema("annotations").empty_table()
    table = _read(output, files)
    return table.filter(_kept(table, clip_ids))


def rejected_by_review(output: Path) -> set[str]:
    """Clips of which the review that counts says reject, also those that have left the dataset for it."""
    if not (output / MANIFEST).exists():
        return set()
    files = read_manifest(output).of("annotations")
    if not files:
        return set()
    table = _read(output, files)
    about: dict[str, list[Statement]] = {}
    for statement in from_table(table.filter(pc.equal(table["kind"], "review"))):
        about.setdefault(statement.clip_id, []).append(statement)
    return {clip_id for clip_id, said in about.items() if shown(said)["review"] == "reject"}


def _kept(table: pa.Table, clip_ids: pa.ChunkedArray) -> pa.Array:
    refused = pc.and_(pc.equal(table["kind"], "review"), pc.equal(table["value"], "reject"))
    return pc.or_(pc.is_in(table["clip_id"], value_set=clip_ids.combine_chunks()), refused)


def _read(folder: Path, files: list[PublishedFile]) -> pa.Table:
    return pa.concat_tables([pq.ParquetFile(folder / f.stored_as).read() for f in files])
