"""The report counts right, says what is unknown, and is one page that loads nothing from outside."""

from __future__ import annotations

import json
import math
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "curate"))

import facevid
from facevid.cli.app import main
from facevid.dataset import DatasetError
from facevid.dataset.annotating import update_annotations
from facevid.dataset.describing.figures import wilson
from facevid.dataset.statements import Statement
from facevid.web.report_data import Figures, chance

CLIPS = 8


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="module")
def page(annotated: Path) -> str:
    return _text(annotated)


def _pack(output: Path, clip_folder: Path, count: int, **other: Any) -> Path:
    from packing import work

    from facevid.curate.pack import pack_dataset

    rules = [{"reason": "sharpness", "score": "sharpness", "min": 0.5, "max": None}]
    pack_dataset(
        output,
        tables=replace(work(clip_folder, count), **other),
        clip_folder=clip_folder,
        recipe={"fps": 25.0, "select": {"rules": rules}},
        name="<b>small</b> & co",
    )
    return output


@pytest.fixture(scope="module")
def annotated(tmp_path_factory: pytest.TempPathFactory, clip_folder: Path) -> Path:
    """Of the clips by id, six show a woman of 31, the seventh a man of 58; of the eighth nothing is known."""
    published = _pack(tmp_path_factory.mktemp("annotated") / "dataset", clip_folder, CLIPS)
    ids = [c.clip_id for c in facevid.open(published)]
    said = []
    for k, clip_id in enumerate(ids[:7]):
        man = k == 6
        for name, value, by, sure in (
            ("gender", "male" if man else "female", "annotator", None),
            ("age", "58" if man else "31", "model:any", 0.6 if man else 0.8),
            ("ethnicity", "asian", "self", None),
            ("eyeglasses", "yes" if k < 2 else "no", "measured:mesh", 0.9),
            ("ita", str(10 * k), "measured:skin", 0.5),
        ):
            said.append(Statement(clip_id, "attribute", name, value, by, sure))
    said += [Statement(ids[0], "action", "talk", "", "measured:mesh", 0.9, a, a + 0.1) for a in (0.0, 0.2)]
    update_annotations(published, add=said)
    return published


def _text(dataset: Path) -> str:
    return facevid.report(dataset, dataset.parent / "report.html").read_text(encoding="utf-8")


def test_figures_equal_counts_made_by_hand(annotated: Path) -> None:
    figures = Figures(facevid.open(annotated))
    assert (figures.clips, figures.persons) == (8, 2)
    assert figures.seconds == pytest.approx(8 * 8 / 25)
    assert figures.values("gender") == ([("female", 6), ("male", 1)], 1)
    assert figures.values("age_group") == ([("30 to 39", 6), ("50 to 59", 1)], 1)
    assert figures.ages() == ([(30, 6), (55, 1)], 1)
    assert figures.flags() == [("eyeglasses", 2, 7)]
    assert figures.actions() == [("talk", 1)]
    assert figures.clips_per_person() == [(4, 2)]
    assert figures.resolutions() == [("unknown", 3, 8)]
    assert ("gender", "annotator", 7, None) in figures.origins()
    sure = {name: sure for name, by, n, sure in figures.origins() if (by, n) == ("model", 7)}
    assert sure == {"age": pytest.approx((6 * 0.8 + 0.6) / 7)}
    cells = {cell: n for cell, _, n in figures.balance(["ethnicity", "gender", "age_group"])}
    assert cells == {
        ("asian", "female", "30 to 39"): 6,
        ("asian", "male", "50 to 59"): 1,
    }


def test_a_histogram_counts_every_value_once_and_leaves_out_what_is_not_finite(annotated: Path) -> None:
    figures = Figures(facevid.open(annotated))
    sharp = figures.histogram("sharpness", with_rejected=True)
    assert (sum(sharp.kept), sum(sharp.rejected)) == (8, 1)
    assert len(sharp.edges) == len(sharp.kept) + 1
    assert figures.histogram("yaw").kept == []
    assert sum(figures.histogram(figures.numbers("ita")).kept) == 7


