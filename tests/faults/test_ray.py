"""Faults of a Ray cluster: drivers, workers, nodes and heads that go, a full disk, and memory that is eaten."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from building import Place, check, ended, kill_session, new, processes_of, until, workers_of
from ray_start import ports, with_patience
from test_disks import disk, remount  # noqa: F401 - a fixture
from test_memory import build_with_eater, with_eater

pytest.importorskip("ray", reason="Ray is not installed")
ANALYSIS = ".work/analyses/.*.tmp-*"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head without cores for workers and one node with two, all of them processes of this machine."""
    made = a_cluster()
    yield made
    made.shutdown()


def a_cluster() -> Any:
    from ray.cluster_utils import Cluster

    made = with_patience(
        lambda: Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **ports()}
        )
    )
    add_node(made)
    return made


def add_node(cluster: Any) -> Any:
    return with_patience(lambda: cluster.add_node(num_cpus=2, memory=8_000_000_000, wait=False, **ports()))


def on(place: Place, cluster: Any) -> Place:
    return replace(place, executor=["--executor", "ray", "--address", cluster.address])


def test_a_driver_killed_workers_killed_and_stopped_and_a_node_lost_change_nothing(
    place: Place, small: Any, cluster: Any
) -> None:
    place = on(place, cluster)
    analysing = new(place, ANALYSIS)
    driver = place.start()
    until(analysing, "an analysis", of=driver)
    kill_session(driver)
    until(lambda: not processes_of(place.folder), "the end of the driver's workers", within_s=120)

    analysing, cutting = new(place, ANALYSIS), new(place, ".work/clips/.*.tmp-*")
    driver = place.start()
    until(analysing, "an analysis", of=driver)
    stopped = workers_of(place.folder)
    assert stopped
    for pid in stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    time.sleep(12)  # longer than Ray takes to find that a node is gone (health_check_period_ms, 3 s)
    for pid in stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    with contextlib.suppress(ProcessLookupError):
        os.kill(stopped[0], signal.SIGKILL)
    until(cutting, "a cut", of=driver)
    [node] = list(cluster.worker_nodes)
    cluster.remove_node(node, allow_graceful=False)
    add_node(cluster)
    end = ended(driver)
    assert end.code == 1, end
    check(place, small.dataset)


def test_a_source_that_eats_memory_is_set_aside(place: Place, small: Any, cluster: Any) -> None:
    build_with_eater(on(with_eater(place, small), cluster), small)


def test_a_full_disk_stops_the_run_and_with_room_it_goes_on(
    place: Place,
    small: Any,
    cluster: Any,
    disk: Callable[[str, int], Path],  # noqa: F811
) -> None:
    place = on(place, cluster)
    disk("dataset", 400_000)
    end = place.build()
    assert (end.code, "full" in end.sentence) == (4, True), end
    remount(place.dataset, "size=100m")
    assert place.build().code == 1
    check(place, small.dataset)


@pytest.mark.parametrize("dies", ["head", "node"])
def test_a_head_or_a_node_of_the_driver_that_dies_ends_the_run_with_a_sentence_and_another_cluster_goes_on(
    place: Place, small: Any, cluster: Any, dies: str
) -> None:
    other = a_cluster()
    try:
        analysing = new(place, ANALYSIS)
        driver = on(place, other).start()
        until(analysing, "an analysis", of=driver)
        if dies == "head":
            other.head_node.kill_gcs_server(check_alive=False)
        other.head_node.kill_raylet(check_alive=False)
        end = ended(driver)
    finally:
        with contextlib.suppress(Exception):  # the head is dead
            other.shutdown()
    assert end.code == 2, end
    lost = "the head of the Ray cluster" if dies == "head" else "the Ray node of this machine"
    assert lost in end.sentence and "run the same command again" in end.sentence
    until(lambda: not workers_of(place.folder), "the end of the workers", within_s=120)
    done = on(place, cluster).build()
    assert done.code == 1, done
    check(place, small.dataset)
