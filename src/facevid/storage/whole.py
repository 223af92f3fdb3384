"""Files of servers that know no ranges: fetched once, as a whole, into the scratch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from facevid.storage.address import Place
from facevid.storage.ranges import NoRanges, waited
from facevid.storage.retrying import BadBody, retried
from facevid.storage.scratch import Scratch

_BLOCK = 1 << 20
_UNMARKED_S = 3600
"""Seconds for which a copy serves of an object whose server gives neither ETag nor time of change."""


@contextmanager
def fetch_whole(place: Place, found: NoRanges, scratch: Scratch) -> Iterator[Path]:
    """The whole object of a place as a local file, which stays for the length of the `with` block.

    found: what the server said of it. A copy of the same version is used again. Raises PlaceError.
    """
    version = found.stamp or f"unmarked {int(time.time() // _UNMARKED_S)}"
    key = f"{place.location} {version} {found.size}"

    def make(target: Path) -> None:
        retried(lambda: _fetch(place, target, scratch), what=place.location)

    with scratch.held(key, make, size=found.size, what=place.location) as path:
        yield path


def _fetch(place: Place, target: Path, scratch: Scratch) -> None:
    with target.open("r+b") as file:
        if place.is_web:
            size, wanted = waited(place.fs, _from_web, place, file, scratch)
        else:
            size, wanted = _from_any(place, file, scratch)
        file.truncate(size)
    if wanted is not None and size != wanted:
        raise BadBody(f"{size} bytes came, and {wanted} were promised")


async def _from_web(place: Place, file: BinaryIO, scratch: Scratch) -> tuple[int, int | None]:
    session = await place.fs.set_session()
    options: dict[str, Any] = dict(place.fs.kwargs)
    options["headers"] = {**options.get("headers", {}), "Accept-Encoding": "identity"}
    async with session.get(place.fs.encode_url(place.root), **options) as answer:
        answer.raise_for_status()
        size = 0
        async for part in answer.content.iter_chunked(_BLOCK):
            size += len(part)
            scratch.check(size, place.location)
            file.write(part)
        return size, answer.content_length


def _from_any(place: Place, file: BinaryIO, scratch: Scratch) -> tuple[int, int | None]:
    size = 0
    with place.fs.open(place.root, "rb") as source:
        while part := source.read(_BLOCK):
            size += len(part)
            scratch.check(size, place.location)
            file.write(part)
    return size, None
