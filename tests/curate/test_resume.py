"""Builds that go on: what a changed threshold, new footage and missing outputs make run again, and no more."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest
from messy import RECIPE, Messy

import facevid
from facevid.curate.build import cut, identify, pack, select, status
from facevid.curate.work import WorkError
from facevid.dataset.annotating import update_annotations
from facevid.dataset.statements import Statement
from facevid.engine import Ledger, Run


@pytest.fixture
def copy(messy: Messy, tmp_path: Path) -> Path:
    """A copy of the messy dataset, free to be changed."""
    return Path(shutil.copytree(messy.dataset, tmp_path / "dataset"))


def last_run(dataset: Path, step: str) -> Run:
    with Ledger(dataset / ".work" / "ledger.sqlite", read_only=True) as ledger:
        return ledger.runs(step)[-1]


def tables(dataset: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(dataset)): p.read_bytes()
        for p in sorted(dataset.glob("*/*"))
        if ".work" not in p.parts
    }


def changed(threshold: float) -> dict[str, Any]:
    """The recipe with another threshold for the size of the face."""
    rule = {"reason": "resolution", "score": "face_px", "min": threshold}
    return {**RECIPE, "select": {**RECIPE["select"], "rules": [rule]}}


def test_a_changed_threshold_selects_again_without_analysing_anything(messy: Messy, copy: Path) -> None:
    (before,) = _runs(copy, "analyze")
    summary = facevid.build(messy.footage, copy, recipe=changed(40.0), workers=2)

    analyze, cuts = last_run(copy, "analyze"), last_run(copy, "cut")
    assert analyze.id != before.id
    assert (analyze.ran, analyze.reused) == (0, before.ran)
    assert (cuts.ran, cuts.reused) == (1, messy.summary.clips), "only the clip that the old threshold refused"
    assert summary.clips == messy.summary.clips + 1
    assert "small_face.mp4" in facevid.open(copy).to_arrow("clips")["source_name"].to_pylist()
    assert summary.failed == messy.summary.failed, "a failure is kept, and still told"

    strict = facevid.build(messy.footage, copy, recipe=changed(10_000.0), workers=2)
    assert (last_run(copy, "analyze").ran, last_run(copy, "cut").ran + last_run(copy, "cut").reused) == (0, 0)
    assert strict.clips == 0
    assert {r["reason"] for r in strict.rejected} == {"no_face", "resolution"}

    facevid.build(messy.footage, copy, recipe=RECIPE, workers=2)
    assert (last_run(copy, "analyze").ran, last_run(copy, "cut").ran) == (0, 0)
    assert tables(copy) == tables(messy.dataset), "back to the old threshold, back to the old dataset"


def test_building_again_runs_nothing_and_changes_no_byte(messy: Messy, copy: Path) -> None:
    summary = facevid.build(messy.footage, copy, workers=2)
    ran = {step: last_run(copy, step).ran for step in ("scan", "analyze", "cut", "identify")}
    assert ran == {"scan": 0, "analyze": 0, "cut": 0, "identify": 0}
    assert summary.realtime_factor is None
    assert tables(copy) == tables(messy.dataset)


def test_a_dry_run_says_what_would_run_and_writes_nothing(messy: Messy, copy: Path) -> None:
    shutil.rmtree(copy / "clips")
    before = {p: p.stat().st_mtime_ns for p in copy.rglob("*.parquet")}
    summary = facevid.build(messy.footage, copy, recipe=changed(40.0), dry_run=True)
    by_step = {s["step"]: s["to_run"] for s in summary.steps}
    assert by_step["scan"] == 0, "what failed stays aside without retry_failed"
    assert by_step["analyze"] == 0, "what failed stays aside without retry_failed"
    assert {p: p.stat().st_mtime_ns for p in copy.rglob("*.parquet")} == before


def test_a_selection_that_is_not_published_is_told_whatever_the_times_of_the_files(copy: Path) -> None:
    stretches = copy / ".work" / "selection" / "stretches.parquet"
    os.utime(stretches, (4e9, 4e9))  # a clock that was wrong
    assert "the selection is not" not in status(copy).next
    select(copy, recipe=changed(40.0), workers=1)
    os.utime(stretches, (1e9, 1e9))
    assert "the selection is not the one that is published" in status(copy).next


def test_a_table_of_the_work_folder_that_is_damaged_names_the_step_that_makes_it_again(copy: Path) -> None:
    sources = copy / ".work" / "sources.parquet"
    sources.write_bytes(bytes(sources.stat().st_size))
    with pytest.raises(
        WorkError, match=r"sources\.parquet is damaged .* run `facevid scan FOOTAGE -o DATASET` again"
    ):
        select(copy, workers=1)


def test_a_clip_that_went_missing_is_cut_again_to_the_same_bytes(messy: Messy, copy: Path) -> None:
    lost = sorted((copy / ".work" / "clips").iterdir())[0]
    (lost / "clip.mp4").unlink()
    shutil.rmtree(copy / "media")
    for step in (select, cut, identify, pack):
        step(copy, workers=1)
    assert (last_run(copy, "cut").ran, last_run(copy, "identify").ran) == (1, 0)
    assert tables(copy) == tables(messy.dataset)


def test_a_file_taken_away_leaves_the_dataset_and_comes_back(
    messy: Messy, copy: Path, tmp_path: Path
) -> None:
    fewer = tmp_path / "fewer"
    fewer.mkdir()
    for name in ("uhd.mp4", "webm.webm", "empty.mp4"):
        shutil.copy2(messy.footage / name, fewer / name)
    summary = facevid.build(fewer, copy, workers=1)
    assert (summary.sources, summary.clips, summary.failed) == (2, 2, 1)
    assert any("are not in this footage and leave the dataset" in note for note in summary.notes)

    facevid.build(messy.footage, copy, workers=1)
    assert (last_run(copy, "analyze").ran, last_run(copy, "cut").ran) == (0, 0)
    assert tables(copy) == tables(messy.dataset)


def _runs(dataset: Path, step: str) -> list[Run]:
    with Ledger(dataset / ".work" / "ledger.sqlite", read_only=True) as ledger:
        return ledger.runs(step)


def test_a_clip_that_a_reviewer_rejected_leaves_with_the_next_pack_and_comes_back_with_the_verdict(
    messy: Messy, copy: Path
) -> None:
    first = facevid.open(copy)[0].clip_id
    verdict = Statement(first, "review", "keep", "reject", "annotator", who="ana")
    update_annotations(copy, add=[verdict])
    assert facevid.open(copy)[first]["review"] == "reject", "until then it is marked and still there"

    for _ in range(2):
        pack(copy)
        ds = facevid.open(copy)
        assert first not in ds and len(ds) == messy.summary.clips - 1
        reviewed = ds.sql("select source_name, score from rejected where reason = 'review'").fetchall()
        assert reviewed == [(facevid.open(messy.dataset)[0]["source_name"], None)]

    update_annotations(copy, add=[], drop=lambda table: pc.equal(table["who"], "ana"))
    pack(copy)
    assert tables(copy) == tables(messy.dataset)
