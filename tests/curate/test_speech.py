"""Sound at each frame, and whether mouth and loudness move together."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from facevid import media
from facevid.curate.speech import SILENCE_DB, listen, mouth_sync


class Loudness:
    """Stands for a speech detector: says the peak of each 512 samples, and what it was given."""

    name, version = "loudness", "1"

    def __init__(self) -> None:
        self.resets = 0
        self.samples = 0

    def reset(self) -> None:
        self.resets += 1

    def probabilities(self, samples: np.ndarray) -> np.ndarray:
        assert len(samples) % 512 == 0
        self.samples += len(samples)
        return np.abs(samples.reshape(-1, 512)).max(axis=1).astype(np.float32)


def moving_mouth(frames: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(frames + 8)
    return np.convolve(noise, np.ones(5) / 5, "valid")[:frames].astype(np.float32)


def follows(mouth: np.ndarray, frames: int) -> np.ndarray:
    """The level in dB whose frame t + frames goes with frame t of the mouth."""
    return (np.roll(mouth, frames) * 5 - 30).astype(np.float32)


@pytest.mark.parametrize("offset", [-15, -7, -1, 0, 3, 15])
def test_the_offset_of_shifted_sound_is_found_positive_where_the_sound_is_late(offset: int) -> None:
    mouth = moving_mouth(200)
    value, found = mouth_sync(mouth, follows(mouth, offset), max_offset=15)
    assert found == offset
    assert value == pytest.approx(1.0, abs=1e-4)


def test_an_offset_outside_the_search_is_not_found() -> None:
    mouth = moving_mouth(200)
    value, _ = mouth_sync(mouth, follows(mouth, 20), max_offset=15)
    assert value < 0.5


def test_correlation_agrees_with_numpy_where_no_shift_is_searched_far() -> None:
    mouth, level = moving_mouth(100, 1), moving_mouth(100, 2) - 30
    value, found = mouth_sync(mouth, level, max_offset=1)
    pairs = {0: (mouth, level), 1: (mouth[:-1], level[1:]), -1: (mouth[1:], level[:-1])}
    best = max(pairs, key=lambda o: np.corrcoef(*pairs[o])[0, 1])
    assert found == best
    assert value == pytest.approx(np.corrcoef(*pairs[best])[0, 1], abs=1e-5)


def test_a_silence_far_below_speech_counts_as_sixty_decibels_below_full_scale() -> None:
    mouth = moving_mouth(100)
    level = follows(mouth, 0)
    deep = np.where(np.arange(100) < 30, -120, level).astype(np.float32)
    shallow = np.where(np.arange(100) < 30, -60, level).astype(np.float32)
    assert mouth_sync(mouth, deep, max_offset=3) == mouth_sync(mouth, shallow, max_offset=3)


@pytest.mark.parametrize("frames", [0, 1, 24])
def test_less_than_a_second_says_nothing(frames: int) -> None:
    value, offset = mouth_sync(moving_mouth(frames), moving_mouth(frames, 1) - 30, max_offset=15)
    assert np.isnan(value)
    assert offset == 0


def test_a_mouth_or_a_level_that_stands_still_says_nothing() -> None:
    still = np.full(100, -30, np.float32)
    assert np.isnan(mouth_sync(moving_mouth(100), still, max_offset=5)[0])
    assert np.isnan(mouth_sync(np.zeros(100, np.float32), moving_mouth(100) - 30, max_offset=5)[0])


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    """A second of silence, a second of a tone at half of full scale, half a second of silence."""
    t = np.arange(16000) / 16000
    samples = np.concatenate([np.zeros(16000), 0.5 * np.sin(2 * np.pi * 440 * t), np.zeros(8000)])
    path = tmp_path / "tone.flac"
    media.write_flac(path, samples.astype(np.float32), 16000)
    return path


def test_each_frame_has_the_speech_and_the_level_of_its_moment(tone: Path) -> None:
    detector = Loudness()
    sound = listen(tone, detector, frames=62, fps=25)
    assert detector.resets == 1
    # Half of full scale as a sine has an RMS of .5 / sqrt 2, 9.03 dB below full scale.
    np.testing.assert_allclose(sound.level[27:48], -9.03, atol=0.1)
    np.testing.assert_allclose(sound.speech[27:48], 0.5, atol=0.01)
    assert (sound.level[:24] == SILENCE_DB).all()
    assert (sound.speech[:24] == 0).all()
    assert (sound.level[52:] == SILENCE_DB).all()


def test_frames_after_the_end_of_the_sound_are_silent(tone: Path) -> None:
    sound = listen(tone, Loudness(), frames=100, fps=25)
    assert len(sound.level) == len(sound.speech) == 100
    assert (sound.level[63:] == SILENCE_DB).all()
    assert (sound.speech[63:] == 0).all()


def test_a_source_without_sound_is_silent_throughout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "audio_blocks", lambda *_, **__: iter(()))
    sound = listen(Path("silent.mp4"), Loudness(), frames=5, fps=25)
    assert sound.level.tolist() == [SILENCE_DB] * 5
    assert sound.speech.tolist() == [0.0] * 5


def test_blocks_of_any_length_are_heard_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, 16000 * 2).astype(np.float32)

    def heard(lengths: list[int]) -> tuple[list[float], list[float]]:
        bounds = np.cumsum([0, *lengths])
        blocks = [samples[a:b] for a, b in pairwise(bounds)]
        monkeypatch.setattr(media, "audio_blocks", lambda *_, **__: iter(blocks))
        sound = listen(Path("any.mp4"), Loudness(), frames=50, fps=25)
        return sound.level.tolist(), sound.speech.tolist()

    assert heard([32000]) == heard([700, 1, 9999, 300, 21000])
