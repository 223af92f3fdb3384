"""Logs of sums of powers, which most laws are: their value and gradient, starts for their fit, and their inverse."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facevid.bench.scaling.laws import Pull, Surface
from facevid.bench.scaling.runs import Runs

Floats = NDArray[np.float64]


def sum_of_powers(columns: list[Floats]) -> Surface:
    """log of the sum of terms, the log of each linear in the parameters by its columns (n, P)."""
    turned = [np.ascontiguousarray(c.T) for c in columns]

    def surface(theta: Floats) -> tuple[Floats, Pull]:
        logs = [theta @ t for t in turned]
        if len(logs) == 1:
            return logs[0], lambda weights: np.asarray(weights @ columns[0])
        top = np.maximum.reduce(logs)
        parts = [np.exp(np.subtract(z, top, out=z), out=z) for z in logs]
        total = sum(parts[1:], start=parts[0])

        def pull(weights: Floats) -> Floats:
            shared = weights / total
            found = np.asarray((shared * parts[0]) @ columns[0], np.float64)
            for part, column in zip(parts[1:], columns[1:], strict=True):
                found += (shared * part) @ column
            return found

        return top + np.log(total), pull

    return surface


def stack(*columns: Floats | float, like: Floats) -> Floats:
    """Columns side by side, (n, P); a number stands for a column of it, as long as `like`."""
    return np.stack([np.broadcast_to(np.asarray(c, np.float64), like.shape) for c in columns], axis=1)


def grid(*values: list[float]) -> Floats:
    """All combinations of values, (K, number of lists)."""
    return np.stack([g.ravel() for g in np.meshgrid(*values, indexing="ij")], axis=1)


def least_squares(design: Floats, runs: Runs) -> Floats:
    """One start (1, P), where the squares of the log residuals are least."""
    return np.asarray(np.linalg.lstsq(design, np.log(runs.loss), rcond=None)[0][None], np.float64)


def log_rest(log_loss: float, taken: Floats) -> Floats:
    """log(loss - taken) for a log loss and log amounts taken off it; nan where nothing is left."""
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = -np.expm1(taken - log_loss)
        return np.asarray(log_loss + np.log(np.where(gap > 0, gap, np.nan)), np.float64)


def log_amount(log_scale: Floats, exponent: Floats, log_rest: Floats) -> Floats:
    """log D of B / D^beta = rest; infinity where nothing is left, or where more data does not help."""
    with np.errstate(invalid="ignore", divide="ignore"):
        amount = (log_scale - log_rest) / exponent
    return np.where((exponent > 0) & ~np.isnan(log_rest), amount, np.inf)
