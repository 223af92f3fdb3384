"""Light on a face, read off the whites of the eyes and the skin: how bright, from which side, and how warm."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from facevid.annotate.face import LEFT_EYE, RIGHT_EYE, Image, cropped, points_of, polygon_mask
from facevid.annotate.face_looks import eyeglasses, looked_at
from facevid.annotate.observed import Answer, Floats, Observed

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Weights of linear R, G, B in relative luminance Y (IEC 61966-2-1, ITU-R BT.709)."""

DARK_WHITE, DIM_WHITE, NORMAL_WHITE = 0.05, 0.14, (0.19, 0.85)
BRIGHT_WHITE = 0.955
"""Y of the eye whites, 1 = the brightest a picture can show. A sclera reflects about half of the light and lies in
the lids' shade, so in a correct exposure (grey card 0.18, full white 0.9) it shows 0.2 to 0.85, no more than paper;
half of the lower end is dim, an eighth dark; above 0.955 (250 of 255) it is as good as clipped. What lies between two
ranges is not answered."""
SURE_WHITE, PICTURE_WHITE, WHITE_SHARE = 0.6, 0.85, 0.002
"""Eye whites below 0.6 may be well lit in deep sockets, or dim: then the exposure is called normal only where the
brightest 0.002 of the picture reach the white of paper (0.85) or the lit skin tells it."""
FULL_SKIN, SHADED_WHITE, SHADED_SKIN = 0.5, 0.45, 0.4
"""The fairest skin reflects some 0.6 of the light, so lit skin of 0.5 is fully exposed. A lamp reaches paper white in
any exposure: eye whites below 0.45 count as shaded by their sockets only where the lit skin reaches 0.4."""
LAMP_SURE = 0.75
"""Highest confidence of an exposure that only the brightest part of the picture tells: it may be a lamp."""
DARK_SKIN, DARK_SKIN_WHITE = 0.1, 0.62
"""Pigment in the white of the eye is common where the skin is dark, and how much of it is not known: by lit skin under
0.1, eye whites are called normal only up to half a stop less than by other skin."""
DARK_FACE, DIM_FACE = 0.06, 0.2
"""Y of the lit skin that must agree: dark only where even the lit skin is a third of a grey card, dim where it barely
reaches one."""
EVEN_STOPS, SIDED_STOPS = 0.25, 0.4
"""log2 of the luminance of one half of the face over the other's. Less than a quarter stop is flat light (the step
of a light meter is a third); more than 0.4 stop (key to fill 1.3 to 1) shows on a face."""
CHEEK_AZIMUTH, AMBIENT = 40.0, 0.5
"""Degrees between the normals of the paired spots and the nose, and the share of light that comes from all round:
what the correction for a turned head assumes."""
SIDED_YAW = 25.0
NEUTRAL_WHITE_RB = 0.22
"""log2 of R over B, linear, of a sclera in neutral light: about a* 2, b* 3 (it is faintly pink and yellow)."""
NEUTRAL_RB, SEEN_RB, TINTED_RB = 0.03, 0.12, 0.15
COOL_RB = 0.05
"""Deviations from it, in stops, that are neutral at most; tinted where the background agrees; and tinted by themselves.
Whites differ between people by about 0.08, so 0.15 is two deviations, and only a reading in the very middle is called
neutral. On the daylight locus D65 to D50 (46 mired) is 0.70; these are 2 to 10 mired (just noticeable: 5). A sclera
only ever gains red (veins, age): for cool light a smaller deviation counts, with a background that is plainly blue."""
WARM_ROOM, NEUTRAL_ROOM, COOL_ROOM = 0.2, (0.0, 0.5), -0.5
"""log2 of R over B of the brightest tenth of the background. What is bright in a room (walls, paper, lamps) is on
average a little warmer than neutral and differs by half a stop, so it never decides alone, only agrees or not."""

PAIRS_RIGHT = (117, 118, 101, 36, 205, 123, 50, 187, 147, 213, 192, 214, 67, 103, 104, 69, 108)
PAIRS_LEFT = (346, 347, 330, 266, 425, 352, 280, 411, 376, 433, 416, 434, 297, 332, 333, 299, 337)
"""Mirrored spots of skin on cheeks, jaw and forehead; the subject's right side lies on the picture's left."""
IRIS = ((RIGHT_EYE, 468), (LEFT_EYE, 473))


