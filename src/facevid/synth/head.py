"""The head as a grid of points in centimetres, and the ways a face moves.

x runs to the right of the picture, y up, z towards the camera; the pupils are at y = 0, the ears near z = 0. The
average measures follow adult anthropometry (Farkas, Anthropometry of the Head and Face, 1994), rounded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facevid.synth.noise import Array, bump, cubic, pair, smoothstep
from facevid.synth.person import Person

# One key row per line, from the crown to below the collar: y at the front, side and back, z at the front and back,
# half width, z of the widest place, roundness of the front (2 = ellipse, more = squarer, less = more pointed).
ROWS = np.array(
    [
        [11.5, 11.5, 11.5, -0.6, -1.4, 0.4, -1.0, 2.0],
        [11.1, 11.1, 11.1, 2.2, -4.4, 2.9, -1.0, 2.0],
        [10.0, 10.0, 9.9, 5.0, -7.0, 5.0, -1.0, 2.0],
        [8.3, 8.3, 7.8, 7.3, -8.8, 6.5, -1.0, 2.05],
        [6.4, 6.4, 5.6, 8.6, -9.7, 7.2, -0.8, 2.1],
        [4.2, 4.2, 3.3, 9.3, -9.9, 7.4, -0.5, 2.1],
        [2.0, 2.0, 1.2, 9.4, -9.7, 7.2, -0.2, 2.12],
        [0.0, 0.0, -0.9, 9.1, -9.3, 6.95, 0.3, 2.15],
        [-2.4, -2.2, -3.0, 9.0, -8.5, 6.95, 0.8, 2.15],
        [-4.8, -4.1, -5.0, 9.0, -7.6, 6.5, 0.8, 2.05],
        [-7.2, -5.8, -6.6, 9.0, -7.0, 6.1, 0.6, 1.95],
        [-9.2, -7.2, -7.8, 8.9, -6.6, 5.75, 0.4, 1.85],
        [-10.8, -8.3, -8.8, 8.6, -6.4, 5.45, 0.2, 1.8],
        [-11.7, -9.0, -9.5, 7.7, -6.4, 5.2, -0.1, 1.8],
        [-12.15, -9.8, -10.2, 6.2, -6.4, 5.05, -0.6, 1.85],
        [-12.5, -10.9, -11.0, 4.9, -6.5, 5.1, -1.1, 1.95],
        [-13.5, -12.3, -12.3, 4.1, -6.6, 5.25, -1.4, 2.0],
        [-15.2, -14.3, -14.0, 3.9, -7.0, 5.6, -1.7, 2.0],
        [-17.2, -16.6, -16.0, 4.3, -7.8, 6.6, -1.9, 2.0],
        [-19.0, -18.6, -18.0, 5.0, -8.6, 8.2, -2.0, 2.0],
    ],
    np.float32,
)
COLUMNS = 73  # the first and the last lie on the back seam
MEMBRANE = 5  # rows of the sheet between the lips, on which the inside of the mouth is painted
JAW_AXIS = np.array([0.0, -1.6, 0.8], np.float32)
JAW_FULL = np.deg2rad(17.0)
NECK_JOINT = np.array([0.0, -8.5, -2.0], np.float32)
GAP_FULL = 2.6  # cm between the lips at mouth opening 1

MOVES = (
    "jaw", "wide", "round", "smile", "sad", "upper_up", "lower_down", "press", "brow_up", "brow_down", "cheek_up",
    "puff",
)  # fmt: skip


@dataclass(frozen=True)
class Head:
    """A neutral head and its moves; grids of R rows (crown to collar) by COLUMNS points."""

    points: Array  # (R, COLUMNS, 3) neutral, hair volume included
    skin: Array  # (R, COLUMNS, 3) neutral, without hair
    moves: Array  # (len(MOVES), R * COLUMNS * 3)
    follow: Array  # (R, COLUMNS, 1) share of the head's turn that a point takes part in
    mouth_row: int  # last row of the upper lip; the membrane follows
    theta: Array  # (COLUMNS,) angle around the vertical axis, 0 in front
    nose_y: float
    mouth_y: float
    brow_y: float

    def posed(self, weights: Array) -> Array:
        """Points (R, COLUMNS, 3) of the face with `weights` (len(MOVES),) applied, before the head turns."""
        return np.asarray(self.points + (weights @ self.moves).reshape(self.points.shape), np.float32)


def angles() -> Array:
    """Angles of the columns, close together in front."""
    t = np.linspace(-1, 1, COLUMNS)
    return np.asarray(np.pi * (0.36 * t + 0.64 * t**3), np.float32)


def rows_at(keys: Array, positions: Array, theta: Array) -> Array:
    """Points (n, columns, 3) on the rows of a key table at fractional key indices."""
    yf, ys, yb, zf, zb, half, zw, square = (c[:, None] for c in cubic(keys, positions).T)
    sin, cos = np.sin(theta)[None], np.cos(theta)[None]
    power = np.where(cos > 0, 2.0 / square, 1.0)
    # the power fades out at the very front, where it would pinch or flatten the columns
    x = half * np.sign(sin) * np.abs(sin) ** (1 + (power - 1) * np.abs(sin) ** 0.5)
    z = zw + np.where(cos > 0, (zf - zw) * np.abs(cos) ** power, -(zw - zb) * np.abs(cos))
    front, back = np.maximum(cos, 0) ** 1.3, np.maximum(-cos, 0) ** 1.3
    y = yf * front + yb * back + ys * (1 - front - back)
    return np.asarray(np.stack([x, y, z], -1), np.float32)


def _keys(s: dict[str, float]) -> Array:
    k = ROWS.copy()
    above, below = k[:, 0] > 0, k[:, 0] <= 0
    k[above, :3] *= s["skull_height"]
    lower = below & (k[:, 0] > -13)
    k[below, :3] -= np.where(lower[below][:, None], -k[below, :1] / 12.0, 1.0) * 11.7 * (s["face_length"] - 1)
    jaw = smoothstep(-1.0, -7.0, ROWS[:, 0]) * (1 - smoothstep(-12.2, -14.0, ROWS[:, 0]))
    k[:, 5] *= s["face_width"] * (1 + jaw * (s["jaw_width"] / s["face_width"] - 1) * 0.8)
    k[:, 7] += jaw * 0.28 * s["jaw_square"]
    neck = smoothstep(-11.5, -13.0, ROWS[:, 0])
    k[:, 5] *= 1 + neck * (s["neck_width"] - 1)
    return k


def _positions(keys: Array, mouth_y: float) -> tuple[Array, int]:
    """Fractional key indices of all rows, dense where a face has its detail, and the row of the mouth line."""
    fronts = keys[:, 0]
    mouth_k = float(np.interp(-mouth_y, -fronts, np.arange(len(fronts))))
    brow_k = float(np.interp(-3.2, -fronts, np.arange(len(fronts))))
    parts = [
        np.linspace(0, 4, 9)[:-1],
        np.linspace(4, brow_k, 8)[:-1],
        np.linspace(brow_k, mouth_k, 36),
        np.full(MEMBRANE, mouth_k),
        np.linspace(mouth_k, 13, 18),
        np.linspace(13, 18.4, 10)[1:],
    ]
    return np.concatenate(parts).astype(np.float32), len(parts[0]) + len(parts[1]) + len(parts[2]) - 1


def _features(p: Array, s: dict[str, float], nose_y: float, mouth_y: float, slit: Array) -> Array:
    """Moves the points of a smooth egg to where bone and flesh are; `slit` is +1 above the mouth line, -1 below."""
    x, y, z = p[..., 0], p[..., 1], p[..., 2]
    front = smoothstep(0.5, 4.0, z)
    e = s["eye_space"]
    d = np.zeros_like(x)
    d += -(0.95 + 0.35 * s["eye_depth"]) * pair(x, y, e * 0.95, 0.25, 1.5, 0.95)
    d += -0.35 * pair(x, y, 1.7, 0.3, 0.7, 1.0)
    ball = np.maximum(0, 1 - ((np.abs(x) - e) / 1.75) ** 2 - ((y + 0.05) / 1.15) ** 2)
    d += 0.62 * ball**0.8
    d += (0.28 + 0.3 * s["brow_ridge"]) * pair(x, y, 2.9, 1.9 + s["brow_height"], 1.9, 0.55)
    d += 0.15 * s["brow_ridge"] * bump(x, y, 0, 1.9, 1.2, 0.6)
    d += 0.25 * bump(x, y, 0, 5.0, 3.5, 1.6)
    d += -0.25 * pair(x, y, 6.2, 3.0, 1.2, 1.8)
    d += _nose(x, y, s, nose_y)
    d += (0.25 + 0.5 * s["cheek_bone"]) * pair(x, y, 4.9, -1.9, 1.5, 0.9)
    d += 0.55 * s["cheek_full"] * pair(x, y, 4.3, -5.0, 1.7, 1.8)
    d += 0.2 * pair(x, y, 3.3, -2.9, 1.3, 1.2)
    fold = np.abs(x) - (1.75 + 0.55 * (nose_y + 0.3 - y) / 1.2)
    d += (
        -0.14
        * np.exp(-0.5 * (fold / 0.22) ** 2)
        * smoothstep(nose_y + 0.9, nose_y, y)
        * smoothstep(mouth_y - 0.8, mouth_y + 0.4, y)
    )
    d += 0.75 * bump(x, y, 0, mouth_y + 0.4, 2.5, 1.7)
    d += _lips(x, y, s, nose_y, mouth_y, slit)
    chin_y = -10.6 * s["face_length"]
    d += -0.3 * bump(x, y, 0, (mouth_y + chin_y) / 2 + 0.15, 1.6, 0.5)
    d += (0.45 + 0.45 * s["chin_size"]) * bump(x, y, 0, chin_y, 1.5, 0.95)
    d += -0.16 * s["chin_cleft"] * bump(x, y, 0, chin_y + 0.1, 0.22, 0.6)
    q = p.copy()
    q[..., 2] += front * d
    q[..., 0] += front * 0.12 * s["nose_width"] * np.sign(x) * pair(x, y, 1.2, nose_y + 0.75, 0.5, 0.5)
    q[..., 1] += front * -0.25 * bump(x, y, 0, chin_y - 0.7, 1.6, 0.8) * s["chin_size"]
    return q


def _nose(x: Array, y: Array, s: dict[str, float], nose_y: float) -> Array:
    t = np.clip((0.9 - y) / (0.9 - nose_y), 0, 1.3)  # 0 at the bridge, 1 where the nose meets the lip
    ridge = np.interp(
        t, [0, 0.12, 0.35, 0.6, 0.82, 0.93, 1.0, 1.1], [0.0, 0.4, 1.05, 1.75, 2.3, 1.95, 0.6, 0.0]
    )
    ridge = ridge * s["nose_out"] + 0.3 * s["nose_hook"] * np.exp(-0.5 * ((t - 0.42) / 0.14) ** 2)
    width = np.interp(t, [0, 0.2, 0.5, 0.8, 1.0, 1.1], [0.95, 0.75, 0.8, 0.95, 1.0, 1.0]) * (
        0.5 + 0.5 * s["nose_width"]
    )
    nose = ridge * np.exp(-(np.abs(x / width) ** 2.1) * 0.75)
    nose += 0.32 * s["nose_tip"] * bump(x, y, 0, nose_y + 0.85, 0.62 * s["nose_tip"], 0.5)
    nose += 0.95 * pair(x, y, 1.22 * s["nose_width"], nose_y + 0.62, 0.42, 0.46)
    nose += -0.35 * pair(x, y, 0.62 * s["nose_width"], nose_y + 0.12, 0.3, 0.22)
    return np.asarray(nose, np.float32)


def _lips(x: Array, y: Array, s: dict[str, float], nose_y: float, mouth_y: float, slit: Array) -> Array:
    w = s["mouth_width"]
    taper = np.sqrt(np.clip(1 - (x / w) ** 2, 0, 1))
    line = mouth_y + 0.014 * x**2
    up, low = s["lip_upper"], s["lip_lower"]
    upper = np.exp(-0.5 * ((y - line - 0.5 * up) / (0.36 * up + 0.05)) ** 2)
    lower = np.exp(-0.5 * ((y - line + 0.52 * low) / (0.36 * low + 0.05)) ** 2)
    lips = np.where(slit > 0, upper * (0.22 + s["lip_out"]), lower * (0.26 + 1.05 * s["lip_out"])) * taper
    groove = -0.3 * np.exp(-0.5 * ((y - line) / 0.11) ** 2) * taper
    corner = -0.22 * pair(x, y, w + 0.1, mouth_y, 0.3, 0.35)
    dip = -0.13 * s["philtrum"] * bump(x, y, 0, (nose_y + mouth_y + up) / 2, 0.24, 0.55)
    return np.asarray(lips + groove + corner + dip, np.float32)


def _jaw_weight(p: Array, s: dict[str, float], mouth_y: float, slit: Array) -> Array:
    x, y, z = p[..., 0], p[..., 1], p[..., 2]
    u = np.clip(np.abs(x) / s["mouth_width"], 0, 1)
    corner = 0.42
    face = np.interp(y - mouth_y, [-4.5, -2.0, 0.0, 2.2, 4.5], [1.0, 0.9, corner, 0.1, 0.0])
    upper = corner * u**5 * np.interp(y - mouth_y, [0, 1.5], [1, 0.2])
    lower = np.maximum(face, 1.0 - (1 - corner) * u**4)
    inside = 1 - smoothstep(0.85, 1.5, np.abs(x) / s["mouth_width"])
    weight = np.where(slit > 0, face * (1 - inside) + upper * inside, face * (1 - inside) + lower * inside)
    neck = smoothstep(mouth_y - 4.6, mouth_y - 5.8, y)
    side = smoothstep(-1.0, 5.0, z)
    return np.asarray(weight * side * (1 - neck * 0.85), np.float32)


def _moves(p: Array, s: dict[str, float], mouth_y: float, brow_y: float, slit: Array) -> Array:
    x, y, z = p[..., 0], p[..., 1], p[..., 2]
    sign, front = np.sign(x), smoothstep(0.5, 4.0, z)
    w = s["mouth_width"]
    zero = np.zeros_like(x)
    line = mouth_y + 0.014 * x**2
    taper = np.sqrt(np.clip(1 - (x / w) ** 2, 0, 1))
    near = np.exp(-0.5 * ((y - mouth_y) / 1.5) ** 2) * front
    corner = pair(x, y, w, mouth_y, 1.1, 1.2) * front
    lips = np.exp(-0.5 * ((y - line) / 0.8) ** 2) * np.exp(-0.5 * (x / (0.8 * w)) ** 4) * front
    up = np.where(slit > 0, lips * taper, 0)
    low = np.where(slit < 0, lips * taper, 0)
    cos, sin = np.cos(JAW_FULL), np.sin(JAW_FULL)
    r = p - JAW_AXIS
    turned = np.stack([r[..., 0], cos * r[..., 1] - sin * r[..., 2], sin * r[..., 1] + cos * r[..., 2]], -1)
    jaw = _jaw_weight(p, s, mouth_y, slit)[..., None] * (turned - r)
    brows = np.exp(-0.5 * ((y - brow_y) / 1.0) ** 2) * np.exp(-0.5 * (x / 4.4) ** 4) * front
    inner = pair(x, y, 1.5, brow_y, 1.0, 1.0) * front
    cheeks = pair(x, y, 3.9, -2.9, 1.5, 1.4) * front
    ramp = np.clip(np.abs(x) / w, 0, 1)
    table = {
        "wide": (0.45 * sign * ramp * near, zero, -0.15 * corner),
        "round": (-0.8 * sign * ramp * near, zero, 0.55 * lips - 0.1 * corner),
        "smile": (
            0.62 * sign * corner,
            0.62 * corner + 0.12 * cheeks - 0.1 * up,
            -0.3 * corner + 0.3 * cheeks,
        ),
        "sad": (-0.05 * sign * corner, -0.5 * corner, zero),
        "upper_up": (zero, 0.42 * up, 0.08 * up),
        "lower_down": (zero, -0.48 * low, 0.08 * low),
        "press": (zero, -0.3 * up * np.exp(-(((y - line) / 0.5) ** 2)) + 0.12 * low, -0.25 * (up + low)),
        "brow_up": (zero, 0.55 * brows, 0.1 * brows),
        "brow_down": (-0.3 * sign * inner, -0.38 * brows - 0.15 * inner, 0.1 * inner),
        "cheek_up": (zero, 0.4 * cheeks, 0.3 * cheeks),
        "puff": (
            0.35 * sign * pair(x, y, 4.4, mouth_y + 0.6, 1.4, 1.5),
            zero,
            0.5 * pair(x, y, 4.0, mouth_y, 1.5, 1.6),
        ),
    }
    out = [jaw if name == "jaw" else np.stack(table[name], -1) for name in MOVES]
    return np.asarray(np.stack(out).reshape(len(MOVES), -1), np.float32)


def build_head(person: Person) -> Head:
    """The neutral head of `person` and its moves."""
    s = person.shape
    nose_y = -s["nose_length"] * s["face_length"]
    mouth_y = nose_y - s["mouth_drop"] * s["face_length"]
    brow_y = 2.25 + s["brow_height"]
    theta = angles()
    keys = _keys(s)
    positions, mouth_row = _positions(keys, mouth_y)
    p = rows_at(keys, positions, theta)
    slit = np.ones(p.shape[:2], np.float32)
    slit[mouth_row + 1 :] = -1
    p = _features(p, s, nose_y, mouth_y, slit)
    moves = _moves(p, s, mouth_y, brow_y, slit)
    inner, first, last = slice(mouth_row + 1, mouth_row + 1 + MEMBRANE), mouth_row, mouth_row + 1 + MEMBRANE
    shaped = moves.reshape(len(MOVES), *p.shape)
    for k, row in enumerate(range(inner.start, inner.stop)):  # the sheet hangs between the two lips
        t = (k + 1) / (MEMBRANE + 1)
        p[row] = (1 - t) * p[first] + t * p[last]
        shaped[:, row] = (1 - t) * shaped[:, first] + t * shaped[:, last]
    y_mid = p[..., 1]
    follow = 1 - 0.92 * smoothstep(-9.0, -16.0, y_mid - 0.35 * np.maximum(p[..., 2] - 5.0, 0) * 0)
    chin = smoothstep(4.6, 6.5, p[..., 2])
    follow = np.maximum(follow, chin)[..., None].astype(np.float32)
    points = p.copy()
    return Head(points, p, shaped.reshape(len(MOVES), -1), follow, mouth_row, theta, nose_y, mouth_y, brow_y)


def vertex_normals(p: Array) -> Array:
    """Unit normals (R, C, 3) of a grid whose columns run to the right and rows down, seen from outside."""
    across = np.empty_like(p)
    across[:, 1:-1] = p[:, 2:] - p[:, :-2]
    across[:, 0], across[:, -1] = p[:, 1] - p[:, 0], p[:, -1] - p[:, -2]
    down = np.empty_like(p)
    down[1:-1] = p[2:] - p[:-2]
    down[0], down[-1] = p[1] - p[0], p[-1] - p[-2]
    n = np.empty_like(p)
    n[..., 0] = down[..., 1] * across[..., 2] - down[..., 2] * across[..., 1]
    n[..., 1] = down[..., 2] * across[..., 0] - down[..., 0] * across[..., 2]
    n[..., 2] = down[..., 0] * across[..., 1] - down[..., 1] * across[..., 0]
    n /= np.sqrt((n * n).sum(-1, keepdims=True)) + 1e-6
    return np.asarray(n, np.float32)
