"""The choice among laws by held-out runs, and what a law foretells: against closed forms and made-up truths."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from facevid.bench.scaling import (
    Bootstrap,
    Runs,
    ScalingError,
    UnsupportedError,
    best_split,
    bootstrap,
    choose,
    crossing,
    data_for,
    fit_law,
    predict,
    say_choice,
    say_crossing,
    say_fit,
    say_needed,
    say_split,
)

E, A, B, ALPHA, BETA = 1.2, 60.0, 8.0, 0.35, 0.45
SIZES, AMOUNTS = [1e6, 4e6, 2e7, 8e7], [10.0, 30.0, 90.0, 300.0, 1000.0]


def truth(size: NDArray[np.float64], data: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(E + A / size**ALPHA + B / data**BETA)


def study(sizes: list[float], amounts: list[float], noise: float = 0.005, seed: int = 1) -> Runs:
    n, d = np.repeat(sizes, len(amounts)), np.tile(amounts, len(sizes))
    loss = truth(n, d) * np.exp(np.random.default_rng(seed).normal(0, noise, len(n)))
    return Runs(n, d, loss, unit="hours", metric="loss")


@pytest.fixture(scope="module")
def boot() -> Bootstrap:
    return bootstrap(fit_law(study(SIZES, AMOUNTS), "additive"), 200)


def test_the_law_that_made_the_runs_foretells_the_largest_best() -> None:
    found = choose(study(SIZES, AMOUNTS, noise=0.002))
    assert found.best == "additive"
    assert [s.by for s in found.splits] == ["data", "size"]
    assert set(found.verdict("additive").held_out) == {"data", "size"}
    slopes = found.verdict("slopes")
    assert slopes.score is None and "says nothing of a model of 80M" in slopes.unjudged["size"]
    text = say_choice(found)
    assert (
        "Fitted without the 4 runs of the most data and the 5 runs of the largest sizes, the additive law"
        in text
    )
    assert "One slope per size was not judged on the runs of the largest sizes" in text


def test_the_least_study_is_three_sizes_by_four_amounts_and_its_largest_run_is_foretold() -> None:
    runs = study(SIZES[:3], AMOUNTS[:4])
    found = choose(runs)
    assert found.best in ("additive", "kaplan")
    assert found.not_split is not None and "would leave 2" in found.not_split
    assert "without them, 3 amounts of data cannot give" in found.verdict("floored").unjudged["data"]
    rest = bootstrap(fit_law(runs.where(np.arange(12) < 11), "additive"), 200)
    band = predict(rest, [runs.size[-1]], [runs.data[-1]])
    assert band.low[0] < runs.loss[-1] < band.high[0]


def test_a_floor_that_does_not_show_leaves_the_law_of_fewer_constants() -> None:
    data = np.array([10.0, 30, 90, 300, 1000, 3000])
    runs = Runs(
        np.full(6, 1e6), data, 5 * data**-0.3 * np.exp(np.array([0.01, -0.01, 0.01, -0.01, 0.01, -0.01]))
    )
    found = choose(runs, ["floored", "power"])
    assert found.best == "power"


def test_a_study_in_which_no_law_can_be_judged_is_refused_with_the_reasons() -> None:
    with pytest.raises(
        UnsupportedError, match=r"No law can be judged .* power, without them, 2 amounts of data"
    ):
        choose(study(SIZES[:3], AMOUNTS[:3]))
    with pytest.raises(ScalingError, match="'kaplan' was not among those"):
        choose(study(SIZES, AMOUNTS), ["power", "crossed"]).verdict("kaplan")


def test_new_runs_fall_into_their_interval_about_as_often_as_it_says() -> None:
    data = np.geomspace(10, 3000, 12)
    inside = []
    for seed in range(20):
        random = np.random.default_rng(seed)
        loss = 5 * data**-0.3 * np.exp(random.normal(0, 0.05, (21, 12)))
        fitted = bootstrap(fit_law(Runs(np.full(12, 1e6), data, loss[0]), "power", delta=math.inf), 200)
        band = predict(fitted, np.full(12, 1e6), data, level=0.9)
        inside.append(((band.low < loss[1:]) & (loss[1:] < band.high)).mean())
    assert 0.84 < np.mean(inside) < 0.96


def test_the_interval_of_a_curve_is_narrower_than_that_of_a_run(boot: Bootstrap) -> None:
    n, d = np.repeat(SIZES, 5), np.tile(AMOUNTS, 4)
    run, curve = predict(boot, n, d), predict(boot, n, d, of="curve")
    np.testing.assert_array_equal(run.value, curve.value)
    assert (curve.high - curve.low < run.high - run.low).mean() > 0.9
    assert ((curve.low < truth(n, d)) & (truth(n, d) < curve.high)).mean() > 0.8


def test_predictions_are_the_same_by_the_seed(boot: Bootstrap) -> None:
    one, again = (predict(boot, [4e8], [5000.0]) for _ in range(2))
    assert (one.low == again.low).all() and (one.high == again.high).all()


def test_the_data_for_a_loss_is_that_of_the_truth(boot: Bootstrap) -> None:
    goal = float(truth(np.array([8e7]), np.array([3000.0]))[0])
    found = data_for(boot, goal, size=8e7)
    assert found.amount is not None
    assert found.amount.low < 3000 < found.amount.high
    assert "80M comes to a loss of" in say_needed(found, goal, 8e7, "hours", "loss")


def test_no_data_reaches_a_loss_below_the_floor_and_it_is_said(boot: Bootstrap) -> None:
    found = data_for(boot, 1.0, size=8e7)
    assert found.amount is None and found.never == 1.0
    assert found.floor == pytest.approx(E + A / 8e7**ALPHA, rel=0.05)
    text = say_needed(found, 1.0, 8e7, "hours", "loss")
    assert text.startswith("No amount of data brings 80M to a loss of 1: the floor of 80M, 1.")
    assert text.endswith("is above 1.")


def test_the_best_split_of_a_budget_is_the_least_loss_along_it(boot: Bootstrap) -> None:
    budget, factor = 1e12, 3.0
    found = best_split(boot, budget, factor=factor)
    assert found.size.value * found.data.value * factor == pytest.approx(budget)
    sizes = found.size.value * np.exp(np.linspace(-0.5, 0.5, 201))
    along = predict(boot, sizes, budget / factor / sizes, of="curve").value
    assert along.argmin() == 100
    assert along.min() == pytest.approx(found.loss.value)
    constants = boot.fit.constants
    assert found.exponent.value == pytest.approx(constants["beta"] / (constants["alpha"] + constants["beta"]))
    assert found.exponent.low < BETA / (ALPHA + BETA) < found.exponent.high
    assert "the best size grows as the budget to the power 0.5" in say_split(found, budget, "hours", "loss")


def test_kaplans_law_has_its_best_split_too() -> None:
    boot = bootstrap(fit_law(study(SIZES, AMOUNTS), "kaplan"), 20)
    found = best_split(boot, 1e12, factor=3.0)
    sizes = found.size.value * np.exp(np.linspace(-0.5, 0.5, 201))
    assert predict(boot, sizes, 1e12 / 3.0 / sizes, of="curve").value.argmin() == 100


def test_a_law_by_which_larger_models_do_worse_is_said_to_fail() -> None:
    n, d = np.repeat(SIZES, 5), np.tile(AMOUNTS, 4)
    runs = Runs(n, d, 0.5 + 0.02 * n**0.2 + B / d**BETA, unit="hours")
    fitted = bootstrap(fit_law(runs, "additive"), 10)
    assert "It fails: by its size term larger models do worse (alpha = -0.2" in say_fit(fitted)
    with pytest.raises(ScalingError, match="does not fall with both size and data"):
        best_split(fitted, 1e12, factor=3)


def test_curves_that_cross_are_found_by_the_crossed_law_for_all_sizes() -> None:
    n, d = np.repeat(SIZES, 5), np.tile(AMOUNTS, 4)
    x, y = np.log(n / 1e7), np.log(d / 200)
    noise = np.random.default_rng(3).normal(0, 0.01, 20)
    runs = Runs(n, d, np.exp(1 - 0.2 * y - 0.05 * x * y + noise), unit="hours")
    boot = bootstrap(fit_law(runs, "crossed"), 200)
    found = crossing(boot, 1e6, 8e7)
    assert found.at is not None and found.at.low < 200 < found.at.high
    assert found.better_after == 8e7 and found.measured == ((90.0, 300.0),)
    assert choose(runs).best == "crossed"
    assert "gamma -0.05" in say_fit(boot)
    assert say_crossing(found, "hours", "loss").startswith("80M overtakes 1M at about ")


def test_questions_that_a_law_cannot_answer_are_refused(boot: Bootstrap) -> None:
    with pytest.raises(ScalingError, match="the curves of two sizes never cross"):
        crossing(boot, 1e6, 4e6)
    with pytest.raises(ScalingError, match="A curve does not cross itself: both sizes are 1M"):
        crossing(boot, 1e6, 1e6)
    power = bootstrap(fit_law(boot.fit.runs, "power"), 10)
    with pytest.raises(ScalingError, match="has no best split of a budget"):
        best_split(power, 1e12, factor=6)
    for size, data in (([1e6], [0.0]), ([-1.0], [1.0]), ([math.nan], [1.0])):
        with pytest.raises(ScalingError, match="finite numbers above 0"):
            predict(boot, size, data)
    with pytest.raises(ScalingError, match="2 sizes and 1 amounts of data are no pairs"):
        predict(boot, [1e6, 2e6], [1.0])
    with pytest.raises(ScalingError, match="The loss to reach is -1"):
        data_for(boot, -1.0, size=1e6)
    with pytest.raises(ScalingError, match="The budget of compute is 0"):
        best_split(boot, 0, factor=6)
