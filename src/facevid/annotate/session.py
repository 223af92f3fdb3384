"""`annotate`: measures every clip of a published dataset, words captions from what is known, and publishes it all."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

import facevid.dataset
from facevid.annotate.by_models import ask_models
from facevid.annotate.captions import caption_statements
from facevid.annotate.measure import MEASURE, measure_items, measured_statements
from facevid.annotate.stated import stated_by, stated_statements
from facevid.annotate.target import AnnotationTarget
from facevid.annotate.vlm import Estimate, VlmSettings, estimate
from facevid.backends import FaceAttributes, SpeechRecognizer
from facevid.dataset import Dataset
from facevid.dataset.annotating import ANNOTATE_LOCK, ByClip, statements_of
from facevid.dataset.published import refuse_pending, schema
from facevid.dataset.sharing.remote import RemoteDataset
from facevid.dataset.statements import Statement, from_table, shown, to_table
from facevid.dataset.vocabulary import ATTRIBUTES
from facevid.engine import (
    Executor,
    FolderBusy,
    Item,
    Ledger,
    Outcome,
    PayloadHasher,
    Progress,
    StepSummary,
    check_executor,
    folder_lock,
    open_executor,
    track,
)
from facevid.recipe import Recipe, load_recipe
from facevid.storage import is_address

OnProgress = Callable[[Progress], None] | None
LEDGER = "annotate.sqlite"
_BATCH = 2000  # clips whose statements are in memory at once
_NAMED = 8


@dataclass
class Annotated(StepSummary):
    """What `annotate` did; `ok` and `reused` count clips measured, `failed` those that a measure or a model failed."""

    statements: int = 0
    """Statements that the dataset holds now."""
    answered: dict[str, int] = field(default_factory=dict)
    """Attribute -> clips for which a value is shown."""


def annotate(
    dataset: str | os.PathLike[str],
    *,
    recipe: Recipe | str | Path | Mapping[str, Any] | None = None,
    workers: int | None = None,
    executor: str = "local",
    address: str | None = None,
    dry_run: bool = False,
    retry_failed: bool = False,
    face_attributes: FaceAttributes | None = None,
    speech_recognizer: SpeechRecognizer | None = None,
    captioner: VlmSettings | None = None,
    on_progress: OnProgress = None,
) -> Annotated:
    """Say what can be seen and heard in every clip of a published dataset; run again, it does only what is new.

    dataset: folder of a published dataset, or its address; at an address workers read their clips by range, and what
    was found is saved beside the dataset, so that another machine can go on. recipe: None takes the one that the
    dataset was built with. workers: processes, one a core by default. executor, address: where they run, as in
    `facevid.build`. dry_run: say what would run, write nothing. retry_failed: measure again what failed before.
    face_attributes, speech_recognizer, captioner: models to ask as well, see `annotate_with_models`.
    Statements of annotators and of other models are never touched. Raises DatasetError where there is no dataset,
    FolderBusy where another process annotates or builds it, VlmError where the captioner's endpoint can answer nobody;
    a clip that cannot be read ends in `failures`.
    """
    began = time.monotonic()
    check_executor(executor, address)
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be 1 or more, not {workers}.")
    if dry_run:
        return _would_run(dataset, recipe, captioner, retry_failed)
    with AnnotationTarget.at(dataset) as target:
        ds = facevid.dataset.open(target.location)
        chosen = load_recipe(recipe if recipe is not None else _built_with(ds))
        summary = Annotated(MEASURE.name, target.location, total=len(ds))
        summary.step = "annotate"
        with folder_lock(target.work, name=ANNOTATE_LOCK) as lock, Ledger(target.work / LEDGER) as ledger:
            if ledger.notice:
                summary.notes.append(ledger.notice)
            if face_attributes or speech_recognizer or captioner:
                asked = ask_models(
                    target,
                    face_attributes=face_attributes,
                    speech_recognizer=speech_recognizer,
                    captioner=captioner,
                )
                summary.failures += [{"step": "annotate", **failure} for failure in asked.failures]
                summary.notes.append(
                    f"The models looked at {asked.clips} clips and said {asked.statements} things."
                )
                ds = facevid.dataset.open(target.location)
            with open_executor(
                executor, workers=workers, address=address, lock=lock, log=target.work / "worker.log",
                resources=chosen.resources.given(),
                travel=None if target.remote is None else target.remote.travel,
            ) as opened:  # fmt: skip
                failed = _measure(
                    ds, chosen, opened, ledger, summary, retry_failed, on_progress, target.check
                )
            words = _Wording(target.location, ledger, failed, chosen.annotate.caption_confidence)
            updated = target.update(add=words.stream(), drop=lambda t: _ours(t, failed))
        summary.answered = _answered(target.location)
    summary.notes += words.notes()
    summary.failures.sort(key=lambda f: f["item"])
    summary.failed = len({f["item"] for f in summary.failures})
    summary.statements = updated.statements
    summary.details = {"statements": updated.statements}
    summary.seconds = time.monotonic() - began
    return summary


def _would_run(
    dataset: str | os.PathLike[str],
    recipe: Recipe | str | Path | Mapping[str, Any] | None,
    captioner: VlmSettings | None,
    retry_failed: bool,
) -> Annotated:
    """What `annotate` would do; what another machine has found at an address is taken from there."""
    ds = facevid.dataset.open(dataset)
    chosen = load_recipe(recipe if recipe is not None else _built_with(ds))
    if is_address(ds.location):
        remote = RemoteDataset.at(ds.location)
        with suppress(FolderBusy):  # this machine is at work there, and its folder is the newest
            remote.ready()
        work = remote.home / ".work"
    else:
        refuse_pending(ds.folder)
        work = ds.folder / ".work"
    summary = Annotated("annotate", ds.location, total=len(ds), dry_run=True)
    summary.to_run = summary.total - _finished(work / LEDGER, measure_items(ds, chosen), chosen, retry_failed)
    if captioner is not None:
        summary.notes.append(_cost(estimate(summary.total, captioner)))
    return summary


def _measure(
    ds: Dataset,
    recipe: Recipe,
    executor: Executor,
    ledger: Ledger,
    summary: Annotated,
    retry_failed: bool,
    on_progress: OnProgress,
    check: Callable[[], None],
) -> pa.Array:
    """Measure what is not measured yet, and count it in the summary; the ids of clips that failed."""
    seconds = dict(ds.sql("select clip_id, frames / fps from clips").fetchall())
    running = executor.run(MEASURE, measure_items(ds, recipe), recipe, ledger, retry_failed=retry_failed)
    failed = []
    for outcome in track(
        running, step="annotate", total=len(ds), on_progress=on_progress, work_s=lambda o: seconds[o.key]
    ):
        check()
        summary.reused += outcome.reused
        setattr(summary, outcome.status, getattr(summary, outcome.status) + 1)
        if outcome.status == "failed":
            failed.append(outcome.key)
            summary.failures.append(_failure(outcome))
    return pa.array(failed, pa.string())


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


def _finished(path: Path, items: Iterable[Item], recipe: Recipe, retry_failed: bool) -> int:
    if not path.exists():
        return 0
    digest = PayloadHasher(MEASURE, recipe)
    wanted = ("ok",) if retry_failed else ("ok", "failed", "rejected")
    count = 0
    with Ledger(path, read_only=True) as ledger:
        for batch in _batches(items):
            held = ledger.get_many(MEASURE.name, [i.key for i in batch])
            count += sum(
                i.key in held and held[i.key][0] == digest(i.payload) and held[i.key][1].status in wanted
                for i in batch
            )
    return count


def _failure(outcome: Outcome) -> dict[str, str]:
    return {
        "item": outcome.key, "step": "annotate", "kind": outcome.kind or "bug", "message": outcome.message or "",
    }  # fmt: skip


class _Wording:
    """What is measured and stated of every clip, and captions worded from all that is known of it.

    failed: clips that could not be measured; what was measured of those before stays as it is.
    """

    def __init__(self, location: str, ledger: Ledger, failed: pa.Array, sure_from: float) -> None:
        self._location, self._ledger = location, ledger
        self._failed = failed
        self._sure_from = sure_from
        self._strange: set[str] = set()

    def stream(self) -> pa.RecordBatchReader:
        """The statements in the order of their clips, made as they are read from the dataset as it then is."""
        batches = (batch for table in self._tables() for batch in table.to_batches())
        return pa.RecordBatchReader.from_batches(schema("annotations"), batches)

    def notes(self) -> list[str]:
        """What people state that no attribute can hold, in a sentence."""
        if not self._strange:
            return []
        some = sorted(self._strange)[:_NAMED]
        more = len(self._strange) - len(some)
        return [
            "What people state that the vocabulary has no word for, kept in the sources table only: "
            + ", ".join(some)
            + (f" and {more} more." if more else ".")
        ]

    def _tables(self) -> Iterator[pa.Table]:
        ds = facevid.dataset.open(self._location)
        others = ByClip(t.filter(pc.invert(_ours(t))) for t in statements_of(self._location, ds.manifest))
        stated, by_span = stated_by(ds)
        failed = set(self._failed.to_pylist())
        clips = ds.sql("select clip_id, source_id, frames / fps from clips order by clip_id").fetchall()
        for start in range(0, len(clips), _BATCH):
            batch = clips[start : start + _BATCH]
            who = [(clip_id, by_span.get(clip_id, source_id)) for clip_id, source_id, _ in batch]
            end = clips[start + _BATCH][0] if start + _BATCH < len(clips) else None
            known = _by_clip(from_table(others.until(end)))
            said, strange = stated_statements(who, {key: stated[key] for _, key in who})
            self._strange.update(strange)
            own = _by_clip(said)
            held = self._ledger.get_many(MEASURE.name, [clip_id for clip_id, _, _ in batch])
            new: list[Statement] = []
            for clip_id, _, seconds in batch:
                found = own.get(clip_id, [])
                if clip_id not in failed:
                    found = found + measured_statements(clip_id, held[clip_id][1].value)
                    labels = shown([*found, *known.get(clip_id, ())])
                    found += caption_statements(clip_id, labels, seconds, sure_from=self._sure_from)
                new += found
            yield to_table(new)


def _by_clip(statements: Iterable[Statement]) -> dict[str, list[Statement]]:
    found: dict[str, list[Statement]] = {}
    for statement in statements:
        found.setdefault(statement.clip_id, []).append(statement)
    return found


def _ours(table: pa.Table, failed: pa.Array | None = None) -> pa.Array:
    """Which statements are made anew: what the manifest states, and what is measured but of clips that failed."""
    manifest = pc.and_(
        pc.equal(table["by"], "self"), pc.fill_null(pc.equal(table["detail"], '{"from": "manifest"}'), False)
    )
    measured = pc.starts_with(table["by"], "measured")
    if failed is not None:
        measured = pc.and_not(measured, pc.is_in(table["clip_id"], value_set=failed))
    return pc.or_(manifest, measured)


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    left = iter(items)
    while batch := list(islice(left, _BATCH)):
        yield batch


def _answered(location: str) -> dict[str, int]:
    """Attribute -> clips for which a value is shown, the most answered first."""
    ds = facevid.dataset.open(location)
    if "attributes" not in ds.clips.columns:
        return {}
    asked = ", ".join(f"count(attributes.{name}.value)" for name in ATTRIBUTES)
    counts = dict(zip(ATTRIBUTES, ds.sql(f"select {asked} from clips").fetchall()[0], strict=True))
    return {name: n for name, n in sorted(counts.items(), key=lambda c: (-c[1], c[0])) if n}


__all__ = ["Annotated", "annotate"]
