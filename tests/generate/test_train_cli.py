"""`facevid.train` and `facevid train`: which clips, what is saved beside the training, and what they say."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import facevid
from facevid.cli import main
from facevid.engine import FolderBusy, folder_lock
from facevid.generate.errors import GenerateError

torch = pytest.importorskip("torch", reason="needs torch, which is an extra")
pytest.importorskip("diffusers", reason="needs diffusers, which is an extra")

from safetensors.torch import load_file  # noqa: E402

from facevid.generate import train as module  # noqa: E402
from facevid.generate.recipe import read_recipe  # noqa: E402
from facevid.generate.training import publishing  # noqa: E402
from facevid.generate.training.estimate import Estimate, memory_of  # noqa: E402
from facevid.generate.training.parts import parts_of  # noqa: E402
from facevid.generate.training.publishing import finish, publish  # noqa: E402
from facevid.generate.training.task import Cost  # noqa: E402

from . import fakes  # noqa: E402
from .toy_task import RECIPE, ToyTask, toy_recipe  # noqa: E402

torch.set_num_threads(1)
sys.path.insert(0, str(Path(__file__).parents[1] / "curate"))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 clips of six people."""
    return fakes.six_people(tmp_path_factory.mktemp("train"))


class SavingTask(ToyTask):
    """A toy that saves facevid.json too."""

    def save(self, folder: Path, about: Mapping[str, Any]) -> None:
        super().save(folder, about)
        (folder / "facevid.json").write_text(json.dumps(about))


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Every recipe trains the toy; what was asked for each."""
    asked: list[tuple[Any, ...]] = []

    def make(recipe: Any, train: Any, validation: Any, folder: Any, *rest: Any) -> ToyTask:
        asked.append((recipe, train, validation, folder, *rest))
        return SavingTask()

    monkeypatch.setattr(module, "make_task", make)
    return asked


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "toy.yaml"
    path.write_text(json.dumps(RECIPE))
    return path


def people(part: facevid.Dataset) -> set[str]:
    return set(part.rows(["identity"])["identity"].to_pylist())


def test_people_are_held_out_by_the_seed_and_all_others_are_learnt_from(dataset: Path) -> None:
    whole = facevid.open(dataset)
    (train, held), _ = parts_of(whole, toy_recipe(), where=None, subset=None, split=None)
    assert len(train) + len(held) == 12 and len(people(held)) == 1
    assert not people(train) & people(held)
    (again, _), _ = parts_of(whole, toy_recipe(), where=None, subset=None, split=None)
    assert again.ids.equals(train.ids)
    others = {
        frozenset(
            people(parts_of(whole, toy_recipe(f"seed={seed}"), where=None, subset=None, split=None)[0][1])
        )
        for seed in range(8)
    }
    assert len(others) > 1


def test_a_saved_subset_or_split_is_taken_and_where_narrows_it(dataset: Path) -> None:
    whole = facevid.open(dataset)
    whole.select(whole.ids.to_pylist()[:10]).save("ten", replace=True)
    whole.split([0.7, 0.3], 1, names=("train", "validation")).save("two", replace=True)
    whole.split([0.5, 0.5], 1, names=("a", "train")).save("odd", replace=True)
    (train, held), _ = parts_of(whole, toy_recipe(), where=None, subset="ten", split=None)
    assert len(train) + len(held) == 10
    (train, held), _ = parts_of(whole, toy_recipe(), where="identity <> 'p1'", subset=None, split="two")
    assert train.ids.equals(whole.subset("two", "train").where("identity <> 'p1'").ids)
    with pytest.raises(GenerateError, match=r"has the parts a, train; training needs .* lacks validation"):
        parts_of(whole, toy_recipe(), where=None, subset=None, split="odd")
    with pytest.raises(GenerateError, match="not both"):
        parts_of(whole, toy_recipe(), where=None, subset="ten", split="two")
    with pytest.raises(GenerateError, match="No clip is left in the part train and validation"):
        parts_of(whole, toy_recipe(), where="false", subset=None, split="two")


def test_too_few_people_are_a_sentence(dataset: Path) -> None:
    two = facevid.open(dataset).where("identity in ('p0', 'p1')")
    with pytest.raises(
        GenerateError, match=r"has 2 people .* among the 4 chosen clips; .* needs 3\. Name a saved"
    ):
        parts_of(two, toy_recipe(), where=None, subset=None, split=None)
    with pytest.raises(GenerateError, match=r"data.holdout is 0\.0"):
        parts_of(facevid.open(dataset), toy_recipe("data.holdout=0"), where=None, subset=None, split=None)


def test_a_model_is_saved_with_its_facts_beside_its_training(
    dataset: Path, tasks: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    out = tmp_path / "model"
    done = facevid.train(RECIPE, dataset, out, changes=["optimisation.steps=6"])
    assert (done.step, done.steps, done.ended, done.samples_seen) == (6, 6, "finished", 48)
    facts = json.loads((out / "facevid.json").read_text())
    assert facts["step"] == 6 and facts["recipe"]["optimisation"]["steps"] == 6
    assert facts["held_out_loss"] == done.held_out_loss
    assert facts["data"]["train_clips"] + facts["data"]["validation_clips"] == 12
    assert (facts["frames"], facts["sizes"], facts["kind"], facts["family"]) == (
        [1],
        [[1, 1]],
        "video",
        "toy",
    )
    averaged = load_file(out / ".train/checkpoints/step-00000006/ema.safetensors")
    saved = load_file(out / "toy.safetensors")
    assert all(torch.equal(saved[name], averaged[name]) for name in averaged)
    summary = json.loads((out / ".train/summary.json").read_text())
    assert summary["samples_per_s"] == done.samples_per_s and summary["trained_steps"] == 6
    assert sorted(p.name for p in out.iterdir()) == [".train", "facevid.json", "toy.safetensors"]


def test_the_same_call_goes_on_and_a_finished_model_is_left_as_it_is(
    dataset: Path, tasks: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    out = tmp_path / "model"
    facevid.train(RECIPE, dataset, out)
    before = (out / "toy.safetensors").stat()
    again = facevid.train(RECIPE, dataset, out)
    assert again.trained_steps == 0 and again.samples_per_s is None
    assert (out / "toy.safetensors").stat() == before
    with pytest.raises(GenerateError, match="the clips to learn from are others"):
        facevid.train(RECIPE, dataset, out, where="identity <> 'p1'")


def test_what_is_asked_reaches_the_task(dataset: Path, tasks: list[tuple[Any, ...]], tmp_path: Path) -> None:
    facevid.train(RECIPE, dataset, tmp_path / "m", autoencoder=tmp_path / "ae", on_the_fly=True)
    recipe, train, held, folder, accelerator, on_the_fly, _ = tasks[0]
    assert recipe.model.autoencoder == str(tmp_path / "ae") and folder == tmp_path / "m" and on_the_fly
    assert len(train) > len(held) and accelerator.device.type in ("cpu", "cuda")
    own = {**RECIPE, "model": None, "autoencoder": {}}
    with pytest.raises(GenerateError, match="trains an autoencoder and takes no other part"):
        facevid.train(own, dataset, tmp_path / "m", autoencoder=tmp_path / "ae")


def test_a_dry_run_measures_a_few_steps_and_writes_nothing(
    dataset: Path, tasks: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    found = facevid.train(
        RECIPE, dataset, tmp_path / "m", dry_run=True, changes=["optimisation.accumulate=2"]
    )
    assert isinstance(found, Estimate) and not (tmp_path / "m").exists()
    count = ToyTask().cost().parameters
    assert (found.parameters, found.batch, found.micro_batch, found.steps) == (count, 8, 4, 12)
    assert found.epochs == 12 * 8 / 50
    assert found.memory["optimizer"] == 8 * count and found.memory["activations"] == 4 * 800
    assert found.step_s is not None and found.data_s is not None and found.seconds is not None
    assert found.measured_samples == 4 * 8 and found.seconds == 12 * max(found.step_s, found.data_s) > 0


def test_a_step_that_takes_long_is_measured_by_a_part_of_it(
    dataset: Path, tasks: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facevid.generate.training.estimate._SECONDS", 1e-5)
    found = facevid.train(RECIPE, dataset, dry_run=True, changes=["optimisation.accumulate=4"])
    assert isinstance(found, Estimate)
    assert found.measured_samples == 2 and found.step_s and found.step_s > 0
    # At the speed of a matrix product a sample takes 1 ms, so that of the 4 ms only one fits.
    cost = ToyTask().cost()
    monkeypatch.setattr("facevid.generate.training.estimate._SECONDS", 4e-3)
    monkeypatch.setattr("facevid.generate.training.estimate.peak_flops", lambda *_: 3e3 * cost.flops)
    found = facevid.train(RECIPE, dataset, dry_run=True)
    assert isinstance(found, Estimate)
    assert found.measured_samples in (1, 2, 3, 4) and found.micro_batch == 8


def test_what_does_not_fit_or_takes_too_long_is_told_and_not_measured(
    dataset: Path, recipe: Path, tasks: list[Any], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    place = "facevid.generate.training.estimate"
    monkeypatch.setattr(f"{place}.Trainee", None)
    weights = (
        16 * ToyTask().cost().parameters
    )  # and gradients, moments and average; it has the weights already
    monkeypatch.setattr(f"{place}.free_memory", lambda _: weights + 100)
    found = facevid.train(RECIPE, dataset, dry_run=True)
    assert isinstance(found, Estimate)
    assert (found.step_s, found.data_s, found.seconds, found.measured_bytes) == (None,) * 4
    assert found.measured_samples == 0 and found.parameters > 0 and found.memory_bytes > weights
    assert main(["train", str(recipe), "--data", str(dataset), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert (
        "Memory of a device: about" in said and "Time on cpu: not measured, since the training needs" in said
    )
    assert "raise optimisation.accumulate, set optimisation.checkpoint_activations" in said
    monkeypatch.setattr(f"{place}.free_memory", lambda _: 100)
    found = facevid.train(RECIPE, dataset, dry_run=True)
    assert isinstance(found, Estimate) and found.unmeasured
    assert "accumulate" not in found.unmeasured and "run it where there is more memory" in found.unmeasured
    monkeypatch.setattr(f"{place}.free_memory", lambda _: 10**9)
    monkeypatch.setattr(f"{place}.peak_flops", lambda *_: ToyTask().cost().flops / 20)
    found = facevid.train(RECIPE, dataset, dry_run=True)
    assert isinstance(found, Estimate) and found.unmeasured and found.samples == 50
    assert "one sample takes at least 60 s here" in found.unmeasured and "for 20 s" in found.unmeasured


def test_memory_is_what_the_parts_of_training_hold() -> None:
    cost = Cost(parameters=1000, frozen_parameters=500, flops=1.0, bytes=10.0, tokens=1)
    plain = memory_of(cost, toy_recipe(), 4, 1)
    assert plain == {
        "weights": 4000, "gradients": 4000, "optimizer": 8000, "average": 4000, "frozen": 2000, "activations": 40,
    }  # fmt: skip
    half = memory_of(cost, toy_recipe("optimisation.precision=bf16", "optimisation.ema=0"), 4, 2)
    assert half == {
        "weights": 2000, "gradients": 2000, "optimizer": 4000, "average": 0, "frozen": 1000, "activations": 40,
    }  # fmt: skip


def test_a_second_training_in_the_folder_is_refused(dataset: Path, tasks: list[Any], tmp_path: Path) -> None:
    with folder_lock(tmp_path / "m" / ".train"), pytest.raises(FolderBusy):
        facevid.train(RECIPE, dataset, tmp_path / "m")
    assert not tasks


def test_a_start_that_is_refused_leaves_nothing_behind(
    dataset: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: Any) -> ToyTask:
        raise GenerateError("There is no autoencoder.")

    monkeypatch.setattr(module, "make_task", refuse)
    with pytest.raises(GenerateError, match="no autoencoder"):
        facevid.train(RECIPE, dataset, tmp_path / "new" / "m")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "notes").touch()
    with pytest.raises(GenerateError, match="cannot be split"):
        facevid.train(RECIPE, dataset, tmp_path / "m", changes=["optimisation.accumulate=3"])
    assert [p.name for p in (tmp_path / "m").iterdir()] == ["notes"]


def model(folder: Path, text: str) -> None:
    (folder / "transformer").mkdir()
    (folder / "transformer" / "weights").write_text(text)
    (folder / "facevid.json").write_text(json.dumps({"format": "facevid-model", "version": 1, "step": text}))


def test_a_save_that_fails_or_is_killed_midway_leaves_a_whole_model(tmp_path: Path) -> None:
    folder, work = tmp_path / "m", tmp_path / "m" / ".train"
    work.mkdir(parents=True)
    publish(lambda place: model(place, "old"), folder, work)

    def fails(place: Path) -> None:
        model(place, "broken")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        publish(fails, folder, work)
    assert (folder / "transformer/weights").read_text() == "old" and not (work / "model-new").exists()
    # Killed while files are renamed: some are there already, the rest waits in model-new.
    (work / "model-new").mkdir()
    model(work / "model-new", "new")
    (folder / "transformer").rename(tmp_path / "away")
    (work / "model-new/transformer").rename(folder / "transformer")
    finish(folder, work)
    assert (folder / "transformer/weights").read_text() == "new"
    assert json.loads((folder / "facevid.json").read_text())["step"] == "new"
    assert [p.name for p in work.iterdir()] == []


def test_the_card_is_written_where_the_log_and_the_notes_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, work = tmp_path / "m", tmp_path / "m" / ".train"
    work.mkdir(parents=True)
    (folder / "README.md").write_text("notes by hand")
    told: list[tuple[Path, Any, str]] = []

    def write(place: Path, facts: Mapping[str, Any]) -> None:
        told.append((place, facts["step"], (place / "README.md").read_text()))

    monkeypatch.setattr(publishing, "write_card", write)

    def save(place: Path) -> None:
        model(place, "new")
        (place / "README.md").write_text("made in a place for a while")

    publish(save, folder, work)
    assert told == [(folder, "new", "notes by hand")]


def test_the_command_tells_what_it_did(
    dataset: Path, recipe: Path, tasks: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model"
    arguments = [
        "train",
        str(recipe),
        "--data",
        str(dataset),
        "-o",
        str(out),
        "--set",
        "optimisation.steps=4",
    ]
    assert main(arguments) == 0
    said = capsys.readouterr()
    assert f"{out}: toy, " in said.out and "4 of 4 steps, 32 samples" in said.out
    assert "samples/s" in said.out and "waiting for data" in said.out
    assert "train: 4 of 4, loss" in said.err
    assert main([*arguments, "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["trained_steps"] == 0 and said.err == ""
    made = len(tasks)
    assert main([*arguments, "--set", "optimisation.accumulate=3"]) == 2
    assert "make it a multiple of 3" in capsys.readouterr().err
    assert main([*arguments, "--set", "optimisation.lr=1"]) == 2
    assert len(tasks) == made  # refused before any latents are made
    assert "optimisation.lr was 0.01 and is now 1.0" in capsys.readouterr().err


def test_the_command_estimates(
    dataset: Path, recipe: Path, tasks: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(recipe), "--data", str(dataset), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "weights are trained" in said and "Memory of a device" in said and "Time on cpu" in said
    assert main(["train", str(recipe), "--data", str(dataset)]) == 2
    assert "Name the folder for the model" in capsys.readouterr().err


def test_ctrl_c_is_a_sentence_and_code_130_and_the_same_command_goes_on(
    dataset: Path, recipe: Path, tasks: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    import os
    import signal

    class Interrupting(SavingTask):
        def samples(self, folder: Path, seconds: float) -> list[Path]:
            os.kill(os.getpid(), signal.SIGINT)
            return []

    plain = module.make_task
    monkeypatch.setattr(module, "make_task", lambda *_: Interrupting())
    arguments = ["train", str(recipe), "--data", str(dataset), "-o", str(tmp_path / "m"),
                 "--set", "validation.grid_seconds=1"]  # fmt: skip
    assert main(arguments) == 130
    assert "Run the same command again to go on" in capsys.readouterr().err
    assert (tmp_path / "m/.train/checkpoints/step-00000005").is_dir()
    monkeypatch.setattr(module, "make_task", plain)
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trained_steps"] == 7


def test_a_recipe_is_read_before_anything_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "no-such", "--data", str(tmp_path), "-o", str(tmp_path / "m")]) == 2
    assert "There is no recipe named no-such" in capsys.readouterr().err
    assert read_recipe(RECIPE).name == "toy"
