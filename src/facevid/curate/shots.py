"""Shot boundaries of a stream of small pictures: hard cuts, dissolves and fades, in one pass or in parts.

Hard cuts come from PySceneDetect's adaptive detector. Gradual transitions are told by what they are: in
a dissolve every picture between A and B is a blend of both, in a fade the picture goes through black.
"""

from __future__ import annotations

from array import array
from collections import deque
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray
from scenedetect import FrameTimecode
from scenedetect.detectors import AdaptiveDetector

from facevid.recipe import Shots

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]

_WIDE, _HIGH = 48, 27


@dataclass(frozen=True)
class Transition:
    """Frames that belong to no shot: `first` to `last` inclusive, `last < first` for a hard cut at `first`."""

    first: int
    last: int
    kind: str
    """`cut`, `dissolve` or `fade`."""


@dataclass(frozen=True)
class Shot:
    """Frames `first` to `last` inclusive on the recipe's grid, between two transitions."""

    index: int
    first: int
    last: int


@dataclass
class Signs:
    """What frames told one by one, from which `shots_of` finds the shots of all of them.

    content: PySceneDetect's content_val, 0 to 255, the change to the frame before (0 for the first). luma: 99th
    percentile of light, 0 to 255. dissolves: (frame that told it, first, last frame of the dissolve), numbers counted
    from the first frame pushed.
    """

    content: array[float] = field(default_factory=lambda: array("d"))
    luma: array[float] = field(default_factory=lambda: array("d"))
    dissolves: list[tuple[int, int, int]] = field(default_factory=list)

    def take(self, other: Signs, begin: int, end: int) -> None:
        """Append frames `begin` to `end` - 1 of another pass, which follow on those that are here."""
        shift = len(self.content) - begin
        self.content += other.content[begin:end]
        self.luma += other.luma[begin:end]
        self.dissolves += [
            (n + shift, a + shift, b + shift) for n, a, b in other.dissolves if begin <= n < end
        ]


def lead_in(settings: Shots) -> int:
    """Frames before a frame that its signs depend on."""
    return 2 * settings.dissolve_frames


