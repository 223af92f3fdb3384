"""The scratch: local copies of what lies elsewhere, up to a limit; the least recently used go first."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from facevid.storage.errors import PlaceError
from facevid.storage.settings import positive

DEFAULT_GB = 20.0
"""10^9 bytes that the scratch may hold: about 20 shards of a dataset, or 20 hours of footage at 2.2 Mbit/s."""
_PARTIAL = ".part"
_LOOK_SHARE = 50
"""All copies are looked at when a process has added a fiftieth of the limit since it last did: with many small ones
each look takes longer than making one. So n processes may be over the limit by n fiftieths for a while."""


def scratch_folder() -> Path:
    """`FACEVID_SCRATCH`, else facevid/scratch in the user's cache folder."""
    if named := os.environ.get("FACEVID_SCRATCH"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "facevid" / "scratch"


def scratch_bytes() -> int:
    """`FACEVID_SCRATCH_GB` in bytes, else `DEFAULT_GB`. Raises PlaceError for what is no number above 0."""
    return round(positive("FACEVID_SCRATCH_GB", DEFAULT_GB, "gigabytes") * 1e9)


@dataclass(frozen=True)
class _Entry:
    path: Path
    bytes: int
    used: float


class Scratch:
    """A folder of copies, each under a key, shared by any number of processes of one machine.

    folder: `scratch_folder()` if not given. limit_bytes: `scratch_bytes()` if not given. A copy appears under its name
    when it is whole. Who uses one holds a lock on it (flock), which ends with its process; what is held is not removed.
    Raises PlaceError (kind "refused") where the folder cannot be used or there is no room.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None, limit_bytes: int | None = None) -> None:
        self.folder = Path(folder) if folder is not None else scratch_folder()
        self.limit_bytes = scratch_bytes() if limit_bytes is None else limit_bytes
        self._added = self.limit_bytes

    def path(self, key: str) -> Path:
        """Where the copy of a key lies, if it is there."""
        name = hashlib.sha256(key.encode()).hexdigest()
        return self.folder / name[:2] / name

    @contextmanager
    def held(
        self,
        key: str,
        make: Callable[[Path], None],
        *,
        size: int | None = None,
        folder: bool = False,
        what: str = "",
    ) -> Iterator[Path]:
        """The copy of a key, made by `make(path)` unless it is there; it stays for the length of the `with` block.

        make: fills the empty file (or folder) at the path it is given; of several processes one does, and the others
        wait for it. size: its bytes, where they are known, for which room is made before. what: for sentences.
        """
        final = self.path(key)
        with _storage_named(self.folder):
            final.parent.mkdir(parents=True, exist_ok=True)
        if size is not None:
            self.check(size, what or final.name)
        handle = self._taken(final, make, size, folder, what or final.name)
        try:
            with contextlib.suppress(OSError):
                os.utime(final)
            yield final
        finally:
            os.close(handle)

    def check(self, size: int, what: str) -> None:
        """Raise PlaceError if something of so many bytes is larger than the limit."""
        if size > self.limit_bytes:
            raise PlaceError(
                "refused",
                f"{what} needs {size / 1e9:.3g} GB of scratch and {self.limit_bytes / 1e9:.3g} GB are allowed; set "
                "FACEVID_SCRATCH_GB higher, and FACEVID_SCRATCH to a folder on a disk that has the room.",
            )

    def make_room(self, size: int, what: str, *, made: int = 0) -> None:
        """Remove copies that nobody uses until `size` bytes fit, and what processes that are gone left unfinished.

        made: bytes of something that is there already and was not counted.
        """
        self.check(size, what)
        self._added += size + made
        if self._added * _LOOK_SHARE < self.limit_bytes:
            return
        self._added = 0
        entries = sorted(self._entries(), key=lambda e: (e.path.suffix != _PARTIAL, e.used))
        total = sum(entry.bytes for entry in entries)
        for entry in entries:
            if total + size <= self.limit_bytes and entry.path.suffix != _PARTIAL:
                return
            if _remove_unused(entry.path):
                total -= entry.bytes
        if total + size > self.limit_bytes:
            raise PlaceError(
                "refused",
                f"{what} needs {size / 1e9:.3g} GB of scratch, and of the {self.limit_bytes / 1e9:.3g} GB allowed "
                f"{total / 1e9:.3g} GB are in use; set FACEVID_SCRATCH_GB higher or use fewer workers.",
            )

    def drop(self, key: str) -> None:
        """Remove the copy of a key, unless somebody uses it."""
        _remove_unused(self.path(key))

    def paths(self) -> list[Path]:
        """Where all copies lie."""
        return [entry.path for entry in self._entries()]

    def remove(self, path: Path) -> int:
        """Remove the copy at one of `paths`, unless somebody uses it; bytes freed."""
        size = _size(path)
        return size if _remove_unused(path) else 0

    def used_bytes(self) -> int:
        """Bytes of all that lies in the scratch."""
        return sum(entry.bytes for entry in self._entries())

    def _entries(self) -> Iterator[_Entry]:
        for parent in self.folder.iterdir() if self.folder.is_dir() else ():
            # Other things may lie in the folder of the scratch.
            if len(parent.name) != 2 or not parent.is_dir():
                continue
            for path in parent.iterdir():
                with contextlib.suppress(FileNotFoundError):  # gone meanwhile
                    yield _Entry(path, _size(path), path.stat().st_mtime)

    def _taken(
        self, final: Path, make: Callable[[Path], None], size: int | None, folder: bool, what: str
    ) -> int:
        """A handle that holds the copy, which is made first if need be."""
        import fcntl

        partial = final.with_name(final.name + _PARTIAL)
        while True:
            handle = _opened(final)
            making = handle is None
            if handle is None:
                with _storage_named(self.folder):
                    handle = _opened(partial, create=not folder, folder=folder)
            if handle is None:
                continue
            try:
                if making and _lock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB) and _same(handle, partial):
                    self._make(handle, partial, final, make, size, what)
                # Where somebody else makes it, this waits until it is whole. flock turns one kind into the other by
                # letting go first, so what was just made may be gone again.
                fcntl.flock(handle, fcntl.LOCK_SH)
                if _same(handle, final):
                    return handle
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)

    def _make(
        self,
        handle: int,
        partial: Path,
        final: Path,
        make: Callable[[Path], None],
        size: int | None,
        what: str,
    ) -> None:
        try:
            if final.exists():  # somebody has made it since it was looked for
                return
            if partial.is_dir():
                for left in partial.iterdir():
                    _remove(left)
            else:
                os.ftruncate(handle, 0)
            self.make_room(size or 0, what)
            if size and not partial.is_dir():
                os.ftruncate(handle, size)  # so that others count it as taken
            make(partial)
            if size is None:
                made = _size(partial)
                self.check(made, what)
                self.make_room(0, what, made=made)
            partial.rename(final)
        finally:
            if _same(handle, partial):
                _remove(partial)


def _opened(path: Path, *, create: bool = False, folder: bool = False) -> int | None:
    try:
        if folder:
            path.mkdir(exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT if create else os.O_RDONLY, 0o600)
    except FileNotFoundError:
        return None


def _lock(handle: int, how: int) -> bool:
    import fcntl

    try:
        fcntl.flock(handle, how)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True


def _same(handle: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    mine = os.fstat(handle)
    return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)


def _remove_unused(path: Path) -> bool:
    """Remove what nobody holds; whether it is gone."""
    import fcntl

    handle = _opened(path)
    if handle is None:
        return True
    try:
        if not (_lock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB) and _same(handle, path)):
            return False
        _remove(path)
        return True
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(_size(inner) for inner in path.iterdir())
    return path.stat().st_size


@contextmanager
def _storage_named(folder: Path) -> Iterator[None]:
    """Say which variable names the folder that cannot be made."""
    try:
        yield
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise PlaceError(
            "refused",
            f"The scratch {folder} cannot be used ({error.strerror}); set FACEVID_SCRATCH to a folder that can be "
            "written.",
        ) from error
