"""Runs interrupted or killed: nothing is half recorded, nothing stays behind, and the next run goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from facevid.engine import Ledger, clear_stale

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
ITEMS = 40


def start_driver(folder: Path, what: str, count: int = ITEMS) -> subprocess.Popen[str]:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("driver.py")), str(folder), what, str(count)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )


def wait_for(path: Path) -> str:
    until = time.monotonic() + 15
    while not (path.exists() and len(path.read_text().split()) == 2):
        assert time.monotonic() < until
        time.sleep(0.01)
    return path.read_text()


def is_running(pid: int) -> bool:
    """Whether a process is there and more than a zombie waiting for its parent."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True
    ).stdout.strip()
    return bool(state) and not state.startswith("Z")


def gone(pids: list[int]) -> bool:
    until = time.monotonic() + 3
    while any(is_running(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.02)
    return not any(is_running(pid) for pid in pids)


def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    for seen in (3, 9, 15):
        driver = start_driver(tmp_path, "slow_write")
        assert driver.stdout is not None
        for _ in range(seen):
            driver.stdout.readline()
        driver.kill()
        driver.wait()
        driver.stdout.close()
    assert start_driver(tmp_path, "slow_write").communicate(timeout=20)[0].split() != []

    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert [outcome.value["n"] for outcome in ledger.outcomes("slow_write")] == list(range(ITEMS))
        endings = [run.ending for run in ledger.runs()]
        reused = [run.reused for run in ledger.runs()]
    assert endings == [None, None, None, "done"]
    assert reused[-1] >= 10
    assert all((tmp_path / f"{n}.txt").read_text() == str(n) for n in range(ITEMS))
    runs = [int(line) for line in (tmp_path / "log").read_text().split()]
    assert len(runs) <= ITEMS + 3 * 12, "a kill may cost what was at work or not yet committed, no more"
    clear_stale(tmp_path)
    assert not [path.name for path in tmp_path.iterdir() if ".tmp-" in path.name]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_run_and_all_its_processes_within_three_seconds(
    tmp_path: Path, number: signal.Signals
) -> None:
    driver = start_driver(tmp_path, "with_child", 1)
    pids = [int(pid) for pid in wait_for(tmp_path / "pids").split()]
    begin = time.monotonic()
    driver.send_signal(number)
    output, _ = driver.communicate(timeout=10)
    assert time.monotonic() - begin < 3
    assert (output.split(), driver.returncode) == (["interrupted"], 130)
    assert gone(pids)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert ledger.counts() == {}
        assert ledger.runs()[-1].ending == "interrupted"


def test_workers_and_their_children_die_with_a_killed_driver(tmp_path: Path) -> None:
    driver = start_driver(tmp_path, "with_child", 1)
    pids = [int(pid) for pid in wait_for(tmp_path / "pids").split()]
    driver.kill()
    driver.communicate(timeout=10)
    assert gone(pids)


def test_ctrl_c_between_outcomes_keeps_what_is_finished(tmp_path: Path) -> None:
    driver = start_driver(tmp_path, "slow_write", 1000)
    assert driver.stdout is not None
    seen = [driver.stdout.readline().strip() for _ in range(10)]
    driver.send_signal(signal.SIGINT)
    seen += driver.communicate(timeout=10)[0].split()
    assert seen.pop() == "interrupted"
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert set(seen) <= {outcome.key for outcome in ledger.outcomes("slow_write")}
