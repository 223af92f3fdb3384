"""An object behind an address as a file: seekable, read by ranges, in bounded memory, and the same one to the end."""

from __future__ import annotations

import io
import os
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from facevid.storage.address import Place, file_name
from facevid.storage.ranges import Head, NoRanges, opened, piece, ranges_of
from facevid.storage.scratch import Scratch
from facevid.storage.whole import fetch_whole

BLOCK = 1 << 20
"""Bytes of one piece: at 50 MB/s as long on the way as the 20 ms until a store's first byte."""
MOST_BLOCKS = 8
"""Blocks of one request where reading goes on and on: 8 MiB, the lower end of the sizes that Amazon S3's user guide
names for ranged reads ("8 MB or 16 MB"); reading begins with one and doubles."""
CACHE_BYTES = 48 << 20
"""Pieces that are kept in a process, of all its files: what a demuxer goes back to (the index, sound)."""
_HEADS = 256


class _Blocks:
    """The pieces of this process, the least recently used go first; safe for threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Any, ...], tuple[bytes, int]] = OrderedDict()
        self._bytes = 0
        self._heads: OrderedDict[Any, Head] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[Any, ...]) -> tuple[bytes, int] | None:
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: tuple[Any, ...], data: bytes, run: int) -> None:
        with self._lock:
            old = self._kept.pop(key, None)
            self._bytes += len(data) - (len(old[0]) if old else 0)
            self._kept[key] = (data, run)
            while self._bytes > CACHE_BYTES and len(self._kept) > 1:
                _, (dropped, _) = self._kept.popitem(last=False)
                self._bytes -= len(dropped)

    def head(self, place: object) -> Head | None:
        with self._lock:
            return self._heads.get(place)

    def remember(self, place: object, head: Head) -> None:
        with self._lock:
            self._heads[place] = head
            self._heads.move_to_end(place)
            while len(self._heads) > _HEADS:
                self._heads.popitem(last=False)


_blocks = _Blocks()


class Seekable(io.RawIOBase):
    """A file of known `size` that is read from any place; a subclass says what is there by `readinto` from `_at` on."""

    def __init__(self) -> None:
        super().__init__()
        self._at = 0

    @property
    def size(self) -> int:
        """Bytes of the file."""
        raise NotImplementedError

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        if start + offset < 0:
            raise ValueError(f"{start + offset} is no place in a file.")
        self._at = start + offset
        return self._at


class RangeFile(Seekable):
    """A file behind an address, opened for reading; what is not read of it does not travel.

    address: or a Place. options: for its file system. Every piece is checked for the length and the range asked for,
    and comes from the object that was opened: ETag (or time of change) and size must stay. Where a server sends whole
    files only, the file is fetched once into the scratch (`facevid.storage.Scratch`). Raises PlaceError, at opening and
    at reading; once reading has failed, it fails with the same sentence.
    """

    def __init__(self, address: str | Place, options: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self._place = address if isinstance(address, Place) else Place(address, options)
        self.location = self._place.location
        self.name = file_name(self.location)
        self._failed: Exception | None = None
        self._local: int | None = None
        self._ranges = ranges_of(self._place)
        # The same address may be another object for other credentials or another endpoint.
        self._key: tuple[Any, ...] = (self.location, self._place.fs)
        known = _blocks.head(self._key)
        try:
            self._head, begin = opened(self._place, self._ranges, BLOCK, known=known)
        except NoRanges as no:
            scratch = Scratch()
            with fetch_whole(self._place, no, scratch) as path:
                # Kept open: the scratch may remove the name, and the bytes stay.
                self._local = os.open(path, os.O_RDONLY)
                self._head = Head(os.fstat(self._local).st_size, no.stamp)
            return
        if self.stamp:
            _blocks.remember(self._key, self._head)
        else:  # nothing tells one version from another, so what is kept serves this opening alone
            self._key = (*self._key, object())
        if begin:
            self._put(0, begin, 1)

    @property
    def size(self) -> int:
        """Bytes of the object."""
        return self._head.size

    @property
    def stamp(self) -> str:
        """Its ETag, else its time of change, else empty."""
        return self._head.stamp

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        count = min(len(view), max(0, self.size - self._at))
        if not count:
            return 0
        if self._failed is not None:
            raise self._failed
        done = 0
        try:
            while done < count:
                part = self._part(self._at + done, count - done)
                view[done : done + len(part)] = part
                done += len(part)
        except Exception as error:
            self._failed = error
            raise
        self._at += done
        return done

    def close(self) -> None:
        if self._local is not None and not self.closed:
            os.close(self._local)
        super().close()

    def _part(self, at: int, most: int) -> bytes:
        """Some bytes from a place on, of one block."""
        if self._local is not None:
            return os.pread(self._local, most, at)
        number, start = divmod(at, BLOCK)
        return self._block(number)[start : start + most]

    def _block(self, number: int) -> bytes:
        kept = _blocks.get((*self._key, self._head, number))
        if kept is not None:
            return kept[0]
        before = _blocks.get((*self._key, self._head, number - 1)) if number else None
        run = min(MOST_BLOCKS, 2 * before[1]) if before else 1
        start = number * BLOCK
        data = piece(self._place, self._ranges, self._head, start, min(self.size, start + run * BLOCK))
        for k in range(0, len(data), BLOCK):
            self._put(number + k // BLOCK, data[k : k + BLOCK], run)
        return data[:BLOCK]

    def _put(self, number: int, data: bytes, run: int) -> None:
        _blocks.put((*self._key, self._head, number), data, run)
