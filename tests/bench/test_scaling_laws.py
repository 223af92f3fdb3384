"""The laws: their values against formulas written out, gradients against differences, and their inverses."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from facevid.bench.scaling import LAWS, Runs, ScalingError, law_for
from facevid.bench.scaling.crossed import CrossedLaw, SlopesLaw
from facevid.bench.scaling.laws import gradient

Floats = NDArray[np.float64]

SIZES = np.repeat([1e6, 4e6, 2e7], 4)
DATA = np.tile([10.0, 30.0, 90.0, 300.0], 3)
RUNS = Runs(SIZES, DATA, np.linspace(3.0, 2.0, 12))
LOG_N, LOG_D = np.log(SIZES), np.log(DATA)
THETA = {
    "power": [0.9, 0.3],
    "floored": [0.1, 0.4, 0.3],
    "additive": [0.1, -0.7, 0.4, 0.25, 0.35],
    "kaplan": [0.1, -0.7, 0.4, 0.25, math.log(0.4)],
    "crossed": [0.9, 0.1, 0.3, -0.05],
    "slopes": [1.0, 0.9, 0.8, 0.2, 0.3, 0.4],
}

FORMULAS: dict[str, Callable[[dict[str, float]], Floats]] = {
    "power": lambda c: c["B"] / DATA ** c["beta"],
    "floored": lambda c: c["E"] + c["B"] / DATA ** c["beta"],
    "additive": lambda c: c["E"] + c["A"] / SIZES ** c["alpha"] + c["B"] / DATA ** c["beta"],
    "kaplan": lambda c: c["E"] + (c["A"] / SIZES ** (c["alpha"] / c["beta"]) + c["B"] / DATA) ** c["beta"],
    "crossed": lambda c: np.exp(c["c"] - c["alpha"] * LOG_N - c["beta"] * LOG_D + c["gamma"] * LOG_N * LOG_D),
    "slopes": lambda c: np.concatenate(
        [c[f"B[{s}]"] / DATA[:4] ** c[f"beta[{s}]"] for s in ("1M", "4M", "20M")]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAWS)
def test_a_law_is_its_formula_with_its_constants(name: str) -> None:
    law, theta = law_for(name, RUNS), np.array([THETA[name]])
    assert law.width == theta.shape[1]
    found = np.exp(law.surface(LOG_N, LOG_D)(theta)[0][0])
    constants = {key: float(values[0]) for key, values in law.constants(theta).items()}
    np.testing.assert_allclose(found, FORMULAS[name](constants), rtol=1e-10)


@pytest.mark.parametrize("name", LAWS)
def test_the_gradient_is_that_of_finite_differences(name: str) -> None:
    law, theta = law_for(name, RUNS), np.array(THETA[name])
    surface = law.surface(LOG_N, LOG_D)
    steps = 1e-6 * np.eye(law.width)
    differences = (surface(theta + steps)[0] - surface(theta - steps)[0]).T / 2e-6
    np.testing.assert_allclose(gradient(law, theta, LOG_N, LOG_D), differences, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", LAWS)
def test_the_data_for_a_loss_gives_that_loss(name: str) -> None:
    law, theta = law_for(name, RUNS), np.array([THETA[name]])
    for log_n, log_d in zip(LOG_N, LOG_D, strict=True):
        log_loss = float(law.surface(np.array([log_n]), np.array([log_d]))(theta)[0][0, 0])
        np.testing.assert_allclose(law.log_data_for(theta, float(log_n), log_loss), log_d, rtol=1e-8)


@pytest.mark.parametrize("name", ["floored", "additive", "kaplan"])
def test_no_data_brings_a_law_below_its_floor_and_endless_data_brings_it_there(name: str) -> None:
    law, theta = law_for(name, RUNS), np.array([THETA[name]])
    log_n = float(LOG_N[0])
    floor = float(law.log_floor(theta, log_n)[0])
    assert np.isinf(law.log_data_for(theta, log_n, floor - 1e-3)).all()
    far = law.surface(np.array([log_n]), np.array([200.0]))(theta)[0]
    np.testing.assert_allclose(far, floor, atol=1e-9)


@pytest.mark.parametrize("name", ["power", "floored", "additive", "slopes"])
def test_a_law_that_rises_with_data_reaches_nothing_by_more_of_it(name: str) -> None:
    law, theta = law_for(name, RUNS), np.array([THETA[name]])
    theta[0, -3 if name == "slopes" else -1] = -0.1
    assert np.isinf(law.log_data_for(theta, float(LOG_N[0]), 0.0)).all()


def test_at_the_crossing_two_sizes_do_equally_well() -> None:
    slopes = law_for("slopes", RUNS)
    assert isinstance(slopes, SlopesLaw)
    theta = np.array([THETA["slopes"]])
    at = slopes.log_crossing(theta, math.log(1e6), math.log(2e7))
    both = slopes.surface(np.log([1e6, 2e7]), np.repeat(at, 2))(theta)[0][0]
    assert both[0] == pytest.approx(both[1])
    crossed = law_for("crossed", RUNS)
    assert isinstance(crossed, CrossedLaw)
    theta = np.array([THETA["crossed"]])
    every = crossed.surface(np.log([1e6, 4e6, 2e7]), np.repeat(crossed.log_crossing(theta), 3))(theta)[0][0]
    np.testing.assert_allclose(every, every[0])


def test_one_slope_per_size_says_nothing_of_another_size() -> None:
    with pytest.raises(
        ScalingError, match="says nothing of a model of 5M parameters; it was fitted to 1M, 4M and 20M"
    ):
        law_for("slopes", RUNS).surface(np.log([5e6]), np.log([10.0]))


def test_an_unknown_law_is_refused_with_the_names_of_all() -> None:
    with pytest.raises(ScalingError, match="no law 'cubic'; the laws are power, floored, additive, kaplan"):
        law_for("cubic", RUNS)
