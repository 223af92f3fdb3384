"""Decides which stretches of which tracks become clips, from scores and the recipe's rules alone.

All windows of all tracks are judged in a few array operations; no video is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from facevid.curate.crop import crop_squares, even_squares
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
        ("reason", pa.string()), ("score", pa.string()), ("value", pa.float64()), ("threshold", pa.float64()), ("duplicate_of", pa.string()),
    ]
    + [(score, pa.float32()) for score in SCORES]
)  # fmt: skip
"""Columns of `selection/rejected.parquet`: one row a stretch left out, with the one rule it failed."""

_EXTREMES = {"faces": np.maximum, "face_px_min": np.minimum, "pose_extreme": np.maximum,
             "landmarks_inside": np.minimum, "text_chars": np.maximum, "border_px": np.maximum}  # fmt: skip
_GOOD, _TOO_SHORT = -1, -2


@dataclass(frozen=True)
class Selection:
    """What `select` decided: the tables of future clips and of rejected stretches."""

    stretches: pa.Table
    rejected: pa.Table


@dataclass(frozen=True)
class _Windows:
    """Every window of every track in one row of arrays; track k owns windows offset[k] to offset[k+1]."""

    table: pa.Table
    offset: Ints
    track_of: Ints
    first: Ints
    last: Ints

    def column(self, name: str) -> Floats:
        lists = self.table[name].combine_chunks()
        return lists.flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False)


def score_columns_needed(recipe: Recipe) -> list[str]:
    """Scores that the recipe's rules read."""
    return sorted({rule.score for rule in recipe.select.rules})


def select(tracks: pa.Table, recipe: Recipe) -> Selection:
    """Judge all tracks by the recipe's rules.

    tracks: rows of every source's `tracks.parquet` with source_id, source_name, width, height (displayed
    pixels) beside them. A window fails at the first rule in the recipe's order that it breaks. Runs of good
    windows within a track become clips if they last `select.min_s`, cut into equal parts not over
    `select.max_s`; shorter ones are rejected for `duration`. Rows come in the order of the tracks.
    """
    windows = _unfold(tracks, recipe.analyze.window_frames)
    verdict = _judge(windows, recipe)
    run_start = _run_starts(verdict, windows.track_of)
    runs = _Runs.of(windows, verdict, run_start)
    fps = recipe.fps
    seconds = (runs.last - runs.first + 1) / fps
    good = runs.verdict == _GOOD
    short = good & (seconds < recipe.select.min_s - 1e-9)
    runs.verdict[short] = _TOO_SHORT
    parts = _split_long(runs, good & ~short, recipe)
    return Selection(
        _stretches(windows, parts, recipe),
        _rejected(windows, runs, ~good | short, recipe),
    )


def _unfold(tracks: pa.Table, window: int) -> _Windows:
    count = pc.list_value_length(tracks["faces"]).to_numpy().astype(np.int64)
    offset = np.concatenate([[0], np.cumsum(count)])
    track_of = np.repeat(np.arange(len(count)), count)
    begin = tracks["first_frame"].to_numpy().astype(np.int64)
    end = tracks["last_frame"].to_numpy().astype(np.int64)
    index = np.arange(offset[-1]) - offset[track_of]
    first = begin[track_of] + index * window
    last = np.where(index == count[track_of] - 1, end[track_of], first + window - 1)
    return _Windows(tracks, offset, track_of, first, last)


def _judge(windows: _Windows, recipe: Recipe) -> Ints:
    """Per window: the number of the first rule it fails, or -1."""
    verdict = np.full(len(windows.track_of), _GOOD, np.int64)
    open_ = np.ones(len(verdict), bool)
    without_face = windows.table["track"].to_numpy()[windows.track_of] == NO_TRACK
    verdict[without_face] = len(recipe.select.rules)
    open_ &= ~without_face
    window_s = recipe.analyze.window_frames / recipe.fps
    for number, rule in enumerate(recipe.select.rules):
        fails = open_ & breaks(rule, _smoothed(windows, rule, window_s))
        verdict[fails] = number
        open_ &= ~fails
    return verdict


def breaks(rule: Rule, values: Floats) -> NDArray[np.bool_]:
    """Where values are out of the rule's bounds; what could not be measured (nan) breaks no rule."""
    out = np.zeros(len(values), bool)
    if rule.min is not None:
        out |= values < np.float32(rule.min)
    if rule.max is not None:
        out |= values > np.float32(rule.max)
    return out


