"""Publishes a dataset anew with the part of each clip in the column `split`; nothing else of it changes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facevid.dataset.publish import publish
from facevid.dataset.published import PublishedFile, read_manifest
from facevid.dataset.tables import described, staging_folder
from facevid.engine import folder_lock


def write_split(folder: Path, parts: Mapping[str, pa.Array]) -> int:
    """Name in `split` the part that each clip is in, null for a clip in none; says how many clips are in one.

    parts: the ids of each part. Takes memory for one part of the clips table. Raises DatasetError where there is no
    dataset, FolderBusy while another process works on it.
    """
    read_manifest(folder)
    with folder_lock(folder / ".work"):
        manifest = read_manifest(folder)
        staged = staging_folder(folder, b"split")
        files, named = [f for f in manifest.files if f.path.split("/")[0] != "clips"], 0
        for file in manifest.of("clips"):
            written, known = _with_split(folder, staged, file, parts)
            files.append(written)
            named += known
        publish(folder, staged=staged, files=files, about=manifest.about, card=None)
        return named


def _with_split(
    folder: Path, staged: Path, file: PublishedFile, parts: Mapping[str, pa.Array]
) -> tuple[PublishedFile, int]:
    clips = pq.ParquetFile(folder / file.stored_as).read()
    where = np.full(len(clips), len(parts), np.int64)
    for k, ids in enumerate(parts.values()):
        where[np.asarray(pc.is_in(clips["clip_id"], value_set=ids))] = k
    names = pa.array([*parts, None], pa.string()).take(pa.array(where))
    at = clips.column_names.index("split")
    clips = clips.set_column(at, clips.schema.field(at), names)
    pq.write_table(clips, staged / file.path, compression="zstd")
    return described(staged, file.path, file.rows), int((where < len(parts)).sum())
