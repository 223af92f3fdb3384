"""Where the files of a dataset lie: in a folder, or anywhere that fsspec reaches (`hf://`, `s3://`, `https://`)."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial as partial_of
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar, cast

import pyarrow as pa

from facevid.dataset.published import (
    MANIFEST,
    DatasetError,
    Manifest,
    PublishedFile,
    parse_manifest,
    read_manifest,
)
from facevid.engine import atomic_path
from facevid.storage import (
    BadBody,
    Place,
    PlaceError,
    RangeFile,
    is_address,
    local_path,
    reason,
    retried,
)
from facevid.storage.objects import read

T = TypeVar("T")
_BLOCK = 1 << 20
_BUCKETS = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs"})
"""Stores of which every answer can be held against what was asked for."""


class Storage(Protocol):
    """Reads the files of one dataset by their name in it, such as "media/shard-00000.tar"."""

    location: str

    def manifest(self) -> Manifest:
        """Its `dataset.json`. Raises DatasetError where there is none, or a damaged one."""

    def local(self, file: PublishedFile) -> Path:
        """A whole file on this machine; a remote one is fetched once and kept in the cache."""

    def read(self, file: PublishedFile, offset: int, size: int) -> bytes:
        """`size` bytes from `offset`, less where the file ends before. Raises DatasetError if it is missing."""

    def open(self, file: PublishedFile) -> BinaryIO:
        """The file, seekable; only what is read of it travels."""

    def beside(self, name: str) -> bytes | None:
        """A small file that `dataset.json` does not list, such as "tombstones.json"; None where there is none."""

    def names(self, folder: str) -> list[str]:
        """The names of the files in a folder of the dataset, such as "subsets", sorted; none where there is none."""


def storage_of(location: str | os.PathLike[str], options: Mapping[str, Any] | None = None) -> Storage:
    """The storage of a folder or an address; `options` go to the fsspec file system (`key`, `secret`, `token`, ...)."""
    text = os.fspath(location)
    return RemoteFolder(text, options) if is_address(text) else Folder(Path(local_path(text)))


@contextmanager
def table_told(storage: Storage, file: PublishedFile) -> Iterator[None]:
    """Turns what Arrow says of a damaged table into a sentence that names it. Raises DatasetError."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's own trouble, which others tell
        raise DatasetError(
            f"{storage.location}/{file.stored_as} cannot be read as a table ({reason(error)}); fetch it again, or run "
            f"`facevid verify {storage.location}`, which tells what is damaged."
        ) from error


