"""LTX's family: trains, saves, loads and samples as the pipelines of diffusers do, picture and text given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facevid.generate.errors import GenerateError, SizeError
from facevid.generate.families.ltx import LTX
from facevid.generate.families.parts import seeded
from facevid.generate.objectives import FlowMatching

from . import tiny

CONFIG: dict[str, Any] = {
    "transformer": {
        "in_channels": 8,
        "out_channels": 8,
        "num_attention_heads": 2,
        "attention_head_dim": 12,
        "cross_attention_dim": 24,
        "num_layers": 2,
        "caption_channels": 16,
    },
    "vae": {
        "latent_channels": 8,
        "block_out_channels": (8, 8, 8, 8),
        "decoder_block_out_channels": (8, 8, 8, 8),
        "layers_per_block": (1, 1, 1, 1, 1),
        "decoder_layers_per_block": (1, 1, 1, 1, 1),
        "spatio_temporal_scaling": (True, True, False, False),
        "decoder_spatio_temporal_scaling": (True, True, False, False),
        "patch_size": 2,
    },
    "text_encoder": tiny.T5,
}
CAPTIONS = ["a woman smiles", "the man blinks and nods"]


@pytest.fixture
def family() -> LTX:
    return made()


def made(shift: float = 1.0, **config: Any) -> LTX:
    torch.set_num_threads(1)
    with seeded(0):
        family = LTX.build({**CONFIG, **config}, {"tokenizer": tiny.tokenizer()}, FlowMatching(shift=shift))
    family.parts["vae"].latents_mean.fill_(0.1)
    family.parts["vae"].latents_std.fill_(0.5)
    return family


def test_latents_are_normalised_and_come_back(family: LTX) -> None:
    clip = tiny.video(9, 64, batch=2)
    latents = family.encode(clip)
    raw = family.parts["vae"].encode(clip).latent_dist.mode()
    assert latents.shape == (2, 8, 3, 8, 8)
    assert torch.allclose(latents, (raw - 0.1) / 0.5, atol=1e-6)
    assert torch.allclose(family.decode(latents), family.parts["vae"].decode(raw).sample, atol=1e-5)
    assert torch.allclose(family.encode(clip[:, :, :1]), latents[:, :, :1], atol=1e-5)


def test_a_few_steps_lower_the_loss_and_reach_every_trained_weight(family: LTX) -> None:
    clip = tiny.video(9, 64, batch=2)
    latents, given = family.encode(clip), tiny.conditions(family, CAPTIONS, clip, [True, False])
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


def test_a_given_picture_is_clean_has_time_zero_and_no_loss(family: LTX) -> None:
    clip = tiny.video(9, 64, batch=2)
    latents, given = family.encode(clip), tiny.conditions(family, CAPTIONS, clip, [True, False])
    noisy, times = torch.randn_like(latents), torch.tensor([500.0, 500.0])
    answer = family.predict(noisy, times, given)
    other = noisy.clone()
    other[:, :, 0] += 1
    changed = family.predict(other, times, given)
    assert torch.equal(changed[0], answer[0])
    assert not torch.allclose(changed[1], answer[1])
    weights = family.weights(latents, given)
    assert weights is not None
    assert weights.flatten(1).tolist() == [[0, 1, 1], [1, 1, 1]]


def test_the_frame_rate_is_each_sample_s_own(family: LTX) -> None:
    latents = torch.randn(2, 8, 3, 8, 8)
    given = tiny.conditions(family, CAPTIONS, None)
    slow = type(given)(given.text, None, given.has_first, torch.tensor([8.0, 24.0]))
    times = torch.tensor([300.0, 300.0])
    a, b = family.predict(latents, times, given), family.predict(latents, times, slow)
    assert torch.allclose(a[0], b[0], atol=1e-6)
    assert not torch.allclose(a[1], b[1], atol=1e-4)


def test_the_pipeline_of_diffusers_loads_the_folder_and_samples_the_same(tmp_path: Path) -> None:
    from diffusers import DiffusionPipeline

    family = made(shift=3.0)
    family.save(tmp_path)
    pipeline = DiffusionPipeline.from_pretrained(str(tmp_path))
    pipeline.set_progress_bar_config(disable=True)
    noise = 0.7 * torch.randn(1, 8, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    theirs = pipeline(
        prompt="a woman smiles",
        height=64,
        width=64,
        num_frames=9,
        frame_rate=8,
        num_inference_steps=2,
        guidance_scale=2.0,
        latents=noise.flatten(2).transpose(1, 2),
        output_type="np",
    ).frames[0]
    (ours,) = family.sample(tiny.request(9, 64, temperature=0.7))
    assert ours.shape == (9, 64, 64, 3)
    assert ours.dtype == np.uint8
    assert np.abs(theirs * 255 - ours).max() <= 0.51


def test_sampling_shifts_the_times_once(monkeypatch: pytest.MonkeyPatch) -> None:
    family = made(shift=3.0)
    seen: list[float] = []
    predict = family.denoiser.forward

    def spy(*args: Any, **named: Any) -> Any:
        seen.append(float(named["timestep"].max()))
        return predict(*args, **named)

    monkeypatch.setattr(family.denoiser, "forward", spy)
    family.sample(tiny.request(9, 64, steps=4))
    even = np.array([1.0, 0.75, 0.5, 0.25])
    assert np.allclose(seen, 1000 * 3 * even / (1 + 2 * even), atol=1e-3)


def test_a_seed_gives_the_same_video_whatever_is_beside_it(family: LTX) -> None:
    (alone,) = family.sample(tiny.request(9, 64, seeds=[7]))
    beside = family.sample(tiny.request(9, 64, prompts=["a woman smiles"] * 2, seeds=[8, 7]))
    assert np.array_equal(beside[1], alone)
    assert not np.array_equal(beside[0], alone)


def test_image_to_video_keeps_the_picture_s_latents(family: LTX) -> None:
    picture = tiny.picture(64)
    request = tiny.request(9, 64, images=[picture])
    from facevid.generate.families.parts import pixels, resting

    image = pixels([picture], "cpu")
    with resting(family.parts):
        latents = family.latents_of(request, request.prompts[0], 3, image)
    assert torch.equal(latents[:, :, :1], family.encode(image))
    (video,) = family.sample(request)
    assert video.shape == (9, 64, 64, 3)


def test_with_less_strength_it_begins_from_copies_of_the_picture_at_a_smaller_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from facevid.generate.families.parts import noise, pixels, resting

    family = made(shift=3.0)
    seen: list[tuple[float, torch.Tensor]] = []
    predict = family.denoiser.forward

    def spy(*args: Any, **named: Any) -> Any:
        seen.append((float(named["timestep"].max()), named["hidden_states"]))
        return predict(*args, **named)

    monkeypatch.setattr(family.denoiser, "forward", spy)
    image = pixels([tiny.picture(64)], "cpu")
    request = tiny.request(
        9, 64, images=[tiny.picture(64)], steps=4, guidance=1.0, strength=0.4, temperature=0.5
    )
    with resting(family.parts):
        family.latents_of(request, "", 3, image)
        first = family.encode(image)
    even = np.array([1.0, 0.75, 0.5, 0.25])
    assert np.allclose([time for time, _ in seen], 400 * 3 * even / (1 + 2 * even), atol=1e-3)
    begun = seen[0][1].transpose(1, 2).unflatten(2, (3, 8, 8))
    assert torch.equal(begun[:, :, :1], first)
    drawn = noise((1, 8, 3, 8, 8), 3, "cpu", 0.5)
    assert torch.allclose(begun[:, :, 1:], (0.6 * first + 0.4 * drawn)[:, :, 1:], atol=1e-6)


def test_a_text_encoder_trained_along_gives_ids_and_learns() -> None:
    family = made(train_text=True)
    assert family.trained == ("transformer", "text_encoder")
    given = tiny.conditions(family, CAPTIONS, None)
    assert set(given.text) == {"ids", "mask"}
    tiny.loss(family, torch.randn(2, 8, 3, 8, 8), given).backward()
    assert family.parts["text_encoder"].shared.weight.grad.abs().max() > 0
    assert family.sample(tiny.request(9, 64, prompts=[""]))[0].shape == (9, 64, 64, 3)


@pytest.mark.parametrize(
    ("frames", "height", "width", "near"),
    [
        (16, 64, 64, "13 or 17"),
        (1, 80, 64, "64 or 96"),
        (9, 64, 20, "Nearest: 32"),
        (0, 64, 64, "Nearest: 1"),
    ],
)
def test_what_it_cannot_make_names_the_nearest(
    family: LTX, frames: int, height: int, width: int, near: str
) -> None:
    with pytest.raises(SizeError, match=near):
        family.check(frames, height, width)


def test_channels_that_do_not_fit_are_said() -> None:
    with pytest.raises(GenerateError, match="takes 4 channels, the autoencoder gives 8"):
        made(transformer={**CONFIG["transformer"], "in_channels": 4})
