"""The held-out loss: a mean over fixed samples with fixed noise and times, so that runs compare."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import nn

from facevid.generate.training.feeding import on_device
from facevid.generate.training.seeding import seed_for
from facevid.generate.training.task import Batch, BatchSource

_LARGEST = 16
_ENDLESS = 1 << 40

Figures = dict[str, list[float]]


def held_out(
    module: nn.Module, source: BatchSource, accelerator: Accelerator, *, micro_batch: int
) -> dict[str, float]:
    """Means of a module's figures over all samples of a source that ends by itself: {"loss": ..., ...}; samples that
    have none of a name (NaN, of another figure than the loss) do not count in it, and a name that none has is left out.

    They are added in the order of the samples, whatever the ranks and the size of a batch, of 16 at most.
    """
    ranks, rank = accelerator.num_processes, accelerator.process_index
    size = min(_LARGEST, micro_batch)
    batches = source.iterate(0, _ENDLESS, batch=size * ranks, rank=rank, world_size=ranks)
    was_training = module.training
    module.eval()
    mine: list[tuple[int, int, Figures]] = []
    try:
        for turn, (batch, counts) in enumerate(_together(batches, source, size, accelerator)):
            seed_for(batch)
            with torch.no_grad():
                answer = module(on_device(batch, accelerator.device))
            if counts:
                mine.append((turn, rank, {name: values.float().tolist() for name, values in answer.items()}))
    finally:
        module.train(was_training)
    every = sorted(gather_object(mine), key=lambda found: found[:2])
    names = every[0][2]
    values = {name: [value for _, _, figures in every for value in figures[name]] for name in names}
    had = {name: [v for v in of if name == "loss" or not math.isnan(v)] for name, of in values.items()}
    return {name: sum(of) / len(of) for name, of in had.items() if of}


def _together(
    batches: Iterator[Batch], source: BatchSource, size: int, accelerator: Accelerator
) -> Iterator[tuple[Batch, bool]]:
    """The batches of this rank, and whether they count. All ranks compute equally often, which weights in shards need:
    a rank that has none computes one again, for nothing."""
    if accelerator.num_processes == 1:
        yield from ((batch, True) for batch in batches)
        return
    spare: Batch | None = None
    while True:
        batch = next(batches, None)
        has = torch.tensor([batch is not None], device=accelerator.device)
        if not accelerator.gather(has).any():
            return
        if batch is None and spare is None:
            spare = next(iter(source.iterate(0, 1, batch=size)))
        spare = batch if batch is not None else spare
        assert spare is not None
        yield spare, batch is not None
