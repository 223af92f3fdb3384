"""A small published dataset; the helper that makes it lies beside the tests of packing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parents[1] / "curate"), str(Path(__file__).parent)]


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from packing import work

    folder = tmp_path_factory.mktemp("clips")
    work(folder, 40, silent=(2,))
    return folder


@pytest.fixture
def published(tmp_path: Path, clip_folder: Path) -> Path:
    from packing import work

    from facevid.curate.pack import pack_dataset

    output = tmp_path / "dataset"
    pack_dataset(
        output,
        tables=work(clip_folder, 40),
        clip_folder=clip_folder,
        recipe={"fps": 25.0},
        name="small",
        shard_bytes=200_000,
    )
    return output
