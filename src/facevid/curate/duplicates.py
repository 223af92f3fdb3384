"""Find clips that show the same stretch again: re-uploaded, re-encoded, rescaled or trimmed differently.

Two clips repeat each other only if picture and sound both do: the same face movement at one time lag, the
face at the same place and size in the whole picture, and the same sound at that lag. The same footage in
another layout, or under another sound, is material of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft

from facevid import media
from facevid.curate.sound import SILENCE_DB, level_db, log_mel, sound_correlation
from facevid.curate.undamaged import undamaged

F32 = npt.NDArray[np.float32]
Heard = tuple[F32, float]

# Mesh points that move when people talk, look and turn: lips, lids, brows, irises, nose, chin, cheeks.
_POINTS = (13, 14, 61, 291, 0, 17, 159, 145, 386, 374, 105, 334, 468, 473, 1, 152, 234, 454)
# Columns of a movement: y of both inner lips (1, 3) and chin (31), x and y of the nose (28, 29), face centre.
_COARSE_COLUMNS = (1, 3, 31, 28, 29, 36, 37)
_COARSE = 0.4  # real copies reached .88 and more; it only saves the closer look at hopeless pairs
_LAGS_TRIED = 3
_BATCH = 256
_SIZE = (
    3  # a face's size, as a ratio, is told three times less exactly than its place (measured .0031, .0012)
)
_ASPECT = 0.01  # rescaling to whole, even pixels changes the picture's format by less


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

    @cached_property
    def lowest(self) -> F32:
        """The least of each column of `place`."""
        return np.asarray(self.place.min(axis=0))

    @cached_property
    def highest(self) -> F32:
        """The most of each column of `place`."""
        return np.asarray(self.place.max(axis=0))

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

    place: how far the face may lie elsewhere, in shares of the picture's width and height; three times as
    much goes for its size.

    Measured on five real speakers, each halved in size or put on 30 fps, re-encoded at CRF 26 to 30 and
    trimmed: place differs by at most .0012, size by .0031, motion correlates by at least .967 and sound by
    .976; other moments of the same take correlate by at most .74.
    """

    min_s: float = 1.5
    min_share: float = 0.5
    place: float = 0.003
    motion: float = 0.9
    sound: float = 0.9


def find_duplicates(
    clip_ids: Sequence[str],
    *,
    groups: Sequence[Any],
    load: Callable[[str], Trace],
    thresholds: Thresholds | None = None,
    hear: Callable[[Path], Heard] | None = None,
    threads: int = 1,
) -> list[Duplicate]:
    """Which clips to drop, sorted by clip_id, each with the kept clip that it repeats.

    groups: one label a clip; only clips of one group are compared (cluster the embeddings somewhat more
    coarsely than for identities). load: reads a clip's trace (see `read_trace`); one group is held at a time.
    hear: reads the speech of a trace; None: `heard`, of a file that is here. threads: traces loaded at once.
    Of two clips the one with more source pixels stays, then the higher bit rate, then the longer, then the
    lower clip_id; but a clip is dropped only if at least `min_share` of itself is in the other.
    """
    limits = thresholds or Thresholds()
    members: dict[Any, list[str]] = {}
    for clip_id, group in zip(clip_ids, groups, strict=True):
        members.setdefault(group, []).append(clip_id)
    found: list[Duplicate] = []
    with ThreadPoolExecutor(threads) as pool:
        for ids in members.values():
            if len(ids) > 1:
                found += _in_group(list(pool.map(load, sorted(ids))), limits, hear or heard)
    return sorted(found, key=lambda d: d.clip_id)


def read_trace(clip_dir: Path, *, size: int, stretch: Mapping[str, Any], source: Mapping[str, Any]) -> Trace:
    """The trace of a cut clip of `size` pixels: its folder, its row of stretches.parquet, its source's
    row.
    """
    path = clip_dir / "keypoints.npz"
    with undamaged(path, delete=clip_dir), np.load(path) as stored:
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


