"""Hands, identity, speech and text: found where they are, not where they are not, the same each time."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from facevid import backends

from .conftest import Image


@pytest.fixture(scope="module")
def hands() -> backends.HandDetector:
    return backends.load("hand_detector", "mediapipe")


@pytest.fixture(scope="module")
def embedder() -> backends.FaceEmbedder:
    return backends.load("face_embedder", "dlib")


@pytest.fixture(scope="module")
def speech() -> backends.SpeechDetector:
    return backends.load("speech_detector", "silero")


@pytest.fixture(scope="module")
def text() -> backends.TextDetector:
    return backends.load("text_detector", "rapidocr")


@pytest.fixture(scope="module")
def spoken(clips: Path) -> np.ndarray:
    """Ten seconds of recorded speech, 16 kHz mono."""
    path = sorted((clips.parent / "speech").iterdir())[0]
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=16000)
        blocks = [
            part.to_ndarray()[0] for frame in container.decode(audio=0) for part in resampler.resample(frame)
        ]
    return np.concatenate(blocks)[:160000]


def test_a_hand_is_found_and_faces_are_no_hands(
    hands: backends.HandDetector, clips: Path, faces: dict[str, list[Image]]
) -> None:
    picture = cv2.cvtColor(
        cv2.imread(str(clips.parent / "hand.png"), cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA
    )
    opaque = picture[:, :, 3:] / 255
    shown = (picture[:, :, :3] * opaque + 128 * (1 - opaque)).astype(np.uint8)
    scene = np.full((640, 640, 3), 128, np.uint8)
    small = cv2.resize(
        shown, (320, round(320 * shown.shape[0] / shown.shape[1])), interpolation=cv2.INTER_AREA
    )
    scene[60 : 60 + small.shape[0], 160:480] = small[:580]
    found = hands.detect(scene)
    assert len(found) == 1
    assert found[0].points.shape == (21, 3)
    x0, y0, x1, y1 = found[0].box
    assert 100 < x0 < x1 < 540
    assert 0 < y0 < y1
    assert hands.detect(scene)[0].points.tobytes() == found[0].points.tobytes()
    # d12 shows fingers at the edge in some pictures.
    assert sum(len(hands.detect(images[1])) for name, images in faces.items() if name != "d12") == 0


def test_same_person_is_near_and_others_are_far(
    embedder: backends.FaceEmbedder,
    detector: backends.FaceDetector,
    mesh_model: backends.FaceMesh,
    faces: dict[str, list[Image]],
) -> None:
    def embed(image: Image) -> np.ndarray:
        mesh = mesh_model.tracker().update(image, detector.detect(image)[0].box)
        assert mesh is not None
        chip = embedder.chip(image, mesh)
        assert chip.shape == (150, 150, 3)
        assert chip.dtype == np.uint8
        return embedder.embed(chip[None])[0]

    vectors = {name: [embed(image) for image in images] for name, images in faces.items()}
    same = [float(np.linalg.norm(a - b)) for a, b in vectors.values()]
    names = sorted(vectors)
    others = [
        float(np.linalg.norm(vectors[a][0] - vectors[b][0]))
        for index, a in enumerate(names)
        for b in names[:index]
    ]
    assert np.mean(same) < 0.35
    assert max(same) < min(others) + 0.1
    assert min(others) > 0.4
    assert np.mean(others) > 0.7


def test_the_chip_does_not_depend_on_the_size_of_the_picture(
    embedder: backends.FaceEmbedder,
    detector: backends.FaceDetector,
    mesh_model: backends.FaceMesh,
    faces: dict[str, list[Image]],
) -> None:
    image = faces["d3"][0]
    mesh = mesh_model.tracker().update(image, detector.detect(image)[0].box)
    assert mesh is not None
    large = cv2.resize(image, None, fx=4, fy=4, interpolation=cv2.INTER_LINEAR)
    chips = np.stack([embedder.chip(image, mesh), embedder.chip(large, mesh * 4)])
    assert np.abs(chips[0].astype(int) - chips[1]).mean() < 6
    vectors = embedder.embed(chips)
    assert np.linalg.norm(vectors[0] - vectors[1]) < 0.15


def test_chips_of_another_shape_are_refused(embedder: backends.FaceEmbedder) -> None:
    with pytest.raises(backends.BackendError, match=r"\(n, 150, 150, 3\)"):
        embedder.embed(np.zeros((1, 112, 112, 3), np.uint8))
    assert embedder.embed(np.zeros((0, 150, 150, 3), np.uint8)).shape == (0, 128)


def test_speech_is_told_from_silence_noise_and_a_tone(
    speech: backends.SpeechDetector, spoken: np.ndarray
) -> None:
    speech.reset()
    assert np.mean(speech.probabilities(spoken) > 0.5) > 0.6
    seconds = np.arange(48000) / 16000
    quiet = np.zeros(48000, np.float32)
    noise = np.random.default_rng(0).normal(0, 0.1, 48000).astype(np.float32)
    tone = (0.3 * np.sin(2 * np.pi * 440 * seconds)).astype(np.float32)
    for sound in (quiet, noise, tone):
        speech.reset()
        assert np.mean(speech.probabilities(sound) > 0.5) < 0.05


def test_sound_in_pieces_gives_what_the_whole_gives(
    speech: backends.SpeechDetector, spoken: np.ndarray
) -> None:
    speech.reset()
    whole = speech.probabilities(spoken[:50000])
    assert whole.shape == (98,)
    assert whole.dtype == np.float32
    speech.reset()
    pieces = [
        speech.probabilities(part, final=False) for part in np.split(spoken[:50000], [700, 20001, 30000])
    ]
    pieces.append(speech.probabilities(np.zeros(0, np.float32)))
    assert np.concatenate(pieces).tobytes() == whole.tobytes()


def test_stereo_sound_is_refused(speech: backends.SpeechDetector) -> None:
    with pytest.raises(backends.BackendError, match="mono"):
        speech.probabilities(np.zeros((2, 512), np.float32))


def test_text_is_read_where_it_stands(text: backends.TextDetector) -> None:
    picture = np.full((512, 512, 3), 60, np.uint8)
    cv2.putText(
        picture, "Evening news", (80, 440), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (250, 250, 250), 2, cv2.LINE_AA
    )
    found = text.read(picture)
    assert "".join(box.text for box in found).replace(" ", "") == "Eveningnews"
    assert all(box.confidence > 0.8 for box in found)
    corners = np.concatenate([box.quad for box in found])
    assert corners.dtype == np.float32
    assert 60 < corners[:, 0].min() < 110
    assert 390 < corners[:, 1].min() < corners[:, 1].max() < 470


def test_faces_carry_no_line_of_text(text: backends.TextDetector, faces: dict[str, list[Image]]) -> None:
    for name in ("d0", "d3", "d12", "kh"):
        assert sum(len(box.text) for box in text.read(faces[name][0])) <= 2, name


def test_the_text_detector_never_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    from rapidocr.utils.download_file import DownloadFile

    def refuse(*_: object) -> None:
        raise AssertionError("rapidocr tried to download")

    monkeypatch.setattr(DownloadFile, "run", refuse)
    fresh = backends.load("text_detector", "rapidocr", max_side=256)
    assert fresh.read(np.zeros((64, 64, 3), np.uint8)) == []
