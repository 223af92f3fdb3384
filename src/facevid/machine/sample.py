"""Builds short stretches of the footage for real, each in a dataset of its own, and tells what every step cost."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

import facevid.dataset
from facevid.annotate import measure
from facevid.curate import analyze, cut
from facevid.curate.building import Building, published_size
from facevid.curate.manifest import Found, located
from facevid.curate.scan import SCAN, scan_step, sources_table
from facevid.curate.work import SOURCE_COLUMNS, Work
from facevid.dataset.spans import Span
from facevid.engine import Item, LocalExecutor, Step, StepError
from facevid.machine.footage import Piece, Unusable, names_of
from facevid.machine.scratch import Scratch
from facevid.recipe import Recipe
from facevid.storage import file_name

PER_STRETCH = ("analyze", "cut", "identify", "annotate")
"""Steps whose cost grows with the footage, beside `scan`, whose cost grows with its bytes."""
_BUILD = ("analyze", "select", "cut", "identify", "pack")


@dataclass(frozen=True)
class Scanned:
    """What scanning one file cost: processor and wall seconds, for so many bytes."""

    bytes: int
    processor_s: float
    wall_s: float


@dataclass(frozen=True)
class Built:
    """What became of one stretch.

    seconds: of footage in it; looked_at_s: those and the margins on either side that `analyze` looks at too.
    processor_s: step -> seconds. dataset_bytes: of media and keypoints; work_bytes: of analyses, cut clips, embeddings.
    peak_bytes: the most memory of the worker until then.
    """

    seconds: float
    looked_at_s: float
    processor_s: dict[str, float]
    clips: int
    kept_s: float
    dataset_bytes: int
    work_bytes: int
    peak_bytes: int


@dataclass(frozen=True)
class Sample:
    """All that was scanned and built, how many files it came from, and what could not be used."""

    scanned: tuple[Scanned, ...]
    built: tuple[Built, ...]
    files: int
    unusable: tuple[Unusable, ...]


def build_sample(stretches: Sequence[Piece], room: Scratch, recipe: Recipe) -> Sample:
    """Scan the files of the stretches, then analyze, cut, identify and annotate each stretch, one worker a core."""
    paths = sorted({s.found.location for s in stretches})
    scans = room.run(TIMED_SCAN, [Item(path, {"_path": path}) for path in paths], recipe)
    names = names_of(stretches)
    usable = {
        f"stretch-{number}": (name, piece)
        for number, (name, piece) in enumerate(zip(names, stretches, strict=True))
        if scans[piece.found.location].status == "ok"
    }
    items = [
        Item(
            key,
            {
                "path": piece.found.location, "seconds": piece.seconds,
                "spans": [span.to_json() for span in piece.spans],
                "facts": dict(piece.found.facts), "self_reported": dict(piece.found.self_reported),
                "_scanned": scans[piece.found.location].value["scanned"],
                "_folder": str(room.folder / key),
            },
        )
        for key, (_, piece) in usable.items()
    ]  # fmt: skip
    tried = room.run(BUILD, items, recipe, work_s={key: piece.seconds for key, (_, piece) in usable.items()})
    failed = [
        *(
            Unusable(file_name(path), o.message or "")
            for path, o in sorted(scans.items())
            if o.status != "ok"
        ),
        *(Unusable(usable[key][0], o.message or "") for key, o in sorted(tried.items()) if o.status != "ok"),
    ]
    return Sample(
        tuple(
            Scanned(o.value["scanned"]["size_bytes"], o.value["processor_s"], o.value["wall_s"])
            for _, o in sorted(scans.items())
            if o.status == "ok"
        ),
        tuple(Built(**o.value) for _, o in sorted(tried.items()) if o.status == "ok"),
        len({usable[key][1].found.location for key, o in tried.items() if o.status == "ok"}),
        tuple(failed),
    )


def timed_scan_step(payload: dict[str, Any], recipe: object) -> dict[str, Any]:
    """`scan_step` of the file at `_path`, and what it cost."""
    processor, wall = time.process_time(), time.perf_counter()
    scanned = scan_step(payload, recipe)
    return {
        "scanned": scanned, "processor_s": time.process_time() - processor, "wall_s": time.perf_counter() - wall,
    }  # fmt: skip


def build_step(payload: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    """Build and annotate one stretch in `_folder`, which is removed again; returns the fields of `Built`."""
    folder = Path(payload["_folder"])
    try:
        return _built(payload, Work(folder), recipe)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def load_models(recipe: Recipe) -> None:
    """Load what all steps need, so that none of them is charged for it."""
    analyze.models(recipe)
    cut.load_models(recipe)
    measure.load_models(recipe)


TIMED_SCAN = Step(name=SCAN.name, version=1, function=timed_scan_step, timeout_s=3600.0)
# A stretch takes seconds; the limit is for files that hang a decoder.
BUILD = Step(name="sample", version=1, function=build_step, timeout_s=3600.0, setup=load_models)


def _built(payload: dict[str, Any], work: Work, recipe: Recipe) -> dict[str, Any]:
    found = Found(
        located(payload["path"]), payload["facts"], payload["self_reported"],
        tuple(Span.from_json(row) for row in payload["spans"]),
    )  # fmt: skip
    rows = sources_table([found], {payload["path"]: payload["_scanned"]})
    work.write(pa.Table.from_pylist(rows, SOURCE_COLUMNS), work.sources)
    spent: dict[str, float] = {}
    with Building.open(
        work.dataset, recipe, workers=1, dry_run=False, retry_failed=False, on_progress=None, start=True
    ) as session:
        session.executor = LocalExecutor(0)  # in this process, whose processor time is what is measured
        for step in _BUILD:
            began = time.process_time()
            failures = getattr(session, step)().failures
            spent[step] = time.process_time() - began
            if failures:
                raise StepError(failures[0]["kind"], failures[0]["message"])
    began = time.process_time()
    for item in measure.measure_items(facevid.dataset.open(work.dataset), recipe):
        measure.measure_step(item.payload, recipe)
    spent["annotate"] = time.process_time() - began
    clips, kept_s = published_size(work.dataset)
    return {
        "seconds": payload["seconds"], "looked_at_s": session.analysed_s,
        "processor_s": {step: spent[step] for step in PER_STRETCH},
        "clips": clips, "kept_s": kept_s,
        "dataset_bytes": sum(_bytes_in(work.dataset / name) for name in ("media", "keypoints")) if clips else 0,
        "work_bytes": sum(_bytes_in(work.folder / name) for name in ("analyses", "clips", "embeddings")),
        "peak_bytes": peak_memory(),
    }  # fmt: skip


def peak_memory() -> int:
    """The most bytes that this process has had in memory; 0 where the system does not tell."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    lines = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0]) * 1024 if lines else 0


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
