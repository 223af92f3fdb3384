"""The held-out loss: a mean over fixed samples with fixed noise and times, so that runs compare."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import nn

from facevid.generate.training.feeding import on_device
from facevid.generate.training.seeding import seed_for
from facevid.generate.training.task import BatchSource

_LARGEST = 16


def held_out(
    module: nn.Module, source: BatchSource, accelerator: Accelerator, *, samples: int, micro_batch: int
) -> dict[str, float]:
    """Means of a module's figures over the first `samples` of a source, or all where there are fewer; {"loss": ...}.

    Ranks take whole batches in turn, and the sum is over samples in their order, so their number changes nothing.
    """
    count = min(samples, source.samples)
    size = min(_LARGEST, micro_batch, count)
    batches = -(-count // size)
    ranks, rank = accelerator.num_processes, accelerator.process_index
    was_training = module.training
    module.eval()
    mine: dict[int, dict[str, list[float]]] = {}
    try:
        # Every rank computes as often as the others, which weights in shards need; what is too much is left out.
        for turn in range(-(-batches // ranks)):
            which = min(turn * ranks + rank, batches - 1)
            batch = next(iter(source.iterate(which, which + 1, batch=size)))
            seed_for(batch)
            with torch.no_grad():
                answer = module(on_device(batch, accelerator.device))
            mine[which] = {name: values.float().tolist() for name, values in answer.items()}
    finally:
        module.train(was_training)
    found: dict[int, dict[str, list[float]]] = {}
    for part in gather_object([mine]):
        found.update(part)
    names = found[0]
    return {
        name: sum([value for k in range(batches) for value in found[k][name]][:count]) / count
        for name in names
    }
