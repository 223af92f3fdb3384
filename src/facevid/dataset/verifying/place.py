"""The files of a dataset that is checked, in a folder or at an address: what is there, how large, and its bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from facevid.dataset.published import DatasetError, PublishedFile
from facevid.dataset.storage import Folder, RemoteFolder, Storage
from facevid.storage import PlaceError, Seekable
from facevid.storage.objects import entries, size_of, sizes


class Checked(Protocol):
    """What the checks read. An address that does not answer raises DatasetError, also while reading: it ends them."""

    location: str

    def names(self) -> Sequence[str] | None:
        """All files, those in the folders `besides` left out; None where nobody can list them."""

    def inside(self, folder: str) -> Sequence[str]:
        """The names of what lies right in a folder, less folders."""

    def size(self, name: str) -> int | None:
        """The bytes of a file; None where none is there."""

    def open(self, file: PublishedFile, *, sparsely: bool = False) -> BinaryIO:
        """A published file, seekable; sparsely: only little of it will be read. Raises FileNotFoundError."""

    def beside(self, name: str) -> bytes | None:
        """A small file that `dataset.json` does not list; None where none is there. Raises DatasetError."""


def checked(storage: Storage, besides: frozenset[str]) -> Checked:
    """The files of a dataset; besides: folders of it that are not looked at."""
    if isinstance(storage, Folder):
        return CheckedFolder(storage.path, besides)
    assert isinstance(storage, RemoteFolder), storage
    return CheckedAddress(storage, besides)


class CheckedFolder:
    """A dataset in a folder of this machine."""

    def __init__(self, folder: Path, besides: frozenset[str]) -> None:
        self.location, self._folder, self._besides = str(folder), folder, besides

    def names(self) -> Sequence[str]:
        paths = ((p.relative_to(self._folder).as_posix(), p) for p in sorted(self._folder.rglob("*")))
        return [name for name, p in paths if name.split("/")[0] not in self._besides and not p.is_dir()]

    def inside(self, folder: str) -> Sequence[str]:
        place = self._folder / folder
        return sorted(p.name for p in place.iterdir() if not p.is_dir()) if place.is_dir() else []

    def size(self, name: str) -> int | None:
        path = self._folder / name
        try:
            return path.stat().st_size if path.is_file() else None
        except OSError:
            return None

    def open(self, file: PublishedFile, *, sparsely: bool = False) -> BinaryIO:
        if (self._folder / file.stored_as).is_dir():
            raise FileNotFoundError(file.stored_as)
        return (self._folder / file.stored_as).open("rb")

    def beside(self, name: str) -> bytes | None:
        path = self._folder / name
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            if path.is_symlink():
                raise DatasetError(f"{path} leads to nothing; fetch the file, or delete the link.") from None
            return None
        except OSError as error:
            raise DatasetError(f"{path} cannot be read ({error.strerror}); make it readable.") from error


class CheckedAddress:
    """A dataset at an address, of which files are read by range."""

    def __init__(self, storage: RemoteFolder, besides: frozenset[str]) -> None:
        self.location, self._remote, self._besides = storage.location, storage, besides
        self._asked: dict[str, int | None] = {}

    def names(self) -> Sequence[str] | None:
        return None if self._sizes is None else sorted(self._sizes)

    @cached_property
    def _sizes(self) -> dict[str, int] | None:
        place = self._remote.place
        if place.is_web:
            return None
        found: dict[str, int] = {}
        with _told():
            for name in sorted(entries(place) - self._besides):
                below = sizes(place, name)
                size = None if below else size_of(place, name)
                found |= below if size is None else {name: size}
        # Consoles of stores mark folders by objects without bytes whose names end so.
        return {name: size for name, size in found.items() if not name.endswith("/")}

    def inside(self, folder: str) -> Sequence[str]:
        return self._remote.names(folder)

    def size(self, name: str) -> int | None:
        if self._sizes is not None:
            return self._sizes.get(name)
        if name not in self._asked:
            with _told():
                self._asked[name] = size_of(self._remote.place, name)
        return self._asked[name]

    def open(self, file: PublishedFile, *, sparsely: bool = False) -> BinaryIO:
        size = self.size(file.stored_as)
        if size is None:
            raise FileNotFoundError(file.stored_as)
        return (
            cast(BinaryIO, _Sparse(self._remote, file, size))
            if sparsely
            else self._remote.open_by_range(file)
        )

    def beside(self, name: str) -> bytes | None:
        return self._remote.beside(name)


class _Sparse(Seekable):
    """A file of which exactly what is read travels, a request each time. size: the bytes that are there."""

    def __init__(self, storage: RemoteFolder, file: PublishedFile, size: int) -> None:
        super().__init__()
        self._storage, self._file, self._size = storage, file, size

    @property
    def size(self) -> int:
        return self._size

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = self._storage.read(self._file, self._at, max(0, min(len(view), self._size - self._at)))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except PlaceError as error:
        raise DatasetError(str(error)) from error
