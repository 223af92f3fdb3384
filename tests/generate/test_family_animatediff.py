"""AnimateDiff's family: trains, saves, loads and samples as AnimateDiffPipeline does; motion alone learns or all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facevid.generate.errors import GenerateError, SizeError
from facevid.generate.families.animatediff import AnimateDiff
from facevid.generate.families.loading import load_family
from facevid.generate.families.parts import seeded
from facevid.generate.objectives import FlowMatching

from . import tiny

PICTURES: dict[str, Any] = {
    "block_out_channels": (8, 16),
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "cross_attention_dim": 8,
}
VAE: dict[str, Any] = {
    "block_out_channels": (8, 8),
    "down_block_types": ("DownEncoderBlock2D", "DownEncoderBlock2D"),
    "up_block_types": ("UpDecoderBlock2D", "UpDecoderBlock2D"),
    "latent_channels": 4,
    "norm_num_groups": 4,
    "scaling_factor": 0.5,
}
CLIP: dict[str, Any] = {
    "vocab_size": 32,
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 16,
    "eos_token_id": 1,
}
CONFIG: dict[str, Any] = {
    "unet": {
        **PICTURES,
        "down_block_types": ("CrossAttnDownBlockMotion", "DownBlockMotion"),
        "up_block_types": ("UpBlockMotion", "CrossAttnUpBlockMotion"),
        "num_attention_heads": 2,
        "motion_num_attention_heads": 2,
        "motion_max_seq_length": 8,
    },
    "vae": VAE,
    "text_encoder": CLIP,
}
CAPTIONS = ["a woman smiles", "the man blinks and nods"]


@pytest.fixture
def family() -> AnimateDiff:
    return made()


def made(**config: Any) -> AnimateDiff:
    torch.set_num_threads(1)
    with seeded(0):
        return AnimateDiff.build({**CONFIG, **config}, {"tokenizer": tiny.tokenizer()}, FlowMatching())


def pictures() -> dict[str, Any]:
    """Components of a tiny Stable Diffusion."""
    from diffusers import PNDMScheduler, UNet2DConditionModel

    parts = made().parts
    with seeded(1):
        unet = UNet2DConditionModel(
            **PICTURES,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            attention_head_dim=2,
        )
    scheduler = PNDMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
    return {**parts, "unet": unet, "scheduler": scheduler, "safety_checker": None}


def losses_of(family: AnimateDiff, rate: float = 1e-2) -> list[float]:
    latents, given = family.encode(tiny.video(4, 16, batch=2)), tiny.conditions(family, CAPTIONS, None)
    optimiser = torch.optim.AdamW(tiny.trained_parameters(family).values(), lr=rate)
    losses = []
    for _ in range(4):
        loss = tiny.loss(family, latents, given)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def test_latents_are_normalised_and_come_back(family: AnimateDiff) -> None:
    clip = tiny.video(3, 16, batch=2)
    latents = family.encode(clip)
    third = family.parts["vae"].encode(clip[1:, :, 2]).latent_dist.mode()
    assert latents.shape == (2, 4, 3, 8, 8)
    assert torch.allclose(latents[1:, :, 2], third * 0.5, atol=1e-5)
    assert family.decode(latents).shape == clip.shape


def test_a_few_steps_lower_the_loss_and_reach_every_trained_weight(family: AnimateDiff) -> None:
    losses = losses_of(family)
    assert losses[-1] < losses[0]
    weights = tiny.trained_parameters(family)
    assert len(weights) == len(list(family.denoiser.parameters()))
    assert all(w.grad is not None and w.grad.abs().max() > 0 for w in weights.values())
    assert all(w.grad is None for w in family.parts["text_encoder"].parameters())


def test_motion_alone_learns_where_that_is_asked() -> None:
    family = made(train="motion")
    before = {name: weight.clone() for name, weight in family.denoiser.state_dict().items()}
    losses = losses_of(family)
    assert losses[-1] < losses[0]
    weights = tiny.trained_parameters(family)
    assert all("motion_modules" in name for name in weights)
    assert all(w.grad is not None and w.grad.abs().max() > 0 for w in weights.values())
    changed = {n for n, w in family.denoiser.state_dict().items() if not torch.equal(w, before[n])}
    assert {f"unet.{name}" for name in changed} == set(weights)


def test_frozen_weights_in_half_precision_meet_motion_in_single() -> None:
    family = made(train="motion")
    family.to("cpu", torch.bfloat16)
    assert {w.dtype for w in tiny.trained_parameters(family).values()} == {torch.float32}
    losses = losses_of(family)
    assert losses[-1] < losses[0]
    assert family.sample(tiny.request(4, 16))[0].shape == (4, 16, 16, 3)


def test_new_motion_on_known_pictures_begins_as_the_pictures() -> None:
    parts = pictures()
    family = AnimateDiff.of_pipeline(parts, {}, FlowMatching())
    noisy, times = torch.randn(1, 4, 3, 8, 8), torch.tensor([500])
    given = tiny.conditions(family, CAPTIONS[:1], None)
    flat = noisy[0].transpose(0, 1)
    embeds = given.text["embeds"].expand(3, -1, -1)
    alone = parts["unet"](flat, times.expand(3), encoder_hidden_states=embeds).sample
    assert torch.allclose(family.predict(noisy, times, given)[0].transpose(0, 1), alone, atol=1e-5)
    betas = family.parts["scheduler"].betas
    assert torch.allclose(betas, torch.linspace(0.00085, 0.012, 1000), atol=1e-7)
    losses = losses_of(family)
    assert losses[-1] < losses[0]


def test_a_motion_adapter_that_is_saved_moves_other_pictures(tmp_path: Path) -> None:
    family = made(train="motion")
    family.save(tmp_path)
    adapter = str(tmp_path / "motion_adapter")
    other = AnimateDiff.of_pipeline(pictures(), {"motion_adapter": adapter}, FlowMatching())
    name = "down_blocks.0.motion_modules.0.transformer_blocks.0.attn1.to_q.weight"
    assert torch.equal(other.denoiser.state_dict()[name], family.denoiser.state_dict()[name])
    with pytest.raises(GenerateError, match="no motion adapter"):
        AnimateDiff.of_pipeline(pictures(), {"motion_adapter": str(tmp_path / "none")}, FlowMatching())


def test_the_pipeline_of_diffusers_loads_the_folder_and_samples_the_same(
    tmp_path: Path, family: AnimateDiff
) -> None:
    from diffusers import AnimateDiffPipeline, DiffusionPipeline

    family.save(tmp_path)
    pipeline = DiffusionPipeline.from_pretrained(str(tmp_path))
    assert isinstance(pipeline, AnimateDiffPipeline)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.tokenizer.model_max_length = 16
    theirs = pipeline(
        "a woman smiles",
        height=16,
        width=16,
        num_frames=4,
        num_inference_steps=2,
        guidance_scale=2.0,
        latents=torch.randn(1, 4, 4, 8, 8, generator=torch.Generator().manual_seed(3)),
        output_type="np",
    ).frames[0]
    (ours,) = family.sample(tiny.request(4, 16))
    assert ours.shape == (4, 16, 16, 3)
    assert ours.dtype == np.uint8
    assert np.abs(theirs * 255 - ours).max() <= 0.51


def test_a_loaded_family_predicts_the_same(tmp_path: Path, family: AnimateDiff) -> None:
    family.save(tmp_path)
    again = load_family(tmp_path)
    noisy, times = torch.randn(2, 4, 4, 8, 8), torch.tensor([10, 900])
    ours = family.predict(noisy, times, tiny.conditions(family, CAPTIONS, None))
    assert torch.equal(again.predict(noisy, times, tiny.conditions(again, CAPTIONS, None)), ours)


def test_a_seed_gives_the_same_video_whatever_is_beside_it(family: AnimateDiff) -> None:
    (alone,) = family.sample(tiny.request(4, 16, seeds=[7]))
    beside = family.sample(tiny.request(4, 16, prompts=["", "a woman smiles"], seeds=[8, 7]))
    assert np.array_equal(beside[1], alone)
    assert not np.array_equal(beside[0], alone)


@pytest.mark.parametrize(
    ("frames", "height", "width", "near"),
    [(9, 16, 16, "1 to 8. Nearest: 8"), (0, 16, 16, "Nearest: 1"), (4, 20, 16, "16 or 24")],
)
def test_what_it_cannot_make_names_the_nearest(
    family: AnimateDiff, frames: int, height: int, width: int, near: str
) -> None:
    with pytest.raises(SizeError, match=near):
        family.check(frames, height, width)


def test_settings_that_do_not_fit_are_said() -> None:
    with pytest.raises(GenerateError, match="'some'; it is motion or all"):
        made(train="some")
    with pytest.raises(GenerateError, match="takes 3 channels, the autoencoder gives 4"):
        made(unet={**CONFIG["unet"], "in_channels": 3})


def test_low_rank_adapters_are_all_that_learns_and_are_in_the_saved_folder(tmp_path: Path) -> None:
    family = made()
    family.add_lora(2, 4.0, None)
    weights = tiny.trained_parameters(family)
    assert any("motion_modules" in name for name in weights)
    assert all("lora_" in name for name in weights)
    losses = losses_of(family, 1e-1)
    assert losses[-1] < losses[0]
    family.save(tmp_path)
    assert (tmp_path / "pytorch_lora_weights.safetensors").is_file()
    again = load_family(tmp_path)
    noisy, times = torch.randn(2, 4, 4, 8, 8), torch.tensor([10, 900])
    given = tiny.conditions(family, CAPTIONS, None)
    answer = again.predict(noisy, times, given)
    assert torch.allclose(answer, family.predict(noisy, times, given), atol=1e-4)
    assert not torch.allclose(answer, made().predict(noisy, times, given), atol=1e-3)


def test_a_folder_of_stable_diffusion_is_taken_with_motion_anew(tmp_path: Path) -> None:
    from diffusers import StableDiffusionPipeline

    from facevid.generate.families.loading import build_family
    from facevid.generate.recipe import Model

    parts = {**pictures(), "feature_extractor": None}
    del parts["motion_adapter"]
    StableDiffusionPipeline(**parts).save_pretrained(str(tmp_path))
    family = build_family(Model(family="animatediff", pretrained=str(tmp_path)))
    assert all("motion_modules" in name for name in tiny.trained_parameters(family))


def test_adapters_in_single_precision_learn_on_weights_in_half() -> None:
    family = made()
    family.add_lora(2, 4.0, None)
    family.to("cpu", torch.bfloat16)
    assert {w.dtype for w in tiny.trained_parameters(family).values()} == {torch.float32}
    latents, given = family.encode(tiny.video(4, 16, batch=2)), tiny.conditions(family, CAPTIONS, None)
    tiny.loss(family, latents, given).backward()
    assert any(w.grad.abs().max() > 0 for w in tiny.trained_parameters(family).values())
    assert family.sample(tiny.request(4, 16))[0].shape == (4, 16, 16, 3)


@pytest.mark.parametrize("train", ["motion", "all"])
def test_the_trainer_s_mixed_precision_is_left_on(train: str) -> None:
    family = made(train=train)
    noisy, times = torch.randn(2, 4, 4, 8, 8), torch.tensor([10, 900])
    given = tiny.conditions(family, CAPTIONS, None)
    with torch.autocast("cpu", torch.bfloat16):
        assert family.predict(noisy, times, given).dtype == torch.bfloat16
