"""Vectors and scores by trained networks, of those whose weights are here; kept beside what was seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facevid.bench.distances import Settings
from facevid.bench.features.between import FeatureSet
from facevid.bench.learned import (
    LEARNED,
    FeatureModel,
    available,
    learned_distances,
    load_clip,
    load_features,
)
from facevid.bench.looking.step import pictures_of
from facevid.bench.result import DistanceResult
from facevid.bench.running.seeing import SeenFolder
from facevid.engine import Item, atomic_path

Video = NDArray[np.uint8]
Vector = NDArray[np.float32]


@dataclass(frozen=True)
class Film:
    """A video that networks look at. key: as it was looked at. person: who is seen. item: what reads it."""

    key: str
    person: str
    item: Callable[[Path], Item]
    prompt: str | None = None


@dataclass
class Learnt:
    """What the networks say. scores: video key -> metric -> value. readers: network -> version. notes: which are
    not here, in a sentence."""

    distances: list[DistanceResult] = field(default_factory=list)
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    readers: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def learn(
    real: Sequence[Film],
    made: Sequence[Film],
    folder: SeenFolder,
    *,
    device: str | None,
    settings: Settings,
    further: Sequence[Film] = (),
) -> Learnt:
    """Distances by every network whose weights are here, and CLIP scores of made videos that have a prompt.

    further: real videos of other people, for the floors. One video is in memory at a time; a vector that is there by
    the same weights is not computed again.
    """
    ready, missing = available()
    found = Learnt(notes=[_lacking(missing)] if missing else [])
    where = device or "cpu"
    models = [load_features(name, device=where) for name in ready if LEARNED[name].features is not None]
    if models:
        sides = [_vectors(films, models, folder) for films in (real, made, further)]
        found.distances = learned_distances(sides[0], sides[1], models, settings=settings, further=sides[2])
        found.readers |= {model.name: model.version for model in models}
    for clip in [load_clip(name, device=where) for name in ready if LEARNED[name].features is None]:
        found.readers[clip.name] = clip.version
        for film in made:
            if film.prompt:
                vector = _kept(film, clip.name, clip.version, folder, clip.features)
                score = 100 * float(vector.astype(np.float64) @ clip.text(film.prompt).astype(np.float64))
                found.scores.setdefault(film.key, {})[clip.name] = score
    return found


def _lacking(missing: Iterable[str]) -> str:
    gives = ", ".join(LEARNED[name].gives for name in missing)
    return (
        f"Not measured, as weights or packages are not here: {gives}. facevid.bench.learned.available() says which, "
        "and docs/bench.md where they come from."
    )


def _vectors(films: Sequence[Film], models: Sequence[FeatureModel], folder: SeenFolder) -> FeatureSet:
    rows: Mapping[str, list[Vector]] = {model.name: [] for model in models}
    people: Mapping[str, list[str]] = {model.name: [] for model in models}
    for film in films:
        for model in models:
            if film.item(Path()).payload["shape"]["frames"] >= model.frames:
                rows[model.name].append(_kept(film, model.name, model.version, folder, model.features))
                people[model.name].append(film.person)
    stacked = {m.name: np.array(rows[m.name], np.float64).reshape(-1, m.dimensions) for m in models}
    return FeatureSet(stacked, people, len(films))


def _kept(
    film: Film, name: str, version: str, folder: SeenFolder, compute: Callable[[Video], Vector]
) -> Vector:
    """The vector of a video, computed where it is not there yet."""
    item = film.item(Path())
    public = {key: value for key, value in item.payload.items() if not key.startswith("_")}
    place = folder.place(f"{film.key} {sorted(public.items())} {name} {version}").with_suffix(".npy")
    if place.is_file():
        kept: Vector = np.load(place, allow_pickle=False)
        return kept
    vector = compute(np.stack(list(_pictures(item))))
    with atomic_path(place) as partial:
        np.save(partial, vector)
    return vector


def _pictures(item: Item) -> Iterator[Video]:
    pictures, _ = pictures_of(item.payload)
    return pictures
