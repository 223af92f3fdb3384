"""Real faces for the tests of the backends; skipped, visibly, where the shared footage is not at hand."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from facevid import backends

Image = NDArray[np.uint8]
PEOPLE = ("d0", "d3", "d10", "d12", "d13", "d14", "d19", "kh")


def shared_folder() -> Path:
    """FACEVID_SHARED, else the folder `shared` beside the repository."""
    given = os.environ.get("FACEVID_SHARED")
    return Path(given) if given else Path(__file__).resolve().parents[3] / "shared"


@pytest.fixture(scope="session")
def clips() -> Path:
    folder = shared_folder() / "footage" / "clips"
    if not folder.is_dir():
        pytest.skip(f"needs the shared footage; {folder} is not there (set FACEVID_SHARED)")
    return folder


def read_frames(path: Path, *, step: int, count: int) -> list[Image]:
    """Every `step`-th picture of a video, at most `count`, RGB."""
    import av

    with av.open(str(path)) as container:
        frames = []
        for index, frame in enumerate(container.decode(video=0)):
            if index % step == 0:
                frames.append(frame.to_ndarray(format="rgb24"))
            if len(frames) == count:
                break
    return frames


@pytest.fixture(scope="session")
def faces(clips: Path) -> dict[str, list[Image]]:
    """Two pictures, a second apart, of each of eight people."""
    return {name: read_frames(clips / f"{name}.mp4", step=25, count=2) for name in PEOPLE}


@pytest.fixture(scope="session")
def motion(clips: Path) -> list[Image]:
    """Twelve pictures in a row of one person."""
    return read_frames(clips / "d3.mp4", step=1, count=12)


@pytest.fixture(scope="session")
def detector() -> backends.FaceDetector:
    return backends.load("face_detector", "mediapipe")


@pytest.fixture(scope="session")
def mesh_model() -> backends.FaceMesh:
    return backends.load("face_mesh", "mediapipe")
