"""Measures of one frame: the face's sharpness, light and blocks, motion between frames, borders, hands.

Measures only; what is good enough is decided by the recipe's rules, on scores, later.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from facevid.curate.pose import FACE_OVAL

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]
Box = tuple[float, float, float, float]

FACE_SIDE = 160
"""Pixels to which every face is brought before its sharpness is measured, so that sizes compare."""
_REBLUR = 2.0
"""Pixels (standard deviation) of the second blur: larger than a sharp face's, smaller than a blurred one's."""
SMALL_WIDTH = 320
"""Width of the small grey picture on which motion is measured."""


def face_measures(image: Image, mesh: Floats, box: Box) -> dict[str, float]:
    """Sharpness, brightness, contrast, evenness and blockiness of the face in `box` (image pixels).

    sharpness: see `edge_sharpness`, of the face at 160 x 160 pixels; 1 / (blur in % of the face's width).
    brightness: mean luma (BT.601) inside the face's outline, 0 to 255. contrast: 95th minus 5th percentile
    there. evenness: darker over brighter half of the face, 0 to 1. blockiness: see `blockiness`.
    """
    patch, left, top = _patch(image, box)
    if patch.size == 0:
        return dict.fromkeys(("sharpness", "brightness", "contrast", "evenness", "blockiness"), float("nan"))
    grey = grey_of(patch)
    scale = np.array([FACE_SIDE / grey.shape[1], FACE_SIDE / grey.shape[0]], np.float32)
    smaller = grey.shape[0] >= FACE_SIDE
    filtering = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    square = np.asarray(cv2.resize(grey, (FACE_SIDE, FACE_SIDE), interpolation=filtering), np.uint8)
    outline = ((mesh[list(FACE_OVAL), :2] - np.array([left, top], np.float32)) * scale).astype(np.int32)
    mask = np.zeros((FACE_SIDE, FACE_SIDE), np.uint8)
    cv2.fillPoly(mask, [outline], (1.0,))
    inside = mask.astype(bool)
    if inside.sum() < 100:
        inside[:] = True
    skin = square[inside]
    low, high = _percentiles(skin, 0.05, 0.95)
    middle = (mesh[FACE_OVAL[0], :2] + mesh[152, :2]) / 2
    side = np.arange(FACE_SIDE)[None, :] < (middle[0] - left) * scale[0]
    halves = [square[inside & side], square[inside & ~side]]
    means = [float(h.mean()) if h.size > 50 else float(skin.mean()) for h in halves]
    return {
        "sharpness": edge_sharpness(square, mask),
        "brightness": float(skin.mean()),
        "contrast": float(high - low),
        "evenness": (min(means) + 1) / (max(means) + 1),
        "blockiness": blockiness(grey, left, top),
    }


def edge_sharpness(square: Image, mask: Image) -> float:
    """How narrow the edges of a face are, whatever its contrast: about .4 blurred, 1 soft, 2 crisp.

    Zhuo and Sim (2011), "Defocus map estimation from a single image": an edge blurred by s and blurred again
    by t keeps 1 / R of its gradient, R = sqrt((s^2 + t^2) / s^2). R is the median over the steepest tenth of
    pixels inside the face, t = 2 pixels. Returns the picture's width over 100 s, so 1 means edges blurred by
    a Gaussian of 1 % of the face's width; 0 for a picture without edges.

    square: (n, n) uint8 grey; mask: (n, n) uint8, 1 inside the face, drawn in by 3 pixels here.
    """
    inside = cv2.erode(mask, np.ones((7, 7), np.uint8)).astype(bool)
    if inside.sum() < 100:
        return float("nan")
    sharp = square.astype(np.float32)
    blurred = np.asarray(cv2.GaussianBlur(sharp, (0, 0), _REBLUR), np.float32)
    before, after = _gradient(sharp)[inside], _gradient(blurred)[inside]
    steep = np.partition(before, -len(before) // 10)[-len(before) // 10]
    edges = before >= max(float(steep), 1.0)
    if not edges.any():
        return 0.0
    ratio = float(np.median(before[edges] / np.maximum(after[edges], 1e-3)))
    blur = _REBLUR / np.sqrt(max(ratio * ratio - 1, 1e-4))
    return float(square.shape[1] / (100 * blur))


def _gradient(picture: Floats) -> Floats:
    across, down = cv2.Sobel(picture, cv2.CV_32F, 1, 0), cv2.Sobel(picture, cv2.CV_32F, 0, 1)
    # Not cv2.magnitude: its last digits depend on where in memory the pictures lie, and so on what came before.
    return np.asarray(np.sqrt(across * across + down * down), np.float32)


def blockiness(grey: Image, left: int, top: int) -> float:
    """Step across the 8-pixel grid of the coded picture over the step inside it; 1 where no block shows.

    After Wang, Sheikh and Bovik (2002), "No-reference perceptual quality assessment of JPEG": the mean
    absolute difference across block edges against that between the other neighbours, both directions.
    `left`, `top`: where the patch lies in the picture, so that the grid is the coder's.
    """
    ratios = []
    for axis, offset in ((1, left), (0, top)):
        step = np.abs(np.diff(grey.astype(np.int16), axis=axis)).mean(axis=1 - axis)
        at_edge = (np.arange(len(step)) + offset) % 8 == 7
        if at_edge.sum() >= 2 and (~at_edge).sum() >= 2:
            ratios.append(float(step[at_edge].mean() + 0.5) / float(step[~at_edge].mean() + 0.5))
    return float(np.mean(ratios)) if ratios else float("nan")


def small_picture(image: Image) -> Image:
    """The picture 320 pixels wide, for all that looks at the whole of it."""
    # Halving is what OpenCV's area filter is fast at: two halvings cost a third of one step to a quarter.
    while image.shape[1] >= 4 * SMALL_WIDTH or image.shape[1] == 2 * SMALL_WIDTH:
        size = (image.shape[1] // 2, max(1, image.shape[0] // 2))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    height, width = image.shape[:2]
    # A column of one pixel would else become a hundred thousand rows.
    size = (SMALL_WIDTH, min(max(2, round(SMALL_WIDTH * height / width)), 8 * SMALL_WIDTH))
    return (
        image if width == SMALL_WIDTH else np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    )


def halved(small: Image) -> Image:
    """A small picture at half its width and height."""
    size = (small.shape[1] // 2, max(1, small.shape[0] // 2))
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_AREA), np.uint8)


def grey_of(image: Image) -> Image:
    """The picture in grey (BT.601 luma)."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def pixel_motion(now: Image, before: Image | None, box: Box, image_width: int) -> float:
    """Mean absolute grey difference (0 to 255) to the frame before, around the face in `box` (image pixels)."""
    if before is None or before.shape != now.shape:
        return float("nan")
    scale = now.shape[1] / image_width
    x0, y0, x1, y1 = (round(v * scale) for v in box)
    y0, x0 = max(0, y0), max(0, x0)
    a, b = now[y0:y1, x0:x1], before[y0:y1, x0:x1]
    if a.size == 0:
        return float("nan")
    return float(cv2.absdiff(a, b).mean())


def borders(small: Image) -> tuple[float, float, float, float]:
    """Widths of plain bars along the picture's edges: left and right over its width, top and bottom over its height.

    A bar is a run of lines from the edge inward that are all one colour (each line's green values spread by
    less than 6, and equal the edge's within 6) and that ends in a straight edge: the picture begins along
    at least half of the line next to it. A dark or plain background behind a head does not end so.
    small: the picture as `small_picture` gives it, so a bar is found to 1/320 of the width.
    """
    green = small[:, :, 1].astype(np.int16)
    height, width = green.shape
    return (
        _bar(green) / width, _bar(green.T) / height,
        _bar(green[:, ::-1]) / width, _bar(green[::-1].T) / height,
    )  # fmt: skip


def _bar(green: NDArray[np.int16]) -> int:
    """Columns of one colour at the left edge, 0 where they do not end in a straight edge."""
    wide, colour = 0, 0.0
    for column in range(green.shape[1]):
        low, high = _spread(green[:, column])
        if column == 0:
            colour = (low + high) / 2
        if high - low >= 6 or abs((low + high) / 2 - colour) >= 6:
            break
        wide += 1
    if wide < 1 or wide + 1 >= green.shape[1]:
        return 0
    # Coding rings soften the edge over a line or two, so the picture is looked for just behind it.
    behind = np.abs(green[:, wide : wide + 3] - colour).max(axis=1) > 8
    return wide if behind.mean() >= 0.5 else 0


def _spread(line: NDArray[np.int16]) -> tuple[int, int]:
    """2nd and 98th percentile of a line, which a few stray pixels do not move."""
    ordered = np.sort(line)
    cut = len(ordered) // 50
    return int(ordered[cut]), int(ordered[-1 - cut])


def border_inside(bars: Box, crop: Box, picture: tuple[float, float], size: int) -> float:
    """The widest bar inside a crop, in pixels of the finished clip of `size` pixels; bars as `borders` gives them."""
    width, height = picture
    side = max(crop[2] - crop[0], 1e-6)
    left, top, right, bottom = bars[0] * width, bars[1] * height, bars[2] * width, bars[3] * height
    inside = (
        left - crop[0] if left else 0.0,
        top - crop[1] if top else 0.0,
        crop[2] - (width - right) if right else 0.0,
        crop[3] - (height - bottom) if bottom else 0.0,
    )
    return max(*inside, 0.0) * size / side


def hand_over_face(hands: list[Floats], mesh: Floats) -> float:
    """Share of the face's outline that hands cover: convex hulls of hand points (21, 2+) on the face oval, 0 to 1."""
    if not hands:
        return 0.0
    oval = mesh[list(FACE_OVAL), :2].astype(np.float32)
    area = cv2.contourArea(cv2.convexHull(oval))
    face = cv2.convexHull(oval)
    covered = 0.0
    for points in hands:
        hull = cv2.convexHull(np.ascontiguousarray(points[:, :2], np.float32))
        shared, _ = cv2.intersectConvexConvex(face, hull)
        covered += float(shared)
    return min(1.0, covered / max(area, 1e-6))


def _percentiles(values: Image, low: float, high: float) -> tuple[int, int]:
    share = np.cumsum(np.bincount(values, minlength=256)) / len(values)
    return int(np.searchsorted(share, low)), int(np.searchsorted(share, high))


def _patch(image: Image, box: Box) -> tuple[Image, int, int]:
    height, width = image.shape[:2]
    x0, y0 = max(0, int(box[0])), max(0, int(box[1]))
    x1, y1 = min(width, int(np.ceil(box[2]))), min(height, int(np.ceil(box[3])))
    return image[y0:y1, x0:x1], x0, y0
