"""Results of benchmarks, made by hand, for the tests of the pages."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from facevid.bench.distances import Distance, Floor
from facevid.bench.measures.metric import METRICS
from facevid.bench.result import DistanceResult, Figure, GroupResult, GroupValue, MetricResult, Result, Shown

VOID = {"meta", "link", "br", "img", "input", "hr"}


def distance(
    name: str = "appearance_frechet",
    value: float = 12.0,
    *,
    half: float = 1.0,
    floor: float | None = 4.0,
    n: int = 60,
    same_n: bool = True,
) -> DistanceResult:
    """A distance with the interval value +- half and a floor of floor +- 10 %."""
    drawn = (
        None
        if floor is None
        else Floor(floor, floor * 0.9, floor * 1.1, n if same_n else n // 2, n, 4 * n, 10, True, 0)
    )
    found = Distance(
        kind="frechet",
        value=value,
        n_real=n,
        n_made=n,
        dimensions=128,
        interval=(value - half, value + half),
        level=0.95,
        resamples=200,
        bias=0.1,
        seed=0,
        grouped=True,
        floor=drawn,
        floor_same_n=None if floor is None else same_n,
        ddof=1,
    )
    title = name.replace("_", ", ")
    return DistanceResult(name, title, f"Features of {name}.", n, n, 0, 2, found.as_dict())


def metric(
    name: str,
    made: float,
    real: float | None = None,
    *,
    half: float = 0.05,
    n: int = 60,
) -> MetricResult:
    """A metric of means with the intervals +- half."""

    def figure(mean: float) -> Figure:
        return Figure(n, 1, mean, mean, (mean - half, mean + half))

    return MetricResult(name, figure(made), None if real is None else figure(real))


def result(name: str = "model-a", **parts: Any) -> Result:
    """A result without distances, metrics, groups, videos; `parts` replace what it has."""
    held: dict[str, Any] = {
        "name": name,
        "date": "2026-03-01",
        "facevid": "0.1.0",
        "videos": {"folder": f"made/{name}", "count": 60, "failed": [], "model": None},
        "data": {
            "name": "faces",
            "location": "data/faces",
            "dataset_sha256": "ab" * 32,
            "chosen_by": ["split = test"],
            "clips": 60,
        },
        "shape": {"frames": 16, "width": 64, "height": 64, "fps": 8.0},
        "settings": {"seed": 0, "resamples": 200},
        "readers": {"face_mesh.mediapipe": "0.10.21"},
    }
    return Result(**{**held, **parts})


def rows(**columns: list[float | None]) -> pa.Table:
    """A table of videos: each column holds the values of made videos, then as many of real ones."""
    n = len(next(iter(columns.values()))) // 2 if columns else 0
    kind = ["made"] * n + ["real"] * n
    return pa.table({"video": [f"{k}.mp4" for k in range(2 * n)], "kind": kind, **columns})


def full(folder: Path, *, seed: int = 0, name: str = "facevid-xs") -> tuple[Result, pa.Table]:
    """A result as of a real run, with its table: all metrics, six distances, four attributes, and shown videos, whose
    files are not written."""
    rng = np.random.default_rng([seed, 7])
    n = 120
    table: dict[str, Any] = {
        "video": [f"{k:04d}.mp4" for k in range(2 * n)],
        "kind": ["made"] * n + ["real"] * n,
        "person": [f"p{k % 40}" for k in range(2 * n)],
    }
    metrics = []
    for k, one in enumerate(METRICS):
        real_mean = 0.2 + 0.1 * (k % 5)
        made = rng.gamma(8, real_mean * (1.0 + 0.25 * (k % 3)) / 8, n)
        real = rng.gamma(8, real_mean / 8, n)
        reference = one.name.endswith(("_distance", "_picture", "_margin"))
        table[one.name] = [*made, *([None] * n if reference else real)]
        metrics.append(
            MetricResult(one.name, _figure(made, rng), None if reference else _figure(real, rng, missing=3))
        )
    return (
        result(
            name,
            videos={
                "folder": f"made/{name}",
                "count": n,
                "failed": [{"video": "0007.mp4", "message": "no face in any frame."}],
                "model": {"family": "facevid-xs", "step": 4000},
            },
            distances=_distances(rng, n),
            metrics=metrics,
            groups=_groups(rng),
            shown=_shown(rng, ("identity_first", "sharpness", "mouth_sync", "flicker")),
            notes=["Pictures given are of people who were held out.", "Sound was taken from the real clips."],
        ),
        pa.table(table),
    )


def _figure(values: Any, rng: np.random.Generator, missing: int = 0) -> Figure:
    means = [rng.choice(values, len(values)).mean() for _ in range(50)]
    low, high = np.quantile(means, [0.025, 0.975])
    return Figure(
        len(values), missing, float(values.mean()), float(np.median(values)), (float(low), float(high))
    )


def _distances(rng: np.random.Generator, n: int) -> list[DistanceResult]:
    found = [
        distance("appearance_frechet", 0.412, half=0.05, floor=0.081, n=n),
        distance("appearance_kernel", 0.0123, half=0.004, floor=0.0101, n=n),
        distance("motion_frechet", 31.2, half=4.1, floor=30.0, n=n),
        distance("motion_kernel", 1.8, half=0.4, floor=0.3, n=n, same_n=False),
        distance("fvd_content_debiased", 1312.0, half=110.0, floor=190.0, n=n),
    ]
    why = "7 made videos have the features, and an interval needs 10 people."
    return [
        *found,
        DistanceResult("kvd", "speech, Fréchet", "Features of speech.", 120, 7, 0, 113, None, why),
    ]


def _groups(rng: np.random.Generator) -> list[GroupResult]:
    sets = {
        "gender": ["female", "male"],
        "ethnicity": ["asian", "black", "white", "indian", "latino"],
        "age_group": ["20 to 29", "30 to 39", "40 to 49", "60 and over"],
        "skin_tone": ["2", "3", "5", "8"],
    }
    crossed = [f"{a}, {b}" for a in sets["gender"] for b in sets["ethnicity"]]
    found = []
    for attributes, names in [*(([k], v) for k, v in sets.items()), (["gender", "ethnicity"], crossed)]:
        for k, one in enumerate(METRICS[:9]):
            values = [_group(rng, name, 60 - 9 * j) for j, name in enumerate(names)]
            known = [v for v in values if v.mean is not None]
            gap = GroupResult(list(attributes), one.name, values, 4)
            if len(known) > 1:
                worst = max(known, key=lambda v: v.mean or 0.0)
                best = min(known, key=lambda v: v.mean or 0.0)
                size = (worst.mean or 0.0) - (best.mean or 0.0)
                p = 0.0004 if (k, attributes[0]) == (1, "gender") else 0.03 + 0.1 * k
                gap = GroupResult(
                    list(attributes),
                    one.name,
                    values,
                    4,
                    best.group,
                    worst.group,
                    size,
                    (size * 0.6, size * 1.4),
                    p / 4,
                    min(p, 1.0),
                )
            found.append(gap)
    return found


def _group(rng: np.random.Generator, name: str, n: int) -> GroupValue:
    if n < 20:
        return GroupValue(name, max(n, 3), 3, None, None, "too few: 3 people, 10 are needed")
    mean = float(rng.uniform(0.3, 0.5))
    return GroupValue(name, n, n // 3, mean, (mean - 0.05, mean + 0.06))


def _shown(rng: np.random.Generator, metrics: tuple[str, ...]) -> list[Shown]:
    found = []
    for k, one in enumerate(metrics):
        for j, place in enumerate(("best", "median", "worst")):
            video = f"{3 * k + j:04d}.mp4"
            real = None if one == "flicker" else f"shown/real/{video}"
            found.append(
                Shown(
                    one,
                    place,
                    video,
                    0.1 + 0.2 * j,
                    f"shown/made/{video}",
                    real,
                    "a woman of about 30 with dark hair and glasses talks to the camera, smiling",
                )
            )
    return found


class Page(HTMLParser):
    """A page taken apart; closes must match opens.

    links: all href and src. text: what a reader sees, without style and script. tags: how often each came.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = dict(attrs)
        assert len(held) == len(attrs), f"an attribute twice in {tag}"
        self.attributes.append((tag, held))
        self.links += [value or "" for key, value in attrs if key in ("href", "src")]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open[-1] == tag, f"</{tag}> closes {self._open[-1:]}"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open[-1:] not in (["style"], ["script"]):
            self.text += data if data.endswith(" ") else data + " "

    def count(self, tag: str) -> int:
        return sum(one == tag for one, _ in self.attributes)


def parsed(path: Path) -> Page:
    """The page at a path."""
    return Page(path.read_text(encoding="utf-8"))
