"""The frame grid: which picture is shown at which index, upright, square, in time."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from tests.media.conftest import number_of, numbered

from facevid.media import VideoReader

Make = Callable[..., Path]


def numbers(path: Path, fps: float, **options: int) -> list[int]:
    with VideoReader(path, fps=fps, **options) as reader:
        return [number_of(frame.image) for frame in reader]


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.mov", "libx264"),
        ("a.mkv", "libx264"),
        ("a.avi", "libx264"),
        ("a.webm", "libvpx-vp9"),
        ("a.mp4", "mpeg4"),
        ("a.avi", "mpeg4"),
        ("a.mkv", "libx265"),
    ],
)
def test_a_source_at_the_grids_own_rate_maps_one_to_one_in_every_container(
    make_video: Make, name: str, codec: str
) -> None:
    options = {"x265-params": "log-level=error:pools=1:frame-threads=1"} if codec == "libx265" else {}
    path = make_video(name, codec=codec, count=40, fps=30, options=options)
    assert numbers(path, 30) == list(range(40))


@pytest.mark.parametrize("fps", [24000 / 1001, 30000 / 1001, 8, 50, 60])
def test_odd_frame_rates_map_one_to_one_on_their_own_grid(make_video: Make, fps: float) -> None:
    assert numbers(make_video("a.mkv", count=30, fps=fps), fps) == list(range(30))


def test_sixty_frames_a_second_keep_every_second_picture_on_a_grid_of_thirty(make_video: Make) -> None:
    assert numbers(make_video("a.mkv", count=40, fps=60), 30) == list(range(0, 40, 2))


def test_eight_frames_a_second_repeat_pictures_on_a_grid_of_twenty_four(make_video: Make) -> None:
    assert numbers(make_video(count=10, fps=8), 24) == [i // 3 for i in range(30)]


def test_variable_frame_rate_shows_the_picture_that_is_on_screen(make_video: Make) -> None:
    times = [0.0, 0.04, 0.2, 0.24, 0.28, 0.6, 0.64]
    shown = numbers(make_video("a.mkv", times=times), 25)
    assert shown == [0, 1, 1, 1, 1, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5, 6]


def test_a_cameras_jitter_neither_drops_nor_repeats_pictures(make_video: Make) -> None:
    jitter = np.random.default_rng(0).uniform(-0.010, 0.010, 60)
    jitter[0] = 0
    times = [i / 30 + j for i, j in enumerate(jitter)]
    assert numbers(make_video(times=times, fps=30), 30) == list(range(60))


@pytest.mark.parametrize("start_s", [-0.4, 1.5, 7200.0])
def test_time_begins_at_the_first_picture_whatever_its_timestamp(make_video: Make, start_s: float) -> None:
    path = make_video("a.mkv", times=[start_s + i / 25 for i in range(20)])
    assert numbers(path, 25) == list(range(20))


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("mirror", [False, True])
def test_pictures_come_upright_and_unmirrored_as_players_show_them(
    make_video: Make, rotation: int, mirror: bool
) -> None:
    path = make_video(
        rotation=rotation, mirror=mirror, count=3, picture=lambda _, w, h: numbered(0b00010011, w, h)
    )
    expected = np.rot90(numbered(0b00010011), rotation // 90)
    expected = expected[:, ::-1] if mirror else expected  # av_display_matrix_flip mirrors what is shown
    with VideoReader(path, fps=25) as reader:
        image = next(iter(reader)).image
        assert (reader.height, reader.width) == expected.shape[:2]
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 12


@pytest.mark.parametrize(("aspect", "shown"), [(Fraction(4, 3), (128, 64)), (Fraction(1, 2), (96, 128))])
def test_oblong_pixels_become_square(make_video: Make, aspect: Fraction, shown: tuple[int, int]) -> None:
    with VideoReader(make_video(aspect=aspect), fps=25) as reader:
        assert (reader.width, reader.height) == shown
        assert next(iter(reader)).image.shape == (shown[1], shown[0], 3)


def test_odd_sizes_are_read_whole(make_video: Make) -> None:
    path = make_video("a.mkv", size=(97, 65), pix_fmt="yuv444p", count=5)
    with VideoReader(path, fps=25) as reader:
        frames = list(reader)
    assert frames[0].image.shape == (65, 97, 3)
    assert [number_of(frame.image) for frame in frames] == list(range(5))


def test_ten_bit_pictures_become_eight_bit_rgb(make_video: Make) -> None:
    path = make_video("a.mkv", pix_fmt="yuv420p10le", count=5)
    with VideoReader(path, fps=25) as reader:
        image = list(reader)[3].image
    assert image.dtype == np.uint8
    assert np.abs(image.astype(int) - numbered(3)).mean() < 8


def test_max_side_shrinks_by_area_and_says_the_scale(make_video: Make) -> None:
    path = make_video(size=(3840, 2160), count=2, options={"preset": "ultrafast"})
    with VideoReader(path, fps=25, max_side=640) as reader:
        frame = next(iter(reader))
        assert (reader.width, reader.height) == (3840, 2160)
    assert frame.image.shape == (360, 640, 3)
    assert frame.scale == pytest.approx(1 / 6)


def test_max_side_never_enlarges(make_video: Make) -> None:
    with VideoReader(make_video(count=2), fps=25, max_side=500) as reader:
        frame = next(iter(reader))
    assert frame.image.shape == (64, 96, 3)
    assert frame.scale == 1.0


def test_cover_art_is_not_the_video(make_video: Make) -> None:
    path = make_video("a.mp4", cover=True)
    with VideoReader(path, fps=25) as reader:
        assert (reader.width, reader.height) == (96, 64)
        assert len(list(reader)) == 30


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {}),
        ("a.mp4", "libx264", {"x264-params": "open-gop=1:bframes=3:keyint=20"}),
        ("a.mkv", "libx264", {}),
        ("a.avi", "libx264", {}),
        ("a.avi", "mpeg4", {"bf": "2"}),
        ("a.mp4", "mpeg4", {"bf": "2"}),
        ("a.webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
        ("a.ts", "libx264", {}),
        ("a.mp4", "libx264", {"x264-params": "intra-refresh=1:keyint=30"}),
    ],
)
def test_starting_in_the_middle_gives_the_pixels_of_reading_from_the_start(
    make_video: Make, name: str, codec: str, options: dict[str, str]
) -> None:
    path = make_video(name, codec=codec, options=options, count=200, gop=30)
    with VideoReader(path, fps=25) as reader:
        everything = [frame.image for frame in reader]
    assert len(everything) == 200
    for start in (1, 27, 59, 60, 61, 118, 199):
        with VideoReader(path, fps=25, start_frame=start, end_frame=start + 3) as reader:
            part = list(reader)
        assert [frame.index for frame in part] == list(range(start, min(start + 3, 200)))
        for frame in part:
            assert np.array_equal(frame.image, everything[frame.index]), (start, frame.index)


def test_iterating_twice_gives_the_same_frames(make_video: Make) -> None:
    with VideoReader(make_video(), fps=25, start_frame=5, end_frame=9) as reader:
        assert [f.index for f in reader] == [f.index for f in reader] == [5, 6, 7, 8]


def test_a_range_beyond_the_end_is_empty(make_video: Make) -> None:
    with VideoReader(make_video(), fps=25, start_frame=100) as reader:
        assert list(reader) == []


def test_impossible_options_are_named() -> None:
    with pytest.raises(ValueError, match="max_side is 0"):
        VideoReader("x.mp4", fps=25, max_side=0)
    with pytest.raises(ValueError, match="frames 5 to 3"):
        VideoReader("x.mp4", fps=25, start_frame=5, end_frame=3)
