"""Where the coded pictures of an MP4 lie and in which order they are shown, read from its index alone.

Box names and layouts are those of ISO/IEC 14496-12 (file format) and 14496-15 (H.264 in it). FFmpeg would decode a
picture of every file that it opens, which takes longer than this.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facevid.media.errors import MediaError

Ints = NDArray[np.int64]
_AVCC_AT = 78  # bytes of a VisualSampleEntry before its own boxes


@dataclass(frozen=True)
class PictureIndex:
    """The coded pictures of a file in the order in which they are decoded.

    setup: the decoder's configuration (avcC). offset, size: bytes in the file. shown: the place of each in display
    order. key: true where decoding can begin.
    """

    setup: bytes
    offset: Ints
    size: Ints
    shown: Ints
    key: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.offset)


def picture_index(data: bytes, name: str = "the clip") -> PictureIndex:
    """The index of the H.264 track of an MP4. Raises MediaError where there is none or it is damaged."""
    view = memoryview(data)
    try:
        return _index(view)
    except (struct.error, ValueError, KeyError, IndexError, OverflowError) as error:
        raise MediaError(
            "unreadable",
            f"{name} has no index of H.264 pictures that can be read ({error}); it is damaged, or no MP4.",
        ) from error


def _index(data: memoryview) -> PictureIndex:
    for track in _all(_first(data, "moov"), "trak"):
        mdia = _first(track, "mdia")
        if bytes(_first(mdia, "hdlr")[8:12]) == b"vide":
            index = _of_table(_first(mdia, "minf", "stbl"), len(data))
            if ((index.offset < 0) | (index.offset + index.size > len(data))).any():
                raise ValueError("it points beyond the end")
            return index
    raise KeyError("no video track")


def _of_table(table: memoryview, length: int) -> PictureIndex:
    boxes = dict(_boxes(table))
    _, entry = next(_boxes(boxes["stsd"][8:]))
    size = _sizes(boxes["stsz"], length)
    count = len(size)
    chunks = _words(boxes["stco"], 4, ">u4") if "stco" in boxes else _words(boxes["co64"], 4, ">u8")
    lasts = _runs(boxes["stts"], count)
    decoded_at = np.cumsum(lasts) - lasts
    delay = _runs(boxes["ctts"], count, signed=True) if "ctts" in boxes else np.zeros(count, np.int64)
    key = np.ones(count, bool)
    if "stss" in boxes:
        key[:] = False
        key[_words(boxes["stss"], 4, ">u4") - 1] = True
    shown = np.empty(count, np.int64)
    shown[np.argsort(decoded_at + delay, kind="stable")] = np.arange(count)
    setup = bytes(_first(entry[_AVCC_AT:], "avcC"))
    return PictureIndex(setup, _offsets(boxes["stsc"], chunks, size), size, shown, key)


def _sizes(box: memoryview, length: int) -> Ints:
    same, count = struct.unpack_from(">II", box, 4)
    if count > length:
        raise ValueError(f"it speaks of {count} pictures in {length} bytes")
    return np.full(count, same, np.int64) if same else _words(box, 8, ">u4")


def _offsets(box: memoryview, chunks: Ints, size: Ints) -> Ints:
    """Offsets from stsc: from chunk `first` on, every chunk holds `many` pictures, one behind the other."""
    first, many, _ = _words(box, 4, ">u4", columns=3)
    for_chunks = np.diff(np.append(first - 1, len(chunks)))
    _agree(int((many * for_chunks).sum()), len(size))
    in_chunk = np.repeat(many, for_chunks)
    chunk_of = np.repeat(np.arange(len(chunks)), in_chunk)
    before = np.cumsum(size) - size
    starts = np.cumsum(in_chunk) - in_chunk
    return np.asarray(chunks[chunk_of] + before - before[starts[chunk_of]], np.int64)


def _runs(box: memoryview, count: int, *, signed: bool = False) -> Ints:
    """A value for each picture from (how many, value) pairs: stts and ctts."""
    many, value = _words(box, 4, ">i4" if signed else ">u4", columns=2)
    _agree(int(many.sum()), count)
    return np.repeat(value, many)


def _agree(told: int, count: int) -> None:
    if told != count:
        raise ValueError(f"its tables speak of {told} and of {count} pictures")


def _words(box: memoryview, at: int, kind: str, *, columns: int = 0) -> Ints:
    """A counted table of a full box whose count stands `at` its bytes; with `columns` as that many rows."""
    (count,) = struct.unpack_from(">I", box, at)
    wide = max(1, columns)
    words = np.frombuffer(box, kind, count * wide, at + 4).astype(np.int64)
    return words.reshape(count, wide).T if columns else words


def _boxes(data: memoryview) -> Iterator[tuple[str, memoryview]]:
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            (size,), head = struct.unpack_from(">Q", data, at + 8), 16
        size = size or len(data) - at
        if size < head or at + size > len(data):
            raise ValueError(f"box {kind.decode('latin-1')!r} is longer than what holds it")
        yield kind.decode("latin-1"), data[at + head : at + size]
        at += size


def _all(data: memoryview, kind: str) -> list[memoryview]:
    return [body for found, body in _boxes(data) if found == kind]


def _first(data: memoryview, *path: str) -> memoryview:
    for kind in path:
        for found, body in _boxes(data):
            if found == kind:
                data = body
                break
        else:
            raise KeyError(f"no {kind}")
    return data
