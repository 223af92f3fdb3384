"""`facevid scale` from end to end with toys: the grid run, killed, failed, gone on with, by commands, and its page."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

torch = pytest.importorskip("torch", reason="needs torch, which is an extra")
pytest.importorskip("diffusers", reason="needs diffusers, which is an extra")

sys.path.insert(0, str(Path(__file__).parent))

from study_runs import paper, rows  # noqa: E402
from study_toys import EVEN, Makes, toy_study, twelve_people  # noqa: E402

import facevid  # noqa: E402
from facevid.bench.errors import BenchError  # noqa: E402
from facevid.bench.study import findings, foretold  # noqa: E402
from facevid.bench.study.record import read_record  # noqa: E402
from facevid.cli import main  # noqa: E402
from facevid.engine import FolderBusy, folder_lock  # noqa: E402
from facevid.generate import train as training  # noqa: E402

torch.set_num_threads(1)
RUNS = [f"{size}-{p}-s0" for size in ("small", "large") for p in ("0.25", "0.5", "1")]
SMALL = {"name": "small", "changes": ["model.config={hidden: 4}"]}
FEW: dict[str, Any] = {"sizes": [SMALL], "data": {"test": 0.25, "fractions": [0.5, 1.0], "by": [EVEN]}}
FEW_RUNS = ["small-0.5-s0", "small-1-s0"]
"""A study of one size and two amounts, where more would say nothing more."""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return twelve_people(tmp_path_factory.mktemp("scale"))


@pytest.fixture
def makes(monkeypatch: pytest.MonkeyPatch) -> Makes:
    found = Makes()
    monkeypatch.setattr(training, "make_task", found)
    for module in ("trainer", "estimate"):  # to measure it takes longer than a toy's whole training
        monkeypatch.setattr(f"facevid.generate.training.{module}.peak_flops", lambda *_: 1e11)
    return found


@pytest.fixture
def few_laws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two laws whose fits take no time, where it is not about laws."""
    for module in (findings, foretold):
        monkeypatch.setattr(module, "LAWS", ("power", "slopes"))


def study_of(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "study.json").read_text()))


def test_a_study_from_its_file_to_its_page(dataset: Path, makes: Makes, tmp_path: Path) -> None:
    out = tmp_path / "study"
    done = facevid.scale(toy_study(tmp_path), dataset, out)
    assert done.trained == RUNS and not done.failed and not done.missing and not done.reused
    trained = [made for made in makes.made if made[0].startswith("toys-")]
    tests = {frozenset(test) for _, _, test in trained}
    assert len(tests) == 1 and all(not learnt & test for _, learnt, test in trained)
    lines = [json.loads(line) for line in (out / "runs.jsonl").read_text().splitlines()]
    assert lines == pq.read_table(out / "runs.parquet").to_pylist()
    assert [line["run"] for line in lines] == RUNS
    for line in lines:
        assert (
            line["status"] == "finished"
            and line["step"] == line["steps"] == 12
            and line["samples_seen"] == 96
        )
        assert line["curve_steps"] == [3, 6, 9, 12] and len(line["curve"]) == 4
        assert line["loss"] == line["best"] == min(line["curve"]) and line["last"] == line["curve"][-1]
        assert line["compute"] == 3 * 2 * line["size"] * 96 and line["train_s"] > 0 and line["wall_s"] > 0
        model = out / "runs" / line["run"] / "model"
        assert (model / "facevid.json").is_file() and (model / "toy.safetensors").is_file()
        logged = [json.loads(one) for one in (model / ".train" / "log.jsonl").read_text().splitlines()]
        assert line["curve"] == [one["held_out"] for one in logged if "held_out" in one]
    assert len({line["size"] for line in lines}) == 2 and len({line["data"] for line in lines}) == 3
    kept = study_of(out)
    assert kept["study"]["name"] == "toys" and kept["runs"] == lines and kept["missing"] == []
    assert set(kept["cost"]["sizes"]) == {"small", "large"} and kept["cost"]["total_s"] > 0
    assert kept["findings"]["runs"]["loss"] == [line["loss"] for line in lines]
    page = (out / "index.html").read_text()
    assert "Scaling study toys" in page and "held-out loss over training" in page and "runs.parquet" in page
    assert shlex.join(["facevid", "scale", str(tmp_path / "study.yaml"), "--data", str(dataset)]) in page


def test_the_same_call_runs_nothing_again_and_another_loss_is_read_off_the_same_runs(
    dataset: Path, makes: Makes, few_laws: None, tmp_path: Path
) -> None:
    out = tmp_path / "study"
    facevid.scale(toy_study(tmp_path, **FEW), dataset, out)
    before, made = study_of(out), len(makes.made)
    again = facevid.scale(toy_study(tmp_path, **FEW), dataset, out)
    assert again.reused == FEW_RUNS and not again.trained and len(makes.made) == made
    assert study_of(out) == before
    last = facevid.scale(toy_study(tmp_path, **FEW, loss="last"), output=out, fit_only=True)
    assert last.findings is not None and len(makes.made) == made
    assert [row["loss"] for row in study_of(out)["runs"]] == [row["last"] for row in before["runs"]]


