"""What the trainer knows of a model, for its facevid.json."""

from __future__ import annotations

from importlib import metadata
from typing import Any

import facevid
from facevid.dataset.dataset import Dataset
from facevid.generate.data_facts import data_facts
from facevid.generate.recipe import TrainRecipe
from facevid.generate.training.trainer import Trained

_LIBRARIES = ("torch", "diffusers", "accelerate", "transformers", "peft")


def facts_of(
    recipe: TrainRecipe,
    parts: tuple[Dataset, Dataset],
    trained: Trained,
    subset: str | None,
    split: str | None,
) -> dict[str, Any]:
    """The facts of facevid.json that the trainer knows."""
    buckets = recipe.data.buckets
    return {
        "format": "facevid-model",
        "version": 1,
        "kind": recipe.kind,
        "family": _family(recipe),
        "recipe": recipe.model_dump(mode="json"),
        "recipe_name": recipe.name,
        "data": {**data_facts(*parts, recipe.data.crop), "subset": subset, "split": split},
        "step": trained.step,
        "samples_seen": trained.samples_seen,
        "held_out_loss": trained.held_out,
        "frames": sorted({bucket.frames for bucket in buckets}),
        "sizes": sorted({(bucket.height, bucket.width) for bucket in buckets}),
        "fps": recipe.data.fps,
        "seed": recipe.seed,
        "tool_versions": {"facevid": facevid.__version__, **_versions()},
    }


def _family(recipe: TrainRecipe) -> str:
    if recipe.autoencoder is not None:
        return recipe.autoencoder.type
    return "T5EncoderModel" if recipe.model is None else recipe.model.family


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
