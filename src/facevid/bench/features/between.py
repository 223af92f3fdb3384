"""Distances between the real and the made videos, for every kind of feature."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facevid.bench.distances import Settings, Sides, compare_frechet, compare_mmd2
from facevid.bench.distances.bootstrap import LEAST
from facevid.bench.features.features import FEATURES, Feature
from facevid.bench.looking.seen import Seen
from facevid.bench.result import DistanceResult

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class FeatureSet:
    """Features of a set of videos. vectors: feature -> (m, d) of the m videos that have it. people: feature -> who is
    seen in each of these. count: videos looked at."""

    vectors: Mapping[str, Doubles]
    people: Mapping[str, Sequence[str]]
    count: int


def features_of(videos: Iterable[tuple[str, Seen]], features: Sequence[Feature] = FEATURES) -> FeatureSet:
    """The features of videos, each with the person seen in it; one video is in memory at a time."""
    vectors: dict[str, list[Doubles]] = {f.name: [] for f in features}
    people: dict[str, list[str]] = {f.name: [] for f in features}
    count = 0
    for person, seen in videos:
        count += 1
        for feature in features:
            vector = feature.of(seen)
            if vector is not None:
                vectors[feature.name].append(vector)
                people[feature.name].append(person)
    stacked = {name: np.array(rows, np.float64) for name, rows in vectors.items()}
    return FeatureSet(stacked, people, count)


def distances(
    real: FeatureSet, made: FeatureSet, *, settings: Settings, features: Sequence[Feature] = FEATURES
) -> list[DistanceResult]:
    """Fréchet and kernel distance of every feature, each with interval and floor, or with why there is none."""
    return [found for feature in features for found in _of_feature(feature, real, made, settings)]


def _of_feature(
    feature: Feature, real: FeatureSet, made: FeatureSet, settings: Settings
) -> Iterator[DistanceResult]:
    name = feature.name
    both = [side.vectors[name] for side in (real, made)]
    people = [np.asarray(side.people[name], str) for side in (real, made)]
    least = min(len(np.unique(who)) for who in people)
    why = None
    if least < LEAST:
        few = "real" if len(np.unique(people[0])) == least else "made"
        why = f"Only {least} people are seen in the {few} videos that have these features; an interval needs {LEAST}."
    if feature.scaled and why is None:
        spread = both[0].std(axis=0, ddof=1)
        spread[spread < 1e-9] = 1.0
        middle = both[0].mean(axis=0)
        both = [(side - middle) / spread for side in both]
    for kind, title, compare in (
        ("frechet", "Fréchet distance", compare_frechet), ("kernel", "kernel distance", compare_mmd2),
    ):  # fmt: skip
        found: dict[str, Any] | None = None
        if why is None:
            sides = Sides(both[0], both[1], real_groups=people[0], made_groups=people[1])
            found = compare(sides, settings=settings).as_dict()
        yield DistanceResult(
            name=f"{name}_{kind}",
            title=f"{title} of {feature.title}",
            about=f"{feature.about} {_KINDS[kind]}",
            n_real=len(both[0]),
            n_made=len(both[1]),
            missing_real=real.count - len(both[0]),
            missing_made=made.count - len(both[1]),
            found=found,
            why=why,
        )


_KINDS = {
    "frechet": "Squared Fréchet distance of normal distributions of their means and covariances (over n - 1).",
    "kernel": "Unbiased squared maximum mean discrepancy, kernel (x.y / d + 1)^3, as KID has it.",
}
