"""Training an autoencoder: what a step gives, what is learned, and the folder that comes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import facevid
from facevid.generate.autoencoder.build import load_autoencoder
from facevid.generate.autoencoder.task import AutoencoderTask, autoencoder_task, new_autoencoder
from facevid.generate.errors import GenerateError, SizeError
from facevid.generate.recipe import TrainRecipe, read_recipe
from facevid.generate.training.task import Batch
from facevid.generate.training.trainer import Trainer

from . import fakes
from .test_autoencoder_build import TINY

CPU = torch.device("cpu")
torch.set_num_threads(1)
RECIPE: dict[str, Any] = {
    "name": "tiny",
    "seed": 3,
    "data": {"buckets": [{"frames": 5, "height": 32, "width": 32}]},
    "autoencoder": {
        "config": {**TINY["AutoencoderKLLTXVideo"], "latent_channels": 16},
        "perceptual_frames": 1,
    },
    "optimisation": {"steps": 6, "batch": 2, "lr": 3e-3, "warmup": 0, "ema": 0.0},
    "validation": {"every": 6, "samples": 3, "grid_seconds": 1},
    "checkpoints": {"every": 6},
    "tracking": [],
}


def recipe(*changes: str) -> TrainRecipe:
    return read_recipe(RECIPE, changes)


class Blobs:
    """Videos of a soft light spot that wanders, one a sample; the same for the same place in the order.

    held_out: ends after each sample was shown once, and its seeds are the places alone.
    """

    def __init__(self, first: int, samples: int, *, held_out: bool = False) -> None:
        self.samples, self._first, self._held_out = samples, first, held_out

    def iterate(
        self, first: int, last: int, *, batch: int, accumulate: int = 1, rank: int = 0, world_size: int = 1
    ) -> Iterator[Batch]:
        for step in range(first, last):
            numbers = range(step * batch, (step + 1) * batch)
            if self._held_out:
                numbers = range(step * batch, min((step + 1) * batch, self.samples))
                if not numbers:
                    return
            places = [self._first + k % self.samples for k in numbers]
            yield {
                "video": torch.stack([self._video(p) for p in places]),
                "clip_id": [f"clip-{p}" for p in places],
                "seed": torch.tensor([(0 if self._held_out else 1000 * step) + p for p in places]),
                "batch_id": f"step {step}",
            }

    def _video(self, place: int) -> torch.Tensor:
        x, y, tint = torch.rand(3, generator=torch.Generator().manual_seed(place)) * 0.6 + 0.2
        rows = torch.linspace(0, 1, 32)
        times = torch.linspace(0, 0.2, 5).view(-1, 1, 1)
        spot = torch.exp(-20 * ((rows.view(1, -1, 1) - y) ** 2 + (rows.view(1, 1, -1) - x - times) ** 2))
        return torch.stack([spot, spot * tint, 1 - spot]) * 1.6 - 0.8


def task(*changes: str) -> AutoencoderTask:
    wanted = recipe(*changes)
    return AutoencoderTask(new_autoencoder(wanted), wanted, Blobs(0, 8), Blobs(100, 3, held_out=True))


def first(source: Any, batch: int = 2) -> Batch:
    return next(iter(source.iterate(0, 1, batch=batch)))


def test_the_loss_is_the_weighted_sum_of_its_parts() -> None:
    made = task("autoencoder.kl=0.01", "autoencoder.perceptual=0.3")
    found = made.module(first(made.training()))
    assert {name: values.shape for name, values in found.items()} == dict.fromkeys(
        ("loss", "reconstruction", "kl", "temporal", "perceptual"), torch.Size([2])
    )
    whole = found["reconstruction"] + 0.01 * found["kl"] + 0.5 * found["temporal"] + 0.3 * found["perceptual"]
    assert torch.allclose(found["loss"], whole)
    assert all(values.dtype == torch.float32 for values in found.values())


def test_a_loss_of_weight_nothing_is_not_computed() -> None:
    made = task("autoencoder.perceptual=0", "autoencoder.temporal=0")
    assert set(made.module(first(made.training()))) == {"loss", "reconstruction", "kl"}
    assert made.cost().frozen_parameters == 0


def test_only_the_autoencoder_is_registered() -> None:
    made = task()
    assert {name.split(".")[0] for name, _ in made.module.named_parameters()} == {"vae"}
    assert not any("embedder" in name for name in made.module.state_dict())


def test_a_sample_is_answered_alike_whatever_is_beside_it() -> None:
    made = task()
    batch = first(made.training())
    alone = {**batch, "video": batch["video"][1:], "seed": batch["seed"][1:], "clip_id": ["clip-1"]}
    together, single = made.module(batch), made.module(alone)
    assert together["loss"][1].item() == pytest.approx(single["loss"][0].item(), rel=1e-5)


def test_the_seed_decides_the_weights() -> None:
    a, b, c = (
        torch.cat([p.flatten() for p in t.module.parameters()]) for t in (task(), task(), task("seed=4"))
    )
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_costs_are_counted_from_shapes() -> None:
    made = task("autoencoder.perceptual=0")
    cost = made.cost()
    assert cost.parameters == sum(p.numel() for p in made.autoencoder.vae.parameters())
    assert cost.tokens == 2 * 4 * 4
    first_convolution = 2 * 27 * 12 * 8 * 5 * 16 * 16  # a kernel of 3 x 3 x 3, 12 channels of patches to 8
    assert first_convolution < cost.flops < 1e10
    more = task("autoencoder.perceptual=0", "data.buckets=[{frames: 5, height: 64, width: 64}]").cost()
    assert more.flops == pytest.approx(4 * cost.flops, rel=0.05)
    assert more.bytes == pytest.approx(4 * cost.bytes, rel=0.05)
    assert task().cost().frozen_parameters > 5e6


def test_training_lowers_the_held_out_loss_and_the_folder_is_one_of_diffusers(tmp_path: Path) -> None:
    wanted = recipe(
        "optimisation.steps=60", "validation.every=10", "checkpoints.every=60", "autoencoder.perceptual=0"
    )
    made = AutoencoderTask(
        new_autoencoder(wanted),
        wanted,
        Blobs(0, 8),
        Blobs(100, 3, held_out=True),
        lambda: {"dataset": "blobs"},
    )
    Trainer(made, wanted, tmp_path, peak=1e9).run()
    lines = [json.loads(line) for line in (tmp_path / ".train" / "log.jsonl").read_text().splitlines()]
    held_out = [line for line in lines if "held_out" in line]
    assert held_out[-1]["held_out"] < 0.8 * held_out[0]["held_out"]
    assert held_out[-1]["held_out_psnr"] > held_out[0]["held_out_psnr"] + 1
    assert list((tmp_path / ".train" / "grids").glob("*/reconstructions.png"))

    made.save(tmp_path, {"step": 60})
    facts = json.loads((tmp_path / "facevid.json").read_text())
    assert (facts["kind"], facts["family"], facts["step"]) == ("autoencoder", "AutoencoderKLLTXVideo", 60)
    assert facts["data"] == {"dataset": "blobs"}
    assert facts["latents"] == {"channels": 16, "spatial": 8, "temporal": 4, "frames": "4k+1"}
    assert facts["held_out_psnr"] > 10
    assert "AutoencoderKLLTXVideo" in (tmp_path / "README.md").read_text()

    found = load_autoencoder(tmp_path)
    latents = found.encode(torch.cat([b["video"] for b in Blobs(0, 8).iterate(0, 4, batch=2)]))
    assert latents.mean((0, 2, 3, 4)) == pytest.approx(torch.zeros(16), abs=1e-3)
    assert latents.std((0, 2, 3, 4)) == pytest.approx(torch.ones(16), abs=1e-2)

    from diffusers import AutoencoderKLLTXVideo

    theirs = AutoencoderKLLTXVideo.from_pretrained(tmp_path)
    assert torch.equal(theirs.latents_mean, found.vae.latents_mean)


def test_samples_keep_to_their_seconds(tmp_path: Path) -> None:
    made = task()
    made.module.eval()
    assert made.samples(tmp_path, 0.0) == [tmp_path / "reconstructions.png"]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> facevid.Dataset:
    return facevid.open(fakes.clips_in(tmp_path_factory.mktemp("clips"), 3, frames=(12,)))


def test_a_dataset_is_trained_on(clips: facevid.Dataset, tmp_path: Path) -> None:
    made = autoencoder_task(recipe(), clips, clips, folder=tmp_path, device=CPU)
    batch = first(made.training())
    assert batch["video"].shape == (2, 3, 5, 32, 32)
    assert torch.isfinite(made.module(batch)["loss"]).all()
    made.save(tmp_path, {})
    assert json.loads((tmp_path / "facevid.json").read_text())["data"]["train_clips"] == 3


def test_what_cannot_be_trained_is_said(clips: facevid.Dataset, tmp_path: Path) -> None:
    with pytest.raises(SizeError, match="6 frames"):
        new_autoencoder(recipe("data.buckets=[{frames: 6, height: 32, width: 32}]"))
    model = {k: v for k, v in RECIPE.items() if k != "autoencoder"} | {"model": {"family": "ltx"}}
    with pytest.raises(GenerateError, match="not an autoencoder"):
        new_autoencoder(read_recipe(model))
    with pytest.raises(GenerateError, match=r"65|frames"):
        autoencoder_task(
            recipe("data.buckets=[{frames: 65, height: 32, width: 32}]"),
            clips,
            clips,
            folder=tmp_path,
            device=CPU,
        )


def test_the_recipe_that_comes_with_facevid_is_built() -> None:
    made = new_autoencoder(read_recipe("autoencoder"))
    assert made.latent_shape(17, 64, 64) == (48, 5, 8, 8)
    assert (made.vae.spatial_compression_ratio, made.vae.temporal_compression_ratio) == (8, 4)
    assert made.vae.config.timestep_conditioning is False
