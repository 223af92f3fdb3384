"""A kill at any moment of publishing leaves the old dataset or the new one, whole."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from packing import clip_name, work

import facevid.dataset
from facevid.curate.pack import pack_dataset
from facevid.dataset import DatasetError
from facevid.dataset import publish as publishing

SIZES = {7, 4, 6}


def pack(output: Path, clips: Path, count: int) -> None:
    tables = work(clips, count)
    pack_dataset(output, tables=tables, clip_folder=clips, recipe={}, name="small", shard_bytes=90_000)


def check_whole(output: Path) -> int:
    """Every file has the promised content and the tables fit together; returns the number of clips."""
    dataset = facevid.dataset.open(output)
    for file in dataset.manifest.files:
        data = (output / file.stored_as).read_bytes()
        assert hashlib.sha256(data).hexdigest() == file.sha256
    count = len(dataset)
    assert [c.clip_id for c in dataset] == sorted(clip_name(k) for k in range(count))
    for clip in dataset:
        assert hashlib.sha256(clip.read("mp4")).hexdigest() == clip["mp4_sha256"]
        assert clip.mesh.shape == (8, 478, 3)
    return count


def contents(output: Path) -> dict[str, bytes]:
    files = sorted(p for p in output.rglob("*") if p.is_file())
    return {str(p.relative_to(output)): p.read_bytes() for p in files}


def test_sigkill_at_random_moments_leaves_a_whole_dataset(tmp_path: Path) -> None:
    output, clips = tmp_path / "out", tmp_path / "clips"
    pack(output, clips, 7)
    pack(tmp_path / "fresh", clips, 6)
    rng = random.Random(5)
    script = Path(__file__).with_name("pack_and_die.py")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, script, output, clips], env=environment, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None and process.stdout.readline() == b"ready\n"
            time.sleep(rng.uniform(0, 0.3))
            process.kill()
        assert check_whole(output) in SIZES
    pack(output, clips, 6)
    assert contents(output) == contents(tmp_path / "fresh")


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


_MOVES = ["_link", "_switch", "_remove_unlisted", "_write_text", "write_documents"]
"""Whatever publishing changes in the folder: a kill after one of these is one before the next."""


@pytest.mark.parametrize("change", [(7, 4), (6, 6)])
def test_a_kill_before_any_move_or_after_the_last_is_repaired_by_packing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: tuple[int, int]
) -> None:
    monkeypatch.setattr(publishing, "write_documents", _quick_documents)
    clips = tmp_path / "clips"
    pack(tmp_path / "fresh", clips, change[1])
    pack(tmp_path / "before", clips, change[0])

    def dies(step: int, *, after: bool) -> bool:
        output = tmp_path / f"out{after}{step}"
        shutil.copytree(tmp_path / "before", output)
        with monkeypatch.context() as patch:
            if not _die_at(patch, step, after=after, output=output, clips=clips, count=change[1]):
                return False
        assert check_whole(output) in change
        pack(output, clips, change[1])
        assert contents(output) == contents(tmp_path / "fresh")
        return True

    moves = next(step for step in range(60) if not dies(step, after=False))
    assert moves >= 3 and dies(moves - 1, after=True)


def _quick_documents(output: Path, *, card: str | None) -> None:
    (output / "README.md").write_text(str(len(facevid.dataset.open(output))))


def _die_at(
    patch: pytest.MonkeyPatch, step: int, *, after: bool, output: Path, clips: Path, count: int
) -> bool:
    """Pack, dying before (or after) the move number `step`; False if there are not that many."""
    left = [step]

    def wrap(name: str) -> None:
        real = getattr(publishing, name)

        def move(*arguments: object, **named: object) -> object:
            left[0] -= 1
            if left[0] < 0 and not after:
                raise Killed
            result = real(*arguments, **named)
            if left[0] < 0:
                raise Killed
            return result

        patch.setattr(publishing, name, move)

    for name in _MOVES:
        wrap(name)
    try:
        pack(output, clips, count)
    except Killed:
        return True
    return False


def test_a_reader_of_the_old_dataset_is_told_when_its_shard_is_gone(tmp_path: Path) -> None:
    pack(tmp_path / "out", tmp_path / "clips", 7)
    last = facevid.dataset.open(tmp_path / "out")[-1]
    pack(tmp_path / "out", tmp_path / "clips", 1)
    with pytest.raises(DatasetError, match="open it again"):
        last.read("mp4")
