"""One run at a time for a dataset behind an address, and what one driver knew the next one goes on from."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
from faulty_store import Store, front, moto_port, no_waiting, scratch, store

from facevid.engine import FolderBusy, Ledger, Outcome, StorageError
from facevid.engine.checkpoint import Checkpoint
from facevid.engine.keeper import Keeper
from facevid.engine.remote_lock import LOCK, RemoteLock, lock_of
from facevid.storage import Place
from facevid.storage.objects import read

__all__ = ["front", "moto_port", "no_waiting", "scratch", "store"]


@pytest.fixture
def place(store: Store, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("FACEVID_STORAGE_TIMEOUT_S", "20")
    monkeypatch.setattr("facevid.engine.remote_lock.BEAT_S", 0.05)
    monkeypatch.setattr("facevid.engine.remote_lock.GONE_S", 0.8)
    return Place("s3://raw/sets/ours")


def keeper(place: Place, folder: Path, home: str = "here") -> Keeper:
    folder.mkdir(parents=True, exist_ok=True)
    return Keeper(
        RemoteLock(place, home), Checkpoint(folder, place, ("table.txt", "more"), ("ledger.sqlite",))
    )


def test_a_second_run_is_refused_and_told_who_holds_the_dataset(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facevid.engine.remote_lock.GONE_S", 20.0)
    with (
        keeper(place, tmp_path / "a"),
        pytest.raises(
            FolderBusy, match=r"process \d+ on .*, running since .* is working on s3://raw/sets/ours"
        ),
    ):
        RemoteLock(place, "elsewhere").take()
    assert read(place, LOCK) is None, "who has finished leaves no lock"
    with keeper(place, tmp_path / "b", "elsewhere"):
        pass


def test_a_run_that_is_gone_is_followed_once_its_counter_stood_still(place: Place) -> None:
    dead = RemoteLock(place, "a machine that went away")
    dead.take()
    began = time.monotonic()
    RemoteLock(place, "elsewhere").take()
    assert time.monotonic() - began >= 0.8
    with pytest.raises(FolderBusy, match="this run was away"):
        dead.beat()


def test_the_folder_of_a_killed_run_knows_its_own_lock_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facevid.engine.remote_lock.GONE_S", 3600.0)
    RemoteLock(place, "here").take()
    RemoteLock(place, "here").take()


def test_a_run_whose_lock_was_taken_ends_before_it_saves(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facevid.engine.remote_lock.BEAT_S", 60.0)
    monkeypatch.setattr("facevid.engine.keeper.SAVE_S", 60.0)
    with keeper(place, tmp_path / "a") as slow:
        slow.begin()
        RemoteLock(place, "elsewhere").take()
        with pytest.raises(FolderBusy, match="this run was away"):
            slow.save()
    found = lock_of(place)
    assert found is not None and found["home"] == "elsewhere", "the lock of another is left alone"


def test_where_a_store_knows_no_conditions_who_wrote_last_has_the_lock(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = place.fs.pipe_file
    other = b'{"token": "of another", "host": "far", "pid": 1, "started": "now"}'

    def unconditional(path: str, data: bytes, **options: object) -> None:
        put(path, data)  # what a store does that ignores the condition it is asked for
        if late:
            put(path, late.pop())

    late = [other]
    monkeypatch.setattr(place.fs, "pipe_file", unconditional)
    with pytest.raises(FolderBusy, match="process 1 on far"):
        RemoteLock(place, "here").take()
    assert lock_of(place) == json.loads(other)
    RemoteLock(place, "here").take()
    assert (lock_of(place) or {})["home"] == "here"


def test_a_driver_on_another_machine_goes_on_from_the_last_checkpoint(place: Place, tmp_path: Path) -> None:
    first = tmp_path / "a"
    with keeper(place, first) as held:
        held.begin()
        (first / "table.txt").write_text("one")
        (first / "more").mkdir()
        (first / "more" / "deep.txt").write_text("deep")
        with Ledger(first / "ledger.sqlite") as ledger:
            ledger.put(Outcome("x", "step", "ok"), hash="h")
            ledger.flush()
            held.save()
        (first / "table.txt").write_text("two, and not saved")
    second = tmp_path / "b"
    with keeper(place, second, "elsewhere") as held:
        assert (second / "table.txt").read_text() == "one"
        assert (second / "more" / "deep.txt").read_text() == "deep"
        with Ledger(second / "ledger.sqlite") as ledger:
            assert ledger.hashes("step") == {"x": "h"}
        (second / "table.txt").write_text("three")
        shutil.rmtree(second / "more")
        held.begin()
        held.save()
    with keeper(place, first):
        assert (first / "table.txt").read_text() == "three", "what is newer at the address counts"
        assert not (first / "more").exists()
        (first / "table.txt").write_text("four")
    with keeper(place, first):
        assert (first / "table.txt").read_text() == "four", "what is newer here stays"


def test_a_running_step_is_saved_by_and_by_and_an_interrupted_run_at_its_end(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facevid.engine.keeper.SAVE_S", 0.1)
    folder = tmp_path / "a"
    with pytest.raises(KeyboardInterrupt), keeper(place, folder) as held:
        (folder / "table.txt").write_text("one")
        held.begin()
        until = time.monotonic() + 20
        while held.checkpoint.here() < 2 and time.monotonic() < until:
            time.sleep(0.05)
        saved = held.checkpoint.here()
        assert saved >= 2
        raise KeyboardInterrupt
    assert (held.checkpoint.there() or 0) > saved


@pytest.mark.parametrize("damage", [b"junk", b"", b"\0" * 20_000], ids=["junk", "empty", "zeros"])
def test_a_damaged_state_is_a_sentence_and_can_be_thrown_away(
    store: Store, place: Place, tmp_path: Path, damage: bytes
) -> None:
    with keeper(place, tmp_path / "a") as held:
        held.begin()
        held.save()
    name = f"{place.root.partition('/')[2]}/.work/state.tar"
    store.put(name, damage)
    with pytest.raises(StorageError, match=r"state\.tar is damaged .*delete that object.*facevid clean"):
        keeper(place, tmp_path / "b").__enter__()
    assert lock_of(place) is None, "who could not begin leaves no lock"
    with Keeper(RemoteLock(place, "c"), keeper(place, tmp_path / "c").checkpoint, restores=False):
        pass
