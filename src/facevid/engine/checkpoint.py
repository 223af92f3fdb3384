"""Copies of what the driver knows of a dataset behind an address, so that another machine can go on from there."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from facevid.engine.archive import named, pack, peek, unpack
from facevid.engine.files import atomic_path
from facevid.engine.ledger import is_corrupt
from facevid.engine.step import StorageError
from facevid.storage import Place, PlaceError
from facevid.storage.objects import fetch, send

STATE = ".work/state.tar"
_COUNTER = "checkpoint"


class Checkpoint:
    """The small files of a work folder as one object, in which a counter tells the newer of two.

    work: the work folder. names: its files and folders that count, those missing are left out. ledgers: its SQLite
    files. Raises StorageError where the place or the disk refuses.
    """

    def __init__(self, work: Path, place: Place, names: Sequence[str], ledgers: Sequence[str]) -> None:
        self._work, self._place = work, place
        self._names, self._ledgers = tuple(names), tuple(ledgers)

    def restore(self) -> bool:
        """Take what is at the address where it is newer than what is here; whether it was."""
        there = self.there()
        if there is None or there <= self.here():
            return False
        self._work.mkdir(parents=True, exist_ok=True)
        with named(), tempfile.TemporaryDirectory(dir=self._work, prefix=".restore-") as room:
            archive = Path(room, "state.tar")
            fetch(self._place, STATE, archive)
            with self._whole():
                found = unpack(archive, Path(room))
            for name in (*self._names, *self._ledgers):
                _remove(self._work / name)
                for tail in ("-wal", "-shm"):
                    _remove(self._work / f"{name}{tail}")
                if (found / name).exists():
                    (found / name).rename(self._work / name)
            # Last: what a kill leaves here before is older than what is there, and is taken again.
            (found / _COUNTER).rename(self._work / _COUNTER)
        return True

    def save(self) -> None:
        """Put what is here at the address, as the next of its kind."""
        number = self.here() + 1
        with tempfile.TemporaryDirectory(dir=self._work, prefix=".save-") as room:
            made = Path(room, "state")
            made.mkdir()
            for name in self._names:
                source = self._work / name
                if source.is_dir():
                    shutil.copytree(source, made / name, ignore=shutil.ignore_patterns(".*"))
                elif source.exists():
                    shutil.copyfile(source, made / name)
            for name in self._ledgers:
                if (self._work / name).exists():
                    _copy_ledger(self._work / name, made / name)
            (made / _COUNTER).write_text(f"{number}\n", encoding="ascii")
            pack(made, Path(room, "state.tar"))
            with named():
                send(self._place, Path(room, "state.tar"), STATE)
        with atomic_path(self._work / _COUNTER) as partial:
            partial.write_text(f"{number}\n", encoding="ascii")

    def here(self) -> int:
        """The number of the checkpoint that this folder has written or begun from; 0 for a new one."""
        try:
            return int((self._work / _COUNTER).read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return 0

    def there(self) -> int | None:
        """The number of the checkpoint at the address; None where there is none."""
        try:
            with self._whole():
                return int(peek(self._place, STATE, _COUNTER))
        except PlaceError as error:
            if error.kind == "missing":
                return None
            raise StorageError(str(error)) from error

    @contextlib.contextmanager
    def _whole(self) -> Iterator[None]:
        try:
            yield
        except (tarfile.TarError, KeyError, ValueError) as error:
            raise StorageError(
                f"{self._place.location}/{STATE} is damaged ({error}): delete that object and run again, which does "
                "anew what no machine remembers; or remove all that builds keep there with `facevid clean "
                f"{self._place.location}`. What is published is not touched by either"
            ) from error


def _copy_ledger(source: Path, target: Path) -> None:
    """A whole copy of a SQLite file into which others may be writing; none of a damaged one.

    Who opens a damaged one says so, and not every run opens each. Raises StorageError where it cannot be copied.
    """
    try:
        with (
            contextlib.closing(sqlite3.connect(source, timeout=60.0)) as there,
            contextlib.closing(sqlite3.connect(target)) as here,
        ):
            there.backup(here)
    except sqlite3.Error as error:
        if not is_corrupt(error):
            raise StorageError(f"{source} cannot be copied: {error}; repair this and run again") from error
        target.unlink(missing_ok=True)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
