"""The square that a clip keeps: margins, picture edges, even pixels."""

from __future__ import annotations

import numpy as np
import pytest

from facevid.curate.crop import crop_square, crop_squares, even_squares
from facevid.recipe import Crop

MARGINS = Crop(above=0.5, below=0.6, sides=0.5)


def test_a_square_has_the_margins_of_the_recipe() -> None:
    # Face 100 wide, 200 high: 100 above, 120 below, so 420 high; 100 + 2 * 100 wide is less.
    assert crop_square((450, 300, 550, 500), 200, (1920, 1080), MARGINS) == (290, 200, 710, 620)


def test_a_wide_union_makes_the_square_as_wide() -> None:
    x0, y0, x1, y1 = crop_square((300, 300, 900, 500), 200, (1920, 1080), MARGINS)
    assert (x0, x1) == (200, 1000)
    assert y1 - y0 == 800
    assert (y0 + y1) / 2 == (200 + 620) / 2


@pytest.mark.parametrize(
    ("union", "expected"),
    [
        ((10, 300, 110, 500), (0, 200, 420, 620)),
        ((1850, 300, 1950, 500), (1500, 200, 1920, 620)),
        ((450, 20, 550, 220), (290, 0, 710, 420)),
        ((450, 900, 550, 1100), (290, 660, 710, 1080)),
    ],
    ids=["left", "right", "top", "bottom"],
)
def test_a_square_that_would_leave_the_picture_is_moved_inside(
    union: tuple[float, float, float, float], expected: tuple[float, float, float, float]
) -> None:
    assert crop_square(union, 200, (1920, 1080), MARGINS) == expected


@pytest.mark.parametrize("picture", [(640, 360), (360, 640)])
def test_a_square_larger_than_the_picture_becomes_its_shorter_side(picture: tuple[float, float]) -> None:
    x0, y0, x1, y1 = crop_square((100, 50, 300, 340), 290, picture, MARGINS)
    assert x1 - x0 == y1 - y0 == 360
    assert x0 >= 0 and y0 >= 0 and x1 <= picture[0] and y1 <= picture[1]


def test_squares_lie_on_even_pixels_inside_the_picture_and_are_never_distorted() -> None:
    rng = np.random.default_rng(0)
    n = 2000
    picture = rng.integers(121, 4000, (n, 2))
    corner = rng.uniform(-200, 3500, (n, 2))
    union = np.concatenate([corner, corner + rng.uniform(20, 1500, (n, 2))], axis=1)
    squares = crop_squares(union, rng.uniform(20, 1500, n), picture.astype(float), MARGINS)
    boxes = even_squares(squares, picture)
    assert (boxes % 2 == 0).all()
    np.testing.assert_array_equal(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    assert (boxes[:, 2] - boxes[:, 0] > 0).all()
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= picture).all()


def test_rounding_moves_an_edge_by_at_most_two_pixels() -> None:
    square = np.array([[101.3, 77.7, 520.9, 497.3]])
    box = even_squares(square, np.array([[1920, 1080]]))
    assert np.abs(box - square).max() <= 2


def test_many_squares_are_what_each_is_alone() -> None:
    union = np.array([[450, 300, 550, 500], [10, 20, 300, 400], [1700, 900, 1900, 1070]], float)
    height, picture = np.array([200.0, 350, 150]), np.array([[1920, 1080]] * 3, float)
    together = crop_squares(union, height, picture, MARGINS)
    for row, box, tall in zip(together, union, height, strict=True):
        assert tuple(row) == crop_square(tuple(box), tall, (1920, 1080), MARGINS)
