"""Files of a dataset and of its work folder that are lost or damaged between two builds: the next repairs them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from building import Ended, Place, check


def gone(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def half(path: Path) -> None:
    """A file cut in half, or all files of a folder."""
    for each in _files(path):
        each.write_bytes(each.read_bytes()[: each.stat().st_size // 2])


def zeroed(path: Path) -> None:
    """As long as before, all zeros: what a crash of the machine leaves where a file was not yet on the disk."""
    for each in _files(path):
        each.write_bytes(bytes(each.stat().st_size))


def _files(path: Path) -> list[Path]:
    return [p for p in path.iterdir() if p.is_file()] if path.is_dir() else [path]


def damage(place: Place, kind: Callable[[Path], object], *patterns: str) -> None:
    for pattern in patterns:
        found = sorted(place.dataset.glob(pattern))
        assert found, pattern
        kind(found[0])


def repaired(place: Place, small: Any) -> None:
    ended = place.build()
    assert ended.code == 1, ended
    check(place, small.dataset)


def told(place: Place, small: Any) -> Ended:
    """What a damage can only be told, the sentence names, and what it says to delete helps."""
    ended = place.build()
    assert ended.code in (2, 4) and "delete" in ended.sentence, ended
    return ended


ANALYSIS, CLIP = ".work/analyses/*", ".work/clips/*"
DERIVED = (
    ".work/tracks.arrow", ".work/identity.parquet", ".work/selection/stretches.parquet",
    ".work/selection/rejected.parquet", ".work/sources.parquet", ".work/embeddings/*.npy",
)  # fmt: skip


def test_lost_files_are_made_again(built: Place, small: Any) -> None:
    damage(built, gone, ANALYSIS, f"{CLIP}/keypoints.npz", *DERIVED, "media/*", "clips/*", "README.md")
    repaired(built, small)


def test_truncated_files_are_made_again(built: Place, small: Any) -> None:
    damage(built, half, ANALYSIS, CLIP, *DERIVED, "media/*", "keypoints/*", "croissant.json")
    repaired(built, small)


def test_zeroed_tables_of_the_work_folder_are_made_again(built: Place, small: Any) -> None:
    damage(built, zeroed, *DERIVED)
    repaired(built, small)


def test_a_zeroed_analysis_is_told_and_made_again_once_deleted(built: Place, small: Any) -> None:
    damage(built, zeroed, ANALYSIS, ".work/tracks.arrow")
    ended = told(built, small)
    [folder] = [p for p in (built.dataset / ".work" / "analyses").iterdir() if str(p) in ended.sentence]
    gone(folder)
    repaired(built, small)


def test_a_zeroed_clip_is_told_and_cut_again_once_deleted(built: Place, small: Any) -> None:
    damage(built, zeroed, CLIP, "media/*")
    damage(built, gone, "media/*")
    ended = told(built, small)
    [folder] = [p for p in (built.dataset / ".work" / "clips").iterdir() if str(p) in ended.sentence]
    gone(folder)
    repaired(built, small)