def measure_light(o: Observed) -> list[Answer]:
    """Brightness, side and tone of the light on the face, where the pictures support an answer.

    light: from the luminance of the eye whites, whose reflectance differs little between people, and of the lit
    skin, which may only confirm. light_direction: the median log2 ratio of mirrored spots, less what a turned head
    shows in frontal light. light_tone: R over B of the eye whites and of the brightest part of the background, which
    must agree unless the first is plain, and only where surely no glasses are worn (their coats are coloured).
    light_source is never answered: no colour tells a lamp of 5600 K from daylight.
    """
    white = eye_white(o)
    tone = None if white is None else _tone(white_shift(white), background_shift(o))
    if tone is not None:  # looked for last, since it costs more than all the rest
        glasses = eyeglasses(o)
        tone = tone if glasses is not None and glasses.value == "no" else None
    answers = [_brightness(white, lit_skin(o), brightest(o)), _direction(o), tone]
    return [answer for answer in answers if answer is not None]


def linear(rgb: NDArray[np.uint8]) -> Floats:
    """sRGB uint8 to linear light, 0..1 (IEC 61966-2-1)."""
    return _LINEAR[rgb]


def _linear_table() -> Floats:
    v = np.arange(256) / 255
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4).astype(np.float32)


_LINEAR = _linear_table()


