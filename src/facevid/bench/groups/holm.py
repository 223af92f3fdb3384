"""Holm's adjustment of p values: over all of a report, the chance of any false alarm stays below the level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from facevid.bench.errors import BenchError
from facevid.bench.result import GroupResult


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p values, in the order given, each from 0 to 1.

    The k-th smallest of m becomes the largest of (m - i + 1) p_(i) over i <= k, at most 1 (Holm, "A simple sequentially
    rejective multiple test procedure", 1979): right whatever the tests have to do with each other. Raises BenchError
    where one is not from 0 to 1.
    """
    given = np.array(p, np.float64)
    wrong = np.flatnonzero(~((given >= 0) & (given <= 1)))
    if len(wrong):
        raise BenchError(
            f"p value {wrong[0]} (counted from 0) is {given[wrong[0]]}; it must be from 0 to 1: leave out tests that "
            "were not made."
        )
    order = np.argsort(given, kind="stable")
    raised = np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1))
    result = np.empty_like(given)
    result[order] = np.minimum(raised, 1.0)
    return [float(one) for one in result]


def adjusted(results: Sequence[GroupResult]) -> list[GroupResult]:
    """The results with p_adjusted filled in by Holm over all that have a p."""
    values = iter(holm([one.p for one in results if one.p is not None]))
    return [replace(one, p_adjusted=None if one.p is None else next(values)) for one in results]
