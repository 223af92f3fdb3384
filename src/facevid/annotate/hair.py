"""Hair as measured: colour, length, baldness and bangs, from the pixels of the person around the face."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from facevid.annotate.face import (
    CHIN,
    FACE_OVAL,
    FOREHEAD,
    FOREHEAD_TOP,
    LEFT_EYE_CORNER,
    RIGHT_EYE_CORNER,
    Bools,
    Floats,
    Image,
    cheek_mask,
    eye_distance,
    lab,
    points_of,
    polygon_mask,
)
from facevid.annotate.observed import Answer, Observed

UNIT = 64
"""Pixels of the upright picture for one distance of the outer eye corners, about 9 cm (`eye_distance`)."""
WIDTH, HEIGHT, MIDDLE, EYE_LINE = 4 * UNIT, 5 * UNIT, 2 * UNIT, 2 * UNIT

MIN_PIXELS = 150
"""Of the upright picture; fewer, some 3 square cm, may be rim and blur alone."""
SKIN_SHADES = (0.4, 1.8)
"""Share of the cheek's light that skin elsewhere on a head gets, shadow and highlight, in linear light."""
HIGHLIGHTS = (0.0, 0.15, 0.3)
"""Share of the lamp's own white that sebum mirrors upon it."""
HAIR_SHADES = (0.4, 2.0)
SKIN_NEAR, SKIN_FAR = 6.0, 8.0
"""CIE76 from every shade of the skin: two parts of one face keep below the first, three just noticeable differences
(2.3, Mahy et al. 1994); above the second it is something else."""
HAIR_NEAR = 12.0
STRANDS, SMOOTH = 2.0, 1.4
"""Fine contrast of the crown over the cheek's: strands lie above the first, a bald head below the second."""
MAJORITY = 0.6
EXPOSURES = (0.75, 1.0, 1.33)
"""Light that a colour must bear and still be named the same: nearly half a stop either way."""
BRIGHT_ENOUGH = 50.0
"""L* that something in the picture (99th percentile) must reach, else every hair looks black."""

SHORT_TO, MEDIUM_FROM = 0.2, 0.45
MEDIUM_TO, LONG_FROM = 1.4, 1.6
"""Where hair ends, in eye distances below the eyes: short hair above the middle of the ear, medium hair below its lobe
(level with the nose's base), long hair at the middle of the neck or below (the chin is at about 1.2)."""
THICK = 0.22
"""Hair that stands so far off the temples, 2 cm, is of medium length although it ends above the ear lobe."""
GAP = 0.12
"""Eye distances, 1 cm, without hair that do not end it: strands part."""
BANGS_YES, BANGS_NO = 0.15, 0.03
"""Share of the forehead, brows to the mesh's top, that hair covers."""


def measure_hair(o: Observed) -> list[Answer]:
    """hair_colour, hair_length and bangs of the clip, where the looks agree; see `colour_name` for the colours.

    Crown: the upper half of what the mask shows above the face, turned upright and scaled to the eyes. It is hair
    where its colour is none of the skin's shades or where it has strands, and bald where it is smooth skin. Length:
    how far down beside the face and the neck pixels of the hair's colour go on without a gap. Bangs: hair's colour on
    the forehead. Each look votes; what fewer than .6 of them say is not told; see `_voted` for confidence.

    Fails: caps and scarves are taken for hair; dark hair on dark skin, hair of the skin's colour and backgrounds that
    the mask takes for the person make it silent or wrong; a hair tie hides length; hair behind shoulders is not seen; a
    fringe that ends above the mesh's top, which lies about a centimetre below the hairline, is no bangs.
    """
    looks = [look for k in range(len(o.looks)) if (look := _look(o, k)) is not None]
    if not looks:
        return []
    answers = [
        _voted(
            "hair_length", [look.length for look in looks], _median("below_eyes", [x.reach for x in looks])
        ),
        _voted("bangs", [look.bangs for look in looks], _median("share", [x.fringe for x in looks])),
    ]
    if not any(answer and answer.value == "bald" for answer in answers):
        colour = np.median([look.colour for look in looks], axis=0)
        names = [
            name
            for look in looks
            for name in (look.names if look.hairy and look.bright else ("",) * len(EXPOSURES))
        ]
        answers.append(
            _voted("hair_colour", names, dict(zip(("L", "a", "b"), map(float, colour), strict=True)))
        )
    return [answer for answer in answers if answer is not None]


