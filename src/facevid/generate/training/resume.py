"""Whether a checkpoint is of the training that is asked for: what must be the same, and what may differ."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facevid.generate.errors import GenerateError
from facevid.generate.recipe import TrainRecipe

FREE = (
    "name",
    "tracking",
    "validation",
    "checkpoints",
    "data.workers",
    "data.keep_mib",
    "optimisation.minutes",
    # These only change in which order the same numbers are added.
    "optimisation.accumulate",
    "optimisation.checkpoint_activations",
    "optimisation.compile",
    "optimisation.distributed",
)
"""Fields of a recipe that may change while a training goes on; fields inside them too."""

OUTSIDE = {
    "data_read.dataset_sha256": "the dataset has changed (its dataset.json)",
    "data_read.train_clips_sha256": "the clips to learn from are others (--data, --where, --subset, --split)",
    "data_read.validation_clips_sha256": "the held-out clips are others",
    "autoencoder_sha256": "the autoencoder's weights are others",
}
"""What differs outside the recipe, in words: hashes tell nobody anything."""


def deciding(recipe: TrainRecipe, identity: Mapping[str, Any]) -> dict[str, Any]:
    """Every value that decides the result, by its dotted name; identity: of the data, from outside the recipe."""
    flat = _flat({**recipe.model_dump(mode="json"), **identity})
    free = set(FREE)
    if recipe.optimisation.decay == "constant":
        free.add("optimisation.steps")  # then no rate depends on how many are still to come
    return {n: v for n, v in flat.items() if not any(n == f or n.startswith(f"{f}.") for f in free)}


def digest(values: Mapping[str, Any]) -> str:
    """SHA-256 over deciding values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def refuse_another(found: Mapping[str, Any], wanted: Mapping[str, Any], folder: Path) -> None:
    """Raises GenerateError naming what differs between the training in a folder and the one asked for."""
    names = sorted(n for n in found.keys() | wanted.keys() if found.get(n) != wanted.get(n))
    if not names:
        return
    told = "; ".join(
        OUTSIDE.get(n, f"{n} was {_short(found.get(n))} and is now {_short(wanted.get(n))}")
        for n in names[:8]
    )
    more = f"; and {len(names) - 8} more" if len(names) > 8 else ""
    steps = (
        " The learning rate of every step hangs on the number of steps, so it cannot be raised afterwards, unless "
        "optimisation.decay is constant."
        if "optimisation.steps" in names
        else ""
    )
    raise GenerateError(
        f"{folder} holds a training with other settings: {told}{more}.{steps} Take the changes back to go on, or "
        "train into another folder. May change: validation, checkpoints, tracking, data.workers, data.keep_mib, "
        "optimisation.minutes, accumulate, checkpoint_activations, compile, distributed."
    )


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping) and value:
        found = {}
        for key, inner in value.items():
            found.update(_flat(inner, f"{prefix}.{key}" if prefix else str(key)))
        return found
    return {prefix: json.loads(json.dumps(value))}


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."
