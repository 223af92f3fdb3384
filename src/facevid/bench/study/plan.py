"""The grid of a study: for every size, fraction and seed the whole recipe of its training, and what it will see."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from facevid.bench.errors import BenchError
from facevid.bench.study.parts import Amount, Parts
from facevid.bench.study.recipe import Study, StudySize

if TYPE_CHECKING:
    from facevid.generate.recipe import TrainRecipe

QUIET = ("validation.grid_seconds=0", "tracking=[]")
"""What a study changes before all else: a grid of runs wants curves, and no pictures of each."""


@dataclass(frozen=True)
class Planned:
    """One run. recipe: whole, with autoencoder and text encoder. windows: there are to learn from; samples: it sees;
    epochs: how often it sees each window on average."""

    name: str
    size: str
    fraction: float
    seed: int
    recipe: TrainRecipe
    amount: Amount
    data: float
    windows: int
    steps: int
    samples: int
    epochs: float


@dataclass(frozen=True)
class Plan:
    """All runs, by size in the order of the file, those of the least data first."""

    study: Study
    parts: Parts
    runs: tuple[Planned, ...]
    notes: tuple[str, ...]

    def chosen(self, only: Sequence[str]) -> tuple[Planned, ...]:
        """The runs of these names, all for none. Raises BenchError for a name that no run has."""
        known = {run.name: run for run in self.runs}
        if unknown := [name for name in only if name not in known]:
            raise BenchError(f"the study has no run {', '.join(unknown)}; its runs are {', '.join(known)}.")
        return tuple(known[name] for name in dict.fromkeys(only)) if only else self.runs


def run_name(size: str, fraction: float, seed: int) -> str:
    """What a run is called, as its folder is: "xs-0.25-s0"."""
    return f"{size}-{fraction:g}-s{seed}"


def run_names(study: Study) -> list[str]:
    """The names of all runs of a study, in the order in which they are run."""
    return [
        run_name(size.name, fraction, seed)
        for size in study.sizes
        for fraction in sorted(study.data.fractions)
        for seed in study.seeds
    ]


def plan(study: Study, parts: Parts, *, autoencoder: str | None = None, text: str | None = None) -> Plan:
    """Works the grid out; trains and writes nothing.

    Raises BenchError where sizes would be tested on other windows, so that their losses do not compare, or would each
    learn its own words; GenerateError for recipes and folders that cannot be used.
    """
    runs: list[Planned] = []
    first: tuple[str, TrainRecipe] | None = None
    for size in study.sizes:
        bare = _recipe(study, size, autoencoder, text)
        _refuse_own_words(bare)
        if first is not None:
            _refuse_incomparable(first, (size.name, bare))
        first = first or (size.name, bare)
        for fraction in sorted(study.data.fractions):
            windows, per_batch = _windows(parts, fraction, bare)
            per_step = per_batch * bare.optimisation.batch
            steps = _steps(study, windows, per_step)
            for seed in study.seeds:
                name = run_name(size.name, fraction, seed)
                every = max(1, math.ceil(steps / study.validations))
                fixed = [f"seed={seed}", f"optimisation.steps={steps}", f"validation.every={every}"]
                fixed += [f"name={json.dumps(f'{study.name}-{name}')}"]
                fixed += [] if study.minutes is None else [f"optimisation.minutes={study.minutes}"]
                recipe = _recipe(study, size, autoencoder, text, fixed)
                amount = parts.amounts[fraction]
                runs.append(
                    Planned(
                        name, size.name, fraction, seed, recipe, amount, amount.of(study.data.unit), windows, steps,
                        round(steps * per_step), round(steps * per_step / windows, 3),
                    )
                )  # fmt: skip
    return Plan(study, parts, tuple(runs), parts.notes)


def _recipe(
    study: Study, size: StudySize, autoencoder: str | None, text: str | None, fixed: Sequence[str] = ()
) -> TrainRecipe:
    from facevid.generate.recipe import read_recipe
    from facevid.generate.words.folder import parts_named

    source = size.recipe or study.recipe
    assert source is not None
    early = [*QUIET, "optimisation.steps=1"]  # the steps of the recipe itself are never those of a study
    changes = [
        *early,
        *_by_rule(size, source),
        *study.changes,
        *size.changes,
        *parts_named(autoencoder, text),
    ]
    found = read_recipe(source, [*changes, *fixed])
    if found.model is None:
        raise BenchError(
            f"the recipe {found.name} of the size {size.name} trains no video model; a study is of those."
        )
    if size.width is not None and found.model.family != "facevid":
        raise BenchError(
            f"the size {size.name} has a width, and its recipe {found.name} is of the family {found.model.family}; "
            "width and depth are those of the family facevid. Name a recipe for each size, and what changes."
        )
    return found


def _by_rule(size: StudySize, source: str) -> list[str]:
    """The changes that a width brings with it by our family's rule."""
    if size.width is None:
        return []
    from facevid.generate.families.facevid import size_of
    from facevid.generate.recipe import read_recipe

    rule = size_of(size.width)
    model = read_recipe(source).model
    config = {**(dict(model.config) if model else {}), "width": size.width, "depth": size.depth or rule.depth}
    return [
        f"model.config={json.dumps(config)}",
        f"optimisation.lr={rule.lr}",
        f"optimisation.muon_lr={rule.muon_lr}",
        f"optimisation.batch={rule.batch}",
    ]


