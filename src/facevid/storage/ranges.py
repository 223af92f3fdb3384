"""Pieces of one object, whatever its store: each answer is held against what was asked for and what was opened."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from facevid.storage.address import Place
from facevid.storage.errors import PlaceError
from facevid.storage.retrying import BadBody, retried

# RFC 9110, 14.4: "bytes 0-499/1234", "bytes 0-499/*", and "bytes */1234" of an answer 416.
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_OVER = 1 << 16
_STAMPS = (
    "ETag",
    "etag",
    "e_tag",
    "md5Hash",
    "generation",
    "LastModified",
    "last_modified",
    "mtime",
    "updated",
)
_LOOK_AGAIN = 32
"""Reads after which a store that says nothing of an object with its bytes is asked whether it is still the same."""


@dataclass(frozen=True)
class Head:
    """What an object was when it was opened.

    size: bytes. stamp: its ETag, else its time of change, else empty: with the size it tells one version from another.
    """

    size: int
    stamp: str


@dataclass(frozen=True)
class Answer:
    """One answer: the head it speaks of, the first byte it holds, and the bytes."""

    head: Head
    start: int
    data: bytes


class NoRanges(Exception):
    """The server answers with the whole object. stamp: of that object; size: in bytes, None if it does not say."""

    def __init__(self, stamp: str, size: int | None) -> None:
        super().__init__(stamp, size)
        self.stamp, self.size = stamp, size


class Ranges(Protocol):
    """One attempt to get a piece of an object; raises what its file system raises, BadBody, or NoRanges."""

    def get(self, start: int, end: int) -> Answer: ...


def ranges_of(place: Place) -> Ranges:
    """How the pieces of a place are asked for."""
    if place.is_store:
        return _Store(place)
    if place.is_web:
        return _Web(place)
    return _Any(place)


def opened(place: Place, ranges: Ranges, first: int, *, known: Head | None = None) -> tuple[Head, bytes]:
    """The head of an object, and its first bytes (at most `first`).

    known: the head of an earlier opening; where it still holds, no bytes are fetched. Otherwise the length is asked for
    twice, since one wrong answer would make a shorter file of it. Raises PlaceError, and NoRanges.
    """

    def ask() -> tuple[Head, bytes]:
        if known is not None and known.size:
            head = ranges.get(known.size - 1, known.size).head
            if head.stamp and head == known:
                return head, b""
        begin = ranges.get(0, first)
        size = begin.head.size
        again = ranges.get(max(0, size - 1), max(1, size))
        if again.head != begin.head or len(begin.data) != min(first, size) or begin.start:
            raise BadBody(f"one answer spoke of {size} bytes and the next of {again.head.size}")
        return begin.head, begin.data

    return retried(ask, what=place.location)


def piece(place: Place, ranges: Ranges, head: Head, start: int, end: int) -> bytes:
    """Exactly the bytes `start` to `end` of the object that was opened. Raises PlaceError."""

    def ask() -> bytes:
        try:
            answer = ranges.get(start, end)
        except NoRanges:
            raise BadBody("the server answered with the whole file") from None
        if answer.head.stamp != head.stamp or (not head.stamp and answer.head.size != head.size):
            raise PlaceError(
                "changed",
                f"{place.location} was replaced while it was read; leave it alone and run this again.",
            )
        if answer.head.size != head.size or answer.start != start or len(answer.data) != end - start:
            raise BadBody(
                f"{len(answer.data)} bytes from {answer.start} of {answer.head.size} came, and {end - start} from "
                f"{start} of {head.size} were asked for"
            )
        return answer.data

    return retried(ask, what=place.location)


def waited(fs: Any, call: Callable[..., Any], *given: Any) -> Any:
    """What a coroutine function returns, run in the thread of an asynchronous file system."""
    from fsspec.asyn import sync

    return sync(fs.loop, call, *given)


class _Store:
    """S3 and what speaks like it."""

    def __init__(self, place: Place) -> None:
        self._fs = place.fs
        self._bucket, self._key, version = place.fs.split_path(place.root)
        self._version = {"VersionId": version} if version else {}

    def get(self, start: int, end: int) -> Answer:
        if not self._key:
            raise IsADirectoryError(f"{self._bucket} is a bucket")
        try:
            found = self._fs.call_s3(
                "get_object",
                Bucket=self._bucket,
                Key=self._key,
                Range=f"bytes={start}-{end - 1}",
                **self._version,
            )
        except OSError as error:
            if _status(error) != 416:
                raise
            # Nothing lies at `start`: an empty object, or one that has become shorter.
            found = self._fs.call_s3("head_object", Bucket=self._bucket, Key=self._key, **self._version)
            return Answer(Head(int(found["ContentLength"]), str(found.get("ETag", ""))), 0, b"")
        first, last, total = _content_range(found.get("ContentRange"))
        data = waited(self._fs, _body_of_store, found["Body"], end - start)
        if total is None:  # a server that knows no ranges gives all of it, with status 200
            first, total = 0, int(found["ContentLength"])
            if len(data) > end - start or start:
                raise BadBody("the store answered with the whole object")
        elif last is not None and last - first + 1 != len(data):
            raise BadBody(f"{len(data)} bytes came, and the store spoke of {last - first + 1}")
        return Answer(Head(total, str(found.get("ETag", ""))), first, data)


async def _body_of_store(body: Any, wanted: int) -> bytes:
    try:
        pieces: list[bytes] = []
        while sum(map(len, pieces)) <= wanted and (part := await body.read(wanted + 1)):
            pieces.append(part)
        return b"".join(pieces)
    finally:
        body.close()


class _Web:
    """A web server; what it says of itself is believed only where it agrees with what it sends."""

    def __init__(self, place: Place) -> None:
        self._fs, self._url = place.fs, place.root

    def get(self, start: int, end: int) -> Answer:
        found: Answer = waited(self._fs, self._get, start, end)
        return found

    async def _get(self, start: int, end: int) -> Answer:
        session = await self._fs.set_session()
        options = dict(self._fs.kwargs)
        # A body that is packed on the way has another length.
        wanted = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
        options["headers"] = {**options.get("headers", {}), **wanted}
        async with session.get(self._fs.encode_url(self._url), **options) as answer:
            first, last, total = _content_range(answer.headers.get("Content-Range"))
            stamp = stamp_of(answer.headers)
            if answer.status == 416:
                return Answer(Head(total or 0, stamp), 0, b"")
            answer.raise_for_status()
            if answer.status != 206:
                length = answer.content_length
                if length is None or length > end - start or start:
                    answer.close()  # not read to its end, which may be gigabytes away
                    raise NoRanges(stamp, length)
                first, last, total = 0, length - 1, length
            if total is None or last is None:
                raise BadBody(
                    f"the server does not say which bytes it sends ({answer.headers.get('Content-Range')})"
                )
            data = await _body_of_web(answer, end - start)
        if last - first + 1 != len(data):
            raise BadBody(f"{len(data)} bytes came, and the server spoke of {last - first + 1}")
        return Answer(Head(total, stamp), first, data)


async def _body_of_web(answer: Any, wanted: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for part in answer.content.iter_chunked(_OVER):
        pieces.append(part)
        size += len(part)
        if size > wanted:
            answer.close()
            break
    return b"".join(pieces)


class _Any:
    """Any other file system of fsspec: pieces by `cat_file`, the head by `info`, which is asked now and then."""

    def __init__(self, place: Place) -> None:
        self._fs, self._root = place.fs, place.root
        self._head: Head | None = None
        self._reads = 0

    def get(self, start: int, end: int) -> Answer:
        if self._head is None or start == 0 or self._reads % _LOOK_AGAIN == 0:
            self._head = self._look()
        self._reads += 1
        end = min(end, self._head.size)
        data = bytes(self._fs.cat_file(self._root, start=start, end=end)) if end > start else b""
        if len(data) != max(0, end - start):
            raise BadBody(f"{len(data)} bytes came, and {end - start} were asked for")
        return Answer(self._head, start, data)

    def _look(self) -> Head:
        self._fs.invalidate_cache()
        found = self._fs.info(self._root)
        if found.get("type") == "directory":
            raise IsADirectoryError(f"{self._root} is a folder")
        if found.get("size") is None:
            raise NoRanges(stamp_of(found), None)
        return Head(int(found["size"]), stamp_of(found))


def stamp_of(found: Mapping[str, Any]) -> str:
    """What tells this version of an object from another: its ETag, else its time of change, else nothing."""
    for name in ("ETag", "Last-Modified") if hasattr(found, "getall") else _STAMPS:
        if found.get(name) is not None:
            return str(found[name])
    return ""


def _content_range(text: str | None) -> tuple[int, int | None, int | None]:
    """First byte, last byte and total of a header; None for what it does not say."""
    match = _CONTENT_RANGE.fullmatch(text or "")
    if match is None:
        return 0, None, None
    first, last, total = match.groups()
    return int(first or 0), None if last is None else int(last), None if total == "*" else int(total)


def _status(error: BaseException) -> int | None:
    response = getattr(error.__cause__ or error, "response", None)
    return response.get("ResponseMetadata", {}).get("HTTPStatusCode") if isinstance(response, dict) else None
