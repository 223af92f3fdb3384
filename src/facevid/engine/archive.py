"""A folder or a file as one object: an uncompressed tar archive of which single files can be read where it lies."""

from __future__ import annotations

import contextlib
import tarfile
from collections.abc import Iterator
from pathlib import Path

from facevid.engine.step import StorageError
from facevid.storage import Place, PlaceError, RangeFile

UNIT = "unit"
"""What the folder or file is called inside the archive."""


def pack(made: Path, archive: Path) -> None:
    """Write a folder or a file as an uncompressed tar archive whose bytes depend on names and contents alone.

    Small files come first, so that one of them can be read without the large ones.
    """
    inside = sorted((p for p in made.rglob("*") if p.is_file()), key=lambda p: (p.stat().st_size, str(p)))
    with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT) as tar:
        for path in [made, *inside]:
            below = path.relative_to(made).as_posix()
            info = tarfile.TarInfo(UNIT if path == made else f"{UNIT}/{below}")
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
    return room / UNIT


def peek(place: Place, name: str, member: str) -> bytes:
    """One file of an archive of a folder that lies at an address; little more than that travels. Raises PlaceError."""
    with RangeFile(place.child(name)) as file, tarfile.open(fileobj=file, mode="r:") as tar:
        found = tar.extractfile(f"{UNIT}/{member}")
        assert found is not None, member
        return found.read()


@contextlib.contextmanager
def named() -> Iterator[None]:
    """A place that cannot be used stops the run: every item would meet the same."""
    try:
        yield
    except PlaceError as error:
        raise StorageError(f"{error} What is finished is kept.") from error
