"""A kill of `annotate` at any moment costs the clip at hand; the next run gives what one whole run gives."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.compute as pc
import pytest

import facevid
from facevid.annotate import annotate
from facevid.dataset import publish as publishing
from facevid.dataset.annotating import update_annotations
from facevid.dataset.statements import Statement

CLIPS = 6
_MOVES = ["_link", "_switch", "_remove_unlisted", "write_documents"]
"""Whatever publishing changes in the folder: a kill after one of these is one before the next."""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from packing import work

    from facevid.curate.pack import pack_dataset

    folder = tmp_path_factory.mktemp("killed")
    tables = work(folder / "clips", CLIPS)
    pack_dataset(
        folder / "dataset", tables=tables, clip_folder=folder / "clips", recipe={"fps": 25.0}, name="s"
    )
    shutil.rmtree(folder / "dataset" / ".work", ignore_errors=True)
    return folder / "dataset"


def copy_of(published: Path, name: Path) -> Path:
    return Path(shutil.copytree(published, name))


def contents(folder: Path) -> dict[str, bytes]:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and ".work" not in p.parts)
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def measured(folder: Path) -> int:
    """Clips in the ledger, which another process may be making just now."""
    path = folder / ".work" / "annotate.sqlite"
    if not path.exists():
        return 0
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as ledger:
        try:
            return int(ledger.execute("select count(*) from outcomes").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


def test_sigkill_while_clips_are_measured_costs_the_one_at_hand(published: Path, tmp_path: Path) -> None:
    killed, whole = copy_of(published, tmp_path / "killed"), copy_of(published, tmp_path / "whole")
    before = contents(killed)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-m", "facevid", "annotate", str(killed), "--workers", "1", "--json"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while not measured(killed) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    done = measured(killed)
    assert 1 <= done <= CLIPS
    if process.returncode == -signal.SIGKILL:
        assert contents(killed) == before, "nothing is published before all is measured"
    again = annotate(killed, workers=1)
    assert (again.ok, again.failed) == (CLIPS, 0) and again.reused >= done
    annotate(whole, workers=2)
    assert contents(killed) == contents(whole), "neither a kill nor the number of workers shows in any file"


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


def test_a_kill_before_any_move_of_publishing_or_after_the_last_is_repaired_by_the_next_run(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "write_documents", _quick_documents)
    ids = [clip.clip_id for clip in facevid.open(published)]
    old = [Statement(of, "attribute", "hair_colour", "black", "measured:hair", 0.8) for of in ids]
    new = [Statement(of, "attribute", "hair_colour", "brown", "measured:hair", 0.9) for of in ids[1:]]

    def change(folder: Path) -> None:
        update_annotations(folder, add=new, drop=lambda t: pc.equal(t["by"], "measured:hair"))

    start = copy_of(published, tmp_path / "start")
    update_annotations(start, add=old)
    change(copy_of(start, tmp_path / "whole"))
    wanted = contents(tmp_path / "whole")

    def dies(step: int, *, after: bool) -> bool:
        folder = copy_of(start, tmp_path / f"at{after}{step}")
        with monkeypatch.context() as patch:
            _die_at(patch, step, after=after)
            try:
                change(folder)
            except Killed:
                pass
            else:
                assert contents(folder) == wanted
                return False
        said = {
            clip.clip_id: clip.attributes.get("hair_colour", {}).get("value") for clip in facevid.open(folder)
        }
        assert set(said.values()) in ({"black"}, {None, "brown"}), "the old dataset or the new one, whole"
        change(folder)
        assert contents(folder) == wanted
        return True

    moves = next(step for step in range(60) if not dies(step, after=False))
    assert moves > 5 and dies(moves - 1, after=True)


def _quick_documents(output: Path, *, card: str | None) -> None:
    hair = facevid.open(output).sql("select list(value order by clip_id) from annotations").fetchall()
    (output / "README.md").write_text(str(hair))


def _die_at(patch: pytest.MonkeyPatch, step: int, *, after: bool) -> None:
    """Die before (or after) the move of publishing of this number."""
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
