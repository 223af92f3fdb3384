"""The task of training a video model: its loss, its chance, its grids and cost, and a whole training to a video."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import facevid
from facevid.generate import costs
from facevid.generate.diffusion import FIXED, Denoising, DiffusionTask, family_for
from facevid.generate.errors import GenerateError
from facevid.generate.families.family import Conditions
from facevid.generate.families.loading import build_family
from facevid.generate.families.parts import clean_first
from facevid.generate.objectives import FlowMatching
from facevid.generate.recipe import Conditioning, TrainRecipe, read_recipe
from facevid.generate.training.task import Batch

from . import fakes, test_family_wan, tiny
from .test_autoencoder_build import TINY
from .test_facevid_family import tiny_facevid

torch.set_num_threads(1)
CLEAN = 3.0
"""What all latents of the family below are, so that it can tell the noise."""


class Knowing:
    """A family that answers right but for an offset of each frame: its loss is known without knowing the noise."""

    name = "knowing"
    trained = ("transformer",)

    def __init__(self, offsets: Sequence[float], modes: Sequence[str] = ("t2v", "i2v")) -> None:
        self.transformer = nn.Linear(1, 1)
        self.parts: dict[str, Any] = {"transformer": self.transformer, "vae": nn.Linear(2, 2)}
        self.modes = frozenset(modes)
        self.objective = FlowMatching(shift=2.0)
        self.offsets = torch.tensor(offsets).view(1, 1, -1, 1, 1)
        self.given: list[Conditions] = []
        self.times: list[Tensor] = []

    def text_features(self, captions: Sequence[str]) -> dict[str, Tensor]:
        return {"ids": torch.tensor([[len(c), 7 * len(c) + 1] for c in captions])}

    def predict(self, noisy: Tensor, timesteps: Tensor, given: Conditions) -> Tensor:
        self.given.append(given)
        self.times.append(timesteps)
        t = (timesteps / 1000).view(-1, 1, 1, 1, 1)
        noise = (noisy - (1 - t) * CLEAN) / t
        return noise - CLEAN + self.offsets + 0 * self.transformer.weight.sum()

    def weights(self, latents: Tensor, given: Conditions) -> Tensor | None:
        return None if given.first is None else (~clean_first(latents, given)).to(latents.dtype)


def batch(count: int, frames: int = 3, **more: Any) -> Batch:
    latents = torch.full((count, 2, frames, 2, 2), CLEAN)
    seeds = torch.arange(count) * 2_654_435_761 + 12345
    text = {"text.ids": torch.full((count, 2), 5)}
    about = {"fps": torch.full((count,), 8.0), "seed": seeds, "clip_id": ["a"] * count, "batch_id": "one"}
    return {"latents": latents, "first": latents[:, :, :1], **text, **about, **more}


def test_the_loss_is_the_mean_square_of_what_is_wrong_and_a_given_picture_counts_nothing() -> None:
    family: Any = Knowing([10.0, 1.0, 2.0])
    never = Denoising(family, Conditioning(image=0.0, drop_prompt=0.0))(batch(2))
    assert never["loss"].tolist() == pytest.approx([(100 + 1 + 4) / 3] * 2, rel=1e-3)
    always = Denoising(family, Conditioning(image=1.0, drop_prompt=0.0))(batch(2))
    assert always["loss"].tolist() == pytest.approx([(1 + 4) / 2] * 2, rel=1e-3)
    assert always["loss"].dtype == torch.float32 and always["loss"].shape == (2,)
    only: Any = Knowing([10.0, 1.0, 2.0], modes=["i2v"])
    assert Denoising(only, Conditioning())(batch(2))["loss"].tolist() == pytest.approx([2.5] * 2, rel=1e-3)


def test_only_what_is_trained_is_registered_and_times_are_those_of_the_network() -> None:
    family: Any = Knowing([0.0] * 3)
    module = Denoising(family, Conditioning())
    assert [n for n, _ in module.named_parameters()] == [
        "trained.transformer.weight",
        "trained.transformer.bias",
    ]
    module(batch(4000))
    times = family.times[0] / 1000
    # Logit-normal: half of the times lie below sigmoid(0) = 1/2, which the shift of 2 moves to 2/3.
    assert (times < 2 / 3).float().mean() == pytest.approx(0.5, abs=0.03)
    assert times.min() > 0 and times.max() <= 1


def test_dropped_prompts_are_the_empty_one_and_shares_are_those_of_the_recipe() -> None:
    family: Any = Knowing([0.0] * 3)
    Denoising(family, Conditioning(drop_prompt=1.0))(batch(3))
    assert torch.equal(family.given[0].text["ids"], family.text_features([""])["ids"].expand(3, 2))
    Denoising(family, Conditioning(image=0.3, drop_prompt=0.1))(batch(4000))
    given = family.given[1]
    dropped = (given.text["ids"] == torch.tensor([0, 1])).all(1)
    assert (dropped | (given.text["ids"] == 5).all(1)).all()
    shown = given.has_first
    # Three deviations of a share of 4,000 draws: .022 and .014.
    assert shown.float().mean() == pytest.approx(0.3, abs=0.022)
    assert dropped.float().mean() == pytest.approx(0.1, abs=0.015)
    assert (shown & dropped).float().mean() == pytest.approx(0.03, abs=0.009)


def test_stills_are_never_given_their_picture_and_have_no_loss_with_it() -> None:
    family: Any = Knowing([10.0])
    module = Denoising(family, Conditioning(image=1.0, drop_prompt=0.0))
    assert module(batch(4, frames=1))["loss"].tolist() == pytest.approx([100.0] * 4, rel=1e-3)
    assert not family.given[0].has_first.any()
    fixed = module(batch(4, frames=1, **{FIXED: True}))
    assert fixed["loss"].tolist() == pytest.approx([100.0] * 4, rel=1e-3)
    assert fixed["loss_image"].isnan().all()


def test_a_sample_depends_on_its_own_seed_alone() -> None:
    family: Any = Knowing([10.0, 1.0, 2.0])
    module = Denoising(family, Conditioning(image=0.5, drop_prompt=0.5))
    whole = batch(8)
    module(whole)
    module({k: v[3:5] if isinstance(v, Tensor) else v for k, v in whole.items()})
    assert torch.equal(family.times[0][3:5], family.times[1])
    assert torch.equal(family.given[0].has_first[3:5], family.given[1].has_first)
    assert torch.equal(family.given[0].text["ids"][3:5], family.given[1].text["ids"])


def test_held_out_samples_have_fixed_chance_even_times_their_prompt_and_both_losses() -> None:
    family: Any = Knowing([10.0, 1.0, 2.0])
    module = Denoising(family, Conditioning(image=0.3, drop_prompt=1.0))
    first = module(batch(2000, **{FIXED: True}))
    again = module(batch(2000, **{FIXED: True}))
    assert all(torch.equal(first[name], again[name]) for name in ("loss", "loss_image"))
    assert first["loss"].mean().item() == pytest.approx(35.0, rel=1e-3)
    assert first["loss_image"].mean().item() == pytest.approx(2.5, rel=1e-3)
    assert [bool(g.has_first.any()) for g in family.given] == [False, True] * 2
    assert all((g.text["ids"] == 5).all() for g in family.given)
    assert torch.equal(family.times[0], family.times[1])
    assert torch.histc(family.times[0], 4, 0, 1000).min() > 400
    only: Any = Knowing([10.0, 1.0, 2.0], modes=["i2v"])
    assert Denoising(only, Conditioning())(batch(2, **{FIXED: True})).keys() == {"loss"}
    assert only.given[0].has_first.all()


RECIPE: dict[str, Any] = {
    "name": "tiny",
    "data": {"fps": 8.0, "buckets": [{"frames": 5, "height": 32, "width": 32}], "windows": 2},
    "model": {"family": "facevid", "config": {"width": 64, "depth": 1, "text_depth": 1}},
    "conditioning": {"image": 0.3, "drop_prompt": 0.1},
    "optimisation": {"steps": 4, "batch": 4, "lr": 1e-3, "warmup": 0, "ema": 0.5},
    "validation": {
        "every": 4,
        "samples": 4,
        "grid_seconds": 60,
        "grid_steps": 2,
        "prompts": ["short of 1", ""],
    },
    "checkpoints": {"every": 2},
    "tracking": [],
}


class Held:
    """A held-out source: two steps of pictures that are too wide, then one of five that fit."""

    samples = 9

    def iterate(
        self, first: int, last: int, *, batch: int, accumulate: int = 1, rank: int = 0, world_size: int = 1
    ) -> Iterator[Batch]:
        for step in range(first, min(last, 3)):
            video = (
                tiny.video(5, 32, batch=5) if step == 2 else tiny.video(5, 32, batch=2).repeat(1, 1, 1, 1, 2)
            )
            yield {"video": video, "seed": torch.arange(len(video)), "batch_id": str(step)}


def test_a_grid_has_a_row_for_each_prompt_and_for_each_held_out_picture(tmp_path: Path) -> None:
    import cv2

    recipe = read_recipe(RECIPE)
    task = DiffusionTask(tiny_facevid(), recipe, Held(), Held())
    assert task.samples(tmp_path, 60.0) == [tmp_path / "samples.png"]
    sheet = cv2.imread(str(tmp_path / "samples.png"))
    assert sheet is not None and sheet.shape == ((2 + 4) * 34, 5 * 34, 3)
    again = tmp_path / "again"
    task.samples(again, 60.0)
    assert (again / "samples.png").read_bytes() == (tmp_path / "samples.png").read_bytes()
    task.samples(tmp_path / "short", 0.0)
    short = cv2.imread(str(tmp_path / "short" / "samples.png"))
    assert short is not None and short.shape[0] == 34


def test_a_cost_is_the_parameters_and_operations_of_a_formula() -> None:
    family = tiny_facevid()
    recipe = read_recipe(RECIPE)
    cost = DiffusionTask(family, recipe, Held(), Held()).cost()
    parts = family.parts
    count = {
        name: sum(p.numel() for p in parts[name].parameters())
        for name in ("transformer", "text_encoder", "vae")
    }
    assert (cost.parameters, cost.frozen_parameters) == (
        count["transformer"] + count["text_encoder"],
        count["vae"],
    )
    tokens, words, width, channels = 2 * 2 * 2, 128, 64, 8
    assert cost.tokens == tokens
    # Multiplications of one layer of width d: four d x d projections for each attention and two of d x 4d.
    own = tokens * (4 + 2 + 8) * width**2 + 2 * tokens**2 * width
    across = words * 2 * width**2 + 2 * tokens * words * width
    times = tokens * (256 * width + width**2 + 6 * width**2)  # one time a token, for the picture's sake
    ends = 2 * tokens * channels * width
    captions = words * 2 * width**2
    # T5's layer: heads of 32 channels, so four d x d, and a gated network of 2d.
    t5 = words * (4 + 3 * 2) * width**2 + 2 * words**2 * width
    assert cost.flops == pytest.approx(2 * (own + across + times + ends + captions + t5), rel=0.1)


def test_memory_of_activations_is_that_of_one_sample_and_less_where_they_are_computed_again() -> None:
    family = tiny_facevid()
    plain = DiffusionTask(family, read_recipe(RECIPE), Held(), Held()).cost().bytes
    # At least the inputs of every layer's products, at most a few dozen numbers a token, word and channel.
    assert 4 * 64 * (8 + 128) * 10 < plain < 4 * 64 * (8 + 128) * 200
    half = read_recipe(RECIPE, ["optimisation.precision=bf16"])
    assert DiffusionTask(tiny_facevid(), half, Held(), Held()).cost().bytes < plain
    again = read_recipe(RECIPE, ["optimisation.checkpoint_activations=true"])
    assert DiffusionTask(tiny_facevid(), again, Held(), Held()).cost().bytes < plain
    assert not family.parts["transformer"].gradient_checkpointing


def test_shapes_alone_count_what_a_pass_counts() -> None:
    recipe = read_recipe(RECIPE)
    bucket = recipe.data.buckets[0]
    half = read_recipe(RECIPE, ["optimisation.precision=bf16", "optimisation.checkpoint_activations=true"])
    for family in (tiny_facevid(), test_family_wan.made("ti2v")):
        assert costs._sample(family, bucket, recipe) == costs._counted(family, bucket, recipe)
        flops, kept, tokens = costs._counted(family, bucket, half)
        assert costs._sample(family, bucket, half) == (flops, pytest.approx(kept, rel=0.05), tokens)
    # Its image encoder takes pictures, so it makes the passes for real.
    looking = test_family_wan.made("i2v")
    assert costs._sample(looking, bucket, recipe) == costs._counted(looking, bucket, recipe)


def test_a_model_of_a_billion_is_counted_without_its_weights() -> None:
    recipe = read_recipe("facevid-xl")
    assert recipe.model is not None
    parts = {name: tiny_facevid().parts[name] for name in ("vae", "tokenizer")}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    task = DiffusionTask(build_family(recipe.model, weights=False, **parts), recipe, Held(), Held())
    cost = task.cost()
    # The latents here have 8 channels, not 128, which changes the first and the last layer alone.
    assert cost.parameters == pytest.approx(1.0e9, rel=0.03) and cost.bytes > 1e8
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < cost.parameters
    small = read_recipe(RECIPE)
    assert small.model is not None
    task = DiffusionTask(build_family(small.model, weights=False, seed=3, **parts), small, Held(), Held())
    whole = task.weighed()
    assert whole.cost() == task.cost() and whole.weighed() is whole
    assert not any(p.is_meta for p in whole.module.parameters())


def test_bf16_changes_the_loss_by_no_more_than_its_rounding() -> None:
    family = tiny_facevid()
    module = Denoising(family, Conditioning(image=0.5, drop_prompt=0.5))
    latents = torch.randn(8, 8, 2, 2, 2, generator=torch.Generator().manual_seed(1))
    text = {f"text.{k}": v.expand(8, -1) for k, v in family.text_features(["a woman smiles"]).items()}
    some = {**batch(8), "latents": latents, "first": latents[:, :, :1], **text}
    del some["text.ids"]
    some["text.ids"] = text["text.ids"]
    exact = module(some)["loss"]
    with torch.autocast("cpu", torch.bfloat16):
        rounded = module(some)["loss"]
    assert rounded.dtype == torch.float32
    assert rounded.tolist() == pytest.approx(exact.tolist(), rel=0.01)


def test_pictures_are_encoded_in_float32_where_the_network_learns_in_bf16() -> None:
    family = tiny_facevid()
    video = tiny.video(5, 32, batch=2)
    exact, first = family.encode(video), family.encode(video[:, :, :1])
    family.to("cpu", torch.bfloat16)
    module = Denoising(family, Conditioning(image=0.5))
    about = {k: v for k, v in batch(2).items() if k not in ("latents", "first", "text.ids")}
    told = {f"text.{k}": v for k, v in family.text_features(["a woman", ""]).items()}
    with torch.autocast("cpu", torch.bfloat16):
        on_the_fly = module({**about, "video": video, "caption": ["a woman", ""]})
        from_disk = module({**about, **told, "latents": exact, "first": first})
    assert torch.equal(on_the_fly["loss"], from_disk["loss"])


def test_what_the_network_is_told_in_training_is_what_the_pipelines_tell_it() -> None:
    family = tiny_facevid()
    told: list[dict[str, Any]] = []
    family.parts["transformer"].register_forward_pre_hook(
        lambda module, args, given: told.append(given), with_kwargs=True
    )
    picture = tiny.picture(32)
    family.sample(tiny.request(5, 32, prompts=["a woman smiles"], images=[picture], guidance=1.0, steps=1))
    sampled = told[-1]
    video = torch.from_numpy(picture).permute(2, 0, 1)[None, :, None].float() / 127.5 - 1
    given = tiny.conditions(family, ["a woman smiles"], video)
    noise = family.objective.noisy(torch.zeros(1, 8, 2, 2, 2), torch.ones(1, 8, 2, 2, 2), torch.ones(1))
    with torch.no_grad():
        family.predict(noise, family.objective.timesteps(torch.ones(1)), given)
    trained = told[-1]
    assert torch.equal(trained["timestep"].flatten(), sampled["timestep"].flatten())
    assert sampled["timestep"].flatten().tolist() == [0.0] * 4 + [1000.0] * 4
    assert torch.allclose(trained["hidden_states"][:, :4], sampled["hidden_states"][:, :4], atol=1e-6)
    assert torch.equal(trained["encoder_hidden_states"], sampled["encoder_hidden_states"])
    assert torch.equal(trained["encoder_attention_mask"], sampled["encoder_attention_mask"])
    for ours, theirs in zip(
        trained["rope_interpolation_scale"], sampled["rope_interpolation_scale"], strict=True
    ):
        assert float(ours) == pytest.approx(float(theirs))


def test_a_pretrained_text_encoder_needs_its_own_tokenizer() -> None:
    recipe = read_recipe(RECIPE, ["model.config.text_encoder=t5"])
    with pytest.raises(GenerateError, match=r"text_encoder is t5.*model\.config\.tokenizer"):
        family_for(recipe, None)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 described clips of six people, 8 frames of 64 x 64."""
    place = fakes.six_people(tmp_path_factory.mktemp("diffusion"))
    fakes.describe(place, lambda *_: ("short", "long"))
    return place


