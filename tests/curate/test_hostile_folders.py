"""Footage folders that may not be read, and failures of files that have one name."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from facevid.curate.scan import FootageError, file_names, find_footage


def test_a_folder_that_may_not_be_read_is_no_empty_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.mp4").touch()
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0)
    if os.access(locked, os.R_OK):  # root may read everything
        scandir = os.scandir

        def refusing(path: str) -> object:
            if not stat.S_IMODE(Path(path).stat().st_mode):
                raise PermissionError(13, "Permission denied", str(path))
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(FootageError, match=r"locked cannot be looked into \(Permission denied\)"):
        find_footage(tmp_path)
    monkeypatch.undo()
    locked.chmod(0o700)


def test_failures_name_files_of_one_name_by_their_folders(tmp_path: Path) -> None:
    for name in ("one/a.mp4", "two/a.mp4", "two/b.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert sorted(file_names(find_footage(tmp_path)).values()) == ["b.mp4", "one/a.mp4", "two/a.mp4"]
