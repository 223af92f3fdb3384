"""The grid of a study: who is held out, what each fraction has, and the recipe of every run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch, which is an extra")
pytest.importorskip("diffusers", reason="needs diffusers, which is an extra")

sys.path.insert(0, str(Path(__file__).parent))

from study_toys import EVEN, toy_study, twelve_people

import facevid
from facevid.bench.errors import BenchError
from facevid.bench.study import Study, read_study
from facevid.bench.study.parts import Parts, parts_of, save_split
from facevid.bench.study.plan import Plan, plan, run_names


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return twelve_people(tmp_path_factory.mktemp("plan"))


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return read_study(toy_study(tmp_path))


def people(part: Any) -> set[str]:
    return set(part.rows(["identity"])["identity"].to_pylist())


def parts(dataset: Path, study: Study) -> Parts:
    return parts_of(facevid.open(dataset), study)


def grid(dataset: Path, study: Study) -> Plan:
    return plan(study, parts(dataset, study))


def test_nobody_is_tested_and_learnt_from_and_each_fraction_lies_inside_the_next(
    dataset: Path, study: Study
) -> None:
    found = parts(dataset, study)
    test = people(found.test)
    assert len(test) == 3 and len(found.test) == 6
    ids = {p: set(part.ids.to_pylist()) for p, part in found.train.items()}
    assert list(ids) == [0.25, 0.5, 1.0]
    assert ids[0.25] < ids[0.5] < ids[1.0] and len(ids[1.0]) == 18
    assert not test & people(found.train[1.0])
    assert [found.amounts[p].people for p in ids] == [2, 4, 9] or [found.amounts[p].people for p in ids] == [
        2,
        5,
        9,
    ]
    assert all(found.amounts[p].clips == 2 * found.amounts[p].people == len(ids[p]) for p in ids)
    assert found.tested.hours == pytest.approx(6 * 8 / 25 / 3600, abs=1e-4)


def test_test_set_and_fractions_are_stratified_and_the_seed_decides_them(dataset: Path, study: Study) -> None:
    found = parts(dataset, study)
    for part in (found.test, *found.train.values()):
        even = sum(int(name[1:]) % 2 == 0 for name in people(part))
        assert abs(even - len(people(part)) / 2) <= 1
    again = parts(dataset, study)
    assert again.test.ids.equals(found.test.ids)
    assert all(again.train[p].ids.equals(part.ids) for p, part in found.train.items())
    others = {
        frozenset(people(parts(dataset, study.model_copy(update={"seed": seed})).test)) for seed in range(6)
    }
    assert len(others) > 1


def test_a_condition_narrows_the_whole_study(dataset: Path, tmp_path: Path) -> None:
    asked = {"test": 0.3, "fractions": [0.5, 1.0], "where": EVEN}
    found = parts(dataset, read_study(toy_study(tmp_path, data=asked)))
    assert people(found.test) | people(found.train[1.0]) == {f"p{k}" for k in range(0, 12, 2)}


def test_fractions_that_come_to_the_same_clips_are_refused(dataset: Path, tmp_path: Path) -> None:
    asked = {"test": 0.25, "fractions": [0.6, 0.61, 1.0]}
    with pytest.raises(BenchError, match=r"the fractions 0\.6 and 0\.61 both come to \d+ clips"):
        parts(dataset, read_study(toy_study(tmp_path, data=asked)))


def test_a_saved_split_is_what_a_training_takes_and_other_clips_are_refused(
    dataset: Path, study: Study, tmp_path: Path
) -> None:
    found = parts(dataset, study)
    path = save_split(found, 0.5, study, tmp_path / "splits")
    read = facevid.open(dataset).saved_split(str(path))
    assert read["train"].ids.equals(found.train[0.5].ids)
    assert read["validation"].ids.equals(found.test.ids)
    assert save_split(found, 0.5, study, tmp_path / "splits") == path
    other = study.model_copy(update={"seed": 5})
    with pytest.raises(
        BenchError, match=r"holds other clips for train and validation: the study in this folder"
    ):
        save_split(parts(dataset, other), 0.5, other, tmp_path / "splits")


def test_every_run_has_its_recipe_its_steps_and_its_validations(dataset: Path, study: Study) -> None:
    found = grid(dataset, study)
    assert [run.name for run in found.runs] == run_names(study)
    assert run_names(study)[:4] == ["small-0.25-s0", "small-0.5-s0", "small-1-s0", "large-0.25-s0"]
    run = found.runs[-1]
    options = run.recipe.optimisation
    assert (options.steps, run.steps, run.samples, run.recipe.validation.every) == (12, 12, 96, 3)
    assert run.recipe.name == "toys-large-1-s0" and run.recipe.seed == 0
    assert run.recipe.validation.grid_seconds == 0 and not run.recipe.tracking
    assert run.windows >= run.amount.clips == 18 and run.epochs == round(96 / run.windows, 3)
    with pytest.raises(BenchError, match=r"the study has no run nothing; its runs are small-0.25-s0"):
        found.chosen(["nothing"])


def test_samples_are_the_same_for_all_and_epochs_grow_with_the_data(dataset: Path, tmp_path: Path) -> None:
    alike = grid(dataset, read_study(toy_study(tmp_path, steps=None, samples=200)))
    assert {(run.steps, run.samples) for run in alike.runs} == {(25, 200)}
    grown = grid(dataset, read_study(toy_study(tmp_path, steps=None, epochs=4.0)))
    assert [r.steps for r in grown.runs[:3]] == [round(4 * r.windows / 8) for r in grown.runs[:3]]
    assert grown.runs[0].steps < grown.runs[1].steps < grown.runs[2].steps
    assert all(run.epochs == pytest.approx(4, abs=0.25) for run in grown.runs)


def test_rates_depth_and_batch_follow_the_familys_rule_for_a_width(dataset: Path, tmp_path: Path) -> None:
    sizes = [{"name": "a", "width": 64}, {"name": "b", "width": 128, "depth": 2}, {"name": "c", "width": 512}]
    changes = [
        "conditioning.drop_prompt=1",
        "data.buckets=[{frames: 5, height: 32, width: 32}]",
        "data.crop=null",
    ]
    asked = read_study(toy_study(tmp_path, recipe="facevid-xs", sizes=sizes, changes=changes))
    found = {run.size: run.recipe for run in grid(dataset, asked).runs}
    configs = {name: (dict(r.model.config) if r.model else {}) for name, r in found.items()}
    assert configs == {
        "a": {"width": 64, "depth": 2}, "b": {"width": 128, "depth": 2}, "c": {"width": 512, "depth": 11},
    }  # fmt: skip
    assert [found[n].optimisation.lr for n in "abc"] == pytest.approx([4e-3, 2e-3, 5e-4])
    assert [found[n].optimisation.muon_lr for n in "abc"] == pytest.approx([2e-2 * 2**0.5, 2e-2, 1e-2])
    assert [found[n].optimisation.batch for n in "abc"] == [32, 32, 64]


def test_runs_that_would_differ_in_more_than_data_and_size_are_refused(dataset: Path, tmp_path: Path) -> None:
    sizes = [{"name": "a", "width": 64}, {"name": "b", "width": 128}]
    with pytest.raises(BenchError, match=r"each run would learn its own words .*give it: --text TEXT"):
        grid(dataset, read_study(toy_study(tmp_path, recipe="facevid-xs", sizes=sizes)))
    other = [{"name": "a"}, {"name": "b", "changes": ["validation.samples=7", "data.windows=2"]}]
    with pytest.raises(BenchError, match=r"the sizes a and b differ in data, validation\.samples, so that"):
        grid(dataset, read_study(toy_study(tmp_path, sizes=other)))
    with pytest.raises(BenchError, match="the size a has a width, and its recipe toy is of the family toy"):
        grid(dataset, read_study(toy_study(tmp_path, sizes=[{"name": "a", "width": 64}])))
    with pytest.raises(BenchError, match="the recipe autoencoder of the size a trains no video model"):
        grid(dataset, read_study(toy_study(tmp_path, sizes=[{"name": "a", "recipe": "autoencoder"}])))
