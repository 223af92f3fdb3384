"""Products of large matrices, by the BLAS of scipy: that in the last numpy before 2 is older and does not know newer
processors, where it takes 2 to 5 times as long."""

from __future__ import annotations

import numpy as np
from scipy.linalg import blas

from facevid.bench.distances.features import Floats


def gram(x: Floats) -> Floats:
    """x^T x, (d, d) for rows (n, d)."""
    upper = np.triu(blas.dsyrk(1.0, x.T))
    return np.asarray(upper + np.triu(upper, 1).T, np.float64)


def add_upper_gram(upper: Floats, x: Floats) -> Floats:
    """`upper` + x^T x above and on the diagonal; what lies below is not to be used. In place if in Fortran's order."""
    return np.asarray(blas.dsyrk(1.0, x.T, beta=1.0, c=upper, overwrite_c=True), np.float64)


def across(x: Floats, y: Floats) -> Floats:
    """x y^T, (n, m) for rows (n, d) and (m, d)."""
    return np.asarray(blas.dgemm(1.0, y.T, x.T, trans_a=True).T, np.float64)


def inner(a: Floats, b: Floats) -> Floats:
    """a^T b, (r, s) for columns (d, r) and (d, s)."""
    return np.asarray(blas.dgemm(1.0, a, b, trans_a=True), np.float64)
