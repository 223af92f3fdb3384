"""Shot boundaries of a stream of small pictures: hard cuts, dissolves and fades, in one pass.

Hard cuts come from PySceneDetect's adaptive detector. Gradual transitions are told by what they are: in
a dissolve every picture between A and B is a blend of both, in a fade the picture goes through black.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

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


class ShotDetector:
    """Takes every frame of a source in order; `finish` gives its shots."""

    def __init__(self, settings: Shots, fps: float) -> None:
        self._settings = settings
        self._fps = float(fps)
        self._hard = AdaptiveDetector(
            adaptive_threshold=settings.adaptive_threshold,
            min_content_val=settings.min_content_val,
            min_scene_len=3,
        )
        self._ring: deque[Floats] = deque(maxlen=2 * settings.dissolve_frames + 1)
        self._cuts: list[int] = []
        self._dissolves: list[tuple[int, int]] = []
        self._luma: list[float] = []
        self._count = 0

    def push(self, image: Image) -> bool:
        """Look at the next frame (RGB uint8, best some 160 pixels wide); True where it plainly starts a new picture."""
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        for cut in self._hard.process_frame(FrameTimecode(self._count, self._fps), bgr):
            self._cuts.append(cut.frame_num)
        thumb = cv2.resize(image, (_WIDE, _HIGH), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        sudden = (
            bool(self._ring)
            and float(np.abs(thumb - self._ring[-1]).mean()) > self._settings.sudden_difference
        )
        self._ring.append(thumb)
        lightest = thumb.reshape(-1, 3).max(axis=1)
        self._luma.append(float(np.partition(lightest, -13)[-13]) * 255)
        for span_frames in (self._settings.dissolve_frames, 2 * self._settings.dissolve_frames):
            if len(self._ring) > span_frames:
                self._look_for_dissolve(span_frames)
        self._count += 1
        return sudden

    def finish(self) -> tuple[list[Shot], list[Transition]]:
        """Shots and transitions of everything pushed, in order."""
        for cut in self._hard.post_process(FrameTimecode(max(0, self._count - 1), self._fps)):
            self._cuts.append(cut.frame_num)
        transitions = self._transitions()
        shots: list[Shot] = []
        start = 0
        for t in transitions:
            if t.first > start:
                shots.append(Shot(len(shots), start, t.first - 1))
            start = max(start, t.last + 1, t.first)
        if start < self._count:
            shots.append(Shot(len(shots), start, self._count - 1))
        return shots, transitions

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
            begin = self._count - span_frames
            self._dissolves.append((begin + int(inside[0]), begin + int(inside[-1])))

    def _fades(self) -> list[tuple[int, int]]:
        """Ramps down to black and up from it, with the black between them where it is short."""
        luma = np.asarray(self._luma)
        black = np.flatnonzero(luma < self._settings.black_luma)
        reach = self._settings.dissolve_frames * 2
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

    def _transitions(self) -> list[Transition]:
        gradual = [(a, b, "fade") for a, b in self._fades()]
        for a, b in _merge(self._dissolves):
            if not any(a <= d and c <= b for c, d, _ in gradual):
                gradual.append((a, b, "dissolve"))
        near = self._settings.guard_frames
        out = [Transition(max(0, a), min(b, self._count - 1), kind) for a, b, kind in gradual]
        for cut in sorted(set(self._cuts)):
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
