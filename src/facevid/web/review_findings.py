"""What verdicts add up to: lots accepted, rejected or still open, and how well annotators agree."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from facevid.dataset import open as open_dataset
from facevid.web.agreement import Agreement, krippendorff_alpha, pairwise_kappa
from facevid.web.review_queue import Settings, answers, chance, progress, ruling, settings_of
from facevid.web.review_standing import Verdict
from facevid.web.review_store import TASKS, ReviewStore, reviewed
from facevid.web.review_values import is_faulty
from facevid.web.sampling import Decision, Plan, decide, next_severity, plan


@dataclass(frozen=True)
class Lot:
    """One lot: its number from 1, its clips, the sample drawn by the plan, and what was found so far."""

    number: int
    size: int
    plan: Plan
    sample: tuple[str, ...]
    looked_at: int
    faulty: int
    decision: Decision


def lots(clip_ids: Sequence[str], standing: Mapping[str, Sequence[Verdict]], settings: Settings) -> list[Lot]:
    """Lots of `settings.lot_size` clips in the order of their ids (a remainder joins the last), each with its sample.

    The ids begin with a hash of the source, so a lot mixes sources as chance does; the sample is the clips with the
    smallest `chance`, so it is the same wherever and whenever it is drawn. A clip is faulty where its adjudicator, or
    else any annotator, rejected it or corrected something.
    """
    return [
        _lot(number, clips, standing, settings)
        for number, clips in enumerate(_split(clip_ids, settings.lot_size), start=1)
    ]


def sampled(clip_ids: Sequence[str], settings: Settings) -> list[str]:
    """The clips of all samples, sorted."""
    return sorted(clip_id for lot in lots(clip_ids, {}, settings) for clip_id in lot.sample)


def lots_report(found: Sequence[Lot], settings: Settings) -> dict[str, Any]:
    """The lots as JSON, with how the next should be inspected by the switching rules."""
    decided = [lot.decision == "accept" for lot in found if lot.decision != "open"]
    return {
        "settings": settings.to_dict(),
        "lots": [{k: v for k, v in asdict(lot).items() if k != "sample"} for lot in found],
        "accepted": sum(decided),
        "rejected": len(decided) - sum(decided),
        "open": len(found) - len(decided),
        "next_severity": next_severity(settings.severity, decided),
    }


def status(dataset: str | os.PathLike[str]) -> dict[str, Any]:
    """How the review of a dataset goes, per task: `progress`, `agreement` and `lots`, and the settings.

    Reads only; a dataset that nobody reviewed has zeros. Raises DatasetError where there is no dataset.
    """
    opened = open_dataset(dataset)
    clip_ids = [row[0] for row in opened.sql("select clip_id from clips order by clip_id").fetchall()]
    if not reviewed(opened.folder):
        with tempfile.TemporaryDirectory() as nobody:
            return _status(ReviewStore(nobody), clip_ids)
    return _status(ReviewStore(opened.folder), clip_ids)


def _status(store: ReviewStore, clip_ids: Sequence[str]) -> dict[str, Any]:
    settings = settings_of(store)
    queue = sampled(clip_ids, settings) if settings.queue == "samples" else clip_ids
    tasks = {}
    for task in TASKS:
        standing = store.standing(task)
        tasks[task] = {
            "progress": progress(store, task, queue, share=settings.share),
            "agreement": agreement_report(task, standing)["agreement"],
            "lots": lots_report(lots(clip_ids, standing, settings), settings),
        }
    return {"settings": settings.to_dict(), "tasks": tasks}


def agreement_report(task: str, standing: Mapping[str, Sequence[Verdict]]) -> dict[str, Any]:
    """Agreement over the clips that two or more annotators answered: of the verdict, and of each attribute.

    Per name: Krippendorff's alpha over all annotators and Cohen's kappa of each pair. "Cannot be told" counts as a
    value of its own, since it is an answer. Adjudicators see what others said, so they are left out.
    """
    said: dict[str, dict[str, dict[str, str]]] = {"verdict": {}}
    for clip_id, verdicts in standing.items():
        given = answers(verdicts)
        if len(given) < 2:
            continue
        for v in given:
            said["verdict"].setdefault(clip_id, {})[v.annotator] = v.verdict
            for name, value in v.said.get("attributes", {}).items():
                clips = said.setdefault(name, {})
                clips.setdefault(clip_id, {})[v.annotator] = "cannot be told" if value is None else value
    return {"task": task, "agreement": [_agreed(name, by_clip) for name, by_clip in said.items()]}


def _agreed(name: str, by_clip: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    alpha = krippendorff_alpha(tuple(values.values()) for values in by_clip.values())
    kappas = pairwise_kappa(by_clip)
    return {
        "name": name,
        "alpha": _coefficient(alpha),
        "kappa": [{"annotators": list(who), **_coefficient(kappa)} for who, kappa in kappas.items()],
    }


def _coefficient(found: Agreement) -> dict[str, Any]:
    value = None if found.value is None else round(found.value, 4)
    return {"value": value, "n": found.n, "reason": found.reason}


def _split(clip_ids: Sequence[str], size: int) -> list[Sequence[str]]:
    count = max(1, len(clip_ids) // size)
    cuts = [k * size for k in range(count)] + [len(clip_ids)]
    parts = [clip_ids[a:b] for a, b in pairwise(cuts)]
    return [part for part in parts if len(part) >= 2]


def _lot(
    number: int, clips: Sequence[str], standing: Mapping[str, Sequence[Verdict]], settings: Settings
) -> Lot:
    drawn = plan(len(clips), settings.aql, settings.level, settings.severity)
    sample = sorted(clips, key=lambda clip_id: chance(clip_id, "sample"))[: drawn.sample_size]
    results = [_faulty(standing.get(clip_id, ())) for clip_id in sample]
    looked_at, faulty = sum(r is not None for r in results), results.count(True)
    decision = decide(drawn, looked_at=looked_at, faulty=faulty)
    return Lot(number, len(clips), drawn, tuple(sample), looked_at, faulty, decision)


def _faulty(verdicts: Sequence[Verdict]) -> bool | None:
    last_word = ruling(verdicts)
    said = [last_word] if last_word else answers(verdicts)
    return any(is_faulty(v.verdict, v.said) for v in said) if said else None
