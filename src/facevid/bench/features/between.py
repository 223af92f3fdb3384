"""Distances between the real and the made videos, for every kind of feature."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facevid.bench.distances import Distance, Settings, Sides, compare_frechet, compare_mmd2
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


NOTHING = FeatureSet({}, {}, 0)
"""No video."""


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
    real: FeatureSet,
    made: FeatureSet,
    *,
    settings: Settings,
    features: Sequence[Feature] = FEATURES,
    further: FeatureSet = NOTHING,
) -> list[DistanceResult]:
    """Fréchet and kernel distance of every feature, each with interval and floor, or with why there is none.

    further: real videos of other people, of which the floor is drawn too.
    """
    return [found for feature in features for found in _of_feature(feature, real, made, further, settings)]


def _of_feature(
    feature: Feature, real: FeatureSet, made: FeatureSet, further: FeatureSet, settings: Settings
) -> Iterator[DistanceResult]:
    name = feature.name
    sides = (real, made, further)
    each = [side.vectors.get(name, np.zeros((0, 0))) for side in sides]
    if feature.scaled and len(each[0]) > 1:
        spread = each[0].std(axis=0, ddof=1)
        spread[spread < 1e-9] = 1.0
        middle = each[0].mean(axis=0)
        each = [(side - middle) / spread if len(side) else side for side in each]
    vectors = [FeatureSet({name: v}, side.people, side.count) for v, side in zip(each, sides, strict=True)]
    for kind, title, compare in (
        ("frechet", "Fréchet distance", compare_frechet), ("kernel", "kernel distance", compare_mmd2),
    ):  # fmt: skip
        yield distance_of(
            name,
            vectors[0],
            vectors[1],
            partial(compare, settings=settings),
            named=(f"{name}_{kind}", f"{title} of {feature.title}", f"{feature.about} {_KINDS[kind]}"),
            further=vectors[2],
        )


def distance_of(
    feature: str,
    real: FeatureSet,
    made: FeatureSet,
    compare: Callable[[Sides], Distance],
    *,
    named: tuple[str, str, str],
    lacking: str | None = None,
    further: FeatureSet = NOTHING,
) -> DistanceResult:
    """The distance of one feature between two sets, or why there is none: too few people, or `lacking`.

    named: name, title and explanation of the result. further: more real videos, for the floor.
    """
    vectors = [side.vectors[feature] for side in (real, made)]
    people = [np.asarray(side.people[feature], str) for side in (real, made)]
    few, least = min(
        zip(("real", "made"), (len(np.unique(who)) for who in people), strict=True), key=lambda s: s[1]
    )
    found: dict[str, Any] | None = None
    why = lacking
    if why is None and least < LEAST:
        why = f"Only {least} people are seen in the {few} videos that have these features; an interval needs {LEAST}."
    if why is None:
        sides = Sides(vectors[0], vectors[1], real_groups=people[0], made_groups=people[1])
        if len(further.vectors.get(feature, ())):
            groups = np.asarray(further.people[feature], str)
            sides = replace(sides, further=further.vectors[feature], further_groups=groups)
        found = compare(sides).as_dict()
    name, title, about = named
    return DistanceResult(
        name=name,
        title=title,
        about=about,
        n_real=len(vectors[0]),
        n_made=len(vectors[1]),
        missing_real=real.count - len(vectors[0]),
        missing_made=made.count - len(vectors[1]),
        found=found,
        why=why,
    )


_KINDS = {
    "frechet": "Squared Fréchet distance of normal distributions of their means and covariances (over n - 1).",
    "kernel": "Unbiased squared maximum mean discrepancy, kernel (x.y / d + 1)^3, as KID has it.",
}
