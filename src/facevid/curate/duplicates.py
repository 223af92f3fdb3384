"""Find clips that show the same stretch again: re-uploaded, re-encoded, rescaled or trimmed differently.

Two clips repeat each other only if picture and sound both do: the same face movement at one time lag, the
face at the same place and size in the whole picture, and the same sound at that lag. The same footage in
another layout, or under another sound, is material of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from facevid import media
from facevid.curate.sound import SILENCE_DB, level_db, log_mel, sound_correlation

F32 = npt.NDArray[np.float32]

# Mesh points that move when people talk, look and turn: lips, lids, brows, irises, nose, chin, cheeks.
_POINTS = (13, 14, 61, 291, 0, 17, 159, 145, 386, 374, 105, 334, 468, 473, 1, 152, 234, 454)
_LAGS_TRIED = 3


@dataclass(frozen=True)
class Trace:
    """How the face of one clip lies and moves in the whole picture of its source.

    place: (n, 3) face centre x, y and face size, each as a share of the displayed picture (width, height,
    height). shape: (n, 36) points of the face in units of its size, around its centre. Both at `fps`,
    smoothed over five frames. quality: the larger is kept (source pixels, video bit rate).
    """

    clip_id: str
    fps: float
    place: F32
    shape: F32
    aspect: float
    quality: tuple[float, float]
    speech: Path | None

    @property
    def duration_s(self) -> float:
        return len(self.place) / self.fps


@dataclass(frozen=True)
class Duplicate:
    """`clip_id` repeats `of` for `overlap_s` seconds; time t of `of` is time t - `lag_s` of `clip_id`.

    motion and sound are correlations (-1 to 1); sound is None where neither clip has any.
    """

    clip_id: str
    of: str
    overlap_s: float
    lag_s: float
    motion: float
    sound: float | None


@dataclass(frozen=True)
class Thresholds:
    """When a clip repeats another; fields as in the recipe (`identify.duplicate_*`).

    Measured on five real speakers, each halved in size or put on 30 fps, re-encoded at CRF 26 to 30 and
    trimmed: place differs by at most .0012, size by .0031, motion correlates by at least .967 and sound by
    .976; other moments of the same take correlate by at most .74.
    """

    min_s: float = 1.5
    min_share: float = 0.5
    place: float = 0.005
    motion: float = 0.9
    sound: float = 0.9


def find_duplicates(
    clip_ids: Sequence[str],
    *,
    groups: Sequence[Any],
    load: Callable[[str], Trace],
    thresholds: Thresholds | None = None,
) -> list[Duplicate]:
    """Which clips to drop, sorted by clip_id, each with the kept clip that it repeats.

    groups: one label a clip; only clips of one group are compared (cluster the embeddings somewhat more
    coarsely than for identities). load: reads a clip's trace (see `read_trace`); one group is held at a time.
    Of two clips the one with more source pixels stays, then the higher bit rate, then the longer, then the
    lower clip_id; but a clip is dropped only if at least `min_share` of itself is in the other.
    """
    limits = thresholds or Thresholds()
    members: dict[Any, list[str]] = {}
    for clip_id, group in zip(clip_ids, groups, strict=True):
        members.setdefault(group, []).append(clip_id)
    found: list[Duplicate] = []
    for ids in members.values():
        if len(ids) > 1:
            found += _in_group([load(c) for c in sorted(ids)], limits)
    return sorted(found, key=lambda d: d.clip_id)


def read_trace(clip_dir: Path, *, size: int, stretch: Mapping[str, Any], source: Mapping[str, Any]) -> Trace:
    """The trace of a cut clip of `size` pixels: its folder, its row of stretches.parquet, its source's
    row.
    """
    with np.load(clip_dir / "keypoints.npz") as stored:
        mesh = stored["mesh"][..., :2].astype(np.float32)
    scale = (stretch["crop_x1"] - stretch["crop_x0"]) / size
    return make_trace(
        mesh * scale + np.array([stretch["crop_x0"], stretch["crop_y0"]], np.float32),
        clip_id=str(stretch["clip_id"]),
        fps=float(stretch["fps"]),
        width=int(source["width"]),
        height=int(source["height"]),
        bit_rate=float(source.get("video_bit_rate") or 0.0),
        speech=clip_dir / "speech.flac" if (clip_dir / "speech.flac").exists() else None,
    )


def make_trace(
    mesh: npt.NDArray[Any],
    *,
    clip_id: str,
    fps: float,
    width: int,
    height: int,
    bit_rate: float = 0.0,
    speech: Path | None = None,
) -> Trace:
    """A trace from mesh points (n, 478, 2) in displayed source pixels."""
    points = mesh.astype(np.float32)
    centre = points.mean(axis=1)
    size = np.sqrt(((points - centre[:, None]) ** 2).sum(axis=2).mean(axis=1))
    shape = (points[:, _POINTS] - centre[:, None]) / np.maximum(size, 1e-6)[:, None, None]
    place = np.stack([centre[:, 0] / width, centre[:, 1] / height, size / height], axis=1)
    return Trace(
        clip_id=clip_id,
        fps=fps,
        place=_smooth(place),
        shape=_smooth(shape.reshape(len(points), -1)),
        aspect=width / height,
        quality=(float(width * height), bit_rate),
        speech=speech,
    )


def _in_group(traces: Sequence[Trace], limits: Thresholds) -> list[Duplicate]:
    best_first = sorted(traces, key=lambda t: (-t.quality[0], -t.quality[1], -t.duration_s, t.clip_id))
    mel = lru_cache(maxsize=64)(_speech)
    kept: list[Trace] = []
    dropped: list[Duplicate] = []
    for trace in best_first:
        match = next(_matches(kept, trace, limits, mel), None)
        if match is None:
            kept.append(trace)
        else:
            dropped.append(match)
    # A better but shorter clip may lie inside a longer one that it cannot replace; then the short one goes.
    for trace in sorted(kept, key=lambda t: (t.duration_s, t.clip_id)):
        others = [t for t in kept if t is not trace and t.duration_s >= trace.duration_s]
        match = next(_matches(others, trace, limits, mel), None)
        if match is not None:
            kept.remove(trace)
            dropped.append(match)
    moved = {d.clip_id: d.of for d in dropped}
    return [_to_kept(d, moved) for d in dropped]


def _to_kept(found: Duplicate, moved: Mapping[str, str]) -> Duplicate:
    of = found.of
    while of in moved:
        of = moved[of]
    return found if of == found.of else Duplicate(**{**found.__dict__, "of": of})


def _matches(
    others: Iterable[Trace], trace: Trace, limits: Thresholds, mel: Callable[[Path], tuple[F32, float]]
) -> Iterator[Duplicate]:
    for other in others:
        if _may_match(other, trace, limits):
            found = compare(other, trace, limits, mel=mel)
            if found is not None:
                yield found


def _may_match(a: Trace, b: Trace, limits: Thresholds) -> bool:
    """A quick no: other rate or picture format, only one has sound, or the faces are never at one place."""
    if (
        a.fps != b.fps
        or abs(np.log(a.aspect / b.aspect)) > limits.place
        or (a.speech is None) != (b.speech is None)
    ):
        return False
    gap = np.maximum(a.place.min(0) - b.place.max(0), b.place.min(0) - a.place.max(0))
    return bool((gap[:2] <= limits.place).all() and gap[2] <= limits.place * max(a.place[:, 2].max(), 1e-6))


def compare(
    kept: Trace, trace: Trace, limits: Thresholds, *, mel: Callable[[Path], tuple[F32, float]] | None = None
) -> Duplicate | None:
    """Whether `trace` repeats `kept`, and how."""
    need = max(int(np.ceil(limits.min_s * trace.fps)), int(np.ceil(limits.min_share * len(trace.place))))
    if need > min(len(kept.place), len(trace.place)):
        return None
    for lag in _lags(kept, trace, need):
        a, b = _overlap(kept, trace, lag)
        if not _same_place(kept.place[a], trace.place[b], limits.place):
            continue
        motion = _correlation(_movement(kept, a), _movement(trace, b))
        if motion < limits.motion:
            continue
        sound = None
        if kept.speech is not None and trace.speech is not None:
            read = mel or _speech
            sound = _same_sound(read(kept.speech), read(trace.speech), a, b, trace.fps)
            if sound is not None and sound < limits.sound:
                continue
        overlap_s = (a.stop - a.start) / trace.fps
        rounded = None if sound is None else round(sound, 4)
        return Duplicate(trace.clip_id, kept.clip_id, overlap_s, lag / trace.fps, round(motion, 4), rounded)
    return None


def _lags(kept: Trace, trace: Trace, need: int) -> list[int]:
    """The lags (frame t of `trace` = frame t + lag of `kept`) at which the movement correlates best, best
    first.
    """
    a, b = (_coarse(t) for t in (kept, trace))
    n, m = len(a), len(b)
    length = 1 << int(np.ceil(np.log2(n + m)))
    spectrum = (np.fft.rfft(a, length, axis=0) * np.fft.rfft(b, length, axis=0).conj()).sum(axis=1)
    cross = np.fft.irfft(spectrum, length)
    lags = np.arange(-(m - need), n - need + 1)
    energy_a, energy_b = (np.r_[0.0, np.cumsum((x**2).sum(axis=1))] for x in (a, b))
    start, stop = np.maximum(lags, 0), np.minimum(lags + m, n)
    norm = np.sqrt((energy_a[stop] - energy_a[start]) * (energy_b[stop - lags] - energy_b[start - lags]))
    score = cross[lags % length] / np.maximum(norm, 1e-9)
    chosen: list[int] = []
    for k in np.argsort(-score, kind="stable"):
        if all(abs(int(lags[k]) - c) > 1 for c in chosen):
            chosen.append(int(lags[k]))
        if len(chosen) == _LAGS_TRIED:
            break
    return [lag + d for lag in chosen for d in (0, -1, 1) if lags[0] <= lag + d <= lags[-1]]


def _overlap(kept: Trace, trace: Trace, lag: int) -> tuple[slice, slice]:
    start, stop = max(lag, 0), min(lag + len(trace.place), len(kept.place))
    return slice(start, stop), slice(start - lag, stop - lag)


def _same_place(a: F32, b: F32, tolerance: float) -> bool:
    offset = np.abs(np.median(a - b, axis=0))
    size = abs(float(np.median(np.log(np.maximum(a[:, 2], 1e-6) / np.maximum(b[:, 2], 1e-6)))))
    return bool((offset[:2] <= tolerance).all() and size <= tolerance)


def _movement(trace: Trace, part: slice) -> F32:
    """Shape and place around their means in this part, in one unit: the face's size."""
    size = float(np.median(trace.place[part, 2]))
    place = trace.place[part] / size * (trace.aspect, 1.0, 1.0)
    both = np.concatenate([trace.shape[part], place.astype(np.float32)], axis=1)
    centred: F32 = both - both.mean(axis=0)
    return centred