def colour_name(colour: Floats) -> str:
    """Name of a hair colour in CIELAB, "" between two names.

    Under an instrument black hair has L* 18, C* 1 and dark brown hair L* 23, C* 6 (Journal of the Society of Cosmetic
    Chemists 51 (5), p. 293, 2000); cameras raise contrast and chroma and lamps tint, so the border lies at C* 7.5 to 9.
    Grey and white have little chroma for their lightness and part at L* 66 to 72; blonde is yellowish from
    L* 57 up, brown below 53; red is saturated (C* 30) with a hue of at most 58 degrees, which pheomelanin gives.
    """
    lightness, a, b = (float(v) for v in colour)
    chroma, hue = float(np.hypot(a, b)), float(np.degrees(np.arctan2(b, a)))
    earthy = 15 <= hue <= 100
    if lightness < 32 and (chroma < 7.5 or (not earthy and chroma < 16)):
        return "black"
    if lightness > 36 and chroma < 0.17 * lightness:
        return "grey" if lightness < 66 else "white" if lightness > 72 else ""
    if not earthy or (lightness > 36 and chroma < 0.25 * lightness) or chroma < 9:
        return ""
    if hue < 58 and chroma >= 24:
        return "red" if chroma > 30 and lightness > 25 else ""
    if lightness > 57:
        return "blonde"
    ashen = lightness > 40 and chroma < 0.42 * lightness
    return "brown" if lightness < 53 and not ashen else ""


@dataclass(frozen=True)
class _Look:
    """One picture's votes; "" is no vote. colour: CIELAB of the crown. reach: where hair ends, below the eyes."""

    length: str
    bangs: str
    hairy: bool
    bright: bool
    colour: Floats
    names: tuple[str, ...]
    reach: float
    fringe: float


@dataclass(frozen=True)
class _Upright:
    """A picture turned so that the eyes are level at EYE_LINE, around MIDDLE, UNIT pixels apart."""

    colours: Floats
    person: Bools
    inside: Bools
    mesh: Floats


def _look(o: Observed, k: int) -> _Look | None:
    """The votes of look k; None where the face is too small or what is above it is not seen."""
    mesh = o.mesh[o.looks[k]]
    if not np.isfinite(mesh).all() or eye_distance(mesh) < UNIT / 2:
        return None
    view = _upright(o.images[k], o.masks[k], mesh)
    crown = _crown(view)
    cheek = cheek_mask(view.mesh, (HEIGHT, WIDTH)) & view.inside
    if crown.sum() < MIN_PIXELS or cheek.sum() < MIN_PIXELS:
        return None
    colour = _median_colour(view.colours[crown])
    skin = _median_colour(view.colours[cheek])
    apart = float(_from_skin(colour[None], skin)[0])
    fine = _fine_contrast(view.colours[..., 0])
    strands = float(np.median(fine[crown])) / max(float(np.median(fine[cheek])), 0.2)
    coloured = apart > SKIN_FAR
    hairy = coloured or (apart > SKIN_NEAR / 2 and strands > STRANDS)
    length, bangs, reach, fringe = "", "", float("nan"), float("nan")
    if coloured:
        hair = _hair_pixels(view, colour, skin)
        reach = _reach(view, hair)
        length = _length(view, hair, reach)
        fringe = float(hair[_forehead(view)].mean())
        if apart > HAIR_NEAR:
            bangs = "yes" if fringe > BANGS_YES else "no" if fringe < BANGS_NO else ""
    elif apart < SKIN_NEAR and strands < SMOOTH:
        length, bangs, fringe = "bald", "no", 0.0
    bright = float(np.percentile(lab(o.images[k][::4, ::4])[..., 0], 99)) > BRIGHT_ENOUGH
    names = tuple(colour_name(_relit(colour, light)) for light in EXPOSURES)
    return _Look(length, bangs, hairy, bright, colour, names, reach, fringe)


