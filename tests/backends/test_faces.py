"""The face detector finds every face once at sizes that footage has, and none where there is none."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from facevid import backends
from facevid.backends.protocols import Box

from .conftest import Image, read_frames


def overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    shared = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return shared / (areas - shared)


def test_each_person_is_found_once(detector: backends.FaceDetector, faces: dict[str, list[Image]]) -> None:
    for name, images in faces.items():
        for image in images:
            found = detector.detect(image)
            assert len(found) == 1, name
            assert found[0].score >= 0.6
            assert found[0].points.shape == (6, 2)
            assert found[0].points.dtype == np.float32


@pytest.mark.parametrize("width", [80, 150, 400])
def test_a_face_in_a_wide_picture_is_found_where_it_is(
    width: int, detector: backends.FaceDetector, faces: dict[str, list[Image]]
) -> None:
    image = faces["d10"][0]
    box = detector.detect(image)[0].box
    scale = width / (box[2] - box[0])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    picture = np.full((720, 1280, 3), 90, np.uint8)
    picture[20 : 20 + small.shape[0], 500 : 500 + small.shape[1]] = small[:700]
    found = detector.detect(picture)
    assert len(found) == 1
    left, top, right, bottom = (value * scale for value in box)
    assert overlap(found[0].box, (left + 500, top + 20, right + 500, bottom + 20)) > 0.6


def test_a_face_that_fills_the_picture_is_found(
    detector: backends.FaceDetector, faces: dict[str, list[Image]]
) -> None:
    for name in ("d3", "d10", "kh"):
        image = faces[name][0]
        x0, y0, x1, y1 = (max(0, round(value)) for value in detector.detect(image)[0].box)
        close = np.ascontiguousarray(image[y0:y1, x0:x1])
        found = detector.detect(close)
        assert len(found) == 1, name
        assert overlap(found[0].box, (0, 0, close.shape[1], close.shape[0])) > 0.5, name


def test_two_faces_side_by_side_are_two(
    detector: backends.FaceDetector, faces: dict[str, list[Image]]
) -> None:
    picture = np.hstack([faces["d3"][0], faces["d10"][0]])
    boxes = sorted(face.box for face in detector.detect(picture))
    assert len(boxes) == 2
    assert boxes[0][2] < 560 < boxes[1][2]


def test_no_face_in_noise_or_blank_pictures(detector: backends.FaceDetector) -> None:
    rng = np.random.default_rng(0)
    for cells in (4, 16, 64):
        noise = cv2.resize(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8), (640, 480))
        assert detector.detect(noise) == []
    for value in (0, 128, 255):
        assert detector.detect(np.full((360, 640, 3), value, np.uint8)) == []


def test_what_is_found_in_pictures_without_people_has_no_mesh(
    detector: backends.FaceDetector, mesh_model: backends.FaceMesh, clips: Path
) -> None:
    false = 0
    for image in read_frames(clips / "broll.mp4", step=4, count=80):
        for face in detector.detect(image):
            false += 1
            assert mesh_model.tracker().update(image, face.box) is None
    assert false <= 4


def test_the_same_picture_gives_the_same_bytes(
    detector: backends.FaceDetector, faces: dict[str, list[Image]]
) -> None:
    first = detector.detect(faces["d3"][0])[0]
    detector.detect(faces["kh"][0])
    again = detector.detect(faces["d3"][0])[0]
    fresh = backends.load("face_detector", "mediapipe").detect(faces["d3"][0])[0]
    assert first.box == again.box == fresh.box
    assert first.points.tobytes() == again.points.tobytes() == fresh.points.tobytes()


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(backends.BackendError, match="full, short and both"):
        backends.load("face_detector", "mediapipe", model="long")


def test_the_version_names_package_and_weights(detector: backends.FaceDetector) -> None:
    assert detector.version == "mediapipe 0.10.21 weights 2c3728e6da56"
