"""From frames to tracks: what was seen in each frame becomes tracks with one value of every score a window.

A window is a short run of frames of one track; `select` decides on windows alone, so a threshold can
change without a video being looked at again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from facevid.curate.crop import crop_square
from facevid.curate.quality import border_inside
from facevid.curate.shots import Shot
from facevid.curate.speech import Sound, mouth_sync
from facevid.recipe import SCORES, Recipe

Box = tuple[float, float, float, float]
Floats = NDArray[np.float32]

NO_TRACK = -1
"""Number of a track that is none: a stretch of a shot in which no face was followed."""

OBSERVED = (
    "frame face x0 y0 x1 y1 height yaw pitch roll mouth confidence inside sharpness brightness contrast "
    "evenness blockiness motion_pixels motion_landmarks hand text bar_left bar_top bar_right bar_bottom faces"
).split()
"""Columns of one observation, a face in a frame; geometry in analysed pixels."""
_AT = {name: i for i, name in enumerate(OBSERVED)}

GEOMETRY = ("union_x0", "union_y0", "union_x1", "union_y1", "height", "best_frame", "best_value")
"""Per window beside the scores: union of the face boxes and median face height in source pixels, and
the frame that shows the face best (sharp and frontal) with how good it is."""

_MEAN = {
    "sharpness": "sharpness", "blockiness": "blockiness", "brightness": "brightness", "contrast": "contrast",
    "evenness": "evenness", "motion_landmarks": "motion_landmarks", "motion_pixels": "motion_pixels",
    "hand_over_face": "hand", "mesh_confidence": "confidence",
}  # fmt: skip
_MOVES_PIXELS = 0.05
"""Grey levels below which a frame repeats the one before; the mesh trembles even on a frozen picture."""


class Observations:
    """A growing table of float32 rows, one a face and frame: about 110 bytes each, 10 MB an hour."""

    def __init__(self) -> None:
        self._blocks: list[Floats] = []
        self._block = np.empty((4096, len(OBSERVED)), np.float32)
        self._used = 0

    def add(self, **values: float) -> None:
        """Add one observation; every name of `OBSERVED` must be given."""
        self._block[self._used] = [values[name] for name in OBSERVED]
        self._used += 1
        if self._used == len(self._block):
            self._blocks.append(self._block)
            self._block = np.empty_like(self._block)
            self._used = 0

    def table(self) -> Floats:
        """(n, len(OBSERVED)) float32 in the order added."""
        return np.concatenate([*self._blocks, self._block[: self._used]])


@dataclass(frozen=True)
class Wanted:
    """A stretch of a source that is wanted: frames `first` to `last`, and the box of the face, in source pixels."""

    first: int
    last: int
    box: Box | None = None


@dataclass(frozen=True)
class Picture:
    """Displayed size of the source in pixels, analysed pixels per source pixel, bits per pixel and frame."""

    width: int
    height: int
    scale: float
    bits_per_pixel: float


def tracks_schema() -> pa.Schema:
    """Columns of `tracks.parquet`: one row a track, lists with one value a window."""
    numbers = [("track", pa.int32()), ("shot", pa.int32()), ("face", pa.int32())]
    numbers += [("first_frame", pa.int32()), ("last_frame", pa.int32()), ("scale", pa.float32())]
    lists = [(name, pa.list_(pa.float32())) for name in (*SCORES, *GEOMETRY)]
    return pa.schema([*numbers, *lists])


def make_tracks(
    seen: Floats,
    shots: list[Shot],
    sound: Sound,
    picture: Picture,
    recipe: Recipe,
    wanted: Sequence[Wanted] = (),
) -> pa.Table:
    """All tracks of a source, in order of their first frame, and the stretches of shots without a face.

    wanted: the spans that are wanted, none for the whole source; tracks end at their bounds, and a span with a box has
    the tracks of the face in it alone.
    """
    rows: list[tuple[int, int, int, int, Floats]] = []
    for shot, box in _looked_at(shots, wanted):
        covered = np.zeros(shot.last - shot.first + 1, bool)
        inside = seen[(seen[:, 0] >= shot.first) & (seen[:, 0] <= shot.last)]
        if box is not None:
            inside = _face_in_box(inside, tuple(v * picture.scale for v in box), recipe)
        for face in np.unique(inside[:, _AT["face"]]):
            for part in _unbroken(inside[inside[:, _AT["face"]] == face], recipe.analyze.detect_every):
                first, last = int(part[0, 0]), int(part[-1, 0])
                covered[first - shot.first : last - shot.first + 1] = True
                rows.append((first, last, shot.index, int(face), part))
        for first, last in _runs(~covered):
            rows.append((shot.first + first, shot.first + last, shot.index, NO_TRACK, seen[:0]))
    rows.sort(key=lambda r: (r[0], r[1], r[3]))
    made, number = [], 0
    for first, last, shot_index, face, part in rows:
        row = {
            "shot": shot_index,
            "face": face,
            "first_frame": first,
            "last_frame": last,
            "scale": picture.scale,
        }
        if face == NO_TRACK:
            made.append({"track": NO_TRACK, **row, **_no_face(first, last, sound, picture, recipe)})
        else:
            made.append({"track": number, **row, **_windows(part, sound, picture, recipe)})
            number += 1
    return pa.Table.from_pylist(made, schema=tracks_schema())


def _looked_at(shots: list[Shot], wanted: Sequence[Wanted]) -> list[tuple[Shot, Box | None]]:
    """The shots, or what of them lies in each span that is wanted, with the span's box."""
    if not wanted:
        return [(shot, None) for shot in shots]
    return [
        (Shot(shot.index, max(shot.first, span.first), min(shot.last, span.last)), span.box)
        for span in wanted
        for shot in shots
        if max(shot.first, span.first) <= min(shot.last, span.last)
    ]


