"""Exports clips as a facevid dataset of their own, all at once or in stages."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facevid.dataset.annotating import ByClip
from facevid.dataset.dataset import Dataset
from facevid.dataset.ordering import RETOLD, VIEW, fill_shards, natural_order
from facevid.dataset.published import Manifest, schema
from facevid.dataset.rights import RIGHTS, rows_with_rights
from facevid.dataset.shards import SHARD_BYTES
from facevid.dataset.sharing.beside import kept_beside
from facevid.dataset.sharing.choose import Choice
from facevid.dataset.sharing.taken_down import TakenDown
from facevid.dataset.statements import combined
from facevid.dataset.writing import MADE_FROM, Content, write_dataset

OF_ITSELF = (
    MADE_FROM,
    "stages",
    "released",
)  # fields of `dataset.json` that are not those of a choice of it
_STRETCH = 2000  # clips whose statements are in memory at once


def write_own(
    choice: Choice,
    output: Path,
    *,
    shard_bytes: int = SHARD_BYTES,
    order: Sequence[int] | None = None,
    breaks: Iterable[int] = (),
    shards: Sequence[int] | None = None,
    about: Mapping[str, Any] | None = None,
    on_shard: Callable[[int, int], None] | None = None,
) -> Manifest:
    """Write the chosen clips as a dataset in `output`.

    order: numbers of the clips in the order in which shards shall hold them; by default as they lie now. breaks: places
    in that order before which a shard begins. shards: how many clips each shard shall hold. about: further fields of
    `dataset.json`.

    What was rejected or failed goes along only with all clips of a dataset: it tells of the whole, and beside a choice
    would name sources that were not chosen. Sources, keypoints, statements and saved subsets are cut to the clips;
    tombstones go along, those of `output` too, so that what was taken down stays out wherever the clips go; it is for
    the caller to leave it out of the choice (`without_taken_down`).
    """
    dataset = choice.dataset
    rows = clip_rows(dataset)
    rows = rows.set_column(rows.column_names.index("split"), schema("clips").field("split"), choice.splits())
    rows = rows.take(pa.array(order, pa.int64())) if order is not None else natural_order(rows)
    whole = is_whole(dataset)
    sources = dataset.to_arrow("sources")
    content = Content(
        views=[dataset],
        rows=rows,
        shards=fill_shards(rows, shard_bytes, breaks) if shards is None else shards,
        sources=sources if whole else sources.filter(is_in(sources["source_id"], rows["source_id"])),
        rejected=dataset.to_arrow("rejected") if whole else schema("rejected").empty_table(),
        failed=dataset.to_arrow("failed") if whole else schema("failed").empty_table(),
        statements=statements([dataset], dataset.ids, reviews_of_others=whole),
        about=about_export(dataset, rows, about or {}),
        beside={**kept_beside(dataset), **TakenDown([dataset], output).beside()},
    )
    return write_dataset(output, content, on_shard=on_shard)


def clip_rows(dataset: Dataset, number: int = 0) -> pa.Table:
    """Rows of the clips, with what their sources state now, and the columns of a writing."""
    rows = rows_with_rights(dataset, [n for n in RIGHTS if n in schema("clips").names])
    rows = rows.append_column(VIEW, pa.array(np.full(len(rows), number, np.int32)))
    return rows.append_column(RETOLD, pa.array(np.zeros(len(rows), bool)))


def is_whole(dataset: Dataset) -> bool:
    """Whether these are all clips of the dataset."""
    return len(dataset) == _rows(dataset, "clips")


def statements(
    views: Sequence[Dataset], clip_ids: pa.Array | pa.ChunkedArray, *, reviews_of_others: bool
) -> Iterator[pa.Table]:
    """What is said of the clips in any of the views, each statement once, in the order of the clips' ids.

    reviews_of_others: also reviews of clips that are not among them, by which a later build knows why they left.
    """
    ids = pa.array(sorted(clip_ids.to_pylist()), pa.string())
    streams = [ByClip(_said(view, ids, reviews_of_others)) for view in views]
    for start in range(0, max(1, len(ids)), _STRETCH):
        end = ids[start + _STRETCH].as_py() if start + _STRETCH < len(ids) else None
        yield combined(*(stream.until(end) for stream in streams))


def counted(rows: pa.Table, *, sources: int, rejected: int, failed: int) -> dict[str, Any]:
    """The counts that `dataset.json` gives."""
    seconds = pc.sum(pc.subtract(rows["end_s"], rows["start_s"])).as_py() or 0.0
    return {
        "sources": sources,
        "clips": len(rows),
        "seconds": round(seconds, 3),
        "identities": pc.count_distinct(rows["identity"], mode="only_valid").as_py(),
        "rejected": rejected,
        "failed": failed,
    }


def origin(dataset: Dataset, clips: int) -> dict[str, Any]:
    """What `dataset.json` tells of a dataset that clips came from: enough to find that very state of it again."""
    told = {
        "name": dataset.name,
        "dataset_json_sha256": hashlib.sha256(dataset.manifest.dumps().encode()).hexdigest(),
        "clips": clips,
        "of_clips": _rows(dataset, "clips"),
    }
    if chosen := list(dataset.why):
        told["chosen"] = chosen
    if earlier := dataset.manifest.about.get(MADE_FROM):
        told[MADE_FROM] = earlier
    return told


def about_export(dataset: Dataset, rows: pa.Table, more: Mapping[str, Any]) -> dict[str, Any]:
    about = {k: v for k, v in dataset.manifest.about.items() if k not in OF_ITSELF}
    whole = is_whole(dataset)
    about["counts"] = counted(
        rows,
        sources=_rows(dataset, "sources") if whole else pc.count_distinct(rows["source_id"]).as_py(),
        rejected=_rows(dataset, "rejected") if whole else 0,
        failed=_rows(dataset, "failed") if whole else 0,
    )
    return {**about, MADE_FROM: [origin(dataset, len(rows))], **more}


def _rows(dataset: Dataset, table: str) -> int:
    return sum(f.rows for f in dataset.manifest.of(table))


def _said(view: Dataset, ids: pa.Array, reviews_of_others: bool) -> Iterator[pa.Table]:
    for file in view.manifest.of("annotations"):
        table = pq.ParquetFile(view.storage.local(file)).read()
        keep = pc.is_in(table["clip_id"], value_set=ids)
        if reviews_of_others:
            keep = pc.or_(keep, pc.equal(table["kind"], "review"))
        yield table.filter(keep)


def is_in(column: pa.ChunkedArray, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Which values of a column are among the others."""
    return pc.is_in(column, value_set=pc.unique(values))
