"""What is seen in a video: where the face is, whose it is, how it moves, and that little is kept of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facevid.bench.errors import BenchError
from facevid.bench.looking.eyes import colours_of, moved
from facevid.bench.looking.seen import load_seen, look_at, save_seen
from facevid.bench.measures.sync import voice

from . import faces


def test_every_frame_of_a_drawn_face_has_a_mesh_in_the_videos_own_pixels() -> None:
    video, _ = faces.talking(0)
    seen = faces.look(video)
    assert seen.found.all() and seen.size == (128, 128)
    middle = seen.mesh[:, :468, :2].mean(axis=(0, 1))
    assert np.abs(middle - 64).max() < 12  # it is drawn in the middle
    assert np.abs(seen.pose).max() < 30


def test_small_videos_are_enlarged_for_the_readers_and_told_in_their_own_pixels() -> None:
    video, _ = faces.talking(0)
    large, small = faces.look(video), faces.look(video[:, ::2, ::2])
    assert small.found.all()
    gap = np.linalg.norm(2 * small.mesh[..., :2] - large.mesh[..., :2], axis=-1).mean()
    eyes = np.linalg.norm(large.mesh[:, 33] - large.mesh[:, 263], axis=-1).mean()
    assert gap < 0.06 * eyes


def test_embeddings_of_one_person_are_nearer_than_those_of_two() -> None:
    one, again, other = (faces.look(faces.talking(*who)[0]) for who in ((0,), (0, 17, 1), (3,)))
    own = np.linalg.norm(one.embeddings[0] - again.embeddings[0])
    strange = np.linalg.norm(one.embeddings[0] - other.embeddings[0])
    assert own < 0.35 and strange > own + 0.1


def test_a_picture_without_a_face_has_none_and_nothing_fails() -> None:
    seen = faces.look(np.random.default_rng(0).integers(0, 255, (5, 64, 64, 3)).astype(np.uint8))
    assert not seen.found.any() and np.isnan(seen.embeddings).all() and np.isnan(seen.sharpness).all()


def test_a_video_that_is_too_short_is_refused() -> None:
    with pytest.raises(BenchError, match="it has 3 frames, and 17 are compared"):
        faces.eyes().look(iter(faces.talking(0)[0][:3]), count=17, fps=25)


def test_only_the_first_frames_are_looked_at() -> None:
    video, _ = faces.talking(0)
    assert len(faces.eyes().look(iter(video), count=9, fps=25).mesh) == 9


@pytest.mark.parametrize(("frames", "wanted"), [(1, [0]), (3, [0, 1, 2]), (17, [0, 2, 5, 7, 9, 11, 14, 16])])
def test_frames_looked_at_closely_are_spread_from_the_first_to_the_last(
    frames: int, wanted: list[int]
) -> None:
    assert look_at(frames).tolist() == wanted


def test_flow_of_a_picture_moved_aside_is_the_way_it_was_moved() -> None:
    dice = np.random.default_rng(1)
    coarse = dice.integers(0, 255, (20, 20)).astype(np.uint8)
    picture = np.kron(coarse, np.ones((6, 6), np.uint8))
    import cv2

    picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), 3), np.uint8)
    length, left = moved(picture, np.roll(picture, 2, axis=1))
    assert length == pytest.approx(2 / 120, rel=0.15)
    assert left < np.abs(np.diff(picture.astype(float), axis=1)).mean()
    assert np.allclose(moved(picture, picture), 0, atol=0.02)


def test_colours_are_those_of_cie() -> None:
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 255
    # sRGB red in CIE L*a*b*, D65 (e.g. colour-science): 53.24, 80.09, 67.20
    assert np.allclose(colours_of(red), [53.24, 80.09, 67.20], atol=0.3)


def test_the_voice_of_a_sine_in_its_band_is_its_amplitude_and_of_one_outside_is_nothing() -> None:
    at = np.arange(8000) / 16000
    inside, hum = (0.5 * np.sin(2 * np.pi * hz * at).astype(np.float32) for hz in (1000, 50))
    level = voice(inside, frames=25, fps=25)
    assert np.allclose(level[1:11], 0.5 / np.sqrt(2), rtol=0.02) and (level[13:] == 0).all()
    assert voice(hum, frames=12, fps=25).max() < 0.02


def test_what_was_seen_is_read_back_as_it_was(tmp_path: Path) -> None:
    video, sound = faces.talking(0)
    seen = faces.look(video, sound)
    save_seen(seen, tmp_path / "a.npz")
    back = load_seen(tmp_path / "a.npz")
    assert back.fps == seen.fps and back.size == seen.size
    assert (back.mesh == seen.mesh).all() and back.voice is not None and (back.voice == seen.voice).all()
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:1000])
    with pytest.raises(BenchError, match="is not whole"):
        load_seen(tmp_path / "a.npz")


def test_the_same_video_gives_the_same_bytes() -> None:
    video, _ = faces.talking(1)
    a, b = (faces.eyes().look(iter(video), count=len(video), fps=faces.FPS) for _ in range(2))
    assert a.mesh.tobytes() == b.mesh.tobytes() and a.embeddings.tobytes() == b.embeddings.tobytes()
    assert a.flow.tobytes() == b.flow.tobytes()