def _coarse(trace: Trace) -> F32:
    return _movement(trace, slice(0, len(trace.place)))


def _correlation(a: F32, b: F32) -> float:
    norm = float(np.sqrt((a.astype(np.float64) ** 2).sum() * (b.astype(np.float64) ** 2).sum()))
    return float((a.astype(np.float64) * b).sum() / norm) if norm > 1e-12 else 0.0


def _same_sound(
    kept: tuple[F32, float], trace: tuple[F32, float], a: slice, b: slice, fps: float
) -> float | None:
    """Correlation of the sound of the two overlapping parts; None if both clips are silent, -1 if one is."""
    silent = [level < SILENCE_DB for _, level in (kept, trace)]
    if all(silent):
        return None
    if any(silent):
        return -1.0
    return sound_correlation(
        kept[0], trace[0], start_a_s=a.start / fps, start_b_s=b.start / fps, length_s=(a.stop - a.start) / fps
    )


def _speech(path: Path) -> tuple[F32, float]:
    samples = media.read_audio(path, rate=16000, mono=True)
    return log_mel(samples), level_db(samples)


def _smooth(values: F32) -> F32:
    """Weighted mean over five frames: a re-encoded copy may be up to half a frame off, and meshes jitter."""
    weights = np.array([1, 2, 3, 2, 1], np.float32) / 9
    padded = np.pad(values, ((2, 2), (0, 0)), mode="edge")
    result: F32 = sum(w * padded[k : k + len(values)] for k, w in enumerate(weights)).astype(np.float32)
    return result