class Folder:
    """A dataset in a folder of this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.location = str(path)

    def manifest(self) -> Manifest:
        return read_manifest(self.path)

    def missing(self, manifest: Manifest) -> str | None:
        """A sentence about the first file that is not there, or not whole; None if all are."""
        for file in manifest.files:
            path = self.local(file)
            try:
                size = path.stat().st_size
            except FileNotFoundError:
                return f"{self.path} lacks {file.stored_as}, which its {MANIFEST} lists; fetch it or build again."
            if size != file.bytes:
                return (
                    f"{path} has {size} bytes and should have {file.bytes}; "
                    "fetch it or build the dataset again."
                )
        return None

    def local(self, file: PublishedFile) -> Path:
        return self.path / file.stored_as

    def read(self, file: PublishedFile, offset: int, size: int) -> bytes:
        with self.open(file) as opened:
            opened.seek(offset)
            return opened.read(size)

    def open(self, file: PublishedFile) -> BinaryIO:
        path = self.local(file)
        try:
            return path.open("rb")
        except FileNotFoundError:
            raise DatasetError(
                f"{path} is missing; if the dataset was published anew, open it again, otherwise fetch the file."
            ) from None

    def beside(self, name: str) -> bytes | None:
        try:
            return (self.path / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def names(self, folder: str) -> list[str]:
        place = self.path / folder
        return sorted(p.name for p in place.iterdir() if not p.is_dir()) if place.is_dir() else []


class NoByteRanges(DatasetError):
    """A web server sends files only as a whole, so that a piece of one cannot be read."""


class RemoteFolder:
    """A dataset behind an address: tables are fetched whole when asked for, media and keypoints by byte range.

    Fetched files are kept under their SHA-256 in `FACEVID_CACHE` (default: `facevid` in the user's cache folder), so
    that one that has changed is never taken for another.
    """

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        self._options = dict(options or {})
        try:
            place = Place(url, options)
        except PlaceError as error:
            raise DatasetError(str(error)) from error
        self.location, self._fs, self._root = place.location, place.fs, place.root
        self.place = place

    def manifest(self) -> Manifest:
        data = self.beside(MANIFEST)
        if data is None:
            raise DatasetError(
                f"{self.location} is not a facevid dataset, or needs a login: there is no {MANIFEST}."
            )
        return parse_manifest(data, f"{self.location}/{MANIFEST}")

    def local(self, file: PublishedFile) -> Path:
        kept = _kept(file)
        if kept.is_file() and kept.stat().st_size == file.bytes:
            return kept
        kept.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(kept) as partial:
            digest = self._ask(file.stored_as, partial_of(self._copied, file, Path(partial)))
            if digest != file.sha256:
                raise DatasetError(
                    f"{self.location}/{file.stored_as} does not have the SHA-256 that its {MANIFEST} gives; it is "
                    "damaged there, or was published anew just now: open the dataset again."
                )
        return kept

    def _copied(self, file: PublishedFile, path: Path) -> str:
        """Fetch a whole file; its SHA-256."""
        digest = hashlib.sha256()
        with self.open(file) as source, path.open("wb") as target:
            for block in iter(lambda: source.read(_BLOCK), b""):
                digest.update(block)
                target.write(block)
            if target.tell() < file.bytes:
                raise BadBody(f"{target.tell()} of {file.bytes} bytes came")
        return digest.hexdigest()

    def read(self, file: PublishedFile, offset: int, size: int) -> bytes:
        if not size:
            return b""

        def call() -> bytes:
            data = bytes(self._fs.cat_file(f"{self._root}/{file.stored_as}", start=offset, end=offset + size))
            if len(data) < min(size, file.bytes - offset):
                raise BadBody(f"{len(data)} of {size} bytes came")
            return data

        found = self._ask(file.stored_as, call)
        if len(found) > size:  # a server that ignores the header Range answers with the whole file
            raise NoByteRanges(
                f"The server of {self.location} sends whole files only, no byte ranges, so that clips cannot be read "
                f"one by one: fetch the dataset with `facevid pull {self.location} -o FOLDER`, or serve it from one "
                "that knows ranges (nginx, Apache, a bucket, a hub)."
            )
        return found

    def open(self, file: PublishedFile) -> BinaryIO:
        if self.place.scheme in _BUCKETS:
            return self.open_by_range(file)
        # An opened file is read piece by piece by others, who do not ask again.
        patient, where = self.place.lister(), f"{self._root}/{file.stored_as}"
        return self._ask(file.stored_as, lambda: cast(BinaryIO, patient.open(where, "rb")))

    def open_by_range(self, file: PublishedFile) -> BinaryIO:
        """The file, seekable; each piece of it is asked for again after a fault, and checked.

        Where a server sends whole files only, the file is fetched into the scratch. Reading raises DatasetError too.
        """
        found = _Told(self.place.child(file.stored_as), partial_of(self.told, file.stored_as))
        return io.BufferedReader(found, _BLOCK)

    def forget(self, file: PublishedFile) -> None:
        """Drop the copy that `local` keeps of a file which the dataset has no more."""
        _kept(file).unlink(missing_ok=True)

    def beside(self, name: str) -> bytes | None:
        def call() -> bytes | None:
            try:
                return bytes(self._fs.cat_file(f"{self._root}/{name}"))
            except FileNotFoundError:
                return None

        if self.place.scheme in _BUCKETS:
            with self.told(name):
                return read(self.place, name)
        return self._ask(name, call)

    def names(self, folder: str) -> list[str]:
        def call() -> list[str]:
            try:
                return list(self._fs.ls(f"{self._root}/{folder}", detail=False))
            except FileNotFoundError:
                return []

        with self.told(folder):
            try:
                found = retried(call, what=f"{self.location}/{folder}")
            except PlaceError as error:
                # A web server has a list of files only where its keeper wants one: 403 and 404 are usual answers.
                if self.place.is_web and error.kind in ("missing", "forbidden"):
                    return []
                raise
        return sorted(str(path).rstrip("/").rpartition("/")[2] for path in found)

    def _ask(self, name: str, call: Callable[[], T]) -> T:
        """What a call gives, asked again where that may help; what goes wrong on the way, as a sentence."""
        with self.told(name):
            return retried(call, what=f"{self.location}/{name}")

    @contextmanager
    def told(self, name: str) -> Iterator[None]:
        """Turns what a place says into what a user of a dataset can do."""
        try:
            yield
        except PlaceError as error:
            if error.kind == "missing":
                raise DatasetError(
                    f"{self.location}/{name} is missing; if the dataset was published anew, open it again."
                ) from None
            if error.kind == "address":  # or a setting that cannot be: a sentence of its own
                raise DatasetError(str(error)) from error
            why = reason(error.__cause__ or error)
            raise DatasetError(
                f"{self.location}/{name} cannot be read ({why}); check the address, the network and your login, "
                "and try again."
            ) from error

    def __reduce__(self) -> tuple[Any, ...]:
        return RemoteFolder, (self.location, self._options)


class _Told(RangeFile):
    """A file behind an address that raises what a user can read, at opening and at reading."""

    def __init__(self, place: Place, told: Callable[[], AbstractContextManager[None]]) -> None:
        self._told = told
        with told():
            super().__init__(place)

    def readinto(self, buffer: Any) -> int:
        with self._told():
            return super().readinto(buffer)


def _kept(file: PublishedFile) -> Path:
    return _cache() / file.sha256[:2] / f"{file.sha256}{Path(file.path).suffix}"


def _cache() -> Path:
    if named := os.environ.get("FACEVID_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "facevid"
