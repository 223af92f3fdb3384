"""Places that cannot be written, hold something else, or fill up; recipes and footage that cannot be used."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from messy import RECIPE, Messy

import facevid
from facevid.curate.build import clean, cut, pack, status
from facevid.curate.scan import FootageError
from facevid.curate.work import WorkError
from facevid.dataset.dataset import DatasetError
from facevid.engine import Ledger, StorageError, storage_sentence
from facevid.errors import FacevidError
from facevid.recipe import RecipeError


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    """A footage folder for calls that end before they look into it."""
    folder = tmp_path / "footage"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(b"not looked at")
    return folder


@pytest.fixture
def copy(messy: Messy, tmp_path: Path) -> Path:
    """A copy of the messy dataset, free to be changed."""
    return Path(shutil.copytree(messy.dataset, tmp_path / "dataset"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Any]:
    """A disk of 8 MB in memory; call it with another size to resize it."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "facevid-test", str(place)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")

    def resize(size: str) -> Path:
        subprocess.run(["mount", "-o", f"remount,size={size}", str(place)], check=True)
        return place

    try:
        yield resize
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def published(dataset: Path) -> dict[str, bytes]:
    """The bytes of every published file."""
    files = (p for p in sorted(dataset.rglob("*")) if p.is_file() and ".work" not in p.parts)
    return {str(p.relative_to(dataset)): p.read_bytes() for p in files}


def free(place: Path) -> int:
    return shutil.disk_usage(place).free


def test_a_full_disk_stops_the_build_with_a_sentence_and_room_lets_it_finish(
    messy: Messy, small_disk: Any
) -> None:
    dataset = Path(shutil.copytree(messy.dataset, small_disk("64m") / "dataset"))
    before = published(dataset)
    for name in before:
        (dataset / name).unlink()
    gone = sorted((dataset / ".work" / "clips").iterdir())[:3]
    for clip in gone:
        shutil.rmtree(clip)
    full = dataset.parent / "filler"
    full.write_bytes(b"x" * (free(dataset) - 40_000))

    for step in (cut, pack):
        with pytest.raises(StorageError, match="the disk is full") as told:
            step(dataset, workers=1)
        assert "run" in str(told.value) and "again" in str(told.value)
        assert not [p for p in dataset.rglob("*.mp4") if p.stat().st_size == 0]
        if step is cut:
            full.write_bytes(b"x" * (full.stat().st_size - 1_500_000))
            summary = cut(dataset, workers=1)
            assert (summary.ok, summary.reused) == (summary.total, summary.total - 3)
            full.write_bytes(b"x" * (full.stat().st_size + free(dataset) - 20_000))
    full.unlink()
    pack(dataset)
    assert published(dataset) == before


def test_a_file_that_numpy_could_write_only_in_part_is_a_full_disk_and_no_bug(small_disk: Any) -> None:
    place = small_disk("64k")
    with pytest.raises(OSError, match="requested") as told:
        np.save(place / "chips.npy", np.zeros(200_000, np.uint8))
    assert "the disk is full" in (storage_sentence(told.value) or "")


def test_a_disk_without_any_room_is_named_at_once(footage: Path, small_disk: Any) -> None:
    place = small_disk("8m")
    (place / "filler").write_bytes(b"x" * free(place))
    with pytest.raises(StorageError, match="full"):
        facevid.build(footage, place / "dataset", workers=1)


@pytest.mark.parametrize("where", ["file/dataset", "file"])
def test_an_output_inside_or_on_a_file_is_refused(footage: Path, tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FacevidError) as told:
        facevid.build(footage, tmp_path / where, workers=1)
    assert str(tmp_path / "file") in str(told.value)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(
    not Path("/proc/self").is_dir(), reason="needs a folder that nobody can write, such as /proc"
)
def test_an_output_that_cannot_be_written_is_refused(footage: Path) -> None:
    with pytest.raises(StorageError, match=r"/proc/dataset"):
        facevid.build(footage, "/proc/dataset", workers=1)


