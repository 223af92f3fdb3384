"""Families are found by name, built as a recipe says, and loaded from folders; what is missing is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from facevid.generate.errors import GenerateError
from facevid.generate.families.family import Family
from facevid.generate.families.loading import (
    FAMILIES,
    build_family,
    family_named,
    load_autoencoder,
    load_family,
)
from facevid.generate.families.lora import merged
from facevid.generate.families.parts import fingerprint, move
from facevid.generate.recipe import Model, Times, read_recipe

from . import tiny
from .test_family_ltx import CAPTIONS, CONFIG

SHIFTED = Times(shift=3.0)


def built(**changes: Any) -> Family:
    torch.set_num_threads(1)
    model = Model(**{"family": "ltx", "config": CONFIG, **changes})
    return build_family(model, times=SHIFTED, seed=5, tokenizer=tiny.tokenizer())


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    built().save(folder)
    return folder


def answer(family: Family) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    noisy = torch.randn(2, 8, 3, 8, 8, generator=generator)
    with torch.no_grad():
        return family.predict(noisy, torch.tensor([300.0, 700.0]), tiny.conditions(family, CAPTIONS, None))


def test_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(11)
    first = fingerprint(built().parts["transformer"])
    torch.manual_seed(12)
    assert fingerprint(built().parts["transformer"]) == first
    other = build_family(Model(family="ltx", config=CONFIG), seed=6, tokenizer=tiny.tokenizer())
    assert fingerprint(other.parts["transformer"]) != first


def test_a_saved_model_is_loaded_by_its_pipeline_s_class_and_answers_the_same(saved: Path) -> None:
    family = load_family(saved)
    assert family.name == "ltx"
    assert torch.equal(answer(family), answer(built()))
    assert family.parts["scheduler"].config.shift == 3.0


def test_facevid_json_says_family_and_what_the_model_was_configured_with(saved: Path, tmp_path: Path) -> None:
    built().save(tmp_path)
    about = {"family": "ltx", "recipe": {"times": {"shift": 3.0}, "model": {"config": {"text_length": 7}}}}
    (tmp_path / "facevid.json").write_text(json.dumps(about))
    family = load_family(tmp_path)
    assert family.text_features(CAPTIONS)["mask"].shape == (2, 7)
    assert family.objective.times(torch.tensor([0.5]))[0] == pytest.approx(0.75)
    (tmp_path / "facevid.json").write_text(json.dumps({"kind": "autoencoder"}))
    with pytest.raises(GenerateError, match="no video model"):
        load_family(tmp_path)


def test_pretrained_weights_are_tuned_and_an_autoencoder_of_another_folder_is_taken(saved: Path) -> None:
    family = build_family(Model(family="ltx", pretrained=str(saved), autoencoder=str(saved)))
    assert torch.equal(answer(family), answer(built()))
    assert fingerprint(load_autoencoder(saved)) == fingerprint(load_autoencoder(saved / "vae"))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_field_of_config_that_a_family_does_not_have_is_refused_before_anything_is_loaded(
    family: str,
) -> None:
    model = Model(family=family, config={"shedular": {}})
    sentence = rf"model\.config of the family {family} has no field shedular; .*tokenizer"
    with pytest.raises(GenerateError, match=sentence):
        build_family(model)


def test_what_a_family_has_for_pretrained_models_alone_is_known_there(saved: Path) -> None:
    with pytest.raises(
        GenerateError, match=r"has no field train_txt; did you mean train_text\? It has .*vae"
    ):
        build_family(Model(family="ltx", pretrained=str(saved), config={"train_txt": True}))
    with pytest.raises(GenerateError, match="has no field motion_adapter; it has unet"):
        build_family(Model(family="animatediff", config={"motion_adapter": "somewhere"}))
    for name in ("latte", "wan", "easyanimate", "cogvideox", "hunyuan"):
        assert "scheduler" in family_named(name).fields


@pytest.mark.parametrize("method", ["full", "lora"])
def test_frozen_weights_are_loaded_in_the_type_asked_for_and_what_learns_in_float32(
    saved: Path, method: str
) -> None:
    model = Model(family="ltx", pretrained=str(saved), method=method, lora_rank=2)
    family = build_family(model, dtype=torch.bfloat16)
    assert {w.dtype for w in tiny.trained_parameters(family).values()} == {torch.float32}
    assert family.parts["text_encoder"].dtype == family.parts["vae"].dtype == torch.bfloat16
    frozen = {w.dtype for w in family.parts["transformer"].parameters() if not w.requires_grad}
    assert frozen == (set() if method == "full" else {torch.bfloat16})


def test_adapters_alone_train_and_are_saved_merged_and_by_themselves(saved: Path, tmp_path: Path) -> None:
    from diffusers import DiffusionPipeline

    family = build_family(
        Model(family="ltx", pretrained=str(saved), method="lora", lora_rank=2, lora_alpha=4), seed=1
    )
    plain = answer(family)
    assert torch.equal(plain, answer(built()))
    before = {n: w.detach().clone() for n, w in family.parts["transformer"].named_parameters()}
    weights = tiny.trained_parameters(family)
    assert weights and all("lora_" in name for name in weights)
    clip = tiny.video(9, 64, batch=2)
    latents, given = family.encode(clip), tiny.conditions(family, CAPTIONS, clip, [True, False])
    optimiser = torch.optim.AdamW(weights.values(), lr=1e-2)
    losses = []
    for _ in range(3):
        loss = tiny.loss(family, latents, given)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    changed = {n for n, w in family.parts["transformer"].named_parameters() if not torch.equal(w, before[n])}
    assert changed and all("lora_" in name for name in changed)

    family.save(tmp_path)
    tuned = answer(family)
    assert not torch.allclose(tuned, plain, atol=1e-4)
    assert torch.allclose(answer(load_family(tmp_path)), tuned, atol=1e-5)
    assert torch.equal(answer(family), tuned)

    pipeline = DiffusionPipeline.from_pretrained(str(saved))
    pipeline.load_lora_weights(str(tmp_path))
    assert torch.allclose(answer(type(family)(**pipeline.components)), tuned, atol=1e-5)
    assert not any("lora" in name for name in merged(family.parts["transformer"]).state_dict())


def test_moving_to_bfloat16_spares_what_learns() -> None:
    family = built(method="lora", lora_rank=2)
    family.to("cpu", torch.bfloat16)
    kinds = {(w.requires_grad, w.dtype) for w in family.parts["transformer"].parameters()}
    assert kinds == {(True, torch.float32), (False, torch.bfloat16)}
    assert family.parts["vae"].dtype == torch.bfloat16
    assert answer(family).isfinite().all()
    (video,) = family.sample(tiny.request(9, 64, images=[tiny.picture(64)]))
    assert video.shape == (9, 64, 64, 3)
    whole = built()
    whole.to("cpu", torch.bfloat16)
    assert whole.parts["transformer"].dtype == torch.float32
    assert whole.sample(tiny.request(9, 64))[0].shape == (9, 64, 64, 3)


def test_what_the_class_keeps_precise_stays_so() -> None:
    module = torch.nn.ModuleDict({"norm": torch.nn.LayerNorm(2), "linear": torch.nn.Linear(2, 2)})
    module.requires_grad_(False)
    module._keep_in_fp32_modules = ["norm"]  # type: ignore[assignment]
    move(module, "cpu", torch.bfloat16)
    assert (module["norm"].weight.dtype, module["linear"].weight.dtype) == (torch.float32, torch.bfloat16)


def test_adapters_on_no_layer_name_the_layers_there_are() -> None:
    with pytest.raises(GenerateError, match=r"qkv .*to_q"):
        built(method="lora", lora_targets=["qkv"])


def test_an_unknown_family_lists_the_known() -> None:
    with pytest.raises(GenerateError, match=r"There is no family sora\. Known: facevid, ltx"):
        family_named("sora")
    assert family_named("ltx").name == "ltx"
    assert set(FAMILIES) >= {"wan", "cogvideox", "hunyuan", "easyanimate", "latte", "animatediff"}


def test_a_model_that_is_not_there_is_said_with_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        GenerateError, match=r"(?s)Lightricks/LTX-Video are not on this machine.*HF_HOME.*hf download"
    ):
        build_family(Model(family="ltx", pretrained="Lightricks/LTX-Video"))
    with pytest.raises(GenerateError, match="no such folder"):
        load_family(tmp_path / "nowhere")
    with pytest.raises(GenerateError, match=r"no model_index\.json"):
        load_family(tmp_path)


def test_missing_parts_and_weights_are_named(tmp_path: Path) -> None:
    built().save(tmp_path)
    (tmp_path / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(GenerateError, match="weights of the vae are missing"):
        load_family(tmp_path)
    for file in (tmp_path / "vae").iterdir():
        file.unlink()
    with pytest.raises(GenerateError, match="lacks its vae/"):
        load_family(tmp_path)
    (tmp_path / "transformer" / "diffusion_pytorch_model.safetensors").write_bytes(b"cut off")
    with pytest.raises(GenerateError, match="cannot be loaded"):
        build_family(Model(family="ltx", pretrained=str(tmp_path)), vae=built().parts["vae"])


def test_a_folder_of_another_pipeline_lists_the_known(tmp_path: Path, saved: Path) -> None:
    index = json.loads((saved / "model_index.json").read_text())
    built().save(tmp_path)
    (tmp_path / "model_index.json").write_text(json.dumps({**index, "_class_name": "DiffusionPipeline"}))
    with pytest.raises(GenerateError, match=r"DiffusionPipeline, which is of no family.*WanPipeline"):
        load_family(tmp_path)
    with pytest.raises(GenerateError, match=r"of the family ltx, and the recipe's model\.family is wan"):
        build_family(Model(family="wan", pretrained=str(saved)))


TUNED = {
    "ltx-video-lora": ("ltx", 8, 32),
    "wan-lora": ("wan", 4, 16),
    "wan-i2v-lora": ("wan", 4, 32),
    "cogvideox-2b": ("cogvideox", 8, 16),
    "cogvideox-5b-lora": ("cogvideox", 8, 16),
    "cogvideox-5b-i2v-lora": ("cogvideox", 8, 16),
}
"""Recipes of published models, with the family, frames of a step in time, and the multiple of their sides."""


@pytest.mark.parametrize("name", TUNED)
def test_recipes_of_published_models_ask_for_what_these_make(name: str) -> None:
    recipe = read_recipe(name)
    family, every, side = TUNED[name]
    assert recipe.name == name
    assert recipe.model is not None
    assert (recipe.model.family, recipe.model.method) == (family, "lora" if "lora" in name else "full")
    for bucket in recipe.data.buckets:
        assert (bucket.frames % every, bucket.height % side, bucket.width % side) == (1, 0, 0)


def test_an_autoencoder_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(GenerateError, match="There is no autoencoder"):
        load_autoencoder(tmp_path)
    (tmp_path / "config.json").write_text('{"_class_name": "Nothing"}')
    with pytest.raises(GenerateError, match="names the class 'Nothing'"):
        load_autoencoder(tmp_path)


def test_a_part_that_is_no_autoencoder_is_refused_as_one(saved: Path) -> None:
    with pytest.raises(GenerateError, match="holds a LTXVideoTransformer3DModel, which is no autoencoder"):
        load_autoencoder(saved / "transformer")


def test_a_hub_that_cannot_be_reached_is_asked_once_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    class Unreachable(Exception):
        """Of a library that is not known beforehand."""

    asked: list[str] = []

    def model_info(_: Any, source: str, **__: Any) -> None:
        asked.append(source)
        raise Unreachable("Name or service not known")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    with pytest.raises(GenerateError, match=r"hf download .* It says: Name or service not known"):
        build_family(Model(family="ltx", pretrained="nobody/nothing"))
    assert asked == ["nobody/nothing"]
