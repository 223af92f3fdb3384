"""What `observe` takes from a clip: pictures spread over it, sound at each frame's own time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from facevid.annotate import observe as observing
from facevid.annotate.face import cheek_mask, eye_distance, lab, polygon_mask

Floats = np.ndarray


class Listener:
    """A speech detector that is as sure of speech as the hop's largest sample is loud."""

    name, version = "loudness", "1"

    def __init__(self) -> None:
        self.resets = 0

    def reset(self) -> None:
        self.resets += 1

    def probabilities(self, samples: Floats, *, final: bool = True) -> Floats:
        padded = np.pad(samples, (0, -len(samples) % 512)).reshape(-1, 512)
        return np.abs(padded).max(axis=1).astype(np.float32)


class Whole:
    """A segmenter to which every bright pixel is the person."""

    name, version = "bright", "1"

    def mask(self, image: np.ndarray) -> Floats:
        return (image[..., 0] > 128).astype(np.float32)


class Recorded:
    """A clip of 50 grey frames, whose shade is its number, and one second of sound: silence, then a tone."""

    has_audio = True
    mesh = np.zeros((50, 478, 3), np.float16)
    pose = np.zeros((50, 3), np.float32)

    def __getitem__(self, column: str) -> object:
        return {"frames": 50, "fps": 25.0}[column]

    def read(self, member: str) -> bytes:
        return member.encode()

    def speech(self) -> Floats:
        sound = np.zeros(16000, np.float32)
        sound[8192:] = 0.5
        return sound


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Which frames were read, pass by pass."""
    passes: list[list[int]] = []

    def read(clip: bytes) -> Iterator[np.ndarray]:
        passes.append([])
        for k in range(50):
            passes[-1].append(k)
            yield np.full((8, 8, 3), 5 * k, np.uint8)

    monkeypatch.setattr(observing.media, "each_clip_frame", read)
    return passes


def test_looks_are_the_middles_of_equal_parts() -> None:
    assert observing.look_at(80, 8).tolist() == [5, 15, 25, 35, 45, 55, 65, 75]
    assert observing.look_at(3, 8).tolist() == [0, 1, 2]


def test_pictures_come_in_one_pass_with_their_masks(decoded: list[list[int]]) -> None:
    seen = observing.observe(Recorded(), segmenter=Whole(), speech_detector=Listener(), looks=5)  # type: ignore[arg-type]
    assert decoded == [list(range(50))]
    assert seen.looks.tolist() == [5, 15, 25, 35, 45]
    assert seen.images[:, 0, 0, 0].tolist() == [25, 75, 125, 175, 225]
    assert seen.masks[:, 0, 0].tolist() == [0, 0, 0, 1, 1]
    assert seen.mesh.dtype == np.float32


def test_sound_is_read_at_the_frames_time_and_ends_in_silence(decoded: list[list[int]]) -> None:
    seen = observing.observe(Recorded(), segmenter=Whole(), speech_detector=Listener())  # type: ignore[arg-type]
    assert seen.speech is not None
    assert seen.level is not None
    # 8192 samples are 16 hops or .512 s: frame 12 has its middle at .5 s, frame 13 at .54 s
    assert seen.speech[[0, 12, 13, 24, 26, 49]].tolist() == [0, 0, 0.5, 0.5, 0, 0]
    assert seen.level[0] == -120
    assert seen.level[20] == pytest.approx(20 * np.log10(0.5), abs=0.01)
    assert seen.level[49] == -120


def test_a_clip_without_sound_has_neither_speech_nor_level(decoded: list[list[int]]) -> None:
    silent = Recorded()
    silent.has_audio = False
    listener = Listener()
    seen = observing.observe(silent, segmenter=Whole(), speech_detector=listener)  # type: ignore[arg-type]
    assert seen.speech is None
    assert seen.level is None
    assert listener.resets == 0


def test_each_recording_is_heard_without_memory_of_the_last(decoded: list[list[int]]) -> None:
    listener = Listener()
    for _ in range(2):
        observing.observe(Recorded(), segmenter=Whole(), speech_detector=listener)  # type: ignore[arg-type]
    assert listener.resets == 2


def test_lab_of_srgb_primaries_is_as_published() -> None:
    # Lindbloom's CIE colour calculator, sRGB, D65
    picture = np.array([[[255, 255, 255], [255, 0, 0], [0, 0, 255], [119, 119, 119]]], np.uint8)
    known = [[100, 0, 0], [53.24, 80.09, 67.20], [32.30, 79.19, -107.86], [50.03, 0, 0]]
    assert np.abs(lab(picture)[0] - known).max() < 0.5


def test_polygon_may_reach_past_the_picture() -> None:
    mask = polygon_mask(np.array([[-5, 2], [4, 2], [4, 30], [-5, 30]], np.float32), (8, 8))
    assert mask.sum() == 5 * 6
    assert mask[2:, :5].all()


def test_eye_distance_does_not_shrink_as_the_head_turns() -> None:
    mesh = np.zeros((478, 3), np.float32)
    mesh[33], mesh[263] = (100, 100, 0), (180, 100, 60)
    assert eye_distance(mesh) == pytest.approx(100)


def test_a_turned_face_shows_its_nearer_cheek_alone() -> None:
    mesh = np.zeros((478, 3), np.float32)
    ring = np.array([[0, 0], [10, -5], [20, 0], [20, 20], [10, 25], [0, 20]], np.float32)
    mesh[[117, 118, 101, 36, 205, 123], :2] = ring + np.float32((10, 20))
    mesh[[346, 347, 330, 266, 425, 352], :2] = ring * (0.2, 1) + (60, 20)
    turned = cheek_mask(mesh, (64, 96))
    assert turned[30, 20]
    assert not turned[:, 50:].any()
    mesh[[346, 347, 330, 266, 425, 352], :2] = ring + np.float32((60, 20))
    assert cheek_mask(mesh, (64, 96))[30, 70]
