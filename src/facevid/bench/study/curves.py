"""The pictures of a study: runs with the fitted law and its band, residuals, and the loss over every run's training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from facevid.bench.scaling import Bootstrap, Runs, predict
from facevid.bench.scaling.runs import distinct_names
from facevid.bench.study.axes import (
    FOOT,
    HIGH,
    LEFT,
    RIGHT,
    TOP,
    WIDE,
    Axis,
    apart,
    colour,
    drawn,
    frame,
    mark,
    path,
    spanned,
)
from facevid.bench.study.foretold import Foretold
from facevid.bench.study.words import amount

_POINTS = 60
_AHEAD = 2.0  # so many times the largest amount, as the sentences speak of


def curves(
    runs: Runs,
    boot: Bootstrap | None,
    level: float,
    names: Mapping[float, str],
    foretold: Foretold | None = None,
) -> str:
    """Loss by amount of data, both logarithmic: a mark for each run, and for each size the law's curve with the band of
    its interval, broken beyond the data measured. names: of sizes, by their parameters. Hollow: the run held out."""
    sizes = runs.sizes
    ends = float(runs.amounts[0]), float(runs.amounts[-1])
    many = boot is not None and not (boot.fit.law.in_size or boot.fit.law.per_size)
    lines = [] if boot is None else _lines(boot, ends, sizes[-1:] if many else sizes, level)
    heights = [float(v) for v in runs.loss] + [
        float(v) for *_, value, low, high in lines for v in (*low, *high)
    ]
    x = spanned([*ends, ends[1] * (_AHEAD if lines else 1.0)], LEFT, WIDE - RIGHT, log=True)
    y = spanned(heights, HIGH - FOOT, TOP, log=True)
    parts = frame(x, y, f"{runs.unit} to learn from", runs.metric)
    for place, at, value, low, high in lines:
        parts += _law(x, y, len(sizes) if many else place, at, (value, low, high), ends[1])
    held = None if foretold is None else (foretold.size, foretold.data)
    for size, data, loss in zip(runs.size, runs.data, runs.loss, strict=True):
        place = int(np.searchsorted(sizes, size))
        told = f"{names[float(size)]}, {amount(float(data))} {runs.unit}: {loss:.4g}"
        dot = mark(x.at(float(data)), y.at(float(loss)), place, hollow=(size, data) == held)
        parts.append(f"<g>{dot}<title>{escape(told)}</title></g>")
    labels = [
        y.at(float(runs.loss[runs.size == s][np.argmax(runs.data[runs.size == s])])) if many or not lines
        else y.at(float(lines[k][2][-1]))
        for k, s in enumerate(sizes)
    ]  # fmt: skip
    parts += _labels([names[float(s)] for s in sizes], labels)
    law = "" if boot is None else f", and {boot.fit.law.title}"
    return drawn(parts, f"{runs.metric} of {len(runs)} runs by {runs.unit}{law}")


def residuals(runs: Runs, boot: Bootstrap, names: Mapping[float, str]) -> str:
    """What the law leaves over of each run, in per cent of its loss, by amount of data."""
    sizes = runs.sizes
    left = 100 * np.expm1(boot.fit.residuals)
    far = max(float(np.abs(left).max()), 1e-3)
    x = spanned([float(d) for d in runs.amounts], LEFT, WIDE - RIGHT, log=True)
    y = Axis(-1.15 * far, 1.15 * far, HIGH - FOOT, TOP, False)
    parts = frame(x, y, f"{runs.unit} to learn from", f"measured above the law, % of {runs.metric}")
    parts.append(
        f'<path d="M{LEFT} {y.at(0):.1f}H{WIDE - RIGHT}" stroke="currentColor" stroke-width="1.2" fill="none"/>'
    )
    for size, data, loss, value in zip(runs.size, runs.data, runs.loss, left, strict=True):
        place = int(np.searchsorted(sizes, size))
        told = f"{names[float(size)]}, {amount(float(data))} {runs.unit}: {loss:.4g}, {value:+.2f} %"
        parts.append(
            f"<g>{mark(x.at(float(data)), y.at(float(value)), place)}<title>{escape(told)}</title></g>"
        )
    last = [y.at(float(left[runs.size == s][np.argmax(runs.data[runs.size == s])])) for s in sizes]
    parts += _labels([names[float(s)] for s in sizes], last)
    return drawn(parts, f"residuals of {boot.fit.law.title}")


def training(lines: Sequence[tuple[str, Sequence[int], Sequence[float], str]], metric: str, loss: str) -> str:
    """The held-out loss of runs of one size over their steps. lines: label, steps, losses and which point counts
    ("best" or "last" is `loss`); a ring is around the point that counts."""
    every = [step for _, steps, _, _ in lines for step in steps]
    values = [v for _, _, held, _ in lines for v in held]
    x = spanned([float(min(every)), float(max(every))], LEFT, WIDE - RIGHT, log=False)
    y = spanned(values, HIGH - FOOT, TOP, log=True)
    parts = frame(x, y, "steps", metric)
    ends = []
    for place, (label, steps, held, _) in enumerate(lines):
        xs, ys = [x.at(s) for s in steps], [y.at(v) for v in held]
        parts.append(
            f'<path d="{path(xs, ys)}" fill="none" stroke="{colour(place)}" stroke-width="1.8">'
            f"<title>{escape(label)}</title></path>"
        )
        counted = int(np.argmin(held)) if loss == "best" else len(held) - 1
        told = f"{label}: {held[counted]:.4g} at step {steps[counted]:,}"
        parts.append(
            f'<circle cx="{xs[counted]:.1f}" cy="{ys[counted]:.1f}" r="5" fill="none" stroke="{colour(place)}" '
            f'stroke-width="2"><title>{escape(told)}</title></circle>'
        )
        ends.append(ys[-1])
    parts += _labels([label for label, *_ in lines], ends, marks=False)
    return drawn(parts, f"{metric} over training")


def size_labels(runs: Runs, given: Mapping[float, str] | None = None) -> dict[float, str]:
    """What each size is called: its name in the study with its parameters, or its parameters alone."""
    plain = distinct_names(runs.sizes)
    return {
        float(size): f"{given[float(size)]} ({name})" if given and float(size) in given else name
        for size, name in zip(runs.sizes, plain, strict=True)
    }


_Line = tuple[int, list[float], list[float], list[float], list[float]]


def _lines(
    boot: Bootstrap, ends: tuple[float, float], sizes: NDArray[np.float64], level: float
) -> list[_Line]:
    """Of each size: its place, amounts, the law there, and its interval."""
    at = np.geomspace(ends[0], ends[1] * _AHEAD, _POINTS)
    found = []
    for place, size in enumerate(sizes):
        band = predict(boot, np.full(_POINTS, float(size)), at, level=level, of="curve")
        found.append((place, at.tolist(), band.value.tolist(), band.low.tolist(), band.high.tolist()))
    return found


def _law(
    x: Axis, y: Axis, place: int, at: Sequence[float], band: tuple[Sequence[float], ...], last: float
) -> list[str]:
    value, low, high = band
    xs = [x.at(v) for v in at]
    around = path([*xs, *reversed(xs)], [*(y.at(v) for v in high), *(y.at(v) for v in reversed(low))])
    inside = sum(v <= last * (1 + 1e-9) for v in at)
    ys = [y.at(v) for v in value]
    line = f'fill="none" stroke="{colour(place)}" stroke-width="1.8"'
    return [
        f'<path d="{around}Z" fill="{colour(place)}" fill-opacity="0.13"/>',
        f'<path d="{path(xs[:inside], ys[:inside])}" {line}/>',
        f'<path d="{path(xs[inside - 1 :], ys[inside - 1 :])}" {line} stroke-dasharray="5 4"/>',
    ]


def _labels(names: Sequence[str], heights: Sequence[float], *, marks: bool = True) -> list[str]:
    parts = []
    for place, (name, y) in enumerate(zip(names, apart(heights), strict=True)):
        x = WIDE - RIGHT + 12
        parts.append(
            mark(x, y, place)
            if marks
            else f'<path d="M{x - 5} {y:.1f}h10" stroke="{colour(place)}" stroke-width="2"/>'
        )
        parts.append(f'<text x="{x + 9}" y="{y + 4:.1f}">{escape(name)}</text>')
    return parts
