"""Features of sets of videos by trained networks, and the distances between two sets, as the field defines them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from facevid.bench.distances import (
    CUBIC,
    JEDI,
    Distance,
    PolynomialKernel,
    Settings,
    Sides,
    compare_frechet,
    compare_mmd2,
)
from facevid.bench.features.between import NOTHING, FeatureSet, distance_of
from facevid.bench.learned.computing import Floats, Video
from facevid.bench.learned.registry import FeatureModel
from facevid.bench.result import DistanceResult


@dataclass(frozen=True)
class LearnedDistance:
    """A distance as it is published.

    feature: the network's name. about: the formula in a sentence. kind, and what that takes: ddof of a Fréchet
    distance; kernel, unbiased and scale of a kernel distance, which is scale x MMD^2.
    """

    name: str
    title: str
    feature: str
    about: str
    kind: Literal["frechet", "mmd2"]
    ddof: int = 0
    kernel: PolynomialKernel = CUBIC
    unbiased: bool = True
    scale: float = 1.0

    def compare(self, sides: Sides, settings: Settings) -> Distance:
        """The distance of two sets of vectors; raises BenchError as `distances.compare_frechet` does."""
        if self.kind == "frechet":
            return compare_frechet(sides, ddof=self.ddof, settings=settings)
        return compare_mmd2(
            sides, kernel=self.kernel, unbiased=self.unbiased, scale=self.scale, settings=settings
        )


_FRECHET = "Squared Fréchet distance of normal distributions of their means and covariances (over n)."

LEARNED_DISTANCES: tuple[LearnedDistance, ...] = (
    LearnedDistance("fvd", "FVD", "i3d", _FRECHET, "frechet"),
    LearnedDistance(
        "kvd", "KVD", "i3d",
        "Unbiased squared maximum mean discrepancy, kernel (x.y / d + 1)^3, over all pairs.", "mmd2",
    ),
    LearnedDistance("cd_fvd", "content-debiased FVD", "videomae", _FRECHET, "frechet"),
    LearnedDistance(
        "jedi", "JEDi", "vjepa", "100 x biased squared maximum mean discrepancy, kernel (x.y / d)^2.", "mmd2",
        kernel=JEDI, unbiased=False, scale=100.0,
    ),
)  # fmt: skip
"""FVD of Unterthiner et al. (2018) by StyleGAN-V's protocol, KVD of theirs, Ge et al. (2024) and Luo et al. (2024)."""


def learned_features(videos: Iterable[tuple[str, Video]], models: Sequence[FeatureModel]) -> FeatureSet:
    """Vectors of videos, each with the person seen in it; one video is in memory at a time.

    A video that is shorter than a network needs has no vector of it, and counts as missing. Raises BenchError for a
    video that is not uint8 (T, H, W, 3).
    """
    rows: dict[str, list[Floats]] = {model.name: [] for model in models}
    people: dict[str, list[str]] = {model.name: [] for model in models}
    count = 0
    for person, video in videos:
        count += 1
        for model in models:
            if len(video) >= model.frames:
                rows[model.name].append(model.features(video))
                people[model.name].append(person)
    stacked = {
        model.name: np.array(rows[model.name], np.float64).reshape(-1, model.dimensions) for model in models
    }
    return FeatureSet(stacked, people, count)


def learned_distances(
    real: FeatureSet,
    made: FeatureSet,
    models: Sequence[FeatureModel],
    *,
    settings: Settings,
    further: FeatureSet = NOTHING,
) -> list[DistanceResult]:
    """Every distance of these networks' features, with interval and floor, or with why there is none.

    further: real videos of other people, of which the floor is drawn too.
    """
    by_name = {model.name: model for model in models}
    return [
        _result(distance, by_name[distance.feature], (real, made, further), settings)
        for distance in LEARNED_DISTANCES
        if distance.feature in by_name
    ]


def _result(
    distance: LearnedDistance,
    model: FeatureModel,
    sets: tuple[FeatureSet, FeatureSet, FeatureSet],
    settings: Settings,
) -> DistanceResult:
    real, made, further = sets
    counts = [len(side.vectors[model.name]) for side in (real, made)]
    none = next((side for side, count in zip(("real", "made"), counts, strict=True) if not count), None)
    return distance_of(
        model.name,
        real,
        made,
        lambda sides: distance.compare(sides, settings),
        named=(
            distance.name,
            distance.title,
            f"{model.about} {distance.about} Weights of SHA-256 {model.version}.",
        ),
        lacking=None
        if none is None
        else f"No {none} video has the {model.frames} frames that these features need.",
        further=further,
    )
