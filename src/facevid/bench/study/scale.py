"""`facevid.scale`: a study trained run by run, its laws and its page; or the laws and the page of a table of runs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import facevid
from facevid.bench.errors import BenchError
from facevid.bench.study.collecting import FORMAT, STUDY, fitted
from facevid.bench.study.commands import study_command
from facevid.bench.study.findings import find
from facevid.bench.study.fleet import BUSY, FAILED, TRAINED, Fleet, fleet_of, train_on
from facevid.bench.study.page import PAGE, PageFacts, write_scaling_page
from facevid.bench.study.recipe import FitSettings, Study, read_study
from facevid.bench.study.summary import Asked, ScaleSummary, plain
from facevid.bench.study.tables import is_table, read_table, runs_of
from facevid.engine import FolderBusy, Progress, write_json_atomic

OnProgress = Callable[[Progress], None] | None
OnCost = Callable[[float | None, int], None] | None


def scale(
    study: str | os.PathLike[str] | Mapping[str, Any] | Study,
    data: str | os.PathLike[str] | Any = None,
    output: str | os.PathLike[str] | None = None,
    *,
    autoencoder: str | os.PathLike[str] | None = None,
    text: str | os.PathLike[str] | None = None,
    changes: Sequence[str] = (),
    only: Sequence[str] = (),
    dry_run: bool = False,
    fit_only: bool = False,
    workers: int | None = None,
    executor: str = "local",
    address: str | None = None,
    columns: Mapping[str, str] | None = None,
    unit: str | None = None,
    metric: str | None = None,
    on_progress: OnProgress = None,
    on_cost: OnCost = None,
) -> ScaleSummary:
    """Train a grid of sizes and amounts of data, fit scaling laws to what it came to, and write a page; or fit a table.

    study: the name or file of a study, or a .csv, .parquet or .jsonl of runs, which are then fitted as they are
    (columns: where size, data, loss, compute and seed stand; unit: what data counts; metric: what the loss is). data: a
    dataset, its folder or address. autoencoder, text: folders that all runs share, so that they differ in data and size
    alone. changes: to the recipes of all runs, such as "optimisation.compile=true", after those of the study. only:
    names of runs, which are trained and nothing is fitted: for many machines that share the folder. dry_run: work out
    the grid and what it costs, and write nothing. fit_only: train nothing, fit what is there. on_cost: called before
    the first run with the seconds that all will take one after the other, None where they cannot be measured, and how
    many there are. workers, executor, address: train so many runs at once, each in a worker with what `resources` of
    the study says, on this machine or a Ray cluster (as in `facevid.build`); a worker that is lost costs its run what
    it did since its last checkpoint. One after the other in this process unless given.

    Written to `output`: splits/, runs/NAME/ (model/ and run.json), costs.json, study.json with everything needed to
    recompute, runs.jsonl, runs.parquet and index.html. The same call again goes on: what is finished is not run again,
    what was killed or failed is. A run that fails is told with its sentence and stops no other.

    Raises BenchError, DatasetError and GenerateError for a study, data or folders that cannot be used, and for runs
    that were trained by another study; FolderBusy where the only run asked for is trained by another process;
    StorageError for a full disk.
    """
    began = time.monotonic()
    fleet = fleet_of(executor, address, workers)
    is_of_runs = isinstance(study, str | os.PathLike) and is_table(Path(study))
    if fleet is not None and (fit_only or is_of_runs):
        raise BenchError("nothing is trained here; leave workers and executor out.")
    if is_of_runs:
        if changes:
            raise BenchError("changes are to the trainings of a study; a table of runs has none.")
        done = _of_table(Path(str(study)), output, columns, unit, metric)
    else:
        if columns or unit or metric:
            raise BenchError("columns, unit and metric are those of a table of runs; a study names its own.")
        read = read_study(_source(study), changes)
        shared = _name(autoencoder), _name(text)
        asked = Asked(read, _told(study, read), data, _path(output), *shared, tuple(changes))
        if fit_only:
            done = fitted(asked, ScaleSummary(str(asked.folder), None), cost=None)
        else:
            done = _studied(asked, tuple(only), dry_run, fleet, on_progress, on_cost)
    done.seconds = round(time.monotonic() - began, 2)
    return done


def _studied(
    asked: Asked,
    only: Sequence[str],
    dry_run: bool,
    fleet: Fleet | None,
    on_progress: OnProgress,
    on_cost: OnCost,
) -> ScaleSummary:
    from facevid.bench.study.costs import (
        cost_of_sizes,
        keep_costs,
        known_costs,
        refuse_same_weights,
        study_cost,
    )
    from facevid.bench.study.parts import parts_of
    from facevid.bench.study.plan import plan
    from facevid.bench.study.running import finished, refuse_changed, train_run
    from facevid.dataset.dataset import Dataset
    from facevid.dataset.dataset import open as open_dataset

    if asked.data is None:
        raise BenchError(
            "name the dataset that the study learns from (--data); --fit-only fits what is there."
        )
    if not dry_run:
        _ = asked.folder
    dataset = asked.data if isinstance(asked.data, Dataset) else open_dataset(asked.data)
    grid = plan(asked.study, parts_of(dataset, asked.study), autoencoder=asked.autoencoder, text=asked.text)
    runs = grid.chosen(only)
    if asked.output is not None:
        refuse_changed(grid, asked.output)
    left = [r for r in runs if asked.output is None or finished(r, asked.output) is None]
    sizes = list(dict.fromkeys(r.size for r in (runs if dry_run else left)))
    measure = dry_run or not only
    known = known_costs(grid, sizes, asked.output) if measure else {}
    unknown = [name for name in sizes if name not in known]
    costs = known | cost_of_sizes(grid, unknown, measure=measure, on_size=_on_size(on_progress))
    refuse_same_weights(costs)
    cost = study_cost(costs, runs if dry_run else left)
    if on_cost is not None and left and not dry_run:
        on_cost(cost.total_s, len(left))
    done = ScaleSummary(None if asked.output is None else str(asked.output), None)
    done.cost, done.notes = cost.to_dict(), list(grid.notes)
    done.plan = [_row(run, cost.seconds.get(run.name)) for run in runs]
    if dry_run:
        return done
    if measure and unknown:
        keep_costs(grid, costs, asked.folder)
    done.reused = [run.name for run in runs if run not in left]
    if fleet is not None and left:
        ended = train_on(
            fleet, grid, left, costs, dataset, asked.folder,
            autoencoder=asked.autoencoder, text=asked.text, on_progress=on_progress,
        )  # fmt: skip
        for name, (how, sentence) in ended.items():
            _sort(done, name, how, sentence)
        left = []
    for run in left:
        try:
            record = train_run(run, grid, costs[run.size], asked.folder, on_progress)
            how = TRAINED if record.status == "finished" else record.status
            _sort(done, run.name, how, record.sentence)
        except FolderBusy:
            if len(runs) == 1:
                raise
            _sort(done, run.name, BUSY, None)
    return done if only else fitted(asked, done, cost=cost.to_dict())


def _sort(done: ScaleSummary, name: str, how: str, sentence: str | None) -> None:
    if how == BUSY:
        done.busy.append(name)
    elif how == TRAINED:
        done.trained.append(name)
    else:
        kind = done.failed if how == FAILED else done.unfinished
        kind[name] = sentence or ""


def _of_table(
    path: Path,
    output: str | os.PathLike[str] | None,
    columns: Mapping[str, str] | None,
    unit: str | None,
    metric: str | None,
) -> ScaleSummary:
    if output is None:
        raise BenchError("name the folder for the page (output).")
    folder = Path(output)
    rows = read_table(path)
    runs, kept = runs_of(rows, columns, unit=unit, metric=metric, where=str(path))
    found = find(runs, FitSettings())
    body = {"format": FORMAT, "facevid": facevid.__version__, "table": str(path), "findings": found.to_dict()}
    write_json_atomic(plain(body), folder / STUDY)
    more = [f"{name}={column}" for name, column in (columns or {}).items()]
    words = [w for pair in more for w in ("--column", pair)]
    words += [] if unit is None else ["--unit", unit]
    words += [] if metric is None else ["--metric", metric]
    facts = PageFacts(
        [("Runs", f"{path.name}: {len(kept)} of {len(rows)} rows"), ("With", f"facevid {facevid.__version__}")],
        command=study_command(str(path), data=None, output=str(folder), more=words), files=(STUDY,),
    )  # fmt: skip
    page = write_scaling_page(found, folder / PAGE, title=f"Scaling of {path.stem}", facts=facts)
    return ScaleSummary(str(folder), str(page), findings=found)


def _row(run: Any, seconds: float | None) -> dict[str, Any]:
    return {
        "run": run.name, "size": run.size, "fraction": run.fraction, "seed": run.seed, "clips": run.amount.clips,
        "people": run.amount.people, "hours": run.amount.hours, "windows": run.windows, "steps": run.steps,
        "samples": run.samples, "epochs": run.epochs, "seconds": seconds,
    }  # fmt: skip


def _on_size(on_progress: OnProgress) -> Callable[[str, int, int], None] | None:
    if on_progress is None:
        return None
    began = time.monotonic()

    def tell(size: str, done: int, total: int) -> None:
        on_progress(Progress("costs", done, total, done, 0, 0, 0, 0.0, time.monotonic() - began))

    return tell


def _source(study: Any) -> Any:
    if isinstance(study, Study):
        return study
    return dict(study) if isinstance(study, Mapping) else str(study)


def _told(study: Any, read: Study) -> str:
    return str(study) if isinstance(study, str | os.PathLike) else f"{read.name}.yaml"


def _path(place: str | os.PathLike[str] | None) -> Path | None:
    return None if place is None else Path(place)


def _name(place: str | os.PathLike[str] | None) -> str | None:
    return None if place is None else os.fspath(place)
