"""Files that claim or unfold to far more than they hold: pictures, streams, hours, index entries, rates."""

from __future__ import annotations

import gzip
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from io import BytesIO
from random import Random

import numpy as np
from fuzz_bytes import boxes, elements
from fuzz_seeds import Seed, encode, muxed

Made = tuple[str, bytes]
Claim = Callable[[Random, dict[str, Seed]], Made]


def large_picture(r: Random, seeds: dict[str, Seed]) -> Made:
    """A header of 30,000 x 30,000 pixels (or as large as the format can say) over little data."""
    side = r.choice((9_008, 16_000, 30_000, 65_535))
    way = r.randrange(6)
    if (
        way == 0
    ):  # VP9, intra frame: marker, profile, flags (8 bits), sync code (24), colour (4), then the size
        data = bytearray(seeds["webm"].data)
        at = data.find(b"\x49\x83\x42")
        while at >= 0:
            bits = int.from_bytes(data[at + 3 : at + 9], "big")
            mask = ((1 << 32) - 1) << 12
            bits = bits & ~mask | ((min(side, 65_536) - 1) << 16 | (side - 1)) << 12
            data[at + 3 : at + 9] = bits.to_bytes(6, "big")
            at = data.find(b"\x49\x83\x42", at + 9)
        return ".webm", bytes(data)
    if way == 1:  # JPEG: SOF0 holds precision, height, width
        data = bytearray(seeds["mjpeg"].data)
        at = data.find(b"\xff\xc0")
        while at >= 0:
            struct.pack_into(">HH", data, at + 5, side, side)
            at = data.find(b"\xff\xc0", at + 4)
        return ".mov", bytes(data)
    if way == 2:
        return ".mov", _png_film(side, side, grey_rows=0)
    if way == 3:
        return ".ts", _h264_of_size(side)
    if way == 4:
        return ".ts", _hevc_of_size(side)
    seed = seeds[r.choice(("mp4", "hevc", "vp9 mp4", "av1", "prores", "mjpeg", "mov"))]
    data = bytearray(seed.data)
    for box in boxes(seed.data):  # the sizes that the index states: tkhd in 16.16, stsd in 16 bits
        if box.kind == b"tkhd":
            struct.pack_into(">II", data, box.end - 8, side << 16 & 0xFFFFFFFF, side << 16 & 0xFFFFFFFF)
        elif box.kind == b"stsd" and data[box.body + 12 : box.body + 16] != b"mp4a":
            struct.pack_into(">HH", data, box.body + 40, side, side)
    return seed.suffix, bytes(data)


def bomb(r: Random, seeds: dict[str, Seed]) -> Made:
    """Really coded: a flat picture of hundreds of megapixels in some kilobytes."""
    width, height = r.choice(((16_000, 16_000), (12_000, 9_000), (40_000, 4_000), (8_192, 4_400)))
    return ".mov", _png_film(width, height, grey_rows=height)


def odd_size(r: Random, seeds: dict[str, Seed]) -> Made:
    """Pictures of a pixel, a line, a column."""
    width, height = r.choice(((1, 1), (2, 2), (1, 400), (400, 1), (3, 1000), (4000, 2), (16, 16), (8000, 8)))
    picture = np.full((height, width, 3), r.randrange(256), np.uint8)
    context, packets = _coded(((height, width, int(picture[0, 0, 0])),) * 4, "png", "rgb24")
    return ".mov", muxed(packets, context, "mov")


def changing_size(r: Random, seeds: dict[str, Seed]) -> Made:
    """Another size in every picture."""
    sizes = tuple((2 * r.randrange(8, 150), 2 * r.randrange(8, 150), r.randrange(256)) for _ in range(6))
    codec, container, suffix = r.choice(
        (("libx264", "mpegts", ".ts"), ("libvpx-vp9", "webm", ".webm"), ("mjpeg", "matroska", ".mkv"),
         ("png", "mov", ".mov"), ("libx264", "avi", ".avi"))
    )  # fmt: skip
    pix_fmt = {"mjpeg": "yuvj420p", "png": "rgb24"}.get(codec, "yuv420p")
    context, packets = _coded(sizes, codec, pix_fmt)
    return suffix, muxed(packets, context, container)


def many_streams(r: Random, seeds: dict[str, Seed]) -> Made:
    """Hundreds and thousands of tracks or programmes."""
    count, way = r.choice((300, 1_500, 4_000)), r.randrange(3)
    if way == 0:
        return ".mp4", _many_tracks(seeds["vp9 mp4"].data, count)
    if way == 1:
        return ".ts", _many_programmes(count)
    return ".mkv", _many_entries(seeds["mkv"].data, count)


