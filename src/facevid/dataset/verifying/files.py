"""Checks the files of a dataset's folder against `dataset.json`: missing, cut off, changed, left over, not listed."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from facevid.dataset.describing.card import CROISSANT, DOCUMENTS
from facevid.dataset.published import JOURNAL, MANIFEST, MEDIA, TABLES, Manifest, PublishedFile
from facevid.dataset.removing.tombstones import TOMBSTONES
from facevid.dataset.sharing.pulling import PULLED
from facevid.dataset.verifying.faults import Fault
from facevid.engine import file_sha256

_LEFT = re.compile(r".*\.partial|\..*\.tmp-.*|(part|shard)-\d{5}-[0-9a-f]{64}\.(parquet|tar)")
_OURS = {MANIFEST, TOMBSTONES, PULLED, *DOCUMENTS, ".gitattributes", ".gitignore"}
_FOLDERS = {".work", ".git", ".cache", "subsets", "review", "receipts", "stages"}
_PAPERS = re.compile(r"(LICEN[CS]E|NOTICE|CITATION|TERMS)[^/]*", re.IGNORECASE)


def folder_faults(folder: Path, manifest: Manifest) -> Iterator[Fault]:
    """What is wrong with the folder as such; contents of listed files are not looked at."""
    for name, times in Counter(f.path for f in manifest.files).items():
        if times > 1:
            yield Fault("file_twice", name, f"{MANIFEST} lists it {times} times.")
    for file in manifest.files:
        yield from _size_fault(folder, file)
        if file.stored_as != file.path:
            yield Fault(
                "leftover",
                file.stored_as,
                f"It should be called {file.path}: a publication was not finished.",
            )
    listed = {f.stored_as for f in manifest.files}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or name.split("/")[0] in _FOLDERS or name in listed:
            continue
        if name == JOURNAL:
            yield Fault("takedown_pending", name, "A takedown has begun and is not finished.")
        elif _LEFT.fullmatch(path.name):
            yield Fault("leftover", name, "A run that was killed left it.")
        elif name.split("/")[0] in (*TABLES, MEDIA) or not (name in _OURS or _PAPERS.fullmatch(name)):
            yield Fault("file_unlisted", name, f"{MANIFEST} does not list it.")
    yield from _document_faults(folder, manifest)


def _size_fault(folder: Path, file: PublishedFile) -> Iterator[Fault]:
    try:
        size = (folder / file.stored_as).stat().st_size
    except OSError:
        yield Fault("file_missing", file.stored_as, f"{MANIFEST} lists it, and it is not there.")
        return
    if size != file.bytes:
        yield Fault("file_size", file.stored_as, f"It has {size:,} bytes and should have {file.bytes:,}.")


def _document_faults(folder: Path, manifest: Manifest) -> Iterator[Fault]:
    for name in DOCUMENTS:
        if not (folder / name).is_file():
            yield Fault("document_missing", name, "The dataset has none.")
    try:
        said = json.loads((folder / CROISSANT).read_text(encoding="utf-8"))
        hashes = {f["@id"]: f.get("sha256") for f in said["distribution"] if f["@type"] == "cr:FileObject"}
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError) as error:
        yield Fault("document_stale", CROISSANT, f"It cannot be read ({error!r}).")
        return
    if hashes != {f.path: f.sha256 for f in manifest.files}:
        yield Fault("document_stale", CROISSANT, f"It lists other files, or other hashes, than {MANIFEST}.")


def hash_fault(folder: Path, file: PublishedFile) -> Iterator[Fault]:
    """Whether a file has the bytes that `dataset.json` says; nothing where it is missing, which is told elsewhere."""
    try:
        digest = file_sha256(folder / file.stored_as)
    except FileNotFoundError:
        return
    except OSError as error:
        yield Fault("file_damaged", file.stored_as, f"It cannot be read: {error.strerror}.")
        return
    yield from said_hash(file, digest)


def said_hash(file: PublishedFile, digest: str) -> Iterator[Fault]:
    """A fault where a file's SHA-256 is another."""
    if digest != file.sha256:
        yield Fault(
            "file_damaged", file.stored_as, "Its bytes do not have the SHA-256 that dataset.json gives."
        )
