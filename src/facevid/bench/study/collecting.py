"""Gathers the records of all runs of a study, fits what is finished, and writes table, study.json and page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import facevid
from facevid.bench.errors import BenchError
from facevid.bench.page.words import count
from facevid.bench.study.findings import find
from facevid.bench.study.page import PAGE, PageFacts, write_scaling_page
from facevid.bench.study.plan import run_names
from facevid.bench.study.recipe import Study, StudySize
from facevid.bench.study.record import RUNS, Record, read_record, write_rows
from facevid.bench.study.summary import Asked, ScaleSummary, plain
from facevid.bench.study.tables import runs_of
from facevid.engine import write_json_atomic

STUDY = "study.json"
FORMAT = 1


def fitted(asked: Asked, done: ScaleSummary, *, cost: dict[str, Any] | None) -> ScaleSummary:
    """Collects the records of all runs, fits what is finished, and writes table, study.json and page."""
    folder, study = asked.folder, asked.study
    names = run_names(study)
    records = {name: read_record(folder / RUNS / name) for name in names}
    there = [record for record in records.values() if record is not None]
    if not there:
        raise BenchError(f"{folder} holds no run of the study {study.name}; run it first.")
    done.missing = [name for name, record in records.items() if record is None and name not in done.busy]
    for record in there:
        if record.status == "failed":
            done.failed.setdefault(record.name, record.sentence or "")
        elif record.status == "unfinished":
            done.unfinished.setdefault(record.name, record.sentence or "")
    rows = [record.row(study.metric, study.loss) for record in there]
    write_rows(rows, folder)
    why = None
    try:
        runs, _ = runs_of(rows, where=f"the study {study.name}")
        done.findings = find(runs, study.fit)
    except BenchError as error:
        why = str(error)
    about, before = _about(asked, there, done), _before(folder)
    command = before["command"] if asked.data is None and before else asked.command
    if asked.data is None and before:
        done.notes = [*before.get("notes", [])]
    kept = cost if cost is not None and cost["sizes"] else (before or {}).get("cost")
    body = {
        "format": FORMAT, "facevid": facevid.__version__, "study": study.model_dump(mode="json"), "command": command,
        "cost": kept, "runs": rows, "missing": done.missing, "notes": done.notes,
        "findings": None if done.findings is None else done.findings.to_dict(), "why_no_findings": why,
    }  # fmt: skip
    write_json_atomic(plain(body), folder / STUDY)
    facts = PageFacts(
        about, rows, study.loss, {float(r.parameters): r.size for r in there}, _notes(done), _settings(study), command,
        (STUDY, "runs.jsonl", "runs.parquet"),
    )  # fmt: skip
    title = f"Scaling study {study.name}"
    done.page = str(write_scaling_page(done.findings, folder / PAGE, title=title, facts=facts, why=why))
    done.notes += [why] if why else []
    return done


def _about(asked: Asked, there: Sequence[Record], done: ScaleSummary) -> list[tuple[str, str]]:
    study = asked.study
    data = study.data
    by = f", in proportion by {', '.join(data.by)}" if data.by else ""
    shares = ", ".join(f"{p:g}" for p in sorted(data.fractions))
    return [
        ("Grid", f"{count(len(study.sizes), 'size')}, {count(len(data.fractions), 'amount')}, "
         f"{count(len(study.seeds), 'seed')}: {count(len(run_names(study)), 'run')}, of {study.length}"),
        ("Data", f"fractions {shares} of the {data.of} left to learn from, each inside the next{by}"),
        ("Test set", f"{data.test:.0%} of the {data.of}, nobody of whom is learnt from; the same for all runs"),
        ("Loss", _loss_said(study)),
        ("Parts shared", ", ".join(p for p in (asked.autoencoder, asked.text) if p) or "those that the recipes name"),
        ("Time", f"{sum(r.wall_s for r in there) / 60:.0f} minutes for {len(there)} runs"),
        ("With", f"facevid {facevid.__version__}"),
    ]  # fmt: skip


def _loss_said(study: Study) -> str:
    what = "held-out loss" + (" with the first picture given" if study.metric != "held_out" else "")
    which = (
        "the best over the run, as by early stopping: what a model learns by heart afterwards is no worth of its data"
        if study.loss == "best"
        else "that of the last step"
    )
    return f"{what} on the test set at fixed noise and times, {which}"


def _settings(study: Study) -> list[tuple[str, str]]:
    sizes = ", ".join(f"{s.name} ({', '.join(_size_said(study, s))})" for s in study.sizes)
    return [
        ("Sizes", sizes),
        ("Changes to all", ", ".join(study.changes) or "none"),
        ("Seed of the choice of clips", str(study.seed)),
        ("Validations of a run", f"{study.validations}, evenly spread"),
    ]


def _size_said(study: Study, size: StudySize) -> list[str]:
    told = [str(size.recipe or study.recipe)]
    told += [] if size.width is None else [f"width {size.width}"]
    told += [] if size.depth is None else [f"depth {size.depth}"]
    return [*told, *size.changes]


def _notes(done: ScaleSummary) -> list[str]:
    told = list(done.notes)
    told += [f"{name} failed: {why}" for name, why in done.failed.items()]
    told += [f"{name} is not finished: {why}" for name, why in done.unfinished.items()]
    told += (
        [f"{', '.join(done.busy)}: trained by another process while this page was made."] if done.busy else []
    )
    told += [f"Not run yet: {', '.join(done.missing)}."] if done.missing else []
    return told


def _before(folder: Path) -> dict[str, Any] | None:
    """The study.json that is there, None where there is none that can be read."""
    try:
        held = json.loads((folder / STUDY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return held if isinstance(held, dict) and held.get("format") == FORMAT and "command" in held else None
