"""The dataset that is annotated: in a folder of this machine, or behind an address and held for this run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from facevid.dataset.annotating import Drop, Updated, add_statements, update_annotations
from facevid.dataset.published import read_manifest, refuse_pending
from facevid.dataset.sharing.remote import RemoteDataset
from facevid.dataset.statements import Statement
from facevid.dataset.storage import RemoteFolder, storage_of
from facevid.engine.keeper import Keeper
from facevid.storage import is_address, local_path


@dataclass(frozen=True)
class AnnotationTarget:
    """Where a dataset lies, the work folder on this machine, and how what is said of its clips is published.

    remote, keeper: for a dataset behind an address, which this run holds.
    """

    location: str
    work: Path
    remote: RemoteDataset | None = None
    keeper: Keeper | None = None

    @classmethod
    @contextmanager
    def at(cls, dataset: str | os.PathLike[str]) -> Iterator[AnnotationTarget]:
        """For the length of the `with` block, in which nobody else works on a dataset behind an address.

        What was found is saved beside such a dataset once a minute and in the end, however that comes. Raises
        DatasetError where there is no dataset, or a takedown has not finished, FolderBusy where another run has the
        dataset, PlaceError for what is no address, StorageError where the place refuses.
        """
        text = os.fspath(dataset)
        if not is_address(text):
            folder = Path(local_path(text))
            read_manifest(folder)
            refuse_pending(folder)
            yield cls(str(folder), folder / ".work")
            return
        remote = RemoteDataset.at(text)
        storage_of(text).manifest()  # before anything is written there
        work = remote.home / ".work"
        with remote.alone(), remote.held() as keeper:
            keeper.begin()
            yield cls(remote.place.location, work, remote, keeper)
            keeper.save()

    def check(self) -> None:
        """Raise what went wrong with the hold on a dataset behind an address; asks the place for nothing."""
        if self.keeper is not None and (fault := self.keeper.fault()) is not None:
            raise fault

    def update(
        self, *, add: Iterable[Statement] | pa.Table | pa.RecordBatchReader, drop: Drop | None = None
    ) -> Updated:
        """`facevid.dataset.annotating.update_annotations` of this dataset."""
        if self.remote is None or self.keeper is None:
            return update_annotations(self.location, add=add, drop=drop)
        storage, outlet = RemoteFolder(self.location), self.remote.outlet(self.keeper)
        done = add_statements(outlet, add=add, drop=drop)
        now = {file.sha256 for file in storage.manifest().files}
        for file in outlet.old.files if outlet.old is not None else ():
            if file.sha256 not in now:
                storage.forget(file)
        return done
