"""A person as something that can be drawn: head, ears, hair, glasses and body in one pose and one light."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facevid.synth.accessories import draw_earrings, draw_glasses
from facevid.synth.body import paint_body
from facevid.synth.features import Eye, Mouth, put
from facevid.synth.hair import bun, curtain, ear, hair_texture, puff_up
from facevid.synth.head import GAP_FULL, MOVES, NECK_JOINT, build_head, vertex_normals
from facevid.synth.light import Light, cast_shadow, shade
from facevid.synth.noise import Array
from facevid.synth.person import Person
from facevid.synth.raster import TEXELS, Atlas, Camera, Layer, blend, draw
from facevid.synth.skin import beard_cover, hair_cover, paint_head, texel_points

JAW = MOVES.index("jaw")


@dataclass(frozen=True)
class Pose:
    """One frame of a performance. Degrees: `yaw` > 0 turns the face to the right of the picture, `pitch` > 0 up,
    `roll` > 0 tips it clockwise. `move` in cm; `lids` opening of the picture's left and right eye, `gaze` in cm."""

    weights: Array
    yaw: float
    pitch: float
    roll: float
    move: tuple[float, float, float]
    lids: tuple[float, float]
    gaze: tuple[float, float]
    squint: float


def rotation(yaw: float, pitch: float, roll: float) -> Array:
    """3x3 matrix that rolls, then pitches, then turns."""
    a, b, c = np.deg2rad([yaw, -pitch, -roll])
    turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    nod = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    tip = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray(turn @ nod @ tip, np.float32)


