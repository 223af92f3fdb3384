"""Checks a tar shard against the rows of its clips, in one pass over its bytes, and decodes clips."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from facevid import media
from facevid.dataset.published import MEMBERS, PublishedFile
from facevid.dataset.shards import BLOCK
from facevid.dataset.verifying.faults import Fault
from facevid.dataset.verifying.files import said_hash
from facevid.dataset.verifying.place import Checked

_READ = 1 << 20
_SAME = ("clip_id", "source_id", "frames", "width", "height")
"""What a clip's own JSON and its row must say alike; scores and persons may be told anew without a new shard."""
_SOUND_S = 0.15
"""Seconds by which sound may be longer or shorter than the picture: two frames of AAC and one of video."""
_SPEECH_RATE = 16000


@dataclass(frozen=True)
class _Member:
    name: str
    offset: int
    size: int
    sha256: str | None


def shard_faults(
    files: Checked, file: PublishedFile, rows: Sequence[Mapping[str, Any]], *, quick: bool = False
) -> Iterator[Fault]:
    """What is wrong with a shard. rows: of the clips that name it. quick: contents are not read, only headers."""
    if files.size(file.stored_as) is None:
        return  # told as a missing file
    if len(rows) != file.rows:
        yield Fault(
            "shard_members", file.path, f"dataset.json says {file.rows:,} clips, and {len(rows):,} name it."
        )
    if file.key is not None and _key(rows) != file.key:
        yield Fault(
            "shard_members", file.path, "Its clips' members are not those that dataset.json was written for."
        )
    digest, by_id = hashlib.sha256(), {row["clip_id"]: row for row in rows}
    found: dict[str, list[_Member]] = {}
    with files.open(file, sparsely=quick) as opened:
        try:
            for member, content in _walk(opened, digest, quick):
                found.setdefault(member.name, []).append(member)
                if content is not None:
                    yield from _json_faults(file, by_id, member, content)
        except tarfile.TarError as error:
            yield Fault(
                "shard_damaged", file.path, f"It is no sound tar from byte {opened.tell():,} on ({error})."
            )
        if not quick:
            for block in iter(lambda: opened.read(_READ), b""):
                digest.update(block)
    if not quick:
        yield from said_hash(file, digest.hexdigest())
    yield from _member_faults(file, rows, found)
    yield from _overlaps(file, rows)


def decode_faults(files: Checked, file: PublishedFile, row: Mapping[str, Any]) -> Iterator[Fault]:
    """What is wrong with a clip when its picture and sound are decoded."""
    where = f"{file.path} {row['clip_id']}"
    members: dict[str, bytes] = {}
    try:
        with files.open(file) as opened:
            for kind in ("mp4", "flac"):
                if row[f"{kind}_size"] is not None:
                    size = int(row[f"{kind}_size"])
                    opened.seek(int(row[f"{kind}_offset"]))
                    members[kind] = opened.read(size)
                    if len(members[kind]) < size:
                        raise media.MediaError("unreadable", f"the shard ends within its {kind}.")
        count, shapes = 0, set()
        for picture in media.each_clip_frame(members["mp4"]):
            count += 1
            shapes.add((picture.shape[1], picture.shape[0]))
        lengths = {}
        if row["audio"]:
            rate = _SPEECH_RATE
            lengths["mp4"] = media.read_audio(members["mp4"], rate=rate, mono=True).shape[-1] / rate
            lengths["flac"] = media.read_audio(members["flac"], rate=rate, mono=True).shape[-1] / rate
    except (media.MediaError, OSError) as error:
        yield Fault("clip_undecodable", where, f"It does not decode: {error}")
        return
    except KeyError as error:
        yield Fault("clip_undecodable", where, f"It has no {error.args[0]} in its row.")
        return
    if count != row["frames"]:
        yield Fault("clip_frames", where, f"It has {count} frames, and its row says {row['frames']}.")
    if shapes - {(row["width"], row["height"])}:
        other = ", ".join(f"{w} x {h}" for w, h in sorted(shapes))
        yield Fault(
            "clip_size",
            where,
            f"Its pictures are {other}, and its row says {row['width']} x {row['height']}.",
        )
    expected = row["frames"] / row["fps"]
    for kind, length in lengths.items():
        if abs(length - expected) > _SOUND_S:
            yield Fault(
                "clip_audio",
                where,
                f"The sound of its {kind} lasts {length:.2f} s, its picture {expected:.2f} s.",
            )


