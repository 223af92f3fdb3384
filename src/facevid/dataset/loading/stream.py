"""Batches for PyTorch from shards that are read from front to end: for object storage, slow disks and huge datasets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import torch.utils.data

from facevid.dataset.dataset import Dataset
from facevid.dataset.loading.pieces import Members, Share, in_pieces, read_members, shares, through_buffer
from facevid.dataset.loading.progress import Progress
from facevid.dataset.loading.samples import FAULTS, BatchReader, Pick, Request
from facevid.dataset.loading.serving import (
    Batch,
    LoaderStats,
    data_loader,
    ranks,
    tensors,
)
from facevid.dataset.loading.wanted import (
    Dtype,
    OnError,
    Short,
    Wanted,
    check_batches,
    names,
    usable_clips,
)

_ROWS = 256  # rows of the clips table that become Python objects at once


class Stream:
    """Iterate over it for one epoch, as over a `Loader`, whose batches it gives; each iteration is the next epoch.

    Shards are cut into pieces of 64 MB. Pieces come in an order by chance, the clips of a piece as they lie in it, and
    `buffer` clips of each worker are held, undecoded, to choose the next one from by chance. So clips that lie near
    each other in a shard come near each other. Each clip comes once in an epoch, with a random window; ranks have
    nothing in common and as many batches each (up to world_size - 1 clips are left out). There are no weights and no
    buckets; take a `Loader` for these.

    For the options and what a batch holds see `Loader`. With `on_error` "skip", another window of a clip of the same
    batch takes the place of one that cannot be read.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        frames: int | None = 16,
        fps: float | None = 25.0,
        size: int | None = 256,
        batch_size: int = 8,
        num_workers: int = 0,
        seed: int = 0,
        epoch: int = 0,
        buffer: int = 256,
        dtype: Dtype = "uint8",
        audio: bool = False,
        mesh: bool = False,
        pose: bool = False,
        caption: bool | str = False,
        attributes: Sequence[str] = (),
        columns: Sequence[str] = (),
        short: Short = "drop",
        on_error: OnError = "skip",
        rank: int | None = None,
        world_size: int | None = None,
        drop_last: bool = True,
        prefetch: int = 2,
        context: str | None = None,
        pin_memory: bool = False,
    ) -> None:
        labels = names("attributes", attributes), names("columns", columns)
        wanted = Wanted(frames, fps, size, dtype, audio, mesh, pose, caption, *labels, short, on_error)
        rank, world_size = ranks(rank, world_size)
        if batch_size < 1 or buffer < 1:
            raise ValueError(f"batch_size is {batch_size} and buffer {buffer}; give at least 1 of each.")
        clips, _ = usable_clips(dataset, wanted)
        self._clips, self._dataset = clips, dataset
        self._reader = BatchReader(dataset, clips.table, wanted)
        self._plan = {
            "seed": seed,
            "buffer": buffer,
            "batch_size": batch_size,
            "world_size": world_size,
            "num_workers": max(1, num_workers),
        }
        decides = {"frames": frames, "fps": fps, "short": short, "drop_last": drop_last, **self._plan}
        self._progress = Progress("stream", unit="batch", epoch=epoch, clips=clips, options=decides)
        self._rank, self._drop_last = rank, drop_last
        check_batches(len(self), len(clips), batch_size, world_size)
        self._serving: dict[str, Any] = {
            "num_workers": num_workers,
            "prefetch": prefetch,
            "context": context,
            "pin_memory": pin_memory,
        }
        self.stats = LoaderStats(clips=len(clips), too_short=clips.too_short)

    @property
    def epoch(self) -> int:
        """The epoch of the last batch, or after a whole epoch the next one; `set_epoch` sets it."""
        return self._progress.epoch

    def __len__(self) -> int:
        """Batches of a whole epoch on this rank; the same on every rank."""
        return sum(len(share) for share in self._shares(self.epoch))

    def __iter__(self) -> Iterator[Batch]:
        """The rest of the epoch that `load_state_dict` or `set_epoch` named, else the next one."""
        iteration = self._progress.begin()
        mine, chance = self._shares(self.epoch), (self._plan["seed"], self.epoch)
        part = _Part(self._reader, mine, self._progress.place, self._plan["buffer"], chance)
        return self._batches(iteration, part)

    def _batches(self, iteration: object, part: _Part) -> Iterator[Batch]:
        for batch in data_loader(part, self._dataset, sampler=None, **self._serving):
            self._progress.check(iteration)
            self.stats.count(batch.pop(FAULTS), len(batch["clip_id"]))
            self._progress.place += 1
            yield batch
        self._progress.end(iteration)

    def set_epoch(self, epoch: int) -> None:
        """Begin the next iteration with the first batch of this epoch."""
        self._progress.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands, behind the last batch handed out; plain values, the same on every rank."""
        return self._progress.state()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next iteration begin where a stream stood; its batches are bitwise those that would have come.

        Raises DatasetError where clips or options differ. These are also the number of ranks and of workers, as
        each reads shards of its own.
        """
        self._progress.load(state)

    def _shares(self, epoch: int) -> list[Share]:
        plan = self._plan
        return shares(
            in_pieces(self._clips.table, seed=plan["seed"], epoch=epoch),
            rank=self._rank,
            world_size=plan["world_size"],
            workers=plan["num_workers"],
            batch_size=plan["batch_size"],
            drop_last=self._drop_last,
        )

    def __repr__(self) -> str:
        plan = self._plan
        return (
            f"Stream({len(self._clips):,} clips, {self._clips.too_short:,} too short; {len(self):,} batches of "
            f"{plan['batch_size']} an epoch; rank {self._rank} of {plan['world_size']}; epoch {self.epoch})"
        )


