"""Footage behind an address: what lies there, which version it is, and its SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from facevid.curate.manifest import MANIFEST_SUFFIXES, FootageError, Found, read_manifest
from facevid.engine import StepError
from facevid.storage import (
    UNREACHABLE,
    Head,
    Place,
    PlaceError,
    RangeFile,
    canonical,
    file_name,
    files_below,
    heads,
    kind_of,
    matches,
)

_BLOCK = 1 << 20


def find_remote(address: str, suffixes: frozenset[str]) -> Iterator[Found]:
    """Footage that an address names: a file, a manifest, a folder and all below it, or a glob.

    suffixes: endings that count as footage in a folder. Hidden files and folders are left out. A web server has no
    folders, so an address of one is a file unless it ends with "/", where the server's own list of links is read.
    Raises FootageError for what is not there or cannot be asked.
    """
    try:
        place = Place(address)
        if place.is_web:
            kind = "directory" if address.endswith("/") else None if _is_pattern(address) else "file"
        else:
            # Asked first: a name may hold the brackets of a pattern.
            kind = kind_of(place)
        if kind is None and _is_pattern(address):
            for match, what in matches(place).items():
                # As in a shell: "*" does not name what is hidden.
                if "/." not in match or "/." in address:
                    yield from _of_kind(match, what, suffixes)
        elif kind is None:
            raise FootageError(f"There is no {address}; give video files, folders, globs or a manifest.")
        else:
            yield from _of_kind(address, kind, suffixes)
    except PlaceError as error:
        raise FootageError(str(error)) from error


def _of_kind(address: str, kind: str, suffixes: frozenset[str]) -> Iterator[Found]:
    if kind == "directory":
        for entry in files_below(Place(address)):
            path = PurePosixPath(entry.path)
            if path.suffix.lower() in suffixes and not any(part.startswith(".") for part in path.parts):
                yield Found(entry.address, head=entry.head)
    elif PurePosixPath(file_name(address)).suffix.lower() in MANIFEST_SUFFIXES:
        yield from read_manifest(address)
    else:
        yield Found(canonical(address))


def _is_pattern(address: str) -> bool:
    # In the address of a web server a "?" begins the query.
    return any(sign in address for sign in ("*[" if address.startswith("http") else "*?["))


def heads_of(found: Sequence[Found]) -> dict[str, Head | None]:
    """Size and version of each file behind an address; None where it could not be told."""
    known: dict[str, Head | None] = {
        one.location: one.head for one in found if not isinstance(one.path, Path) and one.head is not None
    }
    asked = [one.location for one in found if not isinstance(one.path, Path) and one.location not in known]
    return known | heads(asked)


def remote_sha256(address: str) -> str:
    """SHA-256 of the bytes behind an address, in hexadecimal. Raises StepError."""
    digest = hashlib.sha256()
    try:
        with RangeFile(address) as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except PlaceError as error:
        kind = error.kind if error.kind in (UNREACHABLE, "missing") else "unreadable"
        raise StepError(kind, str(error)) from error
    return digest.hexdigest()
