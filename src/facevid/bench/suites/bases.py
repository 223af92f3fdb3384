"""The clips whose labels prompts are built from, so chosen that known groups of people come equally often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from facevid.bench.errors import BenchError
from facevid.bench.suites.decks import dice_for
from facevid.bench.suites.looks import band_of, groups_of, value_of
from facevid.dataset.dataset import Dataset

Ints = npt.NDArray[np.int64]


def labels_of(dataset: Dataset, names: Sequence[str]) -> dict[str, list[str | None]]:
    """Attribute -> what a caption may say of it, for every clip.

    Raises BenchError where nobody has described the clips.
    """
    if "attributes" not in dataset.columns:
        raise BenchError(
            f"{dataset.location} has no attributes, from which prompts are built; run `facevid annotate "
            f"{dataset.location}` first."
        )
    column = dataset.rows(["attributes"])["attributes"].combine_chunks()
    return {
        name: [value_of(name, said) for said in pc.struct_field(column, name).to_pylist()] for name in names
    }


def people_of(dataset: Dataset) -> list[str]:
    """Who is shown in each clip; a clip whose person is unknown counts as one of its own."""
    table = dataset.rows(["clip_id", "identity"])
    pairs = zip(table["clip_id"].to_pylist(), table["identity"].to_pylist(), strict=True)
    return [str(clip if person is None else person) for clip, person in pairs]


def values_met(
    name: str, values: Sequence[str | None], people: Sequence[str], least: int
) -> Mapping[str, tuple[str, ...]]:
    """The values of an attribute that at least `least` people have, as they are asked for, each with those of the
    vocabulary's values which it stands for and somebody has."""
    who: dict[str, set[str]] = {}
    for value, person in zip(values, people, strict=True):
        if value is not None:
            who.setdefault(value, set()).add(person)
    found = {}
    for group, of in groups_of(name).items():
        met = tuple(v for v in of if v in who)
        if met and len(set().union(*(who[v] for v in met))) >= least:
            found[group] = met
    return found


class BaseClips:
    """Deals clips so that the known groups of each attribute come about equally often, as far as the clips have them.

    The next clip is the one whose groups came least often so far, held against the mean of their attribute's and summed
    over the attributes; where a group is unknown, that counts as the mean. Among equals it is whoever was shown least,
    then the clip that was, then chance.
    """

    def __init__(self, groups: Mapping[str, Sequence[str | None]], people: Sequence[str], seed: int) -> None:
        bands = {name: [band_of(name, value) for value in values] for name, values in groups.items()}
        self._codes = [_numbered(of) for of in bands.values() if any(of)]
        self._met = [np.zeros(int(code.max()) + 1) for code in self._codes]
        self._person = _numbered(people)
        self._person_met = np.zeros(len(people), np.int64)
        self._clip_met = np.zeros(len(people), np.int64)
        self._chance = dice_for(seed, "bases").permutation(len(people))

    def ranked(self, most: int) -> list[int]:
        """The numbers of the clips that are due, best first; up to `most`."""
        ahead = np.zeros(len(self._clip_met))
        for code, met in zip(self._codes, self._met, strict=True):
            ahead += np.where(code < 0, 0, met[code] - met.mean())
        keys = (self._chance, self._clip_met, self._person_met[self._person], ahead.round(6))
        return [int(k) for k in np.lexsort(keys)[:most]]

    def take(self, clip: int) -> None:
        """Count that a clip was used."""
        for code, met in zip(self._codes, self._met, strict=True):
            if code[clip] >= 0:
                met[code[clip]] += 1
        self._person_met[self._person[clip]] += 1
        self._clip_met[clip] += 1


def _numbered(values: Sequence[str | None]) -> Ints:
    """The place of each value among all, sorted; -1 for None."""
    known = sorted({value for value in values if value is not None})
    places = {value: place for place, value in enumerate(known)}
    return np.array([-1 if value is None else places[value] for value in values], np.int64)
