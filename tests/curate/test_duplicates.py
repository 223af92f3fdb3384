"""Which clips count as repeats of each other: same movement, same place in the picture, and same sound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facevid import media
from facevid.curate.duplicates import Duplicate, Thresholds, Trace, find_duplicates, make_trace
from facevid.curate.sound import log_mel, sound_correlation

FPS, WIDTH, HEIGHT = 25.0, 1280, 720
Make = Callable[..., Trace]


def take(seed: int, *, seconds: float = 12.0) -> np.ndarray:
    """A mesh (n, 478, 2) in source pixels that turns, nods and talks like nobody else's."""
    rng = np.random.default_rng(seed)
    n = int(seconds * FPS)
    face = np.random.default_rng(7).normal(0, 60, (478, 2))

    def drift(size: float, smooth: int) -> np.ndarray:
        noise = rng.normal(0, 1, (n + smooth, 2))
        slow = np.stack([np.convolve(noise[:, k], np.hanning(smooth), "valid")[:n] for k in (0, 1)], axis=1)
        return np.asarray(slow / slow.std() * size)

    mesh = np.tile(face, (n, 1, 1)) + np.array([640, 360]) + drift(8, 25)[:, None]
    for point in (13, 14, 61, 291, 0, 17):
        mesh[:, point] += drift(4, 7)
    return mesh


def speech(seed: int, *, seconds: float = 12.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    n = int(seconds * 16000)
    syllables = np.repeat(rng.uniform(0, 1, n // 1600 + 1) ** 2, 1600)[:n]
    pitch = np.repeat(rng.uniform(200, 2000, n // 3200 + 1), 3200)[:n]
    return (0.3 * syllables * np.sin(np.cumsum(2 * np.pi * pitch / 16000))).astype(np.float32)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a clip of a take: seconds `start` to `stop`, another scale, mesh jitter, a move, its sound."""

    def clip(
        name: str,
        mesh: np.ndarray,
        sound: np.ndarray | None,
        *,
        start: float = 0.0,
        stop: float = 8.0,
        scale: float = 1.0,
        move: float = 0.0,
        seed: int = 0,
    ) -> Trace:
        rng = np.random.default_rng(seed)
        part = mesh[round(start * FPS) : round(stop * FPS)] * scale
        path = None
        if sound is not None:
            path = tmp_path / f"{name}.flac"
            heard = sound[round(start * 16000) : round(stop * 16000)]
            noise = rng.normal(0, 0.001, len(heard)).astype(np.float32)
            media.write_flac(path, heard * np.float32(0.7) + noise, 16000)
        return make_trace(
            part + rng.normal(0, 0.3 * scale, part.shape) + np.array([move * scale, 0]),
            clip_id=name,
            fps=FPS,
            width=round(WIDTH * scale),
            height=round(HEIGHT * scale),
            bit_rate=1e6,
            speech=path,
        )

    return clip


def find(*traces: Trace) -> list[Duplicate]:
    known = {t.clip_id: t for t in traces}
    return find_duplicates(list(known), groups=[0] * len(known), load=known.__getitem__)


def test_a_rescaled_and_trimmed_copy_repeats_the_larger_original(make: Make) -> None:
    mesh, sound = take(1), speech(1)
    original = make("b", mesh, sound)
    copy = make("a", mesh, sound, start=2.2, stop=7.0, scale=0.5, seed=1)
    (found,) = find(original, copy)
    assert (found.clip_id, found.of) == ("a", "b")
    assert found.overlap_s == pytest.approx(4.8) and found.lag_s == pytest.approx(2.2)
    assert found.motion > 0.95 and found.sound is not None and found.sound > 0.95


def test_the_same_footage_at_another_place_in_the_picture_is_no_repeat(make: Make) -> None:
    mesh, sound = take(1), speech(1)
    assert not find(make("a", mesh, sound), make("b", mesh, sound, move=40.0, seed=1))


def test_the_same_footage_under_another_sound_is_no_repeat(make: Make) -> None:
    assert not find(make("a", take(1), speech(1)), make("b", take(1), speech(2), seed=1))


def test_the_same_footage_with_its_sound_shifted_is_no_repeat(make: Make) -> None:
    late = np.roll(speech(1), 3200)
    assert not find(make("a", take(1), speech(1)), make("b", take(1), late, seed=1))


def test_another_take_under_the_same_sound_is_no_repeat(make: Make) -> None:
    assert not find(make("a", take(1), speech(1)), make("b", take(2), speech(1), seed=1))


def test_silent_copies_are_told_by_the_picture_alone(make: Make) -> None:
    (found,) = find(make("a", take(1), None), make("b", take(1), None, seed=1))
    assert (found.clip_id, found.of, found.sound) == ("b", "a", None)


def test_a_copy_that_lost_its_sound_is_no_repeat(make: Make) -> None:
    assert not find(make("a", take(1), speech(1)), make("b", take(1), None, seed=1))
    muted = np.zeros_like(speech(1))
    assert not find(make("a", take(1), speech(1)), replace(make("b", take(1), muted, seed=1)))


def test_less_than_half_of_a_clip_in_common_keeps_both(make: Make) -> None:
    mesh, sound = take(1), speech(1)
    assert not find(make("a", mesh, sound, stop=6), make("b", mesh, sound, start=3.5, stop=9.5, seed=1))


def test_a_long_clip_is_not_lost_to_a_short_piece_of_higher_resolution(make: Make) -> None:
    mesh, sound = take(1), speech(1)
    long = make("long", mesh, sound, stop=11.0, scale=0.5)
    (found,) = find(make("short", mesh, sound, start=3.0, stop=6.0, seed=1), long)
    assert (found.clip_id, found.of) == ("short", "long")


def test_three_copies_leave_one_and_the_order_of_the_input_does_not_matter(make: Make) -> None:
    mesh, sound = take(1), speech(1)
    copies = [
        make(n, mesh, sound, start=s, seed=k) for k, (n, s) in enumerate([("a", 0), ("b", 1), ("c", 2)])
    ]
    found = find(*copies)
    assert [(d.clip_id, d.of) for d in found] == [("b", "a"), ("c", "a")]
    assert find(*reversed(copies)) == found


def test_clips_of_different_groups_are_not_compared(make: Make) -> None:
    mesh = take(1)
    traces = {n: make(n, mesh, None, seed=k) for k, n in enumerate("ab")}
    assert not find_duplicates(["a", "b"], groups=["x", "y"], load=traces.__getitem__)


def test_thresholds_decide(make: Make) -> None:
    traces = {n: make(n, take(1), None, seed=k) for k, n in enumerate("ab")}
    strict = Thresholds(motion=0.9999)
    assert not find_duplicates(["a", "b"], groups=[0, 0], load=traces.__getitem__, thresholds=strict)


def test_sound_correlation_ignores_level_and_finds_a_small_shift() -> None:
    sound = speech(3, seconds=4)
    shifted = 0.2 * np.r_[np.zeros(480, np.float32), sound]
    value = sound_correlation(log_mel(sound), log_mel(shifted), start_a_s=1, start_b_s=1, length_s=2)
    assert value > 0.98
    late = sound_correlation(log_mel(sound), log_mel(shifted), start_a_s=1, start_b_s=1.2, length_s=2)
    assert late < 0.8
