"""Means, intervals, gaps and tests of groups agree with scipy and with closed forms, and say what they do not know."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from scipy import stats

from facevid.bench.errors import BenchError
from facevid.bench.groups import GroupSettings, compare_groups, crossed
from facevid.bench.groups.resample import mean_interval, resampled_means
from facevid.bench.groups.sample import Floats, arranged, numbered
from facevid.bench.measures.metric import Better
from facevid.bench.result import GroupResult

FEW = GroupSettings(resamples=200, permutations=199, least_people=3, least_videos=3)


def compared(
    values: Floats | list[float],
    labels: list[str | None],
    people: list[str | None] | None = None,
    better: Better = "higher",
    real_mean: float | None = None,
    settings: GroupSettings = FEW,
) -> GroupResult:
    shown = [None] * len(labels) if people is None else people
    return compare_groups(
        np.asarray(values, np.float64),
        labels,
        shown,
        attributes=["a"],
        metric="m",
        better=better,
        real_mean=real_mean,
        settings=settings,
    )


def drawn(sizes: list[int], seed: int = 0, step: float = 0.0) -> tuple[list[Floats], list[str | None]]:
    rng = np.random.default_rng([7, seed])
    parts = [rng.exponential(size=n) + step * i for i, n in enumerate(sizes)]
    return parts, [f"g{i}" for i, n in enumerate(sizes) for _ in range(n)]


def range_of_means(*parts: Floats, axis: int) -> Floats:
    means = np.array([part.mean(axis=axis) for part in parts])
    return np.asarray(means.max(axis=0) - means.min(axis=0))


@pytest.mark.parametrize("sizes", [[7, 6], [5, 9, 6]])
@pytest.mark.parametrize("seed", [0, 1])
def test_p_is_that_of_scipys_permutation_test_for_people_with_a_video_each(
    sizes: list[int], seed: int
) -> None:
    parts, labels = drawn(sizes, seed, 0.3)
    theirs = stats.permutation_test(
        parts, range_of_means, vectorized=True, n_resamples=20_000, alternative="greater", rng=1
    )
    deals = 5000
    found = compared(np.concatenate(parts), labels, settings=GroupSettings(100, deals, 3, 3))
    assert found.gap == pytest.approx(theirs.statistic)
    # Monte Carlo error of both sides, four standard errors.
    error = np.sqrt(theirs.pvalue * (1 - theirs.pvalue) * (1 / deals + 1 / 20_000))
    assert found.p == pytest.approx(theirs.pvalue, abs=4 * error)


def test_p_is_that_of_scipys_swaps_where_each_person_has_a_video_of_each_label() -> None:
    rng = np.random.default_rng(3)
    person = rng.normal(0, 3, 9)
    one, two = person + rng.normal(0, 1, 9), person + rng.normal(0.7, 1, 9)
    theirs = stats.permutation_test(
        (one, two), range_of_means, vectorized=True, permutation_type="samples", alternative="greater"
    )
    people = [f"p{i}" for i in range(9)] * 2
    labels: list[str | None] = ["dark"] * 9 + ["light"] * 9
    found = compared(np.concatenate([one, two]), labels, people, settings=GroupSettings(100, 5000, 3, 3))
    error = np.sqrt(theirs.pvalue * (1 - theirs.pvalue) / 5000)
    assert found.p == pytest.approx(theirs.pvalue, abs=4 * error)


def test_resampled_means_are_spread_as_scipys_for_people_with_a_video_each() -> None:
    (part,), _ = drawn([30])
    theirs = stats.bootstrap((part,), np.mean, n_resamples=4000, rng=1, method="percentile")
    sample = arranged(part[:, None], np.zeros(30, np.int64), numbered([None] * 30))
    ours = resampled_means(sample, 4000, 0)[:, 0, 0] + sample.centre[0]
    # A standard error from 4,000 resamples is off by 1.1 %, a mean by 1.6 % of it.
    assert ours.std(ddof=1) == pytest.approx(theirs.standard_error, rel=0.06)
    assert ours.mean() == pytest.approx(theirs.bootstrap_distribution.mean(), abs=0.1 * theirs.standard_error)
    plain = np.quantile(ours, [0.025, 0.975])
    assert plain == pytest.approx(tuple(theirs.confidence_interval), abs=0.2 * theirs.standard_error)


@pytest.mark.parametrize("people", [8, 12, 200])
def test_the_interval_of_a_mean_is_as_wide_as_students_for_normal_values(people: int) -> None:
    part = np.random.default_rng(people).normal(size=people)
    sample = arranged(part[:, None], np.zeros(people, np.int64), numbered([None] * people))
    found = mean_interval(resampled_means(sample, 20_000, 0)[:, 0, 0], people, 0.95)
    low, high = stats.ttest_1samp(part, 0).confidence_interval(0.95)
    assert found is not None
    assert found[1] - found[0] == pytest.approx(high - low, rel=0.08)


def test_people_with_many_videos_are_resampled_whole() -> None:
    rng = np.random.default_rng(5)
    videos = rng.integers(1, 9, 60)
    values = np.repeat(rng.normal(size=60), videos) + rng.normal(0, 0.1, videos.sum())
    people: list[str | None] = [f"p{i:02d}" for i in np.repeat(np.arange(60), videos)]
    sample = arranged(values[:, None], np.zeros(len(values), np.int64), numbered(people))
    # Linearised standard error of a ratio (Cochran, "Sampling techniques", 1977, eq. 6.13).
    sums = np.bincount(np.repeat(np.arange(60), videos), values)
    closed = np.sqrt(((sums - values.mean() * videos) ** 2).sum()) / videos.sum()
    assert resampled_means(sample, 4000, 0).std() == pytest.approx(closed, rel=0.07)
    naive = values.std() / np.sqrt(len(values))
    assert closed > 1.5 * naive


def test_the_interval_of_a_gap_of_two_groups_is_about_welchs() -> None:
    rng = np.random.default_rng(8)
    one, two = rng.normal(0, 1, 80), rng.normal(1, 2, 60)
    labels: list[str | None] = ["a"] * 80 + ["b"] * 60
    settings = GroupSettings(resamples=4000, permutations=99)
    found = compared(np.concatenate([one, two]), labels, better="lower", settings=settings)
    low, high = stats.ttest_ind(two, one, equal_var=False).confidence_interval(0.95)
    assert (found.best, found.worst) == ("a", "b")
    assert found.gap == pytest.approx(two.mean() - one.mean())
    assert found.gap_interval == pytest.approx((low, high), abs=0.06 * (high - low))


@pytest.mark.parametrize(
    ("better", "real", "best", "worst", "gap"),
    [
        ("higher", None, "c", "a", 5.0),
        ("lower", None, "a", "c", 5.0),
        ("as real", 3.5, "b", "c", 3.0),
        ("as real", 0.0, "a", "c", 5.0),
        ("as real", 3.25, "b", "c", 3.0),
        ("as real", None, None, None, 5.0),
        ("lower", 5.5, "a", "c", 5.0),
    ],
)
def test_best_and_worst_by_which_way_is_better(
    better: Better, real: float | None, best: str | None, worst: str | None, gap: float
) -> None:
    spread = np.array([-0.1, 0.0, 0.1])
    values = np.concatenate([1 + spread, 3 + spread, 6 + spread])
    found = compared(values, [*"aaabbbccc"], better=better, real_mean=real)
    assert (found.best, found.worst) == (best, worst)
    assert found.gap == pytest.approx(gap)


def test_equal_means_have_no_best_no_gap_and_p_1() -> None:
    found = compared([0.1, 0.2, 0.3, 0.3, 0.2, 0.1], [*"aaabbb"])
    assert (found.best, found.worst, found.gap, found.p) == (None, None, 0.0, 1.0)
    assert found.gap_interval is not None and found.gap_interval[0] < 0 < found.gap_interval[1]


def test_people_who_are_all_alike_give_no_interval_and_say_so() -> None:
    found = compared([0.0] * 12, ["a", "b"] * 6)
    assert [group.mean for group in found.groups] == [0.0, 0.0]
    assert [group.interval for group in found.groups] == [None, None]
    assert all(group.note is not None and "alike" in group.note for group in found.groups)
    assert (found.gap, found.gap_interval, found.p) == (0.0, None, 1.0)


def test_shares_of_zeros_and_ones_are_counted() -> None:
    values = np.array([1, 0, 0, 0, 1, 1, 1, 0] * 5, np.float64)
    found = compared(values, ["a", "a", "a", "a", "b", "b", "b", "b"] * 5, better="lower")
    assert [(group.group, group.mean) for group in found.groups] == [("a", 0.25), ("b", 0.75)]
    assert found.gap == pytest.approx(0.5) and found.best == "a"


def test_videos_without_the_metric_count_nowhere() -> None:
    parts, labels = drawn([12, 15], step=1)
    values = np.concatenate([*parts, np.full(6, np.nan)])
    with_gaps = compared(values, [*labels, "g0", "g1", None, None, "g2", "g2"])
    without = compared(np.concatenate(parts), labels)
    assert with_gaps.groups[:2] == without.groups
    assert (with_gaps.p, with_gaps.gap, with_gaps.unknown) == (without.p, without.gap, 0)
    assert (with_gaps.groups[2].group, with_gaps.groups[2].n, with_gaps.groups[2].people) == ("g2", 0, 0)


def test_unknown_is_counted_and_makes_no_group() -> None:
    parts, labels = drawn([12, 15], step=1)
    values = np.concatenate([*parts, np.full(4, 50.0)])
    found = compared(values, [*labels, None, "unknown", "", None])
    assert found.unknown == 4
    assert [group.group for group in found.groups] == ["g1", "g0"]
    assert found.gap == compared(np.concatenate(parts), labels).gap


def test_small_groups_say_too_few_and_take_no_part_in_the_gap() -> None:
    parts, labels = drawn([20, 20, 9, 30], step=1)
    people: list[str | None] = [f"p{i}" for i in range(49)] + [f"q{i % 4}" for i in range(30)]
    found = compared(np.concatenate(parts), labels, people, settings=GroupSettings(100, 99))
    few = {group.group: group for group in found.groups if group.mean is None}
    assert set(few) == {"g2", "g3"}
    assert few["g2"].note == "too few: 9 videos of 9 people; it takes 10 of 5"
    assert few["g3"].note == "too few: 30 videos of 4 people; it takes 10 of 5"
    assert (found.best, found.worst) == ("g1", "g0")
    assert [group.n for group in found.groups] == [30, 20, 20, 9]


def test_a_group_that_one_person_fills_is_too_few() -> None:
    parts, labels = drawn([20, 20], step=1)
    people: list[str | None] = [
        *(f"p{i}" for i in range(20)),
        *("q" if i < 11 else f"q{i}" for i in range(20)),
    ]
    found = compared(np.concatenate(parts), labels, people)
    assert [group.note for group in found.groups] == [
        None,
        "too few: one person is in 11 of its 20 videos",
    ]
    assert (found.best, found.gap, found.gap_interval, found.p) == (None, None, None, None)


@pytest.mark.parametrize("labels", [[None] * 8, ["a"] * 8, []])
def test_without_two_groups_there_is_no_gap(labels: list[str | None]) -> None:
    found = compared(np.arange(float(len(labels))), labels)
    assert (found.gap, found.gap_interval, found.p, found.p_adjusted) == (None, None, None, None)
    assert sum(group.n for group in found.groups) + found.unknown == len(labels)


def test_crossings_join_what_is_known() -> None:
    joined = crossed([["female", "male", None, "male"], ["dark", "light", "dark", "unknown"]])
    assert joined == ["female × dark", "male × light", None, None]
    assert crossed([["a", None]]) == ["a", None]
    with pytest.raises(BenchError, match=r"lengths \[1, 2\]"):
        crossed([["a"], ["b", "c"]])
    with pytest.raises(BenchError, match="lengths"):
        crossed([])


@pytest.mark.parametrize("changing", [False, True])
def test_the_order_of_rows_does_not_matter_and_a_seed_gives_the_same_again(changing: bool) -> None:
    rng = np.random.default_rng(2)
    n = 120
    person = rng.integers(30, size=n)
    labels = [f"g{i}" for i in (rng.integers(3, size=n) if changing else person % 3)]
    people = [None if i < 5 else f"p{i}" for i in person]
    values = np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n) + 0.1 * person)
    order = rng.permutation(n)
    found = compared(values, [*labels], [*people])
    again = compared(values[order], [labels[i] for i in order], [people[i] for i in order])
    assert found == again
    other = compared(values, [*labels], [*people], settings=GroupSettings(200, 199, 3, 3, seed=1))
    assert other.groups[0].interval != found.groups[0].interval


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_adding_a_number_to_all_values_moves_means_alone(shift: float) -> None:
    parts, labels = drawn([12, 14, 10], step=0.2)
    values = np.concatenate(parts)
    plain = compared(values, labels, better="as real", real_mean=1.0)
    moved = compared(values + shift, labels, better="as real", real_mean=1.0 + shift)
    assert (moved.p, moved.best, moved.worst) == (plain.p, plain.best, plain.worst)
    assert moved.gap_interval == pytest.approx(plain.gap_interval, abs=1e-8)
    for one, other in zip(plain.groups, moved.groups, strict=True):
        assert one.interval is not None
        assert other.interval == pytest.approx([end + shift for end in one.interval], abs=1e-8)


def test_results_are_plain_numbers() -> None:
    parts, labels = drawn([12, 14], step=0.2)
    found = asdict(compared(np.concatenate(parts), labels))
    assert json.loads(json.dumps(found, allow_nan=False))["gap"] == found["gap"]


def test_what_cannot_be_compared_is_refused_in_a_sentence() -> None:
    with pytest.raises(BenchError, match="1 labels and 2 people"):
        compared([1.0, 2.0], ["a"], ["p", "q"])
    with pytest.raises(BenchError, match="m is inf in row 1"):
        compared([1.0, np.inf], ["a", "b"])
    with pytest.raises(BenchError, match=r"label of row 0 .* is 3"):
        compared([1.0], [3])  # type: ignore[list-item]
    with pytest.raises(BenchError, match="real mean of m is nan"):
        compared([1.0], ["a"], real_mean=float("nan"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"resamples": 99},
        {"permutations": 1},
        {"least_people": 1},
        {"least_videos": 0},
        {"level": 1.0},
        {"seed": -1},
    ],
)
def test_settings_out_of_bounds_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BenchError, match=next(iter(wrong))):
        GroupSettings(**wrong)  # type: ignore[arg-type]