def _steps(study: Study, windows: int, per_step: float) -> int:
    if study.steps is not None:
        return study.steps
    samples = study.samples if study.samples is not None else (study.epochs or 0) * windows
    return max(1, round(samples / per_step))


def _windows(parts: Parts, fraction: float, recipe: TrainRecipe) -> tuple[int, float]:
    """How many windows a fraction has, and how many times the batch a step holds on average."""
    from facevid.generate.data.windows import windows_of

    found = windows_of(parts.train[fraction], recipe.data, captions=recipe.conditioning.drop_prompt < 1)
    weight = np.array([b.share for b in found.buckets]) * np.diff(found.bounds)
    batches = np.array([b.batches for b in found.buckets])
    return len(found), float((weight * batches).sum() / weight.sum())


def _refuse_own_words(recipe: TrainRecipe) -> None:
    model = recipe.model
    assert model is not None
    learns = model.family == "facevid" and model.pretrained is None and "text_encoder" not in model.config
    if learns and recipe.conditioning.drop_prompt < 1:
        raise BenchError(
            "each run would learn its own words from its own captions, so that runs would differ in more than data and "
            "size. Train a text encoder once (facevid train text --data DATASET -o TEXT) and give it: --text TEXT."
        )


def _refuse_incomparable(one: tuple[str, TrainRecipe], other: tuple[str, TrainRecipe]) -> None:
    different = [
        name
        for name, value in _tested_by(one[1]).items()
        if json.dumps(value) != json.dumps(_tested_by(other[1])[name])
    ]
    if different:
        raise BenchError(
            f"the sizes {one[0]} and {other[0]} differ in {', '.join(different)}, so that their held-out losses are of "
            "other things and do not compare; give both the same."
        )


def _tested_by(recipe: TrainRecipe) -> dict[str, Any]:
    """All that decides what a held-out loss is a loss of."""
    model = recipe.model
    assert model is not None
    words = ("text_encoder", "tokenizer", "text_length")
    return {
        "model.family": model.family,
        "model.autoencoder": model.autoencoder,
        **{f"model.config.{name}": model.config.get(name) for name in words},
        "data": recipe.data.model_dump(mode="json"),
        "validation.samples": recipe.validation.samples,
        "conditioning.image above 0": recipe.conditioning.image > 0,
        "conditioning.drop_prompt below 1": recipe.conditioning.drop_prompt < 1,
    }
