"""Clips: exact frames, exact crop, sound in step, same bytes."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.media.conftest import Sound, click_times, clicks, number_of, numbered

from facevid.media import (
    EncodeOptions,
    MediaError,
    VideoReader,
    cut_clip,
    probe,
    read_audio,
    read_clip_frames,
)

Make = Callable[..., Path]


def squares(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """The number in the 64 x 64 square from (16, 8), something else around it."""
    image = np.full((height, width, 3), 128, np.uint8)
    image[8:72, 16:80] = numbered(number, 64, 64)
    return image


BOX = (16, 8, 80, 72)


@pytest.mark.parametrize(("name", "first"), [("a.mp4", 0), ("a.mp4", 37), ("a.mkv", 101), ("a.avi", 64)])
def test_a_clip_has_exactly_the_frames_asked_for(
    make_video: Make, tmp_path: Path, name: str, first: int
) -> None:
    source = make_video(name, count=150, size=(112, 80), picture=squares)
    out = tmp_path / "clip.mp4"
    cut_clip(source, out, fps=25, first_frame=first, last_frame=first + 39, box=BOX, size=64)
    pictures = read_clip_frames(out)
    assert [number_of(p) for p in pictures] == list(range(first, first + 40))
    with VideoReader(source, fps=25, start_frame=first, end_frame=first + 1) as reader:
        crop = next(iter(reader)).image[8:72, 16:80]
    assert np.abs(pictures[0].astype(int) - crop).mean() < 4


@pytest.mark.parametrize("fps", [20.0, 25.0, 30.0])
def test_index_k_is_the_same_picture_for_the_reader_and_the_clip(
    make_video: Make, tmp_path: Path, fps: float
) -> None:
    gaps = np.random.default_rng(1).uniform(0.01, 0.12, 90)
    source = make_video("a.mkv", times=np.cumsum(gaps).tolist(), size=(112, 80), picture=squares)
    with VideoReader(source, fps=fps, start_frame=20, end_frame=70) as reader:
        read = [number_of(f.image[8:72, 16:80]) for f in reader]
    out = tmp_path / "clip.mp4"
    cut_clip(source, out, fps=fps, first_frame=20, last_frame=69, box=BOX, size=64)
    assert [number_of(p) for p in read_clip_frames(out)] == read


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("mirror", [False, True])
def test_the_box_is_in_the_upright_picture(
    make_video: Make, tmp_path: Path, rotation: int, mirror: bool
) -> None:
    source = make_video(rotation=rotation, mirror=mirror, size=(96, 64), count=4, options={"crf": "5"})
    with VideoReader(source, fps=25) as reader:
        shown = list(reader)[2].image
    box = (5, 11, 45, 51)
    out = tmp_path / "clip.mp4"
    cut_clip(source, out, fps=25, first_frame=2, last_frame=3, box=box, size=40, options=EncodeOptions(crf=5))
    assert probe(out).rotation == 0
    clip = read_clip_frames(out, [0])[0].astype(int)
    assert np.abs(clip - shown[11:51, 5:45]).mean() < 6


def test_oblong_pixels_are_cut_square(make_video: Make, tmp_path: Path) -> None:
    source = make_video(size=(48, 64), aspect=Fraction(2), count=3)
    out = tmp_path / "clip.mp4"
    cut_clip(source, out, fps=25, first_frame=0, last_frame=1, box=(0, 0, 64, 64), size=32)
    with VideoReader(source, fps=25) as reader:
        shown = next(iter(reader)).image[:64:2, :64:2]
    assert np.abs(read_clip_frames(out)[0].astype(int) - shown).mean() < 14


@pytest.mark.parametrize("size", [32, 64, 200])
def test_colours_survive_scaling_up_and_down(make_video: Make, tmp_path: Path, size: int) -> None:
    def plain(_: int, width: int, height: int) -> NDArray[np.uint8]:
        return np.full((height, width, 3), (200, 120, 90), np.uint8)

    source = make_video(size=(112, 80), picture=plain, count=3)
    out = tmp_path / "clip.mp4"
    cut_clip(source, out, fps=25, first_frame=0, last_frame=2, box=(17, 9, 81, 73), size=size)
    assert np.abs(read_clip_frames(out).astype(int) - (200, 120, 90)).max() <= 4


@pytest.mark.parametrize("pix_fmt", ["yuvj420p", "yuv420p10le", "yuv444p"])
def test_full_range_ten_bit_and_444_sources_give_the_same_colours_in_420(
    make_video: Make, tmp_path: Path, pix_fmt: str
) -> None:
    source = make_video("a.mkv", size=(112, 80), picture=squares, count=4, pix_fmt=pix_fmt)
    with VideoReader(source, fps=25) as reader:
        shown = list(reader)[3].image[8:72, 16:80]
    out = tmp_path / "clip.mp4"
    cut_clip(source, out, fps=25, first_frame=3, last_frame=3, box=BOX, size=64)
    assert probe(out).pix_fmt == "yuv420p"
    assert np.abs(read_clip_frames(out)[0].astype(int) - shown).mean() < 4


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("a.mp4", "aac", 44100),
        ("a.mkv", "libopus", 48000),
        ("a.mov", "pcm_s16le", 48000),
        ("a.mkv", "libmp3lame", 44100),
    ],
)
@pytest.mark.parametrize("first", [0, 7, 31, 58])
def test_sound_and_picture_stay_together_from_any_start(
    make_video: Make, tmp_path: Path, name: str, codec: str, rate: int, first: int
) -> None:
    times = [0.8, 1.6, 2.4, 3.2]
    source = make_video(name, count=100, size=(112, 80), sound=[Sound(clicks(4, rate, times), rate, codec)])
    out = tmp_path / "clip.mp4"
    cut_clip(source, out, fps=25, first_frame=first, last_frame=first + 41, box=BOX, size=64)
    heard = click_times(read_audio(out, rate=None), rate)
    start_s = first / 25
    assert heard == pytest.approx([t - start_s for t in times if 0 <= t - start_s < 1.67], abs=0.004)


def test_sound_is_as_long_as_the_picture(make_video: Make, tmp_path: Path) -> None:
    sound = Sound(clicks(1.5, 44100, [0.5], channels=2), 44100)
    source = make_video(count=100, size=(112, 80), sound=[sound])
    out = tmp_path / "clip.mp4"
    cut_clip(source, out, fps=25, first_frame=10, last_frame=59, box=BOX, size=64)
    assert read_audio(out, rate=None, mono=False).shape == (2, 88200)
    with av.open(str(out)) as clip:
        lengths = [float(s.duration * s.time_base) for s in clip.streams]
    assert lengths == pytest.approx([2.0, 2.0], abs=0.001)


def test_a_source_without_sound_gives_a_clip_without_sound(make_video: Make, tmp_path: Path) -> None:
    out = tmp_path / "clip.mp4"
    cut_clip(make_video(size=(112, 80)), out, fps=25, first_frame=0, last_frame=9, box=BOX, size=64)
    assert probe(out).audio == ()


def test_a_clip_is_h264_with_constant_rate_faststart_and_a_key_frame_each_second(
    make_video: Make, tmp_path: Path
) -> None:
    source = make_video(count=100, size=(112, 80), fps=30)
    out = tmp_path / "clip.mp4"
    cut_clip(source, out, fps=25, first_frame=5, last_frame=79, box=BOX, size=64)
    found = probe(out)
    assert (found.video_codec, found.pix_fmt, found.fps, found.variable_fps) == (
        "h264",
        "yuv420p",
        25.0,
        False,
    )
    with av.open(str(out)) as clip:
        stream = clip.streams.video[0]
        assert [i for i, f in enumerate(clip.decode(stream)) if f.key_frame] == [0, 25, 50]
        assert (stream.color_range, stream.colorspace, stream.color_primaries) == (1, 6, 6)
    data = out.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_the_same_clip_twice_is_the_same_bytes(make_video: Make, tmp_path: Path) -> None:
    source = make_video(count=60, size=(112, 80), sound=[Sound(clicks(2, 48000, [0.5]), 48000)])
    for name in ("one.mp4", "two.mp4"):
        cut_clip(source, tmp_path / name, fps=25, first_frame=3, last_frame=40, box=BOX, size=64)
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()


def test_wanted_frames_are_the_readers_full_pictures(make_video: Make, tmp_path: Path) -> None:
    source = make_video(count=60, size=(112, 80))
    out = tmp_path / "clip.mp4"
    wanted = cut_clip(
        source, out, fps=25, first_frame=20, last_frame=50, box=BOX, size=64, wanted={21, 50, 55, 3}
    )
    with VideoReader(source, fps=25) as reader:
        frames = {f.index: f.image for f in reader}
    assert sorted(wanted) == [21, 50]
    assert all(np.array_equal(frames[i], wanted[i]) for i in wanted)


@pytest.mark.parametrize("box", [(0, 0, 113, 113), (-1, 0, 20, 21), (0, 0, 20, 30), (5, 5, 5, 5)])
def test_a_box_that_is_no_square_inside_the_picture_is_refused(
    make_video: Make, tmp_path: Path, box: tuple[int, int, int, int]
) -> None:
    source = make_video(size=(112, 80), count=3)
    with pytest.raises(ValueError, match="not a square inside the displayed picture of 112x80"):
        cut_clip(source, tmp_path / "clip.mp4", fps=25, first_frame=0, last_frame=1, box=box, size=64)


def test_a_source_that_ends_too_soon_leaves_no_clip(make_video: Make, tmp_path: Path) -> None:
    source = make_video(size=(112, 80), count=30)
    out = tmp_path / "out" / "clip.mp4"
    out.parent.mkdir()
    with pytest.raises(MediaError, match="ends at frame 30"):
        cut_clip(source, out, fps=25, first_frame=20, last_frame=40, box=BOX, size=64)
    assert list(out.parent.iterdir()) == []
