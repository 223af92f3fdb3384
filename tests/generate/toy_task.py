"""A Task small enough for tests: a network with dropout that fits a sine, with batches by the contract of seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from facevid.generate.recipe import TrainRecipe, read_recipe
from facevid.generate.training.task import Batch, Cost, noise_like, uniform

RECIPE: dict[str, Any] = {
    "name": "toy",
    "seed": 3,
    "data": {"buckets": [{"frames": 1, "height": 1, "width": 1}]},
    "model": {"family": "toy"},
    "optimisation": {
        "steps": 12, "batch": 8, "lr": 1e-2, "warmup": 3, "weight_decay": 0.1, "ema": 0.9, "clip": 1.0,
    },
    "validation": {"every": 4, "samples": 10, "grid_seconds": 0},
    "checkpoints": {"every": 4, "keep": 2},
    "tracking": [],
}  # fmt: skip


def toy_recipe(*changes: str) -> TrainRecipe:
    return read_recipe(RECIPE, changes)


class Sine:
    """Samples x -> sin(3 x) + noise; `samples` of them, in an order that the seed decides. bad: a clip of x nan."""

    def __init__(self, seed: int, samples: int = 50, bad: str | None = None, ends: bool = False) -> None:
        self.samples = samples
        self._seed, self._bad, self._ends = seed, bad, ends

    def iterate(
        self, first: int, last: int, *, batch: int, accumulate: int = 1, rank: int = 0, world_size: int = 1
    ) -> Iterator[Batch]:
        size = batch // (accumulate * world_size)
        for step in range(first, last):
            for micro in range(accumulate):
                start = step * batch + (micro * world_size + rank) * size
                places = range(start, min(start + size, self.samples if self._ends else start + size))
                if places:
                    yield self._batch(places, step)
            if self._ends and (step + 1) * batch >= self.samples:
                return

    def _batch(self, places: range, step: int) -> Batch:
        numbers = [(self._seed + 7 * place) % self.samples for place in places]
        clips = [f"clip-{number}" for number in numbers]
        seeds = torch.tensor([(self._seed << 32) + place for place in places])
        x = torch.tensor(
            [[float("nan") if c == self._bad else n / 50] for c, n in zip(clips, numbers, strict=True)]
        )
        return {"x": x, "clip_id": clips, "seed": seeds, "batch_id": f"{step}:{places.start}"}


class Network(nn.Module):
    """Two blocks in a list, as transformers have; dropout draws from torch's own generator."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.first = nn.Linear(2, 16)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(16, 16), nn.LayerNorm(16), nn.GELU(), nn.Dropout(dropout))
            for _ in range(2)
        )
        self.last = nn.Linear(16, 1)
        self.register_buffer("scale", torch.ones(1))

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        x: Tensor = batch["x"]
        time = uniform(batch["seed"], 1).unsqueeze(1).to(x.device)
        noise = noise_like(x, batch["seed"], 2)
        hidden = self.first(torch.cat([x, time], 1))
        for block in self.blocks:
            hidden = hidden + block(hidden)
        error = self.last(hidden) - torch.sin(3 * x) * self.scale - 0.1 * noise
        return {"loss": error.pow(2).mean(1), "size": error.abs().mean(1)}


class ToyTask:
    """Trains `Network` on `Sine`."""

    name = "toy"

    def __init__(self, seed: int = 3, *, dropout: float = 0.1, bad: str | None = None) -> None:
        torch.manual_seed(seed)
        self.module = Network(dropout)
        self._seed, self._bad = seed, bad
        self.sampled: list[Path] = []

    def to(self, device: torch.device, dtype: torch.dtype) -> None: ...

    def training(self) -> Sine:
        return Sine(self._seed, bad=self._bad)

    def validation(self) -> Sine:
        return Sine(99, samples=13, ends=True)

    def samples(self, folder: Path, seconds: float) -> list[Path]:
        path = folder / "weights.txt"
        path.write_text(str(float(self.module.last.bias)))
        self.sampled.append(path)
        return [path]

    def save(self, folder: Path, about: Mapping[str, Any]) -> None:
        save_file(dict(self.module.state_dict()), folder / "toy.safetensors")

    def cost(self) -> Cost:
        count = sum(p.numel() for p in self.module.parameters())
        return Cost(count, 0, 2.0 * count, 4.0 * 200, 1)
