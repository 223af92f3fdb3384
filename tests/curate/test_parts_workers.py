"""Long sources in a build: their parts on workers, what fails, and what a second run does again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from films import FILES, PART, SIZE, analysed, recipe, shot, sways, write
from squares_backend import CRASH, register

from facevid.curate.build import analyze, scan, status
from facevid.curate.summary import StepSummary
from facevid.engine import Ledger

LENGTH = 3 * PART + 8


@pytest.fixture(autouse=True)
def backends(tmp_path: Path) -> Iterator[None]:
    register(tmp_path / "plugins")
    sys.path.append(str(tmp_path / "plugins"))
    yield
    sys.path.remove(str(tmp_path / "plugins"))


def footage(folder: Path, *, crash: bool = False) -> Path:
    folder.mkdir()
    pictures = shot(1, LENGTH, (sways(60), sways(220)))
    if crash:
        pictures[150:160] = [np.full((SIZE[1], SIZE[0], 3), CRASH, np.uint8)] * 10
    write(folder / "long.mp4", pictures)
    write(folder / "short.mp4", shot(2, 60))
    return folder


def files_of(dataset: Path) -> dict[tuple[str, str], bytes]:
    found = {(p.parent.name, p.name): p.read_bytes() for p in (dataset / ".work" / "analyses").glob("*/*")}
    assert not list((dataset / ".work").glob("parts/*")), "parts stayed"
    return found


def build(source: Path, dataset: Path, **options: Any) -> StepSummary:
    scan(source, dataset, recipe=recipe())
    return analyze(dataset, **options)


def ran(dataset: Path) -> list[tuple[str, int, int]]:
    """Name, items that ran and items that were there, of each run of the steps that look at sources."""
    with Ledger(dataset / ".work" / "ledger.sqlite", read_only=True) as ledger:
        return [(r.step, r.ran, r.reused) for name in ("watch", "analyze") for r in ledger.runs(name)]


def test_any_number_of_workers_makes_what_one_process_makes(tmp_path: Path) -> None:
    source = footage(tmp_path / "footage")
    summary = build(source, tmp_path / "two", workers=2)
    assert (summary.total, summary.ok, summary.failed) == (2, 2, 0)
    assert ran(tmp_path / "two") == [("watch", 3, 0), ("analyze", 2, 0)]
    two = files_of(tmp_path / "two")
    _, alone = analysed(source / "long.mp4", tmp_path / "alone", recipe())
    (long,) = {name for name, file in two if two[name, "frames.parquet"] == alone["frames.parquet"]}
    assert {name: two[long, name] for name in FILES} == alone
    assert analyze(tmp_path / "two").reused == 2
    assert ran(tmp_path / "two")[0] == ("watch", 3, 0), (
        "parts of a source that is put together are not looked for"
    )
    build(source, tmp_path / "one", workers=1)
    assert files_of(tmp_path / "one") == two


@pytest.mark.slow
def test_a_part_that_crashes_fails_its_source_alone_and_is_tried_again_alone(tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    summary = build(footage(tmp_path / "footage", crash=True), dataset, workers=2)
    assert (summary.ok, summary.failed) == (1, 1)
    (failure,) = summary.failures
    assert (failure["item"], failure["step"], failure["kind"]) == ("long.mp4", "analyze", "crash")
    assert next(s for s in status(dataset).steps if s["step"] == "analyze")["failed"] == 1
    again = analyze(dataset, dry_run=True, retry_failed=True)
    assert again.to_run == 1
    assert (
        "Long sources that are looked at in parts (analyze.part_s): 1, in 3 parts, of which 1"
        in again.notes[0]
    )
    analyze(dataset, workers=2, retry_failed=True)
    assert ran(dataset) == [("watch", 3, 0), ("watch", 1, 2), ("analyze", 2, 0), ("analyze", 1, 1)]


@pytest.mark.slow
def test_a_cluster_makes_what_one_machine_makes(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    source = footage(tmp_path / "footage")
    build(source, tmp_path / "local", workers=1)
    build(source, tmp_path / "ray", executor="ray")
    assert files_of(tmp_path / "ray") == files_of(tmp_path / "local")
