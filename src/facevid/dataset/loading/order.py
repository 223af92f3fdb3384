"""In which order clips come in an epoch, and who of several ranks gets which; the same on every machine.

Chance is a function of what it is for: SHA-256 of a text keys a Philox generator (Salmon et al., "Parallel random
numbers: as easy as 1, 2, 3", SC 2011), of which only the raw 64-bit words are used, as NumPy keeps these for ever.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Order:
    """The clips of one epoch, for all ranks together.

    rows: numbers of clips in the order in which they come. repeat: how often each has come before in this epoch (0
    unless clips are weighted). bounds: where the groups of `rows` begin and end that share no batch with each other;
    without buckets there is one group.
    """

    rows: Ints
    repeat: Ints
    bounds: Ints

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Step:
    """One batch on every rank: places `start` to before `stop` of the order."""

    start: int
    stop: int

    def of_rank(self, rank: int, world_size: int) -> range:
        """The places that a rank takes: every world_size-th, so that ranks differ by one clip at most."""
        return range(self.start + rank, self.stop, world_size)


def epoch_order(
    count: int,
    *,
    seed: int,
    epoch: int,
    weights: Floats | None = None,
    bucket: Ints | None = None,
    step: int = 1,
) -> Order:
    """The order of `count` clips in an epoch.

    weights: how often each comes, in proportion; then an epoch still has `count` places, and a clip of twice the
    weight comes twice as often, to within one. None: each comes once. bucket: a number for each clip; then `step`
    places that follow each other, counted from the start of a group, are of one bucket.
    """
    rows = shuffled(count, "order", seed, epoch)
    if weights is not None:
        rows = rows[_drawn(weights[rows], count, "weights", seed, epoch)]
        rows = rows[shuffled(count, "drawn", seed, epoch)]
    bounds = np.array([0, count], np.int64)
    if bucket is not None and count:
        rows, bounds = _in_buckets(rows, bucket[rows], step, seed, epoch)
    return Order(rows, _repeats(rows), bounds)


def steps(order: Order, *, size: int, world_size: int, drop_last: bool, position: int = 0) -> list[Step]:
    """The steps from `position` on, where a rank's batch has `size` clips.

    The last step of a group may have fewer. It is left out with `drop_last`, and where a rank would get nothing.
    """
    together = size * world_size
    found = []
    for begin, end in zip(order.bounds[:-1].tolist(), order.bounds[1:].tolist(), strict=True):
        for start in range(max(begin, position), end, together):
            stop = min(start + together, end)
            if stop - start == together or (not drop_last and stop - start >= world_size):
                found.append(Step(start, stop))
    return found


def shuffled(count: int, *what: object) -> Ints:
    """The numbers 0 to count - 1 in an order that only `what` decides."""
    return np.argsort(random_words(count, *what), kind="stable")


def random_words(count: int, *what: object) -> npt.NDArray[np.uint64]:
    """`count` random 64-bit numbers that only `what` decides; the first few are the same for every count."""
    key = int.from_bytes(_digest(*what)[:16], "little")
    return np.asarray(np.random.Philox(key=key).random_raw(count), np.uint64)


def random_below(limit: int, *what: object) -> int:
    """A number from 0 to limit - 1 that only `what` decides; each is as likely, to within limit / 2^64."""
    return int.from_bytes(_digest(*what)[:8], "little") * limit >> 64


def _digest(*what: object) -> bytes:
    return hashlib.sha256(" ".join(["facevid", *map(str, what)]).encode()).digest()


def _drawn(weights: Floats, count: int, *what: object) -> Ints:
    """`count` places, each as often as its weight says to within one (systematic sampling, Madow 1949)."""
    upto = np.cumsum(weights)
    first = float(random_words(1, *what)[0] >> np.uint64(11)) * 2.0**-53
    at = (np.arange(count) + first) * (upto[-1] / count)
    return np.asarray(np.minimum(np.searchsorted(upto, at, side="right"), len(upto) - 1), np.int64)


def _in_buckets(rows: Ints, bucket: Ints, step: int, seed: int, epoch: int) -> tuple[Ints, Ints]:
    """Rows cut into groups of at most `step` of one bucket, the groups shuffled."""
    groups = []
    for number in np.unique(bucket).tolist():
        inside = rows[bucket == number]
        groups += [inside[k : k + step] for k in range(0, len(inside), step)]
    order = shuffled(len(groups), "groups", seed, epoch)
    groups = [groups[k] for k in order.tolist()]
    return np.concatenate(groups), np.cumsum([0, *(len(g) for g in groups)]).astype(np.int64)


def _repeats(rows: Ints) -> Ints:
    """How often each row has come before its place."""
    order = np.argsort(rows, kind="stable")
    same = rows[order]
    begins = np.flatnonzero(np.diff(same, prepend=-1))
    repeat = np.empty(len(rows), np.int64)
    repeat[order] = np.arange(len(rows)) - np.repeat(begins, np.diff(np.append(begins, len(rows))))
    return repeat
