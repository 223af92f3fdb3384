"""One small set of footage and its undisturbed build for all faults; every test here has the marker `faults`."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
sys.path.insert(1, str(HERE.parent / "engine"))  # its starter of Ray
sys.path.append(str(HERE.parent / "curate"))  # its plugins of backends


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.faults)


@dataclass(frozen=True)
class Small:
    """Three talking faces of a second and a broken file, and the dataset that they make."""

    footage: Path
    dataset: Path


@pytest.fixture(scope="session")
def small(built_once: Callable[[str, Callable[[Path], object]], Path]) -> Small:
    """Built once, never disturbed."""
    from building import Place

    from facevid.synth import synthesize

    def make(folder: Path) -> None:
        footage = folder / "footage"
        made = folder / "made"
        synthesize(
            made, people=2, videos=3, seed=3, seconds=1.2, kinds=("clean",), size=(640, 360), workers=1
        )
        footage.mkdir()
        for path in made.glob("*.mp4"):
            path.rename(footage / path.name)
        (footage / "broken.mp4").write_bytes(b"no video at all" * 100)
        place = Place(folder, footage, folder / "dataset")
        place.prepare()
        done = place.build()
        assert done.code == 1 and done.document["clips"] == 3, done

    folder = built_once("faults", make)
    return Small(folder / "footage", folder / "dataset")


@pytest.fixture
def place(small: Small, tmp_path: Path) -> Iterator[Any]:
    """A folder of one's own in which the small footage is to be built; what a failed test left running is ended."""
    from building import Place, processes_of

    made = Place(tmp_path, small.footage, tmp_path / "dataset")
    made.prepare()
    yield made
    for pid in processes_of(tmp_path):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def built(place: Any, small: Small) -> Any:
    """The same with a copy of the finished dataset in it."""
    shutil.copytree(small.dataset, place.dataset)
    return replace(place)
