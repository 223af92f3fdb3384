"""`export`: passes clips of a dataset on in a form that the receiver's own library opens."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from facevid.dataset.dataset import Dataset, open
from facevid.dataset.published import DatasetError
from facevid.dataset.shards import SHARD_BYTES
from facevid.dataset.sharing.choose import choose
from facevid.dataset.sharing.folder import export_files
from facevid.dataset.sharing.own import write_own
from facevid.dataset.sharing.parquet import export_huggingface
from facevid.dataset.sharing.stages import write_staged
from facevid.dataset.sharing.tables import export_csv, export_jsonl
from facevid.dataset.sharing.taken_down import without_taken_down
from facevid.dataset.sharing.target import record
from facevid.dataset.sharing.webdataset import export_webdataset
from facevid.dataset.writing import local_place

Form = Literal["facevid", "folder", "webdataset", "huggingface", "csv", "jsonl"]
FORMS: tuple[str, ...] = get_args(Form)
OnProgress = Callable[[int, int], None]


def export(
    dataset: Dataset | str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    format: Form = "facevid",
    where: str | None = None,
    subset: str | None = None,
    split: str | None = None,
    require_consent: bool = False,
    licence: Sequence[str] | None = None,
    shard_bytes: int = SHARD_BYTES,
    stages: Sequence[float] | None = None,
    by: Sequence[str] = (),
    seed: int = 0,
    storage_options: Mapping[str, Any] | None = None,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Write clips of a dataset to `output`, and return what was written.

    dataset: an opened one, or any choice of its clips, or a place that `facevid.open` takes. format: "facevid", a
    dataset of their own; "folder", loose files; "webdataset", tar shards; "huggingface", Parquet files with the media
    inside; "csv" or "jsonl", one table, for which `output` is a file. where: SQL condition over the columns of clips.
    subset: name or file of a saved subset or split. split: one part of it, or the value of the column `split`.
    require_consent: only clips whose source states consent. licence: only clips with one of these, `*` standing for
    anything. shard_bytes: size of shards, and of Parquet files. stages: prepare a release in stages, after which these
    shares of the clips in percent are out, each of them a stratified sample by `by` and `seed`; see `release`.
    on_progress: called with how much of how much is done.

    Nothing has a final name before it is whole, and a killed export goes on where it stopped when it is run again.
    Licence, consent and origin go along with every clip. Raises DatasetError where no clip is left, `output` holds
    something else, or a member is damaged.
    """
    if format not in FORMS:
        raise DatasetError(f"There is no format {format!r} to export; allowed: {', '.join(FORMS)}.")
    if stages is not None and format != "facevid":
        raise DatasetError(
            f"Stages are for the format facevid, not {format}; export a stage of it when it is out."
        )
    if format not in ("csv", "jsonl") and (named := Path(output).suffix.lower()[1:]) in ("csv", "jsonl"):
        raise DatasetError(
            f"{output} is named like a table, and the format {format} fills a folder; choose the format {named}, or "
            "name a folder."
        )
    opened = dataset if isinstance(dataset, Dataset) else open(dataset, storage_options=storage_options)
    choice = choose(
        opened, where=where, subset=subset, split=split, require_consent=require_consent, licences=licence
    )
    target = local_place(output)
    choice = without_taken_down(choice, target)
    if stages is not None:
        write_staged(
            choice, target, stages=stages, by=by, seed=seed, shard_bytes=shard_bytes, on_shard=on_progress
        )
    elif format == "facevid":
        write_own(choice, target, shard_bytes=shard_bytes, on_shard=on_progress)
    elif format == "folder":
        export_files(choice, target, on_clip=on_progress)
    elif format == "webdataset":
        export_webdataset(choice, target, shard_bytes=shard_bytes, on_clip=on_progress)
    elif format == "huggingface":
        export_huggingface(choice, target, file_bytes=min(shard_bytes, 500_000_000), on_clip=on_progress)
    else:
        (export_csv if format == "csv" else export_jsonl)(choice, target)
    told = record(choice.dataset, format)
    return {"output": str(target), "left_out": len(opened) - len(choice.dataset), **told}
