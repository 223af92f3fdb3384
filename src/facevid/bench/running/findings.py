"""Everything that a benchmark says, from what was seen: numbers of every video, figures, distances, groups."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import facevid
from facevid.bench.distances import Settings
from facevid.bench.errors import BenchError
from facevid.bench.features.between import distances, features_of
from facevid.bench.groups import GroupSettings, report_groups
from facevid.bench.measures.figure import figure
from facevid.bench.measures.measure import Against, measure
from facevid.bench.measures.metric import METRICS
from facevid.bench.result import Figure, MetricResult, Result
from facevid.bench.running.evidence import Evidence, made_key
from facevid.bench.running.further import about_floors
from facevid.bench.running.judged import Asked, Judged
from facevid.bench.running.learning import Learnt
from facevid.bench.running.table import GROUPS, Row, group_of, group_values, table_of, values_of
from facevid.bench.suites.looks import groups_of
from facevid.dataset.dataset import Dataset


def judge(
    seen: Evidence,
    learnt: Learnt,
    asked: Asked,
    readers: Mapping[str, str],
    settings: Settings,
    crossings: Sequence[Sequence[str]],
) -> tuple[Result, list[Row], pa.Table]:
    """The result but for what the page plays, the rows of the made videos, and videos.parquet.

    Raises BenchError where no video can be judged.
    """
    judged = seen.judged
    made, real = _made_rows(seen, learnt), _real_rows(seen)
    if not made:
        why = next(iter(seen.looked.failed.values()), "there is none")
        raise BenchError(f"none of the {len(judged.videos)} videos of {judged.name} can be judged: {why}")
    numbers = [
        MetricResult(m.name, _figure(made, m.name, settings), _figure(real, m.name, settings))
        for m in METRICS
        if np.isfinite(values_of(made, m.name)).any()
    ]
    sides = (
        features_of((row["identity"] or row["clip_id"], s) for row, s in seen.real()),
        features_of((video.person or video.name, s) for video, s in seen.made()),
    )
    further = features_of((row["identity"] or row["clip_id"], s) for row, s in seen.further_real())
    attributes = [[name] for name in GROUPS] + [list(c) for c in crossings]
    table = table_of([*made, *real], tuple(dict.fromkeys(n for some in attributes for n in some)))
    result = Result(
        name=f"{judged.name}, {asked.task}",
        date=datetime.date.today().isoformat(),
        facevid=facevid.__version__,
        videos={**judged.about, "count": len(made), "failed": _failed(seen)},
        data={**_about_data(judged.real, len(real)), "further_clips": further.count},
        shape=judged.shape.to_dict(),
        settings={**asdict(settings), "task": asked.task, "crossings": [list(c) for c in crossings]},
        readers={**readers, **learnt.readers},
        distances=[*distances(*sides, settings=settings, further=further), *learnt.distances],
        metrics=numbers,
        groups=report_groups(
            table.filter(pc.equal(table["kind"], "made")),
            attributes=_known(made, attributes),
            metrics=[m for m in METRICS if m.name in {n.name for n in numbers}],
            real_means={
                n.name: n.real.mean for n in numbers if n.real is not None and n.real.mean is not None
            },
            settings=GroupSettings(seed=settings.seed),
        ),
        notes=[*_notes(judged, seen), *about_floors(judged, seen.further), *learnt.notes],
    )
    return result, made, table


def _made_rows(seen: Evidence, learnt: Learnt) -> list[Row]:
    by_entry = {v.entry: v for v in seen.judged.videos if v.entry is not None}
    return [
        Row(
            video.name,
            "made",
            clip_id=video.clip_id,
            person=video.person,
            prompt=video.prompt or None,
            seed=video.seed,
            groups={name: group_of(name, value) for name, value in (video.groups or {}).items()},
            numbers=measure(what, seen.against(video, by_entry)) | learnt.scores.get(made_key(video), {}),
        )
        for video, what in seen.made()
    ]


def _real_rows(seen: Evidence) -> list[Row]:
    asked = {name for video in seen.judged.videos for name in video.asked or {}}
    return [
        Row(
            str(row["clip_id"]),
            "real",
            clip_id=str(row["clip_id"]),
            person=row["identity"],
            groups=group_values(row.get("attributes"), GROUPS),
            numbers=measure(what, Against(asked=_shown_by(row.get("attributes") or {}, asked))),
        )
        for row, what in seen.real()
    ]


def _shown_by(labels: Mapping[str, Any], asked: Iterable[str]) -> dict[str, str]:
    """Of what prompts ask for, what a real clip shows by its labels, in the groups in which it is asked for."""
    found = {}
    for name in asked:
        value = None if labels.get(name) is None else labels[name]["value"]
        group = next((g for g, values in groups_of(name).items() if value in values), None)
        if group is not None:
            found[name] = group
    return found


def _figure(rows: Sequence[Row], metric: str, settings: Settings) -> Figure:
    return figure(values_of(rows, metric), [r.who for r in rows], level=settings.level, seed=settings.seed)


def _known(rows: Sequence[Row], attributes: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    """The attributes, or crossings of them, whose value is known of any video."""
    return [some for some in attributes if any(all(row.groups.get(n) for n in some) for row in rows)]


def _failed(seen: Evidence) -> list[dict[str, str]]:
    names = {made_key(video): video.name for video in seen.judged.videos}
    looked = [(names.get(key, key.partition(" ")[2]), why) for key, why in seen.looked.failed.items()]
    return [{"video": v, "message": w} for v, w in [*sorted(seen.judged.failed.items()), *sorted(looked)]]


def _about_data(real: Dataset, clips: int) -> dict[str, Any]:
    return {
        "name": real.name,
        "location": real.location,
        "dataset_sha256": hashlib.sha256(real.storage.beside("dataset.json") or b"").hexdigest(),
        "chosen_by": list(real.why),
        "clips": clips,
    }


def _notes(judged: Judged, seen: Evidence) -> list[str]:
    notes = list(judged.notes)
    if seen.windows.too_short:
        notes.append(
            f"{seen.windows.too_short} real clips are shorter than {judged.shape.frames} frames at "
            f"{judged.shape.fps:g} a second, and left out."
        )
    return notes
