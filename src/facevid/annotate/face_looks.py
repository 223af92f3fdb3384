"""What is on a face - glasses, beard, mustache, lipstick - from edges, texture and colour of its aligned pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from facevid.annotate.face import (
    LEFT_CHEEK,
    LEFT_EYE_CORNER,
    LIPS_INNER,
    LIPS_OUTER,
    RIGHT_CHEEK,
    RIGHT_EYE_CORNER,
    Bools,
    Floats,
    Image,
    lab,
    points_of,
    polygon_mask,
)  # fmt: skip
from facevid.annotate.observed import Answer, Observed

EYES_APART, EYES_AT, CHIP_SIZE = 160.0, (160.0, 150.0), (320, 400)
"""An aligned face: pixels between the outer eye corners (about 18 a centimetre), their middle, width and height."""
MOST_YAW = 25.0
SMALLEST_EYES = 60.0
"""Below this many pixels between the eyes in the picture a thin rim or a hair is under a pixel: no answer."""

MUSTACHE = (2, 97, 165, 92, 39, 37, 0, 267, 269, 322, 391, 326)
CHIN = (18, 313, 421, 428, 199, 208, 201, 83)
JAWS = ((214, 192, 138, 135, 210, 212), (434, 416, 367, 364, 430, 432))
EYES = ((33, 133), (263, 362))

EDGE, NO_BRIDGE, NO_RIM = 10.0, 6.5, 5.5
"""L* by which a line stands out from both its sides, on the bridge and along the rims. A frame is an object's edge:
10 is four just noticeable differences of 2.3 (Mahy et al. 1994). "No" needs about half of that not to be reached."""
SKIN_TEXTURE, HAIR_TEXTURE, DENSE_TEXTURE = 0.05, 0.06, 0.125
"""Local contrast of a patch: robust deviation of what is finer than 2 mm in L*, over L* + 10. Skin's pores and lines
stay under 0.05; single hairs against skin give more, and a grown mustache an eighth, which stubble does not reach."""
SHADED = -12.0
"""L* below the cheek from which hair shaved short could be the cause: bareness is then not stated."""
HAIR_COLOUR = 11.0
"""Delta a*b* from the cheek that hair explains and shade does not."""
PAINTED_CHROMA, BARE_CHROMA = 12.0, 8.0
"""Chroma of the lips over the cheek's. Bare lips differ from the skin around them in hue and lightness, but not
significantly in chroma (914 women of four groups: Baras et al., L'Oreal); paint adds chroma."""
PAINTED_HUE, BARE_HUE, LEAST_CHROMA = 12.0, 22.0, 18.0
"""CIELAB hue of the lips in degrees. Bare lips lie between red and orange; bluish red of some chroma is paint."""


def measure_face(o: Observed) -> list[Answer]:
    """eyeglasses, beard, mustache, goatee and lipstick, "yes" or "no", where the pictures support either.

    Each look within 25 degrees of yaw is turned and scaled so that the outer eye corners lie level and 160 pixels
    apart; a measure is the median of the looks. Nothing is answered of a face whose eyes are less than 60 pixels
    apart. sunglasses are not answered: a mesh puts open eyes behind dark glass, so it cannot tell.
    """
    chips = [(lab(chip), mesh) for chip, mesh in face_chips(o)]
    if not chips:
        return []
    patches = np.array([_against_cheek(picture, mesh) for picture, mesh in chips])
    mustache, chin, jaw = np.median(patches, axis=0)
    answers = [
        _eyeglasses(chips),
        _mustache(mustache),
        _beard(mustache, chin, jaw),
        _goatee(mustache, chin, jaw),
    ]
    answers.append(_lipstick(np.median([_lips(picture, mesh) for picture, mesh in chips], axis=0)))
    return [answer for answer in answers if answer is not None]


def eyeglasses(o: Observed) -> Answer | None:
    """The answer about eyeglasses alone, for measures that glass before the eyes would mislead."""
    chips = [(lab(chip), mesh) for chip, mesh in face_chips(o)]
    return _eyeglasses(chips) if chips else None


def looked_at(o: Observed) -> Iterator[tuple[Image, Floats]]:
    """Each picture with its (478, 3) mesh."""
    for frame, image in zip(o.looks, o.images, strict=True):
        yield image, o.mesh[frame]


def face_chips(o: Observed) -> Iterator[tuple[Image, Floats]]:
    """Aligned faces, (400, 320, 3) uint8, each with its mesh in the same pixels; turned and small ones left out."""
    for frame, (image, mesh) in zip(o.looks, looked_at(o), strict=True):
        right, left = points_of(mesh, (RIGHT_EYE_CORNER, LEFT_EYE_CORNER))
        apart = float(np.hypot(*(left - right)))
        if abs(float(o.pose[frame, 0])) > MOST_YAW or apart < SMALLEST_EYES:
            continue
        (x, y), k = (left - right) / apart, EYES_APART / apart
        turn = np.array([[x, y], [-y, x]], np.float32) * k
        shift = np.array(EYES_AT, np.float32) - turn @ ((left + right) / 2)
        way = cv2.INTER_AREA if k < 1 else cv2.INTER_LINEAR
        chip = cv2.warpAffine(
            image, np.column_stack([turn, shift]), CHIP_SIZE, flags=way, borderMode=cv2.BORDER_REPLICATE
        )
        moved = mesh * k
        moved[:, :2] = mesh[:, :2] @ turn.T + shift
        yield np.asarray(chip, np.uint8), np.asarray(moved, np.float32)


def bridge_line(picture: Floats, mesh: Floats) -> float:
    """Strongest line across the bridge of the nose, in L*: second difference at 4 pixels of the profile down the
    middle, from between the brows to half way down the nose, averaged over 11 columns."""
    lightness = cv2.GaussianBlur(picture[..., 0], (0, 0), 1.2)
    middle = round(float(points_of(mesh, (133, 362))[:, 0].mean()))
    top, low = (int(np.clip(mesh[i, 1], 0, CHIP_SIZE[1] - 1)) for i in (8, 5))
    profile = lightness[top:low, middle - 5 : middle + 6].mean(axis=1)
    return float(_line(profile[None]).max()) if len(profile) > 8 else 0.0


def rim_lines(picture: Floats, mesh: Floats) -> tuple[float, float]:
    """The same along the best path under each eye: L* by which a line stands out, mean over directions.

    The lower face of each eye is unrolled (directions 30 to 150 degrees, radii 26 to 67 pixels, beyond the lids'
    folds); the path of the strongest second differences that moves by 2 pixels at most from direction to direction
    is the rim, if there is one (dynamic programming).
    """
    lightness = cv2.GaussianBlur(picture[..., 0], (0, 0), 1.2)
    angle, radius = np.deg2rad(np.arange(30, 151, 5)), np.arange(26, 68)
    found = []
    for ends in EYES:
        x, y = points_of(mesh, ends).mean(axis=0)
        across = (x + np.outer(np.cos(angle), radius)).astype(np.float32)
        down = (y + np.outer(np.sin(angle), radius)).astype(np.float32)
        polar = cv2.remap(lightness, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        rows = _line(np.asarray(polar, np.float32))
        best = rows[0]
        wide = np.full(len(best) + 4, -np.inf, np.float32)
        for row in rows[1:]:
            wide[2:-2] = best
            best = row + np.maximum.reduce([wide[k : k + len(best)] for k in range(5)])
        found.append(float(best.max()) / len(rows))
    return found[0], found[1]


def _line(rows: Floats) -> Floats:
    """|second difference| at 4 pixels along the last axis."""
    return np.asarray(np.abs(rows[:, 8:] - 2 * rows[:, 4:-4] + rows[:, :-8]), np.float32)


def _eyeglasses(chips: Sequence[tuple[Floats, Floats]]) -> Answer | None:
    lines = np.array([(bridge_line(picture, mesh), *rim_lines(picture, mesh)) for picture, mesh in chips])
    bridge, right, left = np.median(lines, axis=0)
    rim = float(min(right, left))
    detail = {"bridge_line": round(float(bridge), 1), "rim_line": round(rim, 1), "looks": len(lines)}
    if bridge >= EDGE and rim >= EDGE:
        agree = float(np.mean((lines >= EDGE).all(axis=1)))
        return Answer("eyeglasses", "yes", _sure(min(bridge, rim) / EDGE - 1) * (0.5 + 0.5 * agree), detail)
    if bridge <= NO_BRIDGE and rim <= NO_RIM:
        return Answer("eyeglasses", "no", _sure(1 - max(bridge / NO_BRIDGE, rim / NO_RIM)), detail)
    return None


def _against_cheek(picture: Floats, mesh: Floats) -> list[tuple[float, float, float]]:
    """Of upper lip, chin and jaws: local contrast, Delta a*b* and Delta L* from the cheeks."""
    near = cv2.dilate(_patch(mesh, (LIPS_OUTER,)).astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool)
    fine = picture[..., 0] - cv2.GaussianBlur(picture[..., 0], (0, 0), 4)
    cheek = _median_colour(picture, _patch(mesh, (RIGHT_CHEEK, LEFT_CHEEK)))
    return [_compared(picture, fine, _patch(mesh, r) & ~near, cheek) for r in ((MUSTACHE,), (CHIN,), JAWS)]


def _compared(picture: Floats, fine: Floats, mask: Bools, cheek: Floats) -> tuple[float, float, float]:
    if mask.sum() < 20:
        return 0.0, 0.0, 0.0
    colour = _median_colour(picture, mask)
    texture = 1.4826 * float(np.median(np.abs(fine[mask] - np.median(fine[mask]))))
    return (
        texture / (float(colour[0]) + 10),
        float(np.hypot(*(colour - cheek)[1:])),
        float(colour[0] - cheek[0]),
    )


def _mustache(patch: Floats) -> Answer | None:
    texture, colour, darker = (float(v) for v in patch)
    detail = {"texture": round(texture, 3), "delta_ab": round(colour, 1), "delta_l": round(darker, 1)}
    if texture >= DENSE_TEXTURE or (texture >= HAIR_TEXTURE and colour >= HAIR_COLOUR):
        return Answer(
            "mustache", "yes", _sure(max(texture / DENSE_TEXTURE, colour / HAIR_COLOUR) - 1), detail
        )
    if texture <= HAIR_TEXTURE and colour < HAIR_COLOUR and darker > SHADED:
        return Answer("mustache", "no", _sure(1 - texture / HAIR_TEXTURE), detail)
    return None


def _beard(mustache: Floats, chin: Floats, jaw: Floats) -> Answer | None:
    detail = {"chin_texture": round(float(chin[0]), 3), "jaw_texture": round(float(jaw[0]), 3)}
    lip_hair, chin_hair, jaw_hair = (float(p[0]) / HAIR_TEXTURE for p in (mustache, chin, jaw))
    lower = max(chin_hair, jaw_hair)
    if min(lip_hair, lower) >= 1 and (chin_hair >= 1 or float(mustache[1]) >= HAIR_COLOUR / 2):
        return Answer("beard", "yes", _sure(min(lip_hair, lower) - 1), detail)
    if chin[0] <= SKIN_TEXTURE and mustache[0] <= HAIR_TEXTURE and chin[2] > SHADED and mustache[2] > SHADED:
        return Answer("beard", "no", _sure(1 - chin_hair), detail)
    if _bare(chin) and _bare(jaw):
        return Answer("beard", "no", _sure(1 - lower), detail)
    return None


def _bare(patch: Floats) -> bool:
    return bool(patch[0] <= SKIN_TEXTURE and patch[1] < HAIR_COLOUR and patch[2] > SHADED)


def _goatee(mustache: Floats, chin: Floats, jaw: Floats) -> Answer | None:
    """A beard with bare jaws; "no" of no beard, or of one that covers the jaws."""
    beard = _beard(mustache, chin, jaw)
    if beard is None:
        return None
    if beard.value == "no":
        return Answer("goatee", "no", beard.confidence, beard.detail)
    if _bare(jaw) and chin[0] >= HAIR_TEXTURE:
        return Answer("goatee", "yes", beard.confidence, beard.detail)
    if jaw[0] >= HAIR_TEXTURE:
        return Answer("goatee", "no", beard.confidence, beard.detail)
    return None


def _lips(picture: Floats, mesh: Floats) -> Floats:
    """Median L*, a*, b* of the lips and of the cheeks, (6,)."""
    lips = _patch(mesh, (LIPS_OUTER,)) & ~_patch(mesh, (LIPS_INNER,))
    inner = cv2.erode(lips.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    colour = _median_colour(picture, inner if inner.sum() >= 20 else lips)
    return np.concatenate([colour, _median_colour(picture, _patch(mesh, (RIGHT_CHEEK, LEFT_CHEEK)))])


def _lipstick(colours: Floats) -> Answer | None:
    lip, skin = colours[:3], colours[3:]
    chroma = float(np.hypot(*lip[1:]))
    more = chroma - float(np.hypot(*skin[1:]))
    hue = float(np.degrees(np.arctan2(lip[2], lip[1])))
    detail = {"chroma_over_skin": round(more, 1), "hue": round(hue, 1), "chroma": round(chroma, 1)}
    if more >= PAINTED_CHROMA:
        return Answer("lipstick", "yes", _sure(more / PAINTED_CHROMA - 1), detail)
    if hue <= PAINTED_HUE and chroma >= LEAST_CHROMA:
        return Answer("lipstick", "yes", _sure((PAINTED_HUE - hue) / 20), detail)
    if more <= BARE_CHROMA and hue >= BARE_HUE:
        return Answer("lipstick", "no", _sure(1 - max(more, 0) / BARE_CHROMA), detail)
    return None


def _patch(mesh: Floats, regions: Sequence[Sequence[int]]) -> Bools:
    mask = np.zeros(CHIP_SIZE[::-1], bool)
    for region in regions:
        mask |= polygon_mask(points_of(mesh, region), CHIP_SIZE[::-1])
    return mask


def _median_colour(picture: Floats, mask: Bools) -> Floats:
    return np.asarray(np.median(picture[mask], axis=0) if mask.any() else np.zeros(3), np.float32)


def _sure(inside: float) -> float:
    """0.6 at a threshold, towards 0.95 at twice (or, below it, at none of) its value."""
    return round(0.6 + 0.35 * (1 - float(np.exp(-3 * max(inside, 0.0)))), 3)
