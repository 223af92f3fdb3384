"""Batches of random windows for PyTorch, decoded straight from the shards, that go on exactly where they stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from facevid.dataset.dataset import Dataset
from facevid.dataset.loading.order import Step
from facevid.dataset.loading.plan import Plan
from facevid.dataset.loading.progress import Progress
from facevid.dataset.loading.samples import FAULTS, BatchReader, Request
from facevid.dataset.loading.serving import (
    Batch,
    Batches,
    LoaderStats,
    data_loader,
    ranks,
)
from facevid.dataset.loading.wanted import (
    Bucket,
    Dtype,
    OnError,
    Short,
    Wanted,
    buckets,
    check_batches,
    names,
    portable,
    sampling_weights,
    usable_clips,
)


class Loader:
    """Iterate over it for one epoch: `for batch in loader`. Each iteration is the next epoch; `len` counts batches.

    What a batch is (B clips of T frames, H x W pixels):
    "video" uint8 (B, T, 3, H, W) RGB, or float32 in [-1, 1] with dtype="float32"; "clip_id" list of B; "start" int64
    (B,) the clip's frame at which the window begins; "fps" float32 (B,). With `audio`: "audio" float32 (B, N) in
    [-1, 1], 16 kHz mono, N = round(T / fps * 16000), and "has_audio" bool (B,). With `mesh`: "mesh" float32
    (B, T, 478, 3) in pixels of the pictures given. With `pose`: "pose" float32 (B, T, 3), yaw, pitch, roll in degrees.
    With `caption`: "caption" list of B, None where there is none. Each of `attributes` and `columns` is a list of B
    under its name, None where nobody knows. Where windows may be padded: "mask" bool (B, T), true for real frames.

    frames: T; None takes whole clips, padded to the longest of the batch. fps: frames a second, by showing the frame
    that a player would; None keeps the clip's. size: H = W in pixels; None keeps the clip's. caption: True for the
    caption shown, or "short", "medium", "long". short: "drop" leaves clips out that are shorter than a window, "pad"
    repeats their last frame.

    balance: attributes, columns or SQL; every cell of clips that agree in all of them comes equally often, those of
    which nobody knows being one too. weights: a column, or a number for each clip of the dataset; multiplies that.
    bucket: "duration" or "size" makes batches of clips of about the same length or of the same size.

    batch_size: B, on each rank. rank, world_size: None takes those of torch.distributed where it is initialised, else
    0 of 1. drop_last: leave out the last batch if it is not full; otherwise its clips are shared by the ranks, and as
    many as are fewer than ranks are left out. epoch: the first one. on_error: "skip" puts another clip in the place of
    one that cannot be read, with a warning and a count in `stats`; "raise" raises.

    num_workers: processes that decode; 0 decodes in this one. prefetch: batches that each reads ahead. context: how
    processes start, "fork", "forkserver" or "spawn"; None takes what Python does, and "forkserver" for a dataset that
    is not on this machine. pin_memory: as in torch's DataLoader.
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
        dtype: Dtype = "uint8",
        audio: bool = False,
        mesh: bool = False,
        pose: bool = False,
        caption: bool | str = False,
        attributes: Sequence[str] = (),
        columns: Sequence[str] = (),
        balance: Sequence[str] = (),
        weights: str | Sequence[float] | npt.NDArray[np.float64] | None = None,
        bucket: Bucket | None = None,
        short: Short = "drop",
        on_error: OnError = "skip",
        rank: int | None = None,
        world_size: int | None = None,
        drop_last: bool = True,
        prefetch: int = 2,
        context: str | None = None,
        pin_memory: bool = False,
    ) -> None:
        wanted = Wanted(
            frames,
            fps,
            size,
            dtype,
            audio,
            mesh,
            pose,
            caption,
            names("attributes", attributes),
            names("columns", columns),
            short,
            on_error,
        )
        rank, world_size = ranks(rank, world_size)
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; give at least 1.")
        clips, rows = usable_clips(dataset, wanted, same_size=bucket == "size")
        drawn = sampling_weights(dataset, rows, balance=names("balance", balance), weights=weights)
        grouped = buckets(clips, wanted, bucket, batch_size * world_size)
        self._clips = clips
        self._plan = Plan(
            len(clips), seed, batch_size, rank, world_size, drop_last, drawn, grouped, on_error == "skip"
        )
        decides = {
            "frames": frames,
            "fps": fps,
            "short": short,
            "seed": seed,
            "weights": portable(drawn),
            "bucket": bucket,
            "batch_size times world_size": self._plan.together if bucket else None,
        }
        # A place is one in the order of the clips, so that it means the same with other ranks or another batch_size.
        self._progress = Progress("loader", unit="position", epoch=epoch, clips=clips, options=decides)
        check_batches(len(self), len(clips), batch_size, world_size)
        self.stats = LoaderStats(clips=len(clips), too_short=clips.too_short)
        self._requests = _Requests()
        self._data = data_loader(
            Batches(BatchReader(dataset, clips.table, wanted)),
            dataset,
            sampler=self._requests,
            num_workers=num_workers,
            prefetch=prefetch,
            context=context,
            pin_memory=pin_memory,
        )

    @property
    def epoch(self) -> int:
        """The epoch of the last batch, or after a whole epoch the next one; `set_epoch` sets it."""
        return self._progress.epoch

    def __len__(self) -> int:
        """Batches of a whole epoch on this rank; the same on every rank."""
        return len(self._plan.steps(self._plan.order(self.epoch)))

    def __iter__(self) -> Iterator[Batch]:
        """The rest of the epoch that `load_state_dict` or `set_epoch` named, else the next one."""
        iteration = self._progress.begin()
        order = self._plan.order(self.epoch)
        wanted = self._plan.steps(order, self._progress.place)
        self._requests.items = self._plan.requests(order, wanted, self.epoch)
        return self._batches(iteration, wanted)

    def _batches(self, iteration: object, wanted: Sequence[Step]) -> Iterator[Batch]:
        batches = iter(self._data) if wanted else iter(())
        for step in wanted:
            self._progress.check(iteration)
            batch = next(batches)
            self.stats.count(batch.pop(FAULTS), len(batch["clip_id"]))
            self._progress.place = step.stop
            yield batch
        self._progress.end(iteration)

    def set_epoch(self, epoch: int) -> None:
        """Begin the next iteration with the first batch of this epoch."""
        self._progress.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Where the loader stands, behind the last batch handed out; plain values, the same on every rank."""
        return self._progress.state()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next iteration begin where a loader stood.

        The rest of the epoch is bitwise that of the loader that was stopped, with any number of workers. With another
        number of ranks or another batch_size the order of the clips goes on where it stood, and no clip comes twice or
        is left out. Raises DatasetError where clips or options differ such that this cannot be.
        """
        self._progress.load(state)

    def __repr__(self) -> str:
        return (
            f"Loader({len(self._clips):,} clips, {self._clips.too_short:,} too short; {len(self):,} batches of "
            f"{self._plan.batch_size} an epoch; rank {self._plan.rank} of {self._plan.world_size}; epoch {self.epoch})"
        )


class _Requests:
    """What torch's DataLoader takes its indices from: one for each batch, made when it is asked for."""

    def __init__(self) -> None:
        self.items: Iterator[Request] = iter(())

    def __iter__(self) -> Iterator[Request]:
        return self.items
