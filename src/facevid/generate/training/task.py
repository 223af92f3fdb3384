"""What the trainer knows of what it trains: a module that gives losses, batches of step numbers, and how to save."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

Batch = dict[str, Any]
"""Tensors (B, ...) by name, and beside them always "clip_id" (list of B), "seed" int64 (B,) and "batch_id" (str).

"seed" is all the chance a sample may use (see `noise_like` and `uniform`): it depends on the recipe's seed, the step
and the place in the global batch, and on nothing else, so ranks and restarts change no draw.
"""


class BatchSource(Protocol):
    """Batches as a function of the step number: nothing is remembered, so going on needs only the number."""

    def iterate(
        self, first: int, last: int, *, batch: int, accumulate: int = 1, rank: int = 0, world_size: int = 1
    ) -> Iterator[Batch]:
        """The micro-batches of this rank for steps first to before last, `accumulate` of them a step.

        batch: samples of one step over all ranks and micro-batches; a multiple of accumulate * world_size. All samples
        of a step are of one shape, and a shape may have a multiple of `batch`.
        """

    @property
    def samples(self) -> int:
        """How many there are in an epoch."""


class Task(Protocol):
    """Something to train. `module` registers just what is trained; the rest is kept out of it."""

    name: str
    module: nn.Module
    """`module(batch)` gives {"loss": (B,) float32, other figures: (B,)}, of tensors on its device."""

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """Moves what is not in `module`; dtype is that of mixed precision."""

    def training(self) -> BatchSource:
        """Batches to learn from."""

    def validation(self) -> BatchSource:
        """Held-out batches; every iteration from step 0 gives the same, noise and times included. It ends by itself
        after its `samples`, and steps may have fewer samples than asked for."""

    def samples(self, folder: Path, seconds: float) -> list[Path]:
        """Writes pictures or videos that show what `module` can do now, in about so many seconds."""

    def save(self, folder: Path, about: Mapping[str, Any]) -> None:
        """Writes the result with the weights that `module` holds now; about: facts of the run for facevid.json."""

    def cost(self) -> Cost:
        """What one sample costs, for estimates and utilisation."""


@dataclass(frozen=True)
class Cost:
    """parameters: trained ones. frozen_parameters: the others. flops: of one sample forwards (multiply and add are
    two); a training step takes three times that. bytes: activations of one sample, about, times the `batches` of its
    bucket. tokens: of one sample."""

    parameters: int
    frozen_parameters: int
    flops: float
    bytes: float
    tokens: int


def uniform(seeds: Tensor, what: int) -> Tensor:
    """One float32 in (0, 1) for each seed (B,), decided by the seed and `what` alone."""
    return torch.stack([torch.rand((), generator=_generator(seed, what)) for seed in seeds.tolist()]).clamp(
        1e-6, 1 - 1e-6
    )


def noise_like(like: Tensor, seeds: Tensor, what: int, *, anywhere: bool = False) -> Tensor:
    """Standard normal noise (B, ...), float32, on the device of `like`, decided by each sample's seed and `what`.

    It is drawn on that device, whose kind decides it too; anywhere: on the CPU, the same for every device, which takes
    as long as a GPU's step (0.14 s for 256 samples of 74,000 numbers on one core).
    """
    # Costs are counted on shapes alone, which have no chance.
    device = torch.device("cpu") if anywhere or like.is_meta else like.device
    drawn = [
        torch.randn(like.shape[1:], generator=_generator(seed, what, device), device=device)
        for seed in seeds.tolist()
    ]
    return torch.stack(drawn).to(like.device)


def _generator(seed: int, what: int, device: torch.device | str = "cpu") -> torch.Generator:
    mixed = (seed ^ (what * 0x9E3779B97F4A7C15)) & 0x7FFFFFFFFFFFFFFF
    return torch.Generator(device).manual_seed(mixed)
