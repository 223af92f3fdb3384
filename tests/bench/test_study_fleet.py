"""`facevid scale` on workers: the same table as one run after the other, whatever becomes of the workers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs torch, which is an extra")
pytest.importorskip("diffusers", reason="needs diffusers, which is an extra")

for _place in (Path(__file__).parent, Path(__file__).parents[1] / "generate"):
    sys.path.append(str(_place))

import fakes  # noqa: E402
from study_toys import EVEN, Makes, toy_study, twelve_people  # noqa: E402
from test_study_real import CODER, STUDY  # noqa: E402

import facevid  # noqa: E402
from facevid.bench.errors import BenchError  # noqa: E402
from facevid.bench.study import findings, fleet, foretold, running  # noqa: E402
from facevid.bench.study.record import read_record  # noqa: E402
from facevid.cli import main  # noqa: E402
from facevid.engine import FolderBusy, Resources, Step, folder_lock  # noqa: E402
from facevid.engine.local import LocalExecutor  # noqa: E402
from facevid.generate import train as training  # noqa: E402

torch.set_num_threads(1)
SMALL = {"name": "small", "changes": ["model.config={hidden: 4}"]}
FEW: dict[str, Any] = {"sizes": [SMALL], "data": {"test": 0.25, "fractions": [0.5, 1.0], "by": [EVEN]}}
RUNS = ["small-0.5-s0", "small-1-s0"]
TIMES = {"wall_s", "train_s"}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return twelve_people(tmp_path_factory.mktemp("fleet"))


@pytest.fixture(autouse=True)
def few_laws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two laws whose fits take no time, since this is not about laws."""
    for module in (findings, foretold):
        monkeypatch.setattr(module, "LAWS", ("power", "slopes"))


@pytest.fixture
def makes(monkeypatch: pytest.MonkeyPatch) -> Makes:
    found = Makes()
    monkeypatch.setattr(training, "make_task", found)
    for module in ("trainer", "estimate"):
        monkeypatch.setattr(f"facevid.generate.training.{module}.peak_flops", lambda *_: 1e11)
    return found


