"""Whole objects at an address: read, written, created, listed, removed. An object is there whole or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from facevid.storage.address import Place
from facevid.storage.errors import PlaceError
from facevid.storage.ranges import NoRanges, opened, piece, ranges_of
from facevid.storage.retrying import BadBody, retried

T = TypeVar("T")
PART_BYTES = 32 << 20
"""Of an upload in parts and of a fetch. S3 takes at most 10,000 parts of 5 MiB to 5 GiB, so objects up to 335 GB."""
_REMOVED_AT_ONCE = 1000  # keys of one DeleteObjects request (S3 API reference)
# Where a file grows while it is written; a bucket shows an object once it is whole.
_GROWING = frozenset({"file", "local", "ftp", "sftp", "ssh", "smb", "hdfs", "webhdfs", "dbfs"})


def read(place: Place, name: str) -> bytes | None:
    """The bytes of a small object; None where there is none. Each answer is checked, as `RangeFile` does."""
    try:
        return b"".join(_pieces(place.child(name)))
    except PlaceError as error:
        if error.kind == "missing":
            return None
        raise


def write(place: Place, name: str, data: bytes) -> None:
    """Put a small object in the place of one that may be there."""
    where = _where(place, name)

    def call() -> None:
        if _grows(place):
            place.fs.makedirs(where.rpartition("/")[0], exist_ok=True)
            place.fs.pipe_file(f"{where}.partial", data)
            place.fs.mv(f"{where}.partial", where)
        else:
            place.fs.pipe_file(where, data)

    _asked_to_write(call, place, name)


def create(place: Place, name: str, data: bytes) -> bool:
    """Put a small object where none is; False where one is.

    S3 is asked to refuse by the header If-None-Match. For a store that knows no such condition fsspec looks first, so
    two who do so at the same moment may both be told True: who must be alone reads back what is there.
    """
    where = _where(place, name)

    def call() -> bool:
        try:
            place.fs.pipe_file(where, data, mode="create")
        except FileExistsError:
            return False
        return True

    return _asked_to_write(call, place, name)


def send(place: Place, path: Path, name: str) -> None:
    """Put a file at an address; a large one goes in parts, and what a failed try has sent of it is removed.

    Raises as `retried` does, also where it did not arrive with all its bytes.
    """
    size = path.stat().st_size
    where = _where(place, name)

    def call() -> None:
        if _grows(place):
            place.fs.makedirs(where.rpartition("/")[0], exist_ok=True)
            place.fs.put_file(str(path), f"{where}.partial")
            place.fs.mv(f"{where}.partial", where)
        elif size <= PART_BYTES:
            place.fs.put_file(str(path), where)
            return  # one request, whose body the store has checked
        else:
            _in_parts(place.fs, path, where)
        place.fs.invalidate_cache()
        arrived = int(place.fs.info(where)["size"])
        if arrived != size:
            raise BadBody(f"{arrived} of {size} bytes arrived")

    _asked_to_write(call, place, name)


def size_of(place: Place, name: str) -> int | None:
    """The bytes of an object; None where there is none. Raises PlaceError where the place does not say."""

    def call() -> int | None:
        place.fs.invalidate_cache()
        try:
            found = place.fs.info(_where(place, name))
        except FileNotFoundError:
            return None
        size = found["size"]
        if found.get("type") == "directory":
            return None
        if size is None:
            raise PlaceError("refused", f"{place.location}/{name} has a size that its server does not tell.")
        return int(size)

    return retried(call, what=f"{place.location}/{name}")


def copy(place: Place, name: str, target: str, size: int) -> None:
    """Give an object a second name, without its bytes coming here. size: its bytes, which must be there then."""

    def call() -> None:
        place.fs.copy(_where(place, name), _where(place, target))
        place.fs.invalidate_cache()
        arrived = int(place.fs.info(_where(place, target))["size"])
        if arrived != size:
            raise BadBody(f"{arrived} of {size} bytes arrived")

    retried(call, what=f"{place.location}/{target}")


def _asked_to_write(call: Callable[[], T], place: Place, name: str) -> T:
    try:
        return retried(call, what=f"{place.location}/{name}")
    except PlaceError as error:
        if error.kind != "missing":
            raise
        raise PlaceError(
            "missing",
            f"{place.location} cannot be written: its bucket is not there; make it, or name another address.",
        ) from error


def _in_parts(fs: Any, path: Path, where: str) -> None:
    out = fs.open(where, "wb", block_size=PART_BYTES, autocommit=False)
    try:
        with path.open("rb") as file:
            while part := file.read(PART_BYTES):
                out.write(part)
        out.close()
        out.commit()
    except BaseException:
        # Without this the parts stay in the bucket, unseen and paid for.
        with contextlib.suppress(Exception):
            out.discard()
        raise


def fetch(place: Place, name: str, path: Path) -> None:
    """Bring an object to a file, some MiB at a time. Raises PlaceError, of kind "missing" where there is none."""
    with path.open("wb") as file:
        for piece_of in _pieces(place.child(name)):
            file.write(piece_of)


def _pieces(place: Place) -> Iterator[bytes]:
    ranges = ranges_of(place)
    try:
        head, first = opened(place, ranges, PART_BYTES)
    except NoRanges:
        raise PlaceError(
            "refused", f"The server of {place.location} knows no ranges; put the dataset in a bucket."
        ) from None
    yield first
    for start in range(len(first), head.size, PART_BYTES):
        yield piece(place, ranges, head, start, min(head.size, start + PART_BYTES))


def sizes(place: Place, folder: str) -> dict[str, int]:
    """{name: bytes} of every object anywhere below a folder, asked for anew; a request for each thousand of them.

    Names are those below `place`.
    """

    above = len(place.root.rstrip("/")) + 1
    found = dict(_listed(place, folder)) if hasattr(place.fs, "call_s3") else _found(place, folder)
    return {path[above:]: size for path, size in found.items()}


def _listed(place: Place, folder: str) -> Iterator[tuple[str, int]]:
    """Paths and bytes of objects of an S3, a page at a time: a page that fails is asked for again, and no more."""
    bucket, _, prefix = _where(place, folder).partition("/")
    marks: dict[str, str] = {}
    while True:
        told = retried(
            partial(place.fs.call_s3, "list_objects_v2", Bucket=bucket, Prefix=f"{prefix}/", **marks),
            what=f"{place.location}/{folder}",
        )
        for one in told.get("Contents", ()):
            yield f"{bucket}/{one['Key']}", int(one["Size"])
        if not told.get("IsTruncated"):
            return
        marks = {"ContinuationToken": told["NextContinuationToken"]}


def _found(place: Place, folder: str) -> dict[str, int]:
    fs = place.lister()

    def call() -> dict[str, int]:
        fs.invalidate_cache()
        try:
            found = fs.find(_where(place, folder), detail=True)
        except FileNotFoundError:
            return {}
        return {str(path): int(entry["size"]) for path, entry in found.items()}

    return retried(call, what=f"{place.location}/{folder}")


def entries(place: Place) -> set[str]:
    """The names of the objects and folders right in a place; none where there is nothing."""

    fs = place.lister()

    def call() -> set[str]:
        fs.invalidate_cache()
        try:
            found = fs.ls(place.root, detail=False)
        except FileNotFoundError:
            return set()
        return {str(path).rstrip("/").rpartition("/")[2] for path in found} - {""}

    return retried(call, what=place.location)


def remove(place: Place, names: Iterable[str]) -> None:
    """Remove objects; those that are not there are no fault."""
    for some in _batches(sorted(names), _REMOVED_AT_ONCE):
        paths = [_where(place, name) for name in some]

        def call(paths: list[str] = paths) -> None:
            with contextlib.suppress(FileNotFoundError):
                place.fs.rm(paths)

        place.fs.invalidate_cache()
        retried(call, what=f"{place.location}/{some[0]}")


def abandon_uploads(place: Place) -> int:
    """End uploads in parts below `place` that somebody began and left, which are stored and paid for; how many.

    Of stores that list them (S3); nobody else may be writing there.
    """
    ask = getattr(place.fs, "call_s3", None)
    if ask is None:
        return 0
    bucket, _, prefix = place.root.strip("/").partition("/")

    def call() -> int:
        marks: dict[str, str] = {}
        count = 0
        while True:
            told = ask(
                "list_multipart_uploads", Bucket=bucket, Prefix=f"{prefix}/" if prefix else "", **marks
            )
            for upload in told.get("Uploads", ()):
                ask("abort_multipart_upload", Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
                count += 1
            if not told.get("IsTruncated"):
                return count
            marks = {"KeyMarker": told["NextKeyMarker"], "UploadIdMarker": told["NextUploadIdMarker"]}

    return retried(call, what=place.location)


def _where(place: Place, name: str) -> str:
    return f"{place.root.rstrip('/')}/{name}" if name else place.root.rstrip("/")


def _grows(place: Place) -> bool:
    protocols = [place.fs.protocol] if isinstance(place.fs.protocol, str) else place.fs.protocol
    return bool(_GROWING & set(protocols))


def _batches(names: list[str], count: int) -> Iterator[list[str]]:
    for start in range(0, len(names), count):
        yield names[start : start + count]
