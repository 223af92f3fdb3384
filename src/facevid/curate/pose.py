"""Geometry of one 478-point mesh: head pose, mouth opening, face size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

FOREHEAD, CHIN = 10, 152
RIGHT_EYE, LEFT_EYE = 33, 263
"""Outer eye corners, the subject's right and left (mediapipe's canonical face model)."""
UPPER_LIP, LOWER_LIP = 13, 14
"""Inner edges of the lips, in the middle."""
FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
"""The outline of the face, in order around it (mediapipe's FACEMESH_FACE_OVAL)."""


def head_pose(mesh: Floats) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees of a (478, 3) mesh with x right, y down, z away from the camera.

    The head's axes are read off the mesh: x from the right to the left outer eye corner, y from forehead
    to chin made square to it. Yaw > 0 turns the face to the picture's right, pitch > 0 lifts the chin,
    roll > 0 tilts the head clockwise in the picture. The head is rolled first, then pitched, then turned
    (R = Ry Rx Rz), so yaw and pitch say where the face points, whatever its roll.
    """
    x = mesh[LEFT_EYE] - mesh[RIGHT_EYE]
    x = x / (np.linalg.norm(x) + 1e-9)
    y = mesh[CHIN] - mesh[FOREHEAD]
    y = y - (y @ x) * x
    y = y / (np.linalg.norm(y) + 1e-9)
    z = np.cross(x, y)
    yaw = np.degrees(np.arctan2(-z[0], z[2]))
    pitch = np.degrees(np.arctan2(z[1], np.hypot(z[0], z[2])))
    roll = np.degrees(np.arctan2(x[1], y[1]))
    return float(yaw), float(pitch), float(roll)


def face_height(mesh: Floats) -> float:
    """Forehead to chin in pixels, in three dimensions, so that turning the head does not shrink it."""
    return float(np.linalg.norm(mesh[CHIN] - mesh[FOREHEAD]))


def mouth_opening(mesh: Floats) -> float:
    """Distance of the inner lips over the face height; 0 closed, about 0.2 wide open."""
    return float(np.linalg.norm(mesh[LOWER_LIP] - mesh[UPPER_LIP])) / max(face_height(mesh), 1e-6)


def mesh_box(mesh: Floats) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1 around the face's 468 points, in the mesh's pixels."""
    low, high = mesh[:468, :2].min(axis=0), mesh[:468, :2].max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])
