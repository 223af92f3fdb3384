"""dlib's face embedder in torch, held to dlib itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from facevid.backends.weights import WEIGHTS, Weight, resolve
from facevid.generate.errors import GenerateError
from facevid.generate.face_features import CHANNELS, SMALLEST, FaceEmbedder
from facevid.generate.face_weights import read_dlib_resnet
from facevid.synth import make_people
from facevid.synth.figure import Figure, Pose
from facevid.synth.head import MOVES
from facevid.synth.light import Light
from facevid.synth.raster import Camera

dlib = pytest.importorskip("dlib")
Chips = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def embedder() -> FaceEmbedder:
    torch.set_num_threads(1)
    return FaceEmbedder()


@pytest.fixture(scope="module")
def faces() -> Chips:
    """Two people drawn, each looking ahead and a little aside: (4, 150, 150, 3)."""
    chips = np.full((4, 150, 150, 3), 120, np.uint8)
    for number, person in enumerate(make_people(2, 4)):
        figure = Figure(person)
        for turn, yaw in enumerate((0, 12)):
            pose = Pose(np.zeros(len(MOVES), np.float32), yaw, 0, 0, (0, 0, 0), (1, 1), (0, 0), 0)
            light = Light(0.3 * turn, 0.5, 1.0, 0.0, 0.4)
            figure.draw(chips[2 * number + turn], pose, light, Camera(75, 75, 7))
    return chips


def _as_float(chips: Chips) -> torch.Tensor:
    return torch.from_numpy(chips).permute(0, 3, 1, 2) / 127.5 - 1


def test_embeddings_are_those_of_dlib(embedder: FaceEmbedder, faces: Chips) -> None:
    chance = np.random.default_rng(0)
    noise = chance.integers(0, 256, (1, 150, 150, 3), dtype=np.uint8)
    blocks = np.kron(
        chance.integers(0, 256, (1, 10, 10, 3), dtype=np.uint8), np.ones((1, 15, 15, 1), np.uint8)
    )
    chips = np.concatenate([noise, blocks, faces])
    model = dlib.face_recognition_model_v1(str(resolve("dlib-resnet")))
    theirs = np.array([model.compute_face_descriptor(np.ascontiguousarray(chip)) for chip in chips])
    ours = embedder(_as_float(chips)).numpy()
    assert ours.shape == (6, 128)
    assert np.abs(ours - theirs).max() < 1e-5


def test_one_persons_faces_are_nearer_than_two_peoples(embedder: FaceEmbedder, faces: Chips) -> None:
    vectors = embedder(_as_float(faces))
    apart = torch.cdist(vectors, vectors)
    assert max(apart[0, 1], apart[2, 3]) < apart[:2, 2:].min()


def test_pictures_of_another_size_are_resized(embedder: FaceEmbedder, faces: Chips) -> None:
    pictures = _as_float(faces[:1])
    larger = torch.nn.functional.interpolate(pictures, (300, 300), mode="bilinear")
    assert (embedder(larger) - embedder(pictures)).norm() < 0.1


def test_gradients_reach_the_pictures_and_not_the_weights(embedder: FaceEmbedder) -> None:
    pictures = torch.zeros(1, 3, 150, 150, requires_grad=True)
    embedder(pictures).square().sum().backward()
    assert pictures.grad is not None
    assert pictures.grad.abs().sum() > 0
    assert all(p.grad is None for p in embedder.parameters())


def test_stages_exist_from_the_sizes_that_are_stated(embedder: FaceEmbedder) -> None:
    for count, side in enumerate(SMALLEST, 1):
        stages = embedder.features(torch.zeros(1, 3, side, side), count)
        assert [s.shape[1] for s in stages] == list(CHANNELS[:count])
        with pytest.raises(GenerateError, match=f"at least {side} x {side}"):
            embedder.features(torch.zeros(1, 3, side - 1, side), count)


def test_another_file_of_weights_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.dat"
    other.write_bytes(resolve("dlib-resnet").read_bytes()[:-1])
    with pytest.raises(GenerateError, match="SHA-256"):
        read_dlib_resnet(other)


def test_missing_weights_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("facevid.backends.weights._in_package", lambda weight: None)
    monkeypatch.setattr("facevid.backends.weights.WEIGHTS", _without_home())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("FACEVID_MODELS", raising=False)
    with pytest.raises(GenerateError, match=r"dlib_face_recognition_resnet_model_v1\.dat is missing"):
        FaceEmbedder()


def _without_home() -> dict[str, Weight]:
    return {"dlib-resnet": replace(WEIGHTS["dlib-resnet"], url=None)}
