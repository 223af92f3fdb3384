"""The step that measures one clip: what its meshes, pictures and sound show, as statements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from facevid import backends, media
from facevid.annotate.actions import measure_actions
from facevid.annotate.expression import measure_dynamic
from facevid.annotate.face_looks import measure_face
from facevid.annotate.hair import measure_hair
from facevid.annotate.light import measure_light
from facevid.annotate.observe import observe
from facevid.annotate.observed import Answer, Observed
from facevid.annotate.skin import measure_skin
from facevid.dataset import DatasetError
from facevid.dataset.dataset import clip_at
from facevid.dataset.statements import Statement
from facevid.engine import Item, Step, StepError
from facevid.storage import UNREACHABLE, PlaceError

if TYPE_CHECKING:
    from facevid.dataset import Dataset
    from facevid.recipe import Recipe


@dataclass(frozen=True)
class Models:
    """What one worker has loaded."""

    segmenter: Any
    speech: Any


@lru_cache(maxsize=2)
def models(segmenter: str, speech: str) -> Models:
    """The backends of this process, loaded once."""
    return Models(
        backends.load("person_segmenter", segmenter, threads=1),
        backends.load("speech_detector", speech, threads=1),
    )


def load_models(recipe: Recipe) -> None:
    """Load what measuring needs; a worker calls it once."""
    models(recipe.backends.person_segmenter, recipe.backends.speech_detector)


def measure_step(payload: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    """Measure the clip at `payload["_place"]` (see `Dataset.places`).

    Returns {"statements": [[kind, name, value, by, confidence, start_s, end_s, detail], ...]}.
    """
    ready = models(recipe.backends.person_segmenter, recipe.backends.speech_detector)
    try:
        clip = clip_at(payload["_place"])
        seen = observe(
            clip, segmenter=ready.segmenter, speech_detector=ready.speech, looks=recipe.annotate.looks
        )
    except (media.MediaError, DatasetError) as error:
        cause = error.__cause__
        passing = isinstance(cause, PlaceError) and cause.kind == UNREACHABLE
        raise StepError(UNREACHABLE if passing else "unreadable", str(error)) from error
    return {"statements": measures(seen)}


def measures(seen: Observed) -> list[list[Any]]:
    """Every measure of one observed clip, as `measure_step` returns them."""
    acts = measure_actions(seen)
    out: list[list[Any]] = [
        ["action", a.name, "", "measured:mesh", a.confidence, a.start_s, a.end_s, dict(a.detail)]
        for a in acts
    ]
    answers: tuple[tuple[str, Iterable[Answer]], ...] = (
        ("measured:mesh", measure_dynamic(seen, acts)),
        ("measured:hair", measure_hair(seen)),
        ("measured:light", measure_light(seen)),
        ("measured:skin", measure_skin(seen)),
        ("measured:face", measure_face(seen)),
    )
    for by, found in answers:
        out += [["attribute", a.name, a.value, by, a.confidence, None, None, dict(a.detail)] for a in found]
    return [[*row[:4], round(float(row[4]), 4), *map(_rounded, row[5:7]), row[7]] for row in out]


def measured_statements(clip_id: str, value: Mapping[str, Any]) -> list[Statement]:
    """What `measure_step` returned for a clip, as statements."""
    return [
        Statement(clip_id, kind, name, text, by, confidence, start_s, end_s, detail=detail)
        for kind, name, text, by, confidence, start_s, end_s, detail in value["statements"]
    ]


def measure_items(dataset: Dataset, recipe: Recipe) -> Iterator[Item]:
    """One item a clip, in the order of their ids; what it shows is told by the hashes of its members."""
    limit = recipe.annotate
    for place in dataset.places():
        row = place["row"]
        seconds = float(row["frames"]) / float(row["fps"])
        yield Item(
            str(row["clip_id"]),
            {
                "mp4": row["mp4_sha256"],
                "flac": row["flac_sha256"],
                "_place": place,
                "_timeout_s": limit.timeout_s + limit.timeout_per_second * seconds,
            },
        )


def _timeout_s(payload: dict[str, Any]) -> float:
    return float(payload["_timeout_s"])


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 3)


MEASURE = Step(
    name="measure",
    version=8,
    function=measure_step,
    reads=("annotate.looks", "backends.person_segmenter", "backends.speech_detector"),
    timeout_s=_timeout_s,
    setup=load_models,
    inputs=lambda payload: [payload["_place"]["location"]],
)
