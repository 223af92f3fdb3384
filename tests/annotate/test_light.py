"""Light: painted faces whose eye whites and halves have known luminance and colour."""

from __future__ import annotations

import numpy as np
import pytest

from facevid.annotate.face import LEFT_EYE, RIGHT_EYE
from facevid.annotate.light import PAIRS_LEFT, PAIRS_RIGHT, linear, measure_light
from facevid.annotate.observed import Observed


def srgb(linear_light: float) -> int:
    """The sRGB code of a luminance (IEC 61966-2-1)."""
    low = linear_light <= 0.0031308
    return round(255 * (12.92 * linear_light if low else 1.055 * linear_light ** (1 / 2.4) - 0.055))


def lit(
    white: tuple[float, float, float] = (0.45, 0.42, 0.39),
    left: float = 0.3,
    right: float = 0.3,
    yaw: float = 0.0,
    eyes: bool = True,
    lamp: bool = True,
    room: tuple[float, float, float] | None = None,
) -> Observed:
    """A face whose picture's left half has luminance `left`, the other `right`; `white` is the eyes' linear RGB;
    `lamp` puts something white into the picture; `room` is the linear RGB of the background below the face."""
    image = np.empty((256, 256, 3), np.uint8)
    image[:, :128], image[:, 128:] = srgb(left), srgb(right)
    if lamp:
        image[:16, :16] = 245
    person = np.ones((1, 256, 256), np.float32)
    if room is not None:
        image[200:], person[:, 200:] = [srgb(v) for v in room], 0
    mesh = np.full((478, 3), 128, np.float32)
    mesh[list(PAIRS_RIGHT), 0] = np.linspace(50, 110, len(PAIRS_RIGHT))
    mesh[list(PAIRS_LEFT), 0] = 256 - np.linspace(50, 110, len(PAIRS_LEFT))
    mesh[list(PAIRS_RIGHT + PAIRS_LEFT), 1] = 180
    for group, x, first in ((RIGHT_EYE, 90, 468), (LEFT_EYE, 166, 473)):
        turn = np.linspace(0, 2 * np.pi, len(group), endpoint=False)
        mesh[list(group), 0] = x + (12 if eyes else 0) * np.cos(turn)
        mesh[list(group), 1] = 100 + (9 if eyes else 0) * np.sin(turn)
        image[91:110, x - 12 : x + 13] = [srgb(v) for v in white]
        mesh[first : first + 5, :2] = np.array([[x, 100], [x + 6, 100], [x, 106], [x - 6, 100], [x, 94]])
    return Observed(
        fps=25, mesh=mesh[None], pose=np.array([[yaw, 0, 0]], np.float32), looks=np.array([0]), images=image[None],
        masks=person, speech=None, level=None,
    )  # fmt: skip


def said(o: Observed) -> dict[str, str]:
    return {a.name: a.value for a in measure_light(o)}


def test_linear_light_is_srgbs() -> None:
    codes = np.array([0, 10, 118, 188, 255], np.uint8)
    assert linear(codes) == pytest.approx([0, 0.003035, 0.181164, 0.502886, 1.0], abs=1e-5)


@pytest.mark.parametrize(
    ("white", "skin", "light"),
    [
        (0.02, 0.02, "dark"),
        (0.09, 0.08, "dim"),
        (0.4, 0.42, "normal"),
        (0.97, 0.6, "bright"),
        (0.16, 0.15, None),
    ],
)
def test_brightness_follows_the_eye_whites_and_is_silent_between_the_ranges(
    white: float, skin: float, light: str | None
) -> None:
    assert said(lit(white=(white, white, white), left=skin, right=skin)).get("light") == light


def test_whites_in_deep_sockets_are_normal_only_where_picture_and_skin_say_so() -> None:
    grey = (0.4, 0.4, 0.4)
    assert said(lit(white=grey, left=0.42, right=0.42)).get("light") == "normal"
    assert said(lit(white=grey, left=0.42, right=0.42, lamp=False)).get("light") is None
    assert said(lit(white=grey, left=0.55, right=0.55, lamp=False)).get("light") == "normal"
    assert said(lit(white=grey, left=0.1, right=0.1)).get("light") is None, "a lamp is white in any exposure"
    assert said(lit(white=(0.7, 0.7, 0.7), lamp=False)).get("light") == "normal"


def test_dark_skin_in_good_light_is_not_called_dark() -> None:
    bright_whites, pigmented = (0.61, 0.61, 0.61), (0.45, 0.45, 0.45)
    assert said(lit(left=0.03, right=0.03, white=bright_whites))["light"] == "normal"
    assert said(lit(left=0.03, right=0.03, white=pigmented, lamp=False)).get("light") is None
    assert said(lit(left=0.03, right=0.03, white=(0.75, 0.75, 0.75))).get("light") is None


@pytest.mark.parametrize(
    ("left", "right", "side"),
    [(0.3, 0.29, "even"), (0.4, 0.2, "left"), (0.2, 0.4, "right"), (0.3, 0.24, None)],
)
def test_the_side_is_the_pictures_brighter_half(left: float, right: float, side: str | None) -> None:
    assert said(lit(left=left, right=right)).get("light_direction") == side


def test_a_turned_head_in_frontal_light_is_lit_evenly() -> None:
    """Turned 20 degrees to the picture's right, the left cheek faces the camera more: 0.5 + 0.5 cos 20, cos 60."""
    left, right = 0.5 + 0.5 * np.cos(np.radians(20)), 0.5 + 0.5 * np.cos(np.radians(60))
    assert said(lit(left=0.4 * left, right=0.4 * right, yaw=20))["light_direction"] == "even"
    assert said(lit(left=0.4 * left, right=0.4 * right, yaw=-20))["light_direction"] == "left"


def test_a_profile_has_no_side() -> None:
    assert "light_direction" not in said(lit(left=0.4, right=0.2, yaw=60))


@pytest.mark.parametrize(
    ("stops", "room", "tone"),
    [
        (0.22, 0.2, "neutral"), (0.22, 1.0, None), (0.22, None, None),
        (0.6, None, "warm"), (0.35, 0.5, "warm"), (0.35, -0.5, None),
        (-0.1, -1.0, "cool"), (-0.1, 0.2, None), (-0.1, None, None),
    ],
)  # fmt: skip
def test_tone_follows_red_over_blue_of_the_eye_whites_where_the_room_agrees(
    stops: float, room: float | None, tone: str | None
) -> None:
    white = (0.5 * 2 ** (stops / 2), 0.5, 0.5 * 2 ** (-stops / 2))
    behind = None if room is None else (0.3 * 2 ** (room / 2), 0.3, 0.3 * 2 ** (-room / 2))
    assert said(lit(white=white, room=behind)).get("light_tone") == tone


def test_closed_eyes_leave_brightness_and_tone_unknown() -> None:
    assert set(said(lit(eyes=False))) == {"light_direction"}


def test_the_source_of_light_is_never_claimed() -> None:
    assert "light_source" not in said(lit())
