"""A folder that an export fills: whole files only, and a killed export goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from facevid.dataset.dataset import Dataset
from facevid.dataset.describing.card import dataset_card
from facevid.dataset.published import DatasetError
from facevid.dataset.rights import RIGHTS, rights_of
from facevid.dataset.sharing.choose import Choice
from facevid.dataset.sharing.own import is_in, origin
from facevid.dataset.sharing.tables import write_csv
from facevid.engine import atomic_path, clear_stale, folder_lock, write_json_atomic

RECORD = "export.json"
"""The file that is written last; a folder without it holds an export that has not finished."""
_WORK = ".export"
_SOURCE_COLUMNS = ("source_id", "source_name", *RIGHTS)


@contextmanager
def export_folder(
    choice: Choice,
    output: Path,
    *,
    form: str,
    options: Mapping[str, Any],
    card: tuple[list[dict[str, Any]], str],
) -> Iterator[Path]:
    """Own the folder of an export; on success write its card, `sources.csv` and, last, `export.json`.

    card: what a hub's viewer may load, and how to read the export.

    Within the block a file that is there already under its final name is whole and is that of this very export: the
    folder belongs to one choice of clips of one state of a dataset in one form. Raises DatasetError where `output`
    holds anything else, FolderBusy while another process exports there.
    """
    dataset = choice.dataset
    asked = {"form": form, "options": dict(options), "dataset": _state(choice)}
    key = hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()
    _check(output, key)
    with folder_lock(output / _WORK):
        write_json_atomic({"key": key}, output / _WORK / "asked.json")
        clear_stale(output)
        yield output
        text = dataset_card(dataset, configs=card[0], use=card[1])
        with atomic_path(output / "README.md") as partial:
            partial.write_text(text, encoding="utf-8")
        write_csv(_sources(dataset), output / "sources.csv")
        write_json_atomic(record(dataset, form) | {"key": key}, output / RECORD)
        shutil.rmtree(output / _WORK, ignore_errors=True)


def record(dataset: Dataset, form: str) -> dict[str, Any]:
    """What an export tells of itself: where its clips came from, under which licences and with what consent."""
    rights = rights_of(dataset)
    return {
        "format": "facevid-export",
        "version": 1,
        "form": form,
        "name": dataset.name,
        "licence": dataset.manifest.about.get("licence"),
        "clips": len(dataset),
        "licences_of_sources": _clips_by(rights["licence"]),
        "consent_of_sources": _clips_by(rights["consent"]),
        "made_from": [origin(dataset, len(dataset))],
    }


def whole_file(path: Path, data: bytes) -> None:
    """Write a file under its final name, whole, unless it is there."""
    if not path.exists():
        with atomic_path(path) as partial:
            partial.write_bytes(data)


def _check(output: Path, key: str) -> None:
    if not output.exists():
        return
    if not output.is_dir():
        raise DatasetError(f"{output} is a file; name a folder for the export.")
    for note in (output / RECORD, output / _WORK / "asked.json"):
        if note.is_file():
            try:
                there = json.loads(note.read_text(encoding="utf-8")).get("key")
            except (ValueError, AttributeError) as error:
                raise DatasetError(
                    f"{note} cannot be read ({error}); remove {output} and export again."
                ) from error
            if there != key:
                raise DatasetError(
                    f"{output} holds another export, or one of an earlier state of the dataset; "
                    "name another folder, or remove it first."
                )
            return
    if names := sorted(p.name for p in output.iterdir() if p.name != _WORK):
        raise DatasetError(
            f"{output} is not empty and no export (it holds {', '.join(names[:3])}); name an empty or new folder."
        )


def _state(choice: Choice) -> str:
    """A hash of the published state of a dataset and of the clips chosen of it, with their splits."""
    digest = hashlib.sha256(choice.dataset.manifest.dumps().encode())
    for clip_id, split in zip(choice.dataset.ids.to_pylist(), choice.splits().to_pylist(), strict=True):
        digest.update(f"\n{clip_id} {split}".encode())
    return digest.hexdigest()


def _sources(dataset: Dataset) -> pa.Table:
    sources = dataset.to_arrow("sources").select(list(_SOURCE_COLUMNS))
    return sources.filter(is_in(sources["source_id"], dataset.rows(["source_id"])["source_id"]))


def _clips_by(column: pa.ChunkedArray) -> dict[str, int]:
    counts = Counter("not stated" if v is None else str(v) for v in column.to_pylist())
    return dict(sorted(counts.items()))
