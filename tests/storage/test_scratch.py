"""The scratch: whole copies, made once by whoever comes first, within the limit, and never taken from who uses them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from facevid.storage import PlaceError, Scratch, scratch_bytes, scratch_folder


def filled(scratch: Scratch, key: str, size: int) -> Path:
    with scratch.held(key, lambda path: path.write_bytes(b"x" * size) and None, size=size, what=key) as path:
        assert path.read_bytes() == b"x" * size
        return path


def test_a_copy_is_made_once(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "s", 1000)
    made = []

    def make(path: Path) -> None:
        made.append(path)
        path.write_bytes(b"abc")

    for _ in range(3):
        with scratch.held("k", make) as path:
            assert path.read_bytes() == b"abc" and path == scratch.path("k")
    assert len(made) == 1 and scratch.used_bytes() == 3


def test_a_folder_is_a_copy_too(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "s", 1000)

    def make(path: Path) -> None:
        (path / "in").mkdir()
        (path / "in" / "a").write_bytes(b"12345")

    with scratch.held("k", make, folder=True) as path:
        assert (path / "in" / "a").read_bytes() == b"12345"
    assert scratch.used_bytes() == 5
    filled(scratch, "other", 998)
    assert not path.exists()


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "s", 100)
    paths = {}
    for number, key in enumerate("abc"):
        paths[key] = filled(scratch, key, 30)
        os.utime(paths[key], (number, number))
    filled(scratch, "a", 30)
    filled(scratch, "d", 30)
    assert [key for key in "abcd" if scratch.path(key).exists()] == ["a", "c", "d"]
    assert scratch.used_bytes() <= 100


def test_what_is_in_use_stays_and_the_sentence_says_so(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "s", 100)
    with (
        scratch.held("a", lambda path: path.write_bytes(b"x" * 60) and None, size=60) as path,
        pytest.raises(PlaceError, match=r"b needs 5e-08 GB of scratch.*6e-08 GB are in use"),
    ):
        filled(scratch, "b", 50)
    assert path.exists()
    filled(scratch, "b", 50)
    assert not path.exists()


@pytest.mark.parametrize("known", [True, False])
def test_what_is_larger_than_the_limit_is_refused(tmp_path: Path, known: bool) -> None:
    scratch = Scratch(tmp_path / "s", 100)
    with (
        pytest.raises(PlaceError, match="set FACEVID_SCRATCH_GB higher") as told,
        scratch.held(
            "a", lambda path: path.write_bytes(b"x" * 101) and None, size=101 if known else None, what="a.mp4"
        ),
    ):
        pass
    assert told.value.kind == "refused" and "a.mp4 needs" in str(told.value)
    assert scratch.used_bytes() == 0


def test_a_making_that_fails_leaves_nothing(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "s", 100)

    def make(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("broke off")

    with pytest.raises(OSError, match="broke off"), scratch.held("a", make):
        pass
    assert [p for p in scratch.folder.rglob("*") if p.is_file()] == []
    filled(scratch, "a", 10)


def test_several_at_once_make_one_copy(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "s", 1000)
    made, seen = [], []

    def make(path: Path) -> None:
        made.append(1)
        time.sleep(0.05)
        path.write_bytes(b"abc")

    def use() -> None:
        with scratch.held("k", make) as path:
            seen.append(path.read_bytes())

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), seen) == (1, [b"abc"] * 8)


def test_a_process_that_died_leaves_a_piece_that_goes(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from facevid.storage import Scratch\n"
        "def make(path):\n    path.write_bytes(b'half'); os._exit(9)\n"
        "with Scratch(sys.argv[1], 100).held('k', make): pass"
    )
    died = subprocess.run([sys.executable, "-c", code, str(tmp_path / "s")], check=False)
    assert died.returncode == 9
    scratch = Scratch(tmp_path / "s", 100)
    (left,) = (p for p in scratch.folder.rglob("*") if p.is_file())
    assert left.suffix == ".part" and not scratch.path("k").exists()
    filled(scratch, "other", 10)
    assert not left.exists()
    filled(scratch, "k", 10)


def test_limits_hold_among_many_who_come_and_go(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "s", 300)
    most = 0

    def use(number: int) -> None:
        nonlocal most
        for turn in range(15):
            filled(scratch, f"{(number * 7 + turn) % 11}", 40)
            most = max(most, scratch.used_bytes())

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Those who make room at the same time do not know of each other for a moment.
    assert most <= 300 + 3 * 40


def test_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FACEVID_SCRATCH", str(tmp_path / "here"))
    monkeypatch.setenv("FACEVID_SCRATCH_GB", "1.5")
    assert (scratch_folder(), scratch_bytes()) == (tmp_path / "here", 1_500_000_000)
    monkeypatch.delenv("FACEVID_SCRATCH")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert scratch_folder() == tmp_path / "facevid" / "scratch"
    monkeypatch.setenv("FACEVID_SCRATCH_GB", "little")
    with pytest.raises(PlaceError, match="FACEVID_SCRATCH_GB is 'little'"):
        scratch_bytes()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(PlaceError, match="set FACEVID_SCRATCH to a folder"),
        Scratch(tmp_path / "file", 9).held("k", lambda path: None),
    ):
        pass
