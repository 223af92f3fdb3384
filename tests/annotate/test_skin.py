"""Skin tone: formulas against published values, and patches of known colour under the mesh."""

from __future__ import annotations

import numpy as np
import pytest

from facevid.annotate.observed import Observed
from facevid.annotate.skin import MONK_SRGB, ciede2000, measure_skin, typology_angle, typology_class


def painted(skin: tuple[int, int, int], white: tuple[int, int, int] = (151, 146, 141)) -> Observed:
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


@pytest.mark.parametrize("tone", range(1, 11))
def test_a_face_painted_with_a_monk_tone_in_shade_of_one_fifth_gets_that_tone(tone: int) -> None:
    linear = (np.array(MONK_SRGB[tone - 1]) / 255) ** 2.2 * 0.8
    skin = tuple(int(v) for v in np.rint(255 * linear ** (1 / 2.2)))
    answers = {a.name: a for a in measure_skin(painted(skin))}  # type: ignore[arg-type]
    assert answers["skin_tone"].value == str(tone)
    assert -90 <= float(answers["ita"].value) <= 90


def test_coloured_light_lowers_the_confidence_and_then_silences_the_answer() -> None:
    skin = (190, 150, 120)
    neutral, warm, orange = (
        measure_skin(painted(skin, w)) for w in ((151, 146, 141), (160, 146, 130), (200, 140, 70))
    )
    assert neutral[0].confidence > warm[0].confidence
    assert orange == []


def test_a_black_picture_has_no_skin_tone() -> None:
    assert measure_skin(painted((6, 5, 4))) == []
