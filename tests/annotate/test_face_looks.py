"""Glasses, hair on the face and lipstick: drawn people who differ in nothing else."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from facevid.annotate.face_looks import CHIP_SIZE, EYES_APART, face_chips, measure_face
from facevid.annotate.observed import Observed
from facevid.synth import Person, make_people

pytest.importorskip("mediapipe")

from facevid import backends
from facevid.annotate.light import measure_light
from facevid.backends.protocols import FaceMesh
from facevid.synth.figure import Figure, Pose
from facevid.synth.head import MOVES
from facevid.synth.light import Light
from facevid.synth.raster import Camera


@pytest.fixture(scope="module")
def mesher() -> FaceMesh:
    mesh: FaceMesh = backends.load("face_mesh", "mediapipe")
    return mesh


@cache
def somebody() -> Person:
    return make_people(1, 4)[0]


def plain(**changes: Any) -> Person:
    """Somebody with bare face and lips, skin of the Monk scale's fifth tone, short brown hair."""
    person = somebody()
    bare: dict[str, Any] = {
        "glasses": "none",
        "beard": "none",
        "lipstick": None,
        "freckles": False,
        "moles": 0,
    }
    bare |= {"bangs": False, "monk": 5, "hair_style": "short", "hair_colour": "brown", "brow_colour": "brown"}
    bare["presentation"] = "male"
    look = {**person.look, "age": 0.2, "under_eye": 0.1}
    return replace(person, look=look, **(bare | changes))


def seen(person: Person, mesher: FaceMesh, side: float = 0.0) -> Observed:
    """That person from the front, drawn 20 pixels a centimetre, meshed."""
    image = np.full((480, 480, 3), 120, np.uint8)
    pose = Pose(np.zeros(len(MOVES), np.float32), 0, 0, 0, (0, 0, 0), (1, 1), (0, 0), 0)
    Figure(person).draw(image, pose, Light(side, 0.5, 1.0, 0.0, 0.4), Camera(240, 230, 20))
    mesh = mesher.tracker().update(image, (110, 110, 370, 450))
    assert mesh is not None
    return Observed(
        fps=25, mesh=mesh[None], pose=np.zeros((1, 3), np.float32), looks=np.array([0]), images=image[None],
        masks=np.zeros((1, 480, 480), np.float32), speech=None, level=None,
    )  # fmt: skip


def said(o: Observed) -> dict[str, str]:
    return {a.name: a.value for a in measure_face(o)}


@pytest.fixture(scope="module")
def bare(mesher: FaceMesh) -> Observed:
    return seen(plain(), mesher)


def test_a_bare_face_has_none_of_them(bare: Observed) -> None:
    assert said(bare) == dict.fromkeys(("eyeglasses", "mustache", "beard", "goatee", "lipstick"), "no")


@pytest.mark.parametrize("frame", ["round", "thin"])
def test_frames_are_seen(frame: str, mesher: FaceMesh) -> None:
    answers = said(seen(plain(glasses=frame), mesher))
    assert answers["eyeglasses"] == "yes"
    assert answers["beard"] == "no"


def test_a_full_beard_is_no_goatee(mesher: FaceMesh) -> None:
    answers = said(seen(plain(beard="full"), mesher))
    assert (answers["beard"], answers["mustache"], answers["goatee"]) == ("yes", "yes", "no")


def test_a_goatee_is_a_beard_on_the_chin_alone(mesher: FaceMesh) -> None:
    answers = said(seen(plain(beard="goatee"), mesher))
    assert (answers["beard"], answers["goatee"]) == ("yes", "yes")


def test_a_mustache_alone_is_no_beard(mesher: FaceMesh) -> None:
    answers = said(seen(plain(beard="mustache"), mesher))
    assert (answers["mustache"], answers["beard"]) == ("yes", "no")


def test_a_white_mustache_on_dark_skin_is_seen(mesher: FaceMesh) -> None:
    answers = said(seen(plain(beard="mustache", monk=9, brow_colour="white"), mesher))
    assert answers["mustache"] == "yes"


def test_red_and_plum_lipstick_are_seen(mesher: FaceMesh) -> None:
    for paint in ((178, 40, 58), (120, 30, 70)):
        assert said(seen(plain(lipstick=paint), mesher))["lipstick"] == "yes"


def test_nothing_is_said_of_a_face_turned_away_or_small(bare: Observed) -> None:
    assert measure_face(replace(bare, pose=np.array([[40, 0, 0]], np.float32))) == []
    assert (
        measure_face(replace(bare, mesh=bare.mesh * np.float32(0.2), images=bare.images[:, ::5, ::5])) == []
    )


def test_an_aligned_face_has_its_eye_corners_level_and_at_a_fixed_distance(bare: Observed) -> None:
    ((chip, mesh),) = face_chips(bare)
    assert chip.shape == (CHIP_SIZE[1], CHIP_SIZE[0], 3)
    assert mesh[263, :2] - mesh[33, :2] == pytest.approx([EYES_APART, 0], abs=0.01)


def test_light_from_a_side_of_the_picture_is_seen_on_a_drawn_face(mesher: FaceMesh) -> None:
    for side, name in ((-0.9, "left"), (0.9, "right")):
        answers = {a.name: a.value for a in measure_light(seen(plain(), mesher, side))}
        assert answers["light_direction"] == name
