"""Windows that are cut around their face: where the square lies, and what a reader shows of the clip."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import facevid
from facevid.curate.pose import CHIN, FOREHEAD
from facevid.dataset.published import DatasetError
from facevid.generate.errors import GenerateError
from facevid.generate.recipe import Bucket, Data, read_recipe
from facevid.recipe import Crop

torch = pytest.importorskip("torch", reason="needs torch, which is an extra")

from facevid.generate.data.faces import FaceSquares  # noqa: E402
from facevid.generate.data.reading import PixelReader  # noqa: E402
from facevid.generate.data.store import latent_store  # noqa: E402
from facevid.generate.data.windows import windows_of  # noqa: E402
from facevid.generate.data_facts import data_facts  # noqa: E402

from . import fakes  # noqa: E402

CROP = Crop(above=0.5, below=0.25, sides=0.25)


def face(left: float, top: float, *, wide: float = 30.0, tall: float = 40.0) -> np.ndarray[Any, Any]:
    """A mesh (478, 3) whose points lie in a box, forehead and chin in the middle of its upper and lower side."""
    mesh = np.zeros((478, 3), np.float16)
    mesh[:, 0], mesh[:, 1] = left + wide / 2, top + tall / 2
    mesh[0, 0], mesh[1, 0] = left, left + wide
    mesh[FOREHEAD, 1], mesh[CHIN, 1] = top, top + tall
    return mesh


def clip(*meshes: np.ndarray[Any, Any], width: int = 200, height: int = 200) -> Any:
    return SimpleNamespace(clip_id="c", mesh=np.stack(meshes), row={"width": width, "height": height})


def test_a_square_holds_the_faces_of_its_frames_and_the_margins() -> None:
    moving = clip(face(80, 80), face(84, 82), face(150, 150))
    # 34 x 42 pixels hold the first two; with margins of .5, .25 and .25 x 40 they are 54 x 72.
    x0, y0, x1, y1 = FaceSquares(CROP).of(moving, np.array([0, 1]))
    assert (x1 - x0, y1 - y0) == (72, 72)
    assert ((x0 + x1) / 2, y0, y1) == (97, 60, 132)


def test_a_square_stays_inside_the_picture_and_is_never_larger() -> None:
    assert FaceSquares(CROP).of(clip(face(0, 0)), np.array([0])) == (0, 0, 70, 70)
    assert FaceSquares(CROP).of(clip(face(5, 5), width=60, height=50), np.array([0]))[2:] == (50, 50)


def test_frames_without_keypoints_do_not_count() -> None:
    nothing = np.full((478, 3), np.nan, np.float16)
    squares = FaceSquares(CROP)
    some = clip(nothing, face(80, 80))
    assert squares.of(some, np.array([0, 1])) == squares.of(some, np.array([1]))
    with pytest.raises(DatasetError, match="Clip c has no keypoints in frames 0 to 0"):
        squares.of(some, np.array([0]))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> facevid.Dataset:
    return facevid.open(fakes.clips_in(tmp_path_factory.mktemp("faces"), 4, frames=(8,), sides=(64,)))


def wanted(crop: Crop | None, width: int = 32) -> Data:
    return Data(fps=25.0, windows=1, buckets=[Bucket(frames=4, height=32, width=width)], crop=crop)


@pytest.mark.parametrize("width", [32, 16])
def test_what_is_read_is_that_part_of_the_clip(
    dataset: facevid.Dataset, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FaceSquares, "of", lambda *_: (16.0, 24.0, 48.0, 56.0))
    windows = windows_of(dataset, wanted(CROP, width), captions=False)
    shown = PixelReader(windows).read(0)
    start, left = int(windows.start[0]), 16 + (32 - width) // 2
    row = dataset.ids[int(windows.row[0])].as_py()
    frames = dataset[row].frames(start, start + 4)[:, 24:56, left : left + width]
    # One pixel of the clip is one pixel shown.
    assert np.abs(shown.transpose(0, 2, 3, 1).astype(int) - frames).max() <= 2


def test_what_is_cut_otherwise_has_other_latents_and_says_so(
    dataset: facevid.Dataset, tmp_path: Path
) -> None:
    told = []
    for crop in (None, CROP):
        windows = windows_of(dataset, wanted(crop), captions=False)
        latent_store(dataset, windows, fakes.FakeFamily(), wanted(crop), folder=tmp_path)
        told.append(data_facts(dataset, dataset.select([]), crop)["crop"])
    assert len({p.name for p in tmp_path.iterdir()}) == 3  # two of latents, one of texts
    assert told == [None, CROP.model_dump()]


def test_a_recipe_says_what_a_margin_may_be() -> None:
    found = read_recipe("facevid-xs").data.crop
    assert found is not None and found.above > found.below
    with pytest.raises(GenerateError, match=r"data\.crop\.above"):
        read_recipe("facevid-xs", ["data.crop.above=-1"])