@pytest.fixture(scope="module")
def autoencoder(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("autoencoder") / "ae"
    recipe = {
        "name": "tiny",
        "data": {"fps": 25.0, "windows": 2, "buckets": [{"frames": 5, "height": 32, "width": 32}]},
        "autoencoder": {"config": {**TINY["AutoencoderKLLTXVideo"], "latent_channels": 8}, "perceptual": 0.0},
        "optimisation": {"steps": 3, "batch": 2, "lr": 1e-3, "warmup": 0, "ema": 0.0},
        "validation": {"every": 3, "samples": 2, "grid_seconds": 0},
        "tracking": [],
    }
    facevid.train(recipe, dataset, place)
    return place


def small(*changes: str) -> TrainRecipe:
    return read_recipe(RECIPE, ["data.fps=25", *changes])


@pytest.fixture(scope="module")
def model(dataset: Path, autoencoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("model") / "model"
    done = facevid.train(small(), dataset, place, autoencoder=autoencoder)
    assert done.step == 4
    return place


def test_stills_are_refused_for_a_model_that_only_goes_on_from_pictures(
    dataset: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    family = fakes.FakeFamily()
    family.modes = frozenset({"i2v"})
    monkeypatch.setattr("facevid.generate.diffusion.family_for", lambda *_, **__: family)
    with pytest.raises(GenerateError, match=r"stills of 32x32 \(frames: 1\).*nothing to learn"):
        facevid.train(small("data.buckets=[{frames: 1, height: 32, width: 32}]"), dataset, tmp_path / "m")


def log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / ".train/log.jsonl").read_text().splitlines()]


def test_a_trained_model_tells_what_it_is_and_its_weights_are_the_averaged_ones(
    model: Path, dataset: Path
) -> None:
    from safetensors.torch import load_file

    facts = json.loads((model / "facevid.json").read_text())
    assert (facts["format"], facts["kind"], facts["family"], facts["step"]) == (
        "facevid-model",
        "video",
        "facevid",
        4,
    )
    assert facts["modes"] == ["i2v", "t2v", "unconditional"]
    assert facts["recipe"]["optimisation"]["steps"] == 4 and facts["fps"] == 25
    assert facts["data"]["train_clips"] == 10 and facts["data"]["validation_clips"] == 2
    held = [line for line in log(model) if "held_out" in line]
    assert facts["held_out_loss"] == held[-1]["held_out"] and "held_out_loss_image" in held[-1]
    assert (model / "README.md").is_file()
    averaged = load_file(model / ".train/checkpoints/step-00000004/ema.safetensors")
    saved = load_file(model / "transformer/diffusion_pytorch_model.safetensors")
    for name, weight in saved.items():
        assert torch.equal(weight, averaged[f"trained.transformer.{name}"])
    assert (model / ".train/grids/step-00000004/samples.png").is_file()


def test_a_trained_model_makes_videos_from_text_from_pictures_and_by_diffusers_alone(
    model: Path, tmp_path: Path
) -> None:
    from diffusers import DiffusionPipeline, LTXImageToVideoPipeline

    from facevid.generate.families.loading import load_family
    from facevid.generate.families.parts import noise, pixels

    text = facevid.generate(model, "short of 1", output=tmp_path / "text.mp4", steps=2, device="cpu")
    assert text.videos[0].path is not None and (tmp_path / "text.mp4").is_file()
    picture = tiny.picture(32)
    facevid.generate(
        model,
        unconditional=True,
        image=picture,
        crop=False,
        output=tmp_path / "picture.mp4",
        steps=2,
        device="cpu",
    )
    assert (tmp_path / "picture.mp4").is_file()
    ours = facevid.generate(model, "short of 1", steps=3, guidance=2.0, seed=5, device="cpu").videos[0].frames
    pipeline = DiffusionPipeline.from_pretrained(model)
    pipeline.set_progress_bar_config(disable=True)
    told: dict[str, Any] = {
        "height": 32,
        "width": 32,
        "num_frames": 5,
        "frame_rate": 25.0,
        "num_inference_steps": 3,
    }
    latents = noise((1, 8, 2, 4, 4), 5, "cpu").flatten(2).transpose(1, 2)
    theirs = pipeline("short of 1", latents=latents, guidance_scale=2.0, output_type="np", **told).frames[0]
    assert ours is not None and theirs.shape == ours.shape
    assert np.abs(np.round(theirs * 255) - ours).max() <= 1
    start = LTXImageToVideoPipeline.from_pipe(pipeline)
    start.set_progress_bar_config(disable=True)
    told = {**told, "image": _pil(picture), "prompt": "", "guidance_scale": 1.0}
    assert start(output_type="np", **told).frames[0].shape == (5, 32, 32, 3)
    # The picture enters as it did in training: by its posterior's mode.
    packed = start(output_type="latent", **told).frames
    first = load_family(model).encode(pixels([picture], "cpu"))
    assert torch.allclose(packed[:, :16], first.flatten(2).transpose(1, 2), atol=1e-4)


def test_a_training_that_was_cut_off_goes_on_to_the_same_weights(
    model: Path, dataset: Path, autoencoder: Path, tmp_path: Path
) -> None:
    class Killed(BaseException):
        pass

    def kill(progress: Any) -> None:
        if progress.step == "train" and progress.done == 3:
            raise Killed

    with pytest.raises(Killed):
        facevid.train(small(), dataset, tmp_path / "m", autoencoder=autoencoder, on_progress=kill)
    assert not (tmp_path / "m/facevid.json").exists()
    facevid.train(small(), dataset, tmp_path / "m", autoencoder=autoencoder)
    for file in ("transformer/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"):
        assert (tmp_path / "m" / file).read_bytes() == (model / file).read_bytes()
    kept = ("step", "loss", "held_out", "held_out_loss_image")
    assert [{k: x.get(k) for k in kept} for x in log(tmp_path / "m")] == [
        {k: x.get(k) for k in kept} for x in log(model)
    ]


def test_encoding_at_every_step_trains_nearly_the_same(
    model: Path, dataset: Path, autoencoder: Path, tmp_path: Path
) -> None:
    facevid.train(
        small("validation.grid_seconds=0"), dataset, tmp_path / "m", autoencoder=autoencoder, on_the_fly=True
    )
    losses = ([x["loss"] for x in log(place) if "loss" in x] for place in (tmp_path / "m", model))
    assert next(losses) == pytest.approx(next(losses), rel=2e-3)


def _pil(picture: np.ndarray[Any, Any]) -> Any:
    from PIL import Image

    return Image.fromarray(picture)
