"""HunyuanVideo's family: trains, saves, loads and samples as its pipeline does, guidance embedded or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facevid.generate.errors import GenerateError, SizeError
from facevid.generate.families.hunyuan import HunyuanVideo
from facevid.generate.families.loading import load_family
from facevid.generate.families.parts import seeded
from facevid.generate.objectives import FlowMatching

from . import tiny

CONFIG: dict[str, Any] = {
    "transformer": {
        "num_attention_heads": 1,
        "attention_head_dim": 16,
        "num_layers": 1,
        "num_single_layers": 1,
        "num_refiner_layers": 1,
        "mlp_ratio": 1.0,
        "rope_axes_dim": (4, 6, 6),
    },
    "vae": {
        "latent_channels": 4,
        "block_out_channels": (8, 8, 8, 8),
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "scaling_factor": 0.5,
    },
    "text_encoder": {
        "vocab_size": 32,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "bos_token_id": 1,
        "eos_token_id": 1,
    },
    "text_encoder_2": {
        "vocab_size": 32,
        "hidden_size": 8,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 77,
        "eos_token_id": 1,
    },
}
CAPTIONS = ["a woman smiles", "the man blinks and nods"]


@pytest.fixture
def family() -> HunyuanVideo:
    return made()


def made(shift: float = 1.0, **config: Any) -> HunyuanVideo:
    torch.set_num_threads(1)
    with seeded(0):
        return HunyuanVideo.build(
            {**CONFIG, **config}, {"tokenizer": tiny.tokenizer(512)}, FlowMatching(shift=shift)
        )


def unguided(shift: float = 1.0) -> HunyuanVideo:
    return made(shift, transformer={**CONFIG["transformer"], "guidance_embeds": False})


def losses_of(family: HunyuanVideo, rate: float = 1e-2) -> list[float]:
    latents, given = family.encode(tiny.video(5, 32, batch=2)), tiny.conditions(family, CAPTIONS, None)
    optimiser = torch.optim.AdamW(tiny.trained_parameters(family).values(), lr=rate)
    losses = []
    for _ in range(4):
        loss = tiny.loss(family, latents, given)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def calls_of(family: HunyuanVideo, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> list[dict[str, Any]]:
    """What the pipeline tells the transformer while a request is sampled."""
    calls: list[dict[str, Any]] = []
    forward = family.denoiser.forward

    def spy(**named: Any) -> Any:
        calls.append(named)
        return forward(**named)

    with monkeypatch.context() as patch:
        patch.setattr(family.denoiser, "forward", spy)
        family.sample(tiny.request(5, 32, **changes))
    return calls


def test_latents_are_normalised_and_come_back(family: HunyuanVideo) -> None:
    clip = tiny.video(9, 32, batch=2)
    latents = family.encode(clip)
    raw = family.parts["vae"].encode(clip).latent_dist.mode()
    assert latents.shape == (2, 4, 3, 4, 4)
    assert torch.allclose(latents, raw * 0.5, atol=1e-6)
    assert family.decode(latents).shape == clip.shape
    with pytest.raises(SizeError, match=r"4k \+ 1 frames, not 8"):
        family.encode(clip[:, :, :8])


@pytest.mark.parametrize("made_so", [made, unguided])
def test_a_few_steps_lower_the_loss_and_reach_every_trained_weight(made_so: Any) -> None:
    family = made_so()
    losses = losses_of(family)
    assert losses[-1] < losses[0]
    weights = tiny.trained_parameters(family)
    assert len(weights) == len(list(family.denoiser.parameters()))
    assert {n for n, w in weights.items() if w.grad is None or w.grad.abs().max() == 0} == set()
    assert all(w.grad is None for w in family.parts["text_encoder"].parameters())


def test_captions_are_read_as_the_pipeline_reads_them(family: HunyuanVideo) -> None:
    embeds, pooled, mask = family.pipeline("HunyuanVideoPipeline").encode_prompt(CAPTIONS)
    ours = family.text_features(CAPTIONS)
    assert ours["embeds"].shape == (2, 256, 16)
    assert torch.allclose(ours["embeds"], embeds, atol=1e-6)
    assert torch.equal(ours["mask"], mask)
    assert torch.allclose(ours["pooled"], pooled, atol=1e-6)
    assert not torch.allclose(embeds[0], embeds[1])


def test_sampling_tells_the_network_what_training_tells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    family = made(guidance=2.0)
    call = calls_of(family, monkeypatch, guidance=2.0)[0]
    told = {k: v for k, v in call.items() if k != "attention_kwargs"}
    given = tiny.conditions(family, ["a woman smiles"], None)
    theirs = family.denoiser(**told)[0]
    assert torch.allclose(family.predict(told["hidden_states"], told["timestep"], given), theirs, atol=1e-6)


def test_guidance_is_told_where_it_is_embedded_and_else_is_a_second_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = calls_of(made(), monkeypatch, guidance=6.0)
    assert [c["guidance"].item() for c in calls] == [6000.0, 6000.0]
    assert len(calls_of(unguided(), monkeypatch, guidance=6.0)) == 4
    assert len(calls_of(unguided(), monkeypatch, guidance=6.0, prompts=[""])) == 2


def test_sampling_shifts_the_times_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = [float(call["timestep"].max()) for call in calls_of(made(shift=7.0), monkeypatch, steps=4)]
    even = np.array([1.0, 0.75, 0.5, 0.25])
    assert np.allclose(seen, 1000 * 7 * even / (1 + 6 * even), atol=1e-3)


def test_the_pipeline_of_diffusers_loads_the_folder_and_samples_the_same(tmp_path: Path) -> None:
    from diffusers import DiffusionPipeline, HunyuanVideoPipeline

    family = unguided(shift=7.0)
    family.save(tmp_path)
    pipeline = DiffusionPipeline.from_pretrained(str(tmp_path))
    assert type(pipeline) is HunyuanVideoPipeline
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        prompt="a woman smiles",
        negative_prompt="",
        height=32,
        width=32,
        num_frames=5,
        num_inference_steps=2,
        true_cfg_scale=2.0,
        generator=torch.Generator().manual_seed(3),
        output_type="np",
    ).frames[0]
    (ours,) = family.sample(tiny.request(5, 32))
    assert ours.shape == (5, 32, 32, 3)
    assert ours.dtype == np.uint8
    assert np.abs(theirs * 255 - ours).max() <= 0.51


def test_a_loaded_family_predicts_the_same(tmp_path: Path, family: HunyuanVideo) -> None:
    family.save(tmp_path)
    again = load_family(tmp_path)
    noisy, times = torch.randn(2, 4, 2, 4, 4), torch.tensor([10.0, 900.0])
    ours = family.predict(noisy, times, tiny.conditions(family, CAPTIONS, None))
    assert torch.equal(again.predict(noisy, times, tiny.conditions(again, CAPTIONS, None)), ours)


def test_a_seed_gives_the_same_video_whatever_is_beside_it(family: HunyuanVideo) -> None:
    (alone,) = family.sample(tiny.request(5, 32, seeds=[7]))
    beside = family.sample(tiny.request(5, 32, prompts=["", "a woman smiles"], seeds=[8, 7]))
    assert np.array_equal(beside[1], alone)
    assert not np.array_equal(beside[0], alone)


@pytest.mark.parametrize(
    ("frames", "height", "width", "near"),
    [(16, 32, 32, "13 or 17"), (5, 40, 32, "32 or 48"), (5, 32, 8, "Nearest: 16"), (0, 32, 32, "Nearest: 1")],
)
def test_what_it_cannot_make_names_the_nearest(
    family: HunyuanVideo, frames: int, height: int, width: int, near: str
) -> None:
    with pytest.raises(SizeError, match=near):
        family.check(frames, height, width)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"in_channels": 5}, "takes 5 channels and answers 4"),
        ({"image_condition_type": "token_replace"}, "image-to-video .token_replace."),
        ({"patch_size_t": 2}, "patch_size_t of this transformer is 2"),
    ],
)
def test_transformers_that_the_pipeline_cannot_use_are_said(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(GenerateError, match=said):
        made(transformer={**CONFIG["transformer"], **changes})


def test_low_rank_adapters_are_all_that_learns_and_are_in_the_saved_folder(tmp_path: Path) -> None:
    family = made()
    family.add_lora(2, 4.0, None)
    weights = tiny.trained_parameters(family)
    assert weights
    assert all("lora_" in name for name in weights)
    losses = losses_of(family, 1e-1)
    assert losses[-1] < losses[0]
    family.save(tmp_path)
    assert (tmp_path / "pytorch_lora_weights.safetensors").is_file()
    again = load_family(tmp_path)
    noisy, times = torch.randn(2, 4, 2, 4, 4), torch.tensor([10.0, 900.0])
    given = tiny.conditions(family, CAPTIONS, None)
    answer = again.predict(noisy, times, given)
    assert torch.allclose(answer, family.predict(noisy, times, given), atol=1e-4)
    assert not torch.allclose(answer, made().predict(noisy, times, given), atol=1e-3)


def test_adapters_in_single_precision_learn_on_weights_in_half() -> None:
    family = made()
    family.add_lora(2, 4.0, None)
    family.to("cpu", torch.bfloat16)
    assert {w.dtype for w in tiny.trained_parameters(family).values()} == {torch.float32}
    latents, given = family.encode(tiny.video(5, 32, batch=2)), tiny.conditions(family, CAPTIONS, None)
    tiny.loss(family, latents, given).backward()
    assert any(w.grad.abs().max() > 0 for w in tiny.trained_parameters(family).values())
    assert family.sample(tiny.request(5, 32))[0].shape == (5, 32, 32, 3)
