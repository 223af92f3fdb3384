"""EasyAnimate's family: trains, saves, loads and samples as its pipelines do, text alone or with a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facevid.generate.errors import GenerateError, SizeError
from facevid.generate.families.easyanimate import EasyAnimate
from facevid.generate.families.loading import load_family
from facevid.generate.families.parts import fingerprint, pixels, seeded
from facevid.generate.objectives import FlowMatching

from . import tiny

CONFIG: dict[str, Any] = {
    "transformer": {
        "num_attention_heads": 1,
        "attention_head_dim": 16,
        "num_layers": 2,
        "mmdit_layers": 2,
        "time_embed_dim": 8,
    },
    "vae": {
        "latent_channels": 4,
        "block_out_channels": (8, 8, 8, 8),
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "scaling_factor": 0.5,
    },
    "text_encoder": {
        "text_config": {
            "vocab_size": 32,
            "bos_token_id": 1,
            "eos_token_id": 1,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1]},
        },
        "vision_config": {"depth": 1, "embed_dim": 8, "hidden_size": 16, "num_heads": 1},
    },
}
CAPTIONS = ["a woman smiles", "the man blinks and nods"]
CHAT = "the {{ messages[0]['content'][0]['text'] }} person"


@pytest.fixture
def family() -> EasyAnimate:
    return made()


def made(shift: float = 1.0, **config: Any) -> EasyAnimate:
    torch.set_num_threads(1)
    tokenizer = tiny.tokenizer(256)
    tokenizer.chat_template = CHAT
    with seeded(0):
        return EasyAnimate.build({**CONFIG, **config}, {"tokenizer": tokenizer}, FlowMatching(shift=shift))


def text_only() -> EasyAnimate:
    return made(transformer={**CONFIG["transformer"], "in_channels": 4})


def losses_of(family: EasyAnimate, rate: float = 1e-2) -> list[float]:
    clip = tiny.video(5, 32, batch=2)
    latents = family.encode(clip)
    given = tiny.conditions(family, CAPTIONS, clip, [True, False]) if "i2v" in family.modes else None
    given = given or tiny.conditions(family, CAPTIONS, None)
    optimiser = torch.optim.AdamW(tiny.trained_parameters(family).values(), lr=rate)
    losses = []
    for _ in range(4):
        loss = tiny.loss(family, latents, given)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def calls_of(family: EasyAnimate, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> list[dict[str, Any]]:
    """What the pipeline tells the transformer while a request is sampled."""
    calls: list[dict[str, Any]] = []
    forward = family.denoiser.forward

    def spy(noisy: Any, times: Any, **named: Any) -> Any:
        calls.append({"noisy": noisy, "times": times, **named})
        return forward(noisy, times, **named)

    with monkeypatch.context() as patch:
        patch.setattr(family.denoiser, "forward", spy)
        family.sample(tiny.request(5, 32, **changes))
    return calls


def test_latents_are_normalised_and_come_back(family: EasyAnimate) -> None:
    clip = tiny.video(9, 32, batch=2)
    latents = family.encode(clip)
    raw = family.parts["vae"].encode(clip).latent_dist.mode()
    assert latents.shape == (2, 4, 3, 4, 4)
    assert torch.allclose(latents, raw * 0.5, atol=1e-6)
    assert torch.allclose(family.encode(clip[:, :, :1]), latents[:, :, :1], atol=1e-5)
    assert family.decode(latents).shape == clip.shape
    with pytest.raises(SizeError, match=r"4k \+ 1 frames, not 8"):
        family.encode(clip[:, :, :8])


@pytest.mark.parametrize("made_so", [made, text_only])
def test_a_few_steps_lower_the_loss_and_reach_every_weight_that_has_a_say(made_so: Any) -> None:
    family = made_so()
    losses = losses_of(family)
    assert losses[-1] < losses[0]
    weights = tiny.trained_parameters(family)
    still = {n for n, w in weights.items() if w.grad is None or w.grad.abs().max() == 0}
    # What the last block makes of the text is read by nobody.
    last = "transformer.transformer_blocks.1."
    unread = (
        "attn1.add_q_proj",
        "attn1.norm_added_q",
        "attn1.to_add_out",
        "txt_ff.net.0.proj",
        "txt_ff.net.2",
    )
    assert still == {f"{last}{layer}.{kind}" for layer in unread for kind in ("weight", "bias")}
    assert all(w.grad is None for w in family.parts["text_encoder"].parameters())


def test_captions_are_asked_as_the_pipeline_asks_them(family: EasyAnimate) -> None:
    embeds, *_ = family.pipeline("EasyAnimatePipeline").encode_prompt(
        CAPTIONS, do_classifier_free_guidance=False
    )
    ours = family.text_features(CAPTIONS)["embeds"]
    assert ours.shape == (2, 256, 16)
    assert torch.allclose(ours, embeds, atol=1e-6)


def test_the_pipeline_tells_the_network_what_training_tells_it(
    family: EasyAnimate, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = tiny.picture(32)
    call = calls_of(family, monkeypatch, images=[picture])[0]
    image = pixels([picture], "cpu")
    clip = image.repeat(2, 1, 5, 1, 1)
    given = tiny.conditions(family, ["", "a woman smiles"], clip)
    assert torch.allclose(call["encoder_hidden_states"], given.text["embeds"], atol=1e-6)
    ours = family._shown(call["noisy"], given)
    theirs = call["inpaint_latents"]
    # Mask and first frame are the same; what follows knows the picture only as the autoencoder gives it back.
    assert torch.equal(theirs[:, :1], ours[:, :1])
    assert torch.allclose(theirs[:, :, 0], ours[:, :, 0], atol=1e-5)
    monkeypatch.setattr(family, "decode", lambda _: image.repeat(2, 1, 1, 1, 1))
    assert torch.allclose(theirs, family._shown(call["noisy"], given), atol=1e-5)


def test_without_a_picture_mask_and_video_are_zero(
    family: EasyAnimate, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = calls_of(family, monkeypatch)[0]
    assert call["inpaint_latents"].shape == (2, 5, 2, 4, 4)
    assert call["inpaint_latents"].abs().max() == 0
    clip = tiny.video(5, 32, batch=2)
    given = tiny.conditions(family, CAPTIONS, clip, [False, True])
    shown = family._shown(family.encode(clip), given)
    assert shown[0].abs().max() == 0
    assert shown[1].abs().max() > 0
    assert family._shown(family.encode(clip), tiny.conditions(family, CAPTIONS, None)).abs().max() == 0


def test_sampling_shifts_the_times_once(monkeypatch: pytest.MonkeyPatch) -> None:
    even = np.array([1.0, 0.75, 0.5, 0.25])
    for family in (made(shift=3.0), made(shift=3.0, transformer={**CONFIG["transformer"], "in_channels": 4})):
        seen = [float(call["times"].max()) for call in calls_of(family, monkeypatch, steps=4)]
        assert np.allclose(seen, 1000 * 3 * even / (1 + 2 * even), atol=1e-3)


def test_the_pipelines_of_diffusers_load_the_folder_and_sample_the_same(tmp_path: Path) -> None:
    from diffusers import DiffusionPipeline, EasyAnimateInpaintPipeline, EasyAnimatePipeline

    for family, kind in ((made(), EasyAnimateInpaintPipeline), (text_only(), EasyAnimatePipeline)):
        family.save(tmp_path / kind.__name__)
        pipeline = DiffusionPipeline.from_pretrained(str(tmp_path / kind.__name__))
        assert type(pipeline) is kind
        pipeline.set_progress_bar_config(disable=True)
        theirs = pipeline(
            prompt="a woman smiles",
            negative_prompt="",
            height=32,
            width=32,
            num_frames=5,
            timesteps=[1000.0, 500.0],  # left to itself the pipeline goes from 1000 to 1
            guidance_scale=2.0,
            generator=torch.Generator().manual_seed(3),
            num_inference_steps=2,
            output_type="np",
        ).frames[0]
        (ours,) = family.sample(tiny.request(5, 32))
        assert ours.shape == (5, 32, 32, 3)
        assert ours.dtype == np.uint8
        assert np.abs(theirs * 255 - ours).max() <= 0.51


def test_a_loaded_family_predicts_the_same(tmp_path: Path, family: EasyAnimate) -> None:
    family.save(tmp_path)
    again = load_family(tmp_path)
    assert again.modes == {"t2v", "i2v", "unconditional"}
    clip = tiny.video(5, 32, batch=2)
    noisy, times = torch.randn(2, 4, 2, 4, 4), torch.tensor([10.0, 900.0])
    ours = family.predict(noisy, times, tiny.conditions(family, CAPTIONS, clip))
    assert torch.equal(again.predict(noisy, times, tiny.conditions(again, CAPTIONS, clip)), ours)
    request = tiny.request(5, 32, images=[tiny.picture(32)])
    assert np.array_equal(family.sample(request)[0], again.sample(request)[0])


def test_a_seed_gives_the_same_video_whatever_is_beside_it(family: EasyAnimate) -> None:
    shown = {"images": [tiny.picture(32)] * 2}
    (alone,) = family.sample(tiny.request(5, 32, seeds=[7], images=[tiny.picture(32)]))
    beside = family.sample(tiny.request(5, 32, prompts=["", "a woman smiles"], seeds=[8, 7], **shown))
    assert np.array_equal(beside[1], alone)
    assert not np.array_equal(beside[0], alone)
    assert not np.array_equal(family.sample(tiny.request(5, 32, seeds=[7]))[0], alone)


def test_frozen_parts_in_half_precision_sample_with_a_picture(family: EasyAnimate) -> None:
    for name in ("vae", "text_encoder"):
        family.parts[name].to(torch.bfloat16)
    video = family.sample(tiny.request(5, 32, images=[tiny.picture(32)]))[0]
    assert video.shape == (5, 32, 32, 3)


@pytest.mark.parametrize(
    ("frames", "height", "width", "near"),
    [(16, 32, 32, "13 or 17"), (5, 40, 32, "32 or 48"), (5, 32, 8, "Nearest: 16"), (0, 32, 32, "Nearest: 1")],
)
def test_what_it_cannot_make_names_the_nearest(
    family: EasyAnimate, frames: int, height: int, width: int, near: str
) -> None:
    with pytest.raises(SizeError, match=near):
        family.check(frames, height, width)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"in_channels": 7}, "takes 7 channels and the autoencoder gives 4.*or 9"),
        ({"out_channels": 8}, "answers 8 channels"),
        ({"resize_inpaint_mask_directly": False}, "mask encoded"),
        ({"text_embed_dim_t5": 16}, "second text encoder"),
    ],
)
def test_transformers_that_the_pipelines_cannot_use_are_said(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(GenerateError, match=said):
        made(transformer={**CONFIG["transformer"], **changes})


def test_a_tokenizer_without_chat_template_is_said() -> None:
    with pytest.raises(GenerateError, match="no chat template"):
        EasyAnimate.build(CONFIG, {"tokenizer": tiny.tokenizer()}, FlowMatching())


def test_a_tokenizer_is_the_same_after_use_and_another_with_another_chat_template(
    family: EasyAnimate,
) -> None:
    before = fingerprint(family.parts["tokenizer"])
    family.text_features(CAPTIONS)
    assert fingerprint(family.parts["tokenizer"]) == before
    family.parts["tokenizer"].chat_template = "{{ messages[0]['content'][0]['text'] }}"
    assert fingerprint(family.parts["tokenizer"]) != before


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
