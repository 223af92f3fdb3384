"""A dataset behind an address as a build sees it: what lies there, what is here, and what no step needs any more."""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from facevid.dataset.published import Manifest
from facevid.dataset.removing import tombstones
from facevid.dataset.removing.tombstones import TOMBSTONES, Tombstones
from facevid.dataset.sharing.address_outlet import AddressOutlet
from facevid.dataset.sharing.outbox import manifest_at
from facevid.engine import atomic_path, folder_lock
from facevid.engine.archive import named
from facevid.engine.checkpoint import Checkpoint
from facevid.engine.keeper import Keeper
from facevid.engine.remote_lock import LOCK, RemoteLock, holder, lock_of
from facevid.engine.shelf import SUFFIX
from facevid.engine.travel import Travel
from facevid.storage import Place, file_name, scratch_folder
from facevid.storage.objects import abandon_uploads, read, remove, sizes

UNITS = {
    "watch": ".work/parts", "analyze": ".work/analyses", "cut": ".work/clips", "identify": ".work/embeddings",
}  # fmt: skip
"""Step -> the folder of what it makes; a unit is named by its item and the hash of what made it."""
HASH_DIGITS = 16
_KEPT = (
    "sources.parquet", "selection", "failed", "identity.parquet", "recipe.yaml", "opt-out.json", "withheld.json",
    "version",
)  # fmt: skip
_MARK = "home"


@dataclass(frozen=True)
class Remote:
    """The dataset at an address, and `home`, the folder of this machine that is laid out as its folder would be."""

    travel: Travel

    @classmethod
    def at(cls, address: str) -> Remote:
        """Asks nothing of the place. Raises PlaceError for what is no address."""
        place = Place(address)
        digest = hashlib.sha256(place.location.encode()).hexdigest()[:HASH_DIGITS]
        inside = f"datasets/{digest}/{file_name(place.location)}"
        return cls(Travel(str(scratch_folder().absolute() / inside), place, inside))

    @property
    def home(self) -> Path:
        return Path(self.travel.home)

    @property
    def place(self) -> Place:
        return self.travel.place

    def published(self) -> Manifest | None:
        """The dataset that is there. Raises DatasetError where something else is."""
        with named():
            return manifest_at(self.place, allowed=(".work",))

    def tombstones(self) -> Tombstones:
        """What was taken down there."""
        with named():
            data = read(self.place, TOMBSTONES)
        return Tombstones() if data is None else tombstones.parse(data, f"{self.place.location}/{TOMBSTONES}")

    def keeper(self) -> Keeper:
        """Holds the dataset for this run; the caller holds the home."""
        work = self.home / ".work"
        return Keeper(RemoteLock(self.place, _mark(work)), self.checkpoint())

    def checkpoint(self) -> Checkpoint:
        """What the driver knows, and its copy there."""
        return Checkpoint(self.home / ".work", self.place, _KEPT, ("ledger.sqlite",))

    def outlet(self, before_switch: Callable[[], None]) -> AddressOutlet:
        """Where the build is published."""
        return AddressOutlet(self.place, self.home, before_switch=before_switch)

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
        with named():
            abandon_uploads(self.place)

    def abandon_uploads(self) -> None:
        """End what a run that was killed has begun to send."""
        with named():
            abandon_uploads(self.place)

    def busy(self) -> str | None:
        """Who works on the dataset now, or did until it died; None where nobody has its lock."""
        with named():
            found = lock_of(self.place)
        return None if found is None else f"{holder(found)} has the lock of {self.place.location}"

    def clean(self) -> int:
        """Remove the work folder there and the home; returns the bytes freed. Raises FolderBusy while a run goes on."""
        self.published()
        with named(), folder_lock(self.home / ".work"), self.keeper():
            found = sizes(self.place, ".work")
            remove(self.place, [name for name in found if name != LOCK])
            abandon_uploads(self.place)
            here = sum(f.stat().st_size for f in self.home.rglob("*") if f.is_file())
        shutil.rmtree(self.home)
        return sum(found.values()) + here

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


def _mark(work: Path) -> str:
    """A word by which the folder knows its own lock again."""
    path = work / _MARK
    if not path.exists():
        with atomic_path(path) as partial:
            partial.write_text(secrets.token_hex(16), encoding="ascii")
    return path.read_text(encoding="ascii")
