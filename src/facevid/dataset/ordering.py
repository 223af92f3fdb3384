"""In which order clips go into shards, and how many into each."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facevid.dataset.published import MEMBERS
from facevid.dataset.shards import BLOCK

VIEW, RETOLD = "view", "retold"
"""Columns beside those of `clips`: which dataset a clip comes from, and whether its json member is to be made anew."""


def natural_order(rows: pa.Table) -> pa.Table:
    """Rows with a column `view`, in the order in which their shards hold them."""
    return rows.sort_by([(VIEW, "ascending"), ("shard", "ascending"), ("mp4_offset", "ascending")])


def fill_shards(rows: pa.Table, shard_bytes: int, breaks: Iterable[int] = ()) -> list[int]:
    """How many of the rows go into each shard of up to `shard_bytes`; one begins before each row in `breaks`."""
    begins = set(breaks)
    counts: list[int] = []
    held, size = 0, 0
    for k, one in enumerate(clip_bytes(rows).tolist()):
        if held and (size + one > shard_bytes or k in begins):
            counts.append(held)
            held, size = 0, 0
        held, size = held + 1, size + one
    return [*counts, held] if held else counts


def clip_bytes(rows: pa.Table) -> npt.NDArray[np.int64]:
    """How many bytes of a shard each clip takes, headers and padding included."""
    total = np.zeros(len(rows), np.int64)
    for kind in MEMBERS:
        size = np.asarray(pc.fill_null(rows[f"{kind}_size"], -1), np.int64)
        total += np.where(size < 0, 0, BLOCK - (-size // BLOCK) * BLOCK)
    return total
