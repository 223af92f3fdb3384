"""A dataset behind an address as a build sees it: what lies there, what is here, and what no step needs any more."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from facevid.dataset.sharing.remote import RemoteDataset
from facevid.engine.archive import named
from facevid.engine.remote_lock import LOCK
from facevid.engine.shelf import SUFFIX
from facevid.storage.objects import remove, sizes

UNITS = {
    "watch": ".work/parts", "analyze": ".work/analyses", "cut": ".work/clips", "identify": ".work/embeddings",
}  # fmt: skip
"""Step -> the folder of what it makes; a unit is named by its item and the hash of what made it."""
HASH_DIGITS = 16


class Remote(RemoteDataset):
    """The dataset at an address as a build sees it, with the units that its steps make."""

    def here(self, path: Path, *, once: bool = False) -> AbstractContextManager[Path]:
        """A unit of the home, on this machine for the length of the `with` block; once: it is not kept."""
        shelf, name = self.travel.shelf(), self._name(path)
        return shelf.lent(name) if once else shelf.held(name)

    def peek(self, path: Path, member: str) -> bytes:
        """One file of a unit that is a folder."""
        return self.travel.shelf().peek(self._name(path), member)

    def drop(self, paths: Iterable[Path]) -> None:
        """Remove units that are no longer wanted, there and here."""
        names = [self._name(path) for path in paths]
        with named():
            remove(self.place, [name + SUFFIX for name in names])
        self.travel.shelf().drop(names)

    def forget(self, source_ids: Iterable[str]) -> None:
        """Remove what steps made of these sources, there and here."""
        gone = set(source_ids)
        if gone:
            for step in UNITS:
                self._remove(step, lambda unit: re.split("[-_]", unit)[0] not in gone)

    def tidy(self, known: Mapping[str, Mapping[str, str]]) -> None:
        """Remove units that no longer count, and uploads that somebody began and left.

        known: step -> item -> the hash under which the ledger holds it.
        """
        for step in UNITS:
            held = {f"{item}-{digest[:HASH_DIGITS]}" for item, digest in known.get(step, {}).items()}
            self._remove(step, held.__contains__)
        self.abandon_uploads()

    def is_nothing(self) -> bool:
        """Whether there is neither a dataset nor work on one. Raises DatasetError where something else is."""
        with named():
            return self.published() is None and not self.home.is_dir() and not sizes(self.place, ".work")

    def clean(self) -> int:
        """Remove the work folder there, and what this machine keeps of the dataset; returns the bytes freed.

        Other machines keep their copies until it is called there. Raises FolderBusy while a run goes on.
        """
        with named(), self.alone(), self.keeper(restores=False):
            found = sizes(self.place, ".work")
            remove(self.place, [name for name in found if name != LOCK])
            self.abandon_uploads()
            here = sum(f.stat().st_size for f in self.home.rglob("*") if f.is_file())
        shutil.rmtree(self.home)
        return sum(found.values()) + here + self.travel.shelf().clear()

    def _remove(self, step: str, stays: Callable[[str], bool]) -> None:
        with named():
            units = {
                name: name.rpartition("/")[2].removesuffix(SUFFIX) for name in sizes(self.place, UNITS[step])
            }
            names = [name for name, unit in units.items() if not stays(unit)]
            remove(self.place, names)
        self.travel.shelf().drop(name.removesuffix(SUFFIX) for name in names)

    def _name(self, path: Path) -> str:
        name = self.travel.name(path)
        assert name is not None, path
        return name
