"""Tar shards that the `webdataset` library reads and whose members can be fetched by byte range."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from facevid.dataset.publish import has_size
from facevid.dataset.published import MEDIA, MEMBERS, DatasetError, PublishedFile

BLOCK, RECORD = 512, 10240  # sizes that the tar format pads members and archives to
SHARD_BYTES = 1_000_000_000
# One clip is read by reading its row group: with 4, some 4 ms and 2 MB; with 16, 10 to 20 ms, and files as large.
KEYPOINT_ROWS_A_GROUP = 4
KINDS = (*MEMBERS, "txt")
"""The order of members in a shard; datasets have the first three, exports for other readers may have a caption."""


@dataclass(frozen=True)
class Member:
    """One file inside a shard: its bytes are `content`, those of `path`, or what `read` gives when they are needed."""

    name: str
    size: int
    sha256: str
    path: Path | None = None
    content: bytes | None = None
    read: Callable[[], bytes] | None = None


@dataclass(frozen=True)
class ClipMembers:
    """The members of one clip by kind ("mp4", "flac", "json", "txt"); "flac" is missing without sound."""

    clip_id: str
    members: dict[str, Member]

    def bytes(self) -> int:
        return sum(BLOCK + _padded(m.size, BLOCK) for m in self.members.values())


@dataclass(frozen=True)
class ShardPlan:
    """What one shard will hold and where: `offsets[clip][kind]` is the first byte of a member's content."""

    name: str
    clips: tuple[ClipMembers, ...]
    offsets: tuple[dict[str, int], ...]
    bytes: int
    key: str


def plan_shards(clips: Sequence[ClipMembers], *, shard_bytes: int) -> Iterator[ShardPlan]:
    """Fill shards in the given order up to `shard_bytes`; every shard has at least one clip."""
    start, size, index = 0, 0, 0
    for k, clip in enumerate(clips):
        if k > start and size + clip.bytes() > shard_bytes:
            yield plan_shard(index, clips[start:k])
            start, size, index = k, 0, index + 1
        size += clip.bytes()
    if len(clips) > start:
        yield plan_shard(index, clips[start:])


def stage_shard(
    output: Path,
    staged: Path,
    plan: ShardPlan,
    present: PublishedFile | None,
    write: Callable[[ShardPlan, Path], str] | None = None,
) -> PublishedFile:
    """Write a shard into `staged`, unless `output` has the same already or a killed run has finished it.

    present: the shard of that name in the dataset that is in `output` now. write: instead of `write_shard`.
    """
    path = f"{MEDIA}/{plan.name}"
    if present and present.key == plan.key and has_size(output / present.stored_as, plan.bytes):
        return PublishedFile(path, plan.bytes, present.sha256, len(plan.clips), path, plan.key)
    target, note = staged / path, staged / MEDIA / f"{plan.name}.sha256"
    if note.exists() and has_size(target, plan.bytes):
        digest = note.read_text()
    else:
        note.unlink(missing_ok=True)
        digest = (write or write_shard)(plan, target)
        partial = note.with_suffix(".partial")
        partial.write_text(digest)
        partial.replace(note)
    return PublishedFile(path, plan.bytes, digest, len(plan.clips), path, plan.key)


def write_shard(plan: ShardPlan, path: Path) -> str:
    """Write a planned shard and return its SHA-256.

    The bytes depend on names and contents alone: no owner, no time. Raises DatasetError if a member is
    missing or is no longer what the plan says.
    """
    digest = hashlib.sha256()
    with path.open("wb") as out:
        for clip in plan.clips:
            for kind in KINDS:
                if kind in clip.members:
                    _write_member(clip.members[kind], out, digest)
        tail = b"\0" * (plan.bytes - out.tell())
        out.write(tail)
        digest.update(tail)
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()


def plan_shard(index: int, clips: Sequence[ClipMembers], *, name: str = "shard-{:05d}.tar") -> ShardPlan:
    """The shard of that number with these clips in this order."""
    position, offsets = 0, []
    for clip in clips:
        where: dict[str, int] = {}
        for kind in KINDS:
            if kind in clip.members:
                where[kind] = position + BLOCK
                position += BLOCK + _padded(clip.members[kind].size, BLOCK)
        offsets.append(where)
    listed = [(m.name, m.size, m.sha256) for c in clips for _, m in sorted(c.members.items())]
    return ShardPlan(
        name=name.format(index),
        clips=tuple(clips),
        offsets=tuple(offsets),
        bytes=_padded(position + 2 * BLOCK, RECORD),
        key=hashlib.sha256(json.dumps(listed).encode()).hexdigest(),
    )


def _write_member(member: Member, out: BinaryIO, digest: hashlib._Hash) -> None:
    info = tarfile.TarInfo(member.name)
    info.size, info.mode = member.size, 0o644
    header = info.tobuf(format=tarfile.USTAR_FORMAT)
    own, size = hashlib.sha256(), 0
    out.write(header)
    digest.update(header)
    for block in _blocks(member):
        out.write(block)
        digest.update(block)
        own.update(block)
        size += len(block)
    if size != member.size or own.hexdigest() != member.sha256:
        told = f"({size} of {member.size} bytes)"
        if member.read is not None:
            raise DatasetError(
                f"{member.name} is damaged in the dataset it comes from {told}; "
                "facevid verify tells what to fetch again."
            )
        raise DatasetError(
            f"{member.path or member.name} has changed since it was cut {told}; "
            "delete its folder and run the build again to cut it anew."
        )
    pad = b"\0" * (_padded(size, BLOCK) - size)
    out.write(pad)
    digest.update(pad)


def _blocks(member: Member) -> Iterator[bytes]:
    if member.content is not None:
        yield member.content
        return
    if member.read is not None:
        yield member.read()
        return
    assert member.path is not None
    try:
        with member.path.open("rb") as file:
            yield from iter(lambda: file.read(1 << 20), b"")
    except FileNotFoundError:
        raise DatasetError(f"{member.path} is missing; run the build again to cut it anew.") from None


def _padded(size: int, unit: int) -> int:
    return -(-size // unit) * unit
