"""Decides which stretches of which tracks become clips, from scores and the recipe's rules alone.

All windows of all tracks are judged in a few array operations; no video is looked at.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from facevid.curate.crop import crop_squares, even_squares
from facevid.curate.spans import Neighbours, Spans, ranges
from facevid.curate.windows import GEOMETRY, NO_TRACK
from facevid.recipe import SCORES, Recipe, Rule

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

STRETCH_COLUMNS = pa.schema(
    [
        ("clip_id", pa.string()), ("source_id", pa.string()), ("source_name", pa.string()),
        ("track", pa.int32()), ("shot", pa.int32()), ("first_frame", pa.int32()), ("last_frame", pa.int32()),
        ("start_s", pa.float64()), ("end_s", pa.float64()), ("fps", pa.float64()),
        ("crop_x0", pa.int32()), ("crop_y0", pa.int32()), ("crop_x1", pa.int32()), ("crop_y1", pa.int32()),
        ("best_frames", pa.list_(pa.int32())),
    ]
    + [(score, pa.float32()) for score in SCORES]
)  # fmt: skip
"""Columns of `selection/stretches.parquet`: one row a future clip."""

REJECTED_COLUMNS = pa.schema(
    [
        ("source_id", pa.string()), ("source_name", pa.string()), ("track", pa.int32()),
        ("start_s", pa.float64()), ("end_s", pa.float64()),
        ("reason", pa.string()), ("score", pa.string()), ("value", pa.float64()), ("threshold", pa.float64()),
        ("duplicate_of", pa.string()),
    ]
    + [(score, pa.float32()) for score in SCORES]
)  # fmt: skip
"""Columns of `selection/rejected.parquet`: one row a stretch left out, with the one rule it failed."""

_EXTREMES: dict[str, np.ufunc] = {"faces": np.maximum, "face_px_min": np.minimum, "pose_extreme": np.maximum,
             "landmarks_inside": np.minimum, "text_chars": np.maximum, "border_px": np.maximum}  # fmt: skip
_GOOD, _TOO_SHORT = -1, -2


@dataclass(frozen=True)
class Selection:
    """What `select` decided: the tables of future clips and of rejected stretches."""

    stretches: pa.Table
    rejected: pa.Table


def select(tracks: pa.Table, recipe: Recipe) -> Selection:
    """Judge all tracks by the recipe's rules.

    tracks: rows of every source's `tracks.parquet` with source_id, source_name, width, height_px (displayed
    pixels) beside them. A window fails at the first rule in the recipe's order that it breaks. Runs of good
    windows within a track become clips if they last `select.min_s`, cut into equal parts not over
    `select.max_s`; shorter ones are rejected for `duration`. Rows come in the order of the tracks, and what
    comes of a track depends on no other track.
    """
    windows = _unfold(tracks)
    verdict = _judge(windows, recipe)
    pieces = _pieces(_runs(windows, verdict, recipe.analyze.window_frames), recipe)
    spans = Spans.of(pieces.a, pieces.b, len(verdict))
    scores = _averages(windows, spans)
    kept, rest = np.flatnonzero(pieces.verdict == _GOOD), np.flatnonzero(pieces.verdict != _GOOD)
    return Selection(
        _stretches(
            windows, pieces.take(kept), {name: values[kept] for name, values in scores.items()}, recipe
        ),
        _rejected(
            windows, pieces.take(rest), {name: values[rest] for name, values in scores.items()}, recipe
        ),
    )


@dataclass(frozen=True)
class _Windows:
    """Every window of every track in one row of arrays, in the order of the tracks.

    offset: (tracks + 1,) first window of each track. track_of: (windows,). faced: windows that show a face.
    """

    table: pa.Table
    offset: Ints
    track_of: Ints
    faced: Ints
    _read: dict[str, Floats] = field(default_factory=dict)
    _near: dict[int, Neighbours] = field(default_factory=dict)

    def column(self, name: str) -> Floats:
        if name not in self._read:
            column = self.table[name]
            lists = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
            self._read[name] = lists.flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
        return self._read[name]

    def smoothed(self, rule: Rule, window_s: float) -> Floats:
        """The rule's score averaged over `over_s` around each window, within its track."""
        reach = int(rule.over_s / window_s / 2 + 1e-9)
        name = f"{rule.score} over {reach}"
        if reach < 1:
            return self.column(rule.score)
        if name not in self._read:
            if reach not in self._near:
                self._near[reach] = Neighbours(self.track_of[self.faced], reach)
            out = np.full(len(self.track_of), np.nan, np.float32)
            out[self.faced] = self._near[reach].mean(self.column(rule.score)[self.faced])
            self._read[name] = out
        return self._read[name]

    def frames(self, a: Ints, b: Ints, window: int) -> tuple[Ints, Ints]:
        """First and last frame of window ranges [a, b), each within one track."""
        track = self.track_of[a]
        begin = self.table["first_frame"].to_numpy().astype(np.int64)[track] - self.offset[track] * window
        end = self.table["last_frame"].to_numpy().astype(np.int64)[track]
        return begin + a * window, np.where(b == self.offset[track + 1], end, begin + b * window - 1)


