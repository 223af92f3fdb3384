"""The videos that are compared, in an order that does not depend on that of the rows, and who is shown in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

NOBODY = -1
"""The number of who is shown in a video of which that is not known: a person of its own."""


@dataclass(frozen=True)
class Census:
    """How many are in a group. videos, people; most: videos of the person who is shown in most of them.

    effective: people with equally many videos whose mean would be as sure, (sum n)^2 / sum n^2 over people of n videos
    (Kish, "Survey sampling", 1965, for weights): `people` where all have as many, else fewer.
    """

    name: str
    videos: int
    people: int
    most: int
    effective: float


@dataclass(frozen=True)
class Sample:
    """Videos (n,) of some groups with the values of m metrics, sorted by person, in it by group.

    values: (n, m), less `centre` (m,), each column sorted within the videos of one person and group, so that a row is
    no longer one video: what is asked of them treats each metric by itself. person, group: numbers from 0 on.
    """

    values: Floats
    centre: Floats
    person: Ints
    group: Ints
    people: int
    groups: int

    @property
    def cells(self) -> Ints:
        """The first row of each pair of person and group, (c,)."""
        changed = (np.diff(self.person) != 0) | (np.diff(self.group) != 0)
        return np.concatenate([[0], np.flatnonzero(changed) + 1]).astype(np.int64)

    @property
    def one_group_each(self) -> bool:
        """Whether all videos of a person are in one group."""
        return len(self.cells) == self.people

    @property
    def rounding(self) -> Floats:
        """What differences of means below are rounding, (m,)."""
        spread = np.abs(self.values).max(axis=0)
        return np.asarray(1e-12 * spread + 8 * np.finfo(np.float64).eps * np.abs(self.centre), np.float64)

    def columns(self, which: Sequence[int]) -> Self:
        """The same videos with some of the metrics."""
        chosen = list(which)
        return replace(self, values=self.values[:, chosen], centre=self.centre[chosen])


def numbered(people: Sequence[str | None]) -> Ints:
    """A number for each person by the order of the ids, (n,); NOBODY where the id is None."""
    ids = sorted({person for person in people if person is not None})
    number: dict[str | None, int] = {person: i for i, person in enumerate(ids)} | {None: NOBODY}
    return np.array([number[person] for person in people], np.int64)


def census(names: Sequence[str], group: Ints, person: Ints) -> list[Census]:
    """Who is in each of the named groups; group: (n,) numbers into `names`, person: as of `numbered`."""
    found = []
    for i, name in enumerate(names):
        shown = person[group == i]
        alone = int((shown == NOBODY).sum())
        often = np.unique(shown[shown != NOBODY], return_counts=True)[1]
        each = np.concatenate([np.ones(alone, np.int64), often])
        most, squares = (int(each.max()), float(each @ each)) if len(each) else (0, 1.0)
        found.append(Census(name, len(shown), len(each), most, len(shown) ** 2 / squares))
    return found


def arranged(values: Floats, group: Ints, person: Ints) -> Sample:
    """The sample of values (n, m), n >= 1, group (n,) and person (n,), as of `numbered`."""
    group = np.unique(group, return_inverse=True)[1].astype(np.int64)
    known = np.where(person == NOBODY, person.max() + 1, person)
    order = np.lexsort((group, known))
    m = values.shape[1]
    keys = np.stack(
        [values.T, np.broadcast_to(group, (m, len(group))), np.broadcast_to(known, (m, len(group)))]
    )
    own = np.lexsort(keys, axis=-1)
    ordered = np.take_along_axis(values, own.T, axis=0)
    centre = ordered.mean(axis=0)
    alone = person[order] == NOBODY
    fresh = np.concatenate([[True], np.diff(known[order]) != 0]) | alone
    number = np.cumsum(fresh) - 1
    return Sample(
        values=ordered - centre,
        centre=centre,
        person=number.astype(np.int64),
        group=group[order],
        people=int(number[-1]) + 1,
        groups=int(group.max()) + 1,
    )


def cell_sums(sample: Sample) -> tuple[Ints, Ints, Floats, Ints]:
    """Per pair of person and group: both numbers (c,), the sum of each metric (c, m), and the videos (c,)."""
    first = sample.cells
    videos = np.diff(np.append(first, len(sample.person)))
    return sample.person[first], sample.group[first], np.add.reduceat(sample.values, first, axis=0), videos


def group_means(sample: Sample) -> Floats:
    """The mean of each metric over the videos of each group, less the centre, (groups, m)."""
    sums = np.stack([np.bincount(sample.group, column) for column in sample.values.T], axis=1)
    return np.asarray(sums / np.bincount(sample.group)[:, None], np.float64)
