"""The default backends see the faces: boxes, mesh, and the truth in them."""

from __future__ import annotations

import numpy as np
import pytest

from facevid.synth import make_people
from facevid.synth.figure import Figure
from facevid.synth.segments import Plan, Segment

pytest.importorskip("mediapipe")

from facevid import backends


def test_faces_are_found_and_their_mesh_follows_the_truth() -> None:
    detector = backends.load("face_detector", "mediapipe")
    mesh = backends.load("face_mesh", "mediapipe")
    yaw: list[tuple[float, float]] = []
    mouth: list[tuple[float, float]] = []
    for person in make_people(2, 1):
        segment = Segment(
            Plan("clean", person, None, 60, 0, "cut", 3), (640, 360), 25, {person.name: Figure(person)}
        )
        tracker = mesh.tracker()
        shot = segment.shots[0]
        for i, picture in enumerate(segment.frames()):
            if i % 5:
                continue
            faces = detector.detect(np.ascontiguousarray(picture))
            assert len(faces) == 1
            points = tracker.update(picture, faces[0].box)
            assert points is not None
            across = points[263] - points[33]
            yaw.append((shot.act.poses[i].yaw, float(np.degrees(np.arctan2(across[2], across[0])))))
            tall = float(np.ptp(points[:, 1]))
            opening = shot.figure.opening(shot.figure.face(shot.act.poses[i]))
            mouth.append((opening, float(np.linalg.norm(points[13] - points[14])) / tall))
        tracker.release()
    assert np.corrcoef(np.array(yaw).T)[0, 1] > 0.85
    assert np.corrcoef(np.array(mouth).T)[0, 1] > 0.6
