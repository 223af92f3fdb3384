"""What the probe reports about containers, codecs, sizes and rates."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from tests.media.conftest import Sound, clicks

from facevid.media import probe

Make = Callable[..., Path]


@pytest.mark.parametrize(
    ("name", "codec", "container", "video_codec"),
    [
        ("a.mp4", "libx264", "mov", "h264"),
        ("a.mov", "libx264", "mov", "h264"),
        ("a.mkv", "libx264", "matroska", "h264"),
        ("a.webm", "libvpx-vp9", "matroska", "vp9"),
        ("a.avi", "mpeg4", "avi", "mpeg4"),
    ],
)
def test_container_codec_rate_and_length_are_told(
    make_video: Make, name: str, codec: str, container: str, video_codec: str
) -> None:
    found = probe(make_video(name, codec=codec, count=50))
    assert (found.container, found.video_codec) == (container, video_codec)
    assert (found.width, found.height, found.bit_depth, found.pix_fmt) == (96, 64, 8, "yuv420p")
    assert found.fps == pytest.approx(25, rel=1e-3)
    assert not found.variable_fps
    assert found.duration_s == pytest.approx(2.0, abs=0.05)
    assert found.size_bytes > 0
    assert found.video_bit_rate is not None
    assert found.video_bit_rate == pytest.approx(8 * found.size_bytes / 2, rel=0.8)


@pytest.mark.parametrize("fps", [8, 24000 / 1001, 60])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_constant_rates_are_constant_in_spite_of_rounding(make_video: Make, name: str, fps: float) -> None:
    found = probe(make_video(name, fps=fps, count=60))
    assert found.fps == pytest.approx(fps, rel=0.002)
    assert not found.variable_fps


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_varying_rate_is_seen(make_video: Make, name: str) -> None:
    times = [i / 30 + (0.03 * (i // 7)) for i in range(60)]
    found = probe(make_video(name, times=times, fps=30))
    assert found.variable_fps
    assert found.fps == pytest.approx(60 / (times[-1] + 1 / 30), rel=0.03)


@pytest.mark.parametrize(
    ("rotation", "clockwise", "shown"), [(90, 270, (64, 96)), (180, 180, (96, 64)), (-90, 90, (64, 96))]
)
def test_rotation_is_clockwise_and_sizes_are_as_displayed(
    make_video: Make, rotation: int, clockwise: int, shown: tuple[int, int]
) -> None:
    found = probe(make_video(rotation=rotation))
    assert (found.rotation, (found.width, found.height)) == (clockwise, shown)


def test_oblong_pixels_count_as_displayed(make_video: Make) -> None:
    found = probe(make_video(aspect=Fraction(4, 3)))
    assert (found.width, found.height) == (128, 64)


def test_bit_depth_and_start_time_are_told(make_video: Make) -> None:
    found = probe(make_video("a.mkv", pix_fmt="yuv420p10le", times=[1.5 + i / 25 for i in range(20)]))
    assert found.bit_depth == 10
    assert found.start_time_s == pytest.approx(1.5, abs=0.002)
    assert found.duration_s == pytest.approx(0.8, abs=0.05)


def test_every_audio_stream_is_listed(make_video: Make) -> None:
    sounds = [Sound(clicks(1, 48000, [0.5], channels=2), 48000), Sound(clicks(1, 44100, [0.5]), 44100)]
    found = probe(make_video(sound=sounds))
    assert [(a.index, a.codec, a.rate, a.channels, a.language) for a in found.audio] == [
        (1, "aac", 48000, 2, None),
        (2, "aac", 44100, 1, None),
    ]


def test_a_stream_without_a_length_in_its_header_is_measured(make_video: Make) -> None:
    live = {"format": "webm", "container_options": {"live": "1"}}
    path = make_video("a.webm", codec="libvpx-vp9", count=50, options={"deadline": "realtime"}, **live)
    assert probe(path).duration_s == pytest.approx(2.0, abs=0.05)