def _walk(opened: BinaryIO, digest: hashlib._Hash, quick: bool) -> Iterator[tuple[_Member, bytes | None]]:
    """Each member with its hash (None where quick), the content of JSON too. Raises TarError where it is no tar."""
    while True:
        header = opened.read(BLOCK)
        digest.update(header)
        if header == b"\0" * BLOCK:
            rest = opened.read(_READ)
            digest.update(rest)
            if rest.strip(b"\0"):
                raise tarfile.ReadError("there are bytes after its end")
            return
        info = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        padded = -(-info.size // BLOCK) * BLOCK
        offset = opened.tell()
        if quick:
            opened.seek(padded, 1)
            yield _Member(info.name, offset, info.size, None), None
            continue
        own, left, kept = hashlib.sha256(), info.size, []
        read = 0
        while read < padded:
            block = opened.read(min(_READ, padded - read))
            if not block:
                raise tarfile.ReadError(f"it ends within {info.name}")
            read += len(block)
            digest.update(block)
            content = block[:left]
            own.update(content)
            left -= len(content)
            if info.name.endswith(".json"):
                kept.append(content)
        whole = b"".join(kept) if info.name.endswith(".json") else None
        yield _Member(info.name, offset, info.size, own.hexdigest()), whole


def _member_faults(
    file: PublishedFile, rows: Sequence[Mapping[str, Any]], found: Mapping[str, Sequence[_Member]]
) -> Iterator[Fault]:
    at = {m.offset: m.name for members in found.values() for m in members}
    expected = set()
    for row in rows:
        for kind in MEMBERS:
            if row[f"{kind}_offset"] is None:
                continue
            name = f"{row['clip_id']}.{kind}"
            expected.add(name)
            yield from _one(file, name, row, kind, found.get(name, ()), at)
    for name, members in sorted(found.items()):
        if len(members) > 1:
            yield Fault("member_twice", f"{file.path} {name}", f"The shard has it {len(members)} times.")
        if name not in expected:
            yield Fault("member_orphan", f"{file.path} {name}", "No row of the clips table names it.")


def _one(
    file: PublishedFile,
    name: str,
    row: Mapping[str, Any],
    kind: str,
    found: Sequence[_Member],
    at: Mapping[int, str],
) -> Iterator[Fault]:
    where = f"{file.path} {name}"
    offset, size = row[f"{kind}_offset"], row[f"{kind}_size"]
    if not found:
        there = at.get(offset)
        if there is not None:
            yield Fault("member_name", where, f"Where it should lie, the shard has {there}.")
        else:
            yield Fault("member_missing", where, "The shard does not have it.")
        return
    member = found[0]
    if (member.offset, member.size) != (offset, size):
        yield Fault(
            "member_place",
            where,
            f"Its row says {size} bytes from {offset}; it lies at {member.offset} with {member.size}.",
        )
    if member.sha256 is not None and member.sha256 != row[f"{kind}_sha256"]:
        yield Fault("member_damaged", where, "Its bytes do not have the SHA-256 that its row gives.")


def _overlaps(file: PublishedFile, rows: Sequence[Mapping[str, Any]]) -> Iterator[Fault]:
    spans = sorted(
        (int(row[f"{kind}_offset"]), int(row[f"{kind}_size"]), f"{row['clip_id']}.{kind}")
        for row in rows
        for kind in MEMBERS
        if row[f"{kind}_offset"] is not None
    )
    end, before = 0, ""
    for offset, size, name in spans:
        if offset < end:
            yield Fault("member_overlap", f"{file.path} {name}", f"By its row it begins within {before}.")
        if offset + size > end:
            end, before = offset + size, name


def _json_faults(
    file: PublishedFile, rows: Mapping[str, Mapping[str, Any]], member: _Member, content: bytes
) -> Iterator[Fault]:
    clip_id = member.name.removesuffix(".json")
    row = rows.get(clip_id)
    if row is None:
        return  # told as an orphan
    where = f"{file.path} {member.name}"
    try:
        said = json.loads(content)
    except ValueError:
        yield Fault("json_differs", where, "It is no JSON.")
        return
    other = [name for name in _SAME if isinstance(said, dict) and said.get(name, row[name]) != row[name]]
    if not isinstance(said, dict) or other:
        yield Fault(
            "json_differs", where, f"It says otherwise than its row of: {', '.join(other) or 'everything'}."
        )


def _key(rows: Sequence[Mapping[str, Any]]) -> str:
    """The digest that `dataset.json` gives of a shard's members (see `shards`)."""
    listed = [
        (f"{row['clip_id']}.{kind}", row[f"{kind}_size"], row[f"{kind}_sha256"])
        for row in sorted(rows, key=lambda r: int(r["mp4_offset"] or 0))
        for kind in sorted(MEMBERS)
        if row[f"{kind}_offset"] is not None
    ]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()
