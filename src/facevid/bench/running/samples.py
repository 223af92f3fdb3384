"""The best, the median and the worst video of each metric, copied to where the page can play them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facevid.bench.measures.metric import METRICS, Metric
from facevid.bench.result import MetricResult, Shown
from facevid.bench.running.table import Row, values_of
from facevid.bench.suites import VideoEntry
from facevid.engine import atomic_path

SAMPLES = "samples"


def shown_samples(
    rows: Sequence[Row],
    results: Sequence[MetricResult],
    videos: Sequence[VideoEntry],
    folder: Path,
) -> list[Shown]:
    """Copy what the page shows, made videos and the real ones beside them, to `folder`/samples."""
    of = {video.name: video for video in videos}
    real = {r.name: None if r.real is None else r.real.mean for r in results}
    found, copied = [], dict[Path, str]()
    for metric in METRICS:
        for place, row in _places(rows, metric, real.get(metric.name)):
            video, name = of[row.video], Path(row.video).stem
            real_one = video.reference
            found.append(
                Shown(
                    metric=metric.name,
                    place=place,
                    video=row.video,
                    value=row.numbers[metric.name],
                    made=_copied(video.file, folder, copied, f"{name}.mp4"),
                    real=None if real_one is None else _copied(real_one, folder, copied, f"{name}-real.mp4"),
                    prompt=row.prompt,
                )
            )
    return found


def _places(rows: Sequence[Row], metric: Metric, real: float | None) -> list[tuple[str, Row]]:
    """Best, median and worst; nothing where fewer than three videos have the metric or all have the same value."""
    values = values_of(rows, metric.name)
    known = np.flatnonzero(np.isfinite(values))
    if len(known) < 3 or np.ptp(values[known]) == 0:
        return []
    worse = {"higher": -values, "lower": values, "as real": np.abs(values - (0.0 if real is None else real))}[
        metric.better
    ]
    if metric.better == "as real" and real is None:
        return []
    order = known[np.argsort(worse[known], kind="stable")]
    picked = (("best", 0), ("median", len(order) // 2), ("worst", -1))
    return [(place, rows[int(order[k])]) for place, k in picked]


def _copied(source: Path, folder: Path, copied: dict[Path, str], name: str) -> str:
    if source not in copied:
        taken = set(copied.values())
        relative, k = f"{SAMPLES}/{name}", 1
        while relative in taken:
            relative, k = f"{SAMPLES}/{Path(name).stem}-{k}.mp4", k + 1
        with atomic_path(folder / relative) as partial:
            shutil.copyfile(source, partial)
        copied[source] = relative
    return copied[source]
