"""How many samples the index of an MP4 or MOV stands for, before FFmpeg makes a list of them.

A box of 20 bytes can state 2^31 samples of one size, and FFmpeg then needs 75 bytes and 2 microseconds for each. Box
names and layouts are those of ISO/IEC 14496-12.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

_HOLDERS = frozenset((b"moov", b"trak", b"mdia", b"minf", b"stbl"))
# More boxes than this, on all levels of the index together, are no index: a track has about 20.
_MOST_BOXES = 20_000
# The tables lie five deep.
_DEEPEST = 8


def stated_samples(file: BinaryIO) -> int:
    """The most samples that a track of the file states to be listed one by one; 0 where it has no such index.

    Plain sound (samples of one size and one tick each) is left out: FFmpeg lists its chunks. Reads heads alone.
    """
    most, sound, ticks = 0, False, False
    end = file.seek(0, os.SEEK_END)
    for kind, body, size in _boxes(file, 0, end, [_MOST_BOXES]):
        if kind == b"hdlr" and _read(file, body + 4, 4) != b"dhlr":  # QuickTime: that of data, not of media
            sound = _read(file, body + 8, 4) == b"soun"
        elif kind == b"stts":
            entries, _, each = struct.unpack(">III", _read(file, body + 4, 12))
            ticks = (entries, each) == (1, 1)
        elif kind == b"stsz" and size >= 12:
            constant, count = struct.unpack(">II", _read(file, body + 4, 8))
            if not (sound and ticks and constant):
                most = max(most, count)
    return most


def _boxes(
    file: BinaryIO, start: int, end: int, left: list[int], depth: int = 0
) -> Iterator[tuple[bytes, int, int]]:
    """Kind, place and size of the content of each box, those inside the index's own boxes included.

    left: how many may still be read, in all.
    """
    while start + 8 <= end and left[0] > 0:
        left[0] -= 1
        head = _read(file, start, 16)
        size, kind = struct.unpack_from(">I4s", head)
        body = start + 8
        if size == 1 and len(head) == 16:
            size, body = struct.unpack_from(">Q", head, 8)[0], start + 16
        size = size or end - start  # 0: to the end
        if start + size < body:
            return
        stop = min(start + size, end)
        if kind in _HOLDERS and depth < _DEEPEST:
            yield from _boxes(file, body, stop, left, depth + 1)
        else:
            yield kind, body, stop - body
        start += size


def _read(file: BinaryIO, at: int, count: int) -> bytes:
    file.seek(at)
    return file.read(count).ljust(count, b"\0")
