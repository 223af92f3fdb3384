"""Our own family: one rule of sizes that recipes keep, a tokenizer from captions, one set of weights for all modes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from facevid.generate.errors import GenerateError
from facevid.generate.families.facevid import SIZES, Facevid, size_of
from facevid.generate.families.loading import build_family
from facevid.generate.objectives import FlowMatching
from facevid.generate.recipe import Model, read_recipe
from facevid.generate.text import train_tokenizer

from . import tiny


@pytest.mark.parametrize("name", SIZES)
def test_recipes_keep_the_rule_of_sizes(name: str) -> None:
    recipe = read_recipe(f"facevid-{name}")
    assert recipe.model is not None
    size = size_of(SIZES[name])
    assert (recipe.model.config["width"], recipe.model.config["depth"]) == (size.width, size.depth)
    assert recipe.optimisation.batch == size.batch
    assert recipe.optimisation.optimizer == "muon"
    assert recipe.optimisation.lr == pytest.approx(size.lr, rel=0.01)
    assert recipe.optimisation.muon_lr == pytest.approx(size.muon_lr, rel=0.01)


def test_sizes_grow_as_they_are_written_down() -> None:
    assert [size_of(width).depth for width in SIZES.values()] == [4, 7, 11, 19, 26]
    assert [size_of(width).batch for width in SIZES.values()] == [32, 32, 64, 128, 128]


def test_parameters_reach_from_a_million_to_a_billion() -> None:
    from diffusers import LTXVideoTransformer3DModel

    counts = []
    for width in SIZES.values():
        with torch.device("meta"):
            made = LTXVideoTransformer3DModel(
                in_channels=128, out_channels=128, num_attention_heads=max(4, width // 64),
                attention_head_dim=min(64, width // 4),
                cross_attention_dim=width, num_layers=size_of(width).depth, caption_channels=width,
            )  # fmt: skip
        counts.append(sum(p.numel() for p in made.parameters()))
    assert 1e6 < counts[0] < 2e6
    assert 0.9e9 < counts[-1] < 1.2e9
    assert counts == sorted(counts)


def test_a_tokenizer_knows_the_words_of_its_captions_and_spells_others() -> None:
    captions = ["A woman with black hair.", "A man with grey hair is talking."] * 3
    tokens = train_tokenizer(captions, length=16)
    ids = tokens("A woman with GREY hair.", padding="max_length", max_length=16)["input_ids"]
    assert len(ids) == 16
    assert tokens.decode([i for i in ids if i > 2]).strip() == "a woman with grey hair."
    assert tokens.unk_token_id not in tokens("zebra é")["input_ids"]
    assert train_tokenizer(reversed(captions), length=16).get_vocab() == tokens.get_vocab()


def test_text_and_pictures_are_answered_by_one_set_of_weights(tmp_path: Path) -> None:
    from facevid.generate.families.loading import load_family

    family = tiny_facevid()
    video = tiny.video(5, 32, batch=2)
    given = tiny.conditions(family, ["a woman", ""], video, [True, False])
    latents = family.encode(video)
    answer = family.predict(torch.randn_like(latents), torch.full((2,), 500.0), given)
    assert answer.shape == latents.shape
    weights = family.weights(latents, given)
    assert weights is not None and weights[0, 0, 0].max() == 0 and weights[1].min() == 1
    tiny.loss(family, latents, given).backward()
    assert all(p.grad is not None for p in family.parts["text_encoder"].encoder.block.parameters())
    family.save(tmp_path)
    again = load_family(tmp_path)
    request = tiny.request(5, 32)
    assert (again.sample(request)[0] == family.sample(request)[0]).all()


def tiny_facevid() -> Facevid:
    from diffusers import AutoencoderKLLTXVideo

    torch.manual_seed(0)
    vae = AutoencoderKLLTXVideo(
        latent_channels=8, block_out_channels=(8, 8), decoder_block_out_channels=(8, 8), layers_per_block=(1, 1, 1),
        decoder_layers_per_block=(1, 1, 1), spatio_temporal_scaling=(True, True), patch_size=4,
        decoder_spatio_temporal_scaling=(True, True), decoder_inject_noise=(False,) * 3, upsample_residual=(False,) * 2,
        upsample_factor=(1, 1), timestep_conditioning=False, down_block_types=("LTXVideoDownBlock3D",) * 2,
        downsample_type=("conv",) * 2,
    )  # fmt: skip
    tokens = train_tokenizer(["a woman smiles"], length=128)
    config = {"width": 64, "depth": 1, "text_depth": 1}
    return Facevid.build(config, {"vae": vae, "tokenizer": tokens}, FlowMatching())


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"widht": 64}, "no field widht; did you mean width?"),
        ({"transformer": {}}, "no field transformer; it has width, depth"),
        ({"depth": 0}, "model.config.depth is 0; it must be a whole number from 1"),
        ({"width": "wide"}, "model.config.width is 'wide'"),
        ({"width": 65}, "it must be a multiple of 64"),
    ],
)
def test_what_its_config_does_not_have_is_refused(config: dict[str, Any], sentence: str) -> None:
    with pytest.raises(GenerateError, match=re.escape(sentence)):
        Facevid.build(config, {}, FlowMatching())


def test_an_autoencoder_that_is_missing_or_of_another_class_is_told() -> None:
    with pytest.raises(GenerateError, match=r"needs an autoencoder\. Train one .*--autoencoder"):
        Facevid.build({}, {}, FlowMatching())
    other = torch.nn.Linear(1, 1)
    with pytest.raises(GenerateError, match=r"takes an AutoencoderKLLTXVideo, .* of the class Linear"):
        Facevid.build({}, {"vae": other}, FlowMatching())


def test_tuning_goes_on_with_the_text_encoder_that_learnt_along_and_leaves_a_pretrained_one(
    tmp_path: Path,
) -> None:
    tiny_facevid().save(tmp_path)

    def tuned(before: dict[str, Any], **options: Any) -> Any:
        about = {"family": "facevid", "recipe": {"model": {"config": before}}}
        (tmp_path / "facevid.json").write_text(json.dumps(about))
        return build_family(Model(family="facevid", pretrained=str(tmp_path), **options))

    both = ("transformer", "text_encoder")
    assert tuned({"width": 64, "text_length": 9}).trained == both
    assert tuned({"text_length": 9}).text_features(["a woman"])["ids"].shape == (1, 9)
    assert tuned({}, config={"text_length": 5, "width": 64}).text_features(["a"])["ids"].shape == (1, 5)
    assert tuned({}, config={"train_text": False}).trained == ("transformer",)
    assert tuned({}, method="lora", lora_rank=2).trained == ("transformer",)
    assert tuned({"text_encoder": "t5", "tokenizer": "t5"}).trained == ("transformer",)
    # One that was tuned already, with its text encoder or without.
    assert tuned({"train_text": True}).trained == both
    assert tuned({"train_text": False}).trained == ("transformer",)
