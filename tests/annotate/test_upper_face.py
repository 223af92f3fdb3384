"""Brows and eyes in the pictures of every frame: what moves on the face is followed, what the head does is not."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facevid.annotate.brows import brow_rise
from facevid.annotate.lids import seen_open
from facevid.annotate.observed import Observed, UpperFace
from facevid.annotate.upper_face import UpperFaces, contrast, follow

from .made_up_face import PIXELS_PER_CM, act, during, swing

EYE_DISTANCE_CM = 9.0
Track = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def drawn(
    o: Observed, brows_up_cm: Track = np.zeros_like, left_eye: Track = np.ones_like
) -> UpperFace | None:
    """Pictures of a face whose mesh does not see what its brows and its left eye do."""
    faces = UpperFaces(o.mesh, o.pose)
    t = np.arange(len(o.mesh)) / o.fps
    for mesh, up, opening in zip(o.mesh, brows_up_cm(t), left_eye(t), strict=True):
        picture = np.full((512, 512, 3), 190, np.uint8)
        right, left = mesh[33, :2], mesh[263, :2]
        down = np.array([right[1] - left[1], left[0] - right[0]]) / np.linalg.norm(left - right)
        for points in ((107, 66), (336, 296)):
            ends = [mesh[k, :2] - down * up * PIXELS_PER_CM for k in points]
            cv2.line(picture, *(tuple(int(v) for v in e.round()) for e in ends), (60, 60, 60), 6)  # type: ignore[call-overload]
        for eye, is_open in (((33, 133), True), ((362, 263), opening > 0.5)):
            middle = mesh[list(eye), :2].mean(axis=0)
            if is_open:
                cv2.circle(picture, tuple(int(v) for v in middle.round()), 14, (250, 250, 250), -1)
                cv2.circle(picture, tuple(int(v) for v in middle.round()), 8, (40, 40, 40), -1)
        faces.look(cv2.GaussianBlur(picture, (0, 0), 1.5).astype(np.uint8))
    return faces.all()


def test_a_patch_is_followed_to_a_quarter_of_a_pixel() -> None:
    rng = np.random.default_rng(3)
    still = cv2.GaussianBlur(rng.uniform(0, 255, (60, 90)).astype(np.float32), (0, 0), 2.5)
    ways = [(0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (2.4, -1.3), (-3.0, 4.6)]
    moved = np.stack(
        [
            cv2.warpAffine(still, np.array([[1, 0, x], [0, 1, y]]), (90, 60), borderMode=cv2.BORDER_REFLECT)
            for x, y in ways
        ]
    )
    found = follow(moved.astype(np.float32), (30, 60, 20, 40), (6, 6))
    assert found == pytest.approx(np.array(ways), abs=0.25)


def test_a_patch_outside_of_the_picture_does_not_move() -> None:
    pictures = contrast(np.zeros((4, 30, 40), np.uint8))
    assert not follow(pictures, (-50, -20, 5, 20), (3, 3)).any()


@pytest.mark.parametrize("turn", [{}, {"roll": swing(0, 4, 8, 0.5)}, {"yaw": swing(0, 4, 8, 0.5)}])
def test_brows_that_the_mesh_does_not_raise_rise_in_the_pictures(turn: dict[str, Track]) -> None:
    """By 6 mm; the head's own turns raise none."""
    upper = drawn(act(4.0, **turn), during(1, 2, size=0.6))  # type: ignore[arg-type]
    assert upper is not None
    rise = brow_rise(upper) * EYE_DISTANCE_CM
    assert np.median(rise[30:45]) - np.median(rise[60:]) == pytest.approx(0.6, abs=0.12)
    assert np.ptp(np.percentile(rise[60:], [5, 95])) < 0.15


def test_an_eye_that_the_mesh_does_not_shut_is_seen_shut() -> None:
    upper = drawn(act(4.0, roll=swing(0, 4, 6, 0.5)), left_eye=lambda t: ((t < 1) | (t > 1.5)).astype(float))
    assert upper is not None
    right, left = seen_open(upper)
    assert left[27:36].max() < 0.5 < 0.8 < left[45:].min()
    assert right.min() > 0.8


def test_a_clip_without_meshes_has_no_upper_face() -> None:
    faces = UpperFaces(np.zeros((5, 478, 3), np.float32), np.zeros((5, 3), np.float32))
    faces.look(np.zeros((64, 64, 3), np.uint8))
    assert faces.all() is None
