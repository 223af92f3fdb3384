"""Skin tone: formulas against published values, and patches of known colour under the mesh."""

from __future__ import annotations

import numpy as np
import pytest

from facevid.annotate.face import cropped, polygon_mask
from facevid.annotate.observed import Observed
from facevid.annotate.skin import (
    MONK_SRGB,
    ciede2000,
    measure_skin,
    tone_chances,
    typology_angle,
    typology_class,
)


def painted(skin: tuple[int, int, int], white: tuple[int, int, int] = (226, 218, 210)) -> Observed:
    """A flat face of that colour with eye whites of that colour, its mesh laid out by hand where measures look."""
    from facevid.annotate.face import FOREHEAD, LEFT_CHEEK, LEFT_EYE, RIGHT_CHEEK, RIGHT_EYE

    mesh = np.full((478, 3), 128, np.float32)
    image = np.zeros((256, 256, 3), np.uint8)
    image[:] = skin
    for group, (x, y), (w, h) in (
        (RIGHT_CHEEK, (90, 150), (15, 20)), (LEFT_CHEEK, (166, 150), (15, 20)), (FOREHEAD, (128, 60), (40, 15)),
        (RIGHT_EYE, (90, 100), (24, 9)), (LEFT_EYE, (166, 100), (24, 9)),
    ):  # fmt: skip
        turn = np.linspace(0, 2 * np.pi, len(group), endpoint=False)
        mesh[list(group), 0], mesh[list(group), 1] = x + w * np.cos(turn), y + h * np.sin(turn)
    for x, first in ((90, 468), (166, 473)):
        image[91:110, x - 24 : x + 25] = white
        mesh[first : first + 5, :2] = np.array([[x, 100], [x + 6, 100], [x, 106], [x - 6, 100], [x, 94]])
    return Observed(
        fps=25, mesh=mesh[None], pose=np.zeros((1, 3), np.float32), looks=np.array([0]), images=image[None],
        masks=np.ones((1, 256, 256), np.float32), speech=None, level=None,
    )  # fmt: skip


def test_typology_angle_is_chardons_formula() -> None:
    assert typology_angle(65, 15) == pytest.approx(45.0)
    assert typology_angle(50, 12) == 0
    assert typology_angle(40, 10 * np.sqrt(3)) == pytest.approx(-30.0)
    assert typology_angle(90, -3) == pytest.approx(90.0, abs=0.01)


def test_typology_classes_lie_at_the_published_angles() -> None:
    angles = (56, 55, 42, 41, 29, 28, 11, 10, -29, -31)
    assert [typology_class(a) for a in angles] == [
        "very light", "light", "light", "intermediate", "intermediate", "tan", "tan", "brown", "brown", "dark",
    ]  # fmt: skip


def test_ciede2000_gives_the_values_of_sharma_wu_and_dalal() -> None:
    pairs = np.array(
        [
            [50.0000, 2.6772, -79.7751, 50.0000, 0.0000, -82.7485, 2.0425],
            [50.0000, 3.1571, -77.2803, 50.0000, 0.0000, -82.7485, 2.8615],
            [50.0000, 0.0000, 0.0000, 50.0000, -1.0000, 2.0000, 2.3669],
            [50.0000, 2.5000, 0.0000, 50.0000, 0.0000, -2.5000, 4.3065],
            [50.0000, 2.5000, 0.0000, 73.0000, 25.0000, -18.0000, 27.1492],
            [22.7233, 20.0904, -46.6940, 23.0331, 14.9730, -42.5619, 2.0373],
            [2.0776, 0.0795, -1.1350, 0.9033, -0.0636, -0.5514, 0.9082],
        ]
    )
    assert ciede2000(pairs[:, :3], pairs[:, 3:6]) == pytest.approx(pairs[:, 6], abs=1e-4)


def pictured(tone: int) -> tuple[int, int, int]:
    """sRGB of skin of that tone in a correct exposure: .8 of its light, and the surface's 4 %."""
    linear = (np.array(MONK_SRGB[tone - 1]) / 255) ** 2.2 * 0.8 + 0.04
    red, green, blue = (int(v) for v in np.rint(255 * linear ** (1 / 2.2)))
    return red, green, blue


@pytest.mark.parametrize("tone", [6, 7])
def test_a_face_painted_with_a_tone_that_stands_alone_gets_that_tone(tone: int) -> None:
    answers = {a.name: a for a in measure_skin(painted(pictured(tone)))}
    assert answers["skin_tone"].value == str(tone)
    assert answers["skin_tone"].confidence >= 0.75
    assert -90 <= float(answers["ita"].value) <= 90


@pytest.mark.parametrize("tone", [1, 2])
def test_light_tones_that_lie_within_the_error_are_not_told_apart(tone: int) -> None:
    assert {a.name for a in measure_skin(painted(pictured(tone)))} == {"ita"}


def test_the_exposure_is_taken_from_the_eye_whites_but_not_where_they_are_off_by_more_than_half_a_stop() -> (
    None
):
    def darker(rgb: tuple[int, int, int], share: float) -> tuple[int, int, int]:
        red, green, blue = (round(v * share ** (1 / 2.2)) for v in rgb)
        return red, green, blue

    white = (226, 218, 210)
    answers = {a.name: a.value for a in measure_skin(painted(darker(pictured(6), 0.75), darker(white, 0.75)))}
    assert answers["skin_tone"] == "6"
    answers = {a.name: a.value for a in measure_skin(painted(darker(pictured(6), 0.4), darker(white, 0.4)))}
    assert "skin_tone" not in answers


def test_a_tone_is_as_likely_as_its_distance_says() -> None:
    """Tones at one distance share; 2 ln 3 error^2 more of squared distance makes one third of the chance."""
    chances = tone_chances(np.array([3.0, 3.0, np.sqrt(9 + 2 * np.log(3) * 25)]), 5.0)
    assert chances == pytest.approx([3 / 7, 3 / 7, 1 / 7])


def test_coloured_light_lowers_the_confidence_and_then_silences_the_answer() -> None:
    skin = (190, 150, 120)
    neutral, warm, orange = (
        measure_skin(painted(skin, w)) for w in ((226, 218, 210), (235, 218, 194), (250, 190, 100))
    )
    assert neutral[-1].confidence > warm[-1].confidence
    assert orange == []


def test_a_black_picture_has_no_skin_tone() -> None:
    assert measure_skin(painted((6, 5, 4))) == []


def test_a_cut_out_holds_the_points_and_rounds_them_as_the_whole_picture_does() -> None:
    """Ties go to even: 5.5 and 6.5 are both 6, so a cut-out that began at an odd pixel would move one of them."""
    image = np.arange(40 * 50 * 3, dtype=np.uint8).reshape(40, 50, 3)
    mesh = np.full((478, 3), 20, np.float32)
    mesh[:3, :2] = [[15.5, 9.5], [30.5, 12.5], [22.5, 25.5]]
    part, moved = cropped(image, mesh, (0, 1, 2))
    low = mesh[0, :2] - moved[0, :2]
    assert (low % 2 == 0).all()
    x, y = low.astype(int)
    assert (part == image[y : y + part.shape[0], x : x + part.shape[1]]).all()
    whole, small = polygon_mask(mesh[:3, :2], (40, 50)), polygon_mask(moved[:3, :2], part.shape[:2])
    assert small.sum() == whole.sum()
    assert (whole[y : y + part.shape[0], x : x + part.shape[1]] == small).all()
