"""Paints the texture of a head: skin, lips, brows, hair, beard and the shade that collects in its hollows."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from facevid.synth.head import MEMBRANE, Head
from facevid.synth.noise import Array, bump, noise_image, noise_space, pair, smoothstep
from facevid.synth.person import HAIR, Person
from facevid.synth.raster import TEXELS


def mix(base: Array, colour: Array | tuple[float, ...], amount: Array) -> Array:
    """`base` (h, w, 3) moved towards `colour` by `amount` (h, w) in 0..1."""
    return np.asarray(base + (np.asarray(colour, np.float32) - base) * amount[..., None], np.float32)


def texel_points(grid: Array) -> Array:
    """Positions (rows * TEXELS, cols * TEXELS, 3) of a grid's texels."""
    rows, cols = grid.shape[:2]
    v, u = np.mgrid[0 : rows * TEXELS, 0 : cols * TEXELS].astype(np.float32) / TEXELS
    return np.asarray(cv2.remap(grid, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def parting_of(person: Person) -> float | None:
    """Where the hair is parted, in cm from the middle, or None for styles that are not."""
    if person.bangs or person.hair_style not in ("long", "bob", "medium"):
        return None
    return 2.4 * float(np.sin(person.seed % 97))


def hair_cover(person: Person, head: Head, p: Array, theta: Array, rng: np.random.Generator) -> Array:
    """How far inside the hairline (cm, positive inside) points p (..., 3) at angle theta are."""
    x, y, z = p[..., 0], p[..., 1], p[..., 2]
    line = 7.15 * person.shape["skull_height"] + person.look["hairline"] - 0.042 * x**2
    if person.presentation == "male":
        line = line + 0.9 * person.look["age"] * np.exp(-0.5 * ((np.abs(x) - 3.6) / 1.3) ** 2)
    parting = parting_of(person)
    if parting is not None:  # the hair falls to both sides of a parting
        away = np.abs(x - parting)
        line = line + 0.9 * np.exp(-away / 0.7) - 0.2 * np.maximum(away - 0.5, 0) ** 1.25 + 0.35
    side = np.abs(theta)
    # down the temple, a sideburn before the ear, round the ear, then the nape
    temple = np.interp(
        side,
        [0.0, 0.95, 1.2, 1.38, 1.5, 1.62, 1.95, 2.2, 3.2],
        [99, 99, 3.5, -1.6, -2.2, 1.0, 0.5, -6.0, -8.0],
    )
    edge = np.where(side < 1.05, line, np.minimum(line, temple))
    if person.bangs:
        fringe = 3.6 + 0.5 * np.sin(x * 1.3 + 3 * person.look["blush"]) + 0.25 * np.sin(x * 7.0 + 1.0)
        edge = np.where((z > 1.0) & (np.abs(x) < 6.6), np.minimum(edge, fringe), edge)
    return np.asarray(y - edge + 0.18 * noise_space(rng, p, 1.3) * 0.5, np.float32)


def paint_head(
    person: Person, head: Head, hair: Array, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], Array, Array]:
    """The head's texture (h, w, 4), the texel positions and the lip mask; `hair` (h, w) is the hair's cover."""
    p = texel_points(head.skin)
    x, y = p[..., 0], p[..., 1]
    s = person.shape
    colour = _skin(person, head, p, rng)
    colour, lips = _lips(person, head, colour, p, rng)
    colour = _folds(person, head, colour, p)
    colour = _beard(person, head, colour, p, rng)
    colour = _brows(person, head, colour, x, y, p[..., 2], rng)
    colour = _hair(person, colour, hair, p, rng)
    alpha = 255 * (
        1 - smoothstep(-14.6, -15.2, y + 0.12 * np.maximum(p[..., 2], -2) - 11.7 * (1 - s["face_length"]))
    )
    rgba = np.dstack([np.clip(colour, 0, 255), alpha]).astype(np.uint8)
    return rgba, p, lips


def base_tone(person: Person) -> Array:
    """The skin's colour before light. A Monk tone is the light side of a face; pictures are darker, more saturated,
    and of dark skin brighter, as cameras expose for it."""
    tone = np.array(person.skin_srgb, np.float32)
    light = person.lightness
    tone = tone * (0.93 - 0.06 * light) + np.array([15, -1, -4], np.float32) * (0.4 + light)
    tone += np.array([22, 12, 8], np.float32) * max(0.0, 0.4 - light) / 0.25
    return np.asarray(tone + person.look["tint_red"] * np.array([3, -3, -4], np.float32), np.float32)


def _skin(person: Person, head: Head, p: Array, rng: np.random.Generator) -> Array:
    x, y, z = p[..., 0], p[..., 1], p[..., 2]
    s, look = person.shape, person.look
    tone = base_tone(person)
    lightness = person.lightness
    colour = np.broadcast_to(tone, (*x.shape, 3)).astype(np.float32)
    strength = 0.35 + 0.65 * lightness
    red = np.array([1.0, 0.72, 0.68], np.float32) * tone
    front = smoothstep(0.5, 4.0, z)
    colour = mix(
        colour, red, front * strength * (0.15 + 0.4 * look["blush"]) * pair(x, y, 4.0, -3.2, 1.6, 1.4)
    )
    colour = mix(colour, red, front * strength * 0.45 * bump(x, y, 0, head.nose_y + 0.9, 1.1, 0.8))
    colour = mix(colour, red, front * 0.25 * strength * bump(x, y, 0, head.mouth_y - 3.3, 1.6, 1.0))
    colour = mix(colour, tone * [1.03, 1.02, 0.9], front * 0.4 * bump(x, y, 0, 5.0, 4.0, 1.8))
    shade = tone * np.array([0.72, 0.62, 0.62], np.float32)
    under = pair(x, y, s["eye_space"] - 0.2, -1.25, 1.2, 0.42) * front
    colour = mix(colour, shade, under * (0.2 + 0.5 * look["under_eye"]))
    colour = mix(colour, shade, 0.35 * pair(x, y, s["eye_space"], 0.75, 1.5, 0.5) * front)
    mottled = noise_space(rng, p, 3.0)[..., None] * 0.012 + noise_space(rng, p, 0.9)[..., None] * 0.01
    pores = noise_image(rng, x.shape, (3, 3))
    pores -= cv2.GaussianBlur(pores, (0, 0), 3)
    pores *= smoothstep(-13.0, -11.0, y)  # the texture is drawn out on the neck
    grain = noise_image(rng, x.shape, (9, 9), 2)
    colour *= 1 + mottled + (0.045 * pores + 0.02 * grain)[..., None]
    if person.freckles:
        dots = noise_image(rng, x.shape, (5, 5)) + 0.4 * noise_image(rng, x.shape, (40, 40))
        spots = smoothstep(0.5, 0.95, dots) * (pair(x, y, 2.8, -2.2, 2.4, 1.4) + 0.15) * front
        colour = mix(colour, tone * [0.7, 0.55, 0.45], np.clip(spots * 0.55, 0, 1))
    for _ in range(person.moles):
        mx, my = rng.uniform(-5, 5), rng.uniform(-9, 5)
        colour = mix(colour, tone * 0.4, 0.8 * smoothstep(0.17, 0.08, np.hypot(x - mx, y - my)) * front)
    return colour


def _lips(
    person: Person, head: Head, colour: Array, p: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    x, y, z = p[..., 0], p[..., 1], p[..., 2]
    s = person.shape
    w = s["mouth_width"]
    u = np.clip(np.abs(x) / w, 0, 1)
    line = head.mouth_y + 0.014 * x**2
    bow = (
        1
        - u**2.2
        - 0.16 * np.exp(-0.5 * (x / 0.32) ** 2)
        + 0.06 * np.exp(-0.5 * ((np.abs(x) - 0.55) / 0.3) ** 2)
    )
    top = line + s["lip_upper"] * np.maximum(bow, 0)
    low = line - s["lip_lower"] * np.maximum(1 - u**2.6, 0)
    inside = smoothstep(-0.05, 0.07, top - y) * smoothstep(-0.05, 0.07, y - low) * (np.abs(x) < w) * (z > 3)
    rows = head.mouth_row * TEXELS
    inside[rows : rows + (MEMBRANE + 1) * TEXELS] *= 1.0
    tone = np.array(person.skin_srgb, np.float32)
    light = tone.mean() / 255
    natural = (
        tone * np.array([0.86, 0.6, 0.58]) + np.array([20, 8, 10]) * light
        if light > 0.35
        else tone * [1.1, 0.85, 0.85]
    )
    lip = np.array(person.lipstick, np.float32) * 0.85 if person.lipstick else natural
    lines = 1 + 0.07 * noise_image(rng, x.shape, (24, 3)) + 0.05 * noise_image(rng, x.shape, (10, 6))
    shade = np.where(y > line, 0.88, 1.02)
    painted = np.asarray(lip, np.float32) * (lines * shade)[..., None]
    colour = mix(colour, np.asarray(painted, np.float32), inside * (0.95 if person.lipstick else 0.8))
    rim = np.exp(-0.5 * ((y - top) / 0.07) ** 2) * (u < 0.95) * (z > 3) * (1 - inside)
    colour = colour * (1 + 0.06 * rim[..., None])
    slit = np.exp(-0.5 * ((y - line) / 0.07) ** 2) * (1 - smoothstep(0.92, 1.06, np.abs(x) / w)) * (z > 3)
    colour = mix(colour, tone * np.array([0.35, 0.2, 0.2]), 0.75 * slit)
    corner = pair(x, y, w + 0.05, head.mouth_y + 0.08, 0.16, 0.14) * (z > 3)
    return mix(colour, tone * np.array([0.45, 0.3, 0.3]), 0.6 * corner), np.asarray(inside, np.float32)


def _folds(person: Person, head: Head, colour: Array, p: Array) -> Array:
    """Darkens hollows: eye sockets, sides of the nose, nostrils, folds, under the lip and under the jaw."""
    x, y, z = p[..., 0], p[..., 1], p[..., 2]
    s, age = person.shape, person.look["age"]
    front = smoothstep(0.5, 4.0, z)
    ny, my = head.nose_y, head.mouth_y
    nw = s["nose_width"]
    dark = 0.3 * pair(x, y, 1.75, 0.75, 0.55, 0.7)
    dark += 0.24 * pair(x, y, 1.3 * nw, (ny + 0.5) / 2, 0.5, 1.2)
    wing = np.hypot((np.abs(x) - 1.2 * nw) / 0.62, (y - ny - 0.62) / 0.6)
    dark += 0.4 * np.exp(-0.5 * ((wing - 1.05) / 0.16) ** 2) * smoothstep(-0.5, 0.25, np.abs(x) - 1.15 * nw)
    dark += 0.3 * bump(x, y, 0, ny + 0.02, 1.2 * nw, 0.2)
    nostril = np.hypot((np.abs(x) - 0.66 * nw + 0.25 * (y - ny - 0.2)) / (0.36 * nw), (y - ny - 0.16) / 0.15)
    fold_x = 1.7 * nw * 0.5 + 0.95 + 0.5 * (ny + 0.3 - y)
    reach = smoothstep(ny + 0.7, ny, y) * smoothstep(my - 0.9, my + 0.5, y)
    dark += (0.12 + 0.3 * age) * np.exp(-0.5 * ((np.abs(x) - fold_x) / 0.16) ** 2) * reach
    dark += 0.26 * bump(x, y, 0, my - s["lip_lower"] - 0.35, 1.3, 0.26)
    dark += 0.1 * s["philtrum"] * bump(x, y, 0, (ny + my + s["lip_upper"]) / 2, 0.16, 0.4)
    if age > 0.5:
        for k in range(3):
            wave = 4.2 + 0.75 * k + 0.12 * np.sin(x * 0.9 + k)
            dark += (
                (age - 0.5) * 0.45 * np.exp(-0.5 * ((y - wave) / 0.06) ** 2) * np.exp(-0.5 * (x / 3.0) ** 4)
            )
        for k in range(3):
            crow = 0.25 - 0.35 * k + (np.abs(x) - 4.9) * (0.35 - 0.35 * k)
            dark += (
                (age - 0.5)
                * 0.6
                * np.exp(-0.5 * ((y - crow) / 0.05) ** 2)
                * bump(np.abs(x), y, 5.5, 0, 0.5, 0.8)
            )
    dark *= front
    below = smoothstep(-10.8, -13.0, y) * smoothstep(9.0, 5.5, z)
    dark += 0.42 * below * np.exp(-0.5 * ((y + 12.9) / 2.6) ** 2)
    factor = np.array([0.75, 0.95, 1.0], np.float32)
    colour = colour * (1 - np.clip(dark, 0, 0.85)[..., None] * factor)
    tone = np.array(person.skin_srgb, np.float32)
    return mix(colour, tone * np.array([0.22, 0.12, 0.1]), 0.72 * smoothstep(1.35, 0.6, nostril) * front)


def _strands(rng: np.random.Generator, shape: tuple[int, ...], fine: float = 2.2) -> Array:
    """Streaks along the rows' direction (down the head) in about [-1, 1]."""
    return np.asarray(
        0.55 * noise_image(rng, shape, (120, fine)) + 0.45 * noise_image(rng, shape, (60, 3 * fine)),
        np.float32,
    )


def _hair(person: Person, colour: Array, cover: Array, p: Array, rng: np.random.Generator) -> Array:
    if person.hair_style == "bald":
        shadow = smoothstep(-0.5, 0.7, cover) * 0.16
        return mix(colour, (60, 56, 54), shadow)
    base = np.array(HAIR[person.hair_colour], np.float32)
    shape = cover.shape
    ragged = cover + 0.28 * noise_image(rng, shape, (30, 3)) + 0.15 * noise_image(rng, shape, (8, 2))
    if person.hair_style == "buzz":
        grain = noise_image(rng, shape, (2.5, 2.5))
        return mix(colour, base * (1 + 0.35 * grain[..., None]), 0.75 * smoothstep(-0.35, 0.55, ragged))
    if person.hair_style in ("curly", "afro"):
        curls = noise_image(rng, shape, (9, 7), 2) + 0.5 * noise_space(rng, p, 0.9, 20)
        look = base * (1 + 0.24 * curls[..., None]) + 6
    else:
        shine = np.exp(-0.5 * ((p[..., 1] - 8.7 - 0.4 * noise_image(rng, shape, (30, 12))) / 0.8) ** 2)
        streak = _strands(rng, shape)
        look = base * (1 + 0.42 * streak[..., None]) + 26 * (shine * (0.6 + 0.6 * streak))[..., None] + 4
    parting = parting_of(person)
    if parting is not None:
        groove = np.exp(-0.5 * ((p[..., 0] - parting) / 0.1) ** 2) * smoothstep(3.0, 6.0, p[..., 2])
        look = look * (1 - 0.75 * groove[..., None])
    fringe = person.bangs or person.hair_style in ("curly", "afro")
    edge = smoothstep(-0.16, 0.2, ragged) if fringe else smoothstep(-0.4, 0.55, ragged)
    under = smoothstep(-1.0, 0.1, cover) * (1 - edge)
    return mix(
        colour * (1 - (0.22 if fringe else 0.1) * under[..., None]),
        np.asarray(np.maximum(look, 3), np.float32),
        edge,
    )


def _beard(person: Person, head: Head, colour: Array, p: Array, rng: np.random.Generator) -> Array:
    if person.beard == "none":
        return colour
    area = beard_cover(person, head, p)
    base = np.array(HAIR[person.brow_colour if person.brow_colour != "blonde" else "light brown"], np.float32)
    hairs = noise_image(rng, area.shape, (9, 2.4)) + 0.6 * noise_image(rng, area.shape, (3, 3))
    if person.beard == "stubble":
        return mix(colour, base, np.clip(area * (0.3 + 0.32 * hairs), 0, 0.6))
    look = base * (1 + 0.45 * hairs[..., None]) + 5
    return mix(
        colour,
        np.asarray(look, np.float32),
        smoothstep(0.25, 0.75, area + 0.25 * hairs) * smoothstep(0.02, 0.25, area) * 0.95,
    )


def beard_cover(person: Person, head: Head, p: Array) -> Array:
    """0..1: where the beard grows at points p (..., 3)."""
    x, y, z = p[..., 0], p[..., 1], p[..., 2]
    s = person.shape
    ny, my = head.nose_y, head.mouth_y
    line = my + 0.014 * x**2
    lips = np.hypot(
        x / (s["mouth_width"] + 0.12),
        np.where(y > line, (y - line) / (s["lip_upper"] + 0.12), (y - line) / (s["lip_lower"] + 0.15)),
    )
    off = smoothstep(0.92, 1.1, lips)
    moustache = (
        smoothstep(ny - 0.1, ny - 0.4, y)
        * smoothstep(my - 0.9, my - 0.1, y)
        * smoothstep(
            s["mouth_width"] + 0.9, s["mouth_width"] - 0.3, np.abs(x) + 0.4 * np.maximum(y - my - 0.6, 0)
        )
    )
    chin = (
        smoothstep(my - 0.9, my - 1.5, y)
        * smoothstep(1.15, 0.75, np.hypot(x / 2.9, (y - my + 2.2) / 3.6))
        * smoothstep(-13.6, -12.6, y)
    )
    ring = smoothstep(1.1, 0.85, np.hypot(x / (s["mouth_width"] + 0.75), (y - my + 0.5) / 3.0)) * smoothstep(
        ny - 0.1, ny - 0.5, y
    )
    upper = my + 0.3 + 0.33 * np.maximum(np.abs(x) - 2.6, 0) ** 1.25
    cheeks = (
        smoothstep(upper + 0.35, upper - 0.35, y) * smoothstep(-0.3, 0.7, z) * smoothstep(-13.4, -12.4, y)
    )
    front = smoothstep(0.0, 1.2, z)
    areas = {
        "mustache": moustache,
        "goatee": np.maximum(np.maximum(moustache, chin), ring * smoothstep(-13.2, -12.2, y)),
        "full": np.maximum(moustache, cheeks),
        "stubble": np.maximum(moustache, cheeks),
    }
    return np.asarray(areas[person.beard] * off * front, np.float32)


def _brows(
    person: Person, head: Head, colour: Array, x: Array, y: Array, z: Array, rng: np.random.Generator
) -> Array:
    s = person.shape
    inner, outer = s["eye_space"] - 1.95 + s["brow_gap"], s["eye_space"] + 2.05
    t = (np.abs(x) - inner) / (outer - inner)
    middle = (
        head.brow_y
        - 0.25
        + s["brow_tilt"] * (t - 0.4)
        + s["brow_arch"] * 1.6 * t * (1.25 - t)
        - 0.35 * np.maximum(t - 0.65, 0)
    )
    thick = s["brow_thick"] * np.interp(t, [0, 0.15, 0.55, 1.0], [0.8, 1.1, 0.9, 0.25])
    slant = (y - middle) * 0.8
    hairs = noise_image(rng, x.shape, (6, 2.6))
    body = smoothstep(1.25, 0.55, np.abs(y - middle) / np.maximum(thick, 0.05) + 0.28 * hairs)
    ends = smoothstep(-0.06, 0.1, t + 0.1 * slant) * smoothstep(1.03, 0.9, t)
    amount = np.clip(body * ends * (z > 2) * s["brow_dense"] * (0.8 + 0.35 * hairs), 0, 0.97)
    base = np.array(HAIR[person.brow_colour], np.float32) * (
        0.8 if person.brow_colour in ("blonde", "white") else 1.0
    )
    return mix(colour, base, np.asarray(amount, np.float32))
