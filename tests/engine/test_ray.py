"""The executor ray with real actors on this machine: the same outcomes as here, and what it refuses to begin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import steps
from ray_start import with_patience

from facevid.engine import (
    Item,
    Ledger,
    Outcome,
    Resources,
    SetupError,
    Step,
    StorageError,
    folder_lock,
    open_executor,
    ray_executor,
)

ray = pytest.importorskip("ray", reason="Ray is not installed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """One machine that says that it has eight cores, for the whole file: Ray takes long to start."""
    ray_executor._quieten()
    with_patience(
        lambda: ray.init(
            address="local", num_cpus=8, resources={"camera": 1}, include_dashboard=False, log_to_driver=False,
            logging_level="ERROR", object_store_memory=100 << 20,
        )
    )  # fmt: skip
    yield
    ray.shutdown()


def a_step(function: Callable[..., dict[str, Any]], **options: Any) -> Step:
    return Step(
        **{"name": function.__name__, "version": 1, "function": function, "timeout_s": 60.0, **options}
    )


def collect(
    step: Step,
    items: list[Item],
    folder: Path,
    *,
    workers: int | None = 2,
    executor: str = "ray",
    **resources: Any,
) -> dict[str, Outcome]:
    with (
        folder_lock(folder) as lock,
        Ledger(folder / "ledger.sqlite") as ledger,
        open_executor(
            executor, workers=workers, lock=lock, log=folder / "worker.log", resources={step.name: resources}
        ) as opened,
    ):
        return {outcome.key: outcome for outcome in opened.run(step, items, None, ledger)}


def test_every_way_to_end_is_told_in_the_same_words_as_on_one_machine(cluster: None, tmp_path: Path) -> None:
    ways = ["fine", "reject", "unreadable", "bug", "exit", "print", "crash", "hang", "killed once"]
    step = a_step(steps.anything, timeout_s=lambda payload: 1.0 if payload["do"] == "hang" else 60.0)

    def items(folder: Path) -> list[Item]:
        return [Item(way, {"do": way, "_mark": str(folder / "mark")}) for way in ways]

    here, there = tmp_path / "here", tmp_path / "there"
    local = collect(step, items(here), here, executor="local")
    found = collect(step, items(there), there)
    told = ("status", "kind", "message", "value")
    assert {k: [getattr(o, t) for t in told] for k, o in found.items()} == {
        k: [getattr(o, t) for t in told] for k, o in local.items()
    }
    kinds = {"crash": "crash", "hang": "timeout", "killed once": None, "bug": "bug"}
    assert {way: found[way].kind for way in kinds} == kinds
    [log] = there.glob("worker.log.*")
    assert "noise on descriptor 1" in log.read_text()
    assert all(outcome.reused for outcome in collect(step, items(there), there).values())


def test_a_worker_has_the_threads_and_the_memory_that_its_step_asks_for(
    cluster: None, tmp_path: Path
) -> None:
    step = a_step(steps.anything, setup=steps.load, resources=Resources(memory_gb=0.3, custom={"camera": 1}))
    items = [Item(way, {"do": way}) for way in ("threads", "grow")]
    found = collect(step, items, tmp_path, workers=None, cpus=3)
    assert found["threads"].value == {"loads": 1, "threads": 3, "omp": "3"}
    assert found["grow"].kind == "memory"
    assert "needed more than its 0.3 GB of memory and was ended, tried 2 times" in (
        found["grow"].message or ""
    )


def test_a_machine_that_does_not_see_the_footage_stops_the_run_with_one_sentence(
    cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "a.mp4"
    # The driver sees what no worker does.
    monkeypatch.setattr("facevid.engine.ray_pool.Path.exists", lambda path: path == gone or path.is_file())
    step = a_step(steps.nothing, inputs=lambda payload: [gone])
    with pytest.raises(SetupError, match=r"machine .* does not see .*a\.mp4.* same path"):
        collect(step, [Item(str(n), {"n": n}) for n in range(100)], tmp_path)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert ledger.counts() == {}


@pytest.mark.slow
def test_a_setup_that_raises_and_a_full_disk_stop_the_run(cluster: None, tmp_path: Path) -> None:
    items = [Item(str(n), {"n": n}) for n in range(6)]
    with pytest.raises(SetupError, match=r"'nothing' could not be set up.*face.onnx is missing"):
        collect(a_step(steps.nothing, setup=steps.load_missing_model), items, tmp_path)
    with pytest.raises(StorageError, match="the disk is full"):
        collect(a_step(steps.disk_full), items, tmp_path)


@pytest.mark.slow
def test_a_machine_with_other_versions_is_refused(
    cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facevid.engine.ray_host.own_versions", lambda: {"facevid": "0.0.1"})
    with pytest.raises(SetupError, match=r"has facevid .*, and the machine that began this run has 0\.0\.1"):
        collect(a_step(steps.nothing), [Item("a", {})], tmp_path)


def test_a_need_that_no_machine_can_meet_is_told(cluster: None, tmp_path: Path) -> None:
    with (
        folder_lock(tmp_path) as lock,
        Ledger(tmp_path / "ledger.sqlite") as ledger,
        ray_executor.RayExecutor(
            None,
            address=None,
            lock=lock,
            log=tmp_path / "log",
            resources={"nothing": {"gpus": 2}},
            room_timeout_s=1.0,
        ) as executor,
        pytest.raises(
            SetupError, match=r"needs 1 CPU, 2 GPUs, and for 1 s no machine of the Ray cluster has had as"
        ),
    ):
        list(executor.run(a_step(steps.nothing), [Item("a", {})], None, ledger))