def hours(r: Random, seeds: dict[str, Seed]) -> Made:
    """Hours, days or years claimed by a small file: in its heads, or by pictures far apart."""
    way = r.randrange(3)
    if way == 0:
        context, packets = _coded(((32, 48, 90),) * r.choice((3, 20)), "mjpeg", "yuvj420p")
        gap = r.choice((25 * 50, 25 * 3600, 25 * 86_400))
        return ".mkv", muxed(packets, context, "matroska", times=[k * gap for k in range(len(packets))])
    if way == 1:
        data = bytearray(seeds["mkv"].data)
        at = data.index(b"\x44\x89\x88") + 3  # Duration, a float in milliseconds
        struct.pack_into(">d", data, at, r.choice((3.6e7, 8.64e9, 1e300, -5.0, float("nan"), float("inf"))))
        return ".mkv", bytes(data)
    seed = seeds[r.choice(("mp4", "mov", "vp9 mp4", "mjpeg"))]
    data = bytearray(seed.data)
    units = r.choice((1000 * 36_000, 0x7FFFFFFF, 0xFFFFFFFF))
    for box in boxes(seed.data):
        if box.kind in (b"mvhd", b"mdhd"):
            struct.pack_into(">I", data, box.body + 16, units)
        elif box.kind == b"tkhd":
            struct.pack_into(">I", data, box.body + 20, units)
        elif box.kind == b"stts" and r.random() < 0.5:
            struct.pack_into(">I", data, box.body + 12, r.choice((units, 12_800 * 59)))
    return seed.suffix, bytes(data)


def index_bomb(r: Random, seeds: dict[str, Seed]) -> Made:
    """An index whose few bytes stand for up to 2^31 samples."""
    seed = seeds[r.choice(("mp4", "mov", "prores", "vp9 mp4"))]
    data, count = bytearray(seed.data), r.choice((10_000_000, 100_000_000, 0x7FFFFFFF, 0x80000000))
    for box in boxes(seed.data):
        if box.kind == b"stsz":
            struct.pack_into(">II", data, box.body + 4, 1, count)
        elif box.kind == b"stsc":
            struct.pack_into(">I", data, box.body + 12, count)
        elif box.kind in (b"stts", b"ctts"):
            struct.pack_into(">I", data, box.body + 8, count)
    return seed.suffix, bytes(data)


def absurd_rates(r: Random, seeds: dict[str, Seed]) -> Made:
    """A million frames a second, time bases of 1 and of 2^-31 s, sound of gigahertz or hundreds of channels."""
    way = r.randrange(3)
    if way == 0:
        data = bytearray(seeds["avi"].data)
        at = data.index(b"auds")
        strf = data.index(b"strf", at)
        struct.pack_into("<I", data, strf + 12, r.choice((1, 7, 4_000_000, 2_000_000_000, 0xFFFFFFFF)))
        struct.pack_into("<H", data, strf + 10, r.choice((1, 2, 255, 512, 65_535)))
        return ".avi", bytes(data)
    if way == 1:
        data = bytearray(seeds["avi"].data)
        at = data.index(b"vids")
        struct.pack_into(
            "<II", data, at + 20, r.choice((1, 0, 0xFFFFFFFF)), r.choice((1_000_000, 1, 0, 0xFFFFFFFF))
        )
        return ".avi", bytes(data)
    seed = seeds[r.choice(("mp4", "mov", "vp9 mp4", "mp4 fragments"))]
    data = bytearray(seed.data)
    for box in boxes(seed.data):
        if box.kind in (b"mvhd", b"mdhd"):
            struct.pack_into(">I", data, box.body + 12, r.choice((1, 0, 25_000_000, 0x7FFFFFFF, 0xFFFFFFFF)))
    return seed.suffix, bytes(data)


def odd_matrix(r: Random, seeds: dict[str, Seed]) -> Made:
    """A display matrix or pixel shape of garbage."""
    seed = seeds[r.choice(("mp4", "mov", "hevc"))]
    data = bytearray(seed.data)
    for box in boxes(seed.data):
        if box.kind == b"tkhd":
            data[box.end - 44 : box.end - 8] = r.choice(
                (r.randbytes(36), b"\0" * 36, b"\x80\0\0\0" * 9, b"\xff" * 36)
            )
        elif box.kind == b"stsd" and b"pasp" in data[box.body : box.end]:
            struct.pack_into(
                ">II", data, data.index(b"pasp", box.body) + 4, r.getrandbits(31), r.getrandbits(31)
            )
    return seed.suffix, bytes(data)


