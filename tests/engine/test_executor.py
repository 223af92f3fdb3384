"""Executors by name, what they refuse, and what a step's needs come to on the machines of a cluster."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import steps

from facevid.engine import (
    EngineError,
    Item,
    Ledger,
    Resources,
    SetupError,
    Step,
    open_executor,
    ray_executor,
    step_hash,
)


def opened(folder: Path, name: str, **options: Any) -> Any:
    return open_executor(name, lock=folder / "lock", log=folder / "log", **options)


def test_an_unknown_executor_and_an_address_without_ray_are_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(EngineError, match="no executor 'slurm'; allowed: local, ray"),
        opened(tmp_path, "slurm"),
    ):
        pass
    with (
        pytest.raises(EngineError, match="a:1 is that of a Ray cluster"),
        opened(tmp_path, "local", address="a:1"),
    ):
        pass


def test_without_ray_one_sentence_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(SetupError, match=r"Ray, which is not installed.*facevid\[ray\]"),
        opened(tmp_path, "ray"),
    ):
        pass


def test_what_is_finished_is_reused_without_a_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    monkeypatch.setattr(ray_executor, "joined", None)
    step, items = Step("double", 1, steps.double), [Item(str(n), {"n": n}) for n in range(3)]
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        for name in ("local", "ray"):
            with opened(tmp_path, name, workers=1) as executor:
                found = [outcome.value["twice"] for outcome in executor.run(step, items, None, ledger)]
            assert sorted(found) == [0, 2, 4]


@pytest.fixture
def answering() -> Iterator[str]:
    """An address at which something answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_unasked_only_a_cluster_of_ray_start_is_joined_and_only_while_it_answers(
    answering: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    left = "ray._private.utils.read_ray_address"  # what `ray start` left behind; `ray.init` leaves nothing
    for found, joins in ((answering, answering), (None, None), ("127.0.0.1:1", None)):
        monkeypatch.setattr(left, lambda found=found: found)
        assert ray_executor.cluster_address(None) == joins
    with pytest.raises(SetupError, match=r"part of no Ray cluster that `ray start` made"):
        ray_executor.cluster_address("auto")
    monkeypatch.setattr(left, lambda: answering)
    assert ray_executor.cluster_address("auto") == answering
    assert ray_executor.cluster_address("local") is None


def test_what_is_asked_for_goes_before_the_variable_and_the_variable_before_what_is_there(
    answering: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    monkeypatch.setattr("ray._private.utils.read_ray_address", lambda: "127.0.0.1:1")
    monkeypatch.setenv("RAY_ADDRESS", answering)
    assert ray_executor.cluster_address(None) == answering
    assert ray_executor.cluster_address("local") is None
    monkeypatch.setenv("RAY_ADDRESS", "local")
    assert ray_executor.cluster_address(None) is None
    assert ray_executor.cluster_address(answering) == answering


def test_a_cluster_of_other_versions_is_told_with_both(
    answering: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    from ray._private.utils import check_version_info

    def refuse(**_: object) -> None:
        check_version_info({"ray_version": "2.1.0", "python_version": "3.9.1"}, "here")

    monkeypatch.setattr("ray.init", refuse)
    said = rf"cluster at {answering} has Ray 2\.1\.0 and Python 3\.9\.1, and this process has Ray 2\.\d+\.\d+ and"
    with pytest.raises(SetupError, match=said), ray_executor.joined(answering):
        pass


def test_an_address_of_the_client_is_refused_with_what_to_do() -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    with pytest.raises(SetupError, match="on a machine of the cluster"), ray_executor.joined("ray://a:10001"):
        pass


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("127.0.0.1:1", "no Ray cluster answers at 127.0.0.1:1 "),
        ("127.0.0.1", "'127.0.0.1' is no address of a Ray cluster; give HOST:PORT"),
        ("nowhere", "'nowhere' is no address of a Ray cluster; give HOST:PORT"),
    ],
)
def test_an_address_where_nothing_answers_is_told_at_once(address: str, says: str) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    with (
        pytest.raises(SetupError, match=says),
        ray_executor.joined(address),
    ):
        pass


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"cpus": 0}, "cpus must be above 0, not 0"),
        ({"cpus": 1.5}, "cpus must be a share below 1 or a whole number, not 1.5"),
        ({"gpus": -1}, "gpus must be"),
        ({"memory_gb": 0}, "memory_gb must be above 0"),
        ({"custom": {"tpu": 2.5}}, "tpu must be"),
    ],
)
def test_needs_that_no_machine_can_give_out_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Resources(**given)


