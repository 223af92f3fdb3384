"""Exports clips as Parquet files with the media inside, which the `datasets` library and its hub's viewer open."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facevid.dataset.dataset import Dataset
from facevid.dataset.sharing.cards import huggingface_card
from facevid.dataset.sharing.choose import Choice
from facevid.dataset.sharing.flat import FlatColumn, FlatRows
from facevid.dataset.sharing.members import read_member
from facevid.dataset.sharing.target import export_folder
from facevid.engine import atomic_path

FILE_BYTES = 500_000_000  # what `datasets` itself aims at
GROUP_BYTES = 64_000_000  # of media in a row group: what a viewer must fetch to show one row
_MEDIUM = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_MEDIA = {"video": "mp4", "speech": "flac"}
"""Columns with media, and the member that each holds; `audio` is a column of clips already."""
_NAMES = {"float": "float32", "double": "float64", "halffloat": "float16"}
_DEFAULT_SPLIT = "train"  # what `datasets` calls everything of a dataset that has no splits


def export_huggingface(
    choice: Choice,
    output: Path,
    *,
    file_bytes: int = FILE_BYTES,
    on_clip: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write `data/<split>-00000-of-00003.parquet`: one row a clip, with columns `video`, `speech` and its flat row.

    `datasets.load_dataset(output)` gives the splits, with features Video and Audio. Clips without a split are `train`,
    or `unassigned` where others have one. Holds the media of one row group in memory, about 64 MB.
    """
    rows = FlatRows(choice)
    files, target, done = plan_files(rows, file_bytes), _schema(rows.columns), 0
    card = huggingface_card(files)
    with export_folder(choice, output, form="huggingface", options={"file_bytes": file_bytes}, card=card):
        for name, numbers in files.items():
            path = output / name
            if not path.exists():
                with atomic_path(path) as partial:
                    _write(partial, target, _rows(choice.dataset, rows, numbers))
            done += len(numbers)
            if on_clip:
                on_clip(done, len(rows))
    return [output / name for name in files]


def plan_files(rows: FlatRows, file_bytes: int) -> dict[str, list[int]]:
    """The files by name, in order of split, with the numbers of the clips that each holds."""
    splits = rows.table["split"].to_pylist()
    other = "unassigned" if any(splits) else _DEFAULT_SPLIT
    sizes = np.asarray(rows.table["mp4_size"]) + np.asarray(pc.fill_null(rows.table["flac_size"], 0))
    parts: dict[str, list[list[int]]] = {}
    held: dict[str, int] = {}
    for number, (split, size) in enumerate(zip(splits, sizes.tolist(), strict=True)):
        name = split or other
        groups = parts.setdefault(name, [[]])
        if groups[-1] and held[name] + size > file_bytes:
            groups.append([])
            held[name] = 0
        groups[-1].append(number)
        held[name] = held.get(name, 0) + size
    return {
        f"data/{split}-{k:05d}-of-{len(groups):05d}.parquet": numbers
        for split, groups in sorted(parts.items())
        for k, numbers in enumerate(groups)
    }


def _rows(dataset: Dataset, rows: FlatRows, numbers: list[int]) -> Iterable[dict[str, Any]]:
    for flat, row in rows.with_places(numbers):
        media: dict[str, Any] = dict.fromkeys(_MEDIA)
        for column, kind in _MEDIA.items():
            if row[f"{kind}_offset"] is not None:
                media[column] = {
                    "bytes": read_member(dataset, row, kind),
                    "path": f"{row['clip_id']}.{kind}",
                }
        yield media | flat


def _write(path: Path, target: pa.Schema, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows in row groups of a bounded size; media are compressed already and stay as they are."""
    leaves = _leaves(target)
    compression = {leaf: "none" if leaf.split(".")[0] in _MEDIA else "zstd" for leaf in leaves}
    coded = [leaf for leaf in leaves if leaf.split(".")[0] not in _MEDIA]
    with pq.ParquetWriter(
        path, target, compression=compression, use_dictionary=coded, write_page_index=True
    ) as writer:
        waiting: list[Mapping[str, Any]] = []
        held = 0
        for row in rows:
            waiting.append(row)
            held += sum(len(row[m]["bytes"]) for m in _MEDIA if row[m])
            if held >= GROUP_BYTES:
                writer.write_table(pa.Table.from_pylist(waiting, target))
                waiting, held = [], 0
        if waiting:
            writer.write_table(pa.Table.from_pylist(waiting, target))


def _leaves(target: pa.Schema) -> list[str]:
    """The paths that Parquet gives the columns within columns."""
    empty = io.BytesIO()
    pq.write_table(target.empty_table(), empty)
    columns = pq.ParquetFile(empty).schema
    return [columns.column(k).path for k in range(len(columns))]


def _schema(columns: Iterable[FlatColumn]) -> pa.Schema:
    """The Arrow schema, with the features that `datasets` reads from its metadata."""
    fields = [pa.field("video", _MEDIUM), pa.field("speech", _MEDIUM)]
    features: dict[str, Any] = {"video": {"_type": "Video"}, "speech": {"_type": "Audio"}}
    for column in columns:
        fields.append(pa.field(column.name, column.type, metadata={"description": column.about}))
        features[column.name] = _feature(column.type)
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})


def _feature(kind: pa.DataType) -> Any:
    """A type as `datasets` writes it down."""
    if pa.types.is_struct(kind):
        return {field.name: _feature(field.type) for field in kind}
    if pa.types.is_list(kind):
        return {"_type": "List", "feature": _feature(kind.value_type)}
    return {"_type": "Value", "dtype": _NAMES.get(str(kind), str(kind))}
