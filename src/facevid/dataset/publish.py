"""Switch a folder from one published dataset to the next; anyone at any moment finds one whole dataset.

The protocol. `dataset.json` is the root of truth: a dataset is the files it lists, and nothing else. It is
only ever replaced by rename. Writing goes in five moves, and a kill between or inside any two is harmless:

1. Everything new is built in `.work/publish-<hash>/`. Nothing outside it has changed.
2. The new files are put into their folders beside the old ones. A file of equal content stays where it is.
   A name that the present `dataset.json` uses for other content is not touched: the new file is stored as
   `shard-00000-<hash>.tar` instead, and the new `dataset.json` will say so (`stored_as`). Readers still see
   the old dataset, since its `dataset.json` lists none of this.
3. `dataset.json` is replaced. This is the switch: from here on readers see the new dataset.
4. Files that it does not list are removed. Names with a hash then take their plain names: first as a second
   (hard) link, then `dataset.json` is replaced by one that lists plain names, then the names with a hash go.
   So plain globs such as `clips/*.parquet` are exact once a build has finished, and the tables do not depend
   on the folder's history.
5. README.md and croissant.json are written from the tables, and the building folder is removed.

A run that was killed is simply run again: moves 2 to 5 find what is done already. A reader that opened the
old dataset and comes back for a file after move 4 is told that the dataset was published anew.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from facevid.dataset.describing.card import DOCUMENTS, write_documents
from facevid.dataset.published import MANIFEST, MEDIA, TABLES, Manifest, PublishedFile, check_output
from facevid.engine import atomic_path

_OURS = re.compile(r"(part|shard)-\d{5}(-[0-9a-f]{64})?\.(parquet|tar)(\.partial)?")


def publish(
    output: Path,
    *,
    staged: Path,
    files: Sequence[PublishedFile],
    about: Mapping[str, Any],
    card: str | None,
    taking_down: bool = False,
) -> Manifest:
    """Make `output` the dataset of `files`, which lie under `staged` by `path` or are in `output` already.

    card: the text of README.md; None: as croissant.json, it is written from the tables. taking_down: this is a
    takedown; anybody else gets a DatasetError while one is not finished.
    """
    old = check_output(output, taking_down=taking_down)
    taken = {f.stored_as: f for f in old.files} if old else {}
    placed = [_place(output, staged, f, taken) for f in files]
    for folder in (*TABLES, MEDIA):
        (output / folder).mkdir(exist_ok=True)
        _sync_folder(output / folder)
    manifest = Manifest(about=dict(about), files=tuple(placed))
    _switch(output, manifest)
    _remove_unlisted(output, manifest)
    if any(f.stored_as != f.path for f in manifest.files):
        manifest = _take_plain_names(output, manifest)
    write_documents(output, card=card)
    shutil.rmtree(staged, ignore_errors=True)
    return manifest


def _place(
    output: Path, staged: Path, file: PublishedFile, taken: Mapping[str, PublishedFile]
) -> PublishedFile:
    """Bring one new file under a name that the present dataset does not use for anything else."""
    for name, there in taken.items():
        if there.path == file.path and there.sha256 == file.sha256 and has_size(output / name, file.bytes):
            return replace(file, stored_as=name)
    name = file.path
    if name in taken:
        stem, dot, suffix = file.path.rpartition(".")
        name = f"{stem}-{file.sha256}{dot}{suffix}"
    target = output / name
    target.parent.mkdir(exist_ok=True)
    _link(staged / file.path, target)
    return replace(file, stored_as=name)


def _take_plain_names(output: Path, manifest: Manifest) -> Manifest:
    for file in manifest.files:
        if file.stored_as != file.path:
            _link(output / file.stored_as, output / file.path)
    for folder in (*TABLES, MEDIA):
        _sync_folder(output / folder)
    plain = replace(manifest, files=tuple(replace(f, stored_as=f.path) for f in manifest.files))
    _switch(output, plain)
    _remove_unlisted(output, plain)
    return plain


def _switch(output: Path, manifest: Manifest) -> None:
    text = manifest.dumps()
    path = output / MANIFEST
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        _write_text(path, text)
        _sync_folder(output)


def _remove_unlisted(output: Path, manifest: Manifest) -> None:
    """Remove our own files that the dataset does not list; files with other names are not touched."""
    for name in (MANIFEST, *DOCUMENTS):
        for path in output.glob(f".{name}.tmp-*"):  # of a killed run; the caller holds the folder's lock
            path.unlink()
    listed = {f.stored_as for f in manifest.files}
    for folder in (*TABLES, MEDIA):
        for path in sorted((output / folder).iterdir()):
            if f"{folder}/{path.name}" not in listed and _OURS.fullmatch(path.name):
                path.unlink()


def _link(source: Path, target: Path) -> None:
    """Give `source` a second name (nobody uses `target`); copy where the file system has no hard links."""
    partial = target.with_name(target.name + ".partial")
    partial.unlink(missing_ok=True)
    try:
        os.link(source, partial)
    except OSError:
        shutil.copyfile(source, partial)
    with partial.open("rb+") as file:
        os.fsync(file.fileno())  # dataset.json must not promise what a power cut can still take away
    target.unlink(missing_ok=True)  # a rename onto another link of the same file would do nothing
    partial.replace(target)


def has_size(path: Path, size: int) -> bool:
    """Whether a file is there and as long as it should be."""
    return path.is_file() and path.stat().st_size == size


def _write_text(path: Path, text: str) -> None:
    with atomic_path(path) as partial:
        Path(partial).write_text(text, encoding="utf-8")


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