def test_threads_follow_cores_and_no_need_enters_the_hash() -> None:
    assert [Resources(cpus=cpus).threads for cpus in (0.25, 1, 4)] == [1, 1, 4]
    modest, hungry = (
        Step("a", 1, steps.nothing, resources=Resources(cpus=cpus, memory_gb=2)) for cpus in (1, 8)
    )
    assert step_hash(modest, None, {"n": 1}) == step_hash(hungry, None, {"n": 1})


@pytest.mark.parametrize(
    ("needs", "workers"),
    [
        ({}, 12),
        ({"cpus": 0.5}, 24),
        ({"cpus": 3}, 3),
        ({"gpus": 0.5}, 4),
        ({"memory_gb": 6}, 3),
        ({"custom": {"camera": 1}}, 1),
        ({"cpus": 9}, 0),
        ({"cpus": 0.1}, 120),
    ],
)
def test_a_machine_has_room_for_as_many_workers_as_its_scarcest_resource_allows(
    needs: dict[str, Any], workers: int
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    from facevid.engine.ray_pool import capacity

    nodes = [
        {"Alive": True, "Resources": {"CPU": 8.0, "memory": 16e9, "GPU": 2.0}},
        {"Alive": True, "Resources": {"CPU": 4.0, "memory": 8e9, "camera": 1.0}},
        {"Alive": False, "Resources": {"CPU": 64.0, "memory": 256e9, "GPU": 8.0}},
    ]
    assert capacity(nodes, Resources(**needs)) == workers


def test_what_ray_raises_is_the_end_of_a_machine_of_memory_or_of_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An actor runs no step: where it is gone, no item did that, but for memory."""
    pytest.importorskip("ray", reason="Ray is not installed")
    from ray import exceptions

    from facevid.engine import ray_pool

    def heard(error: Exception, placed: bool = True) -> Any:
        def get(ref: object) -> None:
            raise error

        monkeypatch.setattr(ray_pool.ray, "get", get)
        return ray_pool.heard_from(None, placed=placed)

    gone = [
        exceptions.ActorDiedError(),
        exceptions.ActorUnavailableError("cut off", None),
        exceptions.NodeDiedError(""),
    ]
    assert [heard(error) for error in gone] == [ray_pool.LOST] * 3
    memory = heard(exceptions.OutOfMemoryError("the node is at 96 %"))
    assert (memory.kind, memory.lost) == ("memory", False)
    unborn = exceptions.RayActorError(error_msg="...\nNo module named 'facevid'", actor_init_failed=True)
    with pytest.raises(SetupError, match=r"No module named 'facevid'.*installed on every machine"):
        heard(unborn, placed=False)


def test_a_head_is_asked_by_its_port_alone() -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    from facevid.engine import ray_pool

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert ray_pool.listens(address)
    assert not ray_pool.listens(address)


@pytest.mark.parametrize(
    ("deaf", "says"),
    [
        ({"head:1"}, "the head of the Ray cluster at head:1 has not answered for 0 s"),
        ({"own:2"}, "the Ray node of this machine at own:2 is gone; what is finished is kept"),
        ({"head:1", "own:2"}, "head:1 is gone, and the Ray node of this machine at own:2 is gone"),
    ],
    ids=["head", "node", "both"],
)
def test_a_driver_that_loses_what_ray_needs_says_so_before_ray_ends_it(
    monkeypatch: pytest.MonkeyPatch, deaf: set[str], says: str
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    from facevid.engine import ray_pool

    lost: set[str] = set()
    here = SimpleNamespace(gcs_address="head:1", get_node_id=lambda: "a")
    nodes = [
        {"NodeID": "b", "NodeManagerAddress": "other", "NodeManagerPort": 3},
        {"NodeID": "a", "NodeManagerAddress": "own", "NodeManagerPort": 2},
    ]
    monkeypatch.setattr(ray_pool.ray, "get_runtime_context", lambda: here)
    monkeypatch.setattr(ray_pool.ray, "nodes", lambda: nodes)
    monkeypatch.setattr(ray_pool, "listens", lambda address: address not in lost)
    monkeypatch.setattr(ray_pool, "_HEADLESS_S", 0.0)
    lifelines = ray_pool.Lifelines()
    assert lifelines.hold() and not lifelines.cut()
    lost |= deaf
    with pytest.raises(SetupError, match=says):
        lifelines.wait()
    assert lifelines.cut()
    lost.clear()
    assert lifelines.hold()