def _face_in_box(seen: Floats, box: tuple[float, ...], recipe: Recipe) -> Floats:
    """The rows of the face in a box: its centre lies there in more than half of its frames.

    Of several at one time, the one nearest to the middle; a face that was lost and found again has several numbers.
    """
    x = (seen[:, _AT["x0"]] + seen[:, _AT["x1"]]) / 2
    y = (seen[:, _AT["y0"]] + seen[:, _AT["y1"]]) / 2
    holds = (x >= box[0]) & (x <= box[2]) & (y >= box[1]) & (y <= box[3])
    off = np.hypot(
        (2 * x - box[0] - box[2]) / max(box[2] - box[0], 1),
        (2 * y - box[1] - box[3]) / max(box[3] - box[1], 1),
    )
    faces = seen[:, _AT["face"]]
    own = [f for f in np.unique(faces) if holds[faces == f].mean() > 0.5]
    taken: list[tuple[float, float]] = []
    kept = np.zeros(len(seen), bool)
    for face in sorted(own, key=lambda f: (float(np.median(off[faces == f])), f)):
        rows = faces == face
        first, last = seen[rows, 0].min(), seen[rows, 0].max()
        shared = max((min(last, b) - max(first, a) for a, b in taken), default=-1.0)
        if shared <= recipe.analyze.detect_every:
            taken.append((first, last))
            kept |= rows
    return np.asarray(seen[kept])


def window_starts(frames: int, window: int) -> NDArray[np.int64]:
    """First frame of each window of a track; a rest shorter than half a window joins the one before."""
    starts = np.arange(0, frames, window)
    if len(starts) > 1 and frames - starts[-1] < window / 2:
        starts = starts[:-1]
    return starts


def _unbroken(rows: Floats, longest_gap: int) -> list[Floats]:
    breaks = np.flatnonzero(np.diff(rows[:, 0]) > longest_gap + 1) + 1
    return [part for part in np.split(rows, breaks) if len(part) >= 2]


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _no_face(first: int, last: int, sound: Sound, picture: Picture, recipe: Recipe) -> dict[str, list[float]]:
    starts = window_starts(last - first + 1, recipe.analyze.window_frames)
    nothing = [float("nan")] * len(starts)
    out = {name: list(nothing) for name in (*SCORES, *GEOMETRY)}
    out["faces"] = [0.0] * len(starts)
    out["bits_per_pixel"] = [picture.bits_per_pixel] * len(starts)
    out["speech_share"], out["speech_level"] = _heard(first, last, starts, sound, recipe)
    return out


def _heard(
    first: int, last: int, starts: NDArray[np.int64], sound: Sound, recipe: Recipe
) -> tuple[list[float], list[float]]:
    count = np.diff(np.append(starts, last - first + 1))
    spoken = (sound.speech[first : last + 1] >= recipe.analyze.speech_probability).astype(np.float64)
    power = 10 ** (sound.level[first : last + 1].astype(np.float64) / 10)
    share = np.add.reduceat(spoken, starts) / count
    level = 10 * np.log10(np.maximum(np.add.reduceat(power, starts) / count, 1e-12))
    return share.tolist(), level.tolist()


