"""Kernel distances are those of the plain formulas, and of the published codes where these name figures."""

from __future__ import annotations

import numpy as np
import pytest

from facevid.bench.distances import CUBIC, JEDI, PolynomialKernel, jedi, kid, mmd2
from facevid.bench.distances.features import Floats
from facevid.bench.distances.kernel import weighted_mmd2
from facevid.bench.errors import BenchError


def sides(n: int, m: int, d: int = 20) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(n + m)
    return rng.standard_normal((n, d)), 1.2 * rng.standard_normal((m, d)) + 0.1


def plain(x: Floats, y: Floats, degree: int, coef0: float, unbiased: bool) -> float:
    """The textbook's sums over whole matrices of the kernel."""
    d = x.shape[1]
    xx, yy, xy = ((a @ b.T / d + coef0) ** degree for a, b in ((x, x), (y, y), (x, y)))
    n, m = len(x), len(y)
    if not unbiased:
        return float(xx.mean() + yy.mean() - 2 * xy.mean())
    within = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1))
    return float(within - 2 * xy.mean())


@pytest.mark.parametrize(("n", "m"), [(5, 8), (512, 513), (1300, 600)])
def test_blocks_add_up_to_the_sums_over_all_pairs(n: int, m: int) -> None:
    x, y = sides(n, m)
    assert mmd2(x, y) == pytest.approx(plain(x, y, 3, 1.0, True), rel=1e-9)
    assert mmd2(x, y, unbiased=False) == pytest.approx(plain(x, y, 3, 1.0, False), rel=1e-9)
    assert mmd2(x, y, kernel=JEDI) == pytest.approx(plain(x, y, 2, 0.0, True), rel=1e-9)


def test_jedi_is_the_squared_difference_of_second_moments() -> None:
    """(x.y)^2 is the product of x x^T and y y^T, so that the mean of those decides: a sum without any kernel."""
    x, y = sides(300, 200)
    apart = x.T @ x / len(x) - y.T @ y / len(y)
    assert jedi(x, y) == pytest.approx(100 * (apart**2).sum() / 20**2, rel=1e-9)


def test_jedi_gives_the_figure_in_its_own_code() -> None:
    """videojedi/mmd_polynomial.py: 270.7 before the factor 100."""
    a = np.arange(1, 10).reshape(3, 3)
    b = np.array([[7, 6, 5], [4, 3, 2], [1, 1, 8], [0, 2, 5]])
    assert jedi(a, b) == pytest.approx(27_070, abs=5)


def test_kid_draws_and_averages_subsets_as_torch_fidelity_does() -> None:
    x, y = sides(150, 120)
    found = kid(x, y, subsets=20, subset_size=50)
    rng = np.random.RandomState(2020)
    values = []
    for _ in range(20):
        one = x[rng.choice(150, 50, replace=False)]
        other = y[rng.choice(120, 50, replace=False)]
        values.append(plain(one, other, 3, 1.0, True))
    assert found.mean == pytest.approx(np.mean(values), rel=1e-9)
    assert found.std == pytest.approx(np.std(values), rel=1e-9)
    assert (found.subsets, found.subset_size, found.seed, found.n_real, found.n_made) == (
        20,
        50,
        2020,
        150,
        120,
    )


def test_the_mean_over_subsets_is_about_the_distance_over_all_pairs() -> None:
    x, y = sides(400, 400)
    found = kid(x, y, subsets=200, subset_size=100)
    assert abs(found.mean - mmd2(x, y)) < 4 * found.std / np.sqrt(200)


def test_unbiased_is_about_zero_for_one_distribution_and_biased_falls_with_n() -> None:
    rng = np.random.default_rng(0)
    values = [mmd2(rng.standard_normal((60, 5)), rng.standard_normal((60, 5))) for _ in range(200)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(200)
    assert min(values) < 0 < max(values)
    few, many = (
        np.mean(
            [
                mmd2(rng.standard_normal((n, 5)), rng.standard_normal((n, 5)), unbiased=False)
                for _ in range(20)
            ]
        )
        for n in (50, 400)
    )
    assert few > 4 * many > 0


def test_a_set_has_no_biased_distance_from_itself_and_a_clear_one_from_another() -> None:
    x, y = sides(600, 600)
    assert mmd2(x, x[::-1], unbiased=False) == pytest.approx(0, abs=1e-9)
    assert jedi(x, x) == pytest.approx(0, abs=1e-9)
    assert mmd2(x, y, unbiased=False) > 0.1
    assert mmd2(x, y) == pytest.approx(mmd2(y, x), rel=1e-9)


def test_biased_weights_are_repeated_samples() -> None:
    x, y = sides(40, 30)
    rng = np.random.default_rng(0)
    w, v = rng.integers(0, 4, (3, 40)), rng.integers(0, 4, (3, 30))
    found = weighted_mmd2(x, y, w, v, kernel=CUBIC, unbiased=False)
    for k in range(3):
        repeated = mmd2(np.repeat(x, w[k], axis=0), np.repeat(y, v[k], axis=0), unbiased=False)
        assert found[k] == pytest.approx(repeated, rel=1e-9)


def test_unbiased_weights_leave_out_pairs_of_a_sample_with_itself_however_often_it_was_drawn() -> None:
    x, y = sides(12, 9)
    rng = np.random.default_rng(0)
    w, v = rng.integers(0, 4, (1, 12)), rng.integers(0, 4, (1, 9))

    def within(z: Floats, u: Floats) -> float:
        pairs = [
            (u[i] * u[j], (z[i] @ z[j] / 20 + 1) ** 3) for i in range(len(z)) for j in range(len(z)) if i != j
        ]
        return float(sum(a * b for a, b in pairs) / sum(a for a, _ in pairs))

    across = w[0] @ (x @ y.T / 20 + 1) ** 3 @ v[0] / (w.sum() * v.sum())
    expected = within(x, w[0]) + within(y, v[0]) - 2 * across
    assert weighted_mmd2(x, y, w, v, kernel=CUBIC, unbiased=True)[0] == pytest.approx(expected, rel=1e-9)


def test_subsets_larger_than_a_side_and_impossible_kernels_are_refused() -> None:
    x, y = sides(40, 30)
    with pytest.raises(
        BenchError, match="100 subsets of 1000 samples cannot be drawn from 40 real and 30 made"
    ):
        kid(x, y)
    with pytest.raises(BenchError, match="the degree of a polynomial kernel is 1 or more, not 0"):
        PolynomialKernel(degree=0, gamma=None, coef0=1)
    with pytest.raises(BenchError, match="the seed is -1"):
        kid(x, y, subset_size=10, seed=-1)
    broken = y.copy()
    broken[29, 0] = np.inf
    with pytest.raises(BenchError, match="the made features hold inf in row 29, column 0"):
        mmd2(x, broken)