def test_rejection_is_counted_per_group_of_the_source(annotated: Path) -> None:
    found = Figures(facevid.open(annotated)).rejection("ethnicity")
    assert found.table == {"asian": {"kept": CLIPS, "sharpness": 1}}
    assert found.share("asian").interval == wilson(1, 9)
    assert found.p() is None


def test_wilson_interval_is_the_published_one() -> None:
    assert wilson(8, 10) == pytest.approx((0.490, 0.943), abs=5e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def test_chi_square_is_the_one_of_a_known_table_and_too_few_is_said() -> None:
    # 2 x 3 without Yates' correction: expected counts 15, 20, 25 in both rows, statistic 2 (25/15 + 0 + 25/25) = 16/3,
    # and with two degrees of freedom p = exp(-statistic / 2).
    assert chance([[10, 20, 30], [20, 20, 20]]) == pytest.approx(2.718281828 ** (-16 / 6))
    # Two by two: N (ad - bc)^2 / (row and column sums multiplied) = 75 * 450^2 / 1,890,000 = 8.0357, one degree.
    assert chance([[10, 20], [30, 15]]) == pytest.approx(math.erfc(math.sqrt(75 * 450**2 / 1_890_000 / 2)))
    assert chance([[1, 2], [3, 4]]) is None
    assert chance([[10, 20]]) is None


def test_the_page_loads_nothing_and_escapes_names(page: str) -> None:
    assert "&lt;b&gt;small&lt;/b&gt; &amp; co" in page and "<b>small" not in page
    assert not re.search(r"https?://|<script|<link|@import|url\(", page)
    bare = re.sub(r"base64,[^\"]*", "", page)
    assert set(re.findall(r'(?:src|href)="([^"]*)', bare)) == {"data:image/jpeg;"}
    assert not re.search(r"\bnan\b|\binf\b|\bNone\b", bare)
    assert page.count("data:image/jpeg;base64,") == CLIPS


def test_the_page_names_thin_cells_and_the_reported_shares(page: str) -> None:
    assert "4 of 4 cells are thin" in page
    assert "<li>asian, male: 30 to 39 (0), 50 to 59 (1)</li>" in page
    assert "100.0 % (DH 81.0 %)" in page
    assert "sharpness at 0.5" in page


def test_the_same_dataset_gives_the_same_bytes(annotated: Path, page: str) -> None:
    assert _text(annotated) == page


def test_what_people_state_of_themselves_groups_their_sources_before_anything_is_annotated(
    tmp_path: Path, clip_folder: Path
) -> None:
    stated = ['{"sex": "F", "age": 34}', '{"sex": "male"}', None]
    sources = pa.table(
        {
            "source_id": [f"{k:016x}" for k in range(3)],
            "source_name": [f"talk_{k}.mp4" for k in range(3)],
            "self_reported": pa.array(stated, pa.string()),
        }
    )
    figures = Figures(facevid.open(_pack(tmp_path / "stated", clip_folder, CLIPS, sources=sources)))
    gender = figures.rejection("gender")
    assert gender.table == {"female": {"kept": 3, "sharpness": 1}, "male": {"kept": 3}}
    assert gender.unknown_sources == 1
    assert figures.rejection("age_group").table == {"30 to 39": {"kept": 3, "sharpness": 1}}


def test_a_dataset_without_annotations_and_persons_has_a_report(tmp_path: Path, clip_folder: Path) -> None:
    text = _text(_pack(tmp_path / "bare", clip_folder, CLIPS, identity={}))
    assert f"{CLIPS} clips have no person" in text and "No clip has a person." in text
    assert "Not annotated yet" in text
    assert "No attribute of any clip is known" in text


def test_a_dataset_without_clips_has_a_report(tmp_path: Path, clip_folder: Path) -> None:
    text = _text(_pack(tmp_path / "empty", clip_folder, 0))
    assert "The dataset has no clips." in text
    assert not re.search(r"\bnan\b", text)


def test_the_command_writes_the_page_and_refuses_other_endings(
    annotated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "new" / "page.html"
    assert main(["report", str(annotated), "-o", str(written), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"report": str(written)} and written.is_file()
    with pytest.raises(DatasetError, match="ends in"):
        facevid.report(annotated, tmp_path / "page.pdf")
