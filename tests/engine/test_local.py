"""The local executor with real worker processes: what is run, what is reused, and what a bad item costs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import steps
from steps import Recipe

from facevid.engine import Item, Ledger, LocalExecutor, Outcome, SetupError, Step, StorageError


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "work" / "ledger.sqlite") as opened:
        yield opened


def a_step(function: Callable[..., dict[str, Any]], **options: Any) -> Step:
    return Step(
        **{"name": function.__name__, "version": 1, "function": function, "timeout_s": 20.0, **options}
    )


def numbered(count: int) -> list[Item]:
    return [Item(f"item{n:03d}", {"n": n}) for n in range(count)]


def collect(
    step: Step,
    items: Iterable[Item],
    ledger: Ledger,
    *,
    recipe: Recipe | None = None,
    workers: int = 1,
    retry_failed: bool = False,
) -> dict[str, Outcome]:
    outcomes = LocalExecutor(workers).run(step, items, recipe, ledger, retry_failed=retry_failed)
    return {outcome.key: outcome for outcome in outcomes}


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_every_item_gets_one_outcome(ledger: Ledger, workers: int) -> None:
    found = collect(a_step(steps.double), numbered(20), ledger, workers=workers)
    assert [found[f"item{n:03d}"].value["twice"] for n in range(20)] == [2 * n for n in range(20)]
    pids = {outcome.value["pid"] for outcome in found.values()}
    assert (pids == {os.getpid()}) if workers == 0 else (os.getpid() not in pids)


def test_the_second_run_reuses_everything_and_starts_no_process(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    collect(a_step(steps.double), numbered(5), ledger)
    monkeypatch.setattr("facevid.engine.pool.subprocess.Popen", None)
    again = collect(a_step(steps.double), numbered(5), ledger)
    assert all(outcome.reused for outcome in again.values())
    assert again["item004"].value["twice"] == 8
    assert [(run.ran, run.reused, run.ok, run.ending) for run in ledger.runs("double")] == [
        (5, 0, 5, "done"),
        (0, 5, 5, "done"),
    ]


def test_only_what_a_step_reads_makes_it_run_again(ledger: Ledger) -> None:
    first = a_step(steps.double, name="first", reads=("fps",))
    second = a_step(steps.double, name="second", reads=("size",))

    def ran(recipe: Recipe, *chain: Step) -> list[int]:
        for step in chain:
            collect(step, numbered(3), ledger, recipe=recipe, workers=0)
        return [ledger.runs(step.name)[-1].ran for step in chain]

    assert ran(Recipe(fps=25, size=512), first, second) == [3, 3]
    assert ran(Recipe(fps=25, size=256), first, second) == [0, 3]
    assert ran(Recipe(fps=30, size=256), first, second) == [3, 0]
    newer = a_step(steps.double, name="second", reads=("size",), version=2)
    assert ran(Recipe(fps=30, size=256), first, newer) == [0, 3]


def test_going_back_to_an_older_recipe_runs_again_because_its_files_were_overwritten(ledger: Ledger) -> None:
    step = a_step(steps.double, reads=("fps",))
    for fps in (25, 30, 25):
        collect(step, numbered(2), ledger, recipe=Recipe(fps=fps), workers=0)
    assert [run.ran for run in ledger.runs()] == [2, 2, 2]


def test_paths_in_the_payload_do_not_enter_the_hash(ledger: Ledger) -> None:
    step = a_step(steps.double)
    collect(step, [Item("a", {"n": 1, "_path": "/here"})], ledger, workers=0)
    assert collect(step, [Item("a", {"n": 1, "_path": "/there"})], ledger, workers=0)["a"].reused
    assert not collect(step, [Item("a", {"n": 2, "_path": "/there"})], ledger, workers=0)["a"].reused


def test_a_finished_item_whose_output_was_deleted_or_cut_short_runs_again(
    ledger: Ledger, tmp_path: Path
) -> None:
    step = a_step(steps.slow_write, outputs=lambda payload, value: [(Path(payload["_out"]), value.get("n"))])
    item = Item("a", {"n": 1, "_out": str(tmp_path / "a.txt"), "_log": str(tmp_path / "log")})
    assert not collect(step, [item], ledger, workers=0)["a"].reused
    assert collect(step, [item], ledger, workers=0)["a"].reused
    (tmp_path / "a.txt").unlink()
    assert not collect(step, [item], ledger, workers=0)["a"].reused
    (tmp_path / "a.txt").write_text("")
    assert not collect(step, [item], ledger, workers=0)["a"].reused


@pytest.mark.parametrize("workers", [0, 1])
def test_each_way_to_end_has_its_status_and_kind(ledger: Ledger, workers: int) -> None:
    ways = ["fine", "reject", "unreadable", "bug", "not json", "exit"]
    found = collect(a_step(steps.mixed), [Item(way, {"do": way}) for way in ways], ledger, workers=workers)
    assert {key: (outcome.status, outcome.kind) for key, outcome in found.items()} == {
        "fine": ("ok", None),
        "reject": ("rejected", "sharpness"),
        "unreadable": ("failed", "unreadable"),
        "bug": ("failed", "bug"),
        "not json": ("failed", "bug"),
        "exit": ("failed", "bug"),
    }
    assert found["reject"].value == {"value": 1.5, "threshold": 2}
    assert found["unreadable"].message == "a.mp4 has no picture"
    assert "1 // 0" in (ledger.traceback("mixed", "bug") or "")
    assert ledger.traceback("mixed", "unreadable") is None
    assert ledger.counts() == {"mixed": {"failed": 4, "ok": 1, "rejected": 1}}


def test_failed_items_run_again_only_when_asked(ledger: Ledger) -> None:
    items = [Item(way, {"do": way}) for way in ("fine", "reject", "bug")]
    collect(a_step(steps.mixed), items, ledger, workers=0)
    assert all(outcome.reused for outcome in collect(a_step(steps.mixed), items, ledger, workers=0).values())
    again = collect(a_step(steps.mixed), items, ledger, workers=0, retry_failed=True)
    assert [key for key, outcome in again.items() if not outcome.reused] == ["bug"]


def test_models_load_once_per_worker_and_threads_are_handed_on(ledger: Ledger) -> None:
    step = a_step(steps.loaded, setup=steps.load)
    outcomes = list(LocalExecutor(1, threads=3).run(step, numbered(4), None, ledger))
    assert [outcome.value for outcome in outcomes] == [{"loads": 1, "threads": 3, "omp": "3"}] * 4


@pytest.mark.parametrize("workers", [0, 1])
def test_a_setup_that_raises_stops_the_run_with_its_reason(ledger: Ledger, workers: int) -> None:
    step = a_step(steps.nothing, setup=steps.load_missing_model)
    with pytest.raises(SetupError, match=r"'nothing' could not be set up.*face.onnx is missing"):
        collect(step, numbered(3), ledger, workers=workers)
    assert ledger.counts() == {}


def test_a_setup_that_kills_its_process_stops_the_run(ledger: Ledger) -> None:
    with pytest.raises(SetupError, match="ended by itself with exit code 7 while starting"):
        collect(a_step(steps.nothing, setup=steps.die_in_setup), numbered(3), ledger, workers=2)


def test_a_step_that_no_worker_can_import_is_refused(ledger: Ledger) -> None:
    with pytest.raises(TypeError, match="top level of a module"):
        collect(a_step(lambda payload, recipe: {}, name="local"), numbered(1), ledger)


@pytest.mark.parametrize(
    ("function", "words"), [(steps.segfault, "SIGSEGV"), (steps.leave, "exit code 9")], ids=["signal", "exit"]
)
def test_a_crash_costs_its_item_after_one_retry_and_the_rest_goes_on(
    ledger: Ledger, function: Callable[..., dict[str, Any]], words: str
) -> None:
    items = [Item(str(n), {"bad": n == 2}) for n in range(6)]
    found = collect(a_step(function), items, ledger, workers=2)
    assert [key for key, outcome in sorted(found.items()) if outcome.status == "ok"] == [
        "0",
        "1",
        "3",
        "4",
        "5",
    ]
    assert found["2"].kind == "crash"
    assert words in (found["2"].message or "") and "2 times" in (found["2"].message or "")


def test_an_item_whose_worker_is_killed_once_succeeds_on_a_fresh_one(ledger: Ledger, tmp_path: Path) -> None:
    found = collect(a_step(steps.killed_once), [Item("a", {"_mark": str(tmp_path / "mark")})], ledger)
    assert found["a"].status == "ok"
    assert ledger.runs()[-1].ran == 1


def test_a_hanging_item_is_ended_and_the_rest_goes_on(ledger: Ledger) -> None:
    items = [Item("hangs", {"hang": True, "limit": 0.2}), Item("works", {"hang": False, "limit": 20.0})]
    step = a_step(steps.hang, timeout_s=lambda payload: payload["limit"])
    begin = time.monotonic()
    found = collect(step, items, ledger)
    assert time.monotonic() - begin < 5
    assert (found["hangs"].kind, found["works"].status) == ("timeout", "ok")
    assert "within its 0.2 s" in (found["hangs"].message or "")


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("function", [steps.disk_full, steps.wrapped_disk_full])
def test_a_full_disk_stops_the_run_and_blames_no_item(
    ledger: Ledger, workers: int, function: Callable[..., dict[str, Any]]
) -> None:
    with pytest.raises(StorageError, match="the disk is full"):
        collect(a_step(function), numbered(6), ledger, workers=workers)
    assert "failed" not in ledger.counts().get(function.__name__, {})
    assert "disk is full" in (ledger.runs()[-1].ending or "")


def test_what_a_step_prints_goes_to_the_log_and_stdin_is_empty(ledger: Ledger, tmp_path: Path) -> None:
    executor = LocalExecutor(1, log=tmp_path / "worker.log")
    outcomes = list(executor.run(a_step(steps.mixed), [Item("a", {"do": "print"})], None, ledger))
    assert outcomes[0].value == {"read": ""}
    text = (tmp_path / "worker.log").read_text()
    assert "noise on stdout" in text and "noise on descriptor 1" in text


def test_items_are_taken_as_needed_from_an_endless_iterator(ledger: Ledger) -> None:
    taken = 0

    def endless() -> Iterator[Item]:
        nonlocal taken
        while True:
            taken += 1
            yield Item(f"{taken:06d}", {"n": taken})

    outcomes = LocalExecutor(1).run(a_step(steps.nothing), endless(), None, ledger)
    for _ in range(300):
        next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]
    assert taken <= 300 + 2 * 256
    assert ledger.counts()["nothing"]["ok"] >= 300
    assert ledger.runs()[-1].ending == "interrupted"


def test_a_script_from_stdin_without_a_main_guard_can_run_steps(tmp_path: Path) -> None:
    script = f"""
import steps
from facevid.engine import *
with Ledger({str(tmp_path / "l.sqlite")!r}) as ledger:
    step = Step("double", 1, steps.double)
    items = [Item(str(n), {{"n": n}}) for n in range(5)]
    print(sum(o.value["twice"] for o in LocalExecutor(2).run(step, items, steps.Recipe(), ledger)))
"""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, "-"],
        input=script,
        env={**os.environ, "PYTHONPATH": path},
        text=True,
        capture_output=True,
        timeout=30,
    )
    assert (done.stdout.strip(), done.returncode) == ("20", 0), done.stderr
