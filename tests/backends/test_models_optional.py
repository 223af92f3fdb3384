"""Backends whose models are downloaded: face attributes, with their loading code run on small stand-in models.

The stand-in models are real ONNX and TorchScript files. Where uniface itself is not installed, modules
with its names and a plain crop stand in for it; the test's id says which of the two ran.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import types
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from threading import Thread
from typing import Any

import cv2
import numpy as np
import pytest

from facevid import backends
from facevid.backends import FaceGuess, uniface_attributes, weights
from facevid.dataset.vocabulary import ATTRIBUTES

HAVE_UNIFACE = importlib.util.find_spec("uniface") is not None
HAVE_TORCH = importlib.util.find_spec("torch") is not None


# --- a few bytes of ONNX, written by hand since the package onnx is not among the parts for development ---


def _varint(n: int) -> bytes:
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def _field(number: int, value: int | bytes | str) -> bytes:
    """One field of a protocol buffer: an int as a varint, bytes and text with their length before them."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _tensor(name: str, values: Any) -> bytes:
    array = np.asarray(values, "<f4")
    dims = b"".join(_field(1, n) for n in array.shape)
    return dims + _field(2, 1) + _field(8, name) + _field(9, array.tobytes())


def _value(name: str, shape: Sequence[int]) -> bytes:
    dims = b"".join(_field(1, _field(1, n)) for n in shape)
    return _field(1, name) + _field(2, _field(1, _field(1, 1) + _field(2, dims)))


def _node(op: str, inputs: Sequence[str], output: str) -> bytes:
    return b"".join(_field(1, i) for i in inputs) + _field(2, output) + _field(4, op)


def onnx_of_mean_colour(side: int, heads: dict[str, tuple[Any, Any]]) -> bytes:
    """A network: mean of each channel of (1, 3, side, side), then one linear head (weights (3, n), bias (n,)) each."""
    nodes = [_node("GlobalAveragePool", ["image"], "mean"), _node("Flatten", ["mean"], "colour")]
    tensors, outputs = [], []
    for name, (weight, bias) in heads.items():
        nodes.append(_node("Gemm", ["colour", f"{name}_w", f"{name}_b"], name))
        tensors += [_tensor(f"{name}_w", weight), _tensor(f"{name}_b", bias)]
        outputs.append(_value(name, (1, len(bias))))
    graph = b"".join(_field(1, n) for n in nodes) + _field(2, "stand-in")
    graph += b"".join(_field(5, t) for t in tensors) + _field(11, _value("image", (1, 3, side, side)))
    graph += b"".join(_field(12, o) for o in outputs)
    return _field(1, 8) + _field(7, graph) + _field(8, _field(1, "") + _field(2, 13))


def rows(n: int, **of_channel: dict[int, float]) -> Any:
    """(3, n) weights: for "r", "g", "b" the class and how strongly the channel speaks for it."""
    weight = np.zeros((3, n))
    for channel, classes in of_channel.items():
        for k, value in classes.items():
            weight["rgb".index(channel), k] = value
    return weight


def fairface_bytes() -> bytes:
    """A red face is East Asian and 30 to 39, a blue one Middle Eastern and a woman (FairFace: 0 male, 1 female)."""
    return onnx_of_mean_colour(
        224,
        {
            "race": (rows(7, r={3: 2.0}, b={6: 2.0}), np.zeros(7)),
            "gender": (rows(2, b={1: 2.0}), [0.5, 0.0]),
            "age": (rows(9, r={4: 6.0}, b={8: 6.0}), np.zeros(9)),
        },
    )


def genderage_bytes() -> bytes:
    """Of pixels from 0 to 255: red is male (1) and 51 years old, blue a woman (0) of 0 years."""
    weight = rows(3, r={1: 0.02, 2: 0.002}, b={0: 0.02})
    return onnx_of_mean_colour(96, {"out": (weight, np.zeros(3))})


# --- the packages ---


