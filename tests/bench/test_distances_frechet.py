"""The Fréchet distance agrees with scipy where that works and with closed forms where it does not."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from facevid.bench.distances import (
    RunningMoments,
    frechet_distance,
    frechet_from_features,
    frechet_from_moments,
)
from facevid.bench.distances.features import Floats
from facevid.bench.errors import BenchError


def correlated(n: int, d: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) + rng.standard_normal(d)
    return np.asarray(x, np.float64)


def by_sqrtm(x: Floats, y: Floats, ddof: int) -> float:
    """As pytorch-fid and torch-fidelity compute it."""
    s, t = np.cov(x.T, ddof=ddof), np.cov(y.T, ddof=ddof)
    delta = x.mean(axis=0) - y.mean(axis=0)
    return float(delta @ delta + np.trace(s) + np.trace(t) - 2 * np.trace(scipy.linalg.sqrtm(s @ t).real))


@pytest.mark.parametrize("ddof", [0, 1])
def test_it_agrees_with_scipys_sqrtm_where_covariances_are_regular(ddof: int) -> None:
    for seed in range(3):
        x, y = correlated(400, 50, seed), correlated(300, 50, seed + 10)
        value = frechet_distance(RunningMoments.of(x), RunningMoments.of(y), ddof=ddof)
        assert value == pytest.approx(by_sqrtm(x, y, ddof), rel=1e-8)
        assert frechet_from_features(x, y, ddof=ddof) == pytest.approx(value, rel=1e-10)


def test_two_draws_of_one_gaussian_in_400_dimensions_give_the_reference_figures() -> None:
    """shared/refs/README.md: one generator with seed 0 draws both samples of n = 64, then of 128, and so on."""
    rng = np.random.default_rng(0)
    expected = {256: 296.9, 512: 159.9, 1024: 79.6, 2048: 39.7}
    for n in (64, 128, 256, 512, 1024, 2048):
        x, y = rng.standard_normal((n, 400)), rng.standard_normal((n, 400))
        if n in expected:
            assert frechet_from_features(x, y) == pytest.approx(expected[n], abs=0.06)


def rotated(values: Floats, seed: int) -> Floats:
    """A covariance with these eigenvalues, whose eigenvectors depend on the seed alone."""
    vectors = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values), len(values))))[0]
    return np.asarray((vectors * values) @ vectors.T)


@pytest.mark.parametrize("rank", [1, 10, 40, 60])
def test_singular_covariances_give_the_closed_form(rank: int) -> None:
    """With common eigenvectors the distance is the sum of (sqrt a - sqrt b)^2 over eigenvalues."""
    rng = np.random.default_rng(rank)
    a, b = rng.uniform(0.5, 2, 60), rng.uniform(0.5, 2, 60)
    a[rank:], b[: 60 - rank] = 0, 0
    means = rng.standard_normal((2, 60))
    expected = ((np.sqrt(a) - np.sqrt(b)) ** 2).sum() + ((means[0] - means[1]) ** 2).sum()
    value = frechet_from_moments(means[0], rotated(a, 7), means[1], rotated(b, 7))
    assert value == pytest.approx(expected, rel=1e-6)


def test_eigenvalues_over_sixteen_orders_of_magnitude_neither_explode_nor_turn_negative() -> None:
    a = np.logspace(8, -8, 100)
    b = a[::-1].copy()
    mean = np.zeros(100)
    expected = ((np.sqrt(a) - np.sqrt(b)) ** 2).sum()
    assert frechet_from_moments(mean, rotated(a, 1), mean, rotated(b, 1)) == pytest.approx(expected, rel=1e-5)
    assert frechet_from_moments(mean, rotated(a, 1), mean, rotated(a, 1)) <= 1e-12 * a.sum()


@pytest.mark.parametrize(("n", "m"), [(20, 30), (20, 300), (300, 20), (79, 80), (2, 2)])
def test_samples_fewer_than_features_give_the_same_through_products_of_samples_as_through_covariances(
    n: int, m: int
) -> None:
    x, y = correlated(n, 80, 1), correlated(m, 80, 2)
    for ddof in (0, 1):
        through_covariances = frechet_distance(RunningMoments.of(x), RunningMoments.of(y), ddof=ddof)
        assert frechet_from_features(x, y, ddof=ddof) == pytest.approx(through_covariances, rel=1e-7)


def test_features_that_never_change_add_only_their_difference() -> None:
    x, y = correlated(200, 5, 1), correlated(200, 5, 2)
    value = frechet_from_features(x, y)
    fixed = np.full((200, 1), 3.0)
    assert frechet_from_features(np.hstack([x, fixed]), np.hstack([y, fixed + 2])) == pytest.approx(value + 4)
    assert frechet_from_features(np.ones((9, 4)), np.zeros((9, 4))) == 4


def test_equal_sets_have_no_distance_and_others_have_one_that_is_the_same_both_ways() -> None:
    for n in (20, 400):
        x, y = correlated(n, 50, 1), correlated(n, 50, 2)
        total = np.trace(np.cov(x.T))
        mixed = x[np.random.default_rng(0).permutation(n)]
        assert frechet_from_features(x, x) <= 1e-12 * total
        assert frechet_from_features(x, mixed) <= 1e-12 * total
        assert frechet_distance(RunningMoments.of(x), RunningMoments.of(mixed)) <= 1e-12 * total
        assert frechet_from_features(x, y) == pytest.approx(frechet_from_features(y, x), rel=1e-10)
        assert frechet_from_features(x, x + 1e-3) == pytest.approx(50e-6, rel=1e-4)


def test_scaling_features_scales_the_distance_by_its_square_and_rotating_them_changes_nothing() -> None:
    x, y = correlated(200, 30, 1), correlated(200, 30, 2)
    value = frechet_from_features(x, y)
    turn = np.linalg.qr(np.random.default_rng(3).standard_normal((30, 30)))[0]
    assert frechet_from_features(1e-3 * x, 1e-3 * y) == pytest.approx(1e-6 * value, rel=1e-9)
    assert frechet_from_features(x @ turn, y @ turn) == pytest.approx(value, rel=1e-9)


def test_what_is_no_mean_or_covariance_is_refused() -> None:
    mean, one = np.zeros(3), np.eye(3)
    with pytest.raises(BenchError, match=r"the real mean has the shape \(2,\)"):
        frechet_from_moments(np.zeros(2), one, mean, one)
    with pytest.raises(BenchError, match=r"must be \(3, 3\).*the made covariance has the shape \(2, 2\)"):
        frechet_from_moments(mean, one, mean, np.eye(2))
    with pytest.raises(BenchError, match="the made covariance has the eigenvalue -1"):
        frechet_from_moments(mean, one, mean, np.diag([1.0, 1.0, -1.0]))
    with pytest.raises(BenchError, match="the real covariance has the eigenvalue -1"):
        frechet_from_moments(mean, -one, mean, one)
    with pytest.raises(BenchError, match="the real covariance is not symmetric"):
        frechet_from_moments(mean, one + np.eye(3, k=1), mean, one)
    with pytest.raises(BenchError, match="the made covariance holds numbers that are not finite"):
        frechet_from_moments(mean, one, mean, one * np.nan)
    with pytest.raises(BenchError, match="a mean holds numbers that are not finite"):
        frechet_from_moments(mean + np.inf, one, mean, one)


def test_features_that_cannot_be_compared_are_refused() -> None:
    x = correlated(20, 3, 1)
    with pytest.raises(BenchError, match="the real features have 3 columns and the made ones 2"):
        frechet_from_features(x, x[:, :2])
    with pytest.raises(BenchError, match="the made features have 1 row, one a sample; this needs at least 2"):
        frechet_from_features(x, x[:1])
    with pytest.raises(BenchError, match="ddof is 3"):
        frechet_from_features(x, x, ddof=3)
    broken = x.copy()
    broken[4, 2] = np.nan
    with pytest.raises(BenchError, match="the made features hold nan in row 4, column 2"):
        frechet_from_features(x, broken)
    with pytest.raises(BenchError, match="the real features are list"):
        frechet_from_features(x.tolist(), x)
