"""Where labels have nothing to do with values, p is as small as it says, and intervals hold the truth as often."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from facevid.bench.groups import GroupSettings, compare_groups
from facevid.bench.groups.resample import resampled_means
from facevid.bench.groups.sample import Floats, Ints, arranged
from facevid.bench.result import GroupResult

SETS, NAIVE_SETS, INTERVAL_SETS = 200, 40, 60
# 199 deals make p <= .05 a chance of .05 on the dot.
QUICK = GroupSettings(resamples=100, permutations=199, least_people=3, least_videos=3)
LOW, HIGH = stats.binom.interval(0.999, SETS, 0.05)

Made = tuple[Floats, Ints, Ints]


def people_of(rng: np.random.Generator, videos: Ints, noise: float = 0.5) -> tuple[Floats, Ints]:
    """Values of videos that resemble each other where they show one person, and who that is."""
    person = np.repeat(np.arange(len(videos)), videos)
    return rng.normal(size=len(videos))[person] + rng.normal(0, noise, len(person)), person


def one_video_each(rng: np.random.Generator) -> Made:
    person = np.arange(24)
    return rng.exponential(size=24), person % 3, person


def zeros_and_ones(rng: np.random.Generator) -> Made:
    values, person = people_of(rng, rng.integers(1, 6, 30))
    return (values > 0).astype(np.float64), person % 2, person


def some_with_many(rng: np.random.Generator) -> Made:
    values, person = people_of(rng, rng.choice([1, 2, 6, 15], 30))
    return values, person % 2, person


def labels_by_video(rng: np.random.Generator) -> Made:
    values, person = people_of(rng, rng.choice([2, 3, 6, 10], 24))
    return values, rng.integers(2, size=len(values)), person


def labels_that_clump(rng: np.random.Generator) -> Made:
    values, person = people_of(rng, rng.choice([2, 3, 6, 10], 24))
    leaning = rng.beta(0.5, 0.5, 24)
    return values, (rng.random(len(values)) < leaning[person]).astype(np.int64), person


def labels_sometimes_wrong(rng: np.random.Generator, effect: float = 0.0) -> Made:
    values, person = people_of(rng, rng.choice([2, 3, 6, 10], 24))
    wrong = rng.random(len(values)) < 0.05
    return values + effect * (person % 2), (person % 2) ^ wrong, person


def found(made: Made, known: bool = True) -> GroupResult:
    values, group, person = made
    return compare_groups(
        values,
        [f"g{i}" for i in group],
        [f"p{i:02d}" if known else None for i in person],
        attributes=["a"],
        metric="m",
        better="lower",
        settings=QUICK,
    )


def p_values(make: Callable[[np.random.Generator], Made]) -> Floats:
    rng = np.random.default_rng(11)
    p = [found(make(rng)).p for _ in range(SETS)]
    return np.array([one for one in p if one is not None])


@pytest.mark.parametrize("make", [one_video_each, some_with_many])
def test_without_an_effect_p_is_uniform(make: Callable[[np.random.Generator], Made]) -> None:
    p = p_values(make)
    assert len(p) > 0.95 * SETS
    assert LOW <= (p <= 0.05).sum() <= HIGH
    assert stats.kstest(p, "uniform").pvalue > 0.001


@pytest.mark.parametrize("make", [zeros_and_ones, labels_by_video, labels_that_clump, labels_sometimes_wrong])
def test_without_an_effect_p_is_small_no_more_often_than_it_says(
    make: Callable[[np.random.Generator], Made],
) -> None:
    assert (p_values(make) <= 0.05).sum() <= HIGH


@pytest.mark.parametrize("make", [some_with_many, labels_that_clump])
def test_taking_videos_of_one_person_for_independent_would_raise_false_alarms(
    make: Callable[[np.random.Generator], Made],
) -> None:
    rng = np.random.default_rng(11)
    p = [found(make(rng), known=False).p for _ in range(NAIVE_SETS)]
    assert sum(one is not None and one <= 0.05 for one in p) > 0.2 * NAIVE_SETS


def test_a_gap_between_people_is_found_though_a_label_is_wrong_now_and_then() -> None:
    rng = np.random.default_rng(4)
    p = [found(labels_sometimes_wrong(rng, effect=2.0)).p for _ in range(20)]
    assert sum(one is not None and one <= 0.05 for one in p) >= 18


def test_a_known_gap_is_found_and_lies_in_its_interval() -> None:
    rng = np.random.default_rng(9)
    values, person = people_of(rng, np.full(60, 4))
    group = person % 4
    result = found((values + 2.0 * (group == 2), group, person))
    assert result.p == 1 / 200
    assert result.worst == "g2"
    assert result.gap_interval is not None
    assert 0 < result.gap_interval[0] < 2.0 < result.gap_interval[1]


def test_the_interval_of_a_gap_allows_for_its_having_been_picked() -> None:
    rng = np.random.default_rng(6)
    held, naive = 0, 0
    for _ in range(INTERVAL_SETS):
        values, person = people_of(rng, np.full(64, 2))
        group = person % 8
        result = found((values, group, person))
        assert result.gap_interval is not None and result.best is not None and result.worst is not None
        held += result.gap_interval[0] <= 0 <= result.gap_interval[1]
        draws = resampled_means(arranged(values[:, None], group, person), 200, 0)[:, :, 0]
        apart = draws[:, int(result.worst[1:])] - draws[:, int(result.best[1:])]
        naive += np.quantile(apart, 0.025) <= 0
    assert held >= stats.binom.ppf(0.001, INTERVAL_SETS, 0.95)
    assert naive < 0.6 * INTERVAL_SETS


@pytest.mark.parametrize("make", [one_video_each, some_with_many, labels_by_video])
def test_intervals_of_means_hold_the_truth(make: Callable[[np.random.Generator], Made]) -> None:
    rng = np.random.default_rng(12)
    truth = 1.0 if make is one_video_each else 0.0
    held = [
        group.interval[0] <= truth <= group.interval[1]
        for _ in range(INTERVAL_SETS)
        for group in found(make(rng)).groups
        if group.interval is not None
    ]
    # 8 people of an exponential distribution, and 15 of whom some have 15 times the videos, are hard cases.
    assert np.mean(held) > 0.85
