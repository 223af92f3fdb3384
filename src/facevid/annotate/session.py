"""`annotate`: measures every clip of a published dataset, words captions from what is known, and publishes it all."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

import facevid.dataset
from facevid.annotate.by_models import annotate_with_models
from facevid.annotate.captions import caption_statements
from facevid.annotate.measure import MEASURE, measure_items, measured_statements
from facevid.annotate.stated import stated_statements
from facevid.annotate.vlm import Estimate, VlmSettings, estimate
from facevid.backends import FaceAttributes, SpeechRecognizer
from facevid.dataset import Dataset
from facevid.dataset.annotating import update_annotations
from facevid.dataset.statements import Statement, combined, from_table, shown, to_table
from facevid.engine import (
    Item,
    Ledger,
    LocalExecutor,
    Outcome,
    PayloadHasher,
    Progress,
    Step,
    StepSummary,
    folder_lock,
    track,
)
from facevid.recipe import Recipe, load_recipe

OnProgress = Callable[[Progress], None] | None
_BATCH = 5000


@dataclass
class Annotated(StepSummary):
    """What `annotate` did; `ok`, `failed` and `reused` count clips measured."""

    statements: int = 0
    """Statements that the dataset holds now."""
    answered: dict[str, int] = field(default_factory=dict)
    """Attribute -> clips for which a value is shown."""


def annotate(
    dataset: str | os.PathLike[str],
    *,
    recipe: Recipe | str | Path | Mapping[str, Any] | None = None,
    workers: int | None = None,
    dry_run: bool = False,
    retry_failed: bool = False,
    face_attributes: FaceAttributes | None = None,
    speech_recognizer: SpeechRecognizer | None = None,
    captioner: VlmSettings | None = None,
    on_progress: OnProgress = None,
) -> Annotated:
    """Say what can be seen and heard in every clip of a published dataset; run again, it does only what is new.

    dataset: folder of a published dataset. recipe: None takes the one that the dataset was built with. workers:
    processes, one a core by default. dry_run: say what would run, write nothing. retry_failed: measure again what
    failed before. face_attributes, speech_recognizer, captioner: models to ask as well, see `annotate_with_models`.
    Statements of annotators and of other models are never touched. Raises DatasetError where there is no dataset,
    FolderBusy where another process annotates or builds it, VlmError where the captioner's endpoint can answer nobody;
    a clip that cannot be read ends in `failures`.
    """
    began = time.monotonic()
    folder = Path(dataset)
    ds = facevid.dataset.open(folder)
    chosen = load_recipe(recipe if recipe is not None else _built_with(ds))
    count = workers or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else workers or 1
    items = measure_items(ds, chosen)
    summary = Annotated(MEASURE.name, str(folder), total=len(items), dry_run=dry_run)
    summary.step = "annotate"
    ledger_path = folder / ".work" / "annotate.sqlite"
    if dry_run:
        summary.to_run = len(items) - _finished(ledger_path, MEASURE, items, chosen, retry_failed)
        if captioner is not None:
            summary.notes.append(_cost(estimate(len(items), captioner)))
        return summary
    if face_attributes or speech_recognizer or captioner:
        asked = annotate_with_models(
            folder, face_attributes=face_attributes, speech_recognizer=speech_recognizer, captioner=captioner
        )
        summary.failures += [{"step": "annotate", **failure} for failure in asked.failures]
        summary.notes.append(f"The models looked at {asked.clips} clips and said {asked.statements} things.")
        ds = facevid.dataset.open(folder)
    with folder_lock(folder / ".work", name="annotate.lock"), Ledger(ledger_path) as ledger:
        executor = LocalExecutor(count, threads=1, log=folder / ".work" / "worker.log")
        seconds = {
            i.key: i.payload["_place"]["row"]["frames"] / i.payload["_place"]["row"]["fps"] for i in items
        }
        running = executor.run(MEASURE, items, chosen, ledger, retry_failed=retry_failed)
        for outcome in track(
            running, step="annotate", total=len(items), on_progress=on_progress,
            work_s=lambda o: seconds[o.key],
        ):  # fmt: skip
            summary.reused += outcome.reused
            setattr(summary, outcome.status, getattr(summary, outcome.status) + 1)
            if outcome.status == "failed":
                summary.failures.append(_failure(outcome))
        summary.failures.sort(key=lambda f: f["item"])
        summary.failed = len({f["item"] for f in summary.failures})
        said, strange = stated_statements(_clip_sources(ds), _stated(ds))
        if strange:
            summary.notes.append(
                "What people state that the vocabulary has no word for, kept in the sources table only: "
                + ", ".join(strange[:8])
                + (f" and {len(strange) - 8} more." if len(strange) > 8 else ".")
            )
        new = _statements(ds, ledger, items, said, chosen)
    failed = {f["item"] for f in summary.failures}
    done = pa.array([i.key for i in items if i.key not in failed], pa.string())
    updated = update_annotations(folder, add=new, drop=lambda t: _ours(t, done))
    summary.statements = updated.statements
    summary.answered = _answered(folder)
    summary.details = {"statements": updated.statements}
    summary.seconds = time.monotonic() - began
    return summary


def _cost(needed: Estimate) -> str:
    """What asking the captioner about every clip would take, in a sentence."""
    price = "at a price that was not given" if needed.cost is None else f"costing about {needed.cost:.2f}"
    return (
        f"The captioner would be asked {needed.requests} times: about {needed.input_tokens:,} tokens in and "
        f"{needed.output_tokens:,} out, {price}; answers in its cache cost nothing."
    )


def _built_with(ds: Dataset) -> Mapping[str, Any]:
    """The published recipe; one of an older facevid lacks fields, which the default recipe then gives."""
    return dict(ds.manifest.about.get("recipe") or {})


def _finished(path: Path, step: Step, items: Sequence[Item], recipe: Recipe, retry_failed: bool) -> int:
    if not path.exists():
        return 0
    digest = PayloadHasher(step, recipe)
    wanted = ("ok",) if retry_failed else ("ok", "failed", "rejected")
    with Ledger(path, read_only=True) as ledger:
        held = ledger.get_many(step.name, [i.key for i in items])
    return sum(
        i.key in held and held[i.key][0] == digest(i.payload) and held[i.key][1].status in wanted
        for i in items
    )


def _failure(outcome: Outcome) -> dict[str, str]:
    return {
        "item": outcome.key, "step": "annotate", "kind": outcome.kind or "bug", "message": outcome.message or "",
    }  # fmt: skip


def _clip_sources(ds: Dataset) -> list[tuple[str, str]]:
    return ds.sql("select clip_id, source_id from clips order by clip_id").fetchall()


def _stated(ds: Dataset) -> dict[str, str | None]:
    return dict(ds.sql("select source_id, self_reported from sources").fetchall())


def _statements(
    ds: Dataset, ledger: Ledger, items: Sequence[Item], said: Sequence[Statement], recipe: Recipe
) -> pa.Table:
    """What is measured and stated of every clip, with captions worded from all that is known of it."""
    own: dict[str, list[Statement]] = {}
    for statement in said:
        own.setdefault(statement.clip_id, []).append(statement)
    others = ds.to_arrow("annotations")
    others = others.filter(pc.invert(_ours(others, None))) if others.num_rows else others
    parts = []
    for batch in _batches(items):
        keys = [i.key for i in batch]
        known: dict[str, list[Statement]] = {key: [] for key in keys}
        for statement in from_table(others.filter(pc.is_in(others["clip_id"], value_set=pa.array(keys)))):
            known[statement.clip_id].append(statement)
        new = []
        held = ledger.get_many(MEASURE.name, keys)
        for item in batch:
            row = item.payload["_place"]["row"]
            found = list(own.get(item.key, ()))
            if item.key not in held or held[item.key][1].status != "ok":
                new += found  # what was measured of it before stays
                continue
            found += measured_statements(item.key, held[item.key][1].value)
            labels = shown([*found, *known[item.key]])
            length = float(row["frames"]) / float(row["fps"])
            sure = recipe.annotate.caption_confidence
            new += [*found, *caption_statements(item.key, labels, length, sure_from=sure)]
        parts.append(to_table(new))
    return combined(to_table(()), *parts)


def _ours(table: pa.Table, clips: pa.Array | None) -> pa.Array:
    """Which statements an annotation makes anew: measured ones and what the manifest states, of `clips` or of all."""
    manifest = pc.and_(
        pc.equal(table["by"], "self"), pc.fill_null(pc.equal(table["detail"], '{"from": "manifest"}'), False)
    )
    ours = pc.or_(pc.starts_with(table["by"], "measured"), manifest)
    return ours if clips is None else pc.and_(ours, pc.is_in(table["clip_id"], value_set=clips))


def _batches(items: Sequence[Item]) -> Iterator[list[Item]]:
    left = iter(items)
    while batch := list(islice(left, _BATCH)):
        yield batch


def _answered(folder: Path) -> dict[str, int]:
    rows = facevid.dataset.open(folder).sql(
        "select name, count(distinct clip_id) from annotations where kind = 'attribute' group by 1 order by 2 desc, 1"
    )
    return dict(rows.fetchall())


__all__ = ["Annotated", "annotate"]
