"""Expressions that the truth names can be seen in the picture, and where they should be."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from facevid.synth import make_people
from facevid.synth.figure import Figure, Pose
from facevid.synth.head import MOVES
from facevid.synth.light import Light
from facevid.synth.raster import Camera

SIZE, SCALE = 360, 14.0  # pixels; pixels a centimetre


@pytest.fixture(scope="module")
def figure() -> Figure:
    """Somebody without glasses."""
    return Figure(next(p for p in make_people(8, 4) if p.glasses == "none"))


def picture(figure: Figure, lids: tuple[float, float] = (1.0, 1.0), **moves: float) -> NDArray[np.float64]:
    canvas = np.full((SIZE, SIZE, 3), 90, np.uint8)
    weights = np.array([moves.get(name, 0.0) for name in MOVES], np.float32)
    pose = Pose(weights, 0.0, 0.0, 0.0, (0.0, 0.0, 0.0), lids, (0.0, 0.0), 0.0)
    figure.draw(canvas, pose, Light(0.2, 0.6, 0.9, 0.0, 0.4), Camera(SIZE / 2, SIZE / 2, SCALE))
    return canvas.astype(float).mean(axis=2)


def changed(figure: Figure, other: NDArray[np.float64], y_cm: float) -> float:
    """Largest change of a row of the face's middle part within 1 cm of a height, in grey levels."""
    row = SIZE / 2 - y_cm * SCALE
    part = (
        slice(int(row - SCALE), int(row + SCALE)),
        slice(int(SIZE / 2 - 4 * SCALE), int(SIZE / 2 + 4 * SCALE)),
    )
    return float(np.percentile(np.abs(other - picture(figure))[part], 98))


@pytest.mark.parametrize("move", ["brow_up", "brow_down"])
def test_brows_move_in_the_picture_and_the_mouth_does_not(figure: Figure, move: str) -> None:
    seen = picture(figure, **{move: 1.0})
    assert changed(figure, seen, figure.head.brow_y) > 10
    assert changed(figure, seen, figure.head.mouth_y) < 2


def test_a_smile_moves_the_mouth_and_no_brow(figure: Figure) -> None:
    seen = picture(figure, smile=0.85)
    assert changed(figure, seen, figure.head.mouth_y) > 10
    assert changed(figure, seen, figure.head.brow_y) < 2


def test_a_wink_shuts_one_eye(figure: Figure) -> None:
    """The picture's left half changes, the right one does not."""
    difference = np.abs(picture(figure, lids=(0.0, 1.0)) - picture(figure))
    assert np.percentile(difference[:, : SIZE // 2], 99.5) > 20
    assert np.percentile(difference[:, SIZE // 2 :], 99.5) < 1
