"""Small published datasets; the helper that makes their clips lies beside the tests of packing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import facevid

sys.path[:0] = [str(Path(__file__).parents[1] / "curate"), str(Path(__file__).parent)]


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from packing import work

    folder = tmp_path_factory.mktemp("clips")
    work(folder, 40, silent=(2,))
    return folder


@pytest.fixture(scope="session")
def forty_clips(tmp_path_factory: pytest.TempPathFactory, clip_folder: Path) -> facevid.Dataset:
    """40 clips of 8 frames and 64 pixels in several shards, to be read only; the third has no sound."""
    return facevid.open(_pack(tmp_path_factory.mktemp("forty") / "dataset", clip_folder))


@pytest.fixture
def published(tmp_path: Path, clip_folder: Path) -> Path:
    """The same clips in a dataset of the test's own, which it may change."""
    return _pack(tmp_path / "dataset", clip_folder)


def _pack(output: Path, clip_folder: Path) -> Path:
    from packing import work

    from facevid.curate.pack import pack_dataset

    pack_dataset(
        output,
        tables=work(clip_folder, 40),
        clip_folder=clip_folder,
        recipe={"fps": 25.0},
        name="small",
        shard_bytes=200_000,
    )
    return output
