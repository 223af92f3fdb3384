"""A dataset behind an address is annotated where it lies: what is published is, byte for byte, what a folder holds."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest

import facevid
from facevid.annotate import annotate, by_models
from facevid.annotate.target import AnnotationTarget
from facevid.backends import FaceGuess
from facevid.dataset import DatasetError
from facevid.dataset.sharing.remote import RemoteDataset
from facevid.dataset.statements import Statement
from facevid.engine import FolderBusy, folder_lock

sys.path.insert(0, str(Path(__file__).parents[1] / "storage"))
from faulty import seeded
from faulty_store import Store, front, moto_port, no_waiting, scratch, store

__all__ = ["front", "moto_port", "no_waiting", "scratch", "store"]
ADDRESS = "s3://raw/sets/small"


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of four clips that nobody has annotated."""
    from packing import work

    from facevid.curate.pack import pack_dataset

    folder = tmp_path_factory.mktemp("packed")
    output = folder / "dataset"
    tables = work(folder / "clips", 4, silent=(2,))
    pack_dataset(output, tables=tables, clip_folder=folder / "clips", recipe={"fps": 25.0}, name="small")
    return output


@pytest.fixture(scope="module")
def annotated(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, annotated in its folder."""
    output = tmp_path_factory.mktemp("annotated") / "dataset"
    shutil.copytree(packed, output)
    annotate(output, workers=1)
    return output


@pytest.fixture
def sent(store: Store, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with the dataset that nobody has annotated."""
    monkeypatch.setenv("FACEVID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FACEVID_STORAGE_TIMEOUT_S", "20")
    facevid.push(packed, ADDRESS)
    return store


def files_of(folder: Path) -> dict[str, bytes]:
    found = (p for p in folder.rglob("*") if p.is_file() and ".work" not in p.relative_to(folder).parts)
    return {str(p.relative_to(folder)): p.read_bytes() for p in found}


def there(store: Store, *, work: bool = False) -> dict[str, bytes]:
    """What is published at the address, or what lies in its work folder."""
    found = store.below("sets/small/")
    return {name: data for name, data in found.items() if name.startswith(".work/") == work}


def test_what_is_published_is_what_a_folder_holds_and_another_machine_goes_on(
    sent: Store, annotated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert annotate(ADDRESS, dry_run=True).to_run == 4
    done = annotate(ADDRESS, workers=1)
    assert (done.ok, done.failed, done.reused, done.to_dict()["dataset"]) == (4, 0, 0, ADDRESS)
    assert there(sent) == files_of(annotated)
    assert list(there(sent, work=True)) == [".work/state.tar"], "neither a lock nor a note is left"
    assert facevid.verify(ADDRESS).faults == ()

    monkeypatch.setenv("FACEVID_SCRATCH", str(tmp_path / "of another machine"))
    assert annotate(ADDRESS, dry_run=True).to_run == 0
    again = annotate(ADDRESS, workers=1)
    assert (again.ok, again.reused) == (4, 4)
    assert there(sent) == files_of(annotated)


@pytest.mark.slow
def test_a_store_that_fails_now_and_then_changes_nothing(sent: Store, annotated: Path) -> None:
    sent.front.reset(seeded(7, share=0.1))
    assert annotate(ADDRESS, workers=1).failed == 0
    assert sent.front.faults
    assert there(sent) == files_of(annotated)
    sent.front.reset(seeded(8, share=0.1, kinds=("reset", "half", "short", "shifted", "500", "503")))
    assert facevid.verify(ADDRESS).faults == ()
    assert sent.front.faults


def test_a_damaged_clip_is_named_and_the_others_are_annotated(sent: Store) -> None:
    [shard] = [name for name in there(sent) if name.startswith("media/")]
    data = bytearray(there(sent)[shard])
    row = facevid.open(ADDRESS)[0]
    data[row["mp4_offset"] : row["mp4_offset"] + row["mp4_size"]] = bytes(row["mp4_size"])
    sent.put(f"sets/small/{shard}", bytes(data))
    done = annotate(ADDRESS, workers=1)
    assert (done.ok, done.failed) == (3, 1)
    assert [f["item"] for f in done.failures] == [row.clip_id]


def test_a_shard_that_is_gone_is_told_before_anything_is_switched(sent: Store) -> None:
    before = there(sent)
    [shard] = [name for name in before if name.startswith("media/")]
    sent.remove(f"sets/small/{shard}")
    with pytest.raises(DatasetError, match=f"lacks {shard}"):
        annotate(ADDRESS, workers=1)
    assert there(sent)["dataset.json"] == before["dataset.json"]


def test_who_comes_second_is_told_who_holds_the_dataset(sent: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facevid.engine.remote_lock.BEAT_S", 0.1)
    first = RemoteDataset.at(ADDRESS)
    with folder_lock(first.home / ".work"), first.held():
        shutil.rmtree(first.home)
        with pytest.raises(FolderBusy, match=r"process \d+ on .* is working on s3://raw/sets/small"):
            annotate(ADDRESS, workers=1)


@pytest.mark.parametrize("by", [annotate, by_models.annotate_with_models])
def test_where_there_is_no_dataset_nothing_is_left(
    store: Store, scratch: Path, by: Callable[[str], object]
) -> None:
    store.put("sets/small/holiday.txt", b"x")
    with pytest.raises(DatasetError, match=r"there is no dataset\.json"):
        by(ADDRESS)
    assert there(store, work=True) == {} and not list(scratch.glob("datasets/*/*/.work"))


def test_a_damaged_cache_of_answers_does_not_stop_who_does_not_open_it(sent: Store, annotated: Path) -> None:
    work = RemoteDataset.at(ADDRESS).home / ".work"
    work.mkdir(parents=True)
    (work / "vlm.sqlite").write_bytes(b"no database" * 1000)
    assert annotate(ADDRESS, workers=1).ok == 4
    assert there(sent) == files_of(annotated)
    assert list(there(sent, work=True)) == [".work/state.tar"]


def test_a_run_that_lost_the_dataset_sends_nothing_more(sent: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before = there(sent)

    def lost(self: object) -> None:
        raise FolderBusy("another has it")

    with (
        pytest.raises(FolderBusy),
        pytest.MonkeyPatch.context() as patched,
        AnnotationTarget.at(ADDRESS) as target,
    ):
        patched.setattr("facevid.engine.keeper.Keeper.check", lost)
        target.update(
            add=[Statement(facevid.open(ADDRESS)[0].clip_id, "attribute", "gender", "male", "self")]
        )
    assert there(sent) == before


def test_tables_that_were_replaced_are_not_kept_here(sent: Store, tmp_path: Path) -> None:
    def kept() -> int:
        return len([p for p in (tmp_path / "cache").rglob("*") if p.is_file()])

    with AnnotationTarget.at(ADDRESS) as target:
        clip_id = facevid.open(ADDRESS)[0].clip_id
        counts = []
        for value in ("male", "female", "male"):
            target.update(
                add=[Statement(clip_id, "attribute", "gender", value, "self")],
                drop=lambda t: pc.equal(t["by"], "self"),
            )
            facevid.open(ADDRESS)[0]
            counts.append(kept())
    assert counts[1] == counts[-1]


class Guesser:
    name = "guesser"

    def read(self, images: Any, mesh: Any) -> list[FaceGuess]:
        return [FaceGuess("gender", "female", 0.9, "m", {"female": 0.9, "male": 0.1})]


def test_what_models_say_is_published_there(sent: Store) -> None:
    done = by_models.annotate_with_models(ADDRESS, face_attributes=Guesser())
    assert (done.clips, done.statements, done.failures) == (4, 4, [])
    assert {clip["attributes"]["gender"]["value"] for clip in facevid.open(ADDRESS)} == {"female"}
    assert by_models.annotate_with_models(ADDRESS, face_attributes=Guesser()).clips == 0
