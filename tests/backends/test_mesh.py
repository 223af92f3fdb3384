"""The mesh follows a face, is lost when the face is, and gives the same bytes for the same calls."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facevid import backends

from .conftest import Image


def run(model: backends.FaceMesh, images: list[Image], box: tuple[float, ...]) -> list[np.ndarray]:
    tracker = model.tracker()
    meshes = [tracker.update(image, box) for image in images]
    assert all(mesh is not None for mesh in meshes)
    return [mesh for mesh in meshes if mesh is not None]


def test_the_mesh_has_478_points_in_pixels_of_the_picture(
    mesh_model: backends.FaceMesh, detector: backends.FaceDetector, faces: dict[str, list[Image]]
) -> None:
    for name, images in faces.items():
        face = detector.detect(images[0])[0]
        mesh = mesh_model.tracker().update(images[0], face.box)
        assert mesh is not None, name
        assert mesh.shape == (478, 3)
        assert mesh.dtype == np.float32
        width = face.box[2] - face.box[0]
        # The detector's own eye points (subject's right, left) must lie at the irises' centres.
        for iris, eye in ((468, 0), (473, 1)):
            assert np.linalg.norm(mesh[iris, :2] - face.points[eye]) < 0.1 * width, name


def test_it_agrees_with_mediapipes_own_face_mesh(
    mesh_model: backends.FaceMesh, detector: backends.FaceDetector, motion: list[Image]
) -> None:
    import mediapipe

    reference = mediapipe.solutions.face_mesh.FaceMesh(refine_landmarks=True)
    ours = run(mesh_model, motion, detector.detect(motion[0])[0].box)
    height, width = motion[0].shape[:2]
    for image, mesh in zip(motion[3:], ours[3:], strict=True):
        marks = reference.process(image).multi_face_landmarks[0].landmark
        theirs = np.array([(mark.x * width, mark.y * height) for mark in marks])
        assert np.abs(mesh[:, :2] - theirs).mean() < 1.5


def test_same_calls_same_bytes_on_fresh_used_and_released_trackers(
    mesh_model: backends.FaceMesh,
    detector: backends.FaceDetector,
    motion: list[Image],
    faces: dict[str, list[Image]],
) -> None:
    box = detector.detect(motion[0])[0].box
    first = run(mesh_model, motion, box)
    tracker = mesh_model.tracker()
    other = detector.detect(faces["kh"][0])[0].box
    assert tracker.update(faces["kh"][0], other) is not None
    tracker.release()
    again = [tracker.update(image, box) for image in motion]
    fresh = run(backends.load("face_mesh", "mediapipe"), motion, box)
    for a, b, c in zip(first, again, fresh, strict=True):
        assert b is not None
        assert a.tobytes() == b.tobytes() == c.tobytes()


def test_trackers_used_by_turns_do_not_disturb_each_other(
    mesh_model: backends.FaceMesh,
    detector: backends.FaceDetector,
    motion: list[Image],
    faces: dict[str, list[Image]],
) -> None:
    box = detector.detect(motion[0])[0].box
    alone = run(mesh_model, motion[:4], box)
    one, two = mesh_model.tracker(), mesh_model.tracker()
    still = faces["kh"][0]
    for image, expected in zip(motion[:4], alone, strict=True):
        mesh = one.update(image, box)
        assert mesh is not None
        assert two.update(still, detector.detect(still)[0].box) is not None
        assert mesh.tobytes() == expected.tobytes()


def test_a_lost_face_gives_none_and_a_new_one_is_picked_up(
    mesh_model: backends.FaceMesh, detector: backends.FaceDetector, motion: list[Image]
) -> None:
    box = detector.detect(motion[0])[0].box
    tracker = mesh_model.tracker()
    assert tracker.update(motion[0], box) is not None
    assert tracker.presence > 0.9
    assert tracker.update(np.full_like(motion[0], 128), box) is None
    assert tracker.presence < 0.5
    assert tracker.update(motion[1], box) is not None


def test_a_moving_face_is_followed_with_an_old_box(
    mesh_model: backends.FaceMesh, detector: backends.FaceDetector, faces: dict[str, list[Image]]
) -> None:
    image = faces["d10"][0]
    box = detector.detect(image)[0].box
    tracker = mesh_model.tracker()
    start = tracker.update(image, box)
    assert start is not None
    for shift in range(4, 80, 4):
        moved = cv2.warpAffine(
            image, np.float32([[1, 0, shift], [0, 1, 0]]), (image.shape[1], image.shape[0])
        )
        mesh = tracker.update(moved, box)
        assert mesh is not None
        assert np.abs(mesh[:, 0] - start[:, 0] - shift).mean() < 3


@pytest.mark.parametrize("scale", [0.2, 0.5, 3.0])
def test_the_mesh_scales_with_the_picture(
    scale: float,
    mesh_model: backends.FaceMesh,
    detector: backends.FaceDetector,
    faces: dict[str, list[Image]],
) -> None:
    image = faces["d10"][0]
    box = detector.detect(image)[0].box
    mesh = mesh_model.tracker().update(image, box)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    other = cv2.resize(image, None, fx=scale, fy=scale, interpolation=method)
    scaled = mesh_model.tracker().update(other, tuple(value * scale for value in box))
    assert mesh is not None
    assert scaled is not None
    width = box[2] - box[0]
    assert np.abs(scaled / scale - mesh)[:, :2].mean() < 0.02 * width


def test_a_tilted_face_at_the_edge_of_the_picture_is_found(
    mesh_model: backends.FaceMesh, detector: backends.FaceDetector, faces: dict[str, list[Image]]
) -> None:
    image = faces["d10"][0]
    height, width = image.shape[:2]
    box = detector.detect(image)[0].box
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    turned = cv2.warpAffine(image, cv2.getRotationMatrix2D(middle, 30, 1.0), (width, height))
    left = round(box[0] + 0.1 * (box[2] - box[0]))
    cut = np.ascontiguousarray(turned[:, left:])
    mesh = mesh_model.tracker().update(cut, (box[0] - left, box[1], box[2] - left, box[3]))
    assert mesh is not None
    eyes = mesh[263, :2] - mesh[33, :2]
    assert np.degrees(np.arctan2(-eyes[1], eyes[0])) == pytest.approx(30, abs=6)


@pytest.mark.parametrize("box", [(10.0, 10.0, 10.0, 10.0), (-500.0, -500.0, -400.0, -400.0)])
def test_an_empty_or_outside_box_is_no_face(
    box: tuple[float, ...], mesh_model: backends.FaceMesh, motion: list[Image]
) -> None:
    assert mesh_model.tracker().update(motion[0], box) is None
