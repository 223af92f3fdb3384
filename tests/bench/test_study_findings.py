"""What runs of a known law are found to say: the law, the largest run, twice the data, the best split, crossings."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from study_runs import AMOUNTS, QUICK, SIZES, additive, found_in, made_up, paper

from facevid.bench.scaling import Runs
from facevid.bench.study import Findings, find
from facevid.bench.study.findings import split_of
from facevid.bench.study.foretold import foretell
from facevid.bench.study.words import say_foretold


@pytest.fixture(scope="module")
def found() -> Findings:
    return found_in("made up")


@pytest.fixture(scope="module")
def of_paper() -> Findings:
    return found_in("paper")


def test_a_law_in_size_and_data_is_chosen_for_runs_that_were_made_by_one(found: Findings) -> None:
    assert found.best in ("additive", "kaplan")
    law = found.law
    assert law is not None and law.refused is None and law.failing is None
    assert law.rmse == pytest.approx(0.002, rel=0.6)
    for low_high in (law.constants[name][1:] for name in ("alpha", "beta")):
        assert low_high[0] is not None and low_high[1] is not None and low_high[0] < low_high[1]
    low, high = law.constants["E"][1:]
    assert low is not None and high is not None and low < 0.6 < high


def test_the_largest_run_lies_in_the_interval_of_a_law_that_did_not_see_it(found: Findings) -> None:
    told = found.foretold
    assert told is not None and (told.size, told.data, told.others) == (SIZES[-1], AMOUNTS[-1], 15)
    assert told.best.low < additive(SIZES[-1], AMOUNTS[-1]) < told.best.high and told.best.within
    assert {p.law for p in told.all} == {"power", "floored", "additive", "kaplan", "crossed", "slopes"}
    power = next(p for p in told.all if p.law == "power")
    assert power.high - power.low > 5 * (told.best.high - told.best.low)  # a law without size cannot know


def test_a_largest_run_off_the_law_is_told_to_lie_outside() -> None:
    runs = made_up()
    loss = runs.loss.copy()
    loss[-1] *= 1.1
    told, why = foretell(Runs(runs.size, runs.data, loss, None, None, runs.unit, runs.metric), QUICK)
    assert told is not None and why is None and not told.best.within
    assert "above the interval, so this law does not hold up to the largest run" in say_foretold(told)


def test_twice_the_data_is_where_the_law_that_made_the_runs_has_it(found: Findings) -> None:
    assert [one.size for one in found.more] == list(SIZES)
    for one in found.more:
        assert one.data == 2 * AMOUNTS[-1]
        assert one.low < additive(one.size, one.data) < one.high
        truth = additive(one.size, one.data) / additive(one.size, AMOUNTS[-1])
        assert one.ratio[0] == pytest.approx(truth, abs=0.004) and one.ratio[1] < one.ratio[0] < one.ratio[2]


def test_twice_the_compute_is_split_where_compute_grows_with_data(found: Findings) -> None:
    assert found.split is not None and found.split.startswith(
        "Twice the compute of the largest run: 1.44e+13 FLOP"
    )
    assert found.best is not None
    boot = found.boots[found.best]
    alike = dataclasses.replace(boot.fit.runs, compute=1e6 * boot.fit.runs.size)
    split, why = split_of(dataclasses.replace(boot, fit=dataclasses.replace(boot.fit, runs=alike)), 0.95)
    assert split is None and why is not None and "only runs of as many epochs trade size against data" in why


def test_no_size_overtakes_another_where_none_does(found: Findings) -> None:
    assert found.crossings == (
        "Within the data measured no size overtakes another (200K to 3M, by one slope per size).",
    )


def test_the_papers_grid_has_its_slopes_and_its_crossing_and_the_additive_law_fails(
    of_paper: Findings,
) -> None:
    assert of_paper.best == "slopes" and of_paper.law is not None
    assert of_paper.law.constants["beta[2B]"][0] == pytest.approx(0.168, abs=1e-3)
    assert of_paper.law.constants["beta[5B]"][0] == pytest.approx(0.360, abs=1e-3)
    laws = {law.name: law for law in of_paper.laws}
    assert laws["additive"].refused is not None and "two sizes (2B and 5B)" in laws["additive"].refused
    assert laws["additive"].failing is not None and "driven to 0 at 5B" in laws["additive"].failing
    assert any("5B overtakes 2B at about 273 hours" in s for s in of_paper.crossings)
    text = " ".join(of_paper.sentences)
    assert "so the additive law cannot describe such runs" in text
    assert "No best split of a budget: the runs have no column of compute." in text


def test_too_few_runs_are_told_and_fitted_to_nothing() -> None:
    few = Runs(np.array([1e5, 1e5, 1e6, 1e6]), np.array([1.0, 2.0, 1.0, 2.0]), np.array([3.0, 2.0, 2.5, 1.5]))
    told = find(few, QUICK)
    assert told.best is None and told.why_none is not None and "No law can be judged" in told.why_none
    assert told.foretold is None and told.why_not_foretold is not None
    assert all(law.sentence for law in told.laws) and told.more == ()
    assert any(s.startswith("No law was chosen: ") for s in told.sentences)
    assert told.crossings == ()


def test_one_run_alone_is_no_study_but_no_fault_either() -> None:
    told = find(Runs(np.array([1e5]), np.array([1.0]), np.array([3.0])), QUICK)
    assert told.best is None and told.why_not_foretold == "there is no other run"


def test_the_same_runs_and_seed_give_the_same_findings_and_they_are_plain_json(
    found: Findings, of_paper: Findings
) -> None:
    again = find(paper(), QUICK)
    assert again.best == of_paper.best and again.foretold is not None and of_paper.foretold is not None
    # The last digits of sums hang on where arrays lie in memory.
    assert again.foretold.best.low == pytest.approx(of_paper.foretold.best.low, rel=1e-6)
    for one, other in zip(again.laws, of_paper.laws, strict=True):
        assert one.refused == other.refused and list(one.constants) == list(other.constants)
    assert json.loads(json.dumps(found.to_dict()))["runs"]["loss"] == made_up().loss.tolist()
