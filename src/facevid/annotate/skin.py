"""Tone of the skin as pictured: the Monk Skin Tone scale and the individual typology angle."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from facevid.annotate.face import (
    FOREHEAD,
    LEFT_CHEEK,
    RIGHT_CHEEK,
    cheek_mask,
    cropped,
    lab,
    points_of,
    polygon_mask,
)
from facevid.annotate.face_looks import looked_at
from facevid.annotate.light import LUMINANCE, eye_white, linear, white_shift
from facevid.annotate.observed import Answer, Floats, Observed

Doubles = NDArray[np.float64]

MONK_SRGB = (
    (246, 237, 228), (243, 231, 219), (247, 234, 208), (234, 218, 186), (215, 189, 150),
    (160, 126, 86), (130, 92, 67), (96, 65, 52), (58, 49, 42), (41, 36, 32),
)  # fmt: skip
"""The ten tones, 1 lightest, as published by Ellis Monk and Google (skintone.google, 2022)."""
FACING_GAIN = 1.25
"""A swatch is skin that faces its light; the brighter half of cheeks and forehead, normals some 40 degrees away,
gets about cos 37 degrees = 0.8 of that."""
SURFACE = 0.04
"""Linear light that the skin's surface mirrors whatever lies below: 4 to 7 % for any melanin (Anderson & Parrish 1981,
J. Invest. Dermatol. 77, 13), here 5 % of the 0.8. Tone 10 has a luminance of 0.0185, less than any surface mirrors, so
the scale's dark tones can only mean the skin without it: it is taken off for the tone."""
FULL_WHITE, EXPOSURE = 0.7, (0.7, 1.4)
"""Luminance of the eye whites in a correct exposure, and how far, half a stop, they may correct it: deep sockets and
pigment darken them by more than that."""
CHROMA_FACTOR = 2.0
"""k_C of CIEDE2000. Cameras raise the chroma of skin and swatches have little of it, so it counts half."""
ERROR, BLIND_ERROR = 5.0, 10.0
"""CIEDE2000 by which one skin differs between rooms and cameras, and where the exposure is not known: no eye whites are
seen, or they would correct it by more than half a stop."""
SURE_TONE = 0.75
"""Probability that the tone needs, by those errors; below it two neighbours are as likely as not the same."""
FAR_LIGHT = 0.6
"""Stops of red over blue (about 40 mired) at which the light's colour alone moves skin by a step of the scale: no
answer beyond."""
FAR_TONE = 25.0
"""CIEDE2000 from the nearest tone beyond which the patch is no skin in usable light."""
USABLE_LUMINANCE = 0.01, 0.9
"""Y of the lit skin that a picture can still tell from black or from clipping."""


def measure_skin(o: Observed) -> list[Answer]:
    """skin_tone (Monk 1 to 10) and ita (degrees) of the lit skin of cheeks and forehead, as pictured.

    The colour is the median, over the looks, of the brighter half of the skin's pixels, balanced so that the eye
    whites would be neutral, and 1.25 times as bright, as if it faced the light. ita = arctan((L* - 50) / b*) 180 / pi
    (Chardon, Cretois, Hourseau 1991). skin_tone is the tone nearest in CIEDE2000 after the exposure is corrected by the
    eye whites and the surface's reflection taken off, only where no neighbour is as likely (`tone_chances`). Both
    describe a picture, not a person: make-up and tan move them. No answer in light too dark, clipped or coloured.
    """
    colours = [c for image, mesh in looked_at(o) if (c := lit_colour(image, mesh)) is not None]
    if not colours:
        return []
    white = eye_white(o)
    shift = 0.0 if white is None else white_shift(white)
    rgb = np.median(colours, axis=0)
    luminance = float(rgb @ LUMINANCE)
    if abs(shift) > FAR_LIGHT or not USABLE_LUMINANCE[0] <= luminance <= USABLE_LUMINANCE[1]:
        return []
    balanced = np.array([lab_of_linear(np.minimum(FACING_GAIN * balance(c, shift), 1)) for c in colours])
    pictured = np.median(balanced, axis=0)
    exposure = 1.0 if white is None else float(white @ LUMINANCE) / FULL_WHITE
    known = white is not None and EXPOSURE[0] <= exposure <= EXPOSURE[1]
    body = body_colour(rgb, shift, exposure)
    distances = ciede2000(body[None], MONK_LAB, chroma_factor=CHROMA_FACTOR)
    if distances.min() > FAR_TONE:
        return []
    spread = float(np.median(np.abs(balanced - pictured).sum(axis=1)))
    steady = math.exp(-spread / 20) * (1 - abs(shift) / (2 * FAR_LIGHT))
    detail = {
        "lab": [round(float(v), 1) for v in pictured],
        "stops_red_over_blue": round(shift, 3),
    }
    angle = typology_angle(float(pictured[0]), float(pictured[2]))
    sure = round((0.6 if white is None else 0.85) * steady, 3)
    answers = [Answer("ita", f"{angle:.1f}", sure, detail | {"class": typology_class(angle)})]
    chances = tone_chances(distances, ERROR if known else BLIND_ERROR)
    first, second = np.argsort(chances)[:-3:-1]
    if chances[first] >= SURE_TONE:
        about = {
            "lab": [round(float(v), 1) for v in body],
            "delta_e": round(float(distances[first]), 1),
            "next": str(int(second) + 1),
            "stops_red_over_blue": round(shift, 3),
        }
        answers.insert(0, Answer("skin_tone", str(int(first) + 1), round(float(chances[first]), 3), about))
    return answers