def heavy_metadata(r: Random, seeds: dict[str, Seed]) -> Made:
    """Megabytes of tags."""
    size = r.choice((1 << 18, 1 << 20, 3 << 20))
    text = b"A" * size
    name = b"\xa9nam" + struct.pack(">HH", size & 0xFFFF, 0) + text
    tag = struct.pack(">I", len(name) + 4) + name
    udta = struct.pack(">I4s", len(tag) + 8, b"udta") + tag
    data = seeds["mov"].data
    moov = next(b for b in boxes(data) if b.kind == b"moov")
    head = struct.pack(">I4s", moov.end - moov.start + len(udta), b"moov")
    return ".mov", data[: moov.start] + head + data[moov.body : moov.end] + udta + data[moov.end :]


def archive_bomb(r: Random, seeds: dict[str, Seed]) -> Made:
    """A zip or gzip file that unfolds to gigabytes, or a film inside one."""
    zeros = b"\0" * (1 << 22)
    if r.random() < 0.5:
        return ".mp4", gzip.compress(r.choice((zeros, seeds["mp4"].data)), mtime=0)
    target = BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr(zipfile.ZipInfo("film.mp4"), r.choice((zeros, seeds["mp4"].data)), zipfile.ZIP_DEFLATED)
    return ".mp4", target.getvalue()


def no_film(r: Random, seeds: dict[str, Seed]) -> Made:
    """Sound alone, cover art alone, noise, a text, nothing but zeros."""
    way = r.randrange(4)
    if way == 0:
        data = bytearray(seeds["mp4"].data)
        data[data.index(b"vide") : data.index(b"vide") + 4] = r.choice(
            (b"soun", b"text", b"subt", b"meta", b"hint")
        )
        return ".mp4", bytes(data)
    return ".mp4", (b"\0" * 5000, r.randbytes(r.choice((1, 100, 50_000))), b"This is no film.\n" * 90)[
        way - 1
    ]


CLAIMS: dict[str, Claim] = {
    "large pictures claimed": large_picture, "large pictures coded": bomb, "odd picture sizes": odd_size,
    "size changes": changing_size, "many streams": many_streams, "hours claimed": hours, "index bombs": index_bomb,
    "absurd rates": absurd_rates, "odd matrices": odd_matrix, "heavy metadata": heavy_metadata,
    "archives": archive_bomb, "no film": no_film,
}  # fmt: skip
"""Name for the table -> what makes it; each gives an ending and bytes."""


@lru_cache(maxsize=64)
def _coded(sizes: Sequence[tuple[int, int, int]], codec: str, pix_fmt: str) -> tuple[object, list[bytes]]:
    """Packets of flat pictures (height, width, light), each size coded by an encoder of its own; the first encoder."""
    each = [encode([np.full((h, w, 3), light, np.uint8)], codec, pix_fmt) for h, w, light in sizes]
    return each[0][0], [packet for _, packets in each for packet in packets]


@lru_cache(maxsize=16)
def _png_film(width: int, height: int, *, grey_rows: int) -> bytes:
    """A film of one grey PNG picture (8 bits, W3C PNG), with data for so many rows."""
    deflate = zlib.compressobj(1)
    pieces = [deflate.compress(b"\0" * (width + 1)) for _ in range(grey_rows)]
    body = b"".join(pieces) + deflate.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", body), (b"IEND", b""))
    picture = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks
    )
    context, _ = _coded(((16, 16, 0),), "png", "rgb24")
    data = bytearray(muxed([picture], context, "mov"))
    for box in boxes(bytes(data)):
        if box.kind == b"stsd":
            struct.pack_into(">HH", data, box.body + 40, width & 0xFFFF, height & 0xFFFF)
    return bytes(data)


def _many_tracks(data: bytes, count: int) -> bytes:
    """An MP4 whose track is there so many times; its index is behind its samples."""
    moov = next(b for b in boxes(data) if b.kind == b"moov")
    trak = next(b for b in boxes(data) if b.kind == b"trak")
    head = struct.pack(">I4s", moov.end - moov.start + (count - 1) * (trak.end - trak.start), b"moov")
    inner = data[moov.body : trak.start] + data[trak.start : trak.end] * count + data[trak.end : moov.end]
    return data[: moov.start] + head + inner + data[moov.end :]


