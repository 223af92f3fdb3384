"""A benchmark with the weights of a network at hand: its distance beside the rest, and vectors computed once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facevid.bench.distances import Settings
from facevid.bench.looking.step import Shape, file_item
from facevid.bench.running.learning import Film, learn
from facevid.bench.running.seeing import SeenFolder

from . import faces, learned_weights

pytest.importorskip("torch")


def films(folder: Path, shape: Shape, count: int, red: int) -> list[Film]:
    found = []
    for k in range(count):
        video = np.full((17, 32, 32, 3), 8 * k, np.uint8)
        video[..., 0] = red
        path = faces.write_video(folder / f"{red}-{k}.mp4", video)
        item = file_item(path.name, path, shape, Path())
        found.append(Film(path.name, f"p{k}", lambda _, item=item: item, prompt="a red wall"))
    return found


def test_without_weights_a_sentence_says_what_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEVID_MODELS", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = learn([], [], SeenFolder(tmp_path), device=None, settings=Settings())
    assert not found.distances and not found.scores
    assert "Not measured" in found.notes[0] and "FVD and KVD" in found.notes[0] and "CLIP" in found.notes[0]


def test_the_distance_of_a_network_is_reported_and_its_vectors_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEVID_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    learned_weights.write_i3d(tmp_path / "models")
    shape = Shape(17, 32, 32, 25.0)
    real, made = films(tmp_path / "v", shape, 11, 40), films(tmp_path / "v", shape, 11, 200)
    settings = Settings(resamples=5, floor_draws=2)
    found = learn(real, made, SeenFolder(tmp_path / "seen"), device=None, settings=settings)
    by_name = {one.name: one for one in found.distances}
    assert set(by_name) == {"fvd", "kvd"} and "i3d" in found.readers
    fvd = by_name["fvd"].found
    assert fvd is not None and fvd["value"] > 0 and by_name["fvd"].n_made == 11
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "seen").rglob("*.npy")}
    assert len(kept) == 22
    again = learn(real, made, SeenFolder(tmp_path / "seen"), device=None, settings=settings)
    assert again == found
    assert kept == {path: path.stat().st_mtime_ns for path in (tmp_path / "seen").rglob("*.npy")}
