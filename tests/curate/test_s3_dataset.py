"""A dataset built at an address is, byte for byte, the one that a folder would hold, whatever happens meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from faulty import seeded
from faulty_store import Store, front, moto_port, no_waiting, scratch, store
from hostile import SIZE

import facevid
from facevid.annotate import annotate
from facevid.curate.takedown import TakedownError, takedown
from facevid.curate.work import Work, WorkError
from facevid.dataset.published import DatasetError
from facevid.engine import FolderBusy, StorageError
from facevid.storage import Scratch
from facevid.synth import synthesize

__all__ = ["front", "moto_port", "no_waiting", "scratch", "store"]
ADDRESS = "s3://raw/sets/ours"
RECIPE: dict[str, Any] = {
    "select": {"min_s": 0.6, "rules": []},
    "cut": {"size": 128, "preset": "ultrafast"},
    "identify": {"faces_per_clip": 1},
}
AGAIN = """
import sys, facevid, json
facevid.build(sys.argv[1], sys.argv[2], recipe=json.loads(sys.argv[3]), workers=1)
"""


@pytest.fixture
def patient(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store that a busy machine may take its time with."""
    monkeypatch.setenv("FACEVID_STORAGE_TIMEOUT_S", "20")
    monkeypatch.setenv("FACEVID_CACHE", str(tmp_path / "cache"))
    return store