def _many_entries(data: bytes, count: int) -> bytes:
    """A Matroska file whose first track is there so many times."""
    tracks = next(e for e in elements(data) if e.kind == b"\x16\x54\xae\x6b")
    entry = next(e for e in elements(data) if e.kind == b"\0\0\0\xae")
    body = data[entry.start : entry.end]
    number = body.index(b"\xd7\x81") + 2
    inner = b"".join(body[:number] + bytes([k % 250 + 1]) + body[number + 1 :] for k in range(count))
    head = b"\x16\x54\xae\x6b\x01" + len(inner).to_bytes(7, "big")
    return data[: tracks.start] + head + inner + data[tracks.end :]


def _many_programmes(count: int) -> bytes:
    """A transport stream (ISO 13818-1) whose tables name so many programmes, each with a picture and a sound."""
    out, numbers = [], list(range(1, count + 1))
    for section in range(0, min(count, 4_000), 40):
        some = numbers[section : section + 40]
        entries = b"".join(struct.pack(">HH", n, 0xE000 | 32 + n) for n in some)
        last = (min(count, 4_000) - 1) // 40
        out.append(_table(0, 0, 1, entries, section // 40, last))
        for n in some:
            pids = (0xE000 | 4096 + 2 * n & 0x1FFF, 0xE000 | 4097 + 2 * n & 0x1FFF)
            streams = struct.pack(">BHHBHH", 0x1B, pids[0], 0xF000, 0x0F, pids[1], 0xF000)  # H.264, AAC
            out.append(_table(32 + n, 2, n, struct.pack(">HH", 0xE100, 0xF000) + streams, 0, 0))
    return b"".join(out)


def _table(pid: int, table: int, number: int, body: bytes, section: int, last: int) -> bytes:
    inner = struct.pack(">HBBB", number, 0xC1, section, last) + body
    whole = struct.pack(">BH", table, 0xB000 | len(inner) + 4) + inner
    crc = 0xFFFFFFFF
    for byte in whole:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    whole += struct.pack(">I", crc)
    return (struct.pack(">BHB", 0x47, 0x4000 | pid & 0x1FFF, 0x10) + b"\0" + whole).ljust(188, b"\xff")


def _h264_of_size(side: int) -> bytes:
    """H.264 (Rec. H.264 7.3.2.1.1) in baseline profile, whose parameters state `side` x `side` pixels."""
    blocks = (side + 15) // 16
    bits = "01000010" + "11000000" + f"{62:08b}" + "".join(
        _golomb(v) for v in (0, 0, 2, 1)  # id, frame number, order of pictures, references
    ) + "0" + _golomb(blocks - 1) + _golomb(blocks - 1) + "1" + "1" + "0" + "0" + "1"  # fmt: skip
    bits += "0" * (-len(bits) % 8)
    sps = b"\x67" + _escaped(int(bits, 2).to_bytes(len(bits) // 8, "big"))
    return _with_parameters("libx264", lambda unit: sps if unit[0] & 31 == 7 else unit)


def _hevc_of_size(side: int) -> bytes:
    """HEVC whose parameters (Rec. H.265 7.3.2.2.1) state `side` x `side` pixels, and are an encoder's otherwise."""

    def changed(unit: bytes) -> bytes:
        if unit[0] >> 1 & 63 != 33:
            return unit
        bits = "".join(f"{byte:08b}" for byte in unit[2:].replace(b"\0\0\3", b"\0\0"))
        at = 8 + 96  # layers and nesting; profile, tier and level
        for _ in range(2):  # id of the parameters, format of colours
            at = _golomb_end(bits, at)
        after = _golomb_end(bits, _golomb_end(bits, at))
        bits = bits[:at] + 2 * _golomb(side & ~7) + bits[after:]
        bits += "0" * (-len(bits) % 8)
        return unit[:2] + _escaped(int(bits, 2).to_bytes(len(bits) // 8, "big"))

    return _with_parameters("libx265", changed)


def _with_parameters(codec: str, change: Callable[[bytes], bytes]) -> bytes:
    """A transport stream of two coded pictures, each of whose units went through `change`."""
    context, packets = _coded(((64, 64, 90),) * 2, codec, "yuv420p")
    pieces = [[u for u in p.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if u] for p in packets]
    return muxed([b"".join(b"\0\0\0\1" + change(u) for u in units) for units in pieces], context, "mpegts")


def _golomb(value: int) -> str:
    text = f"{value + 1:b}"
    return "0" * (len(text) - 1) + text


def _golomb_end(bits: str, at: int) -> int:
    zeros = bits.index("1", at) - at
    return at + 2 * zeros + 1


def _escaped(data: bytes) -> bytes:
    out = bytearray()
    for byte in data:
        if byte <= 3 and out[-2:] == b"\0\0":
            out.append(3)
        out.append(byte)
    return bytes(out)