def _upright(image: Image, mask: Floats, mesh: Floats) -> _Upright:
    right, left = mesh[RIGHT_EYE_CORNER, :2], mesh[LEFT_EYE_CORNER, :2]
    along = (left - right) / max(float(np.linalg.norm(left - right)), 1e-6)
    scale = UNIT / eye_distance(mesh)
    turn = scale * np.array([[along[0], along[1]], [-along[1], along[0]]])
    shift = np.array([MIDDLE, EYE_LINE]) - turn @ ((right + left) / 2)
    matrix = np.column_stack([turn, shift])
    # blurred first where it shrinks, since warpAffine does not average
    soft = cv2.GaussianBlur(image, (0, 0), 0.5 / scale) if scale < 1 else image
    size = (WIDTH, HEIGHT)
    seen = cv2.warpAffine(np.ones(mask.shape, np.float32), matrix, size)
    person = cv2.warpAffine(mask, matrix, size) > 0.5
    return _Upright(
        colours=lab(np.asarray(cv2.warpAffine(soft, matrix, size), np.uint8)),
        person=person,
        inside=seen > 0.99,
        mesh=np.column_stack([mesh[:, :2] @ turn.T + shift, mesh[:, 2] * scale]).astype(np.float32),
    )


def _crown(view: _Upright) -> Bools:
    """The upper half, column by column, of the person above the face."""
    oval = _grown(_oval(view), 4)
    rows = np.arange(HEIGHT)[:, None]
    columns = np.abs(np.arange(WIDTH) - view.mesh[FOREHEAD_TOP, 0]) < 0.7 * UNIT
    above = _eroded(view.person, 3) & view.inside & ~oval & (rows < view.mesh[FOREHEAD_TOP, 1] + 8) & columns
    place = np.cumsum(above, axis=0, dtype=np.int16)
    return np.asarray(above & (place <= (place[-1] + 1) // 2))


def _oval(view: _Upright) -> Bools:
    return polygon_mask(points_of(view.mesh, FACE_OVAL), (HEIGHT, WIDTH))


def _forehead(view: _Upright) -> Bools:
    """The forehead without what brows and frames of glasses touch; never empty of a face of usual shape."""
    return _eroded(polygon_mask(points_of(view.mesh, FOREHEAD), (HEIGHT, WIDTH)), 3)


def _hair_pixels(view: _Upright, hair: Floats, skin: Floats) -> Bools:
    """Pixels of the person that are nearer to the hair's shades than to the skin's."""
    pixels = view.person & view.inside
    colours = view.colours[pixels]
    to_hair = _from_shades(colours, hair, HAIR_SHADES)
    near = to_hair < HAIR_NEAR
    near[near] = to_hair[near] < _from_skin(colours[near], skin)
    pixels[pixels] = near
    return pixels


def _beside(view: _Upright, rim: int) -> Bools:
    """Left and right of the face, from so many pixels within its outline, and, below the chin, of the neck."""
    columns = np.abs(np.arange(WIDTH)[None] - view.mesh[[FOREHEAD_TOP, CHIN], 0].mean())
    rows = np.arange(HEIGHT)[:, None]
    below_chin = rows > view.mesh[CHIN, 1]
    near = columns < 1.5 * UNIT
    return np.asarray(~_eroded(_oval(view), rim) & near & (~below_chin | (columns > 0.62 * UNIT)))


def _reach(view: _Upright, hair: Bools, rim: int = 0) -> float:
    """Eye distances below the eyes to which hair goes on beside the face; it starts at the forehead."""
    start = EYE_LINE - UNIT // 2
    width = (hair & _beside(view, rim)).sum(axis=1)[start:]
    there = width >= 0.08 * UNIT
    last = -1
    for row in np.flatnonzero(there):
        if row - last > GAP * UNIT:
            break
        last = int(row)
    return (start + last - EYE_LINE) / UNIT


def _thickness(view: _Upright, hair: Bools) -> float:
    """Mean width of hair on a side between the brows and the eyes, in eye distances."""
    rows = slice(EYE_LINE - UNIT // 2, EYE_LINE)
    return float((hair & _beside(view, 0))[rows].sum(axis=1).mean()) / 2 / UNIT


def _length(view: _Upright, hair: Bools, reach: float) -> str:
    """The length for where hair ends; "" between two lengths and where the picture ends first.

    Hair that frames the face lies within the mesh's outline. So do sideburns, but they end at the ear lobe.
    """
    bottom = (np.flatnonzero(view.inside[:, MIDDLE]).max(initial=0) - EYE_LINE) / UNIT
    if reach >= LONG_FROM:
        return "long"
    if reach > min(MEDIUM_TO, bottom - GAP):
        return ""
    if reach >= MEDIUM_FROM or _thickness(view, hair) >= THICK:
        return "medium"
    framed = _reach(view, hair, UNIT // 8) > MEDIUM_FROM
    return "short" if reach <= SHORT_TO and not framed else ""


def _from_shades(colours: Floats, base: Floats, shades: tuple[float, float]) -> Floats:
    """CIE76 of each (n, 3) CIELAB colour from the nearest shade of `base`: the same reflectance in other light.

    With light times f, L* + 16, a* and b* all grow by the cube root of f (CIE 15, above L* 8).
    """
    origin = np.array([16, 0, 0], np.float32)
    ray = base + origin
    low, high = np.cbrt(shades)
    moved, length = colours + origin, max(float(ray @ ray), 1e-6)
    dot = moved @ ray
    along = np.clip(dot / length, low, high)
    squared = np.einsum("ij,ij->i", moved, moved) - 2 * along * dot + along * along * length
    return np.asarray(np.sqrt(np.maximum(squared, 0)), np.float32)


def _from_skin(colours: Floats, skin: Floats) -> Floats:
    """CIE76 of each colour from the nearest shade of the skin, with or without a highlight upon it."""
    white = np.array([100, 0, 0], np.float32)
    shiny = [skin + share * (white - skin) for share in HIGHLIGHTS]
    return np.asarray(
        np.min([_from_shades(colours, base, SKIN_SHADES) for base in shiny], axis=0), np.float32
    )


def _relit(colour: Floats, light: float) -> Floats:
    """A CIELAB colour in `light` times as much light."""
    origin = np.array([16, 0, 0], np.float32)
    return np.asarray((colour + origin) * np.cbrt(light) - origin, np.float32)


def _fine_contrast(lightness: Floats) -> Floats:
    """How far each pixel's L* is from its surroundings' of about a millimetre or two."""
    return np.asarray(np.abs(lightness - cv2.GaussianBlur(lightness, (0, 0), 2)), np.float32)


def _median_colour(colours: Floats) -> Floats:
    return np.asarray(np.median(colours, axis=0), np.float32)


def _grown(mask: Bools, pixels: int) -> Bools:
    kernel = np.ones((2 * pixels + 1,) * 2, np.uint8)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel), bool)


def _eroded(mask: Bools, pixels: int) -> Bools:
    kernel = np.ones((2 * pixels + 1,) * 2, np.uint8)
    return np.asarray(cv2.erode(mask.astype(np.uint8), kernel), bool)


def _voted(name: str, votes: Iterable[str], detail: dict[str, float]) -> Answer | None:
    """The value that most votes name; None where "" or no majority wins.

    Confidence is Laplace's rule of succession, (votes for it + 1) / (votes + 2): eight of eight are no certainty.
    """
    counted = Counter(votes)
    total = sum(counted.values())
    value, most = max(((v, n) for v, n in counted.items() if v), key=lambda item: item[1], default=("", 0))
    if most < MAJORITY * total:
        return None
    return Answer(name, value, (most + 1) / (total + 2), detail)


def _median(name: str, values: list[float]) -> dict[str, float]:
    """The median of the looks that have a value, under its name; nothing where none has."""
    known = [value for value in values if np.isfinite(value)]
    return {name: float(np.median(known))} if known else {}