class Figure:
    """Builds the grids and textures of a person once; `draw` then paints a pose."""

    def __init__(self, person: Person) -> None:
        rng = np.random.default_rng(person.seed)
        self.person = person
        self.head = build_head(person)
        skin = self.head.skin
        p = texel_points(skin)
        theta = cv2.resize(self.head.theta[None], (p.shape[1], 1), interpolation=cv2.INTER_LINEAR)
        cover = hair_cover(person, self.head, p, np.repeat(theta, len(p), 0), rng)
        texture, p, self.lips = paint_head(person, self.head, cover, rng)
        puff_up(person, self.head, np.asarray(cover[::TEXELS, ::TEXELS], np.float32), rng)
        if person.beard in ("full", "goatee"):
            beard = beard_cover(person, self.head, skin)
            self.head.points[:] += 0.3 * beard[..., None] * vertex_normals(skin)
        grids = [ear(person, skin, self.head.theta, -1), ear(person, skin, self.head.theta, 1)]
        extra = [g for g in (curtain(person, rng), bun(person)) if g is not None]
        self.rigid = grids + extra
        shapes = [(skin.shape, False)] + [(g.shape, True) for g in self.rigid]
        self.atlas = Atlas(shapes)
        self.atlas.dress(0, texture)
        for k, g in enumerate(grids):
            self.atlas.dress(1 + k, self._ear_texture(g, rng))
        for k, g in enumerate(extra):
            self.atlas.dress(3 + k, hair_texture(person, g, rng))
        view = self.atlas.texels(0)
        self.eyes = [Eye(person, view, p, side, rng) for side in (-1, 1)]
        self.mouth = Mouth(person, self.head, p, rng)
        self.gloss = self._gloss(skin, cover[::TEXELS, ::TEXELS])

    def _ear_texture(self, grid: Array, rng: np.random.Generator) -> NDArray[np.uint8]:
        h, w = grid.shape[0] * TEXELS, grid.shape[1] * TEXELS
        tone = np.array(self.person.skin_srgb, np.float32) * np.array([0.92, 0.76, 0.74], np.float32)
        r = np.linspace(0, 1.06, h, dtype=np.float32)[:, None] * np.ones((1, w), np.float32)
        inner = 0.42 * np.exp(-0.5 * ((r - 0.35) / 0.2) ** 2) + 0.22 * np.exp(-0.5 * ((r - 0.72) / 0.06) ** 2)
        colour = tone * (1 - inner)[..., None]
        return np.dstack([np.clip(colour, 0, 255), np.full((h, w), 255)]).astype(np.uint8)

    def _gloss(self, skin: Array, cover: Array) -> Array:
        x, y = skin[..., 0], skin[..., 1]
        base = (0.25 + 0.5 * self.person.look["oily"]) * (1.5 if self.person.monk > 7 else 1.0)
        shiny = 0.5 * np.exp(-0.5 * ((x / 3.2) ** 2 + ((y - 4.5) / 1.6) ** 2)) + 0.6 * np.exp(
            -0.5 * ((x / 0.8) ** 2 + ((y + 3.0) / 1.6) ** 2)
        )
        gloss = base * (0.6 + shiny)
        gloss = np.where(cover > 0.1, 0.1 if self.person.hair_style != "bald" else gloss * 1.3, gloss)
        head = np.asarray(gloss, np.float32)[..., None]
        others = [np.full((*g.shape[:2], 1), 0.12, np.float32) for g in self.rigid]
        return self.atlas.place([head, *others])[..., 0]

    def face(self, pose: Pose) -> Array:
        """The face's grid with its muscles moved but the head not turned."""
        return self.head.posed(pose.weights)

    def opening(self, face: Array) -> float:
        """Gap between the lips at the middle, 1 = GAP_FULL cm."""
        middle = face.shape[1] // 2
        gap = face[self.mouth.first, middle, 1] - face[self.mouth.last, middle, 1]
        return float(np.clip(gap / GAP_FULL, 0, 1))

    def place(self, grid: Array, pose: Pose, follow: Array | float) -> Array:
        """Turns and moves a grid as the head does; `follow` is the share of the turn."""
        turned = (grid - NECK_JOINT) @ rotation(pose.yaw, pose.pitch, pose.roll).T + NECK_JOINT
        turned = turned + np.array(pose.move, np.float32) * [1, 1, 1]
        still = grid + np.array(pose.move, np.float32) * 0.35
        return np.asarray(turned * follow + still * (1 - follow), np.float32)

    def draw(self, canvas: NDArray[np.uint8], pose: Pose, light: Light, camera: Camera) -> None:
        """Paints the head into `canvas` (h, w, 3), in place."""
        face = self.face(pose)
        texture = self.atlas.texels(0)
        for eye, lid in zip(self.eyes, pose.lids, strict=True):
            put(texture, eye.window, eye.paint(lid, pose.gaze, pose.squint, light.side))
        put(texture, self.mouth.window, self.mouth.paint(face, float(pose.weights[JAW])))
        grids = [self.place(face, pose, self.head.follow)]
        grids += [self.place(g, pose, self._hang(g)) for g in self.rigid]
        normals = [vertex_normals(g) for g in grids]
        for k in range(1, len(normals)):
            out = grids[k] - np.array([0, 0, -2], np.float32)
            flip = np.sign((normals[k] * out).sum(-1, keepdims=True))
            normals[k] = normals[k] * flip
        shadow = [cast_shadow(grids[0], normals[0], light)]
        shadow += [np.ones(g.shape[:2], np.float32) for g in grids[1:]]
        points, facing = self.atlas.place(grids), self.atlas.place(normals)
        visible = self.atlas.place([v[..., None] for v in shadow])[..., 0]
        lit, sheen = shade(light, facing, self.gloss, visible)
        blend(canvas, draw(self.atlas, points, lit, sheen, camera, (canvas.shape[1], canvas.shape[0])))

        if self.person.glasses != "none":
            draw_glasses(
                canvas, self.person, self.head.skin, lambda g: self.place(g, pose, 1.0), camera, light
            )
        if self.person.earrings:
            draw_earrings(canvas, grids[1:3], camera, pose.yaw)

    def _hang(self, grid: Array) -> Array:
        """Long hair swings less with the head towards its ends."""
        return np.asarray(np.clip(1 - 0.06 * np.maximum(-10 - grid[..., 1:2], 0), 0.4, 1), np.float32)

    def body(self, light: Light, camera: Camera, size: tuple[int, int]) -> Layer | None:
        """The still layer of neck and clothes."""
        return paint_body(self.person, light, camera, size)