def _smoothed(windows: _Windows, rule: Rule, window_s: float) -> Floats:
    """The score averaged over `over_s` around each window, within its track."""
    values = windows.column(rule.score)
    reach = int(rule.over_s / window_s / 2)
    if reach < 1:
        return values
    known = ~np.isnan(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0), dtype=np.float64)])
    count = np.concatenate([[0], np.cumsum(known)])
    here = np.arange(len(values))
    low = np.maximum(here - reach, windows.offset[windows.track_of])
    high = np.minimum(here + reach + 1, windows.offset[windows.track_of + 1])
    seen = count[high] - count[low]
    mean = (total[high] - total[low]) / np.maximum(seen, 1)
    return np.where(seen > 0, mean, np.nan).astype(np.float32)


def _run_starts(verdict: Ints, track_of: Ints) -> Ints:
    if not len(verdict):
        return np.zeros(0, np.int64)
    change = (np.diff(verdict) != 0) | (np.diff(track_of) != 0)
    return np.concatenate([[0], np.flatnonzero(change) + 1])


@dataclass
class _Runs:
    """Runs of windows with one verdict: window range [a, b), frames first to last, verdict."""

    a: Ints
    b: Ints
    first: Ints
    last: Ints
    verdict: Ints

    @classmethod
    def of(cls, windows: _Windows, verdict: Ints, start: Ints) -> _Runs:
        end = np.append(start[1:], len(verdict)) if len(start) else start
        return cls(start, end, windows.first[start], windows.last[end - 1], verdict[start].copy())


