"""One metric, or several that the same videos have, by one set of labels: groups, gap, intervals and test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np

from facevid.bench.errors import BenchError
from facevid.bench.groups.deal import dealt_means
from facevid.bench.groups.gaps import ends, gaps
from facevid.bench.groups.labels import known
from facevid.bench.groups.resample import gap_interval, mean_interval, resampled_means
from facevid.bench.groups.sample import (
    Bools,
    Census,
    Floats,
    Ints,
    Sample,
    arranged,
    census,
    group_means,
    numbered,
)
from facevid.bench.groups.settings import GroupSettings
from facevid.bench.measures.metric import Better
from facevid.bench.result import GroupResult, GroupValue

MOST = 0.5
"""A group of which one person fills more than this share of the videos is too few: its mean is that person's."""


def compare_groups(
    values: Floats,
    labels: Sequence[str | None],
    people: Sequence[str | None],
    *,
    attributes: Sequence[str],
    metric: str,
    better: Better,
    real_mean: float | None = None,
    settings: GroupSettings | None = None,
) -> GroupResult:
    """A metric by group, with the gap between best and worst, an interval of it, and a test.

    values: (n,), NaN where a video lacks the metric; such videos count nowhere. labels: (n,), of `crossed` for several
    attributes; None, "" and "unknown" are counted as unknown and make no group. people: (n,) ids of who is shown; None
    is a person of its own. attributes, metric: names for the result.

    Groups below `settings.least_people` or `least_videos`, or with one person in more than half of the videos, say so
    in `note`, have no mean and take no part in the gap. interval: see `resample.mean_interval`; None, with a note,
    where all people of a group are alike.

    better: for "as real" best is the group nearest to `real_mean` and worst the farthest. The gap is between their two
    means, which may lie on either side of the real one, so it says how unlike the groups are and may be larger than
    what either lacks to the real mean. Without `real_mean` (used for "as real" alone) the gap is highest less lowest,
    and best and worst are None, as they are where all means are the same.

    gap_interval: of the difference of the best and the worst in the direction found, made wide enough for their having
    been picked as such (`resample.gap_interval`), so that its low end may be negative.

    p: (1 + deals with a gap as large or larger) / (1 + deals), the observed labels being one deal too (Phipson and
    Smyth, "Permutation p-values should never be zero", 2010); the gap of a deal is found by the same rule as the one
    reported. `deal` says how labels are dealt. What is tested is that labels and values have nothing to do with each
    other, among the groups that are large enough: where groups are very unequal in size and in spread, a small p may
    come of spread (Chung and Romano, "Exact and asymptotically robust permutation tests", 2013). p_adjusted is None
    here; `adjusted` fills it in.

    Raises BenchError where lengths differ, a value is infinite, a label is no text, or `real_mean` is not finite.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or not len(values) == len(labels) == len(people):
        raise BenchError(
            f"{metric} has values of the shape {values.shape}, {len(labels)} labels and {len(people)} people; give one "
            "of each for every video."
        )
    check_values(values, metric)
    has = ~np.isnan(values)
    codes = Labels.of(known(labels))
    aims = [Aim(metric, better, real_mean)]
    chosen = settings or GroupSettings()
    return Comparison(values[has][:, None], has, codes, numbered(people), attributes, aims, chosen).results()[
        0
    ]


def check_values(values: Floats, metric: str) -> None:
    """Raises BenchError where a value is infinite."""
    rows = np.flatnonzero(np.isinf(values))
    if len(rows):
        raise BenchError(
            f"{metric} is {values[rows[0]]} in row {rows[0]} (counted from 0); a metric is a finite number, or NaN "
            "where a video does not have it."
        )


@dataclass(frozen=True)
class Aim:
    """A metric's name and which way is better; raises BenchError where the real mean is not finite."""

    metric: str
    better: Better
    real_mean: float | None

    def __post_init__(self) -> None:
        if self.real_mean is not None and not isfinite(self.real_mean):
            raise BenchError(
                f"the real mean of {self.metric} is {self.real_mean}; give a finite number, or None where it is not "
                "known."
            )


@dataclass(frozen=True)
class Labels:
    """The names of groups in their order, and the number of that of each video, (n,); -1 where it is not known."""

    names: list[str]
    codes: Ints

    @classmethod
    def of(cls, labels: Sequence[str | None]) -> Labels:
        names = sorted({label for label in labels if label is not None})
        number = {name: i for i, name in enumerate(names)}
        return cls(names, np.array([-1 if one is None else number[one] for one in labels], np.int64))


