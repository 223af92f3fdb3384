"""What a cut clip holds: picture and sound of the stretch, keypoints in its pixels, chips, checksums."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facevid import media
from facevid.curate import cut
from facevid.engine import StepError
from facevid.recipe import Recipe, load_recipe

FPS, WIDTH, HEIGHT, FRAMES = 25.0, 320, 240, 40
BOX = (100, 20, 260, 180)  # 160 px, so a clip of 80 px halves every coordinate
FIRST, LAST = 10, 29


class Embedder:
    """Chips that tell which picture and which mesh they were made of."""

    def chip(self, image: np.ndarray, mesh: np.ndarray) -> np.ndarray:
        assert image.shape == (HEIGHT, WIDTH, 3)
        return np.full((150, 150, 3), round(float(mesh[0, 0])), np.uint8)


@pytest.fixture(autouse=True)
def embedder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut, "face_embedder", lambda name: Embedder())


@pytest.fixture
def recipe() -> Recipe:
    return load_recipe({"cut": {"size": 80}})


def source(path: Path, *, sound: bool = True) -> Path:
    """A picture whose grey tells the frame number, and a tone that begins with frame 20."""
    rate = 16000 if sound else None
    with media.VideoWriter(path, width=WIDTH, height=HEIGHT, fps=FPS, audio_rate=rate) as out:
        for k in range(FRAMES):
            out.write(np.full((HEIGHT, WIDTH, 3), 20 + 5 * k, np.uint8))
        if sound:
            time = np.arange(int(FRAMES / FPS * 16000)) / 16000
            tone = 0.3 * np.sin(2 * np.pi * 440 * time) * (time >= 20 / FPS)
            out.write_audio(tone.astype(np.float32))
    return path


def mesh_at(frame: int) -> np.ndarray:
    mesh = np.zeros((478, 3))
    mesh[:, 0] = 120 + frame
    mesh[:, 1] = np.linspace(40, 140, 478)
    mesh[:, 2] = 8
    return mesh


def analysis(folder: Path) -> Path:
    folder.mkdir()
    numbers = {"track": 3, "face": 1, "first_frame": 0, "last_frame": FRAMES - 1}
    tracks = {name: pa.array([value], pa.int32()) for name, value in numbers.items()} | {
        "scale": pa.array([1.0])
    }
    pq.write_table(pa.table(tracks), folder / "tracks.parquet")
    points = [np.rint(mesh_at(k) * 8).astype("<i2").tobytes() for k in range(FRAMES)]
    frames = {
        "face": pa.array([1] * FRAMES, pa.int32()),
        "frame": pa.array(range(FRAMES), pa.int32()),
        "mesh": pa.array(points, pa.binary(478 * 3 * 2)),
        **{name: pa.array([v] * FRAMES, pa.float32()) for name, v in (("yaw", 5), ("pitch", 6), ("roll", 7))},
    }
    pq.write_table(pa.table(frames), folder / "frames.parquet")
    return folder


@pytest.fixture
def payload(tmp_path: Path) -> dict[str, Any]:
    return {
        "clip_id": "0123456789abcdef_10_29_3",
        "track": 3,
        "first_frame": FIRST,
        "last_frame": LAST,
        "start_s": FIRST / FPS,
        "end_s": (LAST + 1) / FPS,
        "fps": FPS,
        **{f"crop_{edge}": value for edge, value in zip(("x0", "y0", "x1", "y1"), BOX, strict=True)},
        "best_frames": [12, 25],
        "_source_path": str(source(tmp_path / "talk.mp4")),
        "_analysis_dir": str(analysis(tmp_path / "analysis")),
        "_clip_dir": str(tmp_path / "clips" / "clip"),
    }


def test_the_clip_shows_the_frames_of_the_stretch(payload: dict[str, Any], recipe: Recipe) -> None:
    meta = cut.cut_step(payload, recipe)
    frames = media.read_clip_frames(Path(payload["_clip_dir"]) / "clip.mp4")
    assert frames.shape == (20, 80, 80, 3) == (meta["frames"], meta["height"], meta["width"], 3)
    grey = frames.mean(axis=(1, 2, 3))
    assert np.abs(grey - (20 + 5 * np.arange(FIRST, LAST + 1))).max() < 3


def test_speech_is_that_of_the_stretch(payload: dict[str, Any], recipe: Recipe) -> None:
    cut.cut_step(payload, recipe)
    speech = media.read_audio(Path(payload["_clip_dir"]) / "speech.flac")
    assert len(speech) == 20 / FPS * 16000
    onset = np.flatnonzero(np.abs(speech) > 0.05)[0] / 16000
    assert onset == pytest.approx((20 - FIRST) / FPS, abs=0.02)


def test_keypoints_are_in_clip_pixels(payload: dict[str, Any], recipe: Recipe) -> None:
    cut.cut_step(payload, recipe)
    with np.load(Path(payload["_clip_dir"]) / "keypoints.npz") as stored:
        mesh, pose, box = stored["mesh"], stored["pose"], stored["box"]
    assert mesh.dtype == np.float16 and mesh.shape == (20, 478, 3)
    assert mesh[0, 0].tolist() == [(120 + FIRST - 100) / 2, (40 - 20) / 2, 8 / 2]
    assert pose.dtype == np.float32 and pose[0].tolist() == [5, 6, 7]
    assert box[0].tolist() == pytest.approx([15, 10, 15, 60], abs=1.5)


def test_chips_are_made_of_the_best_frames(payload: dict[str, Any], recipe: Recipe) -> None:
    meta = cut.cut_step(payload, recipe)
    chips = np.load(Path(payload["_clip_dir"]) / "chips.npy")
    assert meta["chips"] == 2 and chips[:, 0, 0, 0].tolist() == [132, 145]


def test_checksums_are_those_of_the_files_and_a_second_cut_equals_the_first(
    payload: dict[str, Any], recipe: Recipe
) -> None:
    meta = cut.cut_step(payload, recipe)
    folder = Path(payload["_clip_dir"])
    assert set(meta["members"]) == {"clip.mp4", "speech.flac", "keypoints.npz", "chips.npy"}
    for name, told in meta["members"].items():
        data = (folder / name).read_bytes()
        assert told == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    assert cut.cut_step(payload, recipe) == meta
    assert all(size in (None, p.stat().st_size) for p, size in cut.clip_files(payload, meta))


def test_no_sound_is_made_up(payload: dict[str, Any], recipe: Recipe, tmp_path: Path) -> None:
    payload["_source_path"] = str(source(tmp_path / "silent.mp4", sound=False))
    meta = cut.cut_step(payload, recipe)
    assert meta["audio"] is False and "speech.flac" not in meta["members"]
    assert not media.probe(Path(payload["_clip_dir"]) / "clip.mp4").audio


def test_a_source_that_cannot_be_read_leaves_no_clip(payload: dict[str, Any], recipe: Recipe) -> None:
    Path(payload["_source_path"]).write_bytes(b"not a video at all")
    with pytest.raises(StepError) as error:
        cut.cut_step(payload, recipe)
    assert error.value.kind == "not_media"
    assert not list(Path(payload["_clip_dir"]).parent.iterdir())
