"""Where a dataset goes: what a build could not do there is found before it begins, and nothing is left behind."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from facevid.machine import place
from facevid.machine.place import output_check, room_check, standing


def test_a_new_folder_is_tried_at_the_nearest_one_above_and_left_as_it_was(tmp_path: Path) -> None:
    check = output_check(tmp_path / "far" / "away")
    assert check.status == "ok"
    assert str(tmp_path) in check.found
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_things_in_it_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").touch()
    check = output_check(tmp_path)
    assert (check.status, "thesis.doc" in check.found) == ("fault", True)


def test_without_a_folder_named_the_current_one_may_hold_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "thesis.doc").touch()
    monkeypatch.chdir(tmp_path)
    assert output_check(None).status == "ok"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


def test_a_file_system_that_gives_a_lock_twice_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "folder_lock", lambda folder: contextlib.nullcontext())
    check = output_check(tmp_path / "new")
    assert (check.status, "one lock to two holders" in check.found) == ("fault", True)


def test_a_place_that_cannot_be_written_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: Any) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr(tempfile, "TemporaryDirectory", refused)
    check = output_check(tmp_path / "new")
    assert (check.status, "Permission denied" in check.found) == ("fault", True)


@pytest.mark.parametrize(
    ("free", "status"), [(5e9, "ok"), (1e9, "warning"), (5e7, "fault")], ids=["enough", "little", "none"]
)
def test_space_is_held_against_what_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: float, status: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
    check = room_check("space", tmp_path, 2_000_000_000, "two shards")
    assert check.status == status
    assert bool(check.do) == (status != "ok")


def test_the_folder_that_stands_is_the_nearest_one_above(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert standing(tmp_path / "file" / "below") == tmp_path
    assert standing(tmp_path) == tmp_path
