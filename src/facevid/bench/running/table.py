"""videos.parquet: one row a video, its groups and every number of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from facevid.bench.measures.metric import METRICS

GROUPS = ("ethnicity", "gender", "age", "skin_tone")
"""Attributes by which every metric is told apart, where they are known."""


@dataclass(frozen=True)
class Row:
    """A video. kind: "made" or "real". person: who is seen, None where it is nobody who exists. groups: attribute ->
    value, None where unknown. numbers: metric -> value."""

    video: str
    kind: str
    clip_id: str | None = None
    person: str | None = None
    prompt: str | None = None
    seed: int | None = None
    groups: Mapping[str, str | None] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)

    @property
    def who(self) -> str:
        """Videos of one person have this in common; a made-up person is seen in one video."""
        return self.person or f"{self.kind} {self.video}"


def table_of(rows: Sequence[Row], groups: Sequence[str]) -> pa.Table:
    """The rows as Arrow: names, one column group_<attribute> each, one column of each metric."""
    columns: dict[str, pa.Array] = {
        name: pa.array([getattr(row, name) for row in rows], pa.int64() if name == "seed" else pa.string())
        for name in ("video", "kind", "clip_id", "person", "prompt", "seed")
    }
    for name in groups:
        columns[f"group_{name}"] = pa.array([row.groups.get(name) for row in rows], pa.string())
    for metric in METRICS:
        columns[metric.name] = pa.array([row.numbers.get(metric.name) for row in rows], pa.float64())
    return pa.table(columns)


def values_of(rows: Sequence[Row], metric: str) -> NDArray[np.float64]:
    """A metric of the rows, (n,); NaN where a video lacks it."""
    return np.array([row.numbers.get(metric, np.nan) for row in rows], np.float64)


def group_values(attributes: Mapping[str, Any] | None, groups: Sequence[str]) -> dict[str, str | None]:
    """The groups of a clip by its labels, None where unknown."""
    held = attributes or {}
    return {n: None if held.get(n) is None else group_of(n, held[n]["value"]) for n in groups}


def group_of(attribute: str, value: Any) -> str | None:
    """The group that a value belongs to: ages by tens, tones of the Monk scale as Heldreth et al. 2024 group them
    (doi:10.1145/3632120), other values as they are; None stays None."""
    if value is None:
        return None
    text = str(value)
    if attribute == "age" and text.replace(".", "", 1).isdigit():
        age = float(text)
        return (
            "under 20"
            if age < 20
            else "60 and over"
            if age >= 60
            else f"{int(age // 10)}0 to {int(age // 10)}9"
        )
    if attribute == "skin_tone" and text.isdigit():
        return "light" if int(text) <= 3 else "medium" if int(text) <= 6 else "dark"
    return text
