"""Fetches a whole dataset from a hub, a bucket or a web server; a fetch that broke off goes on where it stopped."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from facevid.dataset.dataset import Dataset
from facevid.dataset.publish import has_size, publish
from facevid.dataset.published import MANIFEST, DatasetError, Manifest, PublishedFile, check_output
from facevid.dataset.reading import Reading
from facevid.dataset.sharing.taken_down import TakenDown
from facevid.dataset.sharing.travelling import DOCUMENTS, beside_files
from facevid.dataset.storage import NoByteRanges, Storage, storage_of
from facevid.dataset.tables import staging_folder
from facevid.dataset.writing import local_place
from facevid.engine import atomic_path, file_sha256, folder_lock, write_json_atomic

PULLED = "pulled.json"
"""Tells where the dataset in a folder was fetched from, so that a later pull may bring it up to date."""
_READ, _BLOCK = 1 << 20, 32 << 20
_TRIES, _PAUSE_S = 4, 1.0  # a connection that breaks is taken up again, after 1, 2 and 4 seconds


@dataclass(frozen=True)
class Pulled:
    """What a pull brought."""

    output: str
    files: int
    bytes: int
    """Of all files of the dataset."""
    fetched_bytes: int
    """Of what was not here yet."""


def pull(
    source: str,
    output: str | os.PathLike[str],
    *,
    storage_options: Mapping[str, Any] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Pulled:
    """Fetch the dataset at an address (`hf://datasets/ORG/NAME`, `s3://...`, `https://...`, a folder) to `output`.

    Every file is checked against the SHA-256 that `dataset.json` gives; a file of which a part is here is fetched from
    there on. What `output` held of an earlier pull from the same address is brought up to date, and only what changed
    travels. Readers of `output` see the old dataset or the new one. on_progress: called with bytes done and all bytes.
    Raises DatasetError where `output` holds anything else, a file does not have its SHA-256, or clips would come back
    that were taken down here.
    """
    storage, target = storage_of(source, storage_options), local_place(output)
    manifest = storage.manifest()
    _check(target, storage.location)
    with folder_lock(target / ".work"):
        write_json_atomic({"from": storage.location}, target / PULLED)
        old = check_output(target)
        staged = staging_folder(target, manifest.dumps().encode())
        total = sum(f.bytes for f in manifest.files)
        here = {(f.path, f.sha256): f.stored_as for f in old.files} if old else {}
        done = fetched = 0
        for file in manifest.files:
            name = here.get((file.path, file.sha256))
            if name is None or not has_size(target / name, file.bytes):
                fetched += _fetch(storage, file, staged / file.path)
            done += file.bytes
            if on_progress:
                on_progress(done, total)
        _check_tombstones(storage, manifest, target)
        beside = beside_files(storage)
        _write(target, {k: v for k, v in beside.items() if k not in DOCUMENTS})
        plain = [replace(f, stored_as=f.path) for f in manifest.files]
        publish(target, staged=staged, files=plain, about=manifest.about, card=None)
        # A publication makes the card anew; here it stays as its makers wrote it.
        _write(target, {k: v for k, v in beside.items() if k in DOCUMENTS})
        shutil.rmtree(target / ".work", ignore_errors=True)
    return Pulled(str(target), len(manifest.files), total, fetched)


def _write(output: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        with atomic_path(output / name) as partial:
            partial.write_bytes(data)


def _check(output: Path, location: str) -> None:
    note = output / PULLED
    if note.is_file():
        try:
            there = json.loads(note.read_text(encoding="utf-8"))["from"]
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(
                f"{note} cannot be read ({error!r}); remove {output} and pull again."
            ) from error
        if there != location:
            raise DatasetError(f"{output} was pulled from {there}, not from {location}; name another folder.")
        return
    if output.exists() and (not output.is_dir() or any(p.name != ".work" for p in output.iterdir())):
        raise DatasetError(f"{output} is not empty and was not pulled; name an empty or new folder.")


def _fetch(storage: Storage, file: PublishedFile, path: Path) -> int:
    """Fetch a file to `path`, from where an earlier try stopped; returns the bytes that travelled."""
    if has_size(path, file.bytes):
        return 0
    partial = path.with_name(path.name + ".partial")
    before = partial.stat().st_size if partial.exists() else 0
    for attempt in range(_TRIES):
        try:
            _go_on(storage, file, partial)
            break
        except DatasetError:
            if attempt == _TRIES - 1:
                raise
            time.sleep(_PAUSE_S * 2**attempt)
    if file_sha256(partial) != file.sha256:
        partial.unlink()
        raise DatasetError(
            f"{storage.location}/{file.stored_as} does not have the SHA-256 that its {MANIFEST} gives; it is damaged "
            "there, or was published anew just now: pull again."
        )
    partial.replace(path)
    return file.bytes - before


def _go_on(storage: Storage, file: PublishedFile, partial: Path) -> None:
    start = partial.stat().st_size if partial.exists() else 0
    with partial.open("ab") as target:
        if start > file.bytes:
            target.truncate(0)
            start = 0
        while start < file.bytes:
            try:
                block = storage.read(file, start, min(_BLOCK, file.bytes - start))
            except NoByteRanges:
                target.truncate(0)
                with storage.open(file) as whole:
                    shutil.copyfileobj(whole, target, _READ)
                break
            if not block:
                raise DatasetError(
                    f"{storage.location}/{file.stored_as} ends after {start} of {file.bytes} bytes; pull again."
                )
            target.write(block)
            start += len(block)
        target.flush()
        os.fsync(target.fileno())


def _check_tombstones(storage: Storage, manifest: Manifest, output: Path) -> None:
    there = Dataset(Reading(storage, manifest))
    rows = there.rows(["clip_id", "source_id", "start_s", "end_s"])
    back = int(TakenDown([there], output).covers(rows).sum())
    if back:
        raise DatasetError(
            f"{back} clips of {storage.location} were taken down, here or there, and would come back; "
            f"facevid export {storage.location} leaves them out, into another folder."
        )
