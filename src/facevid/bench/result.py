"""What a benchmark found, as it stands in bench.json; what was found of each video stands in videos.parquet beside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from facevid.bench.errors import BenchError

FORMAT = 1
"""Raised when a field changes its meaning, so that an older bench.json is not misread."""
RESULT, VIDEOS, PAGE = "bench.json", "videos.parquet", "index.html"


@dataclass(frozen=True)
class Figure:
    """A metric over a set of videos. n: those that have it; missing: those that do not. interval: 95 % of the mean, by
    resampling people; None where fewer than 10 people are shown. mean, median: None where n is 0."""

    n: int
    missing: int
    mean: float | None
    median: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class MetricResult:
    """A metric of the videos made, and of the real ones that they are held against (None where those lack it)."""

    name: str
    made: Figure
    real: Figure | None


@dataclass(frozen=True)
class DistanceResult:
    """A distance between the sets of real and made videos.

    name: such as "appearance_frechet". title: in words. about: features and their preprocessing, in a sentence.
    n_real, n_made: videos that have the features; missing_real, missing_made: those that do not. found: all that
    `facevid.bench.distances.Distance` says: value, interval, floor, seeds. None where too few videos have the features;
    `why` then says so in a sentence.
    """

    name: str
    title: str
    about: str
    n_real: int
    n_made: int
    missing_real: int
    missing_made: int
    found: dict[str, Any] | None
    why: str | None = None


@dataclass(frozen=True)
class GroupValue:
    """A metric over the videos of one group. n: videos; people: who is shown in them. mean and interval are None where
    there are too few, which `note` then says."""

    group: str
    n: int
    people: int
    mean: float | None
    interval: tuple[float, float] | None
    note: str | None = None


@dataclass(frozen=True)
class GroupResult:
    """A metric by the values of an attribute, or of several crossed.

    attributes: such as ["gender"] or ["gender", "skin_tone"]. metric: its name. groups: most videos first. best, worst:
    names of groups; gap: absolute difference of their means; gap_interval: 95 %. p: how often labels dealt out to
    people at random give as large a gap; p_adjusted: Holm's, over all gaps of the report. None where fewer than two
    groups are large enough. unknown: videos whose attribute is not known.
    """

    attributes: list[str]
    metric: str
    groups: list[GroupValue]
    unknown: int
    best: str | None = None
    worst: str | None = None
    gap: float | None = None
    gap_interval: tuple[float, float] | None = None
    p: float | None = None
    p_adjusted: float | None = None


@dataclass(frozen=True)
class Shown:
    """A video on the page: best, median or worst of a metric. made, real: files below the report's folder."""

    metric: str
    place: str
    video: str
    value: float
    made: str
    real: str | None
    prompt: str | None


@dataclass
class Result:
    """All that a benchmark found, with what it takes to find it again.

    name: of what was judged. videos: {"folder", "count", "failed": [{"video", "message"}], "model": {...} or None}.
    data: the real videos: {"name", "location", "dataset_sha256", "chosen_by": [str], "clips"}. shape: {"frames",
    "width", "height", "fps"}. settings: seed, resamples and the like. readers: backend -> version. notes: sentences
    that a reader of the figures must know.
    """

    name: str
    date: str
    facevid: str
    videos: dict[str, Any]
    data: dict[str, Any]
    shape: dict[str, Any]
    settings: dict[str, Any]
    readers: dict[str, str]
    distances: list[DistanceResult] = field(default_factory=list)
    metrics: list[MetricResult] = field(default_factory=list)
    groups: list[GroupResult] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {"format": FORMAT, **asdict(self)}


def read_result(path: Path) -> Result:
    """The result in a report's folder, or in its bench.json.

    Raises BenchError where there is none, it cannot be read, or it has another format.
    """
    file = path / RESULT if path.is_dir() else path
    try:
        held = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BenchError(f"{path} holds no {RESULT}; give a folder that `facevid bench` wrote.") from None
    except (OSError, ValueError) as error:
        raise BenchError(f"{file} cannot be read ({error}); run facevid bench again.") from error
    if not isinstance(held, dict) or held.get("format") != FORMAT:
        raise BenchError(
            f"{file} is not of the format {FORMAT} that this facevid reads; run facevid bench again."
        )
    try:
        return _result(held)
    except (KeyError, TypeError) as error:
        raise BenchError(f"{file} lacks something ({error}); run facevid bench again.") from error


def read_videos_of(path: Path) -> pa.Table | None:
    """The table of a report's videos, in its folder or beside its bench.json; None where it is not there.

    Raises BenchError where it cannot be read.
    """
    file = (path if path.is_dir() else path.parent) / VIDEOS
    try:
        return pq.read_table(file)
    except FileNotFoundError:
        return None
    except (OSError, pa.ArrowInvalid) as error:
        raise BenchError(f"{file} cannot be read ({error}); run facevid bench again.") from error


def _result(held: Mapping[str, Any]) -> Result:
    found = {name: value for name, value in held.items() if name != "format"}
    found["distances"] = [DistanceResult(**one) for one in held["distances"]]
    found["metrics"] = [
        MetricResult(one["name"], _figure(one["made"]), None if one["real"] is None else _figure(one["real"]))
        for one in held["metrics"]
    ]
    found["groups"] = [
        GroupResult(
            **{
                **one,
                "groups": [GroupValue(**{**g, "interval": _pair(g["interval"])}) for g in one["groups"]],
                "gap_interval": _pair(one["gap_interval"]),
            }
        )
        for one in held["groups"]
    ]
    found["shown"] = [Shown(**one) for one in held["shown"]]
    return Result(**found)


def _figure(held: Mapping[str, Any]) -> Figure:
    return Figure(**{**held, "interval": _pair(held["interval"])})


def _pair(held: Any) -> tuple[float, float] | None:
    return None if held is None else (float(held[0]), float(held[1]))