def body_colour(rgb: Floats, shift: float, exposure: float) -> Doubles:
    """CIELAB of the skin below its surface: linear `rgb` brought to a correct exposure, balanced, facing the light."""
    exposed = np.maximum(rgb / float(np.clip(exposure, *EXPOSURE)) - SURFACE, 0.001)
    return lab_of_linear(np.minimum(FACING_GAIN * balance(np.asarray(exposed, np.float32), shift), 1))


def tone_chances(distances: Doubles, error: float) -> Doubles:
    """Probabilities of the ten tones, all alike before, for CIEDE2000 distances with that standard error."""
    likely = np.exp(-0.5 * ((distances - distances.min()) * (distances + distances.min())) / error**2)
    return np.asarray(likely / likely.sum(), np.float64)


def typology_angle(lightness: float, b: float) -> float:
    """Individual typology angle in degrees, -90 to 90, of L* and b* (Chardon et al. 1991); b* is taken above 0."""
    return math.degrees(math.atan((lightness - 50) / max(b, 1e-6)))


def typology_class(angle: float) -> str:
    """The class of an individual typology angle (Chardon et al. 1991, Del Bino et al. 2006)."""
    for above, name in ((55, "very light"), (41, "light"), (28, "intermediate"), (10, "tan"), (-30, "brown")):
        if angle > above:
            return name
    return "dark"


def lit_colour(image: NDArray[np.uint8], mesh: Floats) -> Floats | None:
    """Linear R, G, B of the brighter half of the skin of cheeks and forehead; None where fewer than 50 pixels show.

    The brightest tenth is left out as highlight, and so is what is less than half or more than three times as bright
    as the cheeks (hair over the forehead).
    """
    image, mesh = cropped(image, mesh, (*RIGHT_CHEEK, *LEFT_CHEEK, *FOREHEAD))
    height, width = image.shape[:2]
    on_cheeks = cheek_mask(mesh, (height, width))
    mask = on_cheeks | polygon_mask(points_of(mesh, FOREHEAD), (height, width))
    if mask.sum() < 50:
        return None
    cheeks = linear(image[on_cheeks])
    rgb = linear(image[mask])
    y = rgb @ LUMINANCE
    if len(cheeks):  # a fringe or a cap on the forehead is as far from the cheeks as no forehead is
        level = float(np.median(cheeks @ LUMINANCE))
        rgb, y = rgb[(y > level / 2) & (y < level * 3)], y[(y > level / 2) & (y < level * 3)]
    low, high = np.quantile(y, (0.5, 0.9))
    return np.asarray(np.median(rgb[(y >= low) & (y <= high)], axis=0), np.float32)


def balance(rgb: Floats, shift: float) -> Floats:
    """Linear colour with `shift` stops of red over blue taken out, its luminance kept."""
    turned = rgb * np.array([2 ** (-shift / 2), 1, 2 ** (shift / 2)], np.float32)
    return np.asarray(turned * (rgb @ LUMINANCE) / max(float(turned @ LUMINANCE), 1e-9), np.float32)


def lab_of_linear(rgb: Floats) -> Doubles:
    """CIELAB (D65, 2 degrees; CIE 15) of (..., 3) linear sRGB."""
    to_xyz = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175],
                       [0.0193339, 0.119192, 0.9503041]])  # fmt: skip
    xyz = np.asarray(rgb, np.float64) @ to_xyz.T / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def ciede2000(one: Doubles, other: Doubles, *, chroma_factor: float = 1.0) -> Doubles:
    """CIEDE2000 colour differences of (..., 3) CIELAB colours (CIE 142:2001; Sharma, Wu, Dalal 2005).

    chroma_factor: the parameter k_C, which makes differences of chroma count less where it is above 1.
    """
    l1, a1, b1 = np.moveaxis(np.asarray(one, np.float64), -1, 0)
    l2, a2, b2 = np.moveaxis(np.asarray(other, np.float64), -1, 0)
    mean_c = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = 0.5 * (1 - np.sqrt(mean_c**7 / (mean_c**7 + 25.0**7)))
    a1, a2 = a1 * (1 + g), a2 * (1 + g)
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1)) % 360, np.degrees(np.arctan2(b2, a2)) % 360
    turn = (h2 - h1 + 180) % 360 - 180
    turn = np.where(c1 * c2 == 0, 0, turn)
    hue = np.where(c1 * c2 == 0, h1 + h2, (h1 + turn / 2) % 360)
    d_hue = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    light, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    t = (
        1
        - 0.17 * np.cos(np.radians(hue - 30))
        + 0.24 * np.cos(np.radians(2 * hue))
        + 0.32 * np.cos(np.radians(3 * hue + 6))
        - 0.2 * np.cos(np.radians(4 * hue - 63))
    )
    s_l = 1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2)
    s_c, s_h = 1 + 0.045 * chroma, 1 + 0.015 * chroma * t
    r_c = 2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    r_t = -np.sin(np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2)))) * r_c
    dl, dc, dh = (l2 - l1) / s_l, (c2 - c1) / (chroma_factor * s_c), d_hue / s_h
    return np.asarray(np.sqrt(dl**2 + dc**2 + dh**2 + r_t * dc * dh), np.float64)


MONK_LAB: Doubles = lab(np.array([MONK_SRGB], np.uint8))[0].astype(np.float64)
