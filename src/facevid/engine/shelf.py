"""What of a dataset behind an address is on this machine: outputs of steps, kept while they are used and there is room.

A unit is a folder or a file that a step wrote whole; its name is its path in the dataset. At the address it is one
object, `NAME.tar`, written by one request. A name stands for one content for good (it ends with the hash of what made
it), so that what is here is never out of date.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from facevid.engine.archive import is_whole, named, pack, peek, unpack
from facevid.engine.files import clear_stale
from facevid.engine.step import StorageError
from facevid.storage import Place
from facevid.storage.objects import fetch, send

SUFFIX = ".tar"
_LOOK_SHARE = 20
_KEEP_SHARE = 0.8
_TRIES = 10


class Shelf:
    """The units of one dataset below `root`, of which those not used for the longest time go first.

    root: a folder of this machine in which `folders` hold the units. limit_bytes: of all units here; what is in use
    stays, so with several processes it may be passed by what each works on and a twentieth of the limit.
    Raises StorageError where the place or the disk refuses.
    """

    def __init__(self, root: Path, place: Place, folders: Sequence[str], limit_bytes: int) -> None:
        self._root, self._place, self._folders = root, place, tuple(folders)
        self._limit = limit_bytes
        self._unseen = limit_bytes  # so that the first addition looks around

    def path(self, name: str) -> Path:
        """Where a unit is while it is here."""
        return self._root / name

    @contextlib.contextmanager
    def held(self, names: Iterable[str]) -> Iterator[None]:
        """Have these units here, brought where they are not, for the length of the `with` block."""
        with contextlib.ExitStack() as stack:
            for name in names:
                handle = self._hold(name)
                stack.callback(os.close, handle)
            yield

    @contextlib.contextmanager
    def making(self) -> Iterator[Path]:
        """An empty folder for what is not whole yet; it goes with the `with` block, or after its process."""
        work = self._root / ".work"
        work.mkdir(parents=True, exist_ok=True)
        folder = _temporary(work / "making")
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def add(self, name: str, made: Path) -> None:
        """Send what was made as the unit of that name; it is kept here too."""
        archive = made.with_name(f"{made.name}{SUFFIX}")
        pack(made, archive)
        self._fits(name, archive.stat().st_size)
        with named():
            send(self._place, archive, name + SUFFIX)
        archive.unlink()
        self._put(name, made)

    def peek(self, name: str, member: str) -> bytes:
        """One file of a unit that is a folder; where the unit is not here, no more than that travels."""
        try:
            return (self.path(name) / member).read_bytes()
        except FileNotFoundError:
            pass
        with named():
            return peek(self._place, name + SUFFIX, member)

    def _hold(self, name: str) -> int:
        """A handle on the unit, by which nobody takes it away."""
        import fcntl

        path = self.path(name)
        for _ in range(_TRIES):
            try:
                handle = os.open(path, os.O_RDONLY)
            except FileNotFoundError:
                self._bring(name)
                continue
            fcntl.flock(handle, fcntl.LOCK_SH)
            if _same(handle, path):
                os.utime(path)
                return handle
            os.close(handle)
        raise StorageError(
            f"{path} is taken away again and again before it can be used: give it more room with FACEVID_SCRATCH_GB"
        )

    def _bring(self, name: str) -> None:
        with self.making() as room:
            archive = room / f"brought{SUFFIX}"
            with named():
                fetch(self._place, name + SUFFIX, archive, whole=is_whole)
            self._fits(name, archive.stat().st_size)
            made = unpack(archive, room)
            archive.unlink()
            self._put(name, made)

    def _put(self, name: str, made: Path) -> None:
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        size = _bytes(made)
        os.utime(made)
        with contextlib.suppress(OSError):  # somebody else brought it meanwhile: it is the same
            made.rename(path)
        self._unseen += size
        if self._unseen * _LOOK_SHARE >= self._limit:
            self.trim()

    def _fits(self, name: str, size: int) -> None:
        if size > self._limit:
            raise StorageError(
                f"{name} has {size / 1e9:.3g} GB and only {self._limit / 1e9:.3g} GB may be kept in {self._root}: set "
                "FACEVID_SCRATCH_GB to more, and FACEVID_SCRATCH to a folder with as much room"
            )

    def trim(self) -> int:
        """Take away what was not used for the longest time, until the rest is well below the limit; bytes that went."""
        self._unseen = 0
        units = []
        for folder in self._folders:
            with contextlib.suppress(FileNotFoundError), os.scandir(self._root / folder) as entries:
                for entry in entries:
                    if not entry.name.startswith("."):
                        with contextlib.suppress(FileNotFoundError):
                            path = Path(entry.path)
                            units.append((entry.stat().st_mtime_ns, path, _bytes(path)))
        total, gone = sum(size for _, _, size in units), 0
        if total <= self._limit:
            return 0
        for _, path, size in sorted(units):
            if total - gone <= self._limit * _KEEP_SHARE:
                break
            gone += size if _take_away(path) else 0
        return gone

    def drop(self, names: Iterable[str]) -> None:
        """Remove units from this machine, if they are here."""
        for name in names:
            _take_away(self.path(name))

    def clear_stale(self) -> None:
        """Remove what dead processes left unfinished."""
        clear_stale(self._root / ".work", recursive=False)


def _take_away(path: Path) -> bool:
    """Remove a unit that nobody uses; whether it went."""
    import fcntl

    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        if not _same(handle, path):
            return False
        aside = _temporary(path)
        path.rename(aside)
    finally:
        os.close(handle)
    if aside.is_dir():
        shutil.rmtree(aside, ignore_errors=True)
    else:
        aside.unlink(missing_ok=True)
    return True


def _same(handle: int, path: Path) -> bool:
    held = os.fstat(handle)
    try:
        found: Any = path.stat()
    except FileNotFoundError:
        return False
    return (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino)


def _bytes(path: Path) -> int:
    """What a unit takes on the disk."""
    if not path.is_dir():
        return path.stat().st_blocks * 512
    return sum(p.stat().st_blocks * 512 for p in [path, *path.rglob("*")])


def _temporary(path: Path) -> Path:
    """A name that `clear_stale` knows."""
    return path.with_name(f".{path.name}.tmp-{os.getpid()}-{secrets.token_hex(4)}")
