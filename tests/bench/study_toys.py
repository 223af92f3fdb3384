"""A study of toys: networks of two sizes that learn a sine in a blink, on a dataset of twelve people."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

TESTS = Path(__file__).resolve().parents[1]
for _place in ("curate", "generate"):
    if str(TESTS / _place) not in sys.path:
        sys.path.append(str(TESTS / _place))

from packing import work  # noqa: E402
from toy_task import RECIPE, Network, ToyTask  # noqa: E402

from facevid.curate.pack import pack_dataset  # noqa: E402

EVEN = "substr(identity, 2)::int % 2 = 0"
"""A stratum that half of the people are in."""


def twelve_people(place: Path) -> Path:
    """A dataset of 24 clips of twelve people, p0 to p11, 8 frames of 64 x 64."""
    tables = work(place / "cut", 24)
    people = {clip: f"p{k % 12}" for k, clip in enumerate(tables.identity)}
    pack_dataset(
        place / "dataset", tables=dataclasses.replace(tables, identity=people), clip_folder=place / "cut",
        recipe={"fps": 25.0}, name="twelve people",
    )  # fmt: skip
    return place / "dataset"


def toy_study(place: Path, **changes: Any) -> Path:
    """A study of two sizes and three amounts in a file of `place`, its recipe beside it."""
    recipe = {**RECIPE, "conditioning": {"drop_prompt": 1.0}}
    (place / "toy.yaml").write_text(json.dumps(recipe))
    body = {
        "name": "toys",
        "recipe": str(place / "toy.yaml"),
        "data": {"test": 0.25, "fractions": [0.25, 0.5, 1.0], "by": [EVEN]},
        "sizes": [
            {"name": "small", "changes": ["model.config={hidden: 4}"]},
            {"name": "large", "changes": ["model.config={hidden: 30}"]},
        ],
        "steps": 12,
        "validations": 4,
        "fit": {"resamples": 20},
    }
    (place / "study.yaml").write_text(yaml.safe_dump({**body, **changes}))
    return place / "study.yaml"


class SizedNetwork(Network):
    """A toy with weights that make it as large as it is asked to be."""

    def __init__(self, hidden: int) -> None:
        super().__init__(0.0)
        self.ballast = nn.Linear(hidden, hidden)


class SizedTask(ToyTask):
    """A toy of a size, which saves what a model's folder must have."""

    def __init__(self, hidden: int, *, bad: str | None = None) -> None:
        super().__init__(dropout=0.0, bad=bad)
        torch.manual_seed(hidden)
        self.module = SizedNetwork(hidden)

    def save(self, folder: Path, about: Mapping[str, Any]) -> None:
        super().save(folder, about)
        (folder / "facevid.json").write_text(json.dumps(about))


class Makes:
    """Stands for `facevid.generate.train.make_task`. spoilt: names of runs whose loss is no number."""

    def __init__(self) -> None:
        self.spoilt: set[str] = set()
        self.made: list[tuple[str, set[str], set[str]]] = []

    def __call__(self, recipe: Any, train: Any, validation: Any, *rest: Any) -> SizedTask:
        people = tuple(set(part.rows(["identity"])["identity"].to_pylist()) for part in (train, validation))
        self.made.append((recipe.name, *people))
        bad = "clip-3" if recipe.name in self.spoilt else None
        return SizedTask(recipe.model.config["hidden"], bad=bad)
