"""A folder or a file as one object: an uncompressed tar archive of which single files can be read where it lies."""

from __future__ import annotations

import contextlib
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

from facevid.engine.step import StorageError
from facevid.storage import BadBody, Place, PlaceError, retried

_ROOT = "unit"
_RECORD = 10240  # what tar archives are padded to, with two blocks of zeros at the end (POSIX.1-1988, ustar)
_BLOCK = 1 << 20


def pack(made: Path, archive: Path) -> None:
    """Write a folder or a file as an uncompressed tar archive whose bytes depend on names and contents alone.

    Small files come first, so that one of them can be read without the large ones.
    """
    inside = sorted((p for p in made.rglob("*") if p.is_file()), key=lambda p: (p.stat().st_size, str(p)))
    with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT) as tar:
        for path in [made, *inside]:
            below = path.relative_to(made).as_posix()
            info = tarfile.TarInfo(_ROOT if path == made else f"{_ROOT}/{below}")
            if path.is_dir():
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
            else:
                info.size, info.mode = path.stat().st_size, 0o644
                with path.open("rb") as file:
                    tar.addfile(info, file)


def unpack(archive: Path, room: Path) -> Path:
    """What `pack` packed, in `room`."""
    with tarfile.open(archive, "r:") as tar:
        tar.extractall(room, filter="data")
    return room / _ROOT


def is_whole(archive: Path) -> bool:
    """Whether an archive has its end, and all of every file in it."""
    size = archive.stat().st_size
    if size < _RECORD or size % _RECORD:
        return False
    with archive.open("rb") as file:
        file.seek(-1024, os.SEEK_END)
        if file.read().strip(b"\0"):
            return False
    try:
        with tarfile.open(archive, "r:") as tar:
            return sum(1 for _ in tar) > 0
    except tarfile.TarError:
        return False


def peek(place: Place, name: str, member: str) -> bytes:
    """One file of an archive of a folder that lies at an address; little more than that travels. Raises PlaceError."""

    def call() -> bytes:
        place.fs.invalidate_cache()
        with place.fs.open(f"{place.root.rstrip('/')}/{name}", "rb", block_size=_BLOCK) as file:
            try:
                with tarfile.open(fileobj=file, mode="r:") as tar:
                    found = tar.extractfile(f"{_ROOT}/{member}")
                    assert found is not None
                    return found.read()
            except (tarfile.TarError, KeyError) as error:
                raise BadBody(f"it is no whole archive ({error})") from error

    return retried(call, what=f"{place.location}/{name}")


@contextlib.contextmanager
def named() -> Iterator[None]:
    """A place that cannot be used stops the run: every item would meet the same."""
    try:
        yield
    except PlaceError as error:
        raise StorageError(f"{error} What is finished is kept.") from error
