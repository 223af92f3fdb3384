"""A Ray cluster of several nodes, each with processes of its own, here: nodes and drivers come, go and are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray_start import ports, with_patience

from facevid.engine import Ledger

pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = pytest.mark.slow
ITEMS = 40
PATIENCE_S = 600


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A head without cores for workers, so that every worker is on a node that may be killed."""
    from ray.cluster_utils import Cluster

    made = with_patience(
        lambda: Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **ports()}
        )
    )
    yield made
    made.shutdown()


@pytest.fixture
def node(cluster: Any) -> Iterator[Any]:
    made = add_node(cluster, 2)
    yield made
    cluster.remove_node(made)


def add_node(cluster: Any, cores: int) -> Any:
    return with_patience(lambda: cluster.add_node(num_cpus=cores, wait=False, **ports()))


def wait_for(path: Path, words: int) -> list[str]:
    until = time.monotonic() + PATIENCE_S
    while not (path.exists() and len(path.read_text().split()) >= words):
        assert time.monotonic() < until, f"{path.name} was not there after {PATIENCE_S} s"
        time.sleep(0.1)
    return path.read_text().split()


def start_driver(folder: Path, what: str, count: int, cluster: Any) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return subprocess.Popen(
        [
            sys.executable,
            str(Path(__file__).with_name("driver.py")),
            str(folder),
            what,
            str(count),
            cluster.address,
        ],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )


def gone(pids: list[int], within_s: float) -> bool:
    def running(pid: int) -> bool:
        try:
            return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return False

    until = time.monotonic() + within_s
    while any(running(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.1)
    return not any(running(pid) for pid in pids)


def test_nodes_that_are_killed_cost_no_attempt_and_nodes_that_join_are_used(
    cluster: Any, tmp_path: Path
) -> None:
    """The first item is begun three times, each time on another node; two crashes would have set it aside."""
    made = add_node(cluster, 1)
    driver = start_driver(tmp_path, "third_time", 2, cluster)
    for begun in (1, 2):
        wait_for(tmp_path / "log", begun)
        killed = time.monotonic()
        cluster.remove_node(made, allow_graceful=False)
        made = add_node(cluster, 1)
        wait_for(tmp_path / "log", begun + 1)
        print(f"a node killed and one joined: begun anew after {time.monotonic() - killed:.0f} s")
    output, _ = driver.communicate(timeout=PATIENCE_S)
    cluster.remove_node(made)
    assert output.split() == ["0000", "0001"]
    assert len((tmp_path / "log").read_text().split()) == 4
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert ledger.counts() == {"third_time": {"ok": 2}}


def test_a_driver_that_is_killed_leaves_no_worker_and_the_next_goes_on(
    cluster: Any, node: Any, tmp_path: Path
) -> None:
    hanging = start_driver(tmp_path / "hang", "with_child", 1, cluster)
    pids = [int(pid) for pid in wait_for(tmp_path / "hang" / "pids", 2)]
    hanging.kill()
    hanging.communicate()
    killed = time.monotonic()
    assert gone(pids, within_s=60)
    print(f"workers gone {time.monotonic() - killed:.1f} s after their driver was killed")

    folder = tmp_path / "run"
    driver = start_driver(folder, "slow_write", ITEMS, cluster)
    assert driver.stdout is not None
    for _ in range(15):
        driver.stdout.readline()
    driver.kill()
    driver.communicate()
    rest = start_driver(folder, "slow_write", ITEMS, cluster)
    assert len(rest.communicate(timeout=PATIENCE_S)[0].split()) == ITEMS
    with Ledger(folder / "ledger.sqlite") as ledger:
        assert [outcome.value["n"] for outcome in ledger.outcomes("slow_write")] == list(range(ITEMS))
        assert [run.ending for run in ledger.runs()] == [None, "done"]
        assert ledger.runs()[-1].reused >= 10
    assert all((folder / f"{n}.txt").read_text() == str(n) for n in range(ITEMS))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_run_and_its_workers(
    cluster: Any, node: Any, tmp_path: Path, number: signal.Signals
) -> None:
    driver = start_driver(tmp_path, "with_child", 1, cluster)
    pids = [int(pid) for pid in wait_for(tmp_path / "pids", 2)]
    began = time.monotonic()
    driver.send_signal(number)
    output, _ = driver.communicate(timeout=PATIENCE_S)
    print(f"{number.name}: the driver ended after {time.monotonic() - began:.1f} s")
    assert (output.split(), driver.returncode) == (["interrupted"], 130)
    assert gone(pids, within_s=60)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert ledger.counts() == {}
        assert ledger.runs()[-1].ending == "interrupted"
