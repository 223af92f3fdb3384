"""Copies a dataset to a hub or a bucket; a copy that broke off goes on where it stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import fsspec

from facevid.dataset.choosing.subset_file import SUBSETS
from facevid.dataset.dataset import Dataset, open
from facevid.dataset.published import (
    MANIFEST,
    MEDIA,
    TABLES,
    DatasetError,
    Manifest,
    PublishedFile,
    parse_manifest,
)
from facevid.dataset.sharing.travelling import beside_files
from facevid.engine import file_sha256
from facevid.storage import on_the_way

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
    return _Copy(folder, opened, target, storage_options or {}).run(on_progress)


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


def is_ours(name: str) -> bool:
    """Whether a file of this name in a dataset's place is one that a publication of it would make or remove."""
    folder, _, rest = name.partition("/")
    if folder == SUBSETS:
        return rest.endswith(".json") and "/" not in rest
    return folder in (*TABLES, MEDIA) and rest.endswith((".parquet", ".tar")) and "/" not in rest


class _Copy:
    """A copy to a file system of fsspec. The protocol is that of `publish`: what is new goes beside what is old, then
    `dataset.json` is replaced, then what it does not list goes, and names with a hash become plain.
    """

    def __init__(self, folder: Path, dataset: Dataset, target: str, options: Mapping[str, Any]) -> None:
        self._folder, self._dataset, self._target = folder, dataset, target.rstrip("/")
        try:
            self._fs, self._root = fsspec.core.url_to_fs(self._target, **options)
        except (ImportError, ValueError) as error:
            raise DatasetError(
                f"{target} cannot be written to: {error}; see the addresses that fsspec knows."
            ) from error
        # A file system of this machine shows a file while it is written; a bucket shows it once it is whole.
        protocols = [self._fs.protocol] if isinstance(self._fs.protocol, str) else self._fs.protocol
        self._growing = bool({"file", "local"} & set(protocols))

    def run(self, on_progress: Callable[[int, int], None] | None) -> Pushed:
        try:
            return self._run(on_progress)
        except on_the_way() as error:
            told = " ".join(str(error).split()) or type(error).__name__
            raise DatasetError(
                f"{self._target} cannot be written to ({told}); check the address, the network and your login. What "
                "was sent is kept: push again to go on."
            ) from error

    def _run(self, on_progress: Callable[[int, int], None] | None) -> Pushed:
        manifest = self._dataset.manifest
        old, ledger = self._old(), self._ledger()
        taken = {f.stored_as: f for f in old.files} if old else {}
        placed, done, sent = [], 0, 0
        total = sum(f.bytes for f in manifest.files)
        for file in manifest.files:
            name, there = self._name(file, taken, ledger)
            if not there:
                self._send(checked(self._folder, file), name, file.bytes)
                ledger[name] = file.sha256
                self._pipe(LEDGER, json.dumps(ledger, indent=1).encode())
                sent += 1
            placed.append(replace(file, stored_as=name))
            done += file.bytes
            if on_progress:
                on_progress(done, total)
        beside = beside_files(self._dataset.storage)
        for name, data in beside.items():
            self._pipe(name, data)
        new = Manifest(manifest.about, tuple(placed))
        self._switch(new, beside)
        if any(f.stored_as != f.path for f in new.files):
            for file in new.files:
                if file.stored_as != file.path:
                    self._fs.copy(f"{self._root}/{file.stored_as}", f"{self._root}/{file.path}")
            self._switch(plain_manifest(new), beside)
        if self._fs.exists(f"{self._root}/{LEDGER}"):
            self._fs.rm_file(f"{self._root}/{LEDGER}")
        return Pushed(self._target, len(manifest.files), total, sent)

    def _name(
        self, file: PublishedFile, taken: Mapping[str, PublishedFile], ledger: Mapping[str, str]
    ) -> tuple[str, bool]:
        """Under which name a file goes there, and whether it is there."""
        for name, there in taken.items():
            if there.path == file.path and there.sha256 == file.sha256 and self._size(name) == file.bytes:
                return name, True
        stem, dot, suffix = file.path.rpartition(".")
        name = f"{stem}-{file.sha256}{dot}{suffix}" if file.path in taken else file.path
        return name, ledger.get(name) == file.sha256 and self._size(name) == file.bytes

    def _send(self, path: Path, name: str, size: int) -> None:
        where = f"{self._root}/{name}"
        self._fs.makedirs(where.rpartition("/")[0], exist_ok=True)
        if self._growing:
            self._fs.put_file(str(path), f"{where}.partial")
            self._fs.mv(f"{where}.partial", where)
        else:
            self._fs.put_file(str(path), where)
        if self._size(name) != size:
            raise OSError(f"{name} arrived with {self._size(name)} of {size} bytes")

    def _switch(self, manifest: Manifest, beside: Iterable[str]) -> None:
        self._pipe(MANIFEST, manifest.dumps().encode())
        listed = {f.stored_as for f in manifest.files} | set(beside)
        for folder in (*TABLES, MEDIA, SUBSETS):
            if self._fs.exists(f"{self._root}/{folder}"):
                for path in self._fs.ls(f"{self._root}/{folder}", detail=False, refresh=True):
                    name = f"{folder}/{str(path).rpartition('/')[2]}"
                    if name not in listed and is_ours(name):
                        self._fs.rm_file(f"{self._root}/{name}")

    def _pipe(self, name: str, data: bytes) -> None:
        where = f"{self._root}/{name}"
        self._fs.makedirs(where.rpartition("/")[0], exist_ok=True)
        if self._growing:
            self._fs.pipe_file(f"{where}.partial", data)
            self._fs.mv(f"{where}.partial", where)
        else:
            self._fs.pipe_file(where, data)

    def _size(self, name: str) -> int | None:
        self._fs.invalidate_cache()
        try:
            return int(self._fs.info(f"{self._root}/{name}")["size"])
        except FileNotFoundError:
            return None

    def _old(self) -> Manifest | None:
        data = self._read(MANIFEST)
        if data is not None:
            return parse_manifest(data, f"{self._target}/{MANIFEST}")
        try:
            names = [str(p).rstrip("/").rpartition("/")[2] for p in self._fs.ls(self._root, detail=False)]
        except FileNotFoundError:
            return None
        if names and LEDGER not in names:
            raise DatasetError(
                f"{self._target} is not empty and not a dataset (it holds {', '.join(sorted(names)[:3])}); "
                "name an empty place."
            )
        return None

    def _ledger(self) -> dict[str, str]:
        data = self._read(LEDGER)
        try:
            return {str(k): str(v) for k, v in json.loads(data).items()} if data else {}
        except (ValueError, AttributeError):
            return {}  # a ledger cut off halfway: whatever it told of is sent again

    def _read(self, name: str) -> bytes | None:
        try:
            return bytes(self._fs.cat_file(f"{self._root}/{name}"))
        except FileNotFoundError:
            return None
