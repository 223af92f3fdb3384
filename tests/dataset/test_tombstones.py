"""Marks of what was taken down: hashes anyone with the source can check, kept in one sorted file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from facevid.dataset.published import DatasetError
from facevid.dataset.removing import tombstones

A, B = "a" * 64, "b" * 64


def test_marks_are_the_sha256_that_sha256sum_gives() -> None:
    # printf 'facevid source aaa...' | sha256sum; printf 'facevid second aaa... 12' | sha256sum
    assert tombstones.source_mark(A) == "80bd8045bcfb3946eabe676ac1984299c329afde2ebb6509dec8428bfad4fdea"
    assert tombstones.second_mark(A, 12) == "ac069bcfb202c9f006454b102ee6e1d02930cf1e2e9714a531b57f878760c477"


def test_a_folder_where_nothing_was_taken_down_has_no_marks(tmp_path: Path) -> None:
    marks = tombstones.read(tmp_path)
    assert not marks and not marks.has_source(A) and not marks.covers(A, 0.0, 1e4)


def test_a_source_covers_all_its_seconds_and_no_other_source(tmp_path: Path) -> None:
    marks = tombstones.add(tmp_path, sources=[tombstones.source_mark(A)])
    assert marks == tombstones.read(tmp_path)
    assert marks.has_source(A) and marks.covers(A, 100.0, 101.0)
    assert not marks.has_source(B) and not marks.covers(B, 100.0, 101.0)


@pytest.mark.parametrize(
    ("start_s", "end_s", "covered"),
    [
        (0.0, 12.0, False),
        (0.0, 12.0000001, False),  # 12 s, from frames / fps
        (0.0, 12.04, True),
        (13.96, 20.0, True),
        (14.0, 20.0, False),
        (13.9999999, 20.0, False),
        (12.4, 12.8, True),
        (0.0, 100.0, True),
    ],
)
def test_a_stretch_is_covered_where_it_touches_a_marked_second(
    tmp_path: Path, start_s: float, end_s: float, covered: bool
) -> None:
    touched = tombstones.seconds_touched(12.2, 13.4)
    assert list(touched) == [12, 13]
    marks = tombstones.add(tmp_path, seconds=[tombstones.second_mark(A, s) for s in touched])
    assert marks.covers(A, start_s, end_s) is covered
    assert not marks.covers(B, start_s, end_s) and not marks.has_source(A)


@pytest.mark.parametrize(
    ("start_s", "end_s", "covered"),
    [
        (0.0, 2.24, False),  # the clip before
        (13.36, 20.0, False),  # the clip after
        (0.0, 2.34, True),
        (13.2, 20.0, True),
        (5.0, 5.04, True),
        (2.4, 2.44, True),
    ],
)
def test_marks_of_a_clip_leave_its_neighbours_alone(
    tmp_path: Path, start_s: float, end_s: float, covered: bool
) -> None:
    marks = tombstones.add(tmp_path, seconds=tombstones.stretch_marks(A, 2.24, 13.36))
    assert marks.covers(A, start_s, end_s) is covered and not marks.covers(B, start_s, end_s)


def test_a_clip_s_marks_are_its_whole_seconds_and_the_tenths_at_its_ends() -> None:
    marks = tombstones.stretch_marks(A, 2.24, 5.36)
    assert {tombstones.second_mark(A, k) for k in (3, 4)} < marks
    assert len(marks) == 1 + 2 + 7 + 3  # that some was taken down; tenths 2.3 to 2.9 s and 5.0 to 5.2 s


@pytest.mark.parametrize(("start_s", "end_s"), [(0.04, 0.08), (7.96, 8.04), (3.0, 3.0)])
def test_the_shortest_stretch_is_marked_too(tmp_path: Path, start_s: float, end_s: float) -> None:
    marks = tombstones.add(tmp_path, seconds=tombstones.stretch_marks(A, start_s, end_s))
    assert marks.covers(A, start_s, end_s) and not marks.covers(A, start_s + 0.2, end_s + 0.2)


def test_the_file_is_sorted_hashes_and_says_the_same_whatever_the_order(tmp_path: Path) -> None:
    marks = [tombstones.second_mark(A, s) for s in range(5)]
    for name, order in (("one", marks), ("two", marks[::-1])):
        (tmp_path / name).mkdir()
        for mark in order:
            tombstones.add(tmp_path / name, seconds=[mark])
    one, two = ((tmp_path / name / "tombstones.json").read_bytes() for name in ("one", "two"))
    assert one == two and A.encode() not in one
    assert json.loads(one) == {
        "format": "facevid-tombstones",
        "version": 1,
        "sources": [],
        "seconds": sorted(marks),
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "cannot be read as JSON"),
        ('{"format": "other"}', "not written by facevid"),
        ('{"format": "facevid-tombstones", "version": 2}', "version 2"),
        (
            '{"format": "facevid-tombstones", "version": 1, "sources": ["x"], "seconds": []}',
            "sources must be",
        ),
        ('{"format": "facevid-tombstones", "version": 1, "sources": []}', "seconds must be"),
    ],
)
def test_a_damaged_file_is_refused_and_never_taken_for_none(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "tombstones.json").write_text(text)
    with pytest.raises(DatasetError, match=says):
        tombstones.read(tmp_path)
    with pytest.raises(DatasetError, match=says):
        tombstones.add(tmp_path, sources=[tombstones.source_mark(A)])
    assert (tmp_path / "tombstones.json").read_text() == text
