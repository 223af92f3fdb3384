"""Where people sit: blurred rooms made of noise, a landscape without people, and subtitles."""

from __future__ import annotations

import unicodedata

import cv2
import numpy as np
from numpy.typing import NDArray

from facevid.synth.light import GAMMA, Light
from facevid.synth.noise import Array, noise_image

Picture = NDArray[np.uint8]
WALLS = (
    (186, 178, 166),
    (150, 164, 172),
    (176, 160, 150),
    (122, 134, 124),
    (96, 104, 120),
    (190, 186, 180),
    (142, 118, 102),
)


def room(rng: np.random.Generator, size: tuple[int, int], light: Light) -> Picture:
    """A background (h, w, 3) of `size` (w, h): wall, furniture and lamps, out of focus and lit like the person."""
    w, h = size
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    wall = np.array(WALLS[int(rng.integers(len(WALLS)))], np.float32)
    image = wall * (1 + 0.05 * noise_image(rng, (h, w), (h / 2, w / 3), 3))[..., None]
    kind = str(rng.choice(["shelf", "window", "lamps", "wall", "panel"]))
    if kind == "shelf":
        _shelf(rng, image)
    elif kind == "window":
        _window(rng, image)
    elif kind == "lamps":
        image *= 0.45
        _lamps(rng, image)
    elif kind == "panel":
        edge = int(w * rng.uniform(0.15, 0.85))
        image[:, edge:] *= rng.uniform(0.6, 0.85)
        image[:, edge : edge + 4] *= 0.6
    image = cv2.GaussianBlur(image, (0, 0), h / 720 * float(rng.uniform(4, 9)))
    falloff = 1 - 0.35 * np.hypot(x / w - 0.5 + 0.35 * light.side, y / h - 0.35) ** 1.5
    image = image * (falloff * 0.9 * light.level**GAMMA)[..., None] * light.colour
    image += 1.6 * rng.normal(size=(h, w, 1))
    return np.asarray(np.clip(image, 0, 255), np.uint8)


def _shelf(rng: np.random.Generator, image: Array) -> None:
    h, w = image.shape[:2]
    rows = int(rng.integers(3, 6))
    for r in range(rows):
        bottom = int(h * (r + 1) / rows)
        x = int(rng.uniform(0, 30))
        while x < w:
            width = int(rng.uniform(0.012, 0.035) * w)
            top = int(bottom - h / rows * rng.uniform(0.5, 0.85))
            colour = rng.uniform(40, 190, 3) * [1, 0.9, 0.8]
            image[top:bottom, x : x + width] = colour
            x += width + (int(rng.uniform(0, 0.1) * w) if rng.random() < 0.15 else 1)
        image[bottom - max(4, h // 60) : bottom] = [92, 70, 52]


def _window(rng: np.random.Generator, image: Array) -> None:
    h, w = image.shape[:2]
    x0 = int(w * rng.choice([0.02, 0.66]))
    x1, y1 = x0 + int(w * 0.3), int(h * 0.75)
    sky = np.linspace(1.0, 0.8, y1)[:, None, None] * np.array([205, 222, 238])
    image[:y1, x0:x1] = sky
    for k in (0, 0.5, 1):
        a = int(x0 + k * (x1 - x0 - 12))
        image[:y1, a : a + 12] = [120, 112, 104]
    image[y1 : y1 + 12, x0:x1] = [120, 112, 104]


def _lamps(rng: np.random.Generator, image: Array) -> None:
    h, w = image.shape[:2]
    for _ in range(int(rng.integers(10, 26))):
        centre = (int(rng.uniform(0, w)), int(rng.uniform(0, h * 0.8)))
        colour = [float(c) for c in rng.uniform([170, 110, 40], [255, 220, 190])]
        spot = np.zeros_like(image)
        cv2.circle(spot, centre, int(h * rng.uniform(0.015, 0.05)), colour, -1, cv2.LINE_AA)
        image += spot * float(rng.uniform(0.3, 0.8))


def landscape(rng: np.random.Generator, size: tuple[int, int]) -> Picture:
    """Hills under a sky, half again as large as `size` (w, h), to pan over."""
    w, h = int(size[0] * 1.5), int(size[1] * 1.3)
    t = np.linspace(0, 1, h)[:, None, None]
    image = (1 - t) * np.array([110, 160, 214]) + t * np.array([222, 226, 224]) + np.zeros((h, w, 3))
    clouds = np.clip(noise_image(rng, (h, w), (h / 5, w / 3), 5) * 2.2, 0, 1)[..., None] * (1 - t)
    image = image * (1 - clouds) + 244 * clouds
    rows = np.arange(h)[:, None]
    for k in range(5):
        ridge = h * (0.45 + 0.11 * k) + h * 0.09 * noise_image(rng, (2, w), (2, w / (3 + k)), 5)[0]
        near = (k + 1) / 5
        ground = np.array([70, 112, 66]) * near + np.array([150, 176, 196]) * (1 - near)
        texture = 1 + 0.25 * near * noise_image(rng, (h, w), (30, 40), 4)[..., None]
        mask = np.clip(rows - ridge[None], 0, 1)[..., None]
        image = image * (1 - mask) + ground * texture * mask
    return np.asarray(np.clip(image, 0, 255), np.uint8)


def pan(picture: Picture, size: tuple[int, int], t: float) -> Picture:
    """The part of a large picture that a slow pan shows at t in 0..1."""
    w, h = size
    room_x, room_y = picture.shape[1] - w, picture.shape[0] - h
    move = np.array([[1, 0, -room_x * (0.1 + 0.8 * t)], [0, 1, -room_y * (0.3 + 0.3 * t)]], np.float32)
    return np.asarray(cv2.warpAffine(picture, move, (w, h), flags=cv2.INTER_LINEAR), np.uint8)


def write_text(image: Picture, text: str, centre: tuple[int, int], height: int) -> None:
    """Light letters with a dark rim, centred, in place; `height` of a capital in pixels."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    font, scale = cv2.FONT_HERSHEY_DUPLEX, height / 22.0
    thick = max(1, round(scale * 1.4))
    (tw, th), _ = cv2.getTextSize(plain, font, scale, thick)
    at = (int(centre[0] - tw / 2), int(centre[1] + th / 2))
    cv2.putText(image, plain, at, font, scale, (0, 0, 0), thick + max(2, height // 6), cv2.LINE_AA)
    cv2.putText(image, plain, at, font, scale, (255, 255, 240), thick, cv2.LINE_AA)
