"""What a face does, frame by frame: eyes, gaze, mouth, brows and head angles of a clip's meshes, in units of the face.

The meshes are first turned to the front: each is laid onto the clip's own mean shape by the points that no muscle
moves (forehead, bridge and base of the nose, eye corners, temples), so a nod does not raise the brows and an open
mouth does not lift the chin.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facevid.annotate.frontal import (
    BROWS,
    EYES,
    INNER_BROWS,
    INNER_LIPS,
    LEFT_IRIS,
    MOUTH_CORNERS,
    NOSE_BASE,
    RIGHT_IRIS,
    seen_frames,
    to_front,
)
from facevid.annotate.lids import seen_open
from facevid.annotate.observed import Floats, Observed

STEADY_S = 0.16
"""Width of the smoothing window: an expression takes 0.25 s or more to build up (Schmidt et al. 2003)."""


@dataclass(frozen=True)
class Signals:
    """Signals of n frames, all (n,) float32 and finite. One eye distance is that of the outer eye corners, 9 cm.

    open_right, open_left: how far the subject's eyes are open, as a share of the clip's own open eye: the mean of what
    mesh and pictures say (see `lids.py`); without pictures the eye aspect ratio. gape: gap of the inner lips in eye
    distances. mouth_width: corner to corner in eye distances. corner_lift: height of the mouth's corners over the base
    of the nose in eye distances (negative: below). corner_slope: height of the corners over the
    middle of the lips. brow_height: brows over the line of the eyes, in eye distances. brow_gap: between the inner ends
    of the brows, in eye distances. inner_height: inner ends of the brows over the line of the eyes. gaze_right,
    gaze_left: iris of the subject's right and left eye from the middle between the eye's corners, in eye widths, to the
    right in the picture; gaze_y: up, both eyes averaged. yaw, pitch, roll: degrees, signs as in Observed, from the
    rigid points. valid: frames with a mesh.
    """

    fps: float
    open_right: Floats
    open_left: Floats
    gape: Floats
    mouth_width: Floats
    corner_lift: Floats
    corner_slope: Floats
    brow_height: Floats
    inner_height: Floats
    brow_gap: Floats
    gaze_right: Floats
    gaze_left: Floats
    gaze_y: Floats
    yaw: Floats
    pitch: Floats
    roll: Floats
    valid: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.valid)


def measure_signals(o: Observed) -> Signals | None:
    """The signals of a clip; None where fewer than two frames have a mesh and a pose.

    Frames without one take the values between their neighbours and are marked in `valid`.
    """
    valid = seen_frames(o.mesh, o.pose)
    if valid.sum() < 2:
        return None
    face, turns, _ = to_front(o.mesh[valid].astype(np.float64), o.pose[valid].astype(np.float64))
    angles = _angles(turns)
    found: dict[str, NDArray[np.float64]] = {
        "open_right": _aspect(face, EYES[0]),
        "open_left": _aspect(face, EYES[1]),
        "gape": np.linalg.norm(face[:, INNER_LIPS[1]] - face[:, INNER_LIPS[0]], axis=1),
        "mouth_width": np.linalg.norm(face[:, MOUTH_CORNERS[1]] - face[:, MOUTH_CORNERS[0]], axis=1),
        "corner_lift": face[:, NOSE_BASE, 1] - face[:, MOUTH_CORNERS, 1].mean(axis=1),
        "corner_slope": face[:, INNER_LIPS, 1].mean(axis=1) - face[:, MOUTH_CORNERS, 1].mean(axis=1),
        "brow_height": _eye_line(face) - face[:, BROWS[0] + BROWS[1], 1].mean(axis=1),
        "inner_height": _eye_line(face) - face[:, INNER_BROWS, 1].mean(axis=1),
        "brow_gap": np.linalg.norm(face[:, INNER_BROWS[1]] - face[:, INNER_BROWS[0]], axis=1),
        "yaw": angles[:, 0],
        "pitch": angles[:, 1],
        "roll": angles[:, 2],
    }
    if o.upper is not None:
        for name, seen in zip(("open_right", "open_left"), seen_open(o.upper)[:, valid], strict=True):
            found[name] = (share_of_open(found[name]) + share_of_open(seen)) / 2
    looks = _gaze(face, EYES[0], RIGHT_IRIS), _gaze(face, EYES[1], LEFT_IRIS)
    found["gaze_right"], found["gaze_left"] = looks[0][:, 0], looks[1][:, 0]
    found["gaze_y"] = (looks[0][:, 1] + looks[1][:, 1]) / 2
    frames = np.arange(len(valid))
    filled = {
        name: np.interp(frames, frames[valid], values).astype(np.float32) for name, values in found.items()
    }
    return Signals(o.fps, **filled, valid=valid)


def share_of_open(opening: NDArray[Any]) -> NDArray[np.float64]:
    """`opening` of an eye (n,) over its 85th percentile: eyes are shut for a twentieth of the time."""
    return np.asarray(opening / max(float(np.percentile(opening, 85)), 1e-3), np.float64)


def smooth(values: Floats, fps: float, seconds: float = STEADY_S) -> Floats:
    """`values` (n,) under a Hann window of `seconds`; the ends are mirrored. Windows under three frames change none."""
    half = min(round(seconds * fps / 2), len(values) - 1)
    if half < 1:
        return values
    window = np.hanning(2 * half + 3)[1:-1]
    padded = np.pad(values, half, mode="reflect")
    return np.convolve(padded, window / window.sum(), "valid").astype(np.float32)


def runs(on: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First frame and frame after the last of each stretch in which `on` (n,) is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], on, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def bridged(on: NDArray[np.bool_], frames: int) -> NDArray[np.bool_]:
    """`on` with every gap of at most `frames` frames between two stretches closed."""
    out = on.copy()
    found = runs(on)
    for (_, end), (start, _) in pairwise(found):
        if start - end <= frames:
            out[end:start] = True
    return out


def spans(track: NDArray[Any], least: float, edge: float, gap: int = 0) -> list[tuple[int, int]]:
    """Stretches around every peak of `track` (n,) over `least`, out to where it falls under `edge` of that peak.

    Peaks at most `gap` frames apart are one.
    """
    found: list[tuple[int, int]] = []
    for first, last in runs(bridged(track > least, gap)):
        level = edge * float(track[first:last].max())
        around = [
            (a, b) for a, b in runs(bridged(track > min(level, least), gap)) if a <= first and last <= b
        ]
        if around and (not found or around[0][0] >= found[-1][1]):
            found += around
        elif around:
            found[-1] = (min(found[-1][0], around[0][0]), max(found[-1][1], around[0][1]))
    return found


def lasting(found: Iterable[tuple[int, int]], seconds: float, fps: float) -> list[tuple[int, int]]:
    return [(a, b) for a, b in found if b - a >= seconds * fps]


def confidence(value: float, threshold: float) -> float:
    """Confidence of a signal that passed its threshold, 1 - threshold / (2 value): .5 at it, .75 at twice it."""
    return round(float(np.clip(1 - threshold / max(2 * value, 1e-9), 0.0, 1.0)), 3)


def _angles(turns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Yaw, pitch, roll (n, 3) in degrees of rotations R = Ry Rx Rz; the inverse of `_rotations`."""
    yaw = np.arctan2(-turns[:, 0, 2], turns[:, 2, 2])
    pitch = np.arctan2(turns[:, 1, 2], np.hypot(turns[:, 0, 2], turns[:, 2, 2]))
    roll = np.arctan2(turns[:, 1, 0], turns[:, 1, 1])
    return np.asarray(np.degrees(np.stack([yaw, pitch, roll], axis=1)))


def _aspect(face: NDArray[np.float64], eye: tuple[int, ...]) -> NDArray[np.float64]:
    """Eye aspect ratio (Soukupova & Cech 2016, eq. 1) of the frontal face."""
    p1, p2, p3, p4, p5, p6 = (face[:, k] for k in eye)
    height = np.linalg.norm(p2 - p6, axis=1) + np.linalg.norm(p3 - p5, axis=1)
    return np.asarray(height / np.maximum(2 * np.linalg.norm(p1 - p4, axis=1), 1e-6))


def _gaze(face: NDArray[np.float64], eye: tuple[int, ...], iris: slice) -> NDArray[np.float64]:
    """Iris (n, 2) from the middle of the eye's corners in eye widths, right and up."""
    a, b = face[:, eye[0], :2], face[:, eye[3], :2]
    across = (face[:, iris, :2].mean(axis=1) - (a + b) / 2) / np.maximum(
        np.linalg.norm(a - b, axis=1, keepdims=True), 1e-6
    )
    return np.asarray(across * (1.0, -1.0))


def _eye_line(face: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(face[:, (33, 133, 362, 263), 1].mean(axis=1))
