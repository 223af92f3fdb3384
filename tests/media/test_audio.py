"""Sound on the picture's time axis: exact lengths, places and choices of stream."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.media.conftest import Sound, click_times, clicks

from facevid.media import audio_blocks, probe, read_audio, write_flac

Make = Callable[..., Path]
TIMES = (0.5, 1.25, 2.0, 2.9)
KINDS = [
    ("a.mp4", "aac", 44100),
    ("a.mp4", "aac", 48000),
    ("a.mkv", "libopus", 48000),
    ("a.mov", "pcm_s16le", 44100),
    ("a.mkv", "libmp3lame", 44100),
    ("a.mkv", "aac", 48000),
    ("a.webm", "libopus", 48000),
    ("a.avi", "pcm_s16le", 22050),
]


@pytest.fixture
def clicking(make_video: Make) -> Callable[..., Path]:
    def make(name: str, codec: str, rate: int, **more: object) -> Path:
        start_s = float(more.pop("start_s", 0.0))  # type: ignore[arg-type]
        sound = Sound(clicks(3.2, rate, TIMES), rate, codec, start_s=start_s)
        video = {"codec": "libvpx-vp9"} if name.endswith("webm") else {}
        return make_video(name, count=80, sound=[sound], **video, **more)

    return make


@pytest.mark.parametrize(("name", "codec", "rate"), KINDS)
def test_clicks_are_where_they_were_recorded(clicking: Make, name: str, codec: str, rate: int) -> None:
    samples = read_audio(clicking(name, codec, rate), rate=16000)
    assert click_times(samples, 16000) == pytest.approx(TIMES, abs=0.003)


@pytest.mark.parametrize(("name", "codec", "rate"), KINDS)
def test_a_span_from_the_middle_is_what_the_whole_has_there(
    clicking: Make, name: str, codec: str, rate: int
) -> None:
    samples = read_audio(clicking(name, codec, rate), rate=None, start_s=2.3, end_s=3.1)
    assert samples.shape == (round(0.8 * rate),)
    assert click_times(samples, rate) == pytest.approx([0.6], abs=0.003)


def test_sound_that_starts_late_is_preceded_by_silence(clicking: Make) -> None:
    samples = read_audio(clicking("a.mkv", "aac", 48000, start_s=0.7), rate=16000)
    assert click_times(samples, 16000) == pytest.approx([t + 0.7 for t in TIMES], abs=0.003)


def test_sound_before_the_first_picture_is_dropped(clicking: Make) -> None:
    path = clicking("a.mkv", "pcm_s16le", 48000, times=[1.0 + i / 25 for i in range(40)])
    assert click_times(read_audio(path), 16000) == pytest.approx([0.25, 1.0, 1.9], abs=0.003)


def test_a_span_beyond_the_end_is_padded_to_its_exact_length(clicking: Make) -> None:
    samples = read_audio(clicking("a.mp4", "aac", 48000), start_s=2.5, end_s=6.0)
    assert samples.shape == (56000,)
    assert not samples[16000:].any()


def test_no_sound_is_silence_of_the_asked_length_or_nothing(make_video: Make) -> None:
    path = make_video()
    assert read_audio(path, start_s=0.5, end_s=1.0).tolist() == [0.0] * 8000
    assert read_audio(path).shape == (0,)
    assert read_audio(path, mono=False).shape == (1, 0)
    assert list(audio_blocks(path)) == []


def test_the_default_stream_is_the_main_sound_and_others_can_be_named(make_video: Make) -> None:
    first = Sound(clicks(2, 48000, [0.5]), 48000, default=False)
    second = Sound(clicks(2, 44100, [1.0], channels=2), 44100, default=True)
    path = make_video("a.mkv", sound=[first, second])
    assert click_times(read_audio(path), 16000) == pytest.approx([1.0], abs=0.003)
    assert click_times(read_audio(path, stream=1), 16000) == pytest.approx([0.5], abs=0.003)
    assert read_audio(path, mono=False, rate=None).shape[0] == 2
    assert [(a.index, a.rate, a.channels) for a in probe(path).audio] == [(1, 48000, 1), (2, 44100, 2)]
    with pytest.raises(ValueError, match="no audio stream 7; its audio streams are: 1, 2"):
        read_audio(path, stream=7)


def test_of_two_equal_streams_the_longer_is_the_main_sound(make_video: Make) -> None:
    sounds = [Sound(clicks(seconds, 48000, []), 48000, default=True) for seconds in (0.5, 2.0)]
    assert len(read_audio(make_video("a.mkv", sound=sounds))) == pytest.approx(32000, abs=400)


def test_blocks_joined_are_the_whole(clicking: Make) -> None:
    path = clicking("a.mp4", "aac", 44100)
    blocks = list(audio_blocks(path, block_s=0.5))
    assert {len(block) for block in blocks[:-1]} == {8000}
    assert np.array_equal(np.concatenate(blocks), read_audio(path))


def test_a_change_of_the_sampling_rate_in_the_middle_keeps_time(make_video: Make) -> None:
    first = make_video("a.ts", count=50, options={"bf": "0"}, sound=[Sound(clicks(2, 48000, [0.5]), 48000)])
    times = [2 + i / 25 for i in range(50)]
    second = make_video(
        "b.ts", times=times, options={"bf": "0"}, sound=[Sound(clicks(2, 32000, [0.5]), 32000, start_s=2.0)]
    )
    first.write_bytes(first.read_bytes() + second.read_bytes())
    # The MPEG-TS writer moved the first part, pictures and sound, by the encoder's 1024 samples of priming.
    expected = [0.5, 2.5 - 1024 / 48000]
    assert click_times(read_audio(first), 16000) == pytest.approx(expected, abs=0.003)


@pytest.mark.parametrize("channels", [1, 2])
def test_flac_gives_back_the_samples_to_sixteen_bits(tmp_path: Path, channels: int) -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, (channels, 20000)).astype(np.float32)
    path = tmp_path / "speech.flac"
    write_flac(path, samples[0] if channels == 1 else samples, 16000)
    again = read_audio(path, rate=None, mono=False)
    assert again.shape == samples.shape
    assert np.abs(again - samples).max() < 1e-4
    first = path.read_bytes()
    write_flac(path, samples, 16000)
    assert path.read_bytes() == first
    assert [p.name for p in tmp_path.iterdir()] == ["speech.flac"]


def test_stereo_is_averaged_to_mono(tmp_path: Path) -> None:
    write_flac(
        tmp_path / "a.flac", np.stack([np.full(1000, 0.5), np.full(1000, -0.1)]).astype(np.float32), 16000
    )
    assert read_audio(tmp_path / "a.flac") == pytest.approx(np.full(1000, 0.2), abs=1e-4)
