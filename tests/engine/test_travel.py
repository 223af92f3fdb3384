"""Steps of a dataset behind an address: what a worker makes is sent, what it needs is brought, and nothing is lost."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from faulty import seeded
from faulty_store import Store, front, moto_port, no_waiting, scratch, store
from travelling import FILE, FOLDER, items

from facevid.engine import Item, Ledger, LocalExecutor, Outcome, Step, StorageError
from facevid.engine.archive import pack, peek, unpack
from facevid.engine.shelf import Shelf
from facevid.engine.travel import Travel
from facevid.storage import Place, Scratch

__all__ = ["front", "moto_port", "no_waiting", "scratch", "store"]
ADDRESS = "s3://raw/sets/ours"


@pytest.fixture
def travel(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Travel:
    monkeypatch.setenv("FACEVID_STORAGE_TIMEOUT_S", "20")
    return Travel(str(tmp_path / "home"), Place(ADDRESS), "datasets/x/ours")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.sqlite")


def run(step: Step, some: list[Item], ledger: Ledger, travel: Travel, workers: int = 0) -> dict[str, Outcome]:
    executor = LocalExecutor(workers, travel=travel)
    return {outcome.key: outcome for outcome in executor.run(step, some, None, ledger)}


def keys(store: Store) -> set[str]:
    found = store.client.list_objects_v2(Bucket="raw", Prefix="sets/ours/").get("Contents", ())
    return {one["Key"].removeprefix("sets/ours/") for one in found}


@pytest.mark.parametrize("workers", [0, 1])
def test_what_one_step_made_another_finds_on_a_machine_that_never_saw_it(
    store: Store, travel: Travel, ledger: Ledger, scratch: Path, workers: int
) -> None:
    folders, files = items(Path(travel.home), 2)
    assert all(o.status == "ok" for o in run(FOLDER, folders, ledger, travel, workers).values())
    shutil.rmtree(scratch)
    found = run(FILE, files, ledger, travel, workers)
    assert {key: o.value for key, o in found.items()} == {"0": {"seen": 0}, "1": {"seen": 1}}
    assert keys(store) == {f".work/{kind}/{k}-h.tar" for kind in ("folders", "files") for k in (0, 1)}
    assert not Path(travel.home).exists(), "the driver's folder is only a name"
    with travel.shelf().held(".work/files/1-h") as path:
        assert path.read_text() == "2"
    assert not list((scratch / "making").iterdir())


def test_an_object_that_went_missing_is_made_again_and_one_listing_a_folder_tells(
    store: Store, travel: Travel, ledger: Ledger
) -> None:
    folders, _ = items(Path(travel.home), 4)
    folders.append(Item("no", {"number": -1, "_out": f"{travel.home}/.work/folders/no-h"}))
    run(FOLDER, folders, ledger, travel)
    store.remove("sets/ours/.work/folders/2-h.tar")
    store.front.reset()
    found = run(FOLDER, folders, ledger, travel)
    assert {key for key, o in found.items() if not o.reused} == {"2"}
    assert store.front.requests.count(("GET", "/raw")) == 1
    assert found["no"].status == "rejected"


def test_faults_of_the_store_cost_attempts_and_nothing_else(
    store: Store, travel: Travel, ledger: Ledger, scratch: Path
) -> None:
    folders, files = items(Path(travel.home), 6)
    store.front.reset(seeded(5, 0.3, ("reset", "half", "short", "shifted", "500", "503")))
    assert all(o.status == "ok" for o in run(FOLDER, folders, ledger, travel).values())
    shutil.rmtree(scratch)
    found = run(FILE, files, ledger, travel)
    assert {o.value["seen"] for o in found.values()} == set(range(6))
    assert len(store.front.faults) > 5


def test_a_place_that_refuses_stops_the_run_with_a_sentence(
    store: Store, travel: Travel, ledger: Ledger
) -> None:
    folders, _ = items(Path(travel.home), 2)
    nowhere = replace(travel, place=Place("s3://no-such-bucket/ours"))
    with pytest.raises(
        StorageError,
        match=r"no-such-bucket/ours cannot be written: its bucket is not there.*What is finished is kept",
    ):
        run(FOLDER, folders, ledger, nowhere)
    assert ledger.counts() == {}


def test_a_scratch_too_small_for_one_unit_is_a_sentence(
    travel: Travel, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEVID_SCRATCH_GB", "0.00005")
    folders, _ = items(Path(travel.home), 1)
    with pytest.raises(StorageError, match="FACEVID_SCRATCH_GB"):
        run(FOLDER, folders, ledger, travel)


def test_a_small_scratch_lets_go_of_what_is_not_in_use(
    travel: Travel, ledger: Ledger, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEVID_SCRATCH_GB", "0.00025")
    folders, files = items(Path(travel.home), 6)
    run(FOLDER, folders, ledger, travel)
    assert Scratch().used_bytes() <= 250_000 < 6 * 102_400
    assert len(run(FILE, files, ledger, travel)) == 6


def test_a_path_that_a_step_does_not_declare_is_a_fault_of_the_step(travel: Travel, ledger: Ledger) -> None:
    folders, _ = items(Path(travel.home), 1)
    with pytest.raises(TypeError, match="declares _out neither in inputs nor in makes"):
        run(replace(FOLDER, makes=None), folders, ledger, travel)


def test_an_archive_has_the_same_bytes_each_time_and_one_file_of_it_can_be_read_alone(
    store: Store, travel: Travel, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    made.mkdir()
    (made / "large").write_bytes(b"x" * 30_000_000)
    (made / "small").write_bytes(b"hello")
    pack(made, tmp_path / "one.tar")
    (made / "small").touch()
    pack(made, tmp_path / "two.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    again = unpack(tmp_path / "one.tar", tmp_path)
    assert {p.name: p.stat().st_size for p in again.iterdir()} == {"large": 30_000_000, "small": 5}
    store.put("sets/ours/it.tar", (tmp_path / "one.tar").read_bytes())
    store.front.reset()
    assert peek(travel.place, "it.tar", "small") == b"hello"
    assert store.front.sent < 3_000_000


def test_the_end_of_a_workers_log_lies_beside_the_dataset(
    store: Store, travel: Travel, tmp_path: Path
) -> None:
    log = tmp_path / "worker.log.far"
    log.write_bytes(b"a" * 100_000 + b"killed here")
    travel.ship_log(log, "far")
    found = store.client.get_object(Bucket="raw", Key="sets/ours/.work/worker.log.far")["Body"].read()
    assert len(found) == 1 << 16 and found.endswith(b"killed here")
    travel.ship_log(tmp_path / "none", "far")


def test_what_a_killed_process_left_unfinished_goes(travel: Travel, scratch: Path) -> None:
    left = scratch / "making" / ".make.tmp-999999-0123abcd"
    left.mkdir(parents=True)
    Shelf(travel.place, Scratch())
    assert not left.exists()


def test_a_worker_that_starts_leaves_alone_what_another_is_making(travel: Travel) -> None:
    with travel.shelf().making() as room:
        Shelf(travel.place, Scratch())
        assert room.exists()


def test_all_units_of_a_dataset_leave_a_machine_and_those_of_another_stay(
    store: Store, travel: Travel, scratch: Path
) -> None:
    def bring(shelf: Shelf, name: str) -> None:
        with shelf.making() as room:
            (room / "made").mkdir()
            (room / "made" / "face.npy").write_bytes(b"x" * 1000)
            shelf.add(name, room / "made")

    mine, other = travel.shelf(), Shelf(Place("s3://raw/sets/other"), Scratch())
    bring(mine, ".work/embeddings/a-1")
    bring(other, ".work/embeddings/a-1")
    bring(mine, ".work/embeddings/b-2")
    mine.drop([".work/embeddings/b-2"])
    with Shelf(travel.place, Scratch(scratch)).held(".work/embeddings/b-2"):
        pass  # brought, not made
    assert mine.clear() >= 2000
    left = list(scratch.rglob("face.npy"))
    assert len(left) == 1 and (left[0].parents[1] / "dataset").read_text() == "s3://raw/sets/other"