@pytest.mark.slow
def test_a_study_killed_in_the_middle_goes_on_at_the_step_it_had(
    dataset: Path, makes: Makes, few_laws: None, tmp_path: Path
) -> None:
    out = tmp_path / "study"

    def kills(progress: Any) -> None:
        if progress.step == "small-0.5-s0 train" and progress.done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        facevid.scale(toy_study(tmp_path), dataset, out, on_progress=kills)
    assert (
        read_record(out / "runs/small-0.25-s0") is not None and read_record(out / "runs/small-0.5-s0") is None
    )
    assert not (out / "study.json").exists()
    done = facevid.scale(toy_study(tmp_path), dataset, out)
    assert done.reused == RUNS[:1] and done.trained == RUNS[1:]
    summary = json.loads((out / "runs/small-0.5-s0/model/.train/summary.json").read_text())
    assert summary["trained_steps"] == 12 - 4  # from the checkpoint of step 4
    whole = facevid.scale(toy_study(tmp_path), dataset, tmp_path / "whole")
    assert whole.findings is not None and done.findings is not None
    assert whole.findings.runs.loss.tolist() == done.findings.runs.loss.tolist()


def test_a_run_that_fails_is_told_stops_no_other_and_is_tried_again(
    dataset: Path, makes: Makes, few_laws: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "study"
    makes.spoilt = {"toys-small-0.5-s0"}
    study = toy_study(tmp_path, sizes=[SMALL])
    command = ["scale", str(study), "--data", str(dataset), "-o", str(out)]
    assert main(command) == 1
    said = capsys.readouterr().out
    assert f"{out}: 2 trained, 1 failed" in said and "small-0.5-s0: " in said and "clip-3" in said
    record = read_record(out / "runs/small-0.5-s0")
    assert record is not None and record.status == "failed" and "clip-3" in (record.sentence or "")
    assert record.step == 0 and record.deciding is None
    found = study_of(out)["findings"]
    assert len(found["runs"]["loss"]) == 2
    page = (out / "index.html").read_text()
    assert "small-0.5-s0 failed: " in page
    makes.spoilt = set()
    assert main(command) == 0
    assert f"{out}: 1 trained, 2 as before" in capsys.readouterr().out
    assert len(study_of(out)["findings"]["runs"]["loss"]) == 3


def test_minutes_that_are_over_leave_a_run_unfinished_and_out_of_the_fits(
    dataset: Path, makes: Makes, few_laws: None, tmp_path: Path
) -> None:
    out = tmp_path / "study"
    done = facevid.scale(toy_study(tmp_path, **FEW, minutes=1e-9), dataset, out)
    assert list(done.unfinished) == FEW_RUNS and not done.failed and done.findings is None
    assert "minutes were over at step 1 of 12; the same command goes on" in done.unfinished[FEW_RUNS[0]]
    assert any("none of the 2 runs of the study toys is finished" in note for note in done.notes)
    assert "none of the 2 runs" in (out / "index.html").read_text()
    more = facevid.scale(toy_study(tmp_path, **FEW, minutes=5.0), dataset, out)
    assert more.trained == FEW_RUNS and not more.unfinished


def test_what_another_process_trains_is_left_to_it(
    dataset: Path, makes: Makes, few_laws: None, tmp_path: Path
) -> None:
    out = tmp_path / "study"
    with folder_lock(out / "runs/small-1-s0/model/.train"):
        done = facevid.scale(toy_study(tmp_path, **FEW), dataset, out)
        assert done.busy == ["small-1-s0"] and done.trained == ["small-0.5-s0"] and not done.failed
        with pytest.raises(FolderBusy):
            facevid.scale(toy_study(tmp_path, **FEW), dataset, out, only=["small-1-s0"])
    assert "trained by another process" in (out / "index.html").read_text()


def test_a_study_that_changed_is_refused_with_what_changed(
    dataset: Path, makes: Makes, few_laws: None, tmp_path: Path
) -> None:
    out = tmp_path / "study"
    facevid.scale(toy_study(tmp_path, **FEW), dataset, out, only=["small-1-s0"])
    with pytest.raises(
        BenchError, match=r"changed since the run small-1-s0 was trained.*optimisation\.lr was 0\.01"
    ):
        facevid.scale(toy_study(tmp_path, **FEW, changes=["optimisation.lr=0.1"]), dataset, out)
    data = {"test": 0.25, "fractions": [0.25, 0.5, 1.0]}
    with pytest.raises(BenchError, match="the clips to learn from are others"):
        facevid.scale(toy_study(tmp_path, sizes=[SMALL], data=data, seed=3), dataset, out)
    sizes = [SMALL, {"name": "middle", "changes": ["model.config={hidden: 9}"]}]
    grown = toy_study(tmp_path, **{**FEW, "sizes": sizes})
    done = facevid.scale(grown, dataset, out)  # a grid may grow
    assert done.reused == ["small-1-s0"] and len(done.trained) == 3


@pytest.mark.slow
def test_commands_are_lines_that_run_one_by_one_and_then_fit(
    dataset: Path, makes: Makes, few_laws: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a study"
    study = toy_study(tmp_path)
    assert main(["scale", str(study), "--data", str(dataset), "-o", str(out), "--commands"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7 and not out.exists()
    words = [shlex.split(line) for line in lines]
    assert [one[one.index("--only") + 1] for one in words[:-1]] == RUNS and words[-1][-1] == "--fit-only"
    for one in (*reversed(words[:-1]), words[-1]):  # in any order
        assert one[:2] == ["facevid", "scale"] and main(one[1:]) == 0
    assert not any("(" in name for name in study_of(out)["missing"])
    assert study_of(out)["missing"] == [] and (out / "index.html").is_file()
    whole = facevid.scale(study, dataset, tmp_path / "whole")
    assert whole.findings is not None
    assert study_of(out)["findings"]["runs"] == whole.findings.to_dict()["runs"]


def test_a_dry_run_tells_the_grid_and_its_cost_and_writes_nothing(
    dataset: Path, makes: Makes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "scale",
        str(toy_study(tmp_path)),
        "--data",
        str(dataset),
        "-o",
        str(tmp_path / "s"),
        "--dry-run",
    ]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in RUNS) and "one after the other" in said
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["run"] for row in told["plan"]] == RUNS and told["page"] is None
    assert told["cost"]["total_s"] == pytest.approx(
        sum(told["cost"]["seconds"].values()) + told["cost"]["encode_s"]
    )
    assert all(row["seconds"] > 20 and row["steps"] == 12 for row in told["plan"])
    assert not (tmp_path / "s").exists()


def test_what_is_lacking_is_a_sentence(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = str(toy_study(tmp_path))
    for arguments, sentence in [
        (["scale", study, "-o", str(tmp_path / "s")], "name the dataset that the study learns from"),
        (["scale", study, "--data", str(dataset)], "Name the folder for the study"),
        (
            ["scale", study, "-o", str(tmp_path / "s"), "--fit-only"],
            "holds no run of the study toys; run it first",
        ),
        (["scale", study, "--commands"], "Commands name the dataset and the folder"),
        (["scale", study, "-o", "s", "--unit", "hours"], "are those of a table of runs"),
        (["scale", "x.csv", "-o", "s", "--column", "size"], "names no column; write WHAT=NAME"),
        (["scale", str(tmp_path / "no.csv"), "-o", "s"], "no.csv cannot be read"),
    ]:
        assert main(arguments) == 2
        assert sentence in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "s").exists()


def test_a_table_of_runs_is_fitted_and_gets_its_page_without_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = paper()
    table = tmp_path / "cogvideox.csv"
    lines = [f"{s:g},{d:g},{v}" for s, d, v in zip(runs.size, runs.data, runs.loss, strict=True)]
    table.write_text("parameters,hours,fvd\n" + "\n".join(lines) + "\n")
    out = tmp_path / "page"
    columns = ["--column", "size=parameters", "--column", "data=hours", "--column", "loss=fvd"]
    assert main(["scale", str(table), "-o", str(out), *columns, "--unit", "hours", "--metric", "FVD"]) == 0
    said = capsys.readouterr().out
    assert (
        "5B overtakes 2B at about 273 hours" in said
        and "beta of 2B 0.168" in said
        and f"{out}/index.html" in said
    )
    page = (out / "index.html").read_text()
    assert "Scaling of cogvideox" in page and "--column size=parameters" in page
    assert study_of(out)["findings"]["best"] == "slopes"


def test_a_table_as_a_study_writes_it_is_read_with_what_it_says_of_itself(tmp_path: Path) -> None:
    from facevid.bench.study.tables import read_table, runs_of

    given: list[dict[str, Any]] = [
        {**row, "seed": 0, "unit": "clips", "metric": "held-out loss", "status": "finished"} for row in rows()
    ]
    given.append({**given[0], "status": "failed", "loss": None})
    table = tmp_path / "runs.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in given))
    runs, kept = runs_of(read_table(table))
    assert (len(runs), len(kept), runs.unit, runs.metric) == (16, 16, "clips", "held-out loss")
    assert runs.compute is not None and runs.seed is not None
    with pytest.raises(BenchError, match="weights is nothing a run has"):
        runs_of(given, {"weights": "size"})
    with pytest.raises(BenchError, match="has the column 'flop', which was named for compute"):
        runs_of(given, {"compute": "flop"})
    with pytest.raises(BenchError, match="none of the 1 runs of the table is finished"):
        runs_of(given[-1:])
