"""How batches come from worker processes to whoever trains: tensors, ranks, and what could not be read."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import torch.distributed
from torch.utils.data import DataLoader

from facevid.dataset.dataset import Dataset
from facevid.dataset.loading.samples import BatchReader, Request
from facevid.dataset.loading.wanted import Dtype
from facevid.dataset.storage import Folder

Batch = dict[str, Any]


class DamagedClip(UserWarning):
    """A clip could not be read, and another took its place."""


@dataclass
class LoaderStats:
    """What a loader did so far, on this rank.

    clips: how many clips windows are taken from. too_short: how many were left out as they have too few frames.
    batches, samples: how many were handed out. damaged: clips that could not be read, with the reason. replaced: how
    many samples others took the place of.
    """

    clips: int = 0
    too_short: int = 0
    batches: int = 0
    samples: int = 0
    replaced: int = 0
    damaged: dict[str, str] = field(default_factory=dict)

    def count(self, faults: Iterable[tuple[str, str]], samples: int) -> None:
        """Count a batch, and warn of each clip that could not be read for the first time."""
        self.batches += 1
        self.samples += samples
        for clip_id, reason in faults:
            self.replaced += 1
            if clip_id not in self.damaged:
                self.damaged[clip_id] = reason
                warnings.warn(
                    f"Clip {clip_id} cannot be read and another takes its place ({len(self.damaged)} such clips so "
                    f"far): {reason}",
                    DamagedClip,
                    stacklevel=3,
                )


class Batches:
    """What torch's DataLoader indexes: a request gives a batch of tensors."""

    def __init__(self, reader: BatchReader) -> None:
        self._reader = reader

    def __getitem__(self, request: Request) -> Batch:
        return tensors(self._reader.read(request), self._reader.wanted.dtype)


def tensors(batch: Mapping[str, Any], dtype: Dtype) -> Batch:
    """A batch whose arrays are tensors, without a copy; pictures as uint8 or as float32 in [-1, 1]."""
    out = {k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in batch.items()}
    if dtype == "float32":
        out["video"] = out["video"].float().div_(127.5).sub_(1)
    return out


def data_loader(
    batches: Any,
    dataset: Dataset,
    *,
    sampler: Iterable[Request] | None,
    num_workers: int,
    prefetch: int,
    context: str | None,
    pin_memory: bool,
) -> DataLoader[Batch]:
    """torch's DataLoader for something that makes whole batches; with a sampler, workers stay from epoch to epoch."""
    if num_workers < 0 or prefetch < 1:
        raise ValueError(
            f"num_workers is {num_workers} and prefetch {prefetch}; from 0 and from 1 up is allowed."
        )
    if context is None and not isinstance(dataset.storage, Folder):
        context = "forkserver"  # the connections of fsspec's file systems do not survive a fork
    workers: dict[str, Any] = {}
    if num_workers:
        workers = {
            "num_workers": num_workers,
            "prefetch_factor": prefetch,
            "multiprocessing_context": context,
            "worker_init_fn": _one_thread,
            "persistent_workers": sampler is not None,
        }
    return DataLoader(
        batches,
        batch_size=None,
        sampler=sampler,
        collate_fn=_as_it_is,
        generator=torch.Generator(),  # so that the caller's own chance is not touched
        pin_memory=pin_memory,
        **workers,
    )


def ranks(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """The given rank and number of ranks, or those of torch.distributed, or 0 of 1."""
    running = torch.distributed.is_available() and torch.distributed.is_initialized()
    if rank is None:
        rank = torch.distributed.get_rank() if running else 0
    if world_size is None:
        world_size = torch.distributed.get_world_size() if running else 1
    if not 0 <= rank < world_size:
        raise ValueError(f"rank is {rank} of {world_size}; it counts from 0 and is below world_size.")
    return rank, world_size


def _as_it_is(batch: Batch) -> Batch:
    return batch


def _one_thread(_: int) -> None:
    """A worker is one process among many: its libraries get one thread each. torch sees to its own."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
