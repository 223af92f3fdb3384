"""Output that is whole or not there, and the lock on a folder."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from facevid.engine import (
    FolderBusy,
    StorageError,
    atomic_dir,
    atomic_path,
    clear_stale,
    files,
    folder_lock,
    require_space,
)
from facevid.engine.files import storage_sentence, write_json_atomic, write_parquet_atomic

HOLDER = """
import sys, time
from facevid.engine import folder_lock
with folder_lock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_whole_and_keeps_its_suffix_while_it_is_written(tmp_path: Path) -> None:
    out = tmp_path / "new" / "clip.mp4"
    with atomic_path(out) as temporary:
        temporary.write_text("x")
        assert (temporary.parent, temporary.suffix) == (out.parent, ".mp4")
        assert temporary.name.startswith(f".clip.mp4.tmp-{os.getpid()}-")
        assert not out.exists()
    assert names(out.parent) == ["clip.mp4"]


def test_a_failed_write_leaves_the_old_file_and_no_temporary_one(tmp_path: Path) -> None:
    out = tmp_path / "a.txt"
    out.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_path(out) as temporary:
        temporary.write_text("new")
        raise ZeroDivisionError
    assert (names(tmp_path), out.read_text()) == (["a.txt"], "old")


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    out = tmp_path / "clip"
    for number in (1, 2):
        with atomic_dir(out) as temporary:
            (temporary / "sub").mkdir()
            (temporary / "sub" / f"{number}.txt").write_text("x")
    assert (names(tmp_path), names(out / "sub")) == (["clip"], ["2.txt"])
    with pytest.raises(ValueError, match="no"), atomic_dir(out) as temporary:
        raise ValueError("no")
    assert (names(tmp_path), names(out / "sub")) == (["clip"], ["2.txt"])


def test_a_full_disk_becomes_a_sentence_that_names_the_file(tmp_path: Path) -> None:
    with (
        pytest.raises(StorageError, match=r"cannot write .*a\.bin.*the disk is full"),
        atomic_path(tmp_path / "a.bin"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "a.bin"))
    (tmp_path / "file").touch()
    with pytest.raises(OSError), atomic_path(tmp_path / "file" / "a.bin"):
        pass


def test_a_forbidden_output_is_a_storage_fault_and_a_forbidden_input_is_not(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="not allowed"), atomic_path(tmp_path / "a.bin") as temporary:
        raise PermissionError(errno.EACCES, "Permission denied", str(temporary))
    with pytest.raises(PermissionError), atomic_path(tmp_path / "a.bin"):
        raise PermissionError(errno.EACCES, "Permission denied", "/footage/a.mp4")
    assert (
        storage_sentence(PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "in.mp4"))) is None
    )


def test_a_full_disk_that_no_file_is_named_for_is_told_with_the_output(tmp_path: Path) -> None:
    # As numpy says it.
    named = rf"cannot write {tmp_path / 'clip'}: the disk is full"
    with pytest.raises(StorageError, match=named), atomic_dir(tmp_path / "clip"):
        raise OSError("12 requested and 5 written")


def test_leftovers_of_dead_runs_are_removed_and_those_of_live_ones_kept(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    inner = tmp_path / "clips"
    inner.mkdir()
    (inner / f".clip.mp4.tmp-{dead.pid}-0a1b2c3d.mp4").touch()
    (inner / f".one.tmp-{dead.pid}-0a1b2c3d").mkdir()
    (inner / f".one.tmp-{dead.pid}-0a1b2c3d" / "x").touch()
    with atomic_path(inner / "b.txt") as live:
        live.touch()
        os.utime(live, (1e9, 1e9))  # written before the clock was set, as far as the file tells
        _, _, mark = live.stem.rpartition("-")
        other = f"{int(mark[:4], 16) ^ 1:04x}{mark[4:]}"
        (inner / f".c.txt.tmp-{os.getpid()}-{other}.txt").touch()  # of one that had this number before
        (inner / "clip.mp4").touch()
        assert clear_stale(tmp_path) == 3
        assert names(inner) == [live.name, "clip.mp4"]


def test_json_and_parquet_are_written_whole(tmp_path: Path) -> None:
    write_json_atomic({"name": "Zoë"}, tmp_path / "a.json")
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n  "name": "Zoë"\n}\n'
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"n": [1, 2]})
    write_parquet_atomic(table, tmp_path / "a.parquet")
    assert pa.parquet.read_table(tmp_path / "a.parquet").equals(table)
    assert names(tmp_path) == ["a.json", "a.parquet"]


def test_too_little_space_says_how_much_is_needed(tmp_path: Path) -> None:
    require_space(tmp_path / "not" / "there", 1)
    with pytest.raises(StorageError, match=r"1000000000\.0 GB are needed"):
        require_space(tmp_path, 10**18)


def test_the_second_process_on_a_folder_is_told_who_holds_it_and_a_kill_frees_it(tmp_path: Path) -> None:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    holder = subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    expected = f"process {holder.pid} on .*, running since .*, is working in"
    with pytest.raises(FolderBusy, match=expected), folder_lock(tmp_path):
        pass
    holder.kill()
    holder.communicate()
    with (
        folder_lock(tmp_path),
        pytest.raises(FolderBusy, match=f"process {os.getpid()} "),
        folder_lock(tmp_path),
    ):
        pass
    with folder_lock(tmp_path):
        pass


def test_a_lock_on_a_file_that_was_removed_meanwhile_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, plain = tmp_path / "out", files._try_lock
    (place / "kept").mkdir(parents=True)
    tries = []

    def removed(handle: int, path: Path) -> bool:
        tries.append(path)
        if len(tries) == 1:
            path.unlink()
        return plain(handle, path)

    monkeypatch.setattr(files, "_try_lock", removed)
    with folder_lock(place) as lock:
        assert len(tries) == 2 and lock.is_file()
        with pytest.raises(FolderBusy), folder_lock(place):
            pass


def test_folders_made_for_a_lock_go_with_it_where_nothing_was_put_into_them(tmp_path: Path) -> None:
    deep = tmp_path / "model" / ".train"
    with pytest.raises(ZeroDivisionError), folder_lock(deep):
        raise ZeroDivisionError
    assert names(tmp_path) == []
    with folder_lock(deep):
        (tmp_path / "model" / "weights").touch()
    assert names(tmp_path / "model") == ["weights"]
    with folder_lock(deep):
        (deep / "log").touch()
    assert names(deep) == ["lock", "log"]
    # A folder of somebody else stays, and so does one that was made again by another meanwhile.
    (tmp_path / "there").mkdir()
    with folder_lock(tmp_path / "there"):
        pass
    assert names(tmp_path / "there") == ["lock"]
    with folder_lock(tmp_path / "twice"):
        shutil.rmtree(tmp_path / "twice")
        with folder_lock(tmp_path / "twice"):
            (tmp_path / "twice" / "log").touch()
    assert names(tmp_path / "twice") == ["lock", "log"]