@pytest.fixture(scope="module")
def ours(built_once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """A folder with `footage` and the dataset `ours` that was built of it here."""

    def make(folder: Path) -> None:
        footage = folder / "footage"
        synthesize(footage, people=2, videos=3, seed=3, seconds=1.4, kinds=("clean",), size=SIZE, workers=1)
        (footage / "broken.mp4").write_bytes(b"no video at all" * 100)
        facevid.build(footage, folder / "ours", recipe=RECIPE, workers=2)

    return built_once("dataset-at-an-address", make)


def local(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file() and ".work" not in p.relative_to(folder).parts)
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def there(store: Store, *, work: bool = False) -> dict[str, bytes]:
    """What is published at the address, or what lies in its work folder."""
    found = store.below("sets/ours/")
    return {name: data for name, data in found.items() if name.startswith(".work/") == work}


def check_tidy(store: Store, clips: int) -> None:
    """Nothing lies there that no later run needs."""
    names = sorted(there(store, work=True))
    kinds = [name.split("/")[1] for name in names]
    assert kinds == ["analyses"] * clips + ["clips"] * clips + ["embeddings"] * clips + ["state.tar"], names
    assert not store.client.list_multipart_uploads(Bucket="raw").get("Uploads")


@pytest.mark.slow
def test_with_a_scratch_smaller_than_the_dataset_the_bytes_are_the_same(
    patient: Store, ours: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEVID_SCRATCH_GB", "0.0006")
    done = facevid.build(ours / "footage", ADDRESS, recipe=RECIPE, workers=1)
    assert (done.clips, done.failed, done.dataset) == (3, 1, ADDRESS)
    assert there(patient) == local(ours / "ours")
    check_tidy(patient, 3)
    held = sum(len(data) for name, data in there(patient, work=True).items() if "state" not in name)
    assert Scratch().used_bytes() <= 600_000 < held
    again = facevid.build(ours / "footage", ADDRESS, workers=1)
    assert {s["step"]: s["reused"] for s in again.steps if s["step"] in ("scan", "analyze", "cut", "identify")} == {
        "scan": 4, "analyze": 3, "cut": 3, "identify": 3,
    }  # fmt: skip
    assert there(patient) == local(ours / "ours")
    fewer = facevid.build(ours / "footage", ADDRESS, recipe={**RECIPE, "cut": {"size": 96}}, workers=1)
    assert fewer.clips == 3
    check_tidy(patient, 3)
    assert facevid.status(ADDRESS).clips == 3 and facevid.status(ADDRESS).running is None
    assert facevid.clean(ADDRESS) > 0
    copies = [p for p in scratch.rglob("*") if p.is_file()]
    assert copies == [], "no face, no embedding and no film stays on the machine"
    with pytest.raises(WorkError, match="nothing to clean"):
        facevid.clean("s3://raw/sets/nothing")
    assert not there(patient, work=True) and len(facevid.open(ADDRESS)) == 3
    with pytest.raises(WorkError, match="There is no build in"):
        facevid.cut(ADDRESS)


@pytest.mark.slow
def test_a_driver_that_is_killed_is_followed_by_one_on_another_machine(
    patient: Store, ours: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    driver = subprocess.Popen(
        [sys.executable, "-c", AGAIN, str(ours / "footage"), ADDRESS, json.dumps(RECIPE)],
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,
    )
    try:
        until = time.monotonic() + 300
        while not any("clips/" in name for name in there(patient, work=True)):
            assert time.monotonic() < until and driver.poll() is None
            time.sleep(0.1)
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    assert ".work/lock" in there(patient, work=True)
    assert facevid.status(ADDRESS).running is None, "on this machine it is known that its driver is gone"
    shutil.rmtree(scratch)
    assert "has the lock" in str(facevid.status(ADDRESS).running)
    shutil.rmtree(scratch, ignore_errors=True)
    monkeypatch.setattr("facevid.engine.remote_lock.GONE_S", 2.0)
    done = facevid.build(ours / "footage", ADDRESS, workers=1, recipe=RECIPE)
    analyzed = next(s for s in done.steps if s["step"] == "analyze")
    assert analyzed["reused"] == 3, "what the checkpoint after a step holds is not done again"
    assert there(patient) == local(ours / "ours")
    check_tidy(patient, 3)


@pytest.mark.slow
def test_faults_of_the_store_change_no_byte_of_a_build(patient: Store, ours: Path) -> None:
    patient.front.reset(seeded(7, 0.08, ("reset", "half", "short", "shifted", "500", "503")))
    facevid.build(ours / "footage", ADDRESS, recipe=RECIPE, workers=1)
    assert len(patient.front.faults) > 5
    patient.front.reset()
    assert there(patient) == local(ours / "ours")
    check_tidy(patient, 3)


@pytest.mark.slow
def test_machines_that_share_nothing_build_and_annotate_the_same(
    patient: Store, ours: Path, scratch: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    alone = tmp_path / "ours"
    shutil.copytree(ours / "ours", alone)
    annotate(alone, workers=1)
    for address in cluster_of([tmp_path / "one", tmp_path / "two"]):
        done = facevid.build(ours / "footage", ADDRESS, recipe=RECIPE, executor="ray", address=address)
        assert (done.clips, done.failed) == (3, 1)
        assert there(patient) == local(ours / "ours")
        said = annotate(ADDRESS, executor="ray", address=address)
        assert (said.ok, said.failed) == (3, 0)
    assert there(patient) == local(alone)
    assert facevid.build(ours / "footage", ADDRESS, workers=1).clips == 3
    assert there(patient) == local(alone), "what was said of the clips stays"
    check_tidy(patient, 3)
    for node in ("one", "two"):
        assert list((tmp_path / node).glob("datasets/*/ours/worker.log.*")), f"no worker ran on node {node}"


def cluster_of(scratches: list[Path]) -> Iterator[str]:
    """The address of a cluster with a node of one core for each scratch."""
    sys.path.append(str(Path(__file__).parents[1] / "engine"))
    from ray.cluster_utils import Cluster
    from ray_start import ports, with_patience

    head = {"num_cpus": 0, "include_dashboard": False, **ports()}
    made = with_patience(lambda: Cluster(initialize_head=True, head_node_args=head))
    try:
        for folder in scratches:
            env = {"FACEVID_SCRATCH": str(folder)}
            with_patience(lambda env=env: made.add_node(num_cpus=1, env_vars=env, wait=False, **ports()))
        yield made.address
    finally:
        made.shutdown()


def test_while_one_builds_a_second_is_refused_and_what_is_no_dataset_is_left_alone(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facevid.engine.remote_lock.BEAT_S", 0.05)
    footage = tmp_path / "a.mp4"
    footage.write_bytes(b"no video")
    other = Work.at(ADDRESS).remote
    assert other is not None
    with other.keeper():
        shutil.rmtree(other.home)
        with pytest.raises(FolderBusy, match=r"process \d+ on .* is working on s3://raw/sets/ours"):
            facevid.scan(footage, ADDRESS)
        assert "has the lock" in str(facevid.curate.build._running(Work.at(ADDRESS)))
    store.put("photos/beach.jpg", b"x")
    with pytest.raises(DatasetError, match="photos is not empty and not a dataset"):
        facevid.scan(footage, "s3://raw/photos")
    with pytest.raises(DatasetError, match="photos is not empty and not a dataset"):
        facevid.clean("s3://raw/photos")
    with pytest.raises(WorkError, match="no dataset of facevid, and none is being built there"):
        facevid.status("s3://raw/nothing")
    with pytest.raises(StorageError, match="no-such-bucket"):
        facevid.scan(footage, "s3://no-such-bucket/ours")


def test_a_takedown_at_an_address_is_a_sentence_that_says_what_to_do(store: Store) -> None:
    with pytest.raises(TakedownError, match="s3://raw/sets/ours is not on this machine"):
        takedown(ADDRESS, source="a.mp4")
