"""A text encoder of one's own: its loss, what it learns, its folder, and a model that reads by it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import facevid
from facevid.generate.data.latents import latents
from facevid.generate.errors import GenerateError
from facevid.generate.model_folder import open_model
from facevid.generate.recipe import Text, TrainRecipe, read_recipe
from facevid.generate.text import new_text_encoder, train_tokenizer
from facevid.generate.training.estimate import Estimate
from facevid.generate.training.task import Batch
from facevid.generate.words.contrasting import Contrasting, Pictures
from facevid.generate.words.folder import words_of

from . import fakes
from .test_autoencoder_build import TINY

torch.set_num_threads(1)

SETTINGS = Text(width=32, depth=1, length=12, side=16, hidden=8, common=16)
SAID = ["light from the left", "light from the right", "no light"]
RECIPE: dict[str, Any] = {
    "name": "words",
    "data": {
        "fps": 25.0,
        "windows": 2,
        "buckets": [{"frames": 1, "height": 32, "width": 32}],
        "holdout": 0.2,
    },
    "text": SETTINGS.model_dump(),
    "optimisation": {"steps": 3, "batch": 4, "lr": 1e-3, "warmup": 0, "ema": 0.0},
    "validation": {"every": 3, "samples": 4, "grid_seconds": 0},
    "tracking": [],
}


def contrasting(seed: int = 0) -> Contrasting:
    torch.manual_seed(seed)
    tokenizer = train_tokenizer(SAID, length=SETTINGS.length)
    encoder = new_text_encoder(tokenizer, width=SETTINGS.width, depth=SETTINGS.depth)
    return Contrasting(encoder, tokenizer, SETTINGS)


def batch(clips: list[str], captions: list[str], seed: int = 0) -> Batch:
    drawn = torch.rand(len(clips), 3, 1, 16, 16, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return {"video": drawn, "caption": captions, "clip_id": clips}


def test_the_loss_is_that_of_clip_both_ways_and_samples_of_one_clip_are_right_for_each_other() -> None:
    module = contrasting()
    given = batch(["a", "b", "a"], [SAID[0], SAID[1], SAID[2]])
    answer = module(given)
    assert answer["loss"].shape == answer["found"].shape == (3,)
    tokens = module._apart[0](
        given["caption"], padding="max_length", max_length=SETTINGS.length, return_tensors="pt"
    )
    seen = tokens.attention_mask.bool()
    said = module.text_encoder(tokens.input_ids)[0]
    mean = torch.stack([said[k][seen[k]].mean(0) for k in range(3)])
    scores = (
        F.normalize(module.words(mean), dim=1) @ F.normalize(module.pictures(given["video"]), dim=1).T / 0.07
    )
    right = [[0, 2], [1], [0, 2]]
    for k in range(3):
        row, column = scores[k].log_softmax(0), scores[:, k].log_softmax(0)
        wanted = -(row[right[k]].mean() + column[right[k]].mean()) / 2
        assert answer["loss"][k].item() == pytest.approx(wanted.item(), rel=1e-4)
        assert answer["found"][k].item() == float(int(scores[k].argmax()) in right[k])


def test_similarities_are_multiplied_by_a_hundred_at_most() -> None:
    module = contrasting()
    given = batch(["a", "b"], SAID[:2])
    with torch.no_grad():
        module.scale.fill_(math.log(100))
        most = module(given)["loss"]
        module.scale.fill_(9.0)
        assert torch.equal(module(given)["loss"], most)


def test_pictures_of_any_size_and_length_are_vectors_and_places_are_told_apart() -> None:
    torch.manual_seed(0)
    pictures = Pictures(16, 8, 5)
    assert pictures(torch.zeros(2, 3, 9, 40, 24)).shape == (2, 5)
    still = torch.rand(1, 3, 1, 16, 16)
    assert torch.allclose(pictures(still.expand(1, 3, 7, 16, 16)), pictures(still), atol=1e-6)
    light = torch.zeros(2, 3, 1, 16, 16)
    light[0, ..., :8], light[1, ..., 8:] = 1, 1
    found = pictures(light)
    assert not torch.allclose(found[0], found[1], atol=1e-3)


def test_it_learns_from_which_side_the_light_comes() -> None:
    module = contrasting()
    optimizer = torch.optim.AdamW(module.parameters(), lr=3e-3)

    def lit(seed: int) -> Batch:
        made = batch(["left", "right"], SAID[:2], seed)
        made["video"] *= 0.3
        made["video"][0, ..., :8] += 0.5
        made["video"][1, ..., 8:] += 0.5
        return made

    for step in range(60):
        optimizer.zero_grad()
        module(lit(step))["loss"].mean().backward()
        optimizer.step()
    with torch.no_grad():
        held = module(lit(10_000))
    assert held["found"].tolist() == [1.0, 1.0] and held["loss"].max() < 0.2


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 described clips of six people, 8 frames of 64 x 64."""
    place = fakes.six_people(tmp_path_factory.mktemp("words"))
    fakes.describe(place, lambda *_: ("short", "long"))
    return place