def test_a_folder_with_other_things_in_it_is_not_touched(footage: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.jpg").write_text("mine")
    with pytest.raises(DatasetError, match=r"is not empty and not a facevid dataset \(it holds me\.jpg\)"):
        facevid.build(footage, tmp_path / "photos", workers=1)
    assert [p.name for p in (tmp_path / "photos").iterdir()] == ["me.jpg"]


def test_a_dataset_of_another_format_version_is_refused(messy: Messy, copy: Path) -> None:
    about = json.loads((copy / "dataset.json").read_text())
    about["format_version"] = 99
    (copy / "dataset.json").write_text(json.dumps(about))
    before = published(copy)
    for call in (lambda: facevid.open(copy), lambda: facevid.build(messy.footage, copy, workers=1)):
        with pytest.raises(DatasetError, match="99"):
            call()
    assert published(copy) == before


def test_a_work_folder_of_another_version_is_refused_and_clean_removes_it(messy: Messy, copy: Path) -> None:
    (copy / ".work" / "version").write_text("99\n")
    with pytest.raises(WorkError, match=r"another version of facevid \(work version 99.*facevid clean"):
        facevid.build(messy.footage, copy, workers=1)
    before = published(copy)
    assert clean(copy) > 0
    assert published(copy) == before
    assert not (copy / ".work").exists()


def test_a_dataset_of_other_footage_is_not_overwritten(messy: Messy, copy: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(messy.footage / "hangs.mp4", other / "other.mp4")
    with (other / "other.mp4").open("ab") as file:
        file.write(b"\0" * 8)
    before = published(copy)
    with pytest.raises(WorkError, match=r"was built from other footage: none of its \d+ sources"):
        facevid.build(other, copy, workers=1)
    assert published(copy) == before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"cut": {"sise": 256}}, ["cut.sise", "256", "unknown field", "size"]),
        ({"cut": {"size": "large"}}, ["cut.size", "'large'", "integer"]),
        ({"fps": 0}, ["fps", "0", "greater than or equal to 1"]),
        ({"select": {"min_s": 9.0, "max_s": 3.0}}, ["select", "min_s 9", "max_s 3"]),
        (
            {"select": {"rules": [{"reason": "text", "score": "landmarks_inside", "min": 1.5}]}},
            ["select.rules.0", "min 1.5 can never be met", "0 to 1"],
        ),
        (
            {"select": {"rules": [{"reason": "boring", "score": "yaw", "max": 1.0}]}},
            ["select.rules.0.reason", "'boring'", "sharpness"],
        ),
    ],
    ids=[
        "unknown field",
        "wrong type",
        "out of range",
        "impossible lengths",
        "impossible threshold",
        "no reason",
    ],
)
def test_a_recipe_that_cannot_be_used_is_refused_before_anything_is_written(
    footage: Path, tmp_path: Path, change: dict[str, Any], says: list[str]
) -> None:
    with pytest.raises(RecipeError) as told:
        facevid.build(footage, tmp_path / "dataset", recipe=change)
    assert [s for s in says if s not in str(told.value)] == []
    assert not (tmp_path / "dataset").exists()


def test_a_backend_that_nobody_provides_stops_the_build_and_names_those_there_are(
    messy: Messy, tmp_path: Path
) -> None:
    recipe = {**RECIPE, "backends": {"face_detector": "psychic"}}
    with pytest.raises(FacevidError, match=r"no backend 'psychic'.*mediapipe"):
        facevid.build(messy.footage / "no_face.mp4", tmp_path / "dataset", recipe=recipe, workers=1)


def test_footage_that_is_not_there_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(FootageError, match=r"There is no .*nowhere; give video files"):
        facevid.build(tmp_path / "nowhere", tmp_path / "dataset")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FootageError, match=r"There is no video in .*empty; files ending in"):
        facevid.build(tmp_path / "empty", tmp_path / "dataset")
    assert not (tmp_path / "dataset").exists()


def test_a_damaged_ledger_is_set_aside_and_the_user_is_told(messy: Messy, tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    facevid.scan(messy.footage / "no_face.mp4", dataset, workers=1)
    (dataset / ".work" / "ledger.sqlite").write_bytes(b"no database " * 1000)
    summary = facevid.scan(messy.footage / "no_face.mp4", dataset, workers=1)
    assert summary.ok == 1
    assert any("was damaged" in note for note in summary.notes)
    with Ledger(dataset / ".work" / "ledger.sqlite") as ledger:
        assert [run.ran for run in ledger.runs("scan")] == [1]


def test_status_of_a_dataset_with_failures_names_them(messy: Messy) -> None:
    state = status(messy.dataset)
    assert (state.published, state.running) == (True, None)
    assert {f["item"] for f in state.failures} >= {"empty.mp4", "text.mp4"}
