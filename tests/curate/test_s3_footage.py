"""Footage behind an address: found, scanned and built as from a folder, through faults, and each failure alone."""

from __future__ import annotations

import contextlib
import csv
import sys
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

import facevid
from facevid import media
from facevid.curate import build
from facevid.curate.manifest import FootageError
from facevid.curate.scan import find_footage, scan_items, scan_step
from facevid.engine import LocalExecutor, StepError
from facevid.synth import synthesize

sys.path[:0] = [str(Path(__file__).parents[1] / "storage")]

from faulty import FaultyServer, always, seeded  # noqa: E402
from faulty_store import Store, front, moto_port, no_waiting, scratch, store  # noqa: E402

__all__ = ["front", "moto_port", "no_waiting", "scratch", "store"]  # fixtures
NAMES = ("a.mp4", "2024/über b.mp4", "2024/deep/talk [x] #1.MOV")
FAULTS = ("hang", "reset", "half", "short", "shifted", "500", "503")
RECIPE: dict[str, Any] = {
    "select": {"min_s": 0.6, "rules": []},
    "cut": {"size": 128, "preset": "ultrafast"},
    "identify": {"faces_per_clip": 1},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three tiny videos, and what is none."""
    folder = tmp_path_factory.mktemp("footage")
    for n, name in enumerate(NAMES):
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        with media.VideoWriter(folder / f"{n}.tmp.mp4", width=64, height=48, fps=25) as video:
            for k in range(4):
                video.write(np.full((48, 64, 3), 50 * n + 10 * k, np.uint8))
        (folder / f"{n}.tmp.mp4").rename(folder / name)
    for name in ("notes.txt", ".hidden.mp4", "2024/.work/c.mp4"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"no footage")
    return folder


def put(store: Store, folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            store.put(path.relative_to(folder).as_posix(), path.read_bytes())


def test_a_bucket_is_walked_as_a_folder_is(store: Store, folder: Path) -> None:
    put(store, folder)
    found = find_footage("s3://raw/")
    assert [one.location for one in found] == sorted(f"s3://raw/{name}" for name in NAMES)
    assert sorted(one.name for one in found) == sorted(one.name for one in find_footage(folder))
    assert [one.location for one in find_footage("s3://raw/2024/deep")] == [f"s3://raw/{NAMES[2]}"]


def test_files_globs_and_names_with_brackets(store: Store, folder: Path) -> None:
    put(store, folder)
    for given, wanted in (
        ("s3://raw/a.mp4", [NAMES[0]]), (f"s3://raw/{NAMES[2]}", [NAMES[2]]), ("s3://raw/2024/*.mp4", [NAMES[1]]),
        ("s3://raw/**/*.MOV", [NAMES[2]]), (["s3://raw/*.mp4", "s3://raw/a.mp4"], [NAMES[0]]),
    ):  # fmt: skip
        assert [one.location for one in find_footage(given)] == [f"s3://raw/{name}" for name in wanted], given


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("s3://raw/none.mp4", r"There is no s3://raw/none\.mp4"), ("s3://raw/*.avi", "There is no video in"),
        ("s3://nobody/", "s3://nobody"), ("nosuch://raw/a.mp4", "cannot be used as an address"),
        ("https://u:p@host/a.mp4", "a password in it"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_told(store: Store, given: str, says: str) -> None:
    with pytest.raises(FootageError, match=says):
        find_footage(given)


def test_a_listing_through_faults_is_whole(store: Store, folder: Path) -> None:
    put(store, folder)
    store.front.reset(seeded(1, 0.5, ("reset", "500", "503")))
    for _ in range(4):
        assert len(find_footage("s3://raw/")) == 3
    assert store.front.faults


def test_manifests_and_their_rows_may_be_addresses(store: Store, folder: Path, tmp_path: Path) -> None:
    put(store, folder)
    rows = [
        {"path": f"s3://raw/{NAMES[2]}", "licence": "CC0"}, {"path": "2024/über b.mp4", "licence": "other"},
        {"path": "../raw/a.mp4", "licence": ""},
    ]  # fmt: skip
    with (tmp_path / "list.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["path", "licence"])
        writer.writeheader()
        writer.writerows(rows)
    store.put("list.csv", (tmp_path / "list.csv").read_bytes())
    found = {one.location: one.facts["licence"] for one in find_footage("s3://raw/list.csv")}
    assert found == {
        f"s3://raw/{NAMES[2]}": "CC0", f"s3://raw/{NAMES[1]}": "other", "s3://raw/a.mp4": None,
    }  # fmt: skip
    near = find_footage([str(tmp_path / "list.csv"), "s3://raw/2024"])
    assert [one.location for one in near] == [
        str(tmp_path.parent / "raw" / "a.mp4"), str(tmp_path / NAMES[1]), f"s3://raw/{NAMES[2]}", f"s3://raw/{NAMES[1]}",
    ]  # fmt: skip
    assert near[2].facts["licence"] == "CC0"


def test_a_secret_in_a_manifest_names_its_row(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path\na.mp4\nhttps://host/a.mp4?X-Amz-Signature=hidden\n")
    with pytest.raises(FootageError, match=r"list\.csv, row 2: .*credentials") as told:
        find_footage(tmp_path / "list.csv")
    assert "hidden" not in str(told.value)


def test_a_scan_gives_what_it_gives_of_the_file(store: Store, folder: Path) -> None:
    put(store, folder)
    store.front.reset(seeded(5, 0.25, tuple(f for f in FAULTS if f != "hang")))
    for name in NAMES:
        near = scan_step({"_path": str(folder / name)}, None)
        assert scan_step({"_path": f"s3://raw/{name}"}, None) == near
    assert store.front.faults


def test_a_file_is_scanned_again_only_when_it_changes(store: Store, folder: Path) -> None:
    put(store, folder)
    before = {i.key: i.payload for i in scan_items(find_footage("s3://raw/"))}
    named = {i.key: i.payload for i in scan_items(find_footage([f"s3://raw/{name}" for name in NAMES]))}
    assert before == named, "a listing and a question about one file must say the same"
    store.put("a.mp4", (folder / "a.mp4").read_bytes()[::-1])
    after = {i.key: i.payload for i in scan_items(find_footage("s3://raw/"))}
    assert [key for key in after if after[key] != before[key]] == ["s3://raw/a.mp4"]


def test_a_store_that_does_not_answer_fails_its_item_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEVID_STORAGE_ATTEMPTS", "2")
    address = store.put("a.mp4", b"x" * 1000)
    store.front.reset(always("503", "a.mp4"))
    with pytest.raises(StepError, match=r"s3://raw/a\.mp4 could not be reached") as told:
        scan_step({"_path": address}, None)
    assert told.value.kind == "unreachable"
    store.remove("a.mp4")
    store.front.reset()
    with pytest.raises(StepError) as told:
        scan_step({"_path": address}, None)
    assert told.value.kind == "missing"


def test_web_servers_with_and_without_ranges(folder: Path, no_waiting: None, scratch: Path) -> None:
    near = scan_step({"_path": str(folder / "a.mp4")}, None)
    for ranges in (True, False):
        with FaultyServer(files={"/a.mp4": (folder / "a.mp4").read_bytes()}, ranges=ranges) as web:
            (one,) = find_footage(web.url("/a.mp4?id=5"))
            assert one.name == "a.mp4"
            (item,) = scan_items([one])
            assert item.payload["stamp"][0] == near["size_bytes"]
            assert scan_step(item.payload, None) == near


def test_any_file_system_of_fsspec(folder: Path) -> None:
    for name in NAMES:
        fsspec.filesystem("memory").pipe(f"/raw/{name}", (folder / name).read_bytes())
    found = find_footage("memory://raw")
    assert len(found) == 3
    for one in found:
        near = folder / one.location.partition("/raw/")[2]
        assert scan_step({"_path": one.location}, None) == scan_step({"_path": str(near)}, None)


def test_the_next_run_tries_again_what_was_not_reached(
    store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEVID_STORAGE_ATTEMPTS", "2")
    monkeypatch.setattr(
        "facevid.curate.session.open_executor", lambda *_, **__: contextlib.nullcontext(LocalExecutor(0))
    )
    put(store, folder)
    store.front.reset(always("503", "a.mp4"))
    first = build.scan("s3://raw/", tmp_path / "dataset", workers=1)
    assert (first.ok, first.failed) == (2, 1)
    assert [(f["item"], f["kind"]) for f in first.failures] == [("a.mp4", "unreachable")]
    store.front.reset()
    assert build.scan("s3://raw/", tmp_path / "dataset", workers=1, dry_run=True).to_run == 1
    second = build.scan("s3://raw/", tmp_path / "dataset", workers=1)
    assert (second.ok, second.reused, second.failed) == (3, 2, 0)
    kept = b"".join(p.read_bytes() for p in (tmp_path / "dataset").rglob("*") if p.is_file())
    assert b"very-secret-key" not in kept


def published(dataset: Path) -> dict[str, bytes]:
    files = (p for p in dataset.rglob("*") if p.is_file() and ".work" not in p.relative_to(dataset).parts)
    return {str(p.relative_to(dataset)): p.read_bytes() for p in files}


@pytest.mark.slow
def test_a_build_through_faults_publishes_what_a_local_one_does(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    footage = tmp_path / "footage"
    synthesize(footage, people=3, videos=3, seed=3, seconds=1.4, kinds=("clean",), size=(320, 240), workers=1)
    (footage / "broken.mp4").write_bytes(b"no video at all" * 100)
    here, there = tmp_path / "here" / "dataset", tmp_path / "there" / "dataset"
    local = facevid.build(footage, here, recipe=RECIPE, workers=1)
    monkeypatch.setenv("FACEVID_STORAGE_TIMEOUT_S", "8")
    put(store, footage)
    store.front.reset(seeded(11, 0.12, FAULTS))
    away = facevid.build("s3://raw/", there, recipe=RECIPE, workers=2)
    assert [(f["item"], f["kind"]) for f in away.failures] == [("broken.mp4", "not_media")], away.failures
    assert (local.clips, away.clips) == (3, 3)
    assert published(here) == published(there)
    assert len(set(store.front.faults)) >= 4

    # One source is out of reach: it fails alone, its clips are out of the dataset until it answers again.
    monkeypatch.setenv("FACEVID_STORAGE_ATTEMPTS", "2")
    gone = tmp_path / "gone" / "dataset"
    name = sorted(p.name for p in footage.glob("*.mp4") if p.name != "broken.mp4")[0]
    store.front.reset(always("503", name))
    without = facevid.build("s3://raw/", gone, recipe=RECIPE, workers=1)
    assert (without.clips, without.failed_by_kind["unreachable"]) == (2, 1)
    store.front.reset()
    again = facevid.build("s3://raw/", gone, recipe=RECIPE, workers=1)
    assert again.clips == 3
    assert published(gone) == published(here)
