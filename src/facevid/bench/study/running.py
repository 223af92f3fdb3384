"""Trains one run of a study in its folder, or finds it finished; whatever goes wrong with it becomes its sentence."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from facevid.bench.errors import BenchError
from facevid.bench.study.costs import SizeCost
from facevid.bench.study.parts import Parts, save_split
from facevid.bench.study.plan import Plan, Planned
from facevid.bench.study.record import MODEL, RUNS, Record, curve_of, read_record, write_record
from facevid.engine import FolderBusy, Progress, StorageError
from facevid.errors import FacevidError

OnProgress = Callable[[Progress], None] | None
SPLITS = "splits"


def run_folder(folder: Path, name: str) -> Path:
    """Where a run of a study lies."""
    return folder / RUNS / name


def refuse_changed(plan: Plan, folder: Path) -> None:
    """Raises BenchError where a run that is there was trained by another recipe or on other data than is planned."""
    from facevid.generate.training.resume import refuse_another

    for run in plan.runs:
        record = read_record(run_folder(folder, run.name))
        if record is None or record.status == "failed" or record.deciding is None:
            continue
        if record.step > run.steps:
            raise BenchError(
                f"the run {run.name} made {record.step:,} steps, and the study now asks for {run.steps:,}: its "
                "losses would be those of a longer training. Take the change back, or choose another folder."
            )
        try:
            refuse_another(record.deciding, _deciding(run, plan.parts), run_folder(folder, run.name))
        except FacevidError as error:
            raise BenchError(
                f"the study has changed since the run {run.name} was trained. {error} For another study, choose "
                "another folder."
            ) from None


def finished(run: Planned, folder: Path) -> Record | None:
    """The record of a run that made all its steps, else None; at a constant rate more may be asked for than it made."""
    record = read_record(run_folder(folder, run.name))
    whole = record is not None and record.status == "finished" and record.step >= run.steps
    return record if whole else None


def train_run(run: Planned, plan: Plan, cost: SizeCost, folder: Path, on_progress: OnProgress) -> Record:
    """Trains a run, or goes on with it, and keeps its record; a run that failed before is tried again.

    Raises BenchError where the study in the folder is of other clips, FolderBusy where another process trains it,
    StorageError for a full disk, KeyboardInterrupt on Ctrl-C. Any other fault becomes the record's sentence.
    """
    place = run_folder(folder, run.name)
    done, before = finished(run, folder), read_record(place)
    if done is not None:
        return done
    base = _begun(run, plan, cost, before)
    split = save_split(plan.parts, run.fraction, plan.study, folder / SPLITS)
    began = time.monotonic()
    try:
        summary = _train(run, plan, split, place, on_progress)
    except (FolderBusy, StorageError):
        raise
    except Exception as error:  # noqa: BLE001 - one run that fails stops no other
        told = str(error) if isinstance(error, FacevidError) else f"{type(error).__name__}: {error}"
        record = replace(base, status="failed", sentence=told, wall_s=_wall(before, began))
    else:
        over = summary.ended != "finished"
        record = replace(
            base,
            status="unfinished" if over else "finished",
            sentence=_over(run, summary.step) if over else None,
            step=summary.step, samples_seen=summary.samples_seen, epochs=summary.epochs, device=summary.device,
            wall_s=_wall(before, began), deciding=_deciding(run, plan.parts), notes=list(summary.notes),
        )  # fmt: skip
    curve, train_s = curve_of(place / MODEL)
    record = replace(record, curve=curve, train_s=train_s)
    write_record(record, place)
    return record


def record_failure(run: Planned, plan: Plan, cost: SizeCost, folder: Path, sentence: str) -> None:
    """Keeps the record of a run whose process was lost before it could write one."""
    place = run_folder(folder, run.name)
    curve, train_s = curve_of(place / MODEL)
    base = replace(_begun(run, plan, cost, read_record(place)), sentence=sentence)
    write_record(replace(base, curve=curve, train_s=train_s), place)


def _train(run: Planned, plan: Plan, split: Path, place: Path, on_progress: OnProgress) -> Any:
    from facevid.generate.train import train

    def told(progress: Progress) -> None:
        if on_progress is not None:
            on_progress(replace(progress, step=f"{run.name} {progress.step}"))

    try:
        return train(
            run.recipe,
            plan.parts.whole,
            place / MODEL,
            split=str(split),
            on_progress=told if on_progress else None,
        )
    finally:
        if run.recipe.optimisation.compile:
            _forget_compiled()


def _forget_compiled() -> None:
    """All sizes share the code of their blocks, of which torch compiles eight variants and then silently none."""
    import torch

    torch.compiler.reset()


def _begun(run: Planned, plan: Plan, cost: SizeCost, before: Record | None) -> Record:
    amount, options = run.amount, run.recipe.optimisation
    return Record(
        name=run.name, size=run.size, fraction=run.fraction, seed=run.seed, status="failed", sentence=None,
        parameters=cost.parameters, flops=cost.flops, data=run.data, unit=plan.study.data.unit, clips=amount.clips,
        people=amount.people, hours=amount.hours, windows=run.windows, steps=run.steps, samples=run.samples,
        batch=options.batch, lr=options.lr, wall_s=0.0 if before is None else before.wall_s,
    )  # fmt: skip


def _deciding(run: Planned, parts: Parts) -> dict[str, Any]:
    from facevid.generate.training.parts import identity_of
    from facevid.generate.training.resume import deciding

    found: Mapping[str, Any] = deciding(
        run.recipe, identity_of(run.recipe, parts.train[run.fraction], parts.test)
    )
    return dict(found)


def _over(run: Planned, step: int) -> str:
    return (
        f"its {run.recipe.optimisation.minutes:g} minutes were over at step {step:,} of {run.steps:,}; the same "
        "command goes on with it."
    )


def _wall(before: Record | None, began: float) -> float:
    return round((0.0 if before is None else before.wall_s) + time.monotonic() - began, 2)
