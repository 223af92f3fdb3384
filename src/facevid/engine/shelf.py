"""What of a dataset behind an address is on this machine: outputs of steps, in the scratch that all of facevid shares.

A unit is a folder or a file that a step wrote whole; its name is its path in the dataset. At the address it is one
object, `NAME.tar`, written by one request. A name stands for one content for good (it ends with the hash of what made
it), so that a copy is never out of date.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from facevid.engine.archive import UNIT, named, pack, peek, unpack
from facevid.engine.files import clear_stale, temporary_path
from facevid.storage import Place, Scratch
from facevid.storage.objects import fetch, send

SUFFIX = ".tar"
_MAKING = "making"
_OF = "dataset"


class Shelf:
    """The units of the dataset at `place` in a scratch. Raises StorageError where the place or the disk refuses."""

    def __init__(self, place: Place, scratch: Scratch) -> None:
        self._place, self._scratch = place, scratch
        clear_stale(scratch.folder / _MAKING, recursive=False)

    @contextlib.contextmanager
    def held(self, name: str) -> Iterator[Path]:
        """A unit, brought to the scratch unless it is there; it stays for the length of the `with` block."""

        def bring(entry: Path) -> None:
            with self.making() as room:
                self._fetch(name, room).rename(entry / UNIT)
            self._mark(entry)

        with contextlib.ExitStack() as stack:
            with named():
                entry = stack.enter_context(self._entry(name, bring))
            yield entry / UNIT

    @contextlib.contextmanager
    def lent(self, name: str) -> Iterator[Path]:
        """A unit for once: taken from the scratch where it is there, else brought past it."""
        if self._scratch.path(self._key(name)).exists():
            with self.held(name) as path:
                yield path
            return
        with self.making() as room:
            with named():
                path = self._fetch(name, room)
            yield path

    @contextlib.contextmanager
    def making(self) -> Iterator[Path]:
        """An empty folder for what is not whole yet; it goes with the `with` block, or after its process."""
        folder = temporary_path(self._scratch.folder / _MAKING / "unit")
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def add(self, name: str, made: Path) -> None:
        """Send what was made as the unit of that name; it is kept here too."""
        archive = made.with_name(f"{made.name}{SUFFIX}")
        pack(made, archive)
        with named():
            self._scratch.check(archive.stat().st_size, name)
            send(self._place, archive, name + SUFFIX)
            archive.unlink()

            def move(entry: Path) -> None:
                made.rename(entry / UNIT)
                self._mark(entry)

            with self._entry(name, move):
                pass

    def peek(self, name: str, member: str) -> bytes:
        """One file of a unit that is a folder; where the unit is not here, little more than that travels."""
        if self._scratch.path(self._key(name)).exists():
            with self.held(name) as folder:
                return (folder / member).read_bytes()
        with named():
            return peek(self._place, name + SUFFIX, member)

    def drop(self, names: Iterable[str]) -> None:
        """Remove units from this machine, if they are here."""
        for name in names:
            self._scratch.drop(self._key(name))

    def clear(self) -> int:
        """Remove all units of the dataset from this machine but those in use; bytes freed."""
        freed = 0
        for path in self._scratch.paths():
            with contextlib.suppress(OSError):  # gone meanwhile, or another kind of copy
                if (path / _OF).read_text(encoding="utf-8") == self._place.location:
                    freed += self._scratch.remove(path)
        return freed

    def _mark(self, entry: Path) -> None:
        """Whose unit this is, so that it is found again when its name is known no more."""
        (entry / _OF).write_text(self._place.location, encoding="utf-8")

    def _entry(self, name: str, make: Callable[[Path], None]) -> AbstractContextManager[Path]:
        return self._scratch.held(self._key(name), make, folder=True, what=name)

    def _key(self, name: str) -> str:
        return f"{self._place.location}/{name}"

    def _fetch(self, name: str, room: Path) -> Path:
        archive = room / f"brought{SUFFIX}"
        fetch(self._place, name + SUFFIX, archive)
        self._scratch.check(archive.stat().st_size, name)
        made = unpack(archive, room)
        archive.unlink()
        return made
