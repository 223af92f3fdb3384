"""A dataset behind an address that is worked on from here: what lies there, who holds it, and how it is published."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from facevid.dataset.published import Manifest
from facevid.dataset.removing import tombstones
from facevid.dataset.removing.tombstones import TOMBSTONES, Tombstones
from facevid.dataset.sharing.address_outlet import AddressOutlet
from facevid.dataset.sharing.outbox import manifest_at
from facevid.engine import FolderBusy, atomic_path, folder_lock
from facevid.engine.archive import named
from facevid.engine.checkpoint import Checkpoint
from facevid.engine.keeper import Keeper
from facevid.engine.remote_lock import RemoteLock, holder, lock_of
from facevid.engine.travel import Travel
from facevid.storage import Place, PlaceError, file_name, scratch_folder
from facevid.storage.objects import abandon_uploads, read

_DIGITS = 16
_KEPT = (
    "sources.parquet", "selection", "failed", "identity.parquet", "recipe.yaml", "opt-out.json", "withheld.json",
    "version",
)  # fmt: skip
_LEDGERS = ("ledger.sqlite", "annotate.sqlite", "vlm.sqlite")
"""What builds and annotating know, and what a vision-language model was paid for."""
_MARK = "home"


@dataclass(frozen=True)
class RemoteDataset:
    """The dataset at an address, and `home`, the folder of this machine that is laid out as its folder would be."""

    travel: Travel

    @classmethod
    def at(cls, address: str) -> Self:
        """Asks nothing of the place. Raises PlaceError for what is no address, or one that no run can write to."""
        place = Place(address)
        if not place.takes_objects:
            raise PlaceError(
                "refused",
                f"No run can work at {place.location}: a web server and the Hub take whole datasets, not one in the "
                "making. Work in a folder or a bucket, and send what is finished with `facevid push`.",
            )
        digest = hashlib.sha256(place.location.encode()).hexdigest()[:_DIGITS]
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

    def ready(self) -> None:
        """Take from the address what another machine has done since. Raises FolderBusy where this one is at work."""
        with self.alone():
            self.checkpoint().restore()

    @contextmanager
    def alone(self) -> Iterator[Path]:
        """Hold the home for this process; its lock file. Raises FolderBusy, which names the address."""
        work = self.home / ".work"
        with folder_lock(work, called=self.place.location) as lock:
            yield lock

    @contextmanager
    def held(self) -> Iterator[Keeper]:
        """Hold the dataset for this run; the caller holds the home. Raises FolderBusy where another run has it."""
        with self.keeper() as keeper:
            self.abandon_uploads()
            yield keeper

    def keeper(self, *, restores: bool = True) -> Keeper:
        """Holds the dataset for this run; the caller holds the home. restores: as `Keeper` takes it."""
        work = self.home / ".work"
        return Keeper(RemoteLock(self.place, _mark(work)), self.checkpoint(), restores=restores)

    def checkpoint(self) -> Checkpoint:
        """What the driver knows, and its copy there."""
        return Checkpoint(self.home / ".work", self.place, _KEPT, _LEDGERS)

    def outlet(self, keeper: Keeper) -> AddressOutlet:
        """Where a run publishes, which `keeper` lets hold the dataset."""
        return AddressOutlet(self.place, self.home, check=keeper.check, before_switch=keeper.save)

    def abandon_uploads(self) -> None:
        """End what a run that was killed has begun to send."""
        with named():
            abandon_uploads(self.place)

    def busy(self) -> str | None:
        """Who works on the dataset now, or did until its machine died; None where nobody has its lock."""
        with named():
            found = lock_of(self.place)
        mark = self.home / ".work" / _MARK
        if found is not None and mark.exists() and found.get("home") == _mark(mark.parent):
            # It was taken here: whether its process lives is seen by the lock of the home.
            try:
                with self.alone():
                    return None
            except FolderBusy as busy:
                return str(busy)
        return None if found is None else f"{holder(found)} has the lock of {self.place.location}"


def _mark(work: Path) -> str:
    """A word by which the folder knows its own lock again."""
    path = work / _MARK
    if not path.exists():
        with atomic_path(path) as partial:
            partial.write_text(secrets.token_hex(16), encoding="ascii")
    return path.read_text(encoding="ascii")
