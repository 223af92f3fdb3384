"""Studies are read strictly: every wrong field is named, and what a study decides cannot be changed behind it."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import Any

import pytest

from facevid.bench.errors import BenchError
from facevid.bench.study import read_study, study_names
from facevid.bench.study.commands import run_commands

SMALL: dict[str, Any] = {
    "name": "small",
    "recipe": "facevid-xs",
    "sizes": [{"name": "a", "width": 64}, {"name": "b", "width": 128}],
    "steps": 10,
}


def test_what_is_not_said_has_the_defaults_that_the_docstrings_give() -> None:
    study = read_study(SMALL)
    assert study.data.fractions == (0.125, 0.25, 0.5, 1.0)
    assert (study.data.test, study.data.of, study.data.unit, study.data.by) == (0.2, "persons", "clips", ())
    assert (study.loss, study.metric, study.seeds, study.validations) == ("best", "held_out", (0,), 16)
    assert (study.fit.delta, study.fit.resamples, study.fit.level) == (math.inf, 1000, 0.95)
    assert read_study({**SMALL, "fit": {"huber": 1e-3}}).fit.delta == 1e-3


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"stpes": 3}, "stpes is no field of a study; did you mean steps?"),
        ({"data": {"tset": 0.1}}, r"data\.tset is no field of a study; did you mean test\?"),
        ({"data": {"test": 1.0}}, r"data\.test = 1\.0: Input should be less than 1"),
        ({"data": {"fractions": [0.5, 0.5]}}, "give each of the fractions once"),
        ({"data": {"fractions": [1.0]}}, "data.fractions"),
        ({"steps": None}, "give exactly one of steps, samples and epochs, not none of them"),
        ({"epochs": 2.0}, "give exactly one of steps, samples and epochs, not steps and epochs"),
        ({"sizes": [{"name": "a"}, {"name": "a"}]}, "give each of the sizes once, by its own name"),
        ({"sizes": [{"name": "a b"}]}, "a size's name is part of a folder's"),
        ({"sizes": [{"name": "a", "depth": 2}]}, "give width along with depth"),
        ({"recipe": None, "sizes": [{"name": "a"}]}, "the size a has no recipe"),
        ({"changes": ["optimisation.steps=3"]}, "is set by steps, samples or epochs of the study"),
        ({"sizes": [{"name": "a", "changes": ["seed=3"]}]}, "seed is set by seeds of the study"),
        ({"seeds": ["1"]}, r"seeds\.0 = '1'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BenchError, match=sentence):
        read_study({**SMALL, **change})


def test_a_study_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"there is no study nothing; give a YAML file, or one of: cpu"):
        read_study("nothing")
    (tmp_path / "broken.yaml").write_text("name: [")
    with pytest.raises(BenchError, match="is no YAML"):
        read_study(tmp_path / "broken.yaml")
    (tmp_path / "list.yaml").write_text("- a")
    with pytest.raises(BenchError, match="no mapping"):
        read_study(tmp_path / "list.yaml")


def test_changes_follow_those_of_the_study_and_are_checked_like_them() -> None:
    study = read_study("cpu", ["optimisation.compile=true"])
    assert study.changes == (*read_study("cpu").changes, "optimisation.compile=true")
    assert read_study(read_study("cpu"), ["optimisation.compile=true"]) == study
    with pytest.raises(BenchError, match=r"optimisation\.steps is set by"):
        read_study("cpu", ["optimisation.steps=3"])


def test_the_study_that_comes_along_has_three_sizes_by_four_amounts() -> None:
    assert "cpu" in study_names()
    study = read_study("cpu")
    assert len(study.sizes) == 3 and len(study.data.fractions) == 4 and study.seeds == (0,)
    assert study.samples == 850 * 32 and study.length == "27,200 samples each"
    assert "optimisation.decay=constant" in study.changes


def test_commands_hand_on_what_was_changed() -> None:
    lines = run_commands(
        "cpu", ["a", "b"], data="d", output="o", autoencoder=None, text=None, changes=["x.y=[1, 2]"]
    )
    words = [shlex.split(line) for line in lines]
    assert all(one[one.index("--set") + 1] == "x.y=[1, 2]" for one in words) and len(words) == 3