def eye_white(o: Observed) -> Floats | None:
    """Linear R, G, B of the eye whites; None where no look shows 12 pixels of white.

    In each look the brighter half of what lies between the lids and outside the iris is taken, and of that the
    least red third; of the looks the less red half: lids, veins and the codec's halved colour only ever add red.
    """
    found = [rgb for image, mesh in looked_at(o) if (rgb := _white_of(image, mesh)) is not None]
    found.sort(key=white_shift)
    return np.median(found[: (len(found) + 1) // 2], axis=0).astype(np.float32) if found else None


def _white_of(image: Image, mesh: Floats) -> Floats | None:
    picked = []
    for eye, centre in IRIS:
        part, moved = cropped(image, mesh, eye)
        height, width = part.shape[:2]
        inside = cv2.erode(
            polygon_mask(points_of(moved, eye), (height, width)).astype(np.uint8), np.ones((3, 3), np.uint8)
        )
        iris = moved[centre, :2]
        radius = np.linalg.norm(moved[centre + 1 : centre + 5, :2] - iris, axis=1).mean()
        y, x = np.nonzero(inside)
        off = np.hypot(x - iris[0], y - iris[1]) > 1.15 * radius
        picked.append(part[y[off], x[off]])
    rgb = linear(np.concatenate(picked))
    if len(rgb) < 12:
        return None
    lit = rgb[rgb @ LUMINANCE >= np.median(rgb @ LUMINANCE)]
    red = np.log2((lit[:, 0] + 0.002) / (lit[:, 2] + 0.002))
    return np.asarray(np.median(lit[red <= np.quantile(red, 0.3)], axis=0), np.float32)


def lit_skin(o: Observed) -> float:
    """Luminance Y 0..1 of the brighter skin: the upper quartile of the paired spots, median of the looks."""
    spots = (*PAIRS_RIGHT, *PAIRS_LEFT)
    return float(np.median([np.quantile(_spots(i, m, spots), 0.75) for i, m in looked_at(o)]))


def brightest(o: Observed) -> float:
    """Luminance Y 0..1 that the brightest 0.002 of the picture reach, median of the looks."""
    found = [np.quantile(linear(image[::2, ::2]) @ LUMINANCE, 1 - WHITE_SHARE) for image, _ in looked_at(o)]
    return float(np.median(found))


def _brightness(white: Floats | None, skin: float, top: float) -> Answer | None:
    if white is None:
        if skin < DARK_FACE / 2:
            return Answer("light", "dark", 0.6, {"skin_luminance": round(skin, 4)})
        return None
    y = float(white @ LUMINANCE)
    detail = {"eye_white_luminance": round(y, 4), "skin_luminance": round(skin, 4)}
    detail["picture_white"] = round(top, 3)
    low, high = NORMAL_WHITE
    if y < DARK_WHITE and skin < DARK_FACE:
        return Answer("light", "dark", _sure(math.log2(DARK_WHITE / y) if y > 0 else 2.0), detail)
    if y < DIM_WHITE and skin < DIM_FACE:
        return Answer("light", "dim", _sure(math.log2(DIM_WHITE / max(y, 1e-4))), detail)
    high = DARK_SKIN_WHITE if skin < DARK_SKIN else high
    shaded = y < SHADED_WHITE and skin < SHADED_SKIN
    exposed = y >= SURE_WHITE or skin >= FULL_SKIN
    if low <= y <= high and (exposed or (top >= PICTURE_WHITE and not shaded)):
        sure = _sure(min(math.log2(y / low), math.log2(high / y)))
        return Answer("light", "normal", sure if exposed else min(sure, LAMP_SURE), detail)
    if y > BRIGHT_WHITE:
        return Answer("light", "bright", _sure(4 * math.log2(y / BRIGHT_WHITE)), detail)
    return None


def _direction(o: Observed) -> Answer | None:
    turned = [float(o.pose[frame, 0]) for frame in o.looks]
    ratios = [
        stops_left_over_right(image, mesh) - _frontal_stops(yaw)
        for (image, mesh), yaw in zip(looked_at(o), turned, strict=True)
        if abs(yaw) <= SIDED_YAW
    ]
    if not ratios:
        return None
    stops = float(np.median(ratios))
    detail = {"stops_left_over_right": round(stops, 3), "looks": len(ratios)}
    if abs(stops) <= EVEN_STOPS:
        return Answer("light_direction", "even", _sure(3 * (EVEN_STOPS - abs(stops))), detail)
    if abs(stops) >= SIDED_STOPS:
        side = "left" if stops > 0 else "right"
        agree = float(np.mean(np.sign(ratios) == math.copysign(1, stops)))
        return Answer("light_direction", side, agree * _sure(2 * (abs(stops) - SIDED_STOPS)), detail)
    return None


def stops_left_over_right(image: Image, mesh: Floats) -> float:
    """log2 of the luminance of the picture's left half of the face over the right half's, median of the pairs."""
    left, right = _spots(image, mesh, PAIRS_RIGHT), _spots(image, mesh, PAIRS_LEFT)
    return float(np.median(np.log2((left + 0.002) / (right + 0.002))))


def _frontal_stops(yaw: float) -> float:
    """What a head turned by yaw degrees shows of that ratio in light from the camera (Lambert and ambient light)."""
    left, right = (
        AMBIENT + (1 - AMBIENT) * math.cos(math.radians(a))
        for a in (CHEEK_AZIMUTH - yaw, CHEEK_AZIMUTH + yaw)
    )
    return math.log2(left / right)


def _spots(image: Image, mesh: Floats, spots: Sequence[int]) -> Floats:
    """Luminance around those points of the mesh."""
    height, width = image.shape[:2]
    reach = max(1, round(0.02 * float(np.linalg.norm(mesh[263] - mesh[33]))))
    near = np.arange(-reach, reach + 1)
    x, y = np.rint(points_of(mesh, spots)).astype(int).T
    rows = np.clip(y[:, None] + near, 0, height - 1)
    columns = np.clip(x[:, None] + near, 0, width - 1)
    around = linear(image[rows[:, :, None], columns[:, None, :]])
    return np.asarray((around @ LUMINANCE).mean(axis=(1, 2)), np.float32)


def white_shift(white: Floats) -> float:
    """Stops of R over B by which an eye white is warmer (> 0) or cooler than in neutral light."""
    return float(np.log2((white[0] + 0.002) / (white[2] + 0.002))) - NEUTRAL_WHITE_RB


def background_shift(o: Observed) -> float | None:
    """log2 of R over B of the brightest tenth behind the person, median of the looks; None where little is seen."""
    found = []
    for image, mask in zip(o.images, o.masks, strict=True):
        rgb = linear(image[::4, ::4][mask[::4, ::4] < 0.1])
        if len(rgb) >= 200:
            y = rgb @ LUMINANCE
            red, _, blue = (rgb[y >= np.quantile(y, 0.9)] + 0.002).T
            found.append(float(np.median(np.log2(red / blue))))
    return float(np.median(found)) if found else None


def _tone(shift: float, room: float | None) -> Answer | None:
    detail = {"stops_red_over_blue": round(shift, 3)}
    if room is not None:
        detail["background_red_over_blue"] = round(room, 3)
    warm_room = room is not None and room >= WARM_ROOM
    cool_room = room is not None and room <= COOL_ROOM
    neutral_room = room is not None and NEUTRAL_ROOM[0] <= room <= NEUTRAL_ROOM[1]
    if abs(shift) <= NEUTRAL_RB and neutral_room:
        return Answer("light_tone", "neutral", _sure(10 * (NEUTRAL_RB - abs(shift))), detail)
    if shift >= TINTED_RB or (shift >= SEEN_RB and warm_room):
        return Answer("light_tone", "warm", _sure(4 * (shift - SEEN_RB)), detail)
    if shift <= -COOL_RB and cool_room:
        return Answer("light_tone", "cool", _sure(4 * (-COOL_RB - shift)), detail)
    return None


def _sure(stops_inside: float) -> float:
    """0.6 at the edge of a range, towards 0.95 a stop inside it."""
    return round(0.6 + 0.35 * (1 - math.exp(-3 * max(stops_inside, 0.0))), 3)
