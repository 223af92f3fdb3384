"""What a worker may hold: as much as was given, else its share of the machine and more while there is enough."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import steps

from facevid.engine import Item, Ledger, LocalExecutor, Outcome, Resources, SetupError, Step
from facevid.engine import memory as watching
from facevid.engine.limits import Memory
from facevid.engine.memory import Allowance, allowance, held_bytes

GB = 10**9
pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="Linux tells what a process holds"
)


def a_machine(monkeypatch: pytest.MonkeyPatch, *, available: int, limit: int | None = None) -> None:
    monkeypatch.setattr(watching, "memory", lambda: Memory(100 * GB, available, limit))


def run(folder: Path, *ways: str, workers: int = 2, **resources: float) -> dict[str, Outcome]:
    step = Step("anything", 1, steps.anything, timeout_s=60.0)
    executor = LocalExecutor(workers, resources={"anything": resources})
    with Ledger(folder / "ledger.sqlite") as ledger:
        return {o.key: o for o in executor.run(step, [Item(way, {"do": way}) for way in ways], None, ledger)}


def test_without_a_limit_the_workers_share_nine_tenths_of_what_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a_machine(monkeypatch, available=90 * GB)
    assert allowance(None, 3) == Allowance(30 * GB, strict=False)
    assert allowance(2 * GB, 3) == Allowance(2 * GB, strict=True)
    a_machine(monkeypatch, available=90 * GB, limit=20 * GB)
    assert allowance(None, 3) == Allowance(6 * GB, strict=False), "a control group allows less"
    monkeypatch.setattr(watching, "memory", lambda: None)
    assert allowance(None, 3) is None


def test_a_worker_may_hold_more_than_its_share_until_memory_runs_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    share = Allowance(30 * GB, strict=False)
    held = {"small": 29 * GB, "large": 31 * GB, "largest": 33 * GB}
    a_machine(monkeypatch, available=11 * GB)
    assert share.outgrown(held, held.__getitem__) == []
    a_machine(monkeypatch, available=9 * GB)
    assert share.outgrown(held, held.__getitem__) == ["largest"]
    assert share.outgrown(["small"], held.__getitem__) == [], "what others took, no worker has to give"
    a_machine(monkeypatch, available=11 * GB, limit=20 * GB)
    assert share.outgrown(held, held.__getitem__) == [], "a tenth of what the control group allows"
    assert Allowance(30 * GB, strict=True).outgrown(held, held.__getitem__) == ["largest", "large"]


def test_what_a_process_holds_counts_its_children_and_no_pages_of_files() -> None:
    script = "import steps, threading; threading.Thread(target=steps.grow).start()"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    before = held_bytes(os.getpid())
    with subprocess.Popen([sys.executable, "-c", script], env=environment) as child:
        until = time.monotonic() + 10
        while held_bytes(os.getpid()) < before + 500_000_000 and time.monotonic() < until:
            time.sleep(0.05)
        grown = held_bytes(os.getpid())
        child.kill()
    assert before + 500_000_000 <= grown < before + 700_000_000
    assert held_bytes(child.pid) == 0


def test_an_item_that_takes_too_much_is_set_aside_and_the_others_finish(tmp_path: Path) -> None:
    found = run(tmp_path, "grow", "children grow", "fine", "print", memory_gb=0.3)
    for way in ("grow", "children grow"):
        assert (found[way].status, found[way].kind) == ("failed", "memory")
        assert found[way].message == (
            "The process working on it needed more than its 0.3 GB of memory and was ended, tried 2 times."
        )
    assert found["fine"].status == found["print"].status == "ok"


def test_a_step_that_declares_its_memory_is_held_to_it_unless_the_recipe_says_otherwise(
    tmp_path: Path,
) -> None:
    executor = LocalExecutor(1, resources={"declares": {"memory_gb": 4.0}})
    step = Step("declares", 1, steps.holds, timeout_s=60.0, resources=Resources(memory_gb=0.2))
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        (found,) = executor.run(step, [Item("a", {"seconds": 0.6})], None, ledger)
        assert found.status == "ok"
        (found,) = LocalExecutor(1).run(step, [Item("b", {"seconds": 60})], None, ledger)
        assert found.kind == "memory"


def test_a_machine_that_runs_out_of_memory_ends_the_worker_that_holds_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A machine of half a gigabyte for two workers, a twentieth of it free.
    half = GB // 2
    monkeypatch.setattr(watching, "memory", lambda: Memory(half, half // 20, None))
    found = run(tmp_path, "grow", "fine")
    assert (found["grow"].kind, found["fine"].status) == ("memory", "ok")
    assert "its 0.225 GB of memory" in (found["grow"].message or "")


def test_a_setup_that_takes_too_much_stops_the_run_with_its_reason(tmp_path: Path) -> None:
    step = Step("nothing", 1, steps.nothing, setup=steps.grow_in_setup)
    executor = LocalExecutor(1, resources={"nothing": {"memory_gb": 0.2}})
    with (
        Ledger(tmp_path / "ledger.sqlite") as ledger,
        pytest.raises(
            SetupError, match=r"needed more than its 0\.2 GB of memory and was ended while starting"
        ),
    ):
        list(executor.run(step, [Item("a", {})], None, ledger))


def test_the_system_ends_a_worker_before_its_driver(tmp_path: Path) -> None:
    step = Step("score", 1, steps.score)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        (found,) = LocalExecutor(1).run(step, [Item("a", {})], None, ledger)
    assert found.value["score"] > int(Path("/proc/self/oom_score_adj").read_text())