class ShotDetector:
    """Takes every frame of a source, or of a part of it, in order and gathers their `signs`."""

    def __init__(self, settings: Shots, fps: float) -> None:
        self.signs = Signs()
        self._settings = settings
        self._fps = float(fps)
        self._hard = _adaptive(settings)
        self._ring: deque[Floats] = deque(maxlen=lead_in(settings) + 1)

    def push(self, image: Image) -> bool:
        """Look at the next frame (RGB uint8, best some 160 pixels wide); True where it plainly starts a new picture."""
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        now = FrameTimecode(len(self.signs.content), self._fps)
        self.signs.content.append(float(self._hard._calculate_frame_score(now, bgr)))
        thumb = cv2.resize(image, (_WIDE, _HIGH), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        sudden = (
            bool(self._ring)
            and float(np.abs(thumb - self._ring[-1]).mean()) > self._settings.sudden_difference
        )
        self._ring.append(thumb)
        lightest = thumb.reshape(-1, 3).max(axis=1)
        self.signs.luma.append(float(np.partition(lightest, -13)[-13]) * 255)
        for span_frames in (self._settings.dissolve_frames, 2 * self._settings.dissolve_frames):
            if len(self._ring) > span_frames:
                self._look_for_dissolve(span_frames)
        return sudden

    def finish(self) -> tuple[list[Shot], list[Transition]]:
        """Shots and transitions of everything pushed, in order."""
        return shots_of(self.signs, self._settings, self._fps)

    def _look_for_dissolve(self, span_frames: int) -> None:
        """A dissolve: another picture at the end, and every one between on the line from first to last."""
        start, end = self._ring[-span_frames - 1].ravel(), self._ring[-1].ravel()
        span = end - start
        if np.abs(span).mean() < self._settings.sudden_difference:
            return
        if _correlation(start, end) > self._settings.dissolve_correlation:
            return
        window = np.stack(list(self._ring)[-span_frames - 1 :]).reshape(span_frames + 1, -1)
        energy = float(span @ span)
        moved = window - window[0]
        share = moved @ span / energy
        off_line = (moved * moved).sum(axis=1) - share * share * energy
        steps = np.diff(share)
        blended = (share > 0.05) & (share < 0.95)
        if (
            steps.max() < 0.4
            and steps.min() > -0.1
            and blended.sum() >= 3
            and off_line.max() < self._settings.dissolve_residual * energy
        ):
            inside = np.flatnonzero(blended)
            now = len(self.signs.content) - 1
            begin = now - span_frames
            self.signs.dissolves.append((now, begin + int(inside[0]), begin + int(inside[-1])))


def shots_of(signs: Signs, settings: Shots, fps: float) -> tuple[list[Shot], list[Transition]]:
    """Shots and transitions of a stretch whose frames told these signs, in order."""
    transitions = _transitions(signs, settings, fps)
    count, start = len(signs.content), 0
    shots: list[Shot] = []
    for t in transitions:
        if t.first > start:
            shots.append(Shot(len(shots), start, t.first - 1))
        start = max(start, t.last + 1, t.first)
    if start < count:
        shots.append(Shot(len(shots), start, count - 1))
    return shots, transitions


def _adaptive(settings: Shots) -> AdaptiveDetector:
    return AdaptiveDetector(
        adaptive_threshold=settings.adaptive_threshold,
        min_content_val=settings.min_content_val,
        min_scene_len=3,
    )


def _hard_cuts(signs: Signs, settings: Shots, fps: float) -> list[int]:
    """PySceneDetect's adaptive rule over content values that were measured before, perhaps by several passes.

    The rule compares each value with its four neighbours and counts from the last cut, so it needs them all in a row.
    """
    rule = _adaptive(settings)
    rule._calculate_frame_score = lambda timecode, value: float(value)
    cuts: list[int] = []
    for number, value in enumerate(signs.content):
        cuts += [c.frame_num for c in rule.process_frame(FrameTimecode(number, fps), np.float64(value))]
    last = FrameTimecode(max(0, len(signs.content) - 1), fps)
    return cuts + [c.frame_num for c in rule.post_process(last)]


def _fades(signs: Signs, settings: Shots) -> list[tuple[int, int]]:
    """Ramps down to black and up from it, with the black between them where it is short."""
    luma = np.asarray(signs.luma)
    black = np.flatnonzero(luma < settings.black_luma)
    reach = settings.dissolve_frames * 2
    fades = []
    for run in np.split(black, np.flatnonzero(np.diff(black) > 1) + 1) if black.size else []:
        first, last = int(run[0]), int(run[-1])
        begin, end = first, last
        while begin > 0 and first - begin < reach and luma[begin - 1] > luma[begin] + 1.0:
            begin -= 1
        while end + 1 < len(luma) and end - last < reach and luma[end + 1] > luma[end] + 1.0:
            end += 1
        if last - first < reach:
            if first - begin >= 3 or end - last >= 3:
                fades.append((begin, end))
            continue
        if first - begin >= 3:
            fades.append((begin, first - 1))
        if end - last >= 3:
            fades.append((last + 1, end))
    return fades


def _transitions(signs: Signs, settings: Shots, fps: float) -> list[Transition]:
    gradual = [(a, b, "fade") for a, b in _fades(signs, settings)]
    for a, b in _merge([(a, b) for _, a, b in signs.dissolves]):
        if not any(a <= d and c <= b for c, d, _ in gradual):
            gradual.append((a, b, "dissolve"))
    near, last = settings.guard_frames, len(signs.content) - 1
    out = [Transition(max(0, a), min(b, last), kind) for a, b, kind in gradual]
    for cut in sorted(set(_hard_cuts(signs, settings, fps))):
        if not any(t.first - near <= cut <= t.last + near for t in out):
            out.append(Transition(cut, cut - 1, "cut"))
    return sorted(out, key=lambda t: t.first)


def _correlation(a: Floats, b: Floats) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b / np.sqrt((a @ a) * (b @ b) + 1e-9))


def _merge(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    for a, b in sorted(spans):
        if out and a <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], b))
        else:
            out.append((a, b))
    return out