def _in_group(traces: Sequence[Trace], limits: Thresholds, hear: Callable[[Path], Heard]) -> list[Duplicate]:
    best_first = sorted(traces, key=lambda t: (-t.quality[0], -t.quality[1], -t.duration_s, t.clip_id))
    repeats = _repeats(best_first, limits, hear)
    dropped: dict[int, Duplicate] = {}

    def drop(number: int, others: Iterable[int]) -> None:
        for other in others:
            found = repeats.get((other, number)) or repeats.get((number, other))
            if found and found.overlap_s >= limits.min_share * best_first[number].duration_s:
                dropped[number] = _from_side(found, best_first[number])
                return

    for number in range(len(best_first)):
        drop(number, (k for k in range(number) if k not in dropped))
    # A better but shorter clip may lie inside a longer one that it cannot replace; then the short one goes.
    left = [k for k in range(len(best_first)) if k not in dropped]
    for number in sorted(left, key=lambda k: (best_first[k].duration_s, best_first[k].clip_id)):
        drop(number, (k for k in left if k != number and k not in dropped))
    moved = {d.clip_id: d.of for d in dropped.values()}
    return [_to_kept(d, moved) for d in dropped.values()]


def _from_side(found: Duplicate, trace: Trace) -> Duplicate:
    """The same repeat, told by the clip that is dropped."""
    if found.clip_id == trace.clip_id:
        return found
    return replace(found, clip_id=found.of, of=found.clip_id, lag_s=-found.lag_s)


def _to_kept(found: Duplicate, moved: Mapping[str, str]) -> Duplicate:
    of = found.of
    while of in moved:
        of = moved[of]
    return replace(found, of=of)


def _repeats(
    traces: Sequence[Trace], limits: Thresholds, hear: Callable[[Path], Heard]
) -> dict[tuple[int, int], Duplicate]:
    """All pairs (i < j) of a group that repeat each other; every pair is looked at once."""
    length = 1 << int(np.ceil(np.log2(2 * max(len(t.place) for t in traces))))
    coarse = [_coarse(t) for t in traces]
    spectra = np.stack([scipy.fft.rfft(c, length, axis=0) for c in coarse])
    energy = [np.r_[0.0, np.cumsum((c**2).sum(axis=1))] for c in coarse]
    mel = lru_cache(maxsize=64)(hear)
    found: dict[tuple[int, int], Duplicate] = {}
    for i, first in enumerate(traces):
        others = [j for j in range(i + 1, len(traces)) if _may_match(first, traces[j], limits)]
        for start in range(0, len(others), _BATCH):
            batch = others[start : start + _BATCH]
            product = np.einsum("fc,jfc->jf", spectra[i], spectra[batch].conj())
            for j, cross in zip(batch, scipy.fft.irfft(product, length, axis=1), strict=True):
                need = _needed(first, traces[j], limits)
                lags = _lags(cross, energy[i], energy[j], need)
                repeat = compare(first, traces[j], limits, lags=lags, mel=mel)
                if repeat is not None:
                    found[i, j] = repeat
    return found


def _needed(a: Trace, b: Trace, limits: Thresholds) -> int:
    """Frames that two clips must have in common at the least: a share of the shorter one."""
    shorter = min(len(a.place), len(b.place))
    return max(int(np.ceil(limits.min_s * a.fps)), int(np.ceil(limits.min_share * shorter)))


def _may_match(a: Trace, b: Trace, limits: Thresholds) -> bool:
    """A quick no: other rate or picture format, only one has sound, or the faces are never at one place."""
    if a.fps != b.fps or (a.speech is None) != (b.speech is None):
        return False
    if abs(a.aspect / b.aspect - 1) > max(limits.place, _ASPECT) or _needed(a, b, limits) > min(
        len(a.place), len(b.place)
    ):
        return False
    gap = np.maximum(a.lowest - b.highest, b.lowest - a.highest)
    return bool((gap[:2] <= limits.place).all() and gap[2] <= _SIZE * limits.place * a.highest[2])


