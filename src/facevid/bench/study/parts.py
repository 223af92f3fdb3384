"""Which clips a study learns from and is tested on: one test set for all runs, and fractions, each inside the next."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from facevid.bench.errors import BenchError
from facevid.bench.study.recipe import Study, Unit
from facevid.dataset.choosing.methods import Split
from facevid.dataset.choosing.named import figures
from facevid.dataset.choosing.subset_file import read_subset
from facevid.dataset.dataset import Dataset

TRAIN, TEST = "train", "validation"
"""Names of the parts in the saved splits, which are those that `facevid train --split` takes."""


@dataclass(frozen=True)
class Amount:
    """How much data there is."""

    clips: int
    people: int
    hours: float

    def of(self, unit: Unit) -> float:
        """The amount in a unit."""
        return float(getattr(self, unit))


@dataclass(frozen=True)
class Parts:
    """The test set, and the clips to learn from of every fraction; notes: what is to be known of them, sentences."""

    whole: Dataset
    test: Dataset
    train: Mapping[float, Dataset]
    amounts: Mapping[float, Amount]
    tested: Amount
    notes: tuple[str, ...]


def parts_of(dataset: Dataset, study: Study) -> Parts:
    """Holds people out by the study's seed, stratified, and draws the fractions of the others.

    Nobody of the test set is in a fraction, and every fraction lies inside all larger ones (`Dataset.split`,
    `Dataset.fraction`): it depends on the seed, the ids and what `by` names alone. Raises BenchError where two
    fractions come to the same clips, DatasetError where people are too few or a name of `by` is not known.
    """
    asked = study.data
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        whole = dataset if asked.subset is None else dataset.subset(asked.subset)
        whole = whole if asked.where is None else whole.where(asked.where)
        halves = whole.split(
            [1 - asked.test, asked.test], study.seed, by=asked.by, names=(TRAIN, TEST), of=asked.of
        )
        train = {
            p: halves[TRAIN].fraction(p, study.seed, by=asked.by, of=asked.of)
            for p in sorted(asked.fractions)
        }
    amounts = {p: _amount(part) for p, part in train.items()}
    _refuse_alike(amounts, study)
    said = dict.fromkeys(str(w.message) for w in caught if issubclass(w.category, UserWarning))
    return Parts(whole, halves[TEST], train, amounts, _amount(halves[TEST]), tuple(said))


def save_split(parts: Parts, fraction: float, study: Study, folder: Path) -> Path:
    """Saves a fraction and the test set as a split in `folder`; gives its file.

    Raises BenchError where other clips are saved there: the study was made of other data, or by another seed.
    """
    path = folder / f"{fraction:g}.json"
    chosen = {TRAIN: parts.train[fraction], TEST: parts.test}
    if path.exists():
        held = read_subset(path).parts or {}
        wanted = {name: tuple(part.ids.to_pylist()) for name, part in chosen.items()}
        if dict(held) != wanted:
            changed = " and ".join(name for name in (TRAIN, TEST) if held.get(name) != wanted[name])
            raise BenchError(
                f"{path} holds other clips for {changed}: the study in this folder was made of other data, or by "
                "another seed, test, by, of, where or subset. Take the change back, or choose another folder."
            )
        return path
    about = {
        "how": [*parts.whole.why, f"study {study.name}"],
        "shares": {TRAIN: fraction, TEST: study.data.test},
        "seed": study.seed,
    }
    return Split(chosen, parts.whole, about).save(str(path))


def _amount(part: Dataset) -> Amount:
    found = figures(part)
    return Amount(int(found["clips"]), int(found["people"]), float(found["hours"]))


def _refuse_alike(amounts: Mapping[float, Amount], study: Study) -> None:
    unit = study.data.unit
    seen: dict[float, float] = {}
    for fraction, amount in amounts.items():
        value = amount.of(unit)
        if value <= 0:
            raise BenchError(f"the fraction {fraction:g} has no {unit}; take a larger one or more data.")
        if value in seen:
            raise BenchError(
                f"the fractions {seen[value]:g} and {fraction:g} both come to {value:g} {unit}, so that they tell "
                "nothing apart; take fractions further apart, or more data."
            )
        seen[value] = fraction
