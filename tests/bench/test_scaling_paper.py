"""DH-FaceVid-1K's own scaling grid: the additive law fails, one slope per size does better, and sentences say so."""

from __future__ import annotations

import math

import numpy as np
import pytest

from facevid.bench.scaling import (
    Bootstrap,
    Choice,
    Runs,
    UnsupportedError,
    bootstrap,
    choose,
    crossing,
    fit_law,
    say_choice,
    say_crossing,
    say_fit,
    why_failing,
)

# CogVideoX text-to-video, FVD by hours of training data: the scaling table of DH-FaceVid-1K.
HOURS = [100.0, 200.0, 400.0, 600.0, 800.0, 1000.0]
FVD_2B = [215.06, 185.06, 177.18, 145.14, 148.82, 150.27]
FVD_5B = [237.52, 203.52, 180.99, 143.25, 121.63, 98.01]
PAPER = Runs(
    np.repeat([2e9, 5e9], 6), np.tile(HOURS, 2), np.array([*FVD_2B, *FVD_5B]), unit="hours", metric="FVD"
)


@pytest.fixture(scope="module")
def slopes() -> Bootstrap:
    """One slope per size by least squares, as the figures given for this grid are."""
    return bootstrap(fit_law(PAPER, "slopes", delta=math.inf), 1000)


@pytest.fixture(scope="module")
def choice() -> Choice:
    return choose(PAPER, delta=math.inf, force=True)


def test_two_sizes_are_refused_for_an_exponent_of_size() -> None:
    for name in ("additive", "kaplan", "crossed"):
        with pytest.raises(
            UnsupportedError, match=r"two sizes \(2B and 5B\) cannot give an exponent of size"
        ):
            fit_law(PAPER, name)


def test_the_additive_law_fitted_by_force_loses_its_size_term() -> None:
    fit = fit_law(PAPER, "additive", delta=math.inf, force=True)
    assert fit.rmse == pytest.approx(0.099, abs=5e-4)
    constants = fit.constants
    assert constants["A"] * 5e9 ** -constants["alpha"] < 0.01
    failing = why_failing(fit)
    assert failing is not None and failing.startswith(
        "its size term is driven to 0 at 5B from 10% of what falls at 2B"
    )


def test_one_slope_per_size_has_the_slopes_and_the_error_given(slopes: Bootstrap) -> None:
    constants = slopes.fit.constants
    assert constants["beta[2B]"] == pytest.approx(0.168, abs=1e-3)
    assert constants["beta[5B]"] == pytest.approx(0.360, abs=1e-3)
    assert slopes.fit.rmse == pytest.approx(0.072, abs=5e-4)
    assert why_failing(slopes.fit) is None


def test_hubers_small_delta_makes_slopes_of_least_absolute_residuals_that_are_near() -> None:
    fit = fit_law(PAPER, "slopes")
    assert fit.constants["beta[2B]"] == pytest.approx(0.168, abs=0.012)
    assert fit.constants["beta[5B]"] == pytest.approx(0.360, abs=0.012)
    assert fit.rmse == pytest.approx(0.072, abs=1e-3)


def test_the_crossing_is_located_by_the_lines_with_an_interval_and_by_the_runs(slopes: Bootstrap) -> None:
    found = crossing(slopes, 2e9, 5e9)
    assert found.at is not None
    # exp((7.2100 - 6.1346) / (0.36018 - 0.16848)), of the two lines by numpy's polyfit
    assert found.at.value == pytest.approx(273.1, abs=0.5)
    assert 130 < found.at.low < 250 and 600 < found.at.high < 2000
    assert found.measured == ((400.0, 600.0),)
    assert found.better_after == 5e9
    assert found.inside > 0.9


def test_one_slope_per_size_foretells_the_largest_runs_best(choice: Choice) -> None:
    assert choice.best == "slopes"
    assert [s.by for s in choice.splits] == ["data"] and choice.splits[0].count == 2
    error = choice.verdict("slopes").held_out["data"]
    assert error == pytest.approx(0.165, abs=1e-3)
    assert error < choice.verdict("power").held_out["data"] < 0.23
    assert choice.verdict("additive").refused is not None
    assert choice.verdict("additive").fit is not None


def test_the_sentences_say_what_failed_what_was_refused_and_where_the_sizes_cross(
    choice: Choice, slopes: Bootstrap
) -> None:
    text = say_choice(choice)
    assert text.startswith(
        "Fitted without the 2 runs of the most data, one slope per size foretells them best"
    )
    assert "Refused: the additive law, Kaplan's law and the crossed law, for two sizes (2B and 5B)" in text
    assert "The additive law, fitted all the same, fails: its size term is driven to 0 at 5B" in text
    assert "its residuals are 0.099 against 0.072" in text
    assert "The largest size was not held out" in text
    told = say_fit(slopes)
    assert told.startswith("Over 12 runs the FVD follows one power of data for each size: beta of 2B 0.168 (")
    assert "beta of 5B 0.360 (" in told and "0.072" in told
    crossed = say_crossing(crossing(slopes, 2e9, 5e9), "hours", "FVD")
    assert crossed.startswith("5B overtakes 2B at about 273 hours (95% interval ")
    assert "The runs themselves change order between 400 and 600 hours." in crossed
    assert "so the additive law cannot describe such runs" in crossed


def test_a_forced_fit_is_told_as_one_that_means_nothing() -> None:
    fit = fit_law(PAPER, "additive", delta=math.inf, force=True)
    text = say_fit(bootstrap(fit, 10))
    assert "the residuals of log FVD are 0.099" in text
    assert "It fails: its size term is driven to 0" in text
    assert "These runs cannot support it, so its constants mean nothing: two sizes" in text
    assert "alpha 3" not in text


def test_without_force_the_refused_laws_are_not_fitted() -> None:
    quiet = choose(PAPER, delta=math.inf)
    assert quiet.best == "slopes"
    assert quiet.verdict("additive").fit is None
    assert "fitted all the same" not in say_choice(quiet)
