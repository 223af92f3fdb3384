"""Faces seen from the front: the meshes of a clip without the head's turns, and the points that measures look at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facevid.annotate.observed import Floats

RIGID = (10, 67, 297, 109, 338, 151, 9, 168, 6, 197, 195, 5, 2, 33, 133, 362, 263, 127, 356, 234, 454)
"""Points that follow the skull: no muscle of the face moves them far (mediapipe's canonical numbering)."""
EYES = ((33, 160, 158, 133, 153, 144), (263, 387, 385, 362, 380, 373))
"""p1 to p6 of the eye aspect ratio, the subject's right and left eye: outer corner, upper lid, inner corner, lower."""
RIGHT_IRIS, LEFT_IRIS = slice(468, 473), slice(473, 478)
MOUTH_CORNERS = (61, 291)
INNER_LIPS = (13, 14)
NOSE_BASE = 2
BROWS = ((70, 63, 105, 66, 107), (300, 293, 334, 296, 336))
"""Upper edge of the brows, outer end first, the subject's right and left."""
INNER_BROWS = (107, 336)
FOREHEAD, CHIN = 10, 152


def seen_frames(mesh: Floats, pose: Floats) -> NDArray[np.bool_]:
    """Which frames (n,) have a mesh (n, 478, 3) and a pose (n, 3)."""
    valid = np.isfinite(mesh).all(axis=(1, 2)) & np.isfinite(pose).all(axis=1)
    spread = np.zeros(len(valid))
    spread[valid] = np.linalg.norm(mesh[valid, 33] - mesh[valid, 263], axis=-1)
    return np.asarray(valid & (spread > 1e-3))  # an empty mesh is all zeros


def to_front(
    mesh: NDArray[np.float64], pose: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Meshes (n, 478, 3) in eye distances seen from the front, each frame's rotation (n, 3, 3), and how many pixels
    its eye distance is (n,).

    The template is the median of the meshes turned back by their own pose; each mesh is then laid onto it by the
    rotation and scale of Umeyama (1991).
    """
    points = mesh[:, RIGID]
    centred = points - points.mean(axis=1, keepdims=True)
    rough = centred @ _rotations(pose)  # row vectors: p @ R is the inverse rotation of p
    rough /= np.linalg.norm(mesh[:, 33] - mesh[:, 263], axis=1)[:, None, None]
    template = np.median(rough, axis=0)
    template -= template.mean(axis=0)
    u, size, vt = np.linalg.svd(np.einsum("nki,kj->nij", centred, template))
    flip = np.sign(np.linalg.det(u) * np.linalg.det(vt))
    u[:, :, 2] *= flip[:, None]
    size[:, 2] *= flip
    turns = u @ vt  # head to picture
    scale = size.sum(axis=1) / (template**2).sum()
    face = (mesh - points.mean(axis=1, keepdims=True)) @ turns / scale[:, None, None]
    return face, turns, scale


def _rotations(pose: NDArray[np.float64]) -> NDArray[np.float64]:
    """R = Ry Rx Rz of yaw, pitch, roll (n, 3) in degrees, head to picture: x right, y down, z away."""
    yaw, pitch, roll = np.radians(pose).T
    zero, one = np.zeros_like(yaw), np.ones_like(yaw)

    def matrix(*rows: tuple[NDArray[np.float64], ...]) -> NDArray[np.float64]:
        return np.asarray(np.stack([np.stack(row, axis=-1) for row in rows], axis=-2))

    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    about_y = matrix((cy, zero, -sy), (zero, one, zero), (sy, zero, cy))
    about_x = matrix((one, zero, zero), (zero, cp, sp), (zero, -sp, cp))
    about_z = matrix((cr, -sr, zero), (sr, cr, zero), (zero, zero, one))
    return np.asarray(about_y @ about_x @ about_z)
