"""Hair of painted heads: its colour, where it ends, whether there is any; silence where it cannot be told."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facevid.annotate.face import FACE_OVAL, LEFT_CHEEK, RIGHT_CHEEK, lab
from facevid.annotate.hair import colour_name, measure_hair
from facevid.annotate.observed import Observed
from facevid.synth.person import HAIR

Colour = tuple[int, int, int]
PALE, DARK = (224, 172, 145), (112, 72, 54)
EYES = 110
"""Pixels between the painted outer eye corners, which lie at (201, 250) and (311, 250); the chin is at y = 385."""


def head_mesh() -> np.ndarray:
    """The points of a mesh that hair is measured by, of an upright face; the others are on its nose."""
    mesh = np.tile(np.array([256, 290, 0], np.float32), (478, 1))
    for k, point in enumerate(FACE_OVAL):
        angle = 2 * np.pi * k / len(FACE_OVAL)
        mesh[point, :2] = 256 + 85 * np.sin(angle), 270 - 115 * np.cos(angle)
    mesh[[33, 263], :2] = (201, 250), (311, 250)
    mesh[[334, 296, 336, 9, 107, 66, 105], :2] = [(x, 228) for x in (305, 295, 272, 256, 240, 217, 207)]
    ring = [(-16, -12), (0, -16), (16, -12), (16, 8), (0, 16), (-16, 8)]
    mesh[list(RIGHT_CHEEK), :2] = np.add(ring, (218, 300))
    mesh[list(LEFT_CHEEK), :2] = np.add(ring, (294, 300))
    return mesh


def paint(
    hair: Colour | None, *, skin: Colour = PALE, ends: int | None = None, bangs: bool = False, clothes: Colour
) -> tuple[np.ndarray, np.ndarray]:
    """A head before a wall, and its mask. Hair, if any, covers the skull and falls to y = `ends` beside the face."""
    image = np.full((512, 512, 3), (120, 140, 150), np.uint8)
    strand = np.zeros((512, 512), np.uint8)
    if hair and ends:
        cv2.rectangle(strand, (150, 200), (362, ends), 1, -1)
    if hair:
        cv2.ellipse(strand, (256, 235), (106, 140), 0, 180, 360, 1, -1)
    body = np.zeros((512, 512), np.uint8)
    cv2.ellipse(body, (256, 560), (230, 120), 0, 0, 360, 1, -1)
    flesh = np.zeros((512, 512), np.uint8)
    cv2.rectangle(flesh, (210, 350), (302, 450), 1, -1)
    cv2.ellipse(flesh, (256, 270), (85, 115), 0, 0, 360, 1, -1)
    if not ends:
        cv2.ellipse(flesh, (256, 265), (100, 30), 0, 0, 360, 1, -1)
    if not hair:
        cv2.ellipse(flesh, (256, 235), (98, 125), 0, 180, 360, 1, -1)
    if bangs:
        flesh[:205] = 0
    image[body > 0] = clothes
    noise = np.random.default_rng(7)
    streaks = 1 + 0.25 * noise.standard_normal((1, 512, 1)).repeat(512, axis=0)
    if hair:
        painted = np.clip(np.array(hair) * streaks, 0, 255).astype(np.uint8)
        image[strand > 0] = painted[strand > 0]
    image[flesh > 0] = skin
    return image, np.maximum(np.maximum(strand, body), flesh).astype(np.float32)


def observed(*looks: tuple[np.ndarray, np.ndarray], matrix: np.ndarray | None = None) -> Observed:
    """A clip of these pictures, each moved by a (2, 3) `matrix` with its mesh."""
    move = np.array([[1, 0, 0], [0, 1, 0]], float) if matrix is None else matrix
    mesh = head_mesh()
    mesh[:, :2] = mesh[:, :2] @ move[:, :2].T + move[:, 2]
    return Observed(
        fps=25,
        mesh=np.tile(mesh, (len(looks), 1, 1)).astype(np.float32),
        pose=np.zeros((len(looks), 3), np.float32),
        looks=np.arange(len(looks)),
        images=np.stack([cv2.warpAffine(i, move, (512, 512), borderValue=(120, 140, 150)) for i, _ in looks]),
        masks=np.stack([cv2.warpAffine(m, move, (512, 512)) for _, m in looks]),
        speech=None,
        level=None,
    )


def told(o: Observed) -> dict[str, str]:
    return {a.name: a.value for a in measure_hair(o)}


@pytest.mark.parametrize("name", ["black", "brown", "blonde", "red", "grey", "white"])
def test_colour_is_that_of_the_palette_on_pale_and_dark_skin(name: str) -> None:
    for skin in (PALE, DARK):
        o = observed(paint(HAIR[name], skin=skin, clothes=(40, 60, 160)))
        assert told(o).get("hair_colour", name) == name
    assert told(observed(paint(HAIR[name], clothes=(40, 60, 160))))["hair_colour"] == name


@pytest.mark.parametrize(
    ("ends", "length"), [(None, "short"), (340, "medium"), (385, "medium"), (440, "long"), (500, "long")]
)
def test_length_is_where_hair_ends_beside_face_and_neck(ends: int | None, length: str) -> None:
    assert told(observed(paint(HAIR["brown"], ends=ends, clothes=(220, 220, 230))))["hair_length"] == length


def test_clothes_of_the_hairs_colour_do_not_lengthen_short_hair() -> None:
    assert told(observed(paint(HAIR["black"], clothes=HAIR["black"])))["hair_length"] == "short"


@pytest.mark.parametrize("skin", [PALE, DARK])
def test_a_smooth_head_of_skin_is_bald_and_has_no_colour_of_hair(skin: Colour) -> None:
    assert told(observed(paint(None, skin=skin, clothes=(40, 60, 160)))) == {
        "hair_length": "bald",
        "bangs": "no",
    }


def test_bangs_are_hair_on_the_forehead() -> None:
    for bangs, flag in ((True, "yes"), (False, "no")):
        assert told(observed(paint(HAIR["black"], bangs=bangs, clothes=(40, 60, 160))))["bangs"] == flag


def test_hair_of_the_skins_own_colour_is_not_judged() -> None:
    flat = paint(None, clothes=(40, 60, 160))
    worn = paint(tuple(int(c * 0.9) for c in PALE), clothes=(40, 60, 160))  # type: ignore[arg-type]
    assert told(observed(flat))["hair_length"] == "bald"
    assert "hair_length" not in told(observed(worn))
    assert "bangs" not in told(observed(worn))


@pytest.mark.parametrize("degrees", [-25, 25])
@pytest.mark.parametrize("scale", [0.6, 1.1])
def test_a_tilted_head_and_another_size_change_nothing(degrees: float, scale: float) -> None:
    picture = paint(HAIR["red"], ends=385, clothes=(40, 60, 160))
    matrix = cv2.getRotationMatrix2D((256, 300), degrees, scale)
    assert told(observed(picture, matrix=matrix)) == told(observed(picture))


def test_confidence_is_the_rule_of_succession_of_looks_and_no_majority_is_no_answer() -> None:
    short = paint(HAIR["brown"], clothes=(220, 220, 230))
    long = paint(HAIR["brown"], ends=500, clothes=(220, 220, 230))
    answers = {a.name: a for a in measure_hair(observed(short, short, short, long))}
    assert answers["hair_length"].value == "short"
    assert answers["hair_length"].confidence == pytest.approx(4 / 6), "three of four looks"
    assert answers["hair_colour"].confidence == pytest.approx(13 / 14), "four looks in three exposures"
    assert "hair_length" not in told(observed(short, long))


def test_in_the_dark_every_hair_looks_black_so_none_is_named() -> None:
    image, mask = paint(HAIR["blonde"], clothes=(40, 60, 160))
    assert "hair_colour" not in told(observed(((image * 0.3).astype(np.uint8), mask)))


def test_a_face_too_small_gives_no_answer() -> None:
    picture = paint(HAIR["black"], clothes=(40, 60, 160))
    assert measure_hair(observed(picture, matrix=cv2.getRotationMatrix2D((256, 256), 0, 0.25))) == []


def test_a_head_cut_off_at_the_hairline_gives_no_answer() -> None:
    picture = paint(HAIR["black"], clothes=(40, 60, 160))
    assert measure_hair(observed(picture, matrix=np.array([[1.0, 0, 0], [0, 1, -160]]))) == []


def test_colours_between_two_names_have_none() -> None:
    between = (np.array(HAIR["grey"]) + HAIR["white"]) // 2
    assert colour_name(lab(between.astype(np.uint8)[None, None])[0, 0]) == ""
    assert colour_name(np.array([30, -20, 10], np.float32)) == ""
