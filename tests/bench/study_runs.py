"""Runs made up by a known law, as tables that anybody might have."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from facevid.bench.scaling import Runs, read_runs
from facevid.bench.study import Findings, FitSettings, find

SIZES = (2e5, 5e5, 1.3e6, 3e6)
AMOUNTS = (30.0, 60.0, 120.0, 240.0)


def additive(size: float, data: float) -> float:
    """A sum of powers with a floor, of exponents that people find: E .6, alpha .35, beta .37."""
    return 0.6 + 8.0 / size**0.35 + 0.9 / data**0.37


def rows(noise: float = 0.002, seed: int = 0, sizes: tuple[float, ...] = SIZES) -> list[dict[str, Any]]:
    """A run for every size and amount; noise: deviation of the logarithm of the loss."""
    random = np.random.default_rng([seed, 7])
    return [
        {
            "size": size,
            "data": amount,
            "loss": additive(size, amount) * float(np.exp(random.normal(0, noise))),
            "compute": 1e4 * size * amount,
        }
        for size in sizes
        for amount in AMOUNTS
    ]


def made_up(noise: float = 0.002, seed: int = 0, sizes: tuple[float, ...] = SIZES) -> Runs:
    """The rows as runs of clips."""
    return read_runs(
        rows(noise, seed, sizes), compute="compute", factor=1e4, unit="clips", metric="held-out loss"
    )


def paper() -> Runs:
    """CogVideoX by FVD and hours: the scaling table of DH-FaceVid-1K."""
    small, large = (
        [215.06, 185.06, 177.18, 145.14, 148.82, 150.27],
        [237.52, 203.52, 180.99, 143.25, 121.63, 98.01],
    )
    hours = [100.0, 200.0, 400.0, 600.0, 800.0, 1000.0]
    return Runs(
        np.repeat([2e9, 5e9], 6), np.tile(hours, 2), np.array([*small, *large]), unit="hours", metric="FVD"
    )


QUICK = FitSettings(resamples=30)


@cache
def found_in(what: str) -> Findings:
    """What the runs "made up" or those of the "paper" are found to say; no test changes it."""
    return find({"made up": made_up, "paper": paper}[what](), QUICK)
