"""Intervals hold the truth as often as they say, floors fall with n, and a report can compute all of it again."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import exp, lgamma, sqrt
from pathlib import Path

import numpy as np
import pytest

from facevid.bench.distances import (
    JEDI,
    Settings,
    Sides,
    bootstrap_frechet,
    bootstrap_mmd2,
    compare_frechet,
    compare_mmd2,
    floor_sizes,
    frechet_from_features,
    interval,
    jedi,
    mmd2,
    real_floor,
)
from facevid.bench.distances.bootstrap import Resampling
from facevid.bench.distances.features import Floats
from facevid.bench.distances.floor import _dealt
from facevid.bench.errors import BenchError


def sides(n: int, m: int, d: int = 6) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(n + m)
    return rng.standard_normal((n, d)), 1.3 * rng.standard_normal((m, d)) + 0.2


@pytest.mark.parametrize(("n", "m", "d"), [(60, 50, 6), (30, 25, 40), (200, 30, 40), (1500, 1200, 5)])
def test_a_resample_by_weights_is_the_distance_of_the_samples_drawn(n: int, m: int, d: int) -> None:
    x, y = sides(n, m, d)
    for ddof in (0, 1):
        found = bootstrap_frechet(x + 50, y + 50, resamples=3, seed=5, ddof=ddof)
        for k in range(3):
            one = np.repeat(x, Resampling(n, 5, 0).counts(k), axis=0)
            other = np.repeat(y, Resampling(m, 5, 1).counts(k), axis=0)
            assert (len(one), len(other)) == (n, m)
            assert found[k] == pytest.approx(frechet_from_features(one, other, ddof=ddof), rel=1e-6)


def test_resamples_are_singular_where_a_feature_never_changes_and_still_right() -> None:
    x, y = sides(60, 50)
    wider = [np.hstack([z, np.full((len(z), 1), 7.0), z[:, :1]]) for z in (x, y)]
    found = bootstrap_frechet(*wider, resamples=3)
    for k in range(3):
        one, other = (
            np.repeat(z, Resampling(len(z), 0, side).counts(k), axis=0) for side, z in enumerate(wider)
        )
        assert found[k] == pytest.approx(frechet_from_features(one, other), rel=1e-6)


def test_a_side_that_never_changes_can_be_resampled() -> None:
    x, _ = sides(60, 50)
    found = bootstrap_frechet(x, np.zeros((50, 6)), resamples=3)
    for k in range(3):
        one = np.repeat(x, Resampling(60, 0, 0).counts(k), axis=0)
        assert found[k] == pytest.approx((one.mean(axis=0) ** 2).sum() + np.trace(np.cov(one.T)))
    assert not bootstrap_frechet(np.ones((20, 3)), np.ones((20, 3)), resamples=3).any()


@pytest.mark.parametrize("bootstrap", [bootstrap_frechet, bootstrap_mmd2])
def test_resamples_follow_from_the_seed_alone(bootstrap: Callable[..., Floats]) -> None:
    x, y = sides(60, 50)
    first = bootstrap(x, y, resamples=8, seed=3)
    np.testing.assert_array_equal(bootstrap(x, y, resamples=8, seed=3), first)
    np.testing.assert_allclose(bootstrap(x, y, resamples=4, seed=3), first[:4], rtol=1e-9)
    assert not np.isclose(bootstrap(x, y, resamples=8, seed=4), first).any()


def test_frechet_intervals_hold_the_expected_distance_at_this_n_as_often_as_they_say() -> None:
    """In one dimension it is (m1 - m2)^2 + (s1 - s2)^2, whose expectation for normal samples is known exactly."""
    n, m, apart, s1, s2 = 200, 150, 0.7, 1.0, 1.6
    expected = apart**2 + s1**2 / n + s2**2 / m + s1**2 + s2**2 - 2 * _c4(n) * s1 * _c4(m) * s2
    rng = np.random.default_rng(0)
    held = []
    for trial in range(150):
        x, y = s1 * rng.standard_normal((n, 1)), apart + s2 * rng.standard_normal((m, 1))
        low, high = interval(frechet_from_features(x, y), bootstrap_frechet(x, y, resamples=100, seed=trial))
        held.append(low <= expected <= high)
    assert 0.88 <= np.mean(held) <= 0.99


def _c4(n: int) -> float:
    """Expected standard deviation (over n - 1) of n standard normal numbers."""
    return sqrt(2 / (n - 1)) * exp(lgamma(n / 2) - lgamma((n - 1) / 2))


def test_kernel_intervals_hold_the_true_distance_as_often_as_they_say() -> None:
    """With the kernel (x y)^2 the distance is (E x^2 - E y^2)^2."""
    rng = np.random.default_rng(0)
    held = []
    for trial in range(150):
        x, y = rng.standard_normal((100, 1)), 1.5 * rng.standard_normal((80, 1))
        resampled = bootstrap_mmd2(x, y, resamples=100, seed=trial, kernel=JEDI)
        low, high = interval(mmd2(x, y, kernel=JEDI), resampled)
        held.append(low <= (1 - 1.5**2) ** 2 <= high)
    assert 0.86 <= np.mean(held) <= 0.99


def test_an_interval_is_as_wide_as_distances_of_new_samples_spread() -> None:
    """Also with as many features as a fifth of the samples."""
    rng = np.random.default_rng(1)

    def draw() -> tuple[Floats, Floats]:
        return rng.standard_normal((100, 20)), 1.5 * rng.standard_normal((100, 20)) + 0.3

    spread = np.std([frechet_from_features(*draw()) for _ in range(200)])
    widths = [bootstrap_frechet(*draw(), resamples=60, seed=k).std() for k in range(5)]
    assert 0.8 <= np.mean(widths) / spread <= 1.4


def test_groups_are_drawn_whole_so_that_copies_do_not_narrow_an_interval() -> None:
    x, y = sides(60, 50)
    alone = bootstrap_frechet(x, y, seed=0, ddof=0)
    copied = [np.repeat(z, 5, axis=0) for z in (x, y)]
    names = [np.repeat([f"person {k}" for k in range(len(z))], 5) for z in (x, y)]
    grouped = bootstrap_frechet(*copied, ddof=0, real_groups=names[0], made_groups=names[1])
    assert grouped.std() == pytest.approx(alone.std(), rel=0.25)
    assert bootstrap_frechet(*copied, ddof=0).std() < 0.6 * alone.std()
    with pytest.raises(BenchError, match="there are 50 samples; name one group for each"):
        bootstrap_frechet(x, y, made_groups=names[1])
    with pytest.raises(BenchError, match="there are 3 groups to draw from"):
        bootstrap_mmd2(x, y, real_groups=np.arange(60) % 3)


def test_too_few_samples_resamples_and_impossible_levels_are_refused() -> None:
    x, y = sides(60, 50)
    with pytest.raises(
        BenchError, match="the made features have 9 rows, one a sample; this needs at least 10"
    ):
        bootstrap_frechet(x, y[:9])
    with pytest.raises(BenchError, match="1 resamples give no interval"):
        bootstrap_mmd2(x, y, resamples=1)
    with pytest.raises(BenchError, match="the level of an interval is 95"):
        interval(1.0, np.ones(3), 95)


def test_the_floor_is_above_zero_falls_with_n_and_is_the_distance_of_two_fresh_draws() -> None:
    rng = np.random.default_rng(0)
    pool = rng.standard_normal((1600, 30))
    floors = [real_floor(frechet_from_features, pool, n, n) for n in (50, 100, 200, 400, 800)]
    values = [floor.value for floor in floors]
    assert values == sorted(values, reverse=True)
    for floor in floors:
        assert 0 < floor.lowest <= floor.value <= floor.highest
        n = floor.n_real
        fresh = [frechet_from_features(*(rng.standard_normal((n, 30)) for _ in range(2))) for _ in range(10)]
        assert floor.value == pytest.approx(np.mean(fresh), rel=0.1)


def test_the_floors_two_sets_have_no_sample_in_common_and_part_one_group_at_most() -> None:
    order = _dealt(100, None, np.random.default_rng(0))
    assert sorted(order.tolist()) == list(range(100))
    groups = np.arange(100) // 7
    dealt = groups[_dealt(100, groups, np.random.default_rng(0))]
    assert np.count_nonzero(np.diff(dealt)) == len(np.unique(groups)) - 1
    assert len(set(dealt[:50]) & set(dealt[50:])) <= 1


def test_a_person_on_both_sides_lowers_the_floor_unless_people_are_dealt_out_whole() -> None:
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(40), 10)
    pool = 3 * rng.standard_normal((40, 8))[people] + 0.3 * rng.standard_normal((400, 8))
    mixed = real_floor(frechet_from_features, pool, 200, 200)
    whole = real_floor(frechet_from_features, pool, 200, 200, groups=people)
    assert whole.grouped and not mixed.grouped
    assert whole.value > 3 * mixed.value


def test_floors_take_the_largest_disjoint_sets_where_the_pool_is_small() -> None:
    assert floor_sizes(300, 100, 200) == (100, 200)
    assert floor_sizes(100, 100, 100) == (50, 50)
    assert floor_sizes(90, 100, 200) == (30, 60)
    assert floor_sizes(100, 100, 2000) == (5, 95)
    assert floor_sizes(100, 2000, 10) == (98, 2)
    with pytest.raises(
        BenchError, match="10 times 60 and 50 real samples without a common one cannot be drawn from 90"
    ):
        real_floor(mmd2, np.zeros((90, 3)), 60, 50)


def test_a_comparison_says_all_that_it_takes_to_compute_it_again() -> None:
    x, y = sides(120, 100)
    further = np.random.default_rng(9).standard_normal((100, 6))
    pool = np.concatenate([x, further])
    settings = Settings(resamples=50, level=0.9, seed=4, floor_draws=3)
    found = compare_frechet(Sides(x, y, further=further), ddof=0, settings=settings)
    said = json.loads(json.dumps(found.as_dict()))
    assert said["kind"] == "frechet"
    assert (said["n_real"], said["n_made"], said["dimensions"]) == (120, 100, 6)
    assert said["value"] == frechet_from_features(x, y, ddof=said["ddof"])
    resampled = bootstrap_frechet(x, y, resamples=said["resamples"], seed=said["seed"], ddof=said["ddof"])
    assert said["interval"] == pytest.approx(interval(said["value"], resampled, said["level"]))
    assert said["bias"] == pytest.approx(resampled.mean() - said["value"])
    floor = said["floor"]
    again = real_floor(
        lambda a, b: frechet_from_features(a, b, ddof=0),
        pool,
        floor["n_real"],
        floor["n_made"],
        draws=floor["draws"],
        seed=floor["seed"],
    )
    assert again.value == floor["value"]
    assert said["floor_same_n"] and floor["n_pool"] == 220 and said["n_further"] == 100
    assert said["interval"][0] < said["value"] < said["interval"][1]
    assert floor["value"] < said["value"]


def test_further_samples_that_are_unlike_lie_further_away_than_any_draw() -> None:
    (x, y), rng = sides(60, 40), np.random.default_rng(9)
    people = np.arange(60) // 3
    for shift, unlike in ((0.0, False), (1.0, True)):
        further = rng.standard_normal((42, 6)) + shift
        given = Sides(x, y, people, further=further, further_groups=np.arange(42) // 3 + 100)
        found = compare_frechet(given, settings=Settings(resamples=10))
        assert found.floor is not None and found.floor.groups == 34 and found.floor_same_n
        assert found.further_apart is not None and (found.further_apart > found.floor.highest) is unlike
    few = compare_frechet(Sides(x, y, further=further[:39]), settings=Settings(resamples=10))
    assert few.further_apart is None and few.n_further == 39 and not few.floor_same_n
    with pytest.raises(BenchError, match="must both be given"):
        compare_frechet(Sides(x, y, people, further=further), settings=Settings(resamples=10))


def test_a_floor_of_halves_says_that_it_is_not_at_the_same_n_and_may_be_left_out() -> None:
    x, y = sides(120, 100)
    found = compare_mmd2(Sides(x, y), settings=Settings(resamples=20, floor_draws=3))
    assert found.floor is not None
    assert found.floor_same_n is False
    assert (found.floor.n_real, found.floor.n_made) == (65, 55)
    assert found.kernel is not None and found.unbiased and found.ddof is None
    bare = compare_mmd2(Sides(x, y), settings=Settings(resamples=20, floor_draws=0))
    assert bare.floor is None and bare.floor_same_n is None
    assert bare.value == mmd2(x, y)


def test_jedi_is_compared_at_its_own_scale_and_never_below_zero() -> None:
    x, _ = sides(120, 100)
    y = np.random.default_rng(1).standard_normal((100, 6))
    found = compare_mmd2(Sides(x, y), kernel=JEDI, unbiased=False, scale=100)
    assert found.value == pytest.approx(jedi(x, y))
    assert found.interval[0] >= 0
    assert found.bias > 0


def test_a_memory_map_gives_the_same_as_the_array(tmp_path: Path) -> None:
    x, y = (z.astype(np.float32) for z in sides(700, 600))
    mapped = []
    for name, z in (("real", x), ("made", y)):
        np.save(tmp_path / f"{name}.npy", z)
        mapped.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    settings = Settings(resamples=5, floor_draws=2)
    assert compare_frechet(Sides(*mapped), settings=settings) == compare_frechet(
        Sides(x, y), settings=settings
    )
    assert compare_mmd2(Sides(*mapped), settings=settings) == compare_mmd2(Sides(x, y), settings=settings)
