"""Measures of one frame, on pictures whose answer is known because they were drawn so."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facevid.curate import quality
from facevid.curate.pose import FACE_OVAL
from facevid.curate.quality import (
    FACE_SIDE,
    SMALL_WIDTH,
    blockiness,
    border_inside,
    borders,
    edge_sharpness,
    face_measures,
    hand_over_face,
    pixel_motion,
    small_picture,
)

Image = NDArray[np.uint8]
CENTRE, RADIUS = (160.0, 160.0), 100.0
BOX = (60.0, 60.0, 260.0, 260.0)


def oval_mesh(centre: tuple[float, float] = CENTRE, radius: float = RADIUS) -> NDArray[np.float32]:
    """A mesh whose outline is a circle, forehead on top and chin at the bottom."""
    mesh = np.zeros((478, 3), np.float32)
    mesh[:, :2] = centre
    angle = 2 * np.pi * np.arange(len(FACE_OVAL)) / len(FACE_OVAL)
    mesh[list(FACE_OVAL), 0] = centre[0] + radius * np.sin(angle)
    mesh[list(FACE_OVAL), 1] = centre[1] - radius * np.cos(angle)
    return mesh


def drawn(skin: int = 150, dark: int = 40, light: int = 230) -> Image:
    """A round face on a grey ground with eyes, brows and a mouth: edges of all directions."""
    image = np.full((320, 320, 3), 90, np.uint8)
    cv2.circle(image, (160, 160), 100, (skin,) * 3, -1)
    for x in (125, 195):
        cv2.circle(image, (x, 135), 14, (light,) * 3, -1)
        cv2.circle(image, (x, 135), 7, (dark,) * 3, -1)
        cv2.line(image, (x - 20, 105), (x + 20, 100), (dark,) * 3, 6)
    cv2.ellipse(image, (160, 205), (35, 14), 0, 0, 360, (dark,) * 3, -1)
    return image


def blurred(image: Image, sigma: float) -> Image:
    return image if sigma == 0 else np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def measured(image: Image) -> dict[str, float]:
    return face_measures(image, oval_mesh(), BOX)


def test_blur_lowers_sharpness_step_by_step() -> None:
    values = [measured(blurred(drawn(), sigma))["sharpness"] for sigma in (0, 1, 2, 4, 6, 8)]
    assert all(a > b for a, b in pairwise(values)), values


@pytest.mark.parametrize("percent", [1.5, 2.0, 3.0])
def test_sharpness_is_the_share_of_a_percent_that_edges_are_blurred_by(percent: float) -> None:
    # The face box is 200 pixels wide.
    value = measured(blurred(drawn(), 200 * percent / 100))["sharpness"]
    assert value == pytest.approx(1 / percent, rel=0.2)


def test_sharpness_does_not_depend_on_contrast() -> None:
    strong = measured(blurred(drawn(150, 40, 230), 3))["sharpness"]
    faint = measured(blurred(drawn(70, 50, 90), 3))["sharpness"]
    assert faint == pytest.approx(strong, rel=0.15)


def test_sharpness_does_not_depend_on_the_size_of_the_face() -> None:
    image = blurred(drawn(), 4)
    large = np.asarray(cv2.resize(image, (960, 960), interpolation=cv2.INTER_CUBIC), np.uint8)
    at_large = face_measures(large, oval_mesh((480, 480), 300), (180, 180, 780, 780))["sharpness"]
    assert at_large == pytest.approx(measured(image)["sharpness"], rel=0.1)


def test_a_face_without_edges_has_no_sharpness() -> None:
    flat = np.full((FACE_SIDE, FACE_SIDE), 128, np.uint8)
    assert edge_sharpness(flat, np.ones_like(flat)) == 0.0


def test_brightness_is_the_mean_inside_the_outline_only() -> None:
    image = np.zeros((320, 320, 3), np.uint8)
    cv2.circle(image, (160, 160), 104, (120, 120, 120), -1)
    assert measured(image)["brightness"] == pytest.approx(120, abs=1)


def test_brightness_is_luma_of_bt601() -> None:
    image = np.full((320, 320, 3), (200, 100, 50), np.uint8)
    assert measured(image)["brightness"] == pytest.approx(0.299 * 200 + 0.587 * 100 + 0.114 * 50, abs=1)


def test_contrast_spans_all_but_the_extremes_of_a_ramp() -> None:
    ramp = np.repeat(np.linspace(0, 255, 320).astype(np.uint8)[:, None], 320, axis=1)
    image = np.stack([ramp] * 3, axis=2)
    inside = np.zeros((320, 320), np.uint8)
    cv2.circle(inside, (160, 160), 100, (1,), -1)
    low, high = np.percentile(ramp[inside.astype(bool)], (5, 95))
    assert measured(image)["contrast"] == pytest.approx(high - low, abs=3)


def test_evenness_compares_the_halves_of_the_face() -> None:
    image = np.full((320, 320, 3), 99, np.uint8)
    assert measured(image)["evenness"] == pytest.approx(1.0, abs=0.01)
    image[:, 160:] = 199
    # One half at 99, the other at 199; one is added to both so that black faces divide.
    assert measured(image)["evenness"] == pytest.approx(0.5, abs=0.02)


def test_a_face_outside_the_picture_measures_nothing() -> None:
    values = face_measures(drawn(), oval_mesh((900, 900)), (800, 800, 1000, 1000))
    assert all(np.isnan(v) for v in values.values())


def noise(seed: int = 0, side: int = 160) -> Image:
    rough = np.random.default_rng(seed).normal(130, 200, (side, side)).astype(np.float32)
    return np.clip(cv2.GaussianBlur(rough, (0, 0), 2), 0, 255).astype(np.uint8)


def in_blocks(grey: Image) -> Image:
    """Every block of 8 x 8 at its mean, as the coarsest JPEG leaves it."""
    side = grey.shape[0] // 8
    means = grey.reshape(side, 8, side, 8).mean(axis=(1, 3))
    return np.kron(means, np.ones((8, 8))).astype(np.uint8)


def test_blocks_show_in_a_quantised_picture_and_not_in_a_clean_one() -> None:
    clean, coarse = noise(), in_blocks(noise())
    assert blockiness(clean, 0, 0) == pytest.approx(1.0, abs=0.1)
    assert blockiness(coarse, 0, 0) > 5
    half = np.asarray((clean.astype(int) + coarse) // 2, np.uint8)
    assert blockiness(clean, 0, 0) < blockiness(half, 0, 0) < blockiness(coarse, 0, 0)


def test_blocks_are_found_on_the_grid_of_the_whole_picture() -> None:
    coarse = in_blocks(noise())
    assert blockiness(coarse[3:, 5:], 5, 3) > 5
    assert blockiness(coarse[3:, 5:], 0, 0) < 1


def test_a_patch_too_small_for_two_blocks_says_nothing_of_blocks() -> None:
    assert np.isnan(blockiness(noise()[:10, :10], 0, 0))


def picture(width: int = 640, height: int = 360) -> Image:
    """A lively picture: no line of it is plain."""
    rng = np.random.default_rng(1)
    rough = rng.integers(40, 230, (height // 20, width // 20, 3), np.uint8)
    return np.asarray(cv2.resize(rough, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def bars_of(image: Image) -> tuple[float, float, float, float]:
    """Bars in pixels of the picture given."""
    height, width = image.shape[:2]
    left, top, right, bottom = borders(small_picture(image))
    return left * width, top * height, right * width, bottom * height


def test_a_picture_without_bars_has_none() -> None:
    assert bars_of(picture()) == (0, 0, 0, 0)


@pytest.mark.parametrize("colour", [0, 255, 128])
@pytest.mark.parametrize(
    ("left", "top", "right", "bottom"),
    [(80, 0, 80, 0), (0, 44, 0, 44), (80, 44, 80, 44), (24, 0, 0, 0), (0, 0, 0, 20)],
    ids=["pillarbox", "letterbox", "frame", "left only", "bottom only"],
)
def test_bars_are_found_to_the_pixel(colour: int, left: int, top: int, right: int, bottom: int) -> None:
    image = picture()
    image[:, :left] = image[:top] = colour
    image[:, 640 - right :] = colour
    image[360 - bottom :] = colour
    # The small picture shows every second pixel of these 640.
    assert bars_of(image) == pytest.approx((left, top, right, bottom), abs=2)


def test_bars_of_a_coded_picture_with_noise_are_still_found() -> None:
    image = picture()
    image[:, :80] = image[:, 560:] = 16
    grainy = image.astype(int) + np.random.default_rng(2).integers(-2, 3, image.shape)
    coded = cv2.imdecode(cv2.imencode(".jpg", np.clip(grainy, 0, 255).astype(np.uint8))[1], cv2.IMREAD_COLOR)
    left, top, right, bottom = bars_of(np.asarray(coded, np.uint8))
    assert (top, bottom) == (0, 0)
    assert left == pytest.approx(80, abs=4)
    assert right == pytest.approx(80, abs=4)


@pytest.mark.parametrize(
    "ground", [(12, 12, 12), (238, 238, 238), (40, 90, 160)], ids=["dark room", "white", "blue"]
)
def test_a_plain_ground_behind_a_round_head_is_no_bar(ground: tuple[int, int, int]) -> None:
    image = np.full((360, 640, 3), ground, np.uint8)
    cv2.ellipse(image, (320, 150), (70, 95), 0, 0, 360, (180, 140, 120), -1)
    cv2.ellipse(image, (320, 360), (160, 110), 0, 0, 360, (90, 60, 110), -1)
    assert bars_of(image) == (0, 0, 0, 0)


def test_a_picture_of_one_colour_has_no_bars() -> None:
    assert bars_of(np.zeros((360, 640, 3), np.uint8)) == (0, 0, 0, 0)


def test_a_bar_counts_as_far_as_it_reaches_into_the_crop_in_pixels_of_the_clip() -> None:
    # A bar of a quarter of 1280 ends at 320; a crop of 720 from 280 holds 40 of it, in a clip of 512 pixels.
    crop = (280.0, 0.0, 1000.0, 720.0)
    assert border_inside((0.25, 0, 0, 0), crop, (1280, 720), 512) == pytest.approx(40 * 512 / 720)
    assert border_inside((0, 0, 0.25, 0), crop, (1280, 720), 512) == pytest.approx(40 * 512 / 720)
    assert border_inside((0, 0.1, 0, 0), crop, (1280, 720), 512) == pytest.approx(72 * 512 / 720)


def test_a_bar_beside_the_crop_is_no_fault() -> None:
    assert border_inside((0.2, 0, 0.2, 0), (280.0, 0.0, 1000.0, 720.0), (1280, 720), 512) == 0
    assert border_inside((0, 0, 0, 0), (0.0, 0.0, 720.0, 720.0), (1280, 720), 512) == 0


def square_hand(x0: float, y0: float, x1: float, y1: float) -> NDArray[np.float32]:
    corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float32)
    return np.concatenate([corners, np.repeat(corners.mean(axis=0)[None], 17, axis=0)])


OVAL_AREA = 36 / 2 * RADIUS**2 * np.sin(2 * np.pi / 36)


def test_a_hand_covers_the_share_of_the_face_it_lies_on() -> None:
    assert hand_over_face([square_hand(140, 140, 180, 180)], oval_mesh()) == pytest.approx(
        1600 / OVAL_AREA, abs=1e-4
    )


def test_half_a_hand_beside_the_face_counts_half() -> None:
    # The circle's lower half and a hand over the picture's lower part: half the face.
    assert hand_over_face([square_hand(0, 160, 320, 320)], oval_mesh()) == pytest.approx(0.5, abs=1e-3)


def test_hands_add_up_and_no_hand_or_one_beside_covers_nothing() -> None:
    one, other = square_hand(100, 140, 140, 180), square_hand(180, 140, 220, 180)
    assert hand_over_face([one, other], oval_mesh()) == pytest.approx(3200 / OVAL_AREA, abs=1e-4)
    assert hand_over_face([], oval_mesh()) == 0
    assert hand_over_face([square_hand(270, 0, 320, 60)], oval_mesh()) == 0
    assert hand_over_face([square_hand(0, 0, 320, 320)] * 2, oval_mesh()) == 1


def test_motion_is_the_mean_difference_around_the_face() -> None:
    before = np.full((180, 320), 100, np.uint8)
    now = before.copy()
    now[40:80, 100:140] += 30
    # The box in a picture twice as wide covers 100..180 x 40..120: a quarter of it changed by 30.
    assert pixel_motion(now, before, (200, 80, 360, 240), 640) == pytest.approx(7.5)
    assert pixel_motion(before, before, (200, 80, 360, 240), 640) == 0


def test_motion_without_a_picture_before_is_unknown() -> None:
    now = np.zeros((180, 320), np.uint8)
    assert np.isnan(pixel_motion(now, None, (0, 0, 10, 10), 320))
    assert np.isnan(pixel_motion(now, now[:90], (0, 0, 10, 10), 320))
    assert np.isnan(pixel_motion(now, now, (400, 0, 500, 10), 320))


@pytest.mark.parametrize(
    "size", [(1280, 720), (640, 360), (320, 180), (176, 144), (1080, 1920), (3840, 2160), (322, 99)]
)
def test_the_small_picture_is_320_wide_and_keeps_its_shape(size: tuple[int, int]) -> None:
    small = small_picture(np.full((size[1], size[0], 3), 77, np.uint8))
    assert small.shape[1] == SMALL_WIDTH
    assert small.shape[0] == pytest.approx(320 * size[1] / size[0], abs=1)
    assert (small == 77).all()


def test_sharpness_does_not_depend_on_where_in_memory_a_picture_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (160, 160), np.uint8), (0, 0), 1.5)
    real = cv2.Sobel

    def lying(offset: int) -> Callable[..., Any]:
        def sobel(*arguments: Any) -> Any:
            found = real(*arguments)
            room = np.empty(found.nbytes + 128, np.uint8)
            start = -room.ctypes.data % 64 + offset
            moved = room[start : start + found.nbytes].view(found.dtype).reshape(found.shape)
            moved[...] = found
            return moved

        return sobel

    gradients = []
    for offset in (0, 4, 8, 20):
        monkeypatch.setattr(cv2, "Sobel", lying(offset))
        gradients.append(quality._gradient(picture.astype(np.float32)))
    assert all(np.array_equal(one, gradients[0]) for one in gradients)
