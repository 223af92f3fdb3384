"""Maximum mean discrepancy with a polynomial kernel: KID and KVD (cubic, unbiased), and JEDi (square, biased, x100).

Sums of the kernel over pairs of samples are taken block by block: memory does not grow with the number of pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facevid.bench.distances.features import Features, Floats, blocks, check_pair, check_seed
from facevid.bench.distances.products import across
from facevid.bench.errors import BenchError


@dataclass(frozen=True)
class PolynomialKernel:
    """k(x, y) = (gamma x.y + coef0)^degree; gamma None is 1 / d for d features."""

    degree: int
    gamma: float | None
    coef0: float

    def __post_init__(self) -> None:
        if self.degree < 1:
            raise BenchError(f"the degree of a polynomial kernel is 1 or more, not {self.degree}.")

    def __call__(self, x: Floats, y: Floats) -> Floats:
        """Values (n, m) for samples (n, d) and (m, d)."""
        base = across(x, y)
        base *= 1 / x.shape[1] if self.gamma is None else self.gamma
        base += self.coef0
        power = base.copy()
        for _ in range(self.degree - 1):
            power *= base
        return power

    def diagonal(self, x: Floats) -> Floats:
        """k(x_i, x_i), (n,)."""
        gamma = 1 / x.shape[1] if self.gamma is None else self.gamma
        return np.asarray((gamma * np.einsum("nd,nd->n", x, x) + self.coef0) ** self.degree, np.float64)


CUBIC = PolynomialKernel(degree=3, gamma=None, coef0=1.0)
"""That of KID (Binkowski et al., "Demystifying MMD GANs", 2018, section 4) and KVD."""

JEDI = PolynomialKernel(degree=2, gamma=None, coef0=0.0)
"""That of JEDi (Luo et al., "Beyond FVD", 2024; videojedi/mmd_polynomial.py of its repository)."""


@dataclass(frozen=True)
class SubsetMmd2:
    """KID as it is published: mean and standard deviation (over subsets, ddof 0) of the unbiased MMD^2 of subsets."""

    mean: float
    std: float
    subsets: int
    subset_size: int
    seed: int
    n_real: int
    n_made: int


def mmd2(real: Features, made: Features, *, kernel: PolynomialKernel = CUBIC, unbiased: bool = True) -> float:
    """Squared maximum mean discrepancy over all pairs of samples of (n, d) and (m, d).

    unbiased: mean over pairs of different samples (Gretton et al., "A kernel two-sample test", 2012, lemma 6), about 0
    for equal distributions and then as often below it; biased (ibid., equation 5) counts pairs of a sample with itself
    and is never below 0. Raises BenchError as `check_pair` does.
    """
    check_pair(real, made)
    ones = np.ones((1, len(real))), np.ones((1, len(made)))
    value = float(weighted_mmd2(real, made, *ones, kernel=kernel, unbiased=unbiased)[0])
    return value if unbiased else max(0.0, value)


def kid(
    real: Features, made: Features, *, subsets: int = 100, subset_size: int = 1000, seed: int = 2020
) -> SubsetMmd2:
    """Kernel distance as KID is published: the cubic kernel, unbiased, over random subsets of both sides.

    Subsets are drawn as torch-fidelity's metric_kid.py draws them (RandomState(seed), a subset of the real samples,
    then one of the made ones, without replacement), whose seed is 2020, so that equal features give equal figures. The
    std is over subsets that overlap: it is not the error of the mean. Raises BenchError where a side is smaller than a
    subset.
    """
    check_seed(seed)
    check_pair(real, made)
    if subsets < 1 or not 2 <= subset_size <= min(len(real), len(made)):
        raise BenchError(
            f"{subsets} subsets of {subset_size} samples cannot be drawn from {len(real)} real and {len(made)} made; "
            f"take 1 subset or more, of 2 to {min(len(real), len(made))} samples, or use mmd2, which takes all pairs."
        )
    rng = np.random.RandomState(seed)
    values = np.empty(subsets)
    for k in range(subsets):
        x = np.asarray(real[rng.choice(len(real), subset_size, replace=False)], np.float64)
        y = np.asarray(made[rng.choice(len(made), subset_size, replace=False)], np.float64)
        ones = np.ones((1, subset_size))
        values[k] = weighted_mmd2(x, y, ones, ones, kernel=CUBIC, unbiased=True)[0]
    mean, std = float(values.mean()), float(values.std())
    return SubsetMmd2(mean, std, subsets, subset_size, seed, len(real), len(made))


def jedi(real: Features, made: Features) -> float:
    """JEDi's distance: 100 x the biased MMD^2 with the kernel `JEDI`, on features (n, d) and (m, d), V-JEPA's there."""
    return 100 * mmd2(real, made, kernel=JEDI, unbiased=False)


def weighted_mmd2(
    real: Features,
    made: Features,
    real_weights: NDArray[Any],
    made_weights: NDArray[Any],
    *,
    kernel: PolynomialKernel,
    unbiased: bool,
) -> Floats:
    """MMD^2 (b,) of b weightings at once: weights (b, n) and (b, m), for a bootstrap how often each sample was drawn.

    Unbiased: the mean of w_i w_j k(x_i, x_j) over i != j, which leaves out pairs of two drawings of one sample too:
    they would count the kernel of a sample with itself, which is larger than between samples. As weights of pairs are
    made to sum to 1, a constant added to the kernel changes nothing.
    """
    within_real = _within(real, real_weights, kernel, unbiased)
    within_made = _within(made, made_weights, kernel, unbiased)
    total = np.zeros(len(real_weights))
    for i, x in blocks(real):
        left = _some(real_weights, i, len(x))
        for j, y in blocks(made):
            total += np.einsum("bm,bm->b", across(left, kernel(y, x)), _some(made_weights, j, len(y)))
    between = total / (_sums(real_weights) * _sums(made_weights))
    return np.asarray(within_real + within_made - 2 * between, np.float64)


def _within(features: Features, weights: NDArray[Any], kernel: PolynomialKernel, unbiased: bool) -> Floats:
    """Weighted means (b,) of the kernel over pairs of one side; blocks above the diagonal count twice."""
    total, squares = np.zeros(len(weights)), np.zeros(len(weights))
    for i, x in blocks(features):
        left = _some(weights, i, len(x))
        total += np.einsum("bm,bm->b", across(left, kernel(x, x)), left)
        if unbiased:
            total -= (left * left) @ kernel.diagonal(x)
            squares += (left * left).sum(axis=1)
        for j, y in blocks(features, i + len(x)):
            total += 2 * np.einsum("bm,bm->b", across(left, kernel(y, x)), _some(weights, j, len(y)))
    return np.asarray(total / (_sums(weights) ** 2 - squares), np.float64)


def _some(weights: NDArray[Any], start: int, count: int) -> Floats:
    return np.asarray(weights[:, start : start + count], np.float64)


def _sums(weights: NDArray[Any]) -> Floats:
    return np.asarray(weights.sum(axis=1, dtype=np.float64), np.float64)