@pytest.fixture(scope="module")
def text(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("text") / "text"
    done = facevid.train(RECIPE, dataset, place)
    assert done.step == 3 and done.held_out_loss is not None
    return place


def test_its_folder_is_one_of_transformers_and_says_what_it_is(text: Path) -> None:
    from transformers import AutoTokenizer, T5EncoderModel

    facts = json.loads((text / "facevid.json").read_text())
    assert (facts["kind"], facts["family"], facts["step"]) == ("text", "T5EncoderModel", 3)
    assert facts["data"]["train_clips"] == 10
    assert "held_out_found" in (text / ".train/log.jsonl").read_text()
    tokenizer = AutoTokenizer.from_pretrained(text)
    encoder = T5EncoderModel.from_pretrained(text)
    assert tokenizer.model_max_length == encoder(torch.ones(1, 12, dtype=torch.long))[0].shape[1] == 12
    assert encoder.config.d_model == 32
    card = (text / "README.md").read_text()
    code = card.split("```python\n")[1].split("```")[0].replace('"."', repr(str(text)))
    scope: dict[str, Any] = {}
    exec(code, scope)  # what the card tells users to run
    assert scope["features"].shape == (1, 12, 32)
    with pytest.raises(GenerateError, match="is a text encoder"):
        open_model(text)


def test_the_same_recipe_gives_the_same_weights(text: Path, dataset: Path, tmp_path: Path) -> None:
    facevid.train(RECIPE, dataset, tmp_path / "again")
    assert (tmp_path / "again/model.safetensors").read_bytes() == (text / "model.safetensors").read_bytes()


def test_a_model_reads_by_it_and_leaves_it_as_it_is(text: Path, dataset: Path, tmp_path: Path) -> None:
    from diffusers import DiffusionPipeline
    from safetensors.torch import load_file

    sample = {"frames": 5, "height": 32, "width": 32}
    common = {
        "optimisation": {"steps": 4, "batch": 2, "lr": 1e-3, "warmup": 0, "ema": 0.0},
        "validation": {"every": 2, "samples": 4, "grid_seconds": 0},
        "tracking": [],
    }
    coder = {"config": {**TINY["AutoencoderKLLTXVideo"], "latent_channels": 8}, "perceptual": 0.0}
    data = {"fps": 25.0, "windows": 1, "buckets": [sample], "holdout": 0.2}
    facevid.train({"name": "coder", "data": data, "autoencoder": coder, **common}, dataset, tmp_path / "ae")
    stills = {"frames": 1, "height": 32, "width": 32, "share": 2.0, "batches": 2}
    recipe = read_recipe(
        {
            "name": "reader", "data": {**data, "buckets": [sample, stills]}, **common,
            "model": {"family": "facevid", "config": {"width": 64, "depth": 1}},
            "conditioning": {"image": 0.5},
        }
    )  # fmt: skip
    place = tmp_path / "model"
    done = facevid.train(recipe, dataset, place, autoencoder=tmp_path / "ae", text=text)
    assert done.step == 4 and 8 < done.samples_seen <= 16  # steps of stills count twice
    saved = TrainRecipe.model_validate(json.loads((place / "facevid.json").read_text())["recipe"])
    assert saved.model is not None
    assert saved.model.config["text_encoder"] == str(text) and saved.model.config["text_length"] == 12
    own = load_file(text / "model.safetensors")
    kept = load_file(place / "text_encoder/model.safetensors")
    assert own.keys() == kept.keys() and all(torch.equal(own[n], kept[n]) for n in own)
    made = latents(dataset, recipe=saved, autoencoder=tmp_path / "ae", text=text, dry_run=True)
    assert made.text_folder is not None
    video = DiffusionPipeline.from_pretrained(place)(
        "light", height=32, width=32, num_frames=5, num_inference_steps=1, max_sequence_length=12,
        output_type="np",
    ).frames[0]  # fmt: skip
    assert video.shape == (5, 32, 32, 3)
    other = facevid.train(RECIPE, dataset, tmp_path / "other", changes=["seed=1"])
    assert other.step == 3
    with pytest.raises(GenerateError, match="text"):  # a training does not go on with another text encoder
        facevid.train(recipe, dataset, place, autoencoder=tmp_path / "ae", text=tmp_path / "other")


def test_what_it_would_cost_is_counted(text: Path, dataset: Path) -> None:
    found = facevid.train(RECIPE, dataset, dry_run=True)
    assert isinstance(found, Estimate)
    words = (
        json.loads((text / "config.json").read_text())["vocab_size"],
        contrasting().text_encoder.config.vocab_size,
    )
    # Pictures are of 16 x 16 pixels in both; only the vocabularies differ.
    assert found.parameters == sum(p.numel() for p in contrasting().parameters()) + 32 * (words[0] - words[1])
    assert found.flops > 0 and found.memory["activations"] > 0 and found.tokens == 12


def test_what_cannot_be_is_said(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(GenerateError, match="no text encoder of facevid's"):
        words_of(str(tmp_path))
    with pytest.raises(GenerateError, match="trains a text encoder and takes no other part; leave a text"):
        facevid.train(RECIPE, dataset, tmp_path / "m", text=tmp_path)
    with pytest.raises(GenerateError, match="one of `model`, `autoencoder` and `text`"):
        read_recipe({**RECIPE, "autoencoder": {}})
    with pytest.raises(GenerateError, match="multiple of 32"):
        read_recipe(RECIPE, ["text.width=40"])
    with pytest.raises(GenerateError, match="trains no model of videos"):
        latents(dataset, recipe=RECIPE)
