"""Windows decoded for training are the frames that a full decode gives, whatever the window and the encoder's order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facevid.media import (
    EncodeOptions,
    MediaError,
    VideoWriter,
    WindowReader,
    read_audio,
    read_clip_frames,
    read_speech_window,
    write_flac,
)
from facevid.media.mp4 import picture_index

COUNT = 64


def _moving(number: int, size: int) -> np.ndarray:
    """A picture that changes from frame to frame, with detail, so that the encoder uses all kinds of frames."""
    y, x = np.mgrid[:size, :size]
    shift = 3 * number
    red = 127 + 100 * np.sin((x + shift) / 9) * np.cos(y / 11)
    green = 127 + 100 * np.sin((y - shift) / 7)
    blue = (x + y + 2 * shift) % 256
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def _clip(path: Path, *, size: int = 96, count: int = COUNT, fps: float = 25.0, sound: bool = True) -> bytes:
    rate = 16000 if sound else None
    with VideoWriter(path, width=size, height=size, fps=fps, audio_rate=rate, options=EncodeOptions()) as out:
        for number in range(count):
            out.write(_moving(number, size))
        if sound:
            out.write_audio(np.sin(np.arange(round(count / fps * 16000)) / 20).astype(np.float32) / 2)
    return path.read_bytes()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return _clip(tmp_path_factory.mktemp("window") / "clip.mp4")


@pytest.fixture(scope="module")
def whole(clip: bytes) -> np.ndarray:
    return read_clip_frames(clip)


def test_every_window_equals_the_same_frames_of_a_full_decode(clip: bytes, whole: np.ndarray) -> None:
    reader = WindowReader()
    for first in range(0, COUNT - 4, 3):
        for count in (1, 5, 27):
            frames = range(first, min(COUNT, first + count))
            window = reader.read(clip, frames)
            assert np.array_equal(window.transpose(0, 2, 3, 1), whole[list(frames)]), frames


def test_frames_may_be_left_out_and_repeated(clip: bytes, whole: np.ndarray) -> None:
    frames = [0, 2, 2, 3, 29, 29, 63]
    assert np.array_equal(WindowReader().read(clip, frames).transpose(0, 2, 3, 1), whole[frames])


def test_a_scaled_window_is_close_to_the_mean_of_its_pixels(clip: bytes, whole: np.ndarray) -> None:
    small = WindowReader().read(clip, range(30, 40), size=(48, 48))
    mean = whole[30:40].astype(float).reshape(10, 48, 2, 48, 2, 3).mean(axis=(2, 4)).transpose(0, 3, 1, 2)
    assert small.shape == (10, 3, 48, 48)
    assert abs(small - mean).mean() < 3
    assert np.corrcoef(small.ravel(), mean.ravel())[0, 1] > 0.995


def test_a_window_may_be_enlarged_and_changes_size_from_call_to_call(clip: bytes) -> None:
    reader = WindowReader()
    assert reader.read(clip, [5], size=(192, 192)).shape == (1, 3, 192, 192)
    assert reader.read(clip, [5], size=(40, 56)).shape == (1, 3, 40, 56)
    assert reader.read(clip, [5]).shape == (1, 3, 96, 96)


def test_one_reader_takes_clips_of_different_size_and_rate(
    tmp_path: Path, clip: bytes, whole: np.ndarray
) -> None:
    other = _clip(tmp_path / "other.mp4", size=64, count=33, fps=30000 / 1001, sound=False)
    reader = WindowReader()
    for _ in range(2):
        assert np.array_equal(reader.read(clip, [50]).transpose(0, 2, 3, 1), whole[[50]])
        assert np.array_equal(reader.read(other, [31]).transpose(0, 2, 3, 1), read_clip_frames(other, [31]))


def test_pictures_go_where_they_are_wanted(clip: bytes) -> None:
    batch = np.zeros((2, 3, 3, 96, 96), np.uint8)
    given = WindowReader().read(clip, [1, 2, 3], out=batch[1])
    assert np.shares_memory(given, batch)
    assert batch[1].any() and not batch[0].any()
    with pytest.raises(ValueError, match=r"out has shape .*\(2, 3, 96, 96\) and uint8 is needed"):
        WindowReader().read(clip, [1, 2], out=batch[1])


def test_frames_that_are_not_there_are_named(clip: bytes) -> None:
    with pytest.raises(IndexError, match=r"frames 60 to 64 were asked for; abc has 64 frames"):
        WindowReader().read(clip, range(60, 65), name="abc")
    with pytest.raises(ValueError, match="rising order"):
        WindowReader().read(clip, [3, 2])
    with pytest.raises(ValueError, match="at least one"):
        WindowReader().read(clip, [])


def test_damage_is_an_error_that_names_the_clip_and_the_next_clip_is_read(
    clip: bytes, whole: np.ndarray
) -> None:
    reader = WindowReader()
    index = picture_index(clip)
    damaged = bytearray(clip)
    at, size = int(index.offset[0]), int(index.size[0])
    damaged[at : at + size] = bytes(size)
    with pytest.raises(MediaError, match="abc"):
        reader.read(bytes(damaged), range(3), name="abc")
    assert np.array_equal(reader.read(clip, [7]).transpose(0, 2, 3, 1), whole[[7]])


@pytest.mark.parametrize("cut", [0, 7, 40, 600, 1500])
def test_a_clip_that_ends_early_is_an_error(clip: bytes, cut: int) -> None:
    with pytest.raises(MediaError, match="damaged"):
        WindowReader().read(clip[:cut], [0])


def test_no_byte_of_the_index_can_make_it_fail_otherwise(clip: bytes) -> None:
    end = clip.index(b"mdat")
    rng = np.random.default_rng(0)
    for at in rng.integers(0, end, 400).tolist():
        damaged = bytearray(clip)
        damaged[at] ^= 0xFF
        try:
            index = picture_index(bytes(damaged))
        except MediaError:
            continue
        assert (index.offset >= 0).all() and int((index.offset + index.size).max()) <= len(clip)


def test_speech_windows_are_the_samples_of_the_whole_and_end_in_silence(tmp_path: Path) -> None:
    samples = (np.sin(np.arange(40000) / 13) * np.linspace(0, 0.9, 40000)).astype(np.float32)
    write_flac(tmp_path / "speech.flac", samples, 16000)
    flac = (tmp_path / "speech.flac").read_bytes()
    every = read_audio(flac, rate=16000, mono=True)
    for start in (0, 1, 4095, 4096, 25000):
        assert np.array_equal(read_speech_window(flac, start, 10240), every[start : start + 10240])
    tail = read_speech_window(flac, 39000, 2000)
    assert np.array_equal(tail[:1000], every[39000:]) and not tail[1000:].any()
    assert not read_speech_window(flac, 50000, 100).any()


def test_sound_of_another_rate_is_refused(tmp_path: Path) -> None:
    write_flac(tmp_path / "speech.flac", np.zeros(8000, np.float32), 8000)
    with pytest.raises(MediaError, match="not 16 kHz mono"):
        read_speech_window((tmp_path / "speech.flac").read_bytes(), 0, 100)
    with pytest.raises(MediaError, match="cannot be decoded"):
        read_speech_window(b"fLaC" + bytes(50), 0, 100)