class _Part(torch.utils.data.IterableDataset[Batch]):  # type: ignore[misc]  # torch's types are not followed
    """The batches of an epoch from `begin` on, as torch's DataLoader takes them from its workers in turn."""

    def __init__(
        self, reader: BatchReader, mine: Sequence[Share], begin: int, buffer: int, chance: tuple[int, int]
    ) -> None:
        self._reader, self._mine, self._begin = reader, mine, begin
        self._buffer, self._chance = buffer, chance

    def __iter__(self) -> Iterator[Batch]:
        worker = torch.utils.data.get_worker_info()
        # The first worker is asked first, whosever turn it is where the epoch goes on.
        turn = self._begin + (worker.id if worker else 0)
        number, done = turn % len(self._mine), turn // len(self._mine)
        share = self._mine[number]
        order = through_buffer(
            share.rows, self._buffer, *self._chance, int(share.rows[0]) if len(share.rows) else 0
        )
        rest = order[done * share.batch_size :].tolist()
        wanted = set(rest)
        coming = self._members([row for row in share.rows.tolist() if row in wanted])
        held: dict[int, Members] = {}
        for start in range(0, len(rest), share.batch_size):
            rows = rest[start : start + share.batch_size]
            while not held.keys() >= set(rows):
                row, members = next(coming)
                held[row] = members
            yield self._batch(rows, {row: held.pop(row) for row in rows})

    def _batch(self, rows: list[int], members: dict[int, Members]) -> Batch:
        reader = self._reader
        skip = reader.wanted.on_error == "skip"
        picks = [
            Pick(row, (*self._chance, 0), tuple(rows[k + 1 :] + rows[:k]) if skip else ())
            for k, row in enumerate(rows)
        ]
        whole = {row: found for row, found in members.items() if found}
        return tensors(reader.read(Request(tuple(picks)), whole), reader.wanted.dtype)

    def _members(self, rows: list[int]) -> Iterator[tuple[int, Members]]:
        reader = self._reader
        wanted = ("mp4", "flac") if reader.wanted.audio else ("mp4",)
        columns = ["shard", *(f"{member}_{what}" for member in wanted for what in ("offset", "size"))]
        for start in range(0, len(rows), _ROWS):
            some = rows[start : start + _ROWS]
            places = reader.table.select(columns).take(pa.array(some)).to_pylist()
            yield from zip(some, read_members(reader.dataset, places, wanted), strict=True)
