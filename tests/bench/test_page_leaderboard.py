"""A leaderboard over result folders: grouped by what may be compared, best first, broken ones named."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from page_results import distance, metric, parsed, result

from facevid.bench.errors import BenchError
from facevid.bench.page import write_leaderboard
from facevid.bench.result import Result


def run(base: Path, name: str, **parts: Any) -> Path:
    """A folder with the result of that name and a page."""
    folder = base / name
    folder.mkdir()
    found: Result = result(name, **parts)
    (folder / "bench.json").write_text(json.dumps(found.to_dict()), encoding="utf-8")
    (folder / "index.html").write_text("", encoding="utf-8")
    return folder


def order(path: Path, *names: str) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return sorted(names, key=lambda name: text.index(f'data-v="{name}"'))


def test_runs_are_sorted_by_the_first_distance_and_link_to_their_pages(tmp_path: Path) -> None:
    folders = [
        run(tmp_path, "worse", distances=[distance(value=12.0)]),
        run(tmp_path, "none"),
        run(tmp_path, "better #1", distances=[distance(value=3.0)]),
    ]
    path = write_leaderboard(folders, tmp_path / "board" / "leaderboard.html")
    assert order(path, "worse", "none", "better #1") == ["better #1", "worse", "none"]
    page = parsed(path)
    assert page.count("table") == 1
    assert len(page.links) == 3
    assert all((path.parent / unquote(link)).resolve().is_file() for link in page.links)
    assert "not measured" in page.text
    assert write_leaderboard(folders, path).read_bytes() == path.read_bytes()


def test_without_distances_the_first_metric_sorts_by_what_is_better_of_it(tmp_path: Path) -> None:
    values = {"low": 0.1, "near": 0.32, "high": 0.9}
    names = {"face_found": ["high", "near", "low"], "flicker": ["low", "near", "high"]}
    for one, best_first in {**names, "motion": ["near", "low", "high"]}.items():
        base = tmp_path / one
        base.mkdir()
        folders = [run(base, name, metrics=[metric(one, value, 0.3)]) for name, value in values.items()]
        assert order(write_leaderboard(folders, base / "index.html"), *values) == best_first


def test_runs_on_other_data_or_of_another_shape_have_a_table_of_their_own(tmp_path: Path) -> None:
    data = {**result().data, "dataset_sha256": "cd" * 32, "name": "other faces"}
    shape = {**result().shape, "width": 128}
    folders = [
        run(tmp_path, "a", distances=[distance()]),
        run(tmp_path, "b", distances=[distance()], settings={"seed": 0, "resamples": 50}),
        run(tmp_path, "c", distances=[distance()], data=data),
        run(tmp_path, "d", distances=[distance()], shape=shape),
    ]
    page = parsed(write_leaderboard(folders, tmp_path / "index.html"))
    assert page.count("table") == 3
    assert "results of different tables cannot be compared" in page.text
    assert "The setting resamples differs: 200 in a and 50 in b." in page.text
    assert "Against other faces" in page.text and "128 x 64 pixels" in page.text


def test_broken_results_are_named_and_stop_nothing(tmp_path: Path) -> None:
    good = run(tmp_path, "good", distances=[distance()])
    empty = tmp_path / "empty"
    empty.mkdir()
    torn = run(tmp_path, "torn")
    (torn / "bench.json").write_text("{", encoding="utf-8")
    lacking = run(tmp_path, "lacking", distances=[distance()])
    text = (lacking / "bench.json").read_text(encoding="utf-8")
    (lacking / "bench.json").write_text(text.replace('"interval"', '"between"'), encoding="utf-8")
    wrong = run(tmp_path, "wrong", readers=["a list"])
    nan = run(tmp_path, "nan", metrics=[metric("flicker", float("nan"))])
    page = parsed(write_leaderboard([good, empty, torn, lacking, wrong, nan], tmp_path / "board.html"))
    assert "5 folders could not be read" in page.text
    assert "holds no bench.json" in page.text and "readers" in page.text and "no finite number" in page.text
    assert page.count("tr") == 2
    assert "No result could be read." in parsed(write_leaderboard([empty], tmp_path / "none.html")).text


def test_no_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="one folder"):
        write_leaderboard([], tmp_path / "index.html")


def test_names_are_escaped_and_other_numbers_of_videos_are_said(tmp_path: Path) -> None:
    bad = '"><script>alert(1)</script>'
    folder = run(tmp_path, "a", distances=[distance()])
    other = tmp_path / "b"
    other.mkdir()
    found = result(
        bad, distances=[distance()], videos={"folder": "x", "count": 3, "failed": [], "model": None}
    )
    (other / "bench.json").write_text(json.dumps(found.to_dict()), encoding="utf-8")
    path = write_leaderboard([folder, other], tmp_path / "index.html")
    page = parsed(path)
    assert bad in page.text
    assert page.count("script") == 1
    assert "Numbers of videos differ" in page.text
    assert len(page.links) == 1  # the other has no page
