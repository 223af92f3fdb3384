"""The parts of a face that are painted anew for every frame: eyes with their lids, and the inside of the mouth."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from facevid.synth.head import MEMBRANE, Head
from facevid.synth.noise import Array, smoothstep
from facevid.synth.person import HAIR, Person
from facevid.synth.raster import TEXELS
from facevid.synth.skin import mix

IRIS_RADIUS = 0.6  # cm


class Eye:
    """One eye of a person as a patch of the head's texture."""

    def __init__(
        self, person: Person, texture: NDArray[np.uint8], p: Array, side: int, rng: np.random.Generator
    ):
        s = person.shape
        x, y = p[..., 0] * side - s["eye_space"], p[..., 1]
        reach = s["eye_width"] + 0.55
        inside = (np.abs(x) < reach) & (np.abs(y) < 1.35) & (p[..., 2] > 3)
        rows, cols = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        self.window = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1))
        self.x, self.y = x[self.window], y[self.window]
        self.base = texture[self.window][..., :3].astype(np.float32)
        self.side = side
        self.person = person
        t = np.clip(self.x / s["eye_width"], -1, 1)
        arch = np.sqrt(np.clip(1 - t * t, 0, 1))
        self.t = t
        self.beyond = smoothstep(1.0, 1.1, np.abs(self.x / s["eye_width"]))
        middle = s["eye_tilt"] * self.x
        self.upper = middle + s["eye_open"] * arch**1.35 * (1 - 0.14 * t)
        self.lower = middle - 0.4 * arch**1.6 * (1 + 0.2 * t)
        self.shut = middle - 0.3 * arch**1.5
        self.streaks = rng.uniform(-1, 1, 64).astype(np.float32)
        tone = np.array(person.skin_srgb, np.float32)
        self.lid = tone * np.array([0.84, 0.74, 0.72], np.float32)
        self.deep = tone * np.array([0.36, 0.24, 0.22], np.float32)
        dark = np.array(HAIR["black"], np.float32)
        self.lash = dark if person.presentation == "female" or person.monk > 4 else dark * 1.0 + 22
        self.lash_width = 0.11 if person.presentation == "female" else 0.075

    def paint(self, opening: float, gaze: tuple[float, float], squint: float, lamp: float) -> Array:
        """The patch (h, w, 3) with the lids at `opening` 0..1 and the iris moved by `gaze` (cm, right and up)."""
        y, t = self.y, self.t
        lower = self.lower + squint * 0.22 * (1 - t * t)
        shut = np.maximum(self.shut, lower)
        upper = shut + (self.upper - shut) * opening
        colour = self.base
        crease = self.upper + 0.2 + 0.07 * (1 - t * t) - 0.06 * (1 - opening)
        on_lid = (
            smoothstep(crease + 0.06, crease - 0.04, y)
            * smoothstep(lower - 0.1, lower, y)
            * (1 - self.beyond)
        )
        colour = mix(colour, self.lid * (1 + 0.16 * (1 - opening)), 0.55 * on_lid)
        fold = np.exp(-0.5 * ((y - crease) / 0.05) ** 2) * (1 - self.beyond) * smoothstep(-1.0, -0.5, t)
        colour = mix(
            colour, self.deep, (0.2 + 0.45 * self.person.shape["lid_fold"]) * (0.35 + 0.65 * opening) * fold
        )
        if opening > 0.04:
            ball = self._ball(upper, lower, gaze, lamp)
            inside = smoothstep(0.0, 0.045, upper - y) * smoothstep(0.0, 0.045, y - lower) * (np.abs(t) < 1)
            colour = mix(colour, ball, inside)
        wet = np.exp(-0.5 * ((y - lower + 0.02) / 0.035) ** 2) * (np.abs(t) < 0.97) * opening
        colour = mix(colour, self.lid * 1.12 + 14, 0.5 * wet)
        below = np.exp(-0.5 * ((y - lower + 0.09) / 0.04) ** 2) * (np.abs(t) < 0.95)
        colour = mix(colour, self.lash, (0.22 + 0.1 * t) * below)
        thick = self.lash_width * (0.7 + 0.5 * t) * smoothstep(-1.05, -0.75, t) + 0.012
        line = smoothstep(1.3, 0.6, np.abs(y - upper - 0.02) / thick) * (1 - self.beyond)
        return mix(colour, self.lash, 0.88 * line)

    def _ball(self, upper: Array, lower: Array, gaze: tuple[float, float], lamp: float) -> Array:
        x, y, t = self.x, self.y, self.t
        white = np.array([226, 219, 213], np.float32) * (0.84 if self.person.monk > 7 else 0.94)
        colour = np.broadcast_to(white, (*x.shape, 3)).astype(np.float32)
        colour = mix(colour, (196, 150, 140), 0.55 * t**4 + 0.65 * smoothstep(-0.78, -0.95, t))
        gx, gy = gaze[0] * self.side, gaze[1] + 0.06
        dx, dy = x - gx, y - gy
        r = np.hypot(dx, dy) / IRIS_RADIUS
        angle = ((np.arctan2(dy, dx) / (2 * np.pi) + 0.5) * 63).astype(int)
        fibre = self.streaks[angle] * smoothstep(0.3, 0.7, r)
        iris = np.array(self.person.iris, np.float32)
        tone = iris * (1.0 + 0.3 * fibre - 0.25 * dy / IRIS_RADIUS)[..., None]
        tone = mix(tone, iris * 0.3, smoothstep(0.78, 1.0, r))
        tone = mix(tone, (10, 9, 10), smoothstep(0.44, 0.37, r))
        colour = mix(colour, tone, smoothstep(1.04, 0.95, r))
        shadow = (
            1
            - 0.55 * np.exp(-np.maximum(upper - y, 0) / 0.13)
            - 0.12 * np.exp(-np.maximum(y - lower, 0) / 0.08)
        )
        colour = colour * shadow[..., None]
        glint = smoothstep(0.12, 0.07, np.hypot(dx - 0.2 * lamp * self.side, dy - 0.2))
        glint = np.maximum(
            glint, 0.25 * smoothstep(0.1, 0.05, np.hypot(dx + 0.22 * lamp * self.side, dy + 0.2))
        )
        return mix(colour, (250, 250, 250), glint)