def _stand_in_uniface(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules with uniface's names; their preprocess cuts the box out and scales it as uniface's documentation says."""

    class FairFace:
        input_size: tuple[int, int]

        def preprocess(self, image: Any, box: Any) -> Any:
            x0, y0, x1, y1 = np.clip(np.asarray(box, int), 0, None)
            face = cv2.resize(image[y0:y1, x0:x1, ::-1], self.input_size).astype(np.float32) / 255
            face = (face - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
            return face.transpose(2, 0, 1)[None]

    class AgeGender:
        input_size: tuple[int, int]

        def preprocess(self, image: Any, box: Any) -> Any:
            x0, y0, x1, y1 = np.clip(np.asarray(box, int), 0, None)
            face = cv2.resize(image[y0:y1, x0:x1, ::-1], self.input_size).astype(np.float32)
            return face.transpose(2, 0, 1)[None]

    for name, members in {
        "uniface": {},
        "uniface.attribute": {},
        "uniface.attribute.fairface": {"FairFace": FairFace},
        "uniface.attribute.age_gender": {"AgeGender": AgeGender},
    }.items():
        module = types.ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture(params=["installed" if HAVE_UNIFACE else "stand-in"])
def uniface(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "stand-in":
        _stand_in_uniface(monkeypatch)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty models folder, an empty cache, and homes at which nothing answers."""
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("FACEVID_MODELS", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in uniface_attributes.PARTS.values():
        weight = weights.WEIGHTS[name]
        monkeypatch.setitem(weights.WEIGHTS, name, replace(weight, url=f"http://127.0.0.1:9/{weight.file}"))
    return folder


def pictures(*colours: tuple[int, int, int]) -> tuple[Any, Any]:
    """Pictures, RGB, each of a face in one colour before a green wall, and the meshes of the faces."""
    images = np.full((len(colours), 200, 200, 3), (0, 200, 0), np.uint8)
    meshes = np.full((len(colours), 478, 3), 100.0, np.float32)
    for k, colour in enumerate(colours):
        # uniface adds a quarter of the face on each side.
        images[k, 30:170, 30:170] = colour
        meshes[k, 0, :2], meshes[k, 2, :2] = (60, 60), (140, 140)
        for point, at in zip(
            uniface_attributes.FIVE_POINTS,
            [(82, 85), (118, 85), (100, 105), (85, 122), (115, 122)],
            strict=True,
        ):
            meshes[k, point, :2] = at
    return images, meshes


RED, BLUE = (255, 0, 0), (0, 0, 255)


def said(guesses: list[FaceGuess]) -> dict[tuple[str, str], str]:
    return {(g.name, g.model): g.value for g in guesses}


def test_every_word_given_is_of_the_vocabulary() -> None:
    assert set(uniface_attributes.ETHNICITY.values()) <= set(ATTRIBUTES["ethnicity"].values)
    assert set(uniface_attributes.EMOTION.values()) == set(ATTRIBUTES["emotion"].values)
    assert {"male", "female"} <= set(ATTRIBUTES["gender"].values)


@pytest.mark.skipif(not HAVE_UNIFACE, reason="needs uniface, which is not installed")
def test_classes_addresses_and_hashes_are_those_of_uniface() -> None:
    from uniface import constants
    from uniface.attribute import fairface

    assert list(uniface_attributes.ETHNICITY) == fairface.RACE_LABELS
    assert list(uniface_attributes.AGE_OF_GROUP) == fairface.AGE_LABELS
    for name, member in {
        "fairface": constants.FairFaceWeights.DEFAULT,
        "genderage": constants.AgeGenderWeights.DEFAULT,
        "affectnet8": constants.EmotionWeights.AFFECNET8,
    }.items():
        info = constants.MODEL_REGISTRY[member]
        assert (info.url, info.sha256) == (weights.WEIGHTS[name].url, weights.WEIGHTS[name].sha256)


@pytest.mark.usefixtures("uniface")
def test_fairface_is_read_from_the_models_folder_and_put_into_words(models: Path) -> None:
    (models / "fairface.onnx").write_bytes(fairface_bytes())
    model = backends.load("face_attributes", "uniface", parts=("fairface",))
    red, blue = said(model.read(*pictures(RED))), said(model.read(*pictures(BLUE)))
    assert red["ethnicity", "fairface"] == "east_asian"
    assert blue["ethnicity", "fairface"] == "middle_eastern"
    assert (red["gender", "fairface"], blue["gender", "fairface"]) == ("male", "female")
    assert red["age", "fairface"] in ("34", "35")
    assert blue["age", "fairface"] == "75"
    assert weights.sha256_of(models / "fairface.onnx")[:12] in model.version
    for guess in model.read(*pictures(RED)):
        ATTRIBUTES[guess.name].check(guess.value)
        assert guess.confidence is not None and 0 < guess.confidence <= 1
        assert sum(guess.scores.values()) == pytest.approx(1)


@pytest.mark.usefixtures("uniface")
def test_pictures_are_averaged_before_the_best_class_is_taken(models: Path) -> None:
    (models / "fairface.onnx").write_bytes(fairface_bytes())
    model = backends.load("face_attributes", "uniface", parts=("fairface",))
    one, other = model.read(*pictures(RED))[0], model.read(*pictures(BLUE))[0]
    both = model.read(*pictures(RED, BLUE, BLUE))[0]
    assert both.value == "middle_eastern"
    for label, score in both.scores.items():
        assert score == pytest.approx((one.scores[label] + 2 * other.scores[label]) / 3)


@pytest.mark.usefixtures("uniface")
def test_pictures_without_a_face_are_passed_over(models: Path) -> None:
    (models / "fairface.onnx").write_bytes(fairface_bytes())
    model = backends.load("face_attributes", "uniface", parts=("fairface",))
    images, meshes = pictures(RED, BLUE, BLUE)
    meshes[1], meshes[2] = np.nan, meshes[2] + 500
    assert model.read(images, meshes) == model.read(images[:1], meshes[:1])
    assert model.read(images[1:], meshes[1:]) == []
    assert model.read(images[:0], meshes[:0]) == []


@pytest.mark.usefixtures("uniface")
def test_age_and_gender_of_insightface_stand_beside_those_of_fairface(models: Path) -> None:
    (models / "fairface.onnx").write_bytes(fairface_bytes())
    (models / "genderage.onnx").write_bytes(genderage_bytes())
    model = backends.load("face_attributes", "uniface", parts=("fairface", "age_gender"))
    images, meshes = pictures(RED)
    images[:] = RED
    red = {(g.name, g.model): g for g in model.read(images, meshes)}
    assert red["age", "genderage"].value == "51"
    assert red["age", "genderage"].confidence is None
    assert red["gender", "genderage"].value == "male"
    assert ("age", "fairface") in red


@pytest.mark.skipif(not (HAVE_UNIFACE and HAVE_TORCH), reason="needs uniface and torch, not installed")
def test_emotions_are_read_from_a_torchscript_file(models: Path) -> None:
    import torch

    class Net(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(
                torch.tensor(rows(8, r={6: 2.0}, b={7: 2.0}), dtype=torch.float32)
            )

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x.mean((2, 3)) @ self.weight, x

    torch.jit.script(Net()).save(str(models / "affecnet8.script"))
    model = backends.load("face_attributes", "uniface", parts=("emotion",))
    assert said(model.read(*pictures(RED))) == {("emotion", "affectnet8"): "angry"}
    assert said(model.read(*pictures(BLUE))) == {("emotion", "affectnet8"): "contempt"}
    (models / "affecnet8.script").write_bytes(b"no model")
    with pytest.raises(backends.BackendError, match=r"affecnet8\.script is not a TorchScript model"):
        backends.load("face_attributes", "uniface", parts=("emotion",))


@pytest.mark.usefixtures("uniface", "models")
@pytest.mark.parametrize(("part", "file"), [("fairface", "fairface.onnx"), ("age_gender", "genderage.onnx")])
def test_missing_weights_are_named_with_their_home_and_the_folder(part: str, file: str) -> None:
    with pytest.raises(backends.BackendError) as raised:
        backends.load("face_attributes", "uniface", parts=(part,))
    sentence = str(raised.value)
    assert f"The weight file {file} is missing and could not be fetched from http" in sentence
    assert "set FACEVID_MODELS to that folder" in sentence


@pytest.mark.usefixtures("uniface")
def test_downloaded_weights_of_another_hash_are_refused(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: tuple[Path, str]
) -> None:
    folder, address = home
    (folder / "fairface.onnx").write_bytes(fairface_bytes())
    entry = replace(weights.WEIGHTS["fairface"], url=f"{address}/fairface.onnx")
    monkeypatch.setitem(weights.WEIGHTS, "fairface", entry)
    with pytest.raises(backends.BackendError, match=r"fairface\.onnx from .* has SHA-256 .* is not used"):
        backends.load("face_attributes", "uniface", parts=("fairface",))
    right = replace(entry, sha256=hashlib.sha256(fairface_bytes()).hexdigest())
    monkeypatch.setitem(weights.WEIGHTS, "fairface", right)
    model = backends.load("face_attributes", "uniface", parts=("fairface",))
    assert said(model.read(*pictures(RED)))["ethnicity", "fairface"] == "east_asian"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A weights home on this machine: its folder and its address."""
    folder = tmp_path / "home"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("uniface")
def test_a_file_that_is_no_model_is_named(models: Path) -> None:
    (models / "fairface.onnx").write_bytes(b"no model")
    with pytest.raises(backends.BackendError, match=r"fairface\.onnx is not an ONNX model"):
        backends.load("face_attributes", "uniface", parts=("fairface",))
    (models / "fairface.onnx").write_bytes(genderage_bytes())
    with pytest.raises(backends.BackendError, match="three outputs race, gender, age"):
        backends.load("face_attributes", "uniface", parts=("fairface",))


@pytest.mark.usefixtures("uniface")
def test_a_model_with_other_classes_is_refused(models: Path) -> None:
    heads = {"race": 4, "gender": 2, "age": 9}
    parts = {name: (np.zeros((3, n)), np.zeros(n)) for name, n in heads.items()}
    (models / "fairface.onnx").write_bytes(onnx_of_mean_colour(224, parts))
    model = backends.load("face_attributes", "uniface", parts=("fairface",))
    with pytest.raises(backends.BackendError, match="gives 4 classes of ethnicity, not the 7"):
        model.read(*pictures(RED))


@pytest.mark.usefixtures("uniface")
def test_input_of_another_shape_is_refused(models: Path) -> None:
    (models / "fairface.onnx").write_bytes(fairface_bytes())
    model = backends.load("face_attributes", "uniface", parts=("fairface",))
    images, meshes = pictures(RED)
    with pytest.raises(backends.BackendError, match=r"\(k, h, w, 3\)"):
        model.read(images[0], meshes)
    with pytest.raises(backends.BackendError, match=r"\(1, 478, 2 or 3\)"):
        model.read(images, meshes[:, :468])
    with pytest.raises(backends.BackendError, match="allowed parts: fairface, age_gender, emotion"):
        backends.load("face_attributes", "uniface", parts=("race",))


@pytest.mark.parametrize(
    ("kind", "name", "module"),
    [("face_attributes", "uniface", "uniface"), ("speech_recognizer", "faster-whisper", "faster_whisper")],
)
def test_without_the_package_the_extra_is_named(
    kind: str, name: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(backends.BackendError, match=r"run: pip install 'facevid\[models\]'"):
        backends.load(kind, name)
