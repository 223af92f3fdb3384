"""The Fréchet distance between two sets of features taken as Gaussian: never negative, singular covariances welcome.

d^2 = |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1^(1/2) S2 S1^(1/2))^(1/2) (Dowson and Landau, "The Fréchet distance
between multivariate normal distributions", 1982; FID in Heusel et al. 2017, FVD in Unterthiner et al. 2018). The last
trace is the sum of the roots of the eigenvalues of S1^(1/2) S2 S1^(1/2). With any factors S1 = A A^T, S2 = B B^T these
roots are the singular values of A^T B: real and 0 or more as computed, with no root of a product that is not symmetric
and no root of a rounding error. The factors are Cholesky's where a covariance is far from singular, else roots by
eigenvalues clipped at 0, or the centred samples themselves.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh, svdvals
from scipy.linalg.lapack import dpotrf

from facevid.bench.distances.features import Features, Floats, blocks, check_ddof, check_pair
from facevid.bench.distances.moments import RunningMoments
from facevid.bench.distances.products import inner
from facevid.bench.errors import BenchError

_PIVOT = 1e-5
"""Cholesky's factor is as good as the root while its smallest pivot is not below this share of the largest."""

_NEGATIVE = 1e-6
"""An eigenvalue below minus this share of the largest is no rounding: covariances in float32 err by about 1e-7."""


def frechet_distance(real: RunningMoments, made: RunningMoments, *, ddof: int = 1) -> float:
    """Squared Fréchet distance between running moments, >= 0, in squared units of the features.

    ddof: 1 for covariances over n - 1 (FID), 0 for over n (StyleGAN-V's FVD). Raises BenchError with fewer than two
    samples or where the numbers of features differ.
    """
    return frechet_from_moments(real.mean, real.covariance(ddof), made.mean, made.covariance(ddof))


def frechet_from_moments(
    mean_real: Floats, covariance_real: Floats, mean_made: Floats, covariance_made: Floats
) -> float:
    """Squared Fréchet distance from means (d,) and covariances (d, d), which may be singular.

    Raises BenchError where shapes differ, a number is not finite, or a covariance is not symmetric or has an
    eigenvalue that is negative beyond rounding.
    """
    shapes = {"the real mean": mean_real.shape, "the made mean": mean_made.shape}
    if mean_real.ndim != 1 or mean_real.shape != mean_made.shape:
        raise BenchError(
            f"means must be vectors of one length, and {_said(shapes)}: use the same features of both."
        )
    square = (len(mean_real), len(mean_real))
    shapes = {"the real covariance": covariance_real.shape, "the made covariance": covariance_made.shape}
    if set(shapes.values()) != {square}:
        raise BenchError(f"covariances must be {square} like the means, and {_said(shapes)}.")
    if not (np.isfinite(mean_real).all() and np.isfinite(mean_made).all()):
        raise BenchError(
            "a mean holds numbers that are not finite; look for the sample whose features are NaN."
        )
    a = root(covariance_real, "the real covariance")
    b = root(covariance_made, "the made covariance")
    traces = float(np.trace(covariance_real) + np.trace(covariance_made))
    return from_factors(mean_real - mean_made, traces, a, b)


def frechet_from_features(real: Features, made: Features, *, ddof: int = 1) -> float:
    """Squared Fréchet distance straight from features (n, d) and (m, d).

    A side with fewer samples than features is its own factor: S = A A^T with A (d, n) the centred samples over
    sqrt(n - ddof). So nothing of size d x d is made or decomposed for it, and with both sides small the singular values
    are those of an n x m matrix of products between samples. This is exact, as no eigenvalue is left out: S has at most
    n - 1 that are not 0. Other sides go through their moments. Raises BenchError as `check_pair` does.
    """
    check_ddof(ddof)
    check_pair(real, made)
    (mean_a, a), (mean_b, b) = _factor(real, ddof), _factor(made, ddof)
    return from_factors(mean_a - mean_b, float((a * a).sum() + (b * b).sum()), a, b)


def from_factors(delta: Floats, traces: float, a: Floats, b: Floats) -> float:
    """The distance from the difference of the means (d,), the sum of the traces, and factors (d, r) and (d, s)."""
    product = inner(a, b)
    shared = svdvals(product, check_finite=False).sum() if product.size else 0.0
    return max(0.0, float(delta @ delta + traces - 2 * shared))


def root(covariance: Floats, name: str) -> Floats:
    """A factor (d, r) with factor factor^T = covariance, r its rank: eigenvectors times roots of eigenvalues.

    Eigenvalues below d x the rounding of the largest are rounding errors, and 0 here: their roots would not be small.
    Raises BenchError where it is no covariance.
    """
    if not np.isfinite(covariance).all():
        raise BenchError(
            f"{name} holds numbers that are not finite; look for the sample whose features are NaN."
        )
    scale = float(np.abs(covariance).max())
    if np.abs(covariance - covariance.T).max() > _NEGATIVE * scale:
        raise BenchError(f"{name} is not symmetric; give the covariance (features, features) of samples.")
    values, vectors = eigh((covariance + covariance.T) / 2, driver="evd", check_finite=False)
    if values[0] < -_NEGATIVE * max(values[-1], 0.0):
        raise BenchError(
            f"{name} has the eigenvalue {values[0]:.3g} beside the largest {values[-1]:.3g}, and none of a covariance "
            "is negative; give the covariance of samples, in float64."
        )
    kept = values > len(values) * np.finfo(np.float64).eps * max(values[-1], 0.0)
    return np.asarray(vectors[:, kept] * np.sqrt(values[kept]), np.float64)


def factor_of(covariance: Floats) -> Floats:
    """A factor (d, r) of a covariance (d, d) of samples: Cholesky's, which is ten times as fast, or the root.

    Only what is above and on the diagonal is read.
    """
    upper, failed = dpotrf(covariance, lower=False, clean=True)
    pivots = np.diagonal(upper)
    if failed or pivots.min() <= _PIVOT * pivots.max():
        whole = np.triu(covariance)
        return root(whole + np.triu(whole, 1).T, "the covariance")
    return np.asarray(upper.T, np.float64)


def _factor(features: Features, ddof: int) -> tuple[Floats, Floats]:
    """Mean (d,) and a factor (d, r) of the covariance."""
    n, dimensions = features.shape
    if n >= dimensions:
        moments = RunningMoments.of(features)
        return moments.mean, factor_of(moments.covariance(ddof))
    rows = np.concatenate([rows for _, rows in blocks(features)])
    mean = rows.mean(axis=0)
    return mean, ((rows - mean) / np.sqrt(n - ddof)).T


def _said(shapes: dict[str, tuple[int, ...]]) -> str:
    return " and ".join(f"{name} has the shape {shape}" for name, shape in shapes.items())
