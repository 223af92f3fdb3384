"""Signals of a made-up face whose measures are known in centimetres."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from facevid.annotate.signals import bridged, measure_signals, runs, smooth

from .made_up_face import act, during

EYE_DISTANCE = 9.0
SIGNALS = (
    "open_right", "gape", "mouth_width", "corner_lift", "brow_height", "brow_gap", "gaze_right", "gaze_left", "yaw",
)  # fmt: skip


def test_lengths_are_in_eye_distances_whatever_the_pose() -> None:
    for pose in ({}, {"yaw": 25.0}, {"pitch": -15.0}, {"roll": 20.0}):
        s = measure_signals(act(1.0, noise_px=0, **{k: lambda t, v=v: t * 0 + v for k, v in pose.items()}))
        assert s is not None
        assert s.mouth_width == pytest.approx(5.0 / EYE_DISTANCE, abs=1e-3)
        assert s.gape == pytest.approx(0.02 / EYE_DISTANCE, abs=1e-3)
        assert s.corner_lift == pytest.approx(-2.3 / EYE_DISTANCE, abs=1e-3)
        assert s.brow_height == pytest.approx(2.16 / EYE_DISTANCE, abs=1e-3)
        assert s.brow_gap == pytest.approx(3.0 / EYE_DISTANCE, abs=1e-3)
        assert s.open_right == pytest.approx(0.3, abs=1e-3)  # .9 cm high, 3 cm wide


def test_angles_are_those_of_the_pose() -> None:
    s = measure_signals(
        act(2.0, noise_px=0, yaw=lambda t: 10 * t, pitch=lambda t: 5 - 4 * t, roll=lambda t: -6 * t)
    )
    assert s is not None
    t = np.arange(50) / 25
    for found, true in ((s.yaw, 10 * t), (s.pitch, 5 - 4 * t), (s.roll, -6 * t)):
        assert found == pytest.approx(true, abs=0.1)


def test_an_open_mouth_lifts_no_chin() -> None:
    s = measure_signals(act(2.0, noise_px=0, lips=during(0.5, 1.5, size=3.0)))
    assert s is not None
    assert np.ptp(s.pitch) < 0.1
    assert s.gape.max() == pytest.approx(3.02 / EYE_DISTANCE, abs=1e-3)


def test_gaze_is_in_eye_widths_to_the_pictures_right() -> None:
    s = measure_signals(act(1.0, noise_px=0, gaze_right=lambda t: t * 0 + 0.6))
    assert s is not None
    assert s.gaze_right == pytest.approx(0.2, abs=1e-3)  # .6 of 3 cm
    assert s.gaze_left == pytest.approx(0.2, abs=1e-3)


def test_lost_frames_are_filled_and_marked() -> None:
    o = act(1.0, gaze_right=lambda t: t)
    o.mesh[5:9] = np.nan
    o.pose[20] = np.nan
    s = measure_signals(o)
    assert s is not None
    assert runs(~s.valid) == [(5, 9), (20, 21)]
    for name in SIGNALS:
        assert np.isfinite(getattr(s, name)).all(), name
    assert s.gaze_right[6] == pytest.approx(6 / 25 / 3, abs=0.02)


@pytest.mark.parametrize("good", [0, 1])
def test_fewer_than_two_meshes_give_nothing(good: int) -> None:
    o = act(1.0)
    o.mesh[good:] = np.nan
    assert measure_signals(o) is None
    assert measure_signals(replace(o, mesh=o.mesh[:0], pose=o.pose[:0])) is None


def test_smoothing_keeps_lines_and_takes_away_jitter() -> None:
    line = np.linspace(0, 1, 50, dtype=np.float32)
    assert smooth(line, 25.0, 0.4)[10:40] == pytest.approx(line[10:40], abs=1e-5)
    jitter = np.tile(np.array([1, -1], np.float32), 25)
    assert np.abs(smooth(jitter, 25.0, 0.4)).max() < 0.1
    assert smooth(line[:1], 25.0, 0.4) == pytest.approx(line[:1])


def test_runs_and_bridges() -> None:
    on = np.array([1, 1, 0, 1, 0, 0, 0, 1], bool)
    assert runs(on) == [(0, 2), (3, 4), (7, 8)]
    assert runs(bridged(on, 2)) == [(0, 4), (7, 8)]
