"""The steps as library calls: their order, the work folder between them, and what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from packing import clip_name
from packing import work as packed
from tracking import track_row, tracks_table

import facevid
from facevid import media
from facevid.curate import build
from facevid.curate.pack import pack_dataset
from facevid.curate.summary import StepSummary, Summary
from facevid.curate.tables import select_tables
from facevid.curate.trackfile import read_batches, track_file_key
from facevid.curate.windows import tracks_schema
from facevid.curate.work import SOURCE_COLUMNS, Work, WorkError
from facevid.dataset.annotating import update_annotations
from facevid.dataset.statements import Statement
from facevid.recipe import load_recipe


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tiny videos, one of them twice."""
    folder = tmp_path_factory.mktemp("footage")
    for n, name in enumerate(("one.mp4", "two.mp4")):
        with media.VideoWriter(folder / name, width=64, height=48, fps=25) as video:
            for k in range(4):
                video.write(np.full((48, 64, 3), 50 * n + 10 * k, np.uint8))
    (folder / "copy.mp4").write_bytes((folder / "two.mp4").read_bytes())
    return folder


@pytest.fixture(scope="module")
def scanned(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, StepSummary]:
    dataset = tmp_path_factory.mktemp("scanned") / "dataset"
    return dataset, build.scan(footage, dataset, recipe={"select": {"min_s": 3.0}}, workers=1)


def test_scan_lists_every_source_once_and_says_what_was_twice(scanned: tuple[Path, StepSummary]) -> None:
    dataset, summary = scanned
    assert (summary.total, summary.ok, summary.failed) == (3, 3, 0)
    assert (summary.details["sources"], summary.details["copies"]) == (2, 1)
    assert any("copies of other files" in note for note in summary.notes)
    table = pq.read_table(dataset / ".work" / "sources.parquet")
    assert table.schema.equals(SOURCE_COLUMNS)
    assert table["source_name"].to_pylist() == ["copy.mp4", "one.mp4"]


def test_the_recipe_of_the_first_step_holds_for_the_next(scanned: tuple[Path, StepSummary]) -> None:
    work = Work(scanned[0])
    assert work.recipe(None).select.min_s == 3.0
    assert work.recipe("dh-facevid").select.min_s == load_recipe().select.min_s


def test_scanning_again_reads_no_file_again(footage: Path, scanned: tuple[Path, StepSummary]) -> None:
    summary = build.scan(footage, scanned[0], workers=1)
    assert (summary.ok, summary.reused) == (3, 3)


@pytest.mark.parametrize(
    ("step", "needed"),
    [("select", "analyze"), ("cut", "select"), ("identify", "select"), ("pack", "identify")],
)
def test_a_step_before_its_turn_names_the_step_to_run_first(
    scanned: tuple[Path, StepSummary], step: str, needed: str
) -> None:
    with pytest.raises(WorkError, match=f"run `facevid {needed}` first"):
        getattr(build, step)(scanned[0], workers=1)


@pytest.mark.parametrize("step", ["analyze", "select", "cut", "identify", "pack"])
def test_a_step_on_a_folder_without_a_build_says_how_to_start(tmp_path: Path, step: str) -> None:
    with pytest.raises(WorkError, match="start with `facevid scan FOOTAGE"):
        getattr(build, step)(tmp_path / "nothing", workers=1)
    assert not (tmp_path / "nothing").exists()


def test_a_dry_run_of_new_footage_counts_and_writes_nothing(footage: Path, tmp_path: Path) -> None:
    summary = build.build(footage, tmp_path / "dataset", dry_run=True)
    assert summary.dry_run
    assert summary.steps[0]["to_run"] == 3
    assert not (tmp_path / "dataset").exists()


def test_a_number_of_workers_that_cannot_work_is_refused(footage: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkError, match="workers must be 1 or more, not 0"):
        build.build(footage, tmp_path / "dataset", workers=0)


def test_status_says_how_far_it_is_and_what_is_next(scanned: tuple[Path, StepSummary]) -> None:
    status = build.status(scanned[0])
    assert (status.published, status.clips, status.running) == (False, 0, None)
    assert status.steps[0]["step"] == "scan"
    assert status.steps[0]["ok"] == 3
    assert "facevid build" in status.next
    json.dumps(status.to_dict())


