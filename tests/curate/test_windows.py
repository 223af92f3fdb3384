"""From what was seen in each frame to tracks with one value of every score a window."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from facevid.curate.shots import Shot
from facevid.curate.speech import Sound
from facevid.curate.windows import (
    GEOMETRY,
    NO_TRACK,
    OBSERVED,
    Observations,
    Picture,
    make_tracks,
    tracks_schema,
    window_starts,
)
from facevid.recipe import SCORES, load_recipe

PICTURE = Picture(1280, 720, 1.0, 0.1)
NAN = float("nan")


def seen_face(frame: int, face: int = 0, **values: float) -> dict[str, float]:
    usual = dict.fromkeys(OBSERVED, 0.0) | {
        "frame": frame, "face": face, "x0": 540, "y0": 200, "x1": 740, "y1": 450, "height": 250, "confidence": 1,
        "inside": 1, "sharpness": 2, "brightness": 140, "motion_pixels": 3, "motion_landmarks": 5, "faces": 1,
    }  # fmt: skip
    return usual | values


def tracks(
    frames: list[dict[str, float]],
    *,
    shots: list[tuple[int, int]],
    picture: Picture = PICTURE,
    speech: Any = 1.0,
    level: Any = -20.0,
) -> list[dict[str, Any]]:
    table = Observations()
    for values in frames:
        table.add(**values)
    total = shots[-1][1] + 1 if shots else 0
    sound = Sound(
        np.broadcast_to(np.float32(speech), total).copy()
        if np.isscalar(speech)
        else np.asarray(speech, np.float32),
        np.broadcast_to(np.float32(level), total).copy()
        if np.isscalar(level)
        else np.asarray(level, np.float32),
    )
    made = make_tracks(
        table.table(), [Shot(i, a, b) for i, (a, b) in enumerate(shots)], sound, picture, load_recipe()
    )
    assert made.schema == tracks_schema()
    rows: list[dict[str, Any]] = made.to_pylist()
    return rows


def spans(rows: list[dict[str, Any]]) -> list[tuple[int, int, int, int]]:
    return [(r["track"], r["shot"], r["first_frame"], r["last_frame"]) for r in rows]


def test_a_face_that_stays_is_one_track() -> None:
    rows = tracks([seen_face(n) for n in range(50)], shots=[(0, 49)])
    assert spans(rows) == [(0, 0, 0, 49)]
    assert len(rows[0]["faces"]) == 5


def test_a_track_ends_where_its_shot_ends() -> None:
    rows = tracks([seen_face(n) for n in range(60)], shots=[(0, 29), (33, 59)])
    # Frames 30 to 32 belong to a transition and to no track.
    assert spans(rows) == [(0, 0, 0, 29), (1, 1, 33, 59)]


def test_a_short_gap_is_filled_and_a_long_one_splits_the_track() -> None:
    gone = load_recipe().analyze.detect_every
    short = [seen_face(n) for n in range(60) if not 20 <= n < 20 + gone]
    assert spans(tracks(short, shots=[(0, 59)])) == [(0, 0, 0, 59)]
    long = [seen_face(n) for n in range(60) if not 20 <= n < 21 + gone]
    assert spans(tracks(long, shots=[(0, 59)])) == [
        (0, 0, 0, 19),
        (NO_TRACK, 0, 20, 20 + gone),
        (1, 0, 21 + gone, 59),
    ]


def test_every_frame_of_a_shot_without_a_face_is_accounted_for() -> None:
    rows = tracks([seen_face(n) for n in range(40, 60)], shots=[(0, 19), (20, 79)])
    assert spans(rows) == [(NO_TRACK, 0, 0, 19), (NO_TRACK, 1, 20, 39), (0, 1, 40, 59), (NO_TRACK, 1, 60, 79)]
    assert rows[0]["faces"] == [0.0, 0.0]
    assert all(math.isnan(v) for v in rows[0]["sharpness"])
    assert rows[0]["speech_share"] == [1.0, 1.0]


def test_two_faces_at_once_are_two_tracks_in_order_of_their_first_frame() -> None:
    frames = [f for n in range(40) for f in ([seen_face(n, 4)] + ([seen_face(n, 2)] if n >= 10 else []))]
    rows = tracks(frames, shots=[(0, 39)])
    assert spans(rows) == [(0, 0, 0, 39), (1, 0, 10, 39)]
    assert [r["face"] for r in rows] == [4, 2]


def test_a_face_seen_in_a_single_frame_is_no_track() -> None:
    assert spans(tracks([seen_face(5)], shots=[(0, 19)])) == [(NO_TRACK, 0, 0, 19)]


def test_nothing_at_all_gives_no_rows() -> None:
    assert tracks([], shots=[]) == []


@pytest.mark.parametrize(
    ("frames", "starts"),
    [
        (1, [0]),
        (4, [0]),
        (10, [0]),
        (14, [0]),
        (15, [0, 10]),
        (20, [0, 10]),
        (24, [0, 10]),
        (25, [0, 10, 20]),
    ],
)
def test_a_rest_shorter_than_half_a_window_joins_the_one_before(frames: int, starts: list[int]) -> None:
    assert window_starts(frames, 10).tolist() == starts


def test_every_score_has_one_value_a_window() -> None:
    (row,) = tracks([seen_face(n) for n in range(34)], shots=[(0, 33)])
    assert {len(row[name]) for name in (*SCORES, *GEOMETRY)} == {3}


def test_a_window_measures_its_own_frames_only() -> None:
    frames = [seen_face(n, sharpness=n // 10, brightness=100 + n) for n in range(30)]
    (row,) = tracks(frames, shots=[(0, 29)])
    assert row["sharpness"] == [0, 1, 2]
    assert row["brightness"] == pytest.approx([104.5, 114.5, 124.5])


def test_what_was_not_measured_in_a_frame_is_left_out_of_the_mean() -> None:
    frames = [seen_face(n, motion_pixels=NAN if n in (0, 20) else 4, hand=NAN) for n in range(30)]
    (row,) = tracks(frames, shots=[(0, 29)])
    assert row["motion_pixels"] == [4, 4, 4]
    assert all(math.isnan(v) for v in row["hand_over_face"])


def test_face_size_is_in_pixels_of_the_source_whatever_size_was_analysed() -> None:
    frames = [seen_face(n, x0=100, x1=300, y0=50, y1=100 + 50 * (n % 2) + 150) for n in range(10)]
    (row,) = tracks(frames, shots=[(0, 9)], picture=Picture(2560, 1440, 0.5, 0.1))
    # 200 wide and 200 or 250 high of an analysed picture half as large.
    sizes = [2 * math.sqrt(200 * 200), 2 * math.sqrt(200 * 250)]
    assert row["face_px"][0] == pytest.approx(sum(sizes) / 2, rel=1e-6)
    assert row["face_px_min"][0] == pytest.approx(400)
    assert row["face_area"][0] == pytest.approx((40000 + 50000) / 2 / (1280 * 720), rel=1e-6)


def test_place_is_a_share_of_the_picture() -> None:
    (row,) = tracks([seen_face(n, x0=0, x1=640, y0=360, y1=720) for n in range(10)], shots=[(0, 9)])
    assert (row["face_x"][0], row["face_y"][0]) == (0.25, 0.75)


def test_pose_is_the_median_and_its_extreme_over_all_angles() -> None:
    frames = [seen_face(n, yaw=-5, pitch=n, roll=-70 if n == 7 else 2) for n in range(10)]
    (row,) = tracks(frames, shots=[(0, 9)])
    assert (row["yaw"], row["pitch"], row["roll"]) == ([-5], [4.5], [2])
    assert row["pose_extreme"] == [70]


def test_several_faces_in_one_frame_of_a_window_count() -> None:
    (row,) = tracks([seen_face(n, faces=2 if n == 13 else 1) for n in range(30)], shots=[(0, 29)])
    assert row["faces"] == [1, 2, 1]


def test_text_is_the_most_that_was_read_and_inside_the_least_that_was_in_view() -> None:
    frames = [seen_face(n, text=20 if n == 4 else 0, inside=0.7 if n == 15 else 1) for n in range(20)]
    (row,) = tracks(frames, shots=[(0, 19)])
    assert row["text_chars"] == [20, 0]
    assert row["landmarks_inside"] == pytest.approx([1, 0.7])


def test_speech_share_counts_frames_and_level_averages_power() -> None:
    speech = np.where(np.arange(20) < 5, 0.9, 0.1)
    level = np.where(np.arange(20) % 2, -20.0, -120.0)
    (row,) = tracks([seen_face(n) for n in range(20)], shots=[(0, 19)], speech=speech, level=level)
    assert row["speech_share"] == [0.5, 0.0]
    # Half of the frames at -20 dB and half silent: half the power, 3.01 dB less.
    assert row["speech_level"] == pytest.approx([-23.01, -23.01], abs=0.01)


def test_the_sync_of_a_track_is_told_once_for_all_its_windows() -> None:
    mouth = np.convolve(np.random.default_rng(0).random(110), np.ones(4) / 4, "valid")[:100]
    level = np.roll(mouth, 3) * 20 - 40
    frames = [seen_face(n, mouth=m) for n, m in enumerate(mouth)]
    (row,) = tracks(frames, shots=[(0, 99)], level=level)
    assert set(row["sync_offset"]) == {3.0}
    assert row["sync_correlation"][0] > 0.99


def test_a_bar_in_the_crop_is_told_in_pixels_of_the_clip() -> None:
    (row,) = tracks([seen_face(n, x0=200, x1=400, bar_left=0.125) for n in range(10)], shots=[(0, 9)])
    recipe = load_recipe()
    wide, high = 200 + 2 * recipe.crop.sides * 250, 250 + (recipe.crop.above + recipe.crop.below) * 250
    side = max(wide, high)
    # The bar ends at 160; the square's left edge is half its side left of the face's middle at 300.
    assert row["border_px"][0] == pytest.approx((160 - (300 - side / 2)) * recipe.cut.size / side, rel=1e-5)


def test_the_union_of_a_window_is_in_source_pixels() -> None:
    frames = [seen_face(n, x0=500 + n, x1=700 + n) for n in range(20)]
    (row,) = tracks(frames, shots=[(0, 19)], picture=Picture(2560, 1440, 0.5, 0.1))
    assert (row["union_x0"], row["union_x1"]) == ([1000, 1020], [1418, 1438])
    assert row["height"] == [500, 500]


def test_the_best_frame_is_sharp_and_looks_at_the_camera() -> None:
    frames = [seen_face(n, sharpness={3: 3, 5: 2.9}.get(n, 1), yaw={3: 25}.get(n, 0)) for n in range(10)]
    (row,) = tracks(frames, shots=[(0, 9)])
    assert row["best_frame"] == [5]


def test_observations_grow_past_their_block() -> None:
    table = Observations()
    for n in range(5000):
        table.add(**seen_face(n))
    assert table.table().shape == (5000, len(OBSERVED))
    assert table.table()[:, 0].tolist() == list(range(5000))