class Comparison:
    """Metrics that the same videos have, by one set of labels.

    values: (h, m), finite, of the h videos that have the metrics; has: (n,), which they are. labels: of all n videos;
    person: (n,), as of `numbered`. aims: of the m metrics.
    """

    def __init__(
        self,
        values: Floats,
        has: Bools,
        labels: Labels,
        person: Ints,
        attributes: Sequence[str],
        aims: Sequence[Aim],
        settings: GroupSettings,
    ) -> None:
        self._attributes, self._aims, self._settings = list(attributes), list(aims), settings
        codes, person = labels.codes[has], person[has]
        self._unknown = int((codes < 0).sum())
        self._census = census(labels.names, codes, person)
        self._large = [i for i, one in enumerate(self._census) if self._lacks(one) is None]
        inside = np.isin(codes, self._large)
        self._sample: Sample | None = None
        if self._large:
            self._sample = arranged(values[inside], codes[inside], person[inside])
            self._means = group_means(self._sample)

    def results(self) -> list[GroupResult]:
        """One for each metric, p by as many deals as the settings say."""
        if self._sample is None:
            return [self._without_gap(aim, [None] * len(self._census)) for aim in self._aims]
        draws = resampled_means(self._sample, self._settings.resamples, self._settings.seed)
        every = range(len(self._aims))
        if len(self._large) < 2:
            return [self._without_gap(self._aims[j], self._numbers(draws, j)) for j in every]
        counts = self.as_large(every, 0, self._settings.permutations)
        return [self._with_gap(draws, j, int(counts[j])) for j in every]

    def as_large(self, which: Sequence[int], first: int, last: int) -> Ints:
        """How many of deals `first` to `last` - 1 have a gap as large as that found or larger, of the metrics `which`.

        Needs two large groups. Differences within rounding are as large; so is a deal that leaves a group without a
        video, of which nobody can say.
        """
        assert self._sample is not None
        sample = self._sample.columns(which)
        rules = [(self._aims[j].better, self._real(j)) for j in which]
        found = [float(gaps(self._means[:, j], *rule)) for j, rule in zip(which, rules, strict=True)]
        least = np.array(found) - sample.rounding
        counts = np.zeros(len(rules), np.int64)
        for means in dealt_means(sample, self._settings.seed, first, last):
            for j, rule in enumerate(rules):
                counts[j] += int((~(gaps(means[:, :, j], *rule) < least[j])).sum())
        return counts

    def _with_gap(self, draws: Floats, j: int, count: int) -> GroupResult:
        assert self._sample is not None
        aim, means, rounding = self._aims[j], self._means[:, j], float(self._sample.rounding[j])
        best, worst = (int(one) for one in ends(means, aim.better, self._real(j)))
        low, high = sorted((best, worst), key=lambda one: (float(means[one]), one))
        gap = float(means[high] - means[low])
        equal = gap <= rounding
        sided = not equal and not (aim.better == "as real" and aim.real_mean is None)
        people = np.array([self._census[i].effective for i in self._large])
        return GroupResult(
            attributes=self._attributes,
            metric=aim.metric,
            groups=self._values(self._numbers(draws, j)),
            unknown=self._unknown,
            best=self._census[self._large[best]].name if sided else None,
            worst=self._census[self._large[worst]].name if sided else None,
            gap=0.0 if equal else gap,
            gap_interval=gap_interval(
                draws[:, :, j], means, people, (low, high), self._settings.level, rounding
            ),
            p=(1 + count) / (1 + self._settings.permutations),
        )

    def _without_gap(self, aim: Aim, numbers: Sequence[_Number]) -> GroupResult:
        return GroupResult(self._attributes, aim.metric, self._values(numbers), self._unknown)

    def _numbers(self, draws: Floats, j: int) -> list[_Number]:
        """Mean and interval of each group of the census, None where it is too small."""
        assert self._sample is not None
        found: list[_Number] = [None] * len(self._census)
        centre, rounding = float(self._sample.centre[j]), float(self._sample.rounding[j])
        for at, i in enumerate(self._large):
            interval = mean_interval(
                draws[:, at, j], self._census[i].effective, self._settings.level, rounding
            )
            moved = None if interval is None else (interval[0] + centre, interval[1] + centre)
            found[i] = float(self._means[at, j]) + centre, moved
        return found

    def _values(self, numbers: Sequence[_Number]) -> list[GroupValue]:
        found = [self._value(one, number) for one, number in zip(self._census, numbers, strict=True)]
        return sorted(found, key=lambda value: (-value.n, value.group))

    def _value(self, one: Census, number: _Number) -> GroupValue:
        if number is None:
            return GroupValue(one.name, one.videos, one.people, None, None, self._lacks(one))
        alike = "no interval: its people are all alike" if number[1] is None else None
        return GroupValue(one.name, one.videos, one.people, *number, alike)

    def _lacks(self, one: Census) -> str | None:
        """Why a group is too small; None where it is large enough."""
        people, videos = self._settings.least_people, self._settings.least_videos
        if one.people < people or one.videos < videos:
            return (
                f"too few: {_count(one.videos, 'video')} of {_count(one.people, 'person', 'people')}; it takes "
                f"{videos} of {people}"
            )
        if one.most > MOST * one.videos:
            return f"too few: one person is in {one.most} of its {one.videos} videos"
        return None

    def _real(self, j: int) -> float | None:
        """The real mean less the centre."""
        assert self._sample is not None
        real = self._aims[j].real_mean
        return None if real is None else real - float(self._sample.centre[j])


_Number = tuple[float, tuple[float, float] | None] | None


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
