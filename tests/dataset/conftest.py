"""Small published datasets; the helper that makes their clips lies beside the tests of packing."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import facevid

sys.path[:0] = [str(Path(__file__).parents[1] / "curate"), str(Path(__file__).parent)]


@pytest.fixture(scope="session")
def forty(built_once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """A folder of 40 clips as they are cut (`clips`) and packed (`dataset`); the third has no sound."""

    def make(folder: Path) -> None:
        from packing import work

        from facevid.curate.pack import pack_dataset

        tables = work(folder / "clips", 40, silent=(2,))
        pack_dataset(
            folder / "dataset", tables=tables, clip_folder=folder / "clips", recipe={"fps": 25.0}, name="small",
            shard_bytes=200_000,
        )  # fmt: skip

    return built_once("forty-clips", make)


@pytest.fixture(scope="session")
def clip_folder(forty: Path) -> Path:
    """The folders of forty clips, to be read only."""
    return forty / "clips"


@pytest.fixture(scope="session")
def forty_clips(forty: Path) -> facevid.Dataset:
    """40 clips of 8 frames and 64 pixels in several shards, to be read only; the third has no sound."""
    return facevid.open(forty / "dataset")


@pytest.fixture
def published(tmp_path: Path, forty: Path) -> Path:
    """The same clips in a dataset of the test's own, which it may change."""
    return Path(shutil.copytree(forty / "dataset", tmp_path / "dataset"))
