"""CogVideoX's family: v-prediction on its scheduler's levels, the picture on channels, 1.5's frames by twos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facevid.generate.errors import GenerateError, SizeError
from facevid.generate.families.cogvideox import CogVideoX
from facevid.generate.families.loading import load_family
from facevid.generate.families.parts import pixels, resting, seeded
from facevid.generate.objectives import FlowMatching

from . import tiny

TRANSFORMER: dict[str, Any] = {
    "num_attention_heads": 2,
    "attention_head_dim": 16,
    "in_channels": 4,
    "out_channels": 4,
    "time_embed_dim": 8,
    "text_embed_dim": 16,
    "num_layers": 2,
    "sample_width": 4,
    "sample_height": 4,
    "sample_frames": 9,
    "patch_size": 2,
    "max_text_seq_length": 12,
}
CONFIG: dict[str, Any] = {
    "transformer": TRANSFORMER,
    "vae": {
        "block_out_channels": (8, 8, 8, 8),
        "latent_channels": 4,
        "layers_per_block": 1,
        "norm_num_groups": 2,
        "temporal_compression_ratio": 4,
        "scaling_factor": 0.7,
    },
    "text_encoder": tiny.T5,
}
KINDS: dict[str, dict[str, Any]] = {
    "2b": {},
    "5b": {"use_rotary_positional_embeddings": True},
    "5b-i2v": {
        "in_channels": 8,
        "use_rotary_positional_embeddings": True,
        "use_learned_positional_embeddings": True,
    },
    "1.5": {"patch_size_t": 2, "use_rotary_positional_embeddings": True},
    "1.5-i2v": {
        "in_channels": 8,
        "patch_size_t": 2,
        "ofs_embed_dim": 8,
        "use_rotary_positional_embeddings": True,
    },
}
CAPTIONS = ["a woman smiles", "the man blinks and nods"]
ALL = pytest.mark.parametrize("kind", KINDS)


def made(kind: str, **config: Any) -> CogVideoX:
    torch.set_num_threads(1)
    vae = {**CONFIG["vae"], "invert_scale_latents": kind == "1.5-i2v"}
    whole = {**CONFIG, "vae": vae, "transformer": {**TRANSFORMER, **KINDS[kind]}, **config}
    with seeded(0):
        family = CogVideoX.build(whole, {"tokenizer": tiny.tokenizer()}, FlowMatching())
        # Fresh gates and shifts of its blocks are small; larger ones let every input matter.
        for weight in family.denoiser.parameters():
            weight.data.add_(torch.randn_like(weight) * 0.05)
    return family


@ALL
def test_latents_are_scaled_and_come_back(kind: str) -> None:
    family = made(kind)
    clip = tiny.video(9, 32, batch=2)
    latents = family.encode(clip)
    raw = family.parts["vae"].encode(clip).latent_dist.mode()
    added = 1 if kind.startswith("1.5") else 0
    assert latents.shape == (2, 4, 3 + added, 4, 4)
    assert torch.allclose(latents[:, :, added:], raw * 0.7, atol=1e-6)
    decoded = family.decode(latents)
    assert decoded.shape == clip.shape
    assert torch.allclose(decoded, family.parts["vae"].decode(raw).sample, atol=1e-5)
    assert family.encode(clip[:, :, :1]).shape == (2, 4, 1, 4, 4)


def test_levels_and_target_are_the_scheduler_s() -> None:
    family = made("2b")
    scheduler = family.parts["scheduler"]
    latents, noise = torch.randn(3, 4, 3, 4, 4), torch.randn(3, 4, 3, 4, 4)
    times = torch.tensor([0, 500, 999])
    assert float(scheduler.alphas_cumprod[-1]) == 0.0
    noisy = family.objective.noisy(latents, noise, times)
    assert torch.allclose(noisy, scheduler.add_noise(latents, noise, times), atol=1e-5)
    target = family.objective.target(latents, noise, times)
    # get_velocity of this scheduler goes from v and noisy latents to clean ones.
    assert torch.allclose(scheduler.get_velocity(target, noisy, times), latents, atol=1e-4)
    assert torch.allclose(target[2], -latents[2], atol=1e-6)


@ALL
def test_a_few_steps_lower_the_loss_and_reach_every_trained_weight(kind: str) -> None:
    family = made(kind)
    clip = tiny.video(9, 32, batch=2)
    latents, given = family.encode(clip), tiny.conditions(family, CAPTIONS, clip, [True, False])
    weights = tiny.trained_parameters(family)
    optimiser = torch.optim.AdamW(weights.values(), lr=3e-3)
    losses = []
    for step in range(4):
        loss = tiny.loss(family, latents, given)
        optimiser.zero_grad()
        loss.backward()
        if step:
            # A bias of keys moves no softmax but for its norm, so little that it may vanish.
            still = [n for n, w in weights.items() if w.grad is None or not w.grad.abs().max() > 0]
            assert all("to_k.bias" in name for name in still), still
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@ALL
def test_the_pipeline_of_diffusers_loads_the_folder_and_samples_the_same(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers import DiffusionPipeline
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
    from PIL import Image

    family = made(kind)
    family.save(tmp_path)
    image = tiny.picture(32) if kind.endswith("i2v") else None
    pipeline = DiffusionPipeline.from_pretrained(str(tmp_path))
    pipeline.set_progress_bar_config(disable=True)
    frames = 4 if kind.startswith("1.5") else 3
    noise = torch.randn(1, frames, 4, 4, 4, generator=torch.Generator().manual_seed(3))
    with monkeypatch.context() as patch:
        # The pipeline draws the picture's latents from the posterior; facevid takes its mode.
        patch.setattr(DiagonalGaussianDistribution, "sample", lambda self, generator=None: self.mode())
        theirs = pipeline(
            **({} if image is None else {"image": Image.fromarray(image)}),
            prompt="a woman smiles",
            height=32,
            width=32,
            num_frames=9,
            num_inference_steps=2,
            guidance_scale=2.0,
            max_sequence_length=12,
            latents=noise,
            output_type="np",
        ).frames[0]
    asked = tiny.request(9, 32, images=None if image is None else [image])
    (ours,) = family.sample(asked)
    assert ours.shape == (9, 32, 32, 3)
    assert np.abs(theirs * 255 - ours).max() <= 0.51
    again = load_family(tmp_path)
    assert again.modes == family.modes
    assert np.array_equal(again.sample(asked)[0], ours)


@ALL
def test_training_sees_what_the_pipeline_shows(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    family = made(kind)
    seen: list[dict[str, Any]] = []
    answer = family.denoiser.forward

    def spy(**named: Any) -> Any:
        seen.append(named)
        return answer(**named)

    monkeypatch.setattr(family.denoiser, "forward", spy)
    image = tiny.picture(32) if kind.endswith("i2v") else None
    family.sample(tiny.request(9, 32, images=None if image is None else [image], guidance=1.0))
    theirs = seen[0]
    with resting(family.parts):
        given = tiny.conditions(family, ["a woman smiles"], None if image is None else pixels([image], "cpu"))
        family.predict(theirs["hidden_states"][:, :, :4].transpose(1, 2), theirs["timestep"], given)
    ours = seen[-1]
    for name in ("hidden_states", "timestep", "encoder_hidden_states", "ofs"):
        if theirs.get(name) is None:
            assert ours[name] is None
        else:
            assert torch.allclose(ours[name].float(), theirs[name].float(), atol=1e-5), name
    if kind == "2b":
        assert ours["image_rotary_emb"] is None
    else:
        for a, b in zip(ours["image_rotary_emb"], theirs["image_rotary_emb"], strict=True):
            assert torch.allclose(a, b)


def test_a_picture_that_is_not_given_is_zeros() -> None:
    family = made("1.5-i2v")
    clip = tiny.video(9, 32, batch=2)
    noisy, times = torch.randn(2, 4, 4, 4, 4), torch.tensor([400, 400])
    shown = family._picture(noisy, tiny.conditions(family, CAPTIONS, clip, [True, False]))
    assert shown[0, :, 0].abs().max() > 0
    assert shown[0, :, 1:].abs().max() == 0
    assert shown[1].abs().max() == 0
    none = tiny.conditions(family, CAPTIONS, None)
    assert torch.equal(
        family.predict(noisy, times, none)[1],
        family.predict(noisy, times, tiny.conditions(family, CAPTIONS, clip, [False, False]))[1],
    )


def test_adapters_are_saved_merged(tmp_path: Path) -> None:
    family = made("5b")
    with seeded(1):
        family.add_lora(2, 4.0, None)
    weights = tiny.trained_parameters(family)
    assert weights
    assert all("lora_" in name for name in weights)
    with torch.no_grad():
        for weight in weights.values():
            weight.add_(0.05)
    family.save(tmp_path)
    assert (tmp_path / "pytorch_lora_weights.safetensors").is_file()
    given = tiny.conditions(family, CAPTIONS, None)
    noisy, times = torch.randn(2, 4, 3, 4, 4), torch.tensor([300, 700])
    with torch.no_grad():
        again = load_family(tmp_path).predict(noisy, times, given)
        assert torch.allclose(again, family.predict(noisy, times, given), atol=1e-4)


def test_in_bfloat16_and_by_steps_with_chance_a_seed_gives_the_same_video() -> None:
    from diffusers import CogVideoXDPMScheduler

    family = made("1.5-i2v")
    family.parts["scheduler"] = CogVideoXDPMScheduler.from_config(family.parts["scheduler"].config)
    family.add_lora(2, 4.0, None)
    family.to("cpu", torch.bfloat16)
    asked = tiny.request(9, 32, images=[tiny.picture(32)])
    first, again = family.sample(asked)[0], family.sample(asked)[0]
    assert np.array_equal(first, again)


def test_what_it_cannot_make_names_the_nearest() -> None:
    with pytest.raises(SizeError, match="9 or 17"):
        made("2b").check(13, 32, 32)
    with pytest.raises(SizeError, match="32 or 48"):
        made("2b").check(9, 40, 32)
    made("5b").check(17, 48, 32)
    with pytest.raises(SizeError, match="9 frames of 32x32 and makes no others"):
        made("5b-i2v").check(17, 32, 32)


def test_models_that_do_not_fit_are_said() -> None:
    with pytest.raises(GenerateError, match="or 8 for image-to-video"):
        made("2b", transformer={**TRANSFORMER, "in_channels": 5})
    with pytest.raises(GenerateError, match="starts from a picture"):
        made("5b-i2v").sample(tiny.request(9, 32))
