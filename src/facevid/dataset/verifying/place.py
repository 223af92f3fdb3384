"""The files of a dataset that is checked, in a folder or at an address: what is there, how large, and its bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import BinaryIO, Protocol

from facevid.dataset.published import DatasetError, PublishedFile
from facevid.dataset.storage import Folder, RemoteFolder, Storage
from facevid.storage import Place, PlaceError
from facevid.storage.objects import entries, size_of, sizes


class Checked(Protocol):
    """What the checks read. Bytes that an address does not give raise DatasetError, which ends the check."""

    @property
    def storage(self) -> Storage:
        """Reads what is asked for by its place in a file, and small files."""

    def sizes(self) -> Mapping[str, int] | None:
        """{name: bytes} of all files, those of work folders and the like left out; None where nobody can list them."""

    def size(self, name: str) -> int | None:
        """The bytes of a file; None where it is not there."""

    def open(self, file: PublishedFile) -> BinaryIO:
        """A published file, seekable. Raises FileNotFoundError."""


def checked(storage: Storage, besides: frozenset[str]) -> Checked:
    """The files of a dataset; besides: folders of it that are not looked at."""
    if isinstance(storage, Folder):
        return CheckedFolder(storage, besides)
    assert isinstance(storage, RemoteFolder), storage
    return CheckedAddress(storage, besides)


class CheckedFolder:
    """A dataset in a folder of this machine."""

    def __init__(self, storage: Folder, besides: frozenset[str]) -> None:
        self._folder, self._besides = storage, besides

    @property
    def storage(self) -> Storage:
        return self._folder

    def sizes(self) -> Mapping[str, int]:
        return self._sizes

    @cached_property
    def _sizes(self) -> dict[str, int]:
        found = {}
        for path in sorted(self._folder.path.rglob("*")):
            name = path.relative_to(self._folder.path).as_posix()
            if not path.is_dir() and name.split("/")[0] not in self._besides:
                found[name] = path.lstat().st_size
        return found

    def size(self, name: str) -> int | None:
        try:
            return (self._folder.path / name).stat().st_size
        except OSError:
            return None

    def open(self, file: PublishedFile) -> BinaryIO:
        return self._folder.local(file).open("rb")


class CheckedAddress:
    """A dataset at an address, of which files are read by range."""

    def __init__(self, storage: RemoteFolder, besides: frozenset[str]) -> None:
        self._remote, self._besides = storage, besides
        self._place: Place = storage.place

    @property
    def storage(self) -> Storage:
        return self._remote

    def sizes(self) -> Mapping[str, int] | None:
        return self._sizes

    @cached_property
    def _sizes(self) -> dict[str, int] | None:
        if self._place.is_web:
            return None
        with _told():
            right_here = entries(self._place) - self._besides
            found: dict[str, int] = {}
            for name in sorted(right_here):
                below = sizes(self._place, name)
                found |= below if below else {name: self._asked(name) or 0}
            return found

    def size(self, name: str) -> int | None:
        known = self.sizes()
        return self._asked(name) if known is None else known.get(name)

    def _asked(self, name: str) -> int | None:
        with _told():
            return size_of(self._place, name)

    def open(self, file: PublishedFile) -> BinaryIO:
        if self.size(file.stored_as) is None:
            raise FileNotFoundError(file.stored_as)
        if self._place.is_web:
            self._remote.read(file, 0, 1)  # a server without ranges is told from one with a damaged file
        return self._remote.open(file)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except PlaceError as error:
        raise DatasetError(str(error)) from error