def test_status_of_a_published_dataset_leads_from_annotate_to_explore(tmp_path: Path) -> None:
    pack_dataset(
        tmp_path / "dataset",
        tables=packed(tmp_path / "cut", 3),
        clip_folder=tmp_path / "cut",
        recipe={},
        name="d",
    )
    status = build.status(tmp_path / "dataset")
    assert (status.clips, status.annotated) == (3, 0)
    assert f"facevid annotate {tmp_path / 'dataset'}" in status.next
    said = [Statement(clip_name(0), "attribute", "bangs", value, "annotator") for value in ("yes", "no")]
    update_annotations(tmp_path / "dataset", add=said)
    status = build.status(tmp_path / "dataset")
    assert (status.annotated, status.next) == (1, f"facevid explore {tmp_path / 'dataset'}")


def test_status_of_a_folder_that_is_no_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkError, match="is no dataset"):
        build.status(tmp_path)


def test_clean_removes_the_work_folder_and_says_how_much_it_freed(footage: Path, tmp_path: Path) -> None:
    build.scan(footage, tmp_path / "dataset", workers=1)
    assert build.clean(tmp_path / "dataset") > 1000
    assert not (tmp_path / "dataset" / ".work").exists()
    assert build.clean(tmp_path / "dataset") == 0


def test_every_step_is_a_call_of_the_package() -> None:
    for step in ("build", "scan", "analyze", "select", "cut", "identify", "pack", "status", "open"):
        assert callable(getattr(facevid, step)), step


def test_summaries_are_plain_values() -> None:
    step = StepSummary("cut", "d", total=3, ok=3)
    whole = Summary("d", "dh-facevid", 1, 2.0, 3, 4.0, 1, [], 0, {}, [], [], 1.0, None, [step.to_dict()])
    assert json.loads(json.dumps(whole.to_dict()))["steps"][0]["ok"] == 3


def analysed(work: Work, source: str, *rows: dict[str, Any]) -> dict[str, Any]:
    """A source with these tracks, as `analyze` would leave it; returns its row of the sources."""
    folder = work.analysis(source)
    folder.mkdir(parents=True)
    own = [{name: row[name] for name in tracks_schema().names} for row in rows]
    pq.write_table(pa.Table.from_pylist(own, tracks_schema()), folder / "tracks.parquet")
    return {"source_id": source, "source_name": f"{source}.mp4", "width": 1920, "height": 1080}


def test_the_tracks_of_all_sources_are_gathered_in_their_order(tmp_path: Path) -> None:
    work = Work(tmp_path)
    one, two = track_row(8, source="b"), track_row(9, source="a", first_frame=50)
    sources = [analysed(work, "b", one), analysed(work, "a", two), {"source_id": "c", "source_name": "c.mp4"}]
    work.gather_tracks(sources, {"a": "1", "b": "1"})
    gathered = pa.concat_tables(list(read_batches(work.tracks)))
    assert str(gathered.to_pylist()) == str(tracks_table(one, two).to_pylist())
    stretches, rejected = select_tables(work.tracks, load_recipe())
    assert stretches["clip_id"].to_pylist() == ["b_0_79_0", "a_50_139_0"]
    assert len(rejected) == 0


def test_tracks_are_gathered_again_only_when_an_analysis_or_a_name_changed(tmp_path: Path) -> None:
    work = Work(tmp_path)
    source = analysed(work, "a", track_row(8, source="a"))
    key = work.gather_tracks([source], {"a": "1"})
    made = work.tracks.stat().st_mtime_ns
    assert track_file_key(work.tracks) == key
    assert work.gather_tracks([source], {"a": "1"}) == key
    assert work.tracks.stat().st_mtime_ns == made
    assert work.gather_tracks([source], {"a": "2"}) != key
    assert work.gather_tracks([source | {"source_name": "x.mp4"}], {"a": "1"}) != key
    (batch,) = read_batches(work.tracks)
    assert batch["source_name"].to_pylist() == ["x.mp4"]


def test_a_table_that_an_earlier_step_makes_is_asked_for_by_the_name_of_the_step(tmp_path: Path) -> None:
    with pytest.raises(WorkError, match="no stretches yet; run `facevid select` first"):
        Work(tmp_path).read(Work(tmp_path).stretches, "select")