def _unfold(tracks: pa.Table) -> _Windows:
    count = pc.list_value_length(tracks["faces"]).to_numpy().astype(np.int64)
    offset = np.concatenate([[0], np.cumsum(count)])
    with_face = tracks["track"].to_numpy() != NO_TRACK
    return _Windows(
        tracks, offset, np.repeat(np.arange(len(count)), count), np.flatnonzero(np.repeat(with_face, count))
    )


def _judge(windows: _Windows, recipe: Recipe) -> NDArray[np.int16]:
    """Per window: the number of the first rule it fails, -1 for none, one more than the last without a face."""
    rules = recipe.select.rules
    verdict = np.full(len(windows.track_of), len(rules), np.int16)
    verdict[windows.faced] = _GOOD
    window_s = recipe.analyze.window_frames / recipe.fps
    for number, rule in enumerate(rules):
        fails = breaks(rule, windows.smoothed(rule, window_s)) & (verdict == _GOOD)
        np.copyto(verdict, np.int16(number), where=fails)
    return verdict


def breaks(rule: Rule, values: Floats) -> NDArray[np.bool_]:
    """Where values are out of the rule's bounds; what could not be measured (nan) breaks no rule."""
    out = np.zeros(len(values), bool)
    if rule.min is not None:
        out |= values < np.float32(rule.min)
    if rule.max is not None:
        out |= values > np.float32(rule.max)
    return out


@dataclass(frozen=True)
class _Pieces:
    """Pieces of tracks: window range [a, b), frames first to last, the rule that failed or what else is said."""

    a: Ints
    b: Ints
    first: Ints
    last: Ints
    verdict: Ints

    def take(self, chosen: Ints) -> _Pieces:
        return _Pieces(
            self.a[chosen], self.b[chosen], self.first[chosen], self.last[chosen], self.verdict[chosen]
        )


def _runs(windows: _Windows, verdict: NDArray[np.int16], window: int) -> _Pieces:
    """Runs of windows of one track with one verdict."""
    if not len(verdict):
        return _Pieces(*(np.zeros(0, np.int64) for _ in range(5)))
    starts = np.concatenate([[True], verdict[1:] != verdict[:-1]])
    starts[windows.offset[:-1][np.diff(windows.offset) > 0]] = True
    start = np.flatnonzero(starts)
    end = np.append(start[1:], len(verdict))
    return _Pieces(start, end, *windows.frames(start, end, window), verdict[start].astype(np.int64))