def compare(
    kept: Trace,
    trace: Trace,
    limits: Thresholds,
    *,
    lags: Iterable[int],
    mel: Callable[[Path], tuple[F32, float]],
) -> Duplicate | None:
    """Whether `trace` repeats `kept` at one of the `lags` (frame t of `trace` is frame t + lag of `kept`)."""
    for lag in lags:
        a, b = _overlap(kept, trace, lag)
        if not _same_place(kept.place[a], trace.place[b], limits.place):
            continue
        motion = _correlation(_movement(kept, a), _movement(trace, b))
        if motion < limits.motion:
            continue
        sound = None
        if kept.speech is not None and trace.speech is not None:
            sound = _same_sound(mel(kept.speech), mel(trace.speech), a, b, trace.fps)
            if sound is not None and sound < limits.sound:
                continue
        overlap_s = (a.stop - a.start) / trace.fps
        rounded = None if sound is None else round(sound, 4)
        return Duplicate(trace.clip_id, kept.clip_id, overlap_s, lag / trace.fps, round(motion, 4), rounded)
    return None


def _lags(cross: F32, energy_a: npt.NDArray[Any], energy_b: npt.NDArray[Any], need: int) -> list[int]:
    """Lags worth a closer look, best first: peaks of the normalised correlation and their neighbours."""
    n, m = len(energy_a) - 1, len(energy_b) - 1
    lags = np.arange(need - m, n - need + 1)
    start, stop = np.maximum(lags, 0), np.minimum(lags + m, n)
    norm = (energy_a[stop] - energy_a[start]) * (energy_b[stop - lags] - energy_b[start - lags])
    score = cross[lags] / np.sqrt(np.maximum(norm, 1e-12))
    chosen: list[int] = []
    for _ in range(_LAGS_TRIED):
        k = int(np.argmax(score))
        if score[k] < _COARSE:
            break
        near = range(max(0, k - 1), min(len(lags), k + 2))
        chosen += [int(lags[k]), *(int(lags[q]) for q in near if q != k)]
        score[near.start : near.stop] = -2
    return chosen


def _overlap(kept: Trace, trace: Trace, lag: int) -> tuple[slice, slice]:
    start, stop = max(lag, 0), min(lag + len(trace.place), len(kept.place))
    return slice(start, stop), slice(start - lag, stop - lag)


def _same_place(a: F32, b: F32, tolerance: float) -> bool:
    offset = np.abs(np.median(a - b, axis=0))
    size = abs(float(np.median(np.log(np.maximum(a[:, 2], 1e-6) / np.maximum(b[:, 2], 1e-6)))))
    return bool((offset[:2] <= tolerance).all() and size <= _SIZE * tolerance)


def _movement(trace: Trace, part: slice) -> F32:
    """Shape and place around their means in this part, in one unit: the face's size."""
    size = float(np.median(trace.place[part, 2]))
    place = trace.place[part] / size * (trace.aspect, 1.0, 1.0)
    both = np.concatenate([trace.shape[part], place.astype(np.float32)], axis=1)
    centred: F32 = both - both.mean(axis=0)
    return centred


def _coarse(trace: Trace) -> F32:
    """The few movements by which lags are found: place, mouth, lids and the turn of the nose."""
    points = _movement(trace, slice(0, len(trace.place)))
    chosen: F32 = points[:, _COARSE_COLUMNS]
    return chosen


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


def heard(path: Path) -> Heard:
    """What of a clip's speech is compared: its log-mel spectrogram and its level in dB."""
    samples = media.read_audio(path, rate=16000, mono=True)
    return log_mel(samples), level_db(samples)


def _smooth(values: F32) -> F32:
    """Weighted mean over five frames: a re-encoded copy may be up to half a frame off, and meshes jitter."""
    weights = np.array([1, 2, 3, 2, 1], np.float32) / 9
    padded = np.pad(values, ((2, 2), (0, 0)), mode="edge")
    result: F32 = sum(w * padded[k : k + len(values)] for k, w in enumerate(weights)).astype(np.float32)
    return result
