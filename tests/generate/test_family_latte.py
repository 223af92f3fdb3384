"""Latte's family: trains, saves, loads and samples as LattePipeline does; frames are fixed, variance is left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facevid.generate.errors import GenerateError, SizeError
from facevid.generate.families.latte import Latte
from facevid.generate.families.parts import seeded
from facevid.generate.objectives import FlowMatching

from . import tiny

CONFIG: dict[str, Any] = {
    "transformer": {
        "num_attention_heads": 2,
        "attention_head_dim": 8,
        "num_layers": 2,
        "cross_attention_dim": 16,
        "sample_size": 8,
        "video_length": 4,
    },
    "vae": {
        "block_out_channels": (8, 8),
        "down_block_types": ("DownEncoderBlock2D", "DownEncoderBlock2D"),
        "up_block_types": ("UpDecoderBlock2D", "UpDecoderBlock2D"),
        "latent_channels": 4,
        "norm_num_groups": 4,
        "scaling_factor": 0.5,
    },
    "text_encoder": tiny.T5,
}
CAPTIONS = ["a woman smiles", "the man blinks and nods"]


@pytest.fixture
def family() -> Latte:
    return made()


def made(**config: Any) -> Latte:
    torch.set_num_threads(1)
    with seeded(0):
        return Latte.build({**CONFIG, **config}, {"tokenizer": tiny.tokenizer()}, FlowMatching())


def test_latents_are_normalised_and_come_back(family: Latte) -> None:
    clip = tiny.video(4, 16, batch=2)
    latents = family.encode(clip)
    third = family.parts["vae"].encode(clip[1:, :, 2]).latent_dist.mode()
    assert latents.shape == (2, 4, 4, 8, 8)
    assert torch.allclose(latents[1:, :, 2], third * 0.5, atol=1e-5)
    back = family.decode(latents)
    assert back.shape == clip.shape
    assert torch.allclose(back[1:, :, 2], family.parts["vae"].decode(third).sample, atol=1e-5)


def test_a_few_steps_lower_the_loss_and_reach_every_trained_weight(family: Latte) -> None:
    latents, given = family.encode(tiny.video(4, 16, batch=2)), tiny.conditions(family, CAPTIONS, None)
    weights = tiny.trained_parameters(family)
    optimiser = torch.optim.AdamW(weights.values(), lr=1e-2)
    losses = []
    for _ in range(4):
        loss = tiny.loss(family, latents, given)
        optimiser.zero_grad()
        loss.backward()
        assert all(w.grad is not None and w.grad.abs().max() > 0 for w in weights.values())
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(w.grad is None for w in family.parts["text_encoder"].parameters())


def test_the_half_for_variance_learns_nothing(family: Latte) -> None:
    latents, given = family.encode(tiny.video(4, 16, batch=2)), tiny.conditions(family, CAPTIONS, None)
    tiny.loss(family, latents, given).backward()
    # The last layer answers (patch, patch, channel): the last four channels are variance.
    rows = family.denoiser.proj_out.weight.grad.unflatten(0, (2, 2, 8))
    assert rows[:, :, :4].abs().amax(dim=-1).min() > 0
    assert rows[:, :, 4:].abs().max() == 0


def test_padding_of_a_caption_is_not_seen(family: Latte) -> None:
    given = tiny.conditions(family, CAPTIONS, None)
    noisy, times = torch.randn(2, 4, 4, 8, 8), torch.tensor([500, 500])
    answer = family.predict(noisy, times, given)
    hidden = given.text["mask"] == 0
    given.text["embeds"][hidden] += 1
    assert torch.allclose(family.predict(noisy, times, given), answer, atol=1e-6)
    given.text["embeds"][~hidden] += 1
    assert not torch.allclose(family.predict(noisy, times, given), answer, atol=1e-4)


def test_sampling_tells_the_network_what_training_tells_it(
    family: Latte, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, Any]] = []
    forward = family.denoiser.forward

    def spy(**named: Any) -> Any:
        calls.append(named)
        return forward(**named)

    monkeypatch.setattr(family.denoiser, "forward", spy)
    family.sample(tiny.request(4, 16))
    both = forward(**calls[0])[0].chunk(2, dim=1)[0]
    monkeypatch.undo()
    noisy, times = calls[0]["hidden_states"], calls[0]["timestep"]
    trained = family.predict(noisy, times, tiny.conditions(family, ["", "a woman smiles"], None))
    assert torch.allclose(both, trained, atol=1e-5)


def test_the_pipeline_of_diffusers_loads_the_folder_and_samples_the_same(tmp_path: Path) -> None:
    from diffusers import DiffusionPipeline, LattePipeline

    family = made()
    family.save(tmp_path)
    pipeline = DiffusionPipeline.from_pretrained(str(tmp_path))
    assert isinstance(pipeline, LattePipeline)
    pipeline.set_progress_bar_config(disable=True)
    noise = torch.randn(1, 4, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    asked: dict[str, Any] = {"height": 16, "width": 16, "video_length": 4, "num_inference_steps": 2}
    theirs = pipeline(
        "A woman smiles ", **asked, guidance_scale=1.0, clean_caption=False, latents=noise, output_type="pt"
    ).frames[0]
    (ours,) = family.sample(tiny.request(4, 16, prompts=["A woman smiles "], guidance=1.0))
    assert ours.shape == (4, 16, 16, 3)
    assert ours.dtype == np.uint8
    assert np.abs(theirs.permute(0, 2, 3, 1).numpy() * 255 - ours).max() <= 0.51


def test_a_loaded_pipeline_predicts_the_same(tmp_path: Path, family: Latte) -> None:
    from diffusers import DiffusionPipeline

    family.save(tmp_path)
    parts = DiffusionPipeline.from_pretrained(str(tmp_path)).components
    again = Latte.of_pipeline(parts, {}, FlowMatching())
    noisy, times = torch.randn(2, 4, 4, 8, 8), torch.tensor([10, 900])
    given = tiny.conditions(family, CAPTIONS, None)
    assert torch.equal(
        again.predict(noisy, times, tiny.conditions(again, CAPTIONS, None)),
        family.predict(noisy, times, given),
    )


def test_a_scheduler_that_takes_variance_is_replaced_by_one_that_does_not() -> None:
    from diffusers import DDIMScheduler, DDPMScheduler

    parts = made().parts
    learned = DDPMScheduler(variance_type="learned_range", beta_start=0.0002)
    family = Latte.of_pipeline({**parts, "scheduler": learned}, {}, FlowMatching())
    assert isinstance(family.parts["scheduler"], DDIMScheduler)
    assert torch.equal(family.parts["scheduler"].betas, learned.betas)


def test_a_seed_gives_the_same_video_whatever_is_beside_it(family: Latte) -> None:
    (alone,) = family.sample(tiny.request(4, 16, seeds=[7]))
    beside = family.sample(tiny.request(4, 16, prompts=["", "a woman smiles"], seeds=[8, 7]))
    assert np.array_equal(beside[1], alone)
    assert not np.array_equal(beside[0], alone)


@pytest.mark.parametrize(
    ("frames", "height", "width", "near"),
    [(5, 16, 16, "Nearest: 4"), (1, 16, 16, "Nearest: 4"), (4, 20, 16, "16 or 24"), (4, 16, 4, "Nearest: 8")],
)
def test_what_it_cannot_make_names_the_nearest(
    family: Latte, frames: int, height: int, width: int, near: str
) -> None:
    with pytest.raises(SizeError, match=near):
        family.check(frames, height, width)


def test_networks_it_cannot_sample_from_are_said() -> None:
    with pytest.raises(GenerateError, match=r"answers 4 channels for 4.*variance, 8"):
        made(transformer={**CONFIG["transformer"], "out_channels": 4})
    shifted = {**CONFIG["vae"], "shift_factor": 0.1}
    with pytest.raises(GenerateError, match="shifts its latents"):
        made(vae=shifted).encode(tiny.video(4, 16))


def test_low_rank_adapters_are_all_that_learns_and_are_in_the_saved_folder(tmp_path: Path) -> None:
    from diffusers import DiffusionPipeline

    family = made()
    family.add_lora(2, 4.0, None)
    weights = tiny.trained_parameters(family)
    assert weights
    assert all("lora_" in name for name in weights)
    latents, given = family.encode(tiny.video(4, 16, batch=2)), tiny.conditions(family, CAPTIONS, None)
    optimiser = torch.optim.AdamW(weights.values(), lr=1e-1)
    losses = []
    for _ in range(4):
        loss = tiny.loss(family, latents, given)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    family.save(tmp_path)
    assert (tmp_path / "pytorch_lora_weights.safetensors").is_file()
    again = Latte.of_pipeline(DiffusionPipeline.from_pretrained(str(tmp_path)).components, {}, FlowMatching())
    noisy, times = torch.randn(2, 4, 4, 8, 8), torch.tensor([10, 900])
    expected, answer = family.predict(noisy, times, given), again.predict(noisy, times, given)
    assert torch.allclose(answer, expected, atol=1e-4)
    assert not torch.allclose(answer, made().predict(noisy, times, given), atol=1e-3)


def test_adapters_in_single_precision_learn_on_weights_in_half() -> None:
    family = made()
    family.add_lora(2, 4.0, None)
    family.to("cpu", torch.bfloat16)
    assert {w.dtype for w in tiny.trained_parameters(family).values()} == {torch.float32}
    latents, given = family.encode(tiny.video(4, 16, batch=2)), tiny.conditions(family, CAPTIONS, None)
    tiny.loss(family, latents, given).backward()
    assert any(w.grad.abs().max() > 0 for w in tiny.trained_parameters(family).values())
    assert family.sample(tiny.request(4, 16))[0].shape == (4, 16, 16, 3)
