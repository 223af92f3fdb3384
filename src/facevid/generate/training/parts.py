"""Which clips a training learns from and which it holds out, and what of them decides the result."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from facevid.dataset.dataset import Dataset
from facevid.generate.errors import GenerateError
from facevid.generate.model_folder import weights_sha256
from facevid.generate.recipe import TrainRecipe

PARTS = ("train", "validation")
_FEWEST = 3  # people: two to learn from, one held out


def parts_of(
    data: Dataset, recipe: TrainRecipe, *, where: str | None, subset: str | None, split: str | None
) -> tuple[tuple[Dataset, Dataset], list[str]]:
    """The clips to learn from and those held out, no person in both; and sentences about them."""
    if subset is not None and split is not None:
        raise GenerateError("Give a subset or a split, not both; a split can be made of a subset.")
    if split is not None:
        found = data.saved_split(split, missing="leave")
        if lacking := [part for part in PARTS if part not in found]:
            raise GenerateError(
                f"The split {split} has the parts {', '.join(found)}; training needs {' and '.join(PARTS)}, and lacks "
                f"{', '.join(lacking)}. Make one: facevid split {data.location} NAME --parts .9,.1 "
                f"--names {','.join(PARTS)}."
            )
        chosen = tuple(part if where is None else part.where(where) for part in (found[n] for n in PARTS))
        if empty := [name for name, part in zip(PARTS, chosen, strict=True) if not len(part)]:
            raise GenerateError(f"No clip is left in the part {' and '.join(empty)} of the split {split}.")
        return (chosen[0], chosen[1]), []
    some = data if subset is None else data.subset(subset, missing="leave")
    some = some if where is None else some.where(where)
    return _held_out(some, recipe)


def _held_out(some: Dataset, recipe: TrainRecipe) -> tuple[tuple[Dataset, Dataset], list[str]]:
    people = pc.count_distinct(some.rows(["identity"])["identity"]).as_py()
    share = recipe.data.holdout
    advice = "Name a saved split (--split), or use more people."
    if people < _FEWEST:
        raise GenerateError(
            f"{some.location} has {people} {'person' if people == 1 else 'people'} that can be told apart among the "
            f"{len(some):,} chosen clips; holding some out for validation needs {_FEWEST}. {advice}"
        )
    if not 0 < share < 1:
        raise GenerateError(
            f"data.holdout is {share}, which leaves one part empty; give one such as 0.1. {advice}"
        )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        parts = some.split([1 - share, share], recipe.seed, names=PARTS)
    notes = [str(w.message) for w in caught if issubclass(w.category, UserWarning)]
    return (parts["train"], parts["validation"]), notes


def identity_of(recipe: TrainRecipe, train: Dataset, validation: Dataset) -> dict[str, Any]:
    """What decides the result and does not stand in the recipe."""
    found: dict[str, Any] = {
        "data_read": {"train_clips_sha256": _ids(train), "validation_clips_sha256": _ids(validation)}
    }
    manifest = train.storage.beside("dataset.json")
    found["data_read"]["dataset_sha256"] = hashlib.sha256(manifest or b"").hexdigest()
    if recipe.model is not None:
        for name, place in (
            ("autoencoder", recipe.model.autoencoder), ("text", recipe.model.config.get("text_encoder")),
        ):  # fmt: skip
            if isinstance(place, str) and Path(place).is_dir():
                found[f"{name}_sha256"] = weights_sha256(Path(place))
    return found


def _ids(part: Dataset) -> str:
    return hashlib.sha256("\n".join(part.ids.to_pylist()).encode()).hexdigest()
