"""Writes a trained model: diffusers' folder, facevid.json with the facts, and the model card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facevid.engine import write_json_atomic
from facevid.generate.card import write_card
from facevid.generate.families.family import Family, Mode
from facevid.generate.recipe import TrainRecipe


def save_model(family: Family, recipe: TrainRecipe, folder: Path, about: Mapping[str, Any]) -> None:
    """Writes `folder`, which `DiffusionPipeline.from_pretrained` loads. about: facts of the run, for facevid.json."""
    family.save(folder)
    facts = {
        "format": "facevid-model",
        "version": 1,
        "kind": "video",
        "family": family.name,
        "modes": sorted(learnt_modes(family, recipe)),
        "recipe": recipe.model_dump(mode="json"),
        "recipe_name": recipe.name,
        "seed": recipe.seed,
        "fps": recipe.data.fps,
        "buckets": [bucket.model_dump(mode="json") for bucket in recipe.data.buckets],
        **about,
    }
    write_json_atomic(facts, folder / "facevid.json")
    write_card(folder, facts)


def learnt_modes(family: Family, recipe: TrainRecipe) -> frozenset[Mode]:
    """From what a model has learnt to make videos: of what its family can, what its samples ever showed it.

    A pretrained model knew all of it before.
    """
    modes, shares = set(family.modes), recipe.conditioning
    if modes == {"i2v"} or (recipe.model is not None and recipe.model.pretrained):
        return frozenset(modes)
    if shares.image == 0:
        modes.discard("i2v")
    if shares.drop_prompt == 1:
        modes.discard("t2v")
    if shares.drop_prompt == 0:
        modes.discard("unconditional")
    return frozenset({"i2v"}) if shares.image == 1 else frozenset(modes)
