"""Which windows a step holds, as a function of the seed and the number of the step: nothing is remembered."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import pyarrow as pa

from facevid.dataset.loading.order import Floats, Ints, random_words, shuffled
from facevid.generate.data.windows import Windows

_BLOCK = 4096  # steps whose buckets are drawn at once
_FIXED = 0  # the seed of validation, whatever that of a recipe, so that runs compare


@dataclass(frozen=True)
class Samples:
    """The samples of one step on all ranks together, of one bucket.

    windows: int64 (B,), numbers in the table of windows. seeds: int64 (B,), 0 to 2^63 - 1, all the chance a sample may
    use. draws: float64 (B,) in [0, 1), which decide the length of the caption.
    """

    step: int
    bucket: int
    windows: Ints
    seeds: Ints
    draws: Floats

    def __len__(self) -> int:
        return len(self.windows)

    def candidates(self, place: int) -> list[int]:
        """The window of a place, and those that take its place, one after the other, where it cannot be read: others
        of this step, from one on that the seed decides."""
        count = len(self)
        if count == 1:
            return [int(self.windows[place])]
        first = int(self.seeds[place]) % (count - 1)
        others = [(place + 1 + (first + k) % (count - 1)) % count for k in range(count - 1)]
        return list(dict.fromkeys(int(self.windows[k]) for k in (place, *others)))


class Order(Protocol):
    """Steps by their number."""

    windows: Windows

    def at(self, step: int, batch: int) -> Samples | None:
        """The samples of a step of `batch` samples, or a multiple of it that its bucket asks for; None behind the last
        step."""

    @property
    def samples(self) -> int:
        """How many there are in an epoch."""


class TrainingOrder:
    """Buckets drawn by share x number of windows; those of a bucket shuffled, each once an epoch of its bucket. A step
    has `batches` of its bucket times as many samples as asked for."""

    def __init__(self, windows: Windows, seed: int) -> None:
        self.windows, self.seed = windows, seed
        self._bounds = windows.bounds
        weight = np.array([b.share for b in windows.buckets]) * np.diff(self._bounds)
        self._upto = np.cumsum(weight) / weight.sum()
        self._counts = [np.zeros(len(weight), np.int64)]  # steps of each bucket before each block of steps
        self._epoch = lru_cache(maxsize=2 * len(weight) + 2)(self._shuffled)
        self._block = lru_cache(maxsize=4)(self._drawn)

    @property
    def samples(self) -> int:
        return len(self.windows)

    def at(self, step: int, batch: int) -> Samples:
        bucket, before = self._bucket(step)
        batch *= self.windows.buckets[bucket].batches
        count = int(self._bounds[bucket + 1] - self._bounds[bucket])
        places = before * batch + np.arange(batch)
        epochs = places // count
        found = np.empty(batch, np.int64)
        for epoch in np.unique(epochs).tolist():
            inside = epochs == epoch
            found[inside] = self._epoch(bucket, epoch)[places[inside] % count]
        return Samples(
            step,
            bucket,
            found + self._bounds[bucket],
            _seeds(random_words(batch, "sample", self.seed, step)),
            _unit(random_words(batch, "caption", self.seed, step)),
        )

    def _bucket(self, step: int) -> tuple[int, int]:
        """The bucket of a step, and how many steps before had the same."""
        if len(self._upto) == 1:
            return 0, step
        block, place = divmod(step, _BLOCK)
        while len(self._counts) <= block:
            drawn = self._drawn(len(self._counts) - 1)
            self._counts.append(self._counts[-1] + np.bincount(drawn, minlength=len(self._upto)))
        drawn = self._block(block)
        bucket = int(drawn[place])
        return bucket, int(self._counts[block][bucket] + (drawn[:place] == bucket).sum())

    def _drawn(self, block: int) -> Ints:
        draws = _unit(random_words(_BLOCK, "buckets", self.seed, block))
        found = np.searchsorted(self._upto, draws, side="right")
        return np.asarray(np.minimum(found, len(self._upto) - 1), np.int64)

    def _shuffled(self, bucket: int, epoch: int) -> Ints:
        count = int(self._bounds[bucket + 1] - self._bounds[bucket])
        return shuffled(count, "windows", self.seed, bucket, epoch)


class FixedOrder:
    """The same few windows at every iteration, spread over people: the first of each, then the second of each, ...

    Their seeds belong to the place in this list, whatever the size of a batch, the ranks and the recipe's seed. A step
    may have fewer samples than `batch`, as buckets do not mix.
    """

    def __init__(self, windows: Windows, count: int) -> None:
        self.windows = windows
        bounds = windows.bounds
        shares = np.array([b.share for b in windows.buckets]) * np.diff(bounds)
        many = np.ceil(count * shares / shares.sum() - 1e-9).astype(np.int64)
        turns = _turns(windows)
        chosen: list[Ints] = []
        left = count
        for bucket in range(len(windows.buckets)):
            inside = turns[windows.bucket[turns] == bucket]
            chosen.append(inside[: min(int(many[bucket]), left)])
            left -= len(chosen[-1])
        self._chosen = chosen

    @property
    def samples(self) -> int:
        return sum(map(len, self._chosen))

    def steps(self, batch: int) -> int:
        """How many steps of `batch` samples there are."""
        return sum(-(-len(inside) // batch) for inside in self._chosen)

    def at(self, step: int, batch: int) -> Samples | None:
        rest, place = step, 0
        for bucket, inside in enumerate(self._chosen):
            steps = -(-len(inside) // batch)
            if rest < steps:
                some = inside[rest * batch : (rest + 1) * batch]
                first = place + rest * batch
                seeds = random_words(first + len(some), "validation", _FIXED)[first:]
                draws = random_words(first + len(some), "validation caption", _FIXED)[first:]
                return Samples(step, bucket, some, _seeds(seeds), _unit(draws))
            rest -= steps
            place += len(inside)
        return None


def _turns(windows: Windows) -> Ints:
    """All windows in an order in which everybody has a turn in a bucket before anybody has the next there."""
    people = _people(windows)[windows.row]
    group = people * len(windows.buckets) + windows.bucket
    mixed = shuffled(len(windows), "turns", _FIXED)
    grouped = mixed[np.argsort(group[mixed], kind="stable")]
    begins = np.flatnonzero(np.diff(group[grouped], prepend=-1))
    turn = np.arange(len(grouped)) - np.repeat(begins, np.diff(np.append(begins, len(grouped))))
    who_first = shuffled(int(people.max()) + 1, "people", _FIXED)[people[grouped]]
    return np.asarray(grouped[np.lexsort((who_first, turn))], np.int64)


def _people(windows: Windows) -> Ints:
    """A number for the person of each clip of the dataset; a clip of nobody known counts with those of its source."""
    dataset = windows.dataset
    table = dataset.rows(["source_id", *(["identity"] if "identity" in dataset.columns else [])])
    who = [f"source {s}" for s in table["source_id"].to_pylist()]
    if "identity" in table.column_names:
        named = table["identity"].to_pylist()
        who = [f"person {i}" if i is not None else s for i, s in zip(named, who, strict=True)]
    return np.asarray(pa.array(who).dictionary_encode().indices, np.int64)


def _seeds(words: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> Ints:
    return np.asarray(words >> np.uint64(1), np.int64)


def _unit(words: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> Floats:
    return np.asarray((words >> np.uint64(11)).astype(np.float64) * 2.0**-53, np.float64)