def _windows(rows: Floats, sound: Sound, picture: Picture, recipe: Recipe) -> dict[str, list[float]]:
    rows = _nearest_text(rows)
    first, last = int(rows[0, 0]), int(rows[-1, 0])
    starts = window_starts(last - first + 1, recipe.analyze.window_frames)
    out: dict[str, list[float]] = {name: [] for name in (*SCORES, *GEOMETRY)}
    out["speech_share"], out["speech_level"] = _heard(first, last, starts, sound, recipe)
    correlation, offset = mouth_sync(
        _each_frame(rows, "mouth"), sound.level[first : last + 1], max_offset=recipe.analyze.sync_max_offset
    )
    late = float("nan") if np.isnan(correlation) else float(offset)
    bounds = np.append(np.searchsorted(rows[:, 0], first + starts), len(rows))
    for a, b in pairwise(bounds):
        part = rows[a:b] if b > a else rows[max(0, a - 1) : max(1, a)]
        values = {**_scores(part, picture, recipe), **_geometry(part, picture)}
        values |= {"sync_correlation": correlation, "sync_offset": late}
        for name, value in values.items():
            out[name].append(value)
    return out


def _nearest_text(rows: Floats) -> Floats:
    """Text is read every few seconds: each frame takes what the nearest reading in its track found."""
    looked = np.flatnonzero(~np.isnan(rows[:, _AT["text"]]))
    if not len(looked):
        return rows
    middles = (rows[looked[1:], 0] + rows[looked[:-1], 0]) / 2
    out = rows.copy()
    out[:, _AT["text"]] = rows[looked[np.searchsorted(middles, rows[:, 0])], _AT["text"]]
    return out


def _scores(part: Floats, picture: Picture, recipe: Recipe) -> dict[str, float]:
    def column(name: str) -> Floats:
        return part[:, _AT[name]]

    wide, high = column("x1") - column("x0"), column("y1") - column("y0")
    size = np.sqrt(np.maximum(wide * high, 0)) / picture.scale
    image_width, image_height = picture.width * picture.scale, picture.height * picture.scale
    pose = np.abs(part[:, [_AT["yaw"], _AT["pitch"], _AT["roll"]]])
    still = column("motion_pixels") < _MOVES_PIXELS
    values = {score: _mean(column(name)) for score, name in _MEAN.items()}
    return values | {
        "faces": float(column("faces").max()),
        "face_px": float(np.median(size)),
        "face_px_min": float(size.min()),
        "face_area": float(np.median(wide * high) / (image_width * image_height)),
        "face_x": float(np.median((column("x0") + column("x1")) / 2) / image_width),
        "face_y": float(np.median((column("y0") + column("y1")) / 2) / image_height),
        "yaw": float(np.median(column("yaw"))),
        "pitch": float(np.median(column("pitch"))),
        "roll": float(np.median(column("roll"))),
        "pose_extreme": float(pose.max(axis=1).max()),
        "landmarks_inside": float(column("inside").min()),
        "stillness": float(still.mean()),
        "occlusion": float(max(_mean(column("hand")), 1.0 - _mean(column("confidence")))),
        "text_chars": float(column("text").max()),
        "border_px": _border(part, picture, recipe),
        "bits_per_pixel": picture.bits_per_pixel,
    }


def _border(part: Floats, picture: Picture, recipe: Recipe) -> float:
    box = _union(part)
    size = (picture.width * picture.scale, picture.height * picture.scale)
    crop = crop_square(box, float(np.median(part[:, _AT["height"]])), size, recipe.crop)
    names = ("bar_left", "bar_top", "bar_right", "bar_bottom")
    bars = [float(np.median(part[:, _AT[name]])) for name in names]
    return border_inside((bars[0], bars[1], bars[2], bars[3]), crop, size, recipe.cut.size)


def _union(part: Floats) -> tuple[float, float, float, float]:
    return (
        float(part[:, _AT["x0"]].min()), float(part[:, _AT["y0"]].min()),
        float(part[:, _AT["x1"]].max()), float(part[:, _AT["y1"]].max()),
    )  # fmt: skip


def _geometry(part: Floats, picture: Picture) -> dict[str, float]:
    """The best frame is the sharpest after turning away from the camera is held against it."""
    turned = np.hypot(part[:, _AT["yaw"]], part[:, _AT["pitch"]])
    value = np.nan_to_num(part[:, _AT["sharpness"]]) * np.exp(-turned / 20) * part[:, _AT["confidence"]]
    best = int(np.argmax(value))
    x0, y0, x1, y1 = (v / picture.scale for v in _union(part))
    return {
        "union_x0": x0, "union_y0": y0, "union_x1": x1, "union_y1": y1,
        "height": float(np.median(part[:, _AT["height"]])) / picture.scale,
        "best_frame": float(part[best, 0]), "best_value": float(value[best]),
    }  # fmt: skip


def _each_frame(rows: Floats, name: str) -> Floats:
    frames = np.arange(rows[0, 0], rows[-1, 0] + 1)
    return np.interp(frames, rows[:, 0], rows[:, _AT[name]]).astype(np.float32)


def _mean(values: Floats) -> float:
    """Mean of what was measured; nan where nothing was."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
