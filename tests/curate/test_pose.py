"""Head pose and face geometry of a synthetic head turned by known angles."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from facevid.curate.pose import (
    CHIN,
    FACE_OVAL,
    FOREHEAD,
    LEFT_EYE,
    LOWER_LIP,
    RIGHT_EYE,
    UPPER_LIP,
    face_height,
    head_pose,
    mesh_box,
    mouth_opening,
)

NOSE = 1


def head(*, open_mouth: float = 0.0) -> NDArray[np.float32]:
    """A head that looks into the camera: x right, y down, z away, 200 pixels from forehead to chin."""
    mesh = np.zeros((478, 3), np.float32)
    mesh[FOREHEAD], mesh[CHIN] = (0, -100, 0), (0, 100, 0)
    # The subject's right is the picture's left.
    mesh[RIGHT_EYE], mesh[LEFT_EYE] = (-45, -40, 10), (45, -40, 10)
    mesh[NOSE] = (0, 0, -40)
    mesh[UPPER_LIP], mesh[LOWER_LIP] = (0, 40, -10), (0, 40 + open_mouth, -10)
    return mesh


def turned(
    mesh: NDArray[np.float32], *, yaw: float = 0, pitch: float = 0, roll: float = 0
) -> NDArray[np.float32]:
    """Rolled clockwise in the picture, then chin up, then face to the picture's right, all in degrees."""
    w, p, r = np.deg2rad([yaw, pitch, roll])
    rolls = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    lifts = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    turns = np.array([[np.cos(w), 0, -np.sin(w)], [0, 1, 0], [np.sin(w), 0, np.cos(w)]])
    return (mesh @ (turns @ lifts @ rolls).T + [500, 400, 0]).astype(np.float32)


def test_a_face_that_looks_into_the_camera_has_no_angle() -> None:
    assert head_pose(turned(head())) == pytest.approx((0, 0, 0), abs=1e-4)


def test_yaw_is_positive_where_the_nose_goes_right_in_the_picture() -> None:
    mesh = turned(head(), yaw=30)
    assert mesh[NOSE, 0] > 500
    assert head_pose(mesh) == pytest.approx((30, 0, 0), abs=1e-3)


def test_pitch_is_positive_where_the_nose_goes_up_in_the_picture() -> None:
    mesh = turned(head(), pitch=20)
    assert mesh[NOSE, 1] < 400
    assert head_pose(mesh) == pytest.approx((0, 20, 0), abs=1e-3)


def test_roll_is_positive_where_the_head_tilts_clockwise() -> None:
    mesh = turned(head(), roll=15)
    assert mesh[FOREHEAD, 0] > mesh[CHIN, 0]
    assert head_pose(mesh) == pytest.approx((0, 0, 15), abs=1e-3)


@pytest.mark.parametrize("angles", list(product((-70, -20, 40), (-50, 10, 35), (-80, 5, 30))), ids=str)
def test_all_three_angles_come_back_from_any_turn(angles: tuple[float, float, float]) -> None:
    yaw, pitch, roll = angles
    assert head_pose(turned(head(), yaw=yaw, pitch=pitch, roll=roll)) == pytest.approx(angles, abs=1e-2)


def test_a_face_turned_away_is_beyond_ninety_degrees() -> None:
    assert abs(head_pose(turned(head(), yaw=120))[0]) == pytest.approx(120, abs=1e-2)


def test_face_height_does_not_shrink_when_the_head_turns() -> None:
    for angles in ({}, {"pitch": 40}, {"yaw": 60}, {"roll": 90, "pitch": 20}):
        assert face_height(turned(head(), **angles)) == pytest.approx(200, abs=0.01)


def test_mouth_opening_is_a_share_of_the_face_height_at_any_turn() -> None:
    assert mouth_opening(head()) == 0
    for angles in ({}, {"pitch": 30}, {"yaw": 45}):
        assert mouth_opening(turned(head(open_mouth=30), **angles)) == pytest.approx(0.15, abs=1e-4)


def test_the_box_is_around_the_face_without_the_irises() -> None:
    mesh = head()
    mesh[468:] = 1000
    assert mesh_box(mesh) == (-45, -100, 45, 100)


def test_the_outline_goes_round_the_face_once_from_forehead_over_chin() -> None:
    assert len(FACE_OVAL) == len(set(FACE_OVAL)) == 36
    assert (FACE_OVAL[0], FACE_OVAL[18]) == (FOREHEAD, CHIN)
