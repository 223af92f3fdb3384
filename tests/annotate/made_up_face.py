"""A made-up face mesh that moves as told: the points that the measures of actions look at, in centimetres, posed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from facevid.annotate.observed import Observed

FPS = 25.0
PIXELS_PER_CM = 20.0
RIGHT_EYE, LEFT_EYE = (33, 160, 158, 133, 153, 144), (263, 387, 385, 362, 380, 373)
Track = Callable[[NDArray[np.float64]], NDArray[np.float64]]

# x to the picture's right, y down, z away; centimetres from between the eyes; the subject's right side, then mirrored
_MIDDLE = {
    10: (0, -6.5, 1), 151: (0, -4.5, 0.3), 9: (0, -2.5, 0), 168: (0, -0.5, 0.2), 6: (0, 0.5, 0), 197: (0, 1.5, -0.7),
    195: (0, 2.3, -1.4), 5: (0, 3, -2), 2: (0, 4.3, -1), 152: (0, 11.5, 1.5), 13: (0, 6.5, -0.6), 14: (0, 6.52, -0.6),
}  # fmt: skip
_SIDES = {
    (67, 297): (-3, -6, 1.4), (109, 338): (-1.6, -6.4, 1.1), (127, 356): (-7, 0, 6), (234, 454): (-7.2, 2, 7),
    (61, 291): (-2.5, 6.6, 0.4), (70, 300): (-5.3, -1.6, 2), (63, 293): (-4.6, -2.2, 1.4),
    (105, 334): (-3.7, -2.5, 0.9), (66, 296): (-2.6, -2.4, 0.5), (107, 336): (-1.5, -2.1, 0.2),
}  # fmt: skip


def still_face() -> NDArray[np.float64]:
    """(478, 3) centimetres; points that no measure looks at lie spread over the face."""
    rng = np.random.default_rng(1)
    face = rng.uniform((-6, -6, 0), (6, 11, 3), (478, 3))
    for k, place in _MIDDLE.items():
        face[k] = place
    for (right, left), (x, y, z) in _SIDES.items():
        face[right], face[left] = (x, y, z), (-x, y, z)
    for eye, sign, iris in ((RIGHT_EYE, 1, 468), (LEFT_EYE, -1, 473)):
        places = ((-4.5, 0), (-3.6, -0.45), (-2.4, -0.45), (-1.5, 0), (-2.4, 0.45), (-3.6, 0.45))
        for k, (x, y) in zip(eye, places, strict=True):
            face[k] = (sign * x, y, 0.8)
        face[iris : iris + 5] = (sign * -3.0, 0, 0.8)
    return face


def act(
    seconds: float,
    *,
    yaw: Track | None = None,
    pitch: Track | None = None,
    roll: Track | None = None,
    right_eye: Track | None = None,
    left_eye: Track | None = None,
    corners_out: Track | None = None,
    corners_up: Track | None = None,
    lips: Track | None = None,
    brows_up: Track | None = None,
    gaze_right: Track | None = None,
    left_iris_right: Track | None = None,
    speech: Track | None = None,
    noise_px: float = 0.2,
    fps: float = FPS,
) -> Observed:
    """`seconds` of the face; tracks take times (n,) in s: degrees, lid openings 0..1, centimetres, probability."""
    n = round(seconds * fps)
    t = np.arange(n) / fps

    def track(f: Track | None, otherwise: float = 0.0) -> NDArray[np.float64]:
        return np.full(n, otherwise) if f is None else np.asarray(f(t), float)

    face = np.repeat(still_face()[None], n, axis=0)
    for eye, opening in ((RIGHT_EYE, track(right_eye, 1)), (LEFT_EYE, track(left_eye, 1))):
        for k in (1, 2, 4, 5):
            face[:, eye[k], 1] *= 0.25 + 0.75 * opening  # shut lids of a mesh stay apart
    for k, sign in ((61, -1), (291, 1)):
        face[:, k, 0] += sign * track(corners_out)
        face[:, k, 1] -= track(corners_up)
    gap = track(lips)  # the lower lip goes down, the upper lip up, and the jaw takes the corners along
    for k, share in ((14, 0.77), (13, -0.23), (61, 0.15), (291, 0.15), (152, 1.0)):
        face[:, k, 1] += share * gap
    for k in (70, 63, 105, 66, 107, 300, 293, 334, 296, 336):
        face[:, k, 1] -= track(brows_up)
    face[:, 468:, 0] += track(gaze_right)[:, None]
    face[:, 473:, 0] += track(left_iris_right)[:, None]
    pose = np.stack([track(yaw), track(pitch), track(roll)], axis=1)
    turned = np.stack([p @ rotation(*angles).T for p, angles in zip(face, pose, strict=True)])
    pixels = turned * PIXELS_PER_CM + (256, 200, 0)
    pixels += np.random.default_rng(2).normal(0, noise_px, pixels.shape)
    return Observed(
        fps=fps,
        mesh=pixels.astype(np.float32),
        pose=pose.astype(np.float32),
        looks=np.zeros(0, np.int64),
        images=np.zeros((0, 1, 1, 3), np.uint8),
        masks=np.zeros((0, 1, 1), np.float32),
        speech=None if speech is None else track(speech).astype(np.float32),
        level=None,
    )


def rotation(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """Turns head to picture: rolled clockwise, then the chin lifted, then the face turned to the picture's right."""
    y, p, r = np.radians((yaw, pitch, roll))
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    about_y = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    return np.asarray(about_y @ about_x @ about_z)


def during(start: float, end: float, size: float = 1.0, ease: float = 0.2) -> Track:
    """`size` from `start` to `end`, reached and left within `ease` seconds."""
    return lambda t: np.interp(t, [start, start + ease, end - ease, end], [0, size, size, 0])


def swing(start: float, end: float, degrees: float, hz: float) -> Track:
    """To and fro by `degrees` to either side between `start` and `end`."""
    return lambda t: np.where((t >= start) & (t <= end), degrees * np.sin(2 * np.pi * hz * (t - start)), 0)
