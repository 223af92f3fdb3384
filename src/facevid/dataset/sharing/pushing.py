"""Copies a dataset to a hub or a bucket; a copy that broke off goes on where it stopped."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from facevid.dataset.choosing.subset_file import SUBSETS
from facevid.dataset.dataset import Dataset, open
from facevid.dataset.published import MANIFEST, MEDIA, TABLES, DatasetError, Manifest, PublishedFile
from facevid.dataset.sharing.outbox import Outbox
from facevid.dataset.sharing.travelling import beside_files
from facevid.engine import FolderBusy, file_sha256
from facevid.engine.remote_lock import holder, lock_of
from facevid.storage import Place, PlaceError
from facevid.storage.objects import write

LEDGER = "push.json"
"""Lies beside an unfinished copy and tells which files of it are whole; a finished one has none."""


@dataclass(frozen=True)
class Pushed:
    """What a push sent."""

    target: str
    files: int
    bytes: int
    """Of all files of the dataset."""
    sent: int
    """How many files were not there yet."""
    replaced: str | None = None
    """The dataset of another name that was there before, in words; a hub keeps such in its history."""


def push(
    dataset: Dataset | str | os.PathLike[str],
    target: str,
    *,
    private: bool = True,
    storage_options: Mapping[str, Any] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Pushed:
    """Copy the dataset in a folder to an address: `hf://datasets/ORG/NAME`, `s3://BUCKET/FOLDER`, or any of fsspec's.

    Every file is checked against its SHA-256 before it is sent, `dataset.json` goes last, and files that are there
    already are not sent again: neither after a push that broke off nor when only a few have changed. A reader there
    finds the old dataset or the new one. private: whether a hub repository that is made is private. storage_options:
    for the file system, such as a key; a hub's token is taken from there, else from `HF_TOKEN` or the login on this
    machine. on_progress: called with bytes done and all bytes. Raises DatasetError where a file is damaged, the target
    holds anything but a dataset, or cannot be reached.
    """
    opened = dataset if isinstance(dataset, Dataset) else open(dataset)
    if len(opened) != sum(f.rows for f in opened.manifest.of("clips")):
        raise DatasetError(
            "Only a whole dataset can be pushed; export the chosen clips first, and push that."
        )
    folder = opened.folder
    if target.startswith("hf://"):
        from facevid.dataset.sharing.hub import push_to_hub

        return push_to_hub(
            opened, target, private=private, options=storage_options or {}, on_progress=on_progress
        )
    return _copy(folder, opened, target, storage_options or {}, on_progress)


def checked(folder: Path, file: PublishedFile) -> Path:
    """The path of a file that has its SHA-256. Raises DatasetError otherwise."""
    path = folder / file.stored_as
    if file_sha256(path) != file.sha256:
        raise DatasetError(
            f"{path} does not have the SHA-256 that {MANIFEST} gives; facevid verify {folder} tells what is damaged. "
            "Nothing of it was sent."
        )
    return path


def plain_manifest(manifest: Manifest) -> Manifest:
    """The manifest with every file under its plain name."""
    return Manifest(manifest.about, tuple(replace(f, stored_as=f.path) for f in manifest.files))


def _copy(
    folder: Path,
    dataset: Dataset,
    target: str,
    options: Mapping[str, Any],
    on_progress: Callable[[int, int], None] | None,
) -> Pushed:
    """Push to a file system of fsspec."""
    try:
        return _send_all(folder, dataset, Place(target, options), on_progress)
    except PlaceError as error:
        raise DatasetError(
            f"{target.rstrip('/')} cannot be written to ({error}); check the address, the network and your login. What "
            "was sent is kept: push again to go on."
        ) from error


def _send_all(
    folder: Path, dataset: Dataset, place: Place, on_progress: Callable[[int, int], None] | None
) -> Pushed:
    if (found := lock_of(place)) is not None:
        raise FolderBusy(
            f"{holder(found)} builds in {place.location}, or did until it died: let that build finish, or remove its "
            f"work folder with `facevid clean {place.location}`"
        )
    manifest, outbox = dataset.manifest, Outbox(place, note=LEDGER)
    placed, done, sent = [], 0, 0
    total = sum(f.bytes for f in manifest.files)
    for file in manifest.files:
        there = outbox.there(file)
        if there is None:
            there = outbox.send(checked(folder, file), file)
            sent += 1
        placed.append(there)
        done += file.bytes
        if on_progress:
            on_progress(done, total)
    beside = beside_files(dataset.storage)
    for name, data in beside.items():
        write(place, name, data)
    outbox.switch(Manifest(manifest.about, tuple(placed)), folders=(*TABLES, MEDIA, SUBSETS), ours=beside)
    outbox.close()
    return Pushed(place.location, len(manifest.files), total, sent, _other(outbox.old, manifest))


def _other(old: Manifest | None, new: Manifest) -> str | None:
    """A dataset that is gone now and was no earlier state of the new one."""
    if old is None or old.about.get("name") == new.about.get("name"):
        return None
    return f"{old.about.get('name')} of {sum(f.rows for f in old.of('clips')):,} clips"