def _split_long(runs: _Runs, keep: NDArray[np.bool_], recipe: Recipe) -> _Runs:
    """Good runs as equal parts none of which is longer than `select.max_s`."""
    longest = max(1, int(recipe.select.max_s * recipe.fps + 1e-9))
    frames = (runs.last - runs.first + 1)[keep]
    pieces = np.maximum(1, -(-frames // longest))
    owner = np.repeat(np.flatnonzero(keep), pieces)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    total, number = np.repeat(frames, pieces), np.repeat(pieces, pieces)
    first = runs.first[owner] + total * within // number
    last = runs.first[owner] + total * (within + 1) // number - 1
    window = recipe.analyze.window_frames
    a = np.minimum(runs.a[owner] + (first - runs.first[owner]) // window, runs.b[owner] - 1)
    b = np.minimum(runs.a[owner] + -(-(last + 1 - runs.first[owner]) // window), runs.b[owner])
    return _Runs(a, np.maximum(b, a + 1), first, last, np.full(len(owner), _GOOD))


def _averages(windows: _Windows, a: Ints, b: Ints) -> dict[str, Floats]:
    """One value of every score for window ranges [a, b): mean, or the extreme where the score is one."""
    out = {}
    for score in SCORES:
        values = windows.column(score).astype(np.float64)
        if score in _EXTREMES:
            out[score] = _reduced(_EXTREMES[score], values, a, b).astype(np.float32)
            continue
        known = ~np.isnan(values)
        total = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
        count = np.concatenate([[0], np.cumsum(known)])
        seen = count[b] - count[a]
        with np.errstate(invalid="ignore"):
            out[score] = np.where(seen > 0, (total[b] - total[a]) / np.maximum(seen, 1), np.nan).astype(
                np.float32
            )
    return out


def _reduced(operation: np.ufunc, values: NDArray[np.float64], a: Ints, b: Ints) -> NDArray[np.float64]:
    """The operation over values[a[i]:b[i]] for every i (ranges not empty)."""
    if not len(a):
        return np.zeros(0)
    padded = np.append(values, np.nan)
    bounds = np.stack([a, b], axis=1).ravel()
    result: NDArray[np.float64] = operation.reduceat(padded, bounds)[::2]
    return result


def _stretches(windows: _Windows, parts: _Runs, recipe: Recipe) -> pa.Table:
    owner = windows.track_of[parts.a] if len(parts.a) else parts.a
    tracks, fps = windows.table, recipe.fps
    source, track = tracks["source_id"].take(owner), tracks["track"].take(owner)
    ids = [
        f"{s}_{a}_{b}_{t}"
        for s, a, b, t in zip(
            source.to_pylist(), parts.first.tolist(), parts.last.tolist(), track.to_pylist()
        )
    ]
    crops = _crops(windows, parts, owner, recipe)
    columns: dict[str, object] = {
        "clip_id": ids, "source_id": source, "source_name": tracks["source_name"].take(owner),
        "track": track, "shot": tracks["shot"].take(owner),
        "first_frame": parts.first, "last_frame": parts.last,
        "start_s": parts.first / fps, "end_s": (parts.last + 1) / fps, "fps": np.full(len(ids), fps),
        **{f"crop_{name}": crops[:, i] for i, name in enumerate(("x0", "y0", "x1", "y1"))},
        "best_frames": _best_frames(windows, parts, recipe.identify.faces_per_clip),
    }  # fmt: skip
    return _table(columns | _averages(windows, parts.a, parts.b), STRETCH_COLUMNS)


def _crops(windows: _Windows, parts: _Runs, owner: Ints, recipe: Recipe) -> Ints:
    low, high = np.minimum, np.maximum
    union = np.stack(
        [
            _reduced(operation, windows.column(name).astype(np.float64), parts.a, parts.b)
            for operation, name in zip((low, low, high, high), GEOMETRY[:4])
        ],
        axis=1,
    )
    height = _reduced(np.add, windows.column("height").astype(np.float64), parts.a, parts.b) / (
        parts.b - parts.a
    )
    size = np.stack([windows.table[name].to_numpy()[owner] for name in ("width", "height_px")], axis=1)
    return even_squares(crop_squares(union, height, size.astype(np.float64), recipe.crop), size)


def _best_frames(windows: _Windows, parts: _Runs, wanted: int) -> pa.ListArray:
    """The best frame of each of up to `wanted` equal spans of windows of a stretch, so that they are spread out."""
    spans = np.minimum(wanted, parts.b - parts.a)
    owner = np.repeat(np.arange(len(spans)), spans)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(spans) - spans, spans)
    length = (parts.b - parts.a)[owner]
    begin = parts.a[owner] + length * within // spans[owner]
    end = parts.a[owner] + length * (within + 1) // spans[owner]
    window = np.concatenate([np.arange(a, b) for a, b in zip(begin, end)]) if len(begin) else begin
    span_of = np.repeat(np.arange(len(begin)), end - begin)
    order = np.lexsort((window, -windows.column("best_value")[window], span_of))
    best = window[order[np.searchsorted(span_of[order], np.arange(len(begin)))]] if len(begin) else window
    frame = windows.column("best_frame")[best].astype(np.int64) if len(best) else best
    # A window shared by two parts of a long run may show its best frame in the other one.
    frame = np.clip(frame, parts.first[owner], parts.last[owner])
    offsets = np.concatenate([[0], np.cumsum(spans)])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(frame, pa.int32()))


def _rejected(windows: _Windows, runs: _Runs, out: NDArray[np.bool_], recipe: Recipe) -> pa.Table:
    chosen = np.flatnonzero(out)
    a, b, verdict = runs.a[chosen], runs.b[chosen], runs.verdict[chosen]
    owner = windows.track_of[a] if len(a) else a
    tracks, fps, rules = windows.table, recipe.fps, recipe.select.rules
    averages = _averages(windows, a, b)
    start, end = runs.first[chosen] / fps, (runs.last[chosen] + 1) / fps
    window_s = recipe.analyze.window_frames / fps
    worst = {
        n: _worst(windows, rules[n], window_s, a, b) for n in set(verdict.tolist()) if 0 <= n < len(rules)
    }
    reason = np.full(len(chosen), "no_face", object)
    score, value, threshold = (
        np.full(len(chosen), "faces", object),
        np.zeros(len(chosen)),
        np.ones(len(chosen)),
    )
    for number in worst:
        here = verdict == number
        reason[here], score[here] = rules[number].reason, rules[number].score
        value[here], threshold[here] = worst[number][0][here], worst[number][1][here]
    short = verdict == _TOO_SHORT
    reason[short], score[short], threshold[short] = "duration", "duration_s", recipe.select.min_s
    value[short] = (end - start)[short]
    track = tracks["track"].to_numpy()[owner]
    columns: dict[str, object] = {
        "source_id": tracks["source_id"].take(owner), "source_name": tracks["source_name"].take(owner),
        "track": pa.array(track, pa.int32(), mask=track == NO_TRACK),
        "start_s": start, "end_s": end, "reason": reason, "score": score, "value": value, "threshold": threshold,
        "duplicate_of": pa.nulls(len(chosen), pa.string()),
    }  # fmt: skip
    return _table(columns | averages, REJECTED_COLUMNS)


def _worst(windows: _Windows, rule: Rule, window_s: float, a: Ints, b: Ints) -> tuple[Floats, Floats]:
    """The value furthest out of the rule's bounds in each range, and the bound it breaks."""
    values = _smoothed(windows, rule, window_s).astype(np.float64)
    lowest, highest = _reduced(np.fmin, values, a, b), _reduced(np.fmax, values, a, b)
    above = np.zeros(len(a), bool) if rule.max is None else highest > rule.max
    limit = np.where(
        above, np.nan if rule.max is None else rule.max, np.nan if rule.min is None else rule.min
    )
    return np.where(above, highest, lowest).astype(np.float32), limit.astype(np.float32)


def _table(columns: dict[str, object], schema: pa.Schema) -> pa.Table:
    arrays: Iterable[pa.Array | pa.ChunkedArray] = (
        value.cast(field.type)
        if isinstance(value, (pa.Array, pa.ChunkedArray))
        else pa.array(value, field.type)
        for field, value in ((field, columns[field.name]) for field in schema)
    )
    return pa.Table.from_arrays(list(arrays), schema=schema)
