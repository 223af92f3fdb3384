"""Broken and strange input: a clear sentence, and whatever can still be read."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from tests.media.conftest import Sound, clicks, number_of

from facevid.errors import FacevidError
from facevid.media import MediaError, VideoReader, cut_clip, probe, read_audio

Make = Callable[..., Path]


def refused(path: Path) -> MediaError:
    """The error that the probe and the reader agree on."""
    with pytest.raises(MediaError) as first:
        probe(path)
    with pytest.raises(MediaError) as second:
        VideoReader(path, fps=25)
    assert str(first.value) == str(second.value)
    assert first.value.kind == second.value.kind
    assert path.name in str(first.value)
    assert str(first.value).endswith(".")
    return first.value


def test_zero_bytes_are_called_empty(tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    path.touch()
    assert refused(path).kind == "empty"


@pytest.mark.parametrize(
    "text", ["Hello, this is a text.\n" * 50, "x", "1\n00:00:01,000 --> 00:00:02,000\nHi\n\n"]
)
def test_a_text_named_mp4_is_not_media(tmp_path: Path, text: str) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text(text)
    assert refused(path).kind == "not_media"


def test_noise_named_mp4_is_not_media(tmp_path: Path) -> None:
    path = tmp_path / "noise.mp4"
    path.write_bytes(np.random.default_rng(3).bytes(50000))
    assert refused(path).kind == "not_media"


def test_a_picture_named_mp4_is_not_media(tmp_path: Path) -> None:
    path = tmp_path / "photo.mp4"
    with av.open(str(path), "w", format="image2pipe") as out:
        stream = out.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
        out.mux(stream.encode(av.VideoFrame(64, 64, "yuvj420p")))
    assert refused(path).kind == "not_media"


def test_a_missing_file_and_a_folder_are_unreadable(tmp_path: Path) -> None:
    assert refused(tmp_path / "gone.mp4").kind == "unreadable"
    assert "folder" in str(refused(tmp_path))


def test_sound_alone_has_no_video(tmp_path: Path) -> None:
    path = tmp_path / "voice.m4a"
    with av.open(str(path), "w", format="mp4") as out:
        stream = out.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(clicks(1, 48000, [0.5]), format="fltp", layout="mono")
        frame.sample_rate = 48000
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    assert refused(path).kind == "no_video"


def test_an_mp4_without_its_index_is_unreadable(make_video: Make) -> None:
    path = make_video(count=200)
    path.write_bytes(path.read_bytes()[:2000])
    error = refused(path)
    assert error.kind == "unreadable"
    assert "broke off" in str(error)


@pytest.mark.parametrize(
    ("name", "movflags"), [("a.mp4", "+faststart"), ("a.mkv", ""), ("a.avi", ""), ("a.webm", "")]
)
def test_a_file_cut_off_in_the_middle_gives_its_readable_part_and_says_so(
    make_video: Make, name: str, movflags: str
) -> None:
    codec = "libvpx-vp9" if name == "a.webm" else "libx264"
    sound = [Sound(clicks(10, 48000, [1.0]), 48000, "aac" if codec == "libx264" else "libopus")]
    path = make_video(name, codec=codec, count=250, movflags=movflags, sound=sound)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    with VideoReader(path, fps=25) as reader:
        shown = [number_of(frame.image) for frame in reader]
    assert 40 < len(shown) < 245
    assert shown == list(range(len(shown)))
    assert reader.stopped_early is not None
    assert path.name in reader.stopped_early
    assert probe(path).width == 96
    assert read_audio(path).size > 20000


def test_a_whole_file_did_not_stop_early(make_video: Make) -> None:
    for name in ("a.mp4", "a.mkv", "a.avi", "a.mov", "a.ts"):
        with VideoReader(make_video(name, sound=[Sound(clicks(4, 48000, [1.0]), 48000)]), fps=25) as reader:
            assert len(list(reader)) == 30
        assert reader.stopped_early is None, name
        assert reader.skipped_packets == 0, name


def test_damage_in_the_middle_is_passed_over_and_counted(make_video: Make) -> None:
    path = make_video(count=250, gop=10, options={"bf": "0"})
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as source:
        places = [(p.pos, p.size) for p in source.demux(video=0) if p.pos]
    for at, size in places[100:110]:
        data[at : at + size] = b"\xff" * size
    path.write_bytes(data)
    with VideoReader(path, fps=25) as reader:
        frames = list(reader)
    assert [f.index for f in frames] == list(range(250))
    assert number_of(frames[99].image) == 99
    assert number_of(frames[130].image) == 130
    assert reader.skipped_packets > 0
    assert reader.stopped_early is None


def test_a_header_that_promises_too_much_is_read_to_its_true_end(make_video: Make) -> None:
    path = make_video("a.mkv", count=50)
    data = path.read_bytes()
    at = data.index(b"\x44\x89\x88") + 3  # Matroska: Duration, an 8-byte float in milliseconds
    path.write_bytes(data[:at] + np.array(90000.0, ">f8").tobytes() + data[at + 8 :])
    with VideoReader(path, fps=25) as reader:
        assert len(list(reader)) == 50
    assert reader.stopped_early is not None
    assert "promises 90.0 s" in reader.stopped_early


def test_a_long_hole_in_the_timestamps_ends_the_reading(make_video: Make) -> None:
    path = make_video("a.mkv", times=[*(i / 25 for i in range(20)), *(5000 + i / 25 for i in range(20))])
    with VideoReader(path, fps=25) as reader:
        assert len(list(reader)) == 20
    assert reader.stopped_early is not None
    assert "timestamps jump" in reader.stopped_early


def test_a_span_beyond_the_readable_part_is_refused_by_the_cut(make_video: Make, tmp_path: Path) -> None:
    path = make_video("a.mkv", count=250)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(MediaError, match=r"a\.mkv ends at frame"):
        cut_clip(
            path, tmp_path / "c.mp4", fps=25, first_frame=50, last_frame=240, box=(0, 0, 64, 64), size=64
        )


def test_the_error_survives_the_way_between_processes() -> None:
    error = pickle.loads(pickle.dumps(MediaError("no_video", "a.mp4 has no video stream.")))
    assert (error.kind, str(error)) == ("no_video", "a.mp4 has no video stream.")
    assert isinstance(error, FacevidError)
