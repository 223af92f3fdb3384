"""Checks the files of a dataset's place against `dataset.json`: missing, cut off, changed, left over, not listed."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator

from facevid.dataset.describing.card import CROISSANT, DOCUMENTS
from facevid.dataset.published import JOURNAL, MANIFEST, MEDIA, TABLES, Manifest, PublishedFile
from facevid.dataset.removing.tombstones import TOMBSTONES
from facevid.dataset.sharing.pulling import PULLED
from facevid.dataset.verifying.faults import Fault
from facevid.dataset.verifying.place import Checked

_LEFT = re.compile(r".*\.partial|\..*\.tmp-.*|(part|shard)-\d{5}-[0-9a-f]{64}\.(parquet|tar)")
_OURS = {MANIFEST, TOMBSTONES, PULLED, *DOCUMENTS, ".gitattributes", ".gitignore"}
BESIDES = frozenset({".work", ".git", ".cache", "subsets", "review", "receipts", "stages"})
"""Folders of which the check of the files takes no notice."""
_PAPERS = re.compile(r"(LICEN[CS]E|NOTICE|CITATION|TERMS)[^/]*", re.IGNORECASE)


def folder_faults(files: Checked, manifest: Manifest) -> Iterator[Fault]:
    """What is wrong with the dataset's place as such; contents of listed files are not looked at."""
    for name, times in Counter(f.path for f in manifest.files).items():
        if times > 1:
            yield Fault("file_twice", name, f"{MANIFEST} lists it {times} times.")
    for file in manifest.files:
        yield from _size_fault(files, file)
        if file.stored_as != file.path:
            yield Fault(
                "leftover",
                file.stored_as,
                f"It should be called {file.path}: a publication was not finished.",
            )
    listed = {f.stored_as for f in manifest.files}
    for name in files.names() or ():
        if name in listed:
            continue
        if name == JOURNAL:
            yield Fault("takedown_pending", name, "A takedown has begun and is not finished.")
        elif _LEFT.fullmatch(name.rpartition("/")[2]):
            yield Fault("leftover", name, "A run that was killed left it.")
        elif name.split("/")[0] in (*TABLES, MEDIA) or not (name in _OURS or _PAPERS.fullmatch(name)):
            yield Fault("file_unlisted", name, f"{MANIFEST} does not list it.")
    yield from _document_faults(files, manifest)


def _size_fault(files: Checked, file: PublishedFile) -> Iterator[Fault]:
    size = files.size(file.stored_as)
    if size is None:
        yield Fault("file_missing", file.stored_as, f"{MANIFEST} lists it, and it is not there.")
    elif size != file.bytes:
        yield Fault("file_size", file.stored_as, f"It has {size:,} bytes and should have {file.bytes:,}.")


def _document_faults(files: Checked, manifest: Manifest) -> Iterator[Fault]:
    for name in DOCUMENTS:
        if files.size(name) is None:
            yield Fault("document_missing", name, "The dataset has none.")
    try:
        data = files.beside(CROISSANT)
        if data is None:
            return
        said = json.loads(data)
        hashes = {f["@id"]: f.get("sha256") for f in said["distribution"] if f["@type"] == "cr:FileObject"}
    except (ValueError, KeyError, TypeError) as error:
        yield Fault("document_stale", CROISSANT, f"It cannot be read ({error!r}).")
        return
    if hashes != {f.path: f.sha256 for f in manifest.files}:
        yield Fault("document_stale", CROISSANT, f"It lists other files, or other hashes, than {MANIFEST}.")


def hash_fault(files: Checked, file: PublishedFile) -> Iterator[Fault]:
    """Whether a file has the bytes that `dataset.json` says; nothing where it is missing, which is told elsewhere."""
    try:
        with files.open(file) as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()  # type: ignore[arg-type]
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
