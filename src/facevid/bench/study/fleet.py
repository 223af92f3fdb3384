"""Trains the runs of a study on the workers of an executor, several at once, each with what its size needs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from facevid.bench.errors import BenchError
from facevid.bench.study.costs import SizeCost
from facevid.bench.study.plan import Plan, Planned
from facevid.bench.study.recipe import Study
from facevid.bench.study.running import record_failure
from facevid.dataset.dataset import Dataset
from facevid.dataset.storage import Folder
from facevid.engine import (
    FolderBusy,
    Item,
    Ledger,
    Outcome,
    Progress,
    Resources,
    Step,
    StepError,
    StorageError,
    check_executor,
    folder_lock,
    open_executor,
    track,
)
from facevid.errors import FacevidError

WORK = ".work"
TRAINED, UNFINISHED, FAILED, BUSY = "trained", "unfinished", "failed", "busy"


@dataclass(frozen=True)
class Fleet:
    """Where workers run, as `facevid.engine.open_executor` takes it."""

    executor: str
    address: str | None
    workers: int | None


@dataclass(frozen=True)
class StudyGiven:
    """What a worker is told once: the arguments of `facevid.scale`. Takes the place of the recipe in the engine."""

    study: Mapping[str, Any]
    data: str
    output: str
    autoencoder: str | None
    text: str | None

    def subset(self, names: tuple[str, ...]) -> dict[str, Any]:
        """No fields: what decides a run stands in its record, which the study itself compares."""
        return {}


def fleet_of(executor: str, address: str | None, workers: int | None) -> Fleet | None:
    """Where runs are trained, None for one after the other in this process. Raises EngineError, BenchError."""
    check_executor(executor, address)
    if workers is not None and workers < 1:
        raise BenchError(f"workers must be 1 or more, not {workers}.")
    return None if executor == "local" and workers in (None, 1) else Fleet(executor, address, workers)


def train_step(payload: dict[str, Any], given: StudyGiven) -> dict[str, Any]:
    """Train one run as `facevid scale --only RUN` does, which goes on from its last checkpoint.

    Returns {"ended", "sentence"}. Raises StepError where the study cannot be used on this machine, StorageError.
    """
    from facevid.bench.study.scale import scale

    name = payload["run"]
    try:
        done = scale(
            given.study, given.data, given.output, autoencoder=given.autoencoder, text=given.text, only=[name]
        )
    except FolderBusy as error:
        return {"ended": BUSY, "sentence": str(error)}
    except StorageError:
        raise
    except FacevidError as error:
        raise StepError("refused", str(error)) from error
    for ended, sentences in ((FAILED, done.failed), (UNFINISHED, done.unfinished)):
        if name in sentences:
            return {"ended": ended, "sentence": sentences[name]}
    return {"ended": TRAINED, "sentence": None}


TRAIN = Step(
    name="train",
    version=1,
    function=train_step,
    timeout_s=float("inf"),  # a training takes as long as it takes; minutes of the study end it
    inputs=lambda payload: [payload["_data"]] if payload["_data"] else [],
)


def train_on(
    fleet: Fleet,
    plan: Plan,
    runs: Sequence[Planned],
    costs: Mapping[str, SizeCost],
    dataset: Dataset,
    folder: Path,
    *,
    autoencoder: str | None,
    text: str | None,
    on_progress: Callable[[Progress], None] | None,
) -> dict[str, tuple[str, str | None]]:
    """Train runs on workers; what became of each, with its sentence, by name in the order given.

    Runs whose sizes need the same are trained together, those of the most samples and weights first; one group follows
    the other. A worker that is lost or crashes is replaced, and its run goes on from its last checkpoint. Raises
    BenchError where workers could not find the clips, FolderBusy where another call trains this study on workers,
    SetupError, StorageError, and KeyboardInterrupt on Ctrl-C.
    """
    if dataset.why:
        raise BenchError(
            "workers open the dataset by themselves: give its folder or address, and choose clips by data.where and "
            "data.subset of the study."
        )
    groups = _groups(plan.study, runs)
    if fleet.executor == "local" and any(needs.gpus for needs, _ in groups):
        raise BenchError(
            "resources ask for GPUs, which the executor local does not share out; --executor ray gives each worker its "
            "own, and with --address local it takes this machine alone."
        )
    given = StudyGiven(plan.study.model_dump(), dataset.location, str(folder.absolute()), autoencoder, text)
    found: dict[str, tuple[str, str | None]] = {}
    with folder_lock(folder / WORK) as lock, Ledger(lock.with_name("ledger.sqlite")) as ledger:
        ended = _ended(fleet, groups, given, dataset, lock, ledger)
        for outcome in track(ended, step="runs", total=len(runs), on_progress=on_progress):
            name = outcome.key
            if outcome.status == "ok":
                found[name] = outcome.value["ended"], outcome.value["sentence"]
                continue
            found[name] = FAILED, outcome.message
            run = next(r for r in runs if r.name == name)
            record_failure(run, plan, costs[run.size], folder, outcome.message or str(outcome.kind))
    return {run.name: found[run.name] for run in runs}


def _ended(
    fleet: Fleet,
    groups: Sequence[tuple[Resources, Sequence[Planned]]],
    given: StudyGiven,
    dataset: Dataset,
    lock: Path,
    ledger: Ledger,
) -> Iterator[Outcome]:
    # Runs remember themselves: what the ledger knows of an earlier call counts for nothing.
    call = time.time_ns()
    place = str(dataset.folder) if isinstance(dataset.storage, Folder) else None
    for needs, runs in groups:
        items = [Item(run.name, {"run": run.name, "call": call, "_data": place}) for run in runs]
        with open_executor(
            fleet.executor, workers=fleet.workers, address=fleet.address, lock=lock,
            log=lock.with_name("worker.log"), threads=needs.threads,
        ) as executor:  # fmt: skip
            yield from executor.run(replace(TRAIN, resources=needs), items, given, ledger)


def _groups(study: Study, runs: Sequence[Planned]) -> list[tuple[Resources, list[Planned]]]:
    """Runs that need the same, long ones first so that no worker ends late."""
    needs = {size.name: Resources(**study.needs(size)) for size in study.sizes}
    found: list[tuple[Resources, list[Planned]]] = []
    for run in runs:
        same = next((group for known, group in found if known == needs[run.size]), None)
        if same is None:
            found.append((needs[run.size], [run]))
        else:
            same.append(run)
    order = {size.name: number for number, size in enumerate(study.sizes)}
    for _, group in found:
        group.sort(key=lambda run: (run.samples, order[run.size]), reverse=True)
    return found


__all__ = ["BUSY", "FAILED", "TRAIN", "TRAINED", "UNFINISHED", "Fleet", "fleet_of", "train_on"]
