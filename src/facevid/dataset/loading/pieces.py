"""Reading shards from front to end: in which order their pieces come, who reads which, and the shuffle buffer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from facevid.dataset.dataset import Dataset
from facevid.dataset.loading.order import Ints, random_words, shuffled
from facevid.dataset.loading.wanted import numbers
from facevid.dataset.published import DatasetError

_PIECE = 64 << 20  # bytes of a shard that are read one after the other, by one worker
_READ = 16 << 20  # bytes that are asked for at once
_GAP = 1 << 20  # bytes between two clips that are read and thrown away rather than asked for separately

Members = Mapping[str, bytes]


def in_pieces(table: pa.Table, *, seed: int, epoch: int) -> Ints:
    """Rows in the order in which they are read: pieces of shards by chance, in each the clips as they lie there."""
    shard = table["shard"].combine_chunks().dictionary_encode()
    code, offset = np.asarray(shard.indices, np.int64), numbers(table, "mp4_offset").astype(np.int64)
    lies = np.lexsort((offset, code))
    piece = code[lies] * (1 << 32) + offset[lies] // _PIECE
    starts = np.flatnonzero(np.diff(piece, prepend=-1))
    runs = np.split(lies, starts[1:]) if len(lies) else []
    order = shuffled(len(runs), "pieces", seed, epoch)
    return np.concatenate([runs[k] for k in order.tolist()]) if runs else lies


@dataclass(frozen=True)
class Share:
    """What one worker of one rank reads in an epoch. Batch k of a rank is batch k // workers of worker k % workers."""

    rows: Ints
    batch_size: int

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)


def shares(
    rows: Ints, *, rank: int, world_size: int, workers: int, batch_size: int, drop_last: bool
) -> list[Share]:
    """The shares of a rank's workers: stretches of `rows` one behind the other, none on two ranks.

    Every rank has as many clips; up to world_size - 1 at the end are left out.
    """
    each = len(rows) // world_size
    mine = rows[rank * each : (rank + 1) * each]
    batches = len(mine) // batch_size if drop_last else -(-len(mine) // batch_size)
    found, start = [], 0
    for worker in range(workers):
        count = len(range(worker, batches, workers)) * batch_size
        if batches and worker == (batches - 1) % workers:
            count -= max(0, batches * batch_size - len(mine))
        found.append(Share(mine[start : start + count], batch_size))
        start += count
    return found


def through_buffer(rows: Ints, size: int, *what: object) -> Ints:
    """Rows in the order in which they leave a buffer of `size` clips, whenever it is full one by chance."""
    held: list[int] = []
    out: list[int] = []
    words = random_words(len(rows), "buffer", *what)
    for row in rows.tolist():
        if len(held) < size:
            held.append(row)
            continue
        at = int(words[len(out)] % np.uint64(size))
        out.append(held[at])
        held[at] = row
    rest = np.array(held, np.int64)
    order = np.argsort(words[len(out) :], kind="stable")
    return np.concatenate([np.array(out, np.int64), rest[order]])


def read_members(
    dataset: Dataset, rows: Sequence[Mapping[str, Any]], members: Sequence[str]
) -> Iterator[Members]:
    """The members of clips in the order given, with few large reads; nothing of a clip that cannot be read so.

    rows: rows of the clips table. Whoever needs a clip that is missing reads it alone, and learns why it cannot be.
    """
    spans = [_span(row, members) for row in rows]
    start = 0
    while start < len(rows):
        first, last = spans[start]
        stop = start + 1
        while (
            stop < len(rows)
            and rows[stop]["shard"] == rows[start]["shard"]
            and last <= spans[stop][0] <= last + _GAP
            and spans[stop][1] - first <= _READ
        ):
            last = spans[stop][1]
            stop += 1
        try:
            block = dataset.storage.read(dataset.shard(rows[start]["shard"]), first, last - first)
        except (DatasetError, OSError):
            block = b""
        for row in rows[start:stop]:
            yield _cut(block, row, members, first)
        start = stop


def _span(row: Mapping[str, Any], members: Sequence[str]) -> tuple[int, int]:
    there = [(row[f"{m}_offset"], row[f"{m}_size"]) for m in members if row[f"{m}_offset"] is not None]
    return min(offset for offset, _ in there), max(offset + size for offset, size in there)


def _cut(block: bytes, row: Mapping[str, Any], members: Sequence[str], first: int) -> Members:
    found = {}
    for member in members:
        offset = row[f"{member}_offset"]
        if offset is not None and block:
            found[member] = block[offset - first : offset - first + row[f"{member}_size"]]
    return found
