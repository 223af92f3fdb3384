"""Shot boundaries of drawn footage whose cuts, dissolves and fades are known to the frame."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facevid.curate.shots import Shot, ShotDetector, Transition
from facevid.recipe import load_recipe

Image = NDArray[np.uint8]
SIZE = (320, 180)


def scene(seed: int, frames: int, *, sway: float = 4.0) -> list[Image]:
    """A still ground with a head that sways, with grain: like somebody who talks."""
    rng = np.random.default_rng(seed)
    ground = cv2.resize(rng.integers(30, 220, (5, 8, 3), np.uint8), SIZE, interpolation=cv2.INTER_CUBIC)
    skin, coat = (tuple(int(v) for v in rng.integers(40, 230, 3)) for _ in range(2))
    grain = rng.integers(-3, 4, (7, SIZE[1], SIZE[0], 3), np.int16)
    out = []
    for n in range(frames):
        image = ground.copy()
        x, y = 160 + sway * np.sin(n / 7), 80 + sway / 2 * np.sin(n / 5)
        cv2.ellipse(image, (160, 190), (90, 60), 0, 0, 360, coat, -1)
        cv2.ellipse(image, (round(x), round(y)), (38, 50), 0, 0, 360, skin, -1)
        cv2.ellipse(image, (round(x), round(y) + 25), (12, 2 + n % 6), 0, 0, 360, (60, 20, 20), -1)
        out.append(np.clip(image + grain[n % 7], 0, 255).astype(np.uint8))
    return out


def mixed(a: list[Image], b: list[Image]) -> list[Image]:
    """A dissolve from a to b, both as long as it: neither end is pure."""
    share = (np.arange(len(a)) + 1) / (len(a) + 1)
    return [
        np.asarray(cv2.addWeighted(p, 1 - s, q, s, 0), np.uint8) for p, q, s in zip(a, b, share, strict=True)
    ]


def faded(frames: list[Image], *, out: bool) -> list[Image]:
    light = np.linspace(1, 0, len(frames) + 2)[1:-1]
    return [(f * g).astype(np.uint8) for f, g in zip(frames, light if out else light[::-1], strict=True)]


def black(frames: int) -> list[Image]:
    return [np.zeros((SIZE[1], SIZE[0], 3), np.uint8)] * frames


def detect(frames: list[Image]) -> tuple[list[Shot], list[Transition], list[int]]:
    detector = ShotDetector(load_recipe().shots, 25)
    sudden = [n for n, frame in enumerate(frames) if detector.push(frame)]
    shots, transitions = detector.finish()
    return shots, transitions, sudden


def bounds(shots: list[Shot]) -> list[tuple[int, int]]:
    assert [s.index for s in shots] == list(range(len(shots)))
    return [(s.first, s.last) for s in shots]


def test_one_scene_is_one_shot() -> None:
    shots, transitions, sudden = detect(scene(1, 60))
    assert bounds(shots) == [(0, 59)]
    assert (transitions, sudden) == ([], [])


def test_a_hard_cut_ends_a_shot_on_its_frame() -> None:
    shots, transitions, sudden = detect(scene(1, 40) + scene(2, 30) + scene(3, 35))
    assert bounds(shots) == [(0, 39), (40, 69), (70, 104)]
    assert [(t.first, t.last, t.kind) for t in transitions] == [(40, 39, "cut"), (70, 69, "cut")]
    assert sudden == [40, 70]


@pytest.mark.parametrize("length", [10, 25])
@pytest.mark.parametrize("pair", [(1, 2), (3, 4)])
def test_a_dissolve_belongs_to_no_shot(length: int, pair: tuple[int, int]) -> None:
    a, b = scene(pair[0], 40 + length), scene(pair[1], 40 + length)
    shots, transitions, _ = detect(a[:40] + mixed(a[40:], b[:length]) + b[length:])
    assert [t.kind for t in transitions] == ["dissolve"]
    (_, end), (start, _) = bounds(shots)
    # At its faint ends, under 5 % of the other picture, a dissolve cannot be told from the shot.
    faint = max(1, round(0.08 * length))
    assert 40 - 5 <= end <= 40 + faint
    assert 40 + length - 1 - faint <= start <= 40 + length + 5


def test_a_fade_through_black_belongs_to_no_shot() -> None:
    a, b = scene(1, 52), scene(2, 52)
    shots, transitions, _ = detect(
        a[:40] + faded(a[40:], out=True) + black(5) + faded(b[:12], out=False) + b[12:]
    )
    assert [t.kind for t in transitions] == ["fade"]
    (_, end), (start, last) = bounds(shots)
    assert 36 <= end <= 41
    assert 67 <= start <= 73
    assert last == 108


def test_a_cut_to_black_and_back_leaves_the_pictures_apart() -> None:
    shots, _, _ = detect(scene(1, 40) + black(4) + scene(2, 40))
    assert bounds(shots)[0] == (0, 39)
    assert bounds(shots)[-1] == (44, 83)


def test_a_long_dark_stretch_keeps_being_a_shot() -> None:
    a, b = scene(1, 50), scene(2, 50)
    shots, transitions, _ = detect(
        a[:40] + faded(a[40:], out=True) + black(100) + faded(b[:10], out=False) + b[10:]
    )
    assert [t.kind for t in transitions] == ["fade", "fade"]
    assert len(shots) == 3
    first, last = bounds(shots)[1]
    assert 48 <= first <= 52
    assert 147 <= last <= 151


def test_footage_that_is_dark_throughout_is_one_shot() -> None:
    dark = [(f * 0.04).astype(np.uint8) for f in scene(1, 60)]
    assert bounds(detect(dark)[0]) == [(0, 59)]


def test_a_head_that_moves_far_is_no_cut_and_no_dissolve() -> None:
    shots, transitions, _ = detect(scene(1, 120, sway=60))
    assert (bounds(shots), transitions) == ([(0, 119)], [])


def test_a_slow_pan_is_no_dissolve() -> None:
    rng = np.random.default_rng(5)
    wide = cv2.resize(
        rng.integers(30, 220, (12, 60, 3), np.uint8), (1600, 180), interpolation=cv2.INTER_CUBIC
    )
    shots, _, _ = detect([np.ascontiguousarray(wide[:, 4 * n : 4 * n + 320]) for n in range(100)])
    assert bounds(shots) == [(0, 99)]


def test_a_flash_of_one_frame_does_not_end_the_shot_for_good() -> None:
    frames = scene(1, 80)
    frames[40] = np.clip(frames[40].astype(int) + 90, 0, 255).astype(np.uint8)
    shots, _, _ = detect(frames)
    assert max(s.last - s.first for s in shots) >= 38


def test_light_that_changes_slowly_is_no_cut() -> None:
    frames = [np.clip(f * (1 - 0.4 * n / 100), 0, 255).astype(np.uint8) for n, f in enumerate(scene(2, 100))]
    assert bounds(detect(frames)[0]) == [(0, 99)]


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_very_short_footage_is_one_shot_or_none(count: int) -> None:
    assert bounds(detect(scene(1, count))[0]) == ([(0, count - 1)] if count else [])


def test_shots_and_transitions_never_overlap_and_leave_no_frame_out() -> None:
    a, b, c = scene(1, 60), scene(2, 60), scene(3, 40)
    frames = a[:40] + mixed(a[40:], b[:20]) + b[20:] + c
    shots, transitions, _ = detect(frames)
    owned = [0] * len(frames)
    for part in (*shots, *transitions):
        for n in range(part.first, part.last + 1):
            owned[n] += 1
    assert set(owned) == {1}