class Watched(LocalExecutor):
    """Runs items in this process, where toys are known. asked: steps with their threads and items, as they came."""

    asked: list[tuple[Step, int, list[str]]]

    def run(self, step: Step, items: Any, *rest: Any, **options: Any) -> Iterator[Any]:
        self.asked.append((step, self.threads, [item.key for item in items]))
        yield from super().run(step, items, *rest, **options)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Step, int, list[str]]]:
    """What an executor was asked to run, which it does in this process."""
    told: list[tuple[Step, int, list[str]]] = []

    @contextlib.contextmanager
    def opened(name: str, *, threads: int, **_: Any) -> Iterator[LocalExecutor]:
        executor = Watched(0, threads)
        executor.asked = told
        yield executor

    monkeypatch.setattr(fleet, "open_executor", opened)
    return told


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """The table of runs, but for the clock."""
    lines = (folder / "runs.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in TIMES} for line in lines]


def test_every_run_is_an_item_and_the_table_is_that_of_one_after_the_other(
    dataset: Path, makes: Makes, asked: list[Any], tmp_path: Path
) -> None:
    study = toy_study(tmp_path, **FEW)
    plain = facevid.scale(study, dataset, tmp_path / "plain")
    seen: list[tuple[str, int, int]] = []
    done = facevid.scale(
        study, dataset, tmp_path / "done", workers=2,
        on_progress=lambda p: seen.append((p.step, p.done, p.total)),
    )  # fmt: skip
    assert done.trained == plain.trained == RUNS
    assert rows_of(tmp_path / "plain") == rows_of(tmp_path / "done")
    assert seen[-1] == ("runs", 2, 2)
    again = facevid.scale(study, dataset, tmp_path / "done", workers=2)
    assert again.reused == RUNS and len(asked) == 1


def test_sizes_that_need_other_machines_are_trained_with_what_they_need_the_longest_first(
    dataset: Path, makes: Makes, asked: list[Any], tmp_path: Path
) -> None:
    large = {
        "name": "large",
        "changes": ["model.config={hidden: 30}"],
        "resources": {"gpus": 1, "custom": {"fast": 1}},
    }
    study = toy_study(
        tmp_path, **{**FEW, "sizes": [SMALL, large], "epochs": 2.0, "steps": None, "resources": {"cpus": 3}}
    )
    facevid.scale(study, dataset, tmp_path / "s", executor="ray", address="local")
    assert [(step.resources, threads, keys) for step, threads, keys in asked] == [
        (Resources(cpus=3), 3, ["small-1-s0", "small-0.5-s0"]),
        (Resources(cpus=3, gpus=1, custom={"fast": 1}), 3, ["large-1-s0", "large-0.5-s0"]),
    ]
    with pytest.raises(BenchError, match="GPUs, which the executor local does not share out"):
        facevid.scale(study, dataset, tmp_path / "t", workers=2)


def test_a_run_that_fails_or_whose_process_is_lost_is_told_stops_no_other_and_is_tried_again(
    dataset: Path, makes: Makes, asked: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, study = tmp_path / "study", toy_study(tmp_path, **FEW)
    makes.spoilt = {"toys-small-0.5-s0"}
    done = facevid.scale(study, dataset, out, workers=2)
    assert done.trained == RUNS[1:] and "clip-3" in done.failed[RUNS[0]]
    makes.spoilt = set()
    monkeypatch.setattr(running, "save_split", lambda *_: 1 / 0)
    lost = facevid.scale(study, dataset, out, workers=2)
    assert lost.reused == RUNS[1:] and "ZeroDivisionError" in lost.failed[RUNS[0]] and lost.missing == []
    record = read_record(out / "runs" / RUNS[0])
    assert record is not None and record.status == "failed" and "ZeroDivisionError" in (record.sentence or "")
    monkeypatch.undo()
    for module in (findings, foretold):
        monkeypatch.setattr(module, "LAWS", ("power", "slopes"))
    monkeypatch.setattr(training, "make_task", makes)
    assert facevid.scale(study, dataset, out).trained == RUNS[:1]


def test_minutes_that_are_over_and_runs_of_others_are_told_and_gone_on_with(
    dataset: Path, makes: Makes, asked: list[Any], tmp_path: Path
) -> None:
    out = tmp_path / "study"
    with folder_lock(out / "runs/small-1-s0/model/.train"):
        done = facevid.scale(toy_study(tmp_path, **FEW, minutes=1e-9), dataset, out, workers=2)
    assert list(done.unfinished) == RUNS[:1] and done.busy == RUNS[1:]
    study = toy_study(tmp_path, **FEW, minutes=5.0)
    with folder_lock(out / fleet.WORK), pytest.raises(FolderBusy):
        facevid.scale(study, dataset, out, workers=2)
    assert facevid.scale(study, dataset, out, workers=2).trained == RUNS


def test_what_cannot_be_is_said(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = str(toy_study(tmp_path, **FEW))
    for arguments, sentence in [
        (
            ["scale", study, "-o", str(tmp_path / "s"), "--fit-only", "--workers", "2"],
            "nothing is trained here",
        ),
        (["scale", study, "-o", str(tmp_path / "s"), "--executor", "slurm"], "no executor 'slurm'"),
        (["scale", study, "-o", str(tmp_path / "s"), "--address", "a:1"], "goes with the executor ray"),
    ]:
        assert main(arguments) == 2
        assert sentence in " ".join(capsys.readouterr().err.split())
    with pytest.raises(BenchError, match="no field of a study; did you mean gpus"):
        facevid.scale(toy_study(tmp_path, **FEW, resources={"gpu": 1}), dataset, tmp_path / "s")
    some = facevid.open(dataset).take(range(20))
    with pytest.raises(BenchError, match="workers open the dataset by themselves"):
        fleet.train_on(
            fleet.Fleet("local", None, 2), None, [], {}, some, tmp_path, autoencoder=None, text=None, on_progress=None  # type: ignore[arg-type]
        )  # fmt: skip


@pytest.mark.slow
def test_two_workers_one_of_whom_is_killed_and_a_ray_cluster_give_the_table_of_one_process(
    tmp_path: Path,
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    people = fakes.six_people(tmp_path)
    facevid.train(CODER, people, tmp_path / "coder")
    changes = [*STUDY["changes"], "checkpoints.every=2"]  # type: ignore[misc]
    study = {**STUDY, "steps": 40, "changes": changes, "resources": {"cpus": 1}}
    ways: dict[str, dict[str, Any]] = {
        "one": {},
        "two": {"workers": 2},
        "ray": {"executor": "ray", "address": "local", "workers": 2},
    }
    for name, way in ways.items():
        killed: list[int] = []
        if name == "two":
            watch = threading.Thread(target=_kill_a_trainer, args=(tmp_path / name, killed), daemon=True)
            watch.start()
        began = time.monotonic()
        done = facevid.scale(study, people, tmp_path / name, autoencoder=tmp_path / "coder", **way)
        print(f"{name}: {time.monotonic() - began:.0f} s")
        assert len(done.trained) == 4 and not done.failed
        assert len(killed) == (name == "two")
    assert rows_of(tmp_path / "one") == rows_of(tmp_path / "two") == rows_of(tmp_path / "ray")
    made = [json.loads(p.read_text())["trained_steps"] for p in (tmp_path / "two").rglob("summary.json")]
    assert len(made) == 4 and sum(steps < 40 for steps in made) == 1


def _kill_a_trainer(folder: Path, killed: list[int]) -> None:
    """Kill the process that holds the first training of which a checkpoint is there."""
    while True:
        for checkpoint in folder.glob("runs/*/model/.train/checkpoints/*"):
            text = (checkpoint.parents[1] / "lock").read_text()
            if text and not checkpoint.name.startswith("."):
                os.kill(json.loads(text)["pid"], signal.SIGKILL)
                killed.append(json.loads(text)["pid"])
                return
        time.sleep(0.01)