def _pieces(runs: _Pieces, recipe: Recipe) -> _Pieces:
    """Runs with the good ones cut to between `select.min_s` and `select.max_s`; what is shorter is marked so.

    A long run becomes equal parts. Where those would be too short (min_s above half of max_s), it becomes as
    many of the longest parts as fit, and what is left at its end is too short.
    """
    shortest = math.ceil(recipe.select.min_s * recipe.fps - 1e-6)
    longest = max(1, math.floor(recipe.select.max_s * recipe.fps + 1e-6))
    good, frames = runs.verdict == _GOOD, runs.last - runs.first + 1
    count = np.where(good, np.maximum(1, -(-frames // longest)), 1)
    unequal = good & (count > 1) & (frames // count < shortest)
    owner = np.repeat(np.arange(len(count)), count)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    total, number, begin = frames[owner], count[owner], runs.first[owner]
    fixed = unequal[owner]
    first = begin + np.where(fixed, within * longest, total * within // number)
    last = (
        begin + np.where(fixed, np.minimum((within + 1) * longest, total), total * (within + 1) // number) - 1
    )
    verdict = runs.verdict[owner]
    verdict[(verdict == _GOOD) & (last - first + 1 < shortest)] = _TOO_SHORT
    window, whole = recipe.analyze.window_frames, number == 1
    a = np.where(
        whole, runs.a[owner], np.minimum(runs.a[owner] + (first - begin) // window, runs.b[owner] - 1)
    )
    b = np.where(
        whole, runs.b[owner], np.minimum(runs.a[owner] + (last - begin) // window + 1, runs.b[owner])
    )
    return _Pieces(a, b, first, last, verdict)


def _averages(windows: _Windows, spans: Spans) -> dict[str, Floats]:
    """One value of every score for each span of windows: mean, or the extreme where the score is one."""
    return {
        score: np.asarray(
            spans.reduce(_EXTREMES[score], windows.column(score))
            if score in _EXTREMES
            else spans.mean(windows.column(score)),
            np.float32,
        )
        for score in SCORES
    }


def _stretches(windows: _Windows, parts: _Pieces, scores: dict[str, Floats], recipe: Recipe) -> pa.Table:
    owner, tracks, fps = windows.track_of[parts.a], windows.table, recipe.fps
    source, track = tracks["source_id"].take(owner), tracks["track"].take(owner)
    numbers = [pc.cast(pa.array(n), pa.string()) for n in (parts.first, parts.last)]
    crops = _crops(windows, parts, owner, recipe)
    columns: dict[str, object] = {
        "clip_id": pc.binary_join_element_wise(source, *numbers, track.cast(pa.string()), "_"),
        "source_id": source, "source_name": tracks["source_name"].take(owner),
        "track": track, "shot": tracks["shot"].take(owner),
        "first_frame": parts.first, "last_frame": parts.last,
        "start_s": parts.first / fps, "end_s": (parts.last + 1) / fps, "fps": np.full(len(owner), fps),
        **{f"crop_{name}": crops[:, i] for i, name in enumerate(("x0", "y0", "x1", "y1"))},
        "best_frames": _best_frames(windows, parts, recipe.identify.faces_per_clip),
    }  # fmt: skip
    return _table(columns | scores, STRETCH_COLUMNS)


def _crops(windows: _Windows, parts: _Pieces, owner: Ints, recipe: Recipe) -> Ints:
    spans = Spans.of(parts.a, parts.b, len(windows.track_of))
    ways: tuple[np.ufunc, ...] = (np.minimum, np.minimum, np.maximum, np.maximum)
    corners = [spans.reduce(way, windows.column(name)) for way, name in zip(ways, GEOMETRY[:4], strict=True)]
    union = np.stack(corners, axis=1).astype(np.float64)
    height = spans.mean(windows.column("height"))
    size = np.stack([windows.table[name].to_numpy()[owner] for name in ("width", "height_px")], axis=1)
    return even_squares(crop_squares(union, height, size.astype(np.float64), recipe.crop), size)


def _best_frames(windows: _Windows, parts: _Pieces, wanted: int) -> pa.ListArray:
    """The best frame of each of up to `wanted` equal spans of windows of a stretch, so that they are spread out."""
    count = np.minimum(wanted, parts.b - parts.a)
    owner = np.repeat(np.arange(len(count)), count)
    offsets = np.concatenate([[0], np.cumsum(count)])
    within = np.arange(len(owner)) - offsets[owner]
    length = (parts.b - parts.a)[owner]
    begin = parts.a[owner] + length * within // count[owner]
    end = parts.a[owner] + length * (within + 1) // count[owner]
    window = ranges(begin, end)
    value = np.nan_to_num(windows.column("best_value")[window])
    share = Spans.of(np.cumsum(end - begin) - (end - begin), np.cumsum(end - begin), len(window))
    at_best = np.flatnonzero(value == np.repeat(share.reduce(np.maximum, value), end - begin))
    # The first window of each span that reaches the span's best.
    best = window[at_best[np.searchsorted(at_best, share.a)]] if len(begin) else window
    frame = windows.column("best_frame")[best].astype(np.int64)
    # A window shared by two parts of a long run may show its best frame in the other one.
    frame = np.clip(frame, parts.first[owner], parts.last[owner])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(frame, pa.int32()))


def _rejected(windows: _Windows, parts: _Pieces, scores: dict[str, Floats], recipe: Recipe) -> pa.Table:
    owner, tracks, fps, rules = windows.track_of[parts.a], windows.table, recipe.fps, recipe.select.rules
    start, end = parts.first / fps, (parts.last + 1) / fps
    said = [(r.reason, r.score) for r in rules] + [("no_face", "faces"), ("duration", "duration_s")]
    number = np.where(parts.verdict == _TOO_SHORT, len(rules) + 1, parts.verdict)
    value, threshold = np.zeros(len(owner)), np.ones(len(owner))
    value[number > len(rules)], threshold[number > len(rules)] = (
        (end - start)[number > len(rules)],
        recipe.select.min_s,
    )
    for broken in set(parts.verdict.tolist()) & set(range(len(rules))):
        here = np.flatnonzero(parts.verdict == broken)
        value[here], threshold[here] = _worst(windows, rules[broken], parts.take(here), recipe)
    track = tracks["track"].to_numpy()[owner]
    columns: dict[str, object] = {
        "source_id": tracks["source_id"].take(owner), "source_name": tracks["source_name"].take(owner),
        "track": pa.array(track, pa.int32(), mask=track == NO_TRACK),
        "start_s": start, "end_s": end,
        "reason": pa.array([reason for reason, _ in said]).take(number),
        "score": pa.array([score for _, score in said]).take(number),
        "value": value, "threshold": threshold, "duplicate_of": pa.nulls(len(owner)),
    }  # fmt: skip
    return _table(columns | scores, REJECTED_COLUMNS)


def _worst(
    windows: _Windows, rule: Rule, parts: _Pieces, recipe: Recipe
) -> tuple[Floats, NDArray[np.float64]]:
    """The value furthest out of the rule's bounds in each part, and the bound it breaks."""
    values = windows.smoothed(rule, recipe.analyze.window_frames / recipe.fps)
    spans = Spans.of(parts.a, parts.b, len(values))
    lowest = np.asarray(spans.reduce(np.fmin, values), np.float32)
    highest = np.asarray(spans.reduce(np.fmax, values), np.float32)
    if rule.max is None:
        return lowest, np.full(len(lowest), rule.min)
    above = highest > np.float32(rule.max)
    return np.where(above, highest, lowest), np.where(
        above, rule.max, np.nan if rule.min is None else rule.min
    )


def _table(columns: dict[str, object], schema: pa.Schema) -> pa.Table:
    arrays: Iterable[pa.Array | pa.ChunkedArray] = (
        value.cast(field.type)
        if isinstance(value, (pa.Array, pa.ChunkedArray))
        else pa.array(value, field.type)
        for field, value in ((field, columns[field.name]) for field in schema)
    )
    return pa.Table.from_arrays(list(arrays), schema=schema)
