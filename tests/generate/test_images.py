"""Pictures for image-to-video: cut as clips are, at the model's size, and refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from facevid.generate.errors import GenerateError
from facevid.generate.images import PictureReader
from facevid.synth import make_people
from facevid.synth.figure import Figure, Pose
from facevid.synth.head import MOVES
from facevid.synth.light import Light
from facevid.synth.raster import Camera

Image = NDArray[np.uint8]
SCALE = 10.0  # pixels a centimetre


def drawn(width: int, height: int, *places: tuple[int, int]) -> Image:
    """A head at each of the places."""
    figure = Figure(make_people(2, 4)[0])
    canvas = np.full((height, width, 3), 120, np.uint8)
    pose = Pose(np.zeros(len(MOVES), np.float32), 0, 0, 0, (0, 0, 0), (1, 1), (0, 0), 0)
    for x, y in places:
        figure.draw(canvas, pose, Light(0.2, 0.6, 0.9, 0.0, 0.4), Camera(x, y, SCALE))
    return canvas


@pytest.fixture(scope="module")
def reader() -> PictureReader:
    return PictureReader()


@pytest.fixture(scope="module")
def off_centre() -> Image:
    """One head right of the middle of 800 x 600."""
    return drawn(800, 600, (560, 280))


def test_a_picture_is_cut_to_a_square_around_the_face_as_clips_are(
    reader: PictureReader, off_centre: Image
) -> None:
    found = reader.read(off_centre, width=64, height=64)
    x0, y0, x1, y1 = found.box
    assert found.image.shape == (64, 64, 3) and found.image.dtype == np.uint8
    assert x1 - x0 == y1 - y0
    # A face is 17 to 20 cm tall; with .5 of it above and .6 below the square is about twice as large.
    assert 15 * SCALE * 2 < x1 - x0 < 21 * SCALE * 2.3
    assert abs((x0 + x1) / 2 - 560) < 15 and y0 < 280 < y1
    assert found.notes == []


def test_what_is_kept_is_averaged_by_area(reader: PictureReader, off_centre: Image) -> None:
    found = reader.read(off_centre, width=64, height=64)
    x0, y0, x1, y1 = found.box
    whole = off_centre[y0:y1, x0:x1].mean()
    assert abs(float(found.image.mean()) - float(whole)) < 0.6


def test_a_size_that_is_no_square_keeps_the_middle_of_the_square(
    reader: PictureReader, off_centre: Image
) -> None:
    square = reader.read(off_centre, width=64, height=64).box
    wide = reader.read(off_centre, width=96, height=64)
    assert wide.image.shape == (64, 96, 3)
    assert (wide.box[0], wide.box[2]) == (square[0], square[2])
    assert abs((wide.box[3] - wide.box[1]) / (wide.box[2] - wide.box[0]) - 64 / 96) < 0.01
    assert abs((wide.box[1] + wide.box[3]) - (square[1] + square[3])) <= 2


@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
def test_a_file_is_turned_as_its_exif_says(
    reader: PictureReader, off_centre: Image, tmp_path: Path, kind: str
) -> None:
    upright = PIL.Image.fromarray(off_centre)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    path = tmp_path / f"turned.{kind}"
    upright.rotate(90, expand=True).save(path, exif=exif.tobytes(), quality=95)
    found, plain = (
        reader.read(path, width=64, height=64),
        reader.read(off_centre, width=64, height=64),
    )
    assert np.abs(np.array(found.box) - plain.box).max() <= 8
    assert np.abs(found.image.astype(int) - plain.image).mean() < 6
    assert len(found.sha256) == 64


def test_no_crop_takes_the_picture_as_it_is(off_centre: Image) -> None:
    found = PictureReader(cut=False).read(off_centre, width=128, height=96)
    assert found.box == (0, 0, 800, 600)
    square = PictureReader(cut=False).read(off_centre, width=64, height=64)
    assert square.box == (100, 0, 700, 600)


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    PIL.Image.fromarray(np.zeros((8, 8, 4), np.uint8), "RGBA").save(tmp_path / "clear.png")
    found = PictureReader(cut=False).read(tmp_path / "clear.png", width=8, height=8)
    assert (found.image == 255).all()


def test_a_small_picture_is_enlarged_with_a_note(off_centre: Image) -> None:
    found = PictureReader(cut=False).read(off_centre[:32, :32], width=64, height=64)
    assert found.image.shape == (64, 64, 3)
    assert "32x32 pixels and is enlarged to 64x64" in found.notes[0]


def test_a_picture_that_ends_close_around_the_face_is_noted(reader: PictureReader, off_centre: Image) -> None:
    found = reader.read(off_centre[170:390, 450:670], width=64, height=64)
    assert any("ends close around the face" in note for note in found.notes)


def test_the_margins_are_those_of_the_training_clips(off_centre: Image) -> None:
    plain = PictureReader().read(off_centre, width=64, height=64).box
    close = PictureReader(crop={"above": 0.1, "below": 0.1, "sides": 0.1}).read(
        off_centre, width=64, height=64
    )
    assert close.box[2] - close.box[0] < 0.7 * (plain[2] - plain[0])


def test_no_face_and_several_faces_are_refused(reader: PictureReader) -> None:
    with pytest.raises(GenerateError, match="No face was found in the image"):
        reader.read(drawn(300, 300), width=64, height=64)
    with pytest.raises(GenerateError, match=r"the image shows 2 faces\. Cut out the one"):
        reader.read(drawn(800, 400, (200, 200), (600, 200)), width=64, height=64)


def test_what_is_no_picture_is_refused(reader: PictureReader, off_centre: Image, tmp_path: Path) -> None:
    with pytest.raises(GenerateError, match=r"There is no image .*gone\.png"):
        reader.read(tmp_path / "gone.png", width=64, height=64)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(GenerateError, match=r"text\.png cannot be read as a picture"):
        reader.read(tmp_path / "text.png", width=64, height=64)
    PIL.Image.fromarray(off_centre).save(tmp_path / "whole.jpg")
    (tmp_path / "half.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:5000])
    with pytest.raises(GenerateError, match=r"half\.jpg cannot be read as a picture"):
        reader.read(tmp_path / "half.jpg", width=64, height=64)
    with pytest.raises(GenerateError, match="cannot be read: Is a directory"):
        reader.read(tmp_path, width=64, height=64)
    with pytest.raises(GenerateError, match=r"float64 \(8, 8\)"):
        reader.read(np.zeros((8, 8)), width=64, height=64)  # type: ignore[arg-type]
