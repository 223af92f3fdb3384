"""Checks a part of the keypoints against the clips of its shard: whose rows, in which order, of how many frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facevid.dataset.clip import MESH_POINTS
from facevid.dataset.published import MANIFEST, PublishedFile, schema
from facevid.dataset.verifying.faults import Fault
from facevid.dataset.verifying.place import Checked

_VALUES = {"mesh": MESH_POINTS * 3, "pose": 3, "box": 4}
"""Numbers that a frame has in each column."""


def keypoint_faults(
    files: Checked, file: PublishedFile, rows: Sequence[Mapping[str, Any]], *, quick: bool = False
) -> Iterator[Fault]:
    """What is wrong with a part. rows: of the clips of the shard of the same number, in the order of its members.

    quick: the points themselves are not read.
    """
    try:
        with files.open(file) as source:
            opened = pq.ParquetFile(source)
            yield from _columns(file, opened)
            wanted_columns = ("clip_id", "frames", *(() if quick else _VALUES))
            names = [n for n in wanted_columns if n in opened.schema_arrow.names]
            ids: list[str] = []
            frames = {row["clip_id"]: row["frames"] for row in rows}
            for batch in opened.iter_batches(16, columns=names):
                ids += batch["clip_id"].to_pylist() if "clip_id" in names else []
                yield from _shapes(file, batch, frames)
    except FileNotFoundError:
        return  # told as a missing file
    except (OSError, pa.ArrowException) as error:
        yield Fault("table_unreadable", file.path, f"It cannot be read: {' '.join(str(error).split())}")
        return
    if len(ids) != file.rows:
        yield Fault("table_rows", file.path, f"It has {len(ids):,} rows, and {MANIFEST} says {file.rows:,}.")
    wanted = [str(row["clip_id"]) for row in rows]
    for clip_id in sorted(set(wanted) - set(ids)):
        yield Fault(
            "keypoints_missing", f"{file.path} {clip_id}", "It has no keypoints of this clip of its shard."
        )
    for clip_id in sorted(set(ids) - set(wanted)):
        yield Fault("keypoints_orphan", f"{file.path} {clip_id}", "Its shard has no such clip.")
    if sorted(ids) == sorted(wanted) and ids != wanted:
        first = next(a for a, b in zip(ids, wanted, strict=True) if a != b)
        yield Fault(
            "keypoints_order", f"{file.path} {first}", "Its rows are not in the order of the shard's members."
        )
    elif len(ids) != len(set(ids)):
        yield Fault("keypoints_order", file.path, "A clip stands in it twice.")


def _columns(file: PublishedFile, opened: pq.ParquetFile) -> Iterator[Fault]:
    there = opened.schema_arrow
    for field in schema("keypoints"):
        if field.name not in there.names:
            yield Fault("table_columns", file.path, f"It has no column {field.name}.")
        elif there.field(field.name).type != field.type:
            what = f"Its column {field.name} is {there.field(field.name).type}, and should be {field.type}."
            yield Fault("table_type", file.path, what)


def _shapes(file: PublishedFile, batch: pa.RecordBatch, frames: Mapping[str, int]) -> Iterator[Fault]:
    if not {"clip_id", "frames"} <= set(batch.schema.names):
        return
    lengths = {n: pc.list_value_length(batch[n]).to_pylist() for n in _VALUES if n in batch.schema.names}
    for k, (clip_id, count) in enumerate(
        zip(batch["clip_id"].to_pylist(), batch["frames"].to_pylist(), strict=True)
    ):
        where = f"{file.path} {clip_id}"
        if clip_id in frames and count != frames[clip_id]:
            yield Fault("keypoints_frames", where, f"It has {count} frames, and the clip {frames[clip_id]}.")
        wrong = [n for n, of in lengths.items() if of[k] != (count or 0) * _VALUES[n]]
        if wrong:
            yield Fault("keypoints_shape", where, f"{', '.join(wrong)}: not the numbers of {count} frames.")
