"""Disks that are full, read-only or broken: the run stops with one sentence, and goes on once that is repaired."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from building import Place, check

HERE = Path(__file__).parent


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str, int], Path]]:
    """Gives a file system of so many bytes of its own; skips where that is not permitted."""
    made: list[Path] = []

    def disk(name: str, size: int) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            pytest.skip(f"no file system can be mounted here ({done.stderr.strip()}); run this as root")
        made.append(folder)
        return folder

    yield disk
    for folder in made:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def size_of(folder: Path) -> int:
    return sum(p.stat().st_blocks * 512 for p in folder.rglob("*"))


@pytest.fixture(scope="module")
def preload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that makes system calls fail; without a compiler the test is skipped."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler to make system calls fail with")
    library = tmp_path_factory.mktemp("preload") / "faults.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, HERE / "faults.c", "-ldl"], check=True)
    return library


def test_a_disk_that_is_full_again_and_again_stops_the_run_with_a_sentence_each_time(
    place: Place, small: Any, disk: Callable[[str, int], Path]
) -> None:
    """The room grows with each run, so that every step meets a full disk, the ledger first of all."""
    whole = size_of(small.dataset)
    disk("dataset", 1 << 16)
    stops = 0
    for share in (0.05, 0.3, 0.6, 0.8, 1.0):
        remount(place.dataset, f"size={max(1 << 16, round(whole * share))}")
        ended = place.build()
        if ended.code == 1:
            break
        stops += 1
        assert ended.code == 4, ended
        assert "full" in ended.sentence and str(place.dataset) in ended.sentence, ended.sentence
    assert stops >= 3
    remount(place.dataset, "ro")
    ended = place.build()
    assert (ended.code, "read-only" in ended.sentence) == (4, True), ended
    remount(place.dataset, f"rw,size={whole * 4}")
    assert place.build().code == 1
    check(place, small.dataset)


def test_a_full_temporary_folder_stops_no_build(
    place: Place, small: Any, disk: Callable[[str, int], Path]
) -> None:
    full = disk("tmp", 1 << 16)
    with contextlib.suppress(OSError), (full / "fill").open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)
    assert place.build().code == 1
    (full / "fill").unlink()
    check(place, small.dataset)


def test_a_quota_that_is_noticed_only_when_a_file_is_synced_or_renamed_stops_the_run(
    place: Place, small: Any, preload: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "full"
    faulty = replace(place, environment={"LD_PRELOAD": str(preload), "FAULTS_FULL": str(mark)})
    mark.touch()
    ended = faulty.build()
    assert (ended.code, "the disk is full" in ended.sentence) == (4, True), ended
    mark.unlink()
    assert faulty.build().code == 1
    check(place, small.dataset)


def test_a_source_that_the_disk_cannot_read_fails_alone(
    place: Place, small: Any, preload: Path, tmp_path: Path
) -> None:
    footage = Path(shutil.copytree(small.footage, tmp_path / "footage"))
    shutil.copyfile(footage / "programme_01.mp4", footage / "unreadable.mp4")
    faulty = replace(
        place, footage=footage, environment={"LD_PRELOAD": str(preload), "FAULTS_EIO": "/unreadable.mp4"}
    )
    ended = faulty.build()
    assert ended.code == 1, ended
    assert {f["item"]: f["kind"] for f in ended.document["failures"]} == {
        "broken.mp4": "not_media", "unreadable.mp4": "unreadable",
    }  # fmt: skip
    check(faulty, small.dataset, also_failed={"scan": 1})