class Mouth:
    """The sheet between the lips: teeth, tongue and the dark behind them."""

    def __init__(self, person: Person, head: Head, p: Array, rng: np.random.Generator):
        self.rows = slice(head.mouth_row * TEXELS, (head.mouth_row + MEMBRANE + 1) * TEXELS)
        x = p[self.rows, :, 0]
        columns = np.flatnonzero(
            (np.abs(x[0]) < person.shape["mouth_width"] * 1.02) & (p[self.rows.start, :, 2] > 3)
        )
        self.window = (self.rows, slice(int(columns[0]), int(columns[-1]) + 1))
        self.x = x[:, self.window[1]]
        self.u = self.x / person.shape["mouth_width"]
        self.v = np.linspace(0, 1, self.x.shape[0], dtype=np.float32)[:, None]
        self.line = head.mouth_y + 0.014 * self.x[:1] ** 2
        self.first, self.last = head.mouth_row, head.mouth_row + MEMBRANE + 1
        self.width = 0.46 + 0.06 * float(rng.uniform(-1, 1))
        self.tone = np.array([226, 216, 200], np.float32) * float(rng.uniform(0.86, 1.0))

    def paint(self, face: Array, jaw: float) -> Array:
        """The patch (h, w, 3) for the posed face grid (R, C, 3) with the jaw at 0..1."""
        at = np.linspace(self.window[1].start, self.window[1].stop - 1, self.x.shape[1]) / TEXELS
        columns = np.arange(face.shape[1])
        top = np.interp(at, columns, face[self.first, :, 1]).astype(np.float32)[None]
        low = np.interp(at, columns, face[self.last, :, 1]).astype(np.float32)[None]
        y = top + self.v * (low - top)
        x, u = self.x, self.u
        colour = np.broadcast_to(np.array([46, 16, 18], np.float32), (*y.shape, 3)).astype(np.float32)
        tongue = smoothstep(1.0, 0.55, np.hypot(u / 0.72, (y - low - 0.1) / (0.25 + 0.75 * jaw)))
        colour = mix(colour, (158, 78, 80), 0.75 * tongue)
        bite = 0.05 * np.abs(np.sin(np.pi * x / self.width))
        gap = np.exp(-0.5 * (np.abs((x / self.width + 0.5) % 1 - 0.5) * self.width / 0.022) ** 2)
        round_off = (1 - 0.75 * np.clip(np.abs(u), 0, 1) ** 2.2)[..., None]
        teeth = self.tone * (1 - 0.3 * gap[..., None]) * round_off
        upper = smoothstep(-0.04, 0.03, y - (self.line - 0.42 - bite + 0.1 * u**2)) * smoothstep(
            0.98, 0.9, np.abs(u)
        )
        lower_edge = low + 0.1 + 0.22 * jaw
        lower = smoothstep(-0.04, 0.03, lower_edge + bite - y) * smoothstep(0.8, 0.7, np.abs(u)) * 0.75
        colour = mix(colour, teeth * 0.8, np.asarray(lower * smoothstep(0.1, 0.5, top - low), np.float32))
        colour = mix(colour, teeth, upper)
        shadow = (
            1 - 0.6 * np.exp(-np.maximum(top - y, 0) / 0.14) - 0.25 * np.exp(-np.maximum(y - low, 0) / 0.07)
        )
        return np.asarray(np.clip(colour * np.clip(shadow, 0.12, 1)[..., None], 0, 255), np.float32)


def put(texture: NDArray[np.uint8], window: tuple[slice, slice], colour: Array) -> None:
    """Writes a painted patch into the RGB of a texture."""
    texture[window][..., :3] = cv2.convertScaleAbs(colour)
