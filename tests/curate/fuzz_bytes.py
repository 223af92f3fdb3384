"""Damage to files: bits and bytes anywhere, and the structure of ISO media files, Matroska and transport streams.

Every kind is `kind(random, data) -> bytes`, and gives the same bytes for the same state of `random`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

Kind = Callable[[Random, bytes], bytes]
HEADER = 600
"""Bytes counted as a file's header, at both ends: MP4 has its index at either."""
ABSURD = (0, 1, 7, 0x7F, 0xFFFF, 0x10000, 1 << 24, 1 << 28, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
_HOLDERS = frozenset(b"moov trak mdia minf stbl edts moof traf mvex dinf udta".split())
_TABLES = frozenset(
    b"stsz stco ctts stts stsc stss elst trun tkhd mvhd mdhd hdlr stsd trex tfdt dref".split()
)
# Matroska: Segment, Cluster, Tracks, TrackEntry, Video, Audio, Info, BlockGroup, Cues, SeekHead (RFC 9559).
_MASTERS = frozenset(
    (0x18538067, 0x1F43B675, 0x1654AE6B, 0xAE, 0xE0, 0xE1, 0x1549A966, 0xA0, 0x1C53BB6B, 0x114D9B74)
)


@dataclass(frozen=True)
class Box:
    """A box or an element: its type, where it begins, where its content begins, and where it ends."""

    kind: bytes
    start: int
    body: int
    end: int


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """Boxes of an ISO media file (ISO 14496-12), and those inside."""
    stop = len(data) if end is None else end
    while start + 8 <= stop:
        size, kind = struct.unpack_from(">I4s", data, start)
        if size < 8 or start + size > stop:
            return
        yield Box(kind, start, start + 8, start + size)
        if kind in _HOLDERS:
            yield from boxes(data, start + 8, start + size)
        start += size


def elements(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """Elements of a Matroska file (EBML, RFC 8794), and those inside."""
    stop = len(data) if end is None else end
    while start + 2 <= stop:
        name, at = _number(data, start, keep=True)
        size, body = _number(data, at)
        after = stop if size is None else body + size
        if name is None or body > stop or after > stop:
            return
        yield Box(name.to_bytes(4, "big"), start, body, after)
        if name in _MASTERS:
            yield from elements(data, body, after)
        start = after


def parts(data: bytes) -> list[Box]:
    """The parts of a file by its own structure; equal blocks where that is not known."""
    found = list(elements(data)) if data[:4] == b"\x1a\x45\xdf\xa3" else list(boxes(data))
    if len(found) > 2:
        return found
    step = 188 if data[:1] == b"\x47" else max(16, len(data) // 24)
    return [Box(b"", at, at + 4, min(at + step, len(data))) for at in range(0, len(data), step)]


def flip_header(r: Random, data: bytes) -> bytes:
    places = [i for i in range(len(data)) if i < HEADER or i >= len(data) - HEADER]
    return _flipped(data, [r.choice(places) for _ in range(r.randint(1, 12))], r)


def flip_index(r: Random, data: bytes) -> bytes:
    """Bits of the structure: the heads of the parts, and what small parts hold."""
    found = [b for b in parts(data) if b.end - b.start < 400]
    if not found:
        return flip_header(r, data)
    chosen = [r.choice(found) for _ in range(r.randint(1, 6))]
    return _flipped(data, [r.randrange(b.start, b.end) for b in chosen], r)


def flip_sparse(r: Random, data: bytes) -> bytes:
    return _flipped(data, [r.randrange(len(data)) for _ in range(r.randint(1, 8))], r)


def flip_dense(r: Random, data: bytes) -> bytes:
    return _flipped(
        data, [r.randrange(len(data)) for _ in range(max(20, len(data) // r.choice((20, 100, 400))))], r
    )


def flip_payload(r: Random, data: bytes) -> bytes:
    return _flipped(
        data, [r.randrange(len(data) // 8, len(data) * 7 // 8) for _ in range(r.randint(5, 200))], r
    )


def truncate(r: Random, data: bytes) -> bytes:
    """End at a part's edge, one byte beside it, in a part, or anywhere."""
    box = r.choice(parts(data))
    at = r.choice(
        (box.start, box.body, box.end - 1, box.start + 1, r.randrange(len(data)), r.randrange(1, 64))
    )
    return data[: max(1, at)]


def lose_head(r: Random, data: bytes) -> bytes:
    """Begin later, as a recording that was joined midway."""
    return data[r.choice((1, 4, 8, 188, r.randrange(len(data) - 1))) :]


def insert(r: Random, data: bytes) -> bytes:
    at, size = r.randrange(len(data)), r.choice((1, 2, 7, 188, 4096))
    return data[:at] + r.choice((b"\0" * size, b"\xff" * size, r.randbytes(size))) + data[at:]


def remove(r: Random, data: bytes) -> bytes:
    at = r.randrange(len(data))
    return data[:at] + data[at + r.choice((1, 2, 7, 188, 4096)) :]


def blank(r: Random, data: bytes) -> bytes:
    """A stretch of zeros, ones or noise, as unwritten or broken sectors are."""
    size = min(len(data) // 2, r.choice((16, 512, 4096)))
    at = r.randrange(len(data) - size)
    return data[:at] + r.choice((b"\0" * size, b"\xff" * size, r.randbytes(size))) + data[at + size :]


def splice(r: Random, data: bytes) -> bytes:
    """The same file again from its middle on, or turned around by halves."""
    at = r.randrange(len(data))
    return r.choice((data + data, data[at:] + data[:at], data[:at] + data))


def swap_parts(r: Random, data: bytes) -> bytes:
    one, two = sorted(r.sample(parts(data), 2), key=lambda b: b.start)
    if two.start < one.end:
        return duplicate_part(r, data)
    middle = data[one.end : two.start]
    return (
        data[: one.start] + data[two.start : two.end] + middle + data[one.start : one.end] + data[two.end :]
    )


def duplicate_part(r: Random, data: bytes) -> bytes:
    box = r.choice(parts(data))
    times = r.choice((1, 1, 2, 50)) if box.end - box.start < 4000 else 1
    return data[: box.end] + data[box.start : box.end] * times + data[box.end :]


def drop_part(r: Random, data: bytes) -> bytes:
    box = r.choice(parts(data))
    return data[: box.start] + data[box.end :]


def rename_part(r: Random, data: bytes) -> bytes:
    found = parts(data)
    box, other = r.choice(found), r.choice(found)
    width = 4 if box.kind else 1
    at = box.start + (4 if box.kind and data[:4] != b"\x1a\x45\xdf\xa3" else 0)
    return data[:at] + r.choice((other.kind[:width] or b"\0", r.randbytes(width))) + data[at + width :]


def nest_parts(r: Random, data: bytes) -> bytes:
    """A part inside itself, up to thousands of times."""
    box, depth = r.choice(parts(data)), r.choice((2, 30, 1000, 5000))
    if data[:4] == b"\x1a\x45\xdf\xa3":
        head = r.choice((b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75", b"\xa0"))
        return data[: box.start] + (head + b"\x01" + b"\xff" * 7) * depth + data[box.start :]
    kind = r.choice((b"moov", b"trak", b"udta", b"moof", b"meta", b"wave"))
    inner = data[box.start : box.end]
    heads = b"".join(struct.pack(">I4s", len(inner) + 8 * (depth - k), kind) for k in range(depth))
    return data[: box.start] + heads + inner + data[box.end :]


def absurd_size(r: Random, data: bytes) -> bytes:
    """A part's size that cannot be: 0, 1, 2^32 - 1, 2^63 and the like."""
    box = r.choice(parts(data))
    if data[:4] == b"\x1a\x45\xdf\xa3":
        name = data[box.start : box.start + len(box.kind.lstrip(b"\0"))]
        size = r.choice(
            (b"\x80", b"\x01" + b"\xff" * 7, b"\x01" + b"\xff" * 6 + b"\xfe", b"\x00" * 8, b"\x08\x7f")
        )
        return data[: box.start] + name + size + data[box.body :]
    if r.random() < 0.3:  # size 1: the size follows in 64 bits
        large = struct.pack(">Q", r.choice((0, 8, 16, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)))
        return data[: box.start] + b"\0\0\0\1" + data[box.start + 4 : box.body] + large + data[box.body :]
    return data[: box.start] + struct.pack(">I", r.choice(ABSURD)) + data[box.start + 4 :]


def lying_table(r: Random, data: bytes) -> bytes:
    """Absurd numbers in the tables of an MP4's index, or in the small elements and heads of other files."""
    tables = [b for b in parts(data) if b.kind in _TABLES] or [b for b in parts(data) if b.end - b.body <= 40]
    changed = bytearray(data)
    for _ in range(r.randint(1, 3)):
        box = r.choice(tables or parts(data))
        at = min(box.body + (4 * r.randrange(8) if box.kind in _TABLES else 0), len(data) - 4)
        struct.pack_into(">I", changed, max(0, at), r.choice((*ABSURD, r.getrandbits(32))))
    return bytes(changed)


def wild_stamps(r: Random, data: bytes) -> bytes:
    """Time stamps that are negative, run backwards, jump, or are all the same."""
    changed, way = bytearray(data), r.randrange(5)

    def next_stamp(number: int, bits: int) -> int:
        top = (1 << bits) - 1
        return (top, (top >> 1) - 100 * number, number * (top >> 5), 0, r.getrandbits(bits))[way] & top

    if data[:4] == b"\x1a\x45\xdf\xa3":
        for number, e in enumerate(elements(data)):
            if e.kind in (b"\0\0\0\xe7", b"\0\0\0\xa3") and e.end - e.body >= 1:
                at, size = (e.body, e.end - e.body) if e.kind[3] == 0xE7 else (e.body + 1, 2)
                changed[at : at + size] = next_stamp(number, 8 * size).to_bytes(size, "big")
    elif data[:3] == b"FLV":
        at, number = 13, 0
        while at + 11 < len(data):
            stamp = next_stamp(number, 32)
            changed[at + 4 : at + 8] = (stamp & 0xFFFFFF).to_bytes(3, "big") + bytes([stamp >> 24])
            at, number = at + 15 + int.from_bytes(data[at + 1 : at + 4], "big"), number + 1
    elif data[:1] == b"\x47":
        starts = (i for i in range(len(data) - 14) if data[i : i + 3] == b"\0\0\1" and data[i + 3] >= 0xC0)
        for number, at in enumerate(starts):
            if way == 3 and data[at + 6] >> 6 == 2:
                changed[at + 7] &= 0x3F  # no stamp at all
            elif data[at + 7] & 0x80:
                stamp = next_stamp(number, 33)
                halves = (stamp >> 29 & 0xE) | 0x21, (stamp >> 14 & 0xFFFE) | 1, (stamp << 1 & 0xFFFE) | 1
                changed[at + 9 : at + 14] = struct.pack(">BHH", *halves)
    else:
        for number, box in enumerate(boxes(data)):
            if box.kind in (b"stts", b"ctts", b"elst", b"tfdt", b"mdhd", b"mvhd"):
                for at in range(box.body + 8, min(box.end, box.body + 64) - 3, 4):
                    if r.random() < 0.5:
                        struct.pack_into(">I", changed, at, next_stamp(number, 32))
    return bytes(changed)


KINDS: dict[str, Kind] = {
    "bits: header": flip_header, "bits: index": flip_index, "bits: sparse": flip_sparse, "bits: dense": flip_dense,
    "bits: payload": flip_payload, "truncated": truncate, "head lost": lose_head, "bytes inserted": insert,
    "bytes removed": remove, "sectors blank": blank, "spliced": splice, "parts swapped": swap_parts,
    "parts duplicated": duplicate_part, "parts dropped": drop_part, "parts renamed": rename_part,
    "parts nested": nest_parts, "absurd sizes": absurd_size, "lying tables": lying_table,
    "wild time stamps": wild_stamps,
}  # fmt: skip
"""Name for the table -> what does it to a valid file."""


def _flipped(data: bytes, places: list[int], r: Random) -> bytes:
    changed = bytearray(data)
    for at in places:
        changed[at] ^= 1 << r.randrange(8)
    return bytes(changed)


def _number(data: bytes, at: int, *, keep: bool = False) -> tuple[int | None, int]:
    """A number of variable length of EBML and where it ends; None for "unknown"."""
    if at >= len(data) or not data[at]:
        return None, len(data) + 1
    width = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + width], "big")
    if not keep:
        value &= (1 << 7 * width) - 1
        if value == (1 << 7 * width) - 1:
            return None, at + width
    return value, at + width
