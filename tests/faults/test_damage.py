"""Files of a dataset and of its work folder that are lost or damaged between two builds: the next repairs them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from building import Place, check


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


ANALYSIS, CLIP, EMBEDDING = ".work/analyses/*", ".work/clips/*", ".work/embeddings/*"
TABLES = (
    ".work/tracks.arrow", ".work/identity.parquet", ".work/sources.parquet",
    ".work/selection/stretches.parquet", ".work/selection/rejected.parquet",
)  # fmt: skip


def test_lost_files_are_made_again(built: Place, small: Any) -> None:
    damage(
        built, gone, ANALYSIS, f"{CLIP}/keypoints.npz", EMBEDDING, *TABLES, "media/*", "clips/*", "README.md"
    )
    repaired(built, small)


def test_truncated_files_are_made_again(built: Place, small: Any) -> None:
    damage(built, half, ANALYSIS, CLIP, EMBEDDING, *TABLES, "media/*", "keypoints/*", "croissant.json")
    repaired(built, small)


def test_zeroed_tables_are_made_again(built: Place, small: Any) -> None:
    damage(built, zeroed, *TABLES)
    repaired(built, small)


def test_zeroed_files_are_told_with_what_to_delete_and_then_made_again(built: Place, small: Any) -> None:
    """Nothing reads them until something else is lost, here the tables and media that are made of them."""
    damage(built, zeroed, ANALYSIS, CLIP, EMBEDDING)
    damage(built, gone, ".work/tracks.arrow", "media/*")
    deleted = []
    while (ended := built.build()).code != 1:
        assert ended.code in (2, 4) and len(deleted) < 3, ended
        [named] = re.findall(r"delete (\S+), and the same command", ended.sentence)
        gone(Path(named))
        deleted.append(Path(named).parent.name)
    assert deleted == ["analyses", "embeddings", "clips"]
    check(built, small.dataset)
