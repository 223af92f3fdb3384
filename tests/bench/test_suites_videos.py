"""Folders of videos: with a line for each or without, and what is wrong with a line, which never stops the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from facevid.bench.errors import BenchError
from facevid.bench.suites import Fault, VideoEntry, read_videos


def folder_of(place: Path, lines: list[Any], *files: str) -> Path:
    """A folder with a videos.jsonl of these lines, and with these files."""
    for name in files:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(b"")
    text = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (place / "videos.jsonl").write_text("\n".join(text), encoding="utf-8")
    return place


def test_plain_videos_are_read_by_name_and_nothing_else_is_known(tmp_path: Path) -> None:
    for name in ("b.mp4", "a.MP4", ".hidden.mp4", "a.json", "c.avi"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "d.mp4").mkdir()
    found = read_videos(tmp_path)
    assert found.faults == []
    assert found.entries == [VideoEntry(name, tmp_path / name) for name in ("a.MP4", "b.mp4")]


def test_a_folder_without_videos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        BenchError, match=r"holds no \.mp4 file and no videos\.jsonl; give a folder of videos"
    ):
        read_videos(tmp_path)
    with pytest.raises(BenchError, match="there is no folder"):
        read_videos(tmp_path / "gone")


def test_a_line_says_what_its_video_was_to_show(tmp_path: Path) -> None:
    folder_of(tmp_path, [], "suite/a.png", "suite/a.mp4")
    whole = {
        "file": "deep/v.mp4", "entry": "i0", "prompt": "", "seed": 7, "clip_id": "c", "person": "p",
        "picture": "../suite/a.png", "reference": "../suite/a.mp4", "partner": "i1", "asked": {"light": "dim"},
        "groups": {"gender": "female", "age": None},
    }  # fmt: skip
    place = folder_of(tmp_path / "made", [whole, {"file": "w.mp4", "entry": "i1"}, ""], "deep/v.mp4", "w.mp4")
    found = read_videos(str(place))
    assert found.faults == []
    assert found.entries == [
        VideoEntry(
            name="deep/v.mp4", file=place / "deep/v.mp4", entry="i0", prompt="", seed=7, clip_id="c", person="p",
            picture=place / "../suite/a.png", reference=place / "../suite/a.mp4", partner="i1",
            asked={"light": "dim"}, groups={"gender": "female", "age": None},
        ),
        VideoEntry("w.mp4", place / "w.mp4", entry="i1"),
    ]  # fmt: skip


WRONG: list[tuple[Any, str, str]] = [
    (
        {"file": "b.mp4", "promt": "x"},
        "videos.jsonl line 2",
        "it has the unknown field 'promt'; allowed are file,",
    ),
    ({"file": "gone.mp4"}, "gone.mp4", "there is no such file, which line 2 names"),
    ({"file": "./a.mp4"}, "./a.mp4", "line 2 names it, as line 1 does; it counts once"),
    ({"file": "b.mp4", "entry": "one"}, "b.mp4", "line 2 gives it the entry 'one', which line 1 has"),
    ({"entry": "two"}, "videos.jsonl line 2", 'it has no "file", the path of its video'),
    ({"file": 3}, "videos.jsonl line 2", "its file is 3; it must be the path of a video, or null"),
    (
        {"file": "b.mp4", "seed": "7"},
        "videos.jsonl line 2",
        'its seed is "7"; it must be a whole number, or null',
    ),
    ({"file": "b.mp4", "seed": True}, "videos.jsonl line 2", "its seed is true; it must be a whole number"),
    (
        {"file": "b.mp4", "asked": {"a": 1}},
        "videos.jsonl line 2",
        'its asked is {"a": 1}; it must be an object',
    ),
    (
        {"file": "b.mp4", "groups": []},
        "videos.jsonl line 2",
        "its groups is []; it must be an object of texts",
    ),
    ("{", "videos.jsonl line 2", "it is not JSON ("),
    ("[1]", "videos.jsonl line 2", "it is list, not an object of fields"),
]


@pytest.mark.parametrize(("line", "video", "why"), WRONG, ids=[w[:24] for *_, w in WRONG])
def test_a_line_that_cannot_be_used_is_told_and_the_others_are_read(
    tmp_path: Path, line: Any, video: str, why: str
) -> None:
    place = folder_of(
        tmp_path, [{"file": "a.mp4", "entry": "one"}, line, {"file": "c.mp4"}], "a.mp4", "b.mp4", "c.mp4"
    )
    found = read_videos(place)
    assert [e.name for e in found.entries] == ["a.mp4", "c.mp4"]
    assert found.faults[0].video == video
    assert found.faults[0].message.startswith(why)
    # b.mp4 is there: where its own line does not name it, it is told that none does
    rest = (
        [] if video == "b.mp4" else [Fault("b.mp4", "videos.jsonl does not name it, so it is not measured")]
    )
    assert found.faults[1:] == rest


def test_a_video_is_used_without_a_picture_reference_or_partner_that_is_missing(tmp_path: Path) -> None:
    lines: list[Any] = [
        {"file": "a.mp4", "entry": "a", "picture": "gone.png", "reference": "gone.mp4", "partner": "b"},
        {"file": "gone.mp4", "entry": "b"},
        {"file": "c.mp4", "entry": "c", "partner": "c"},
    ]
    found = read_videos(folder_of(tmp_path, lines, "a.mp4", "c.mp4"))
    assert [(e.entry, e.picture, e.reference, e.partner) for e in found.entries] == [
        ("a", None, None, None), ("c", None, None, None)
    ]  # fmt: skip
    told = {(f.video, f.message.split(";")[0]) for f in found.faults}
    assert told == {
        ("a.mp4", f"its picture gone.png is no file below {tmp_path}"),
        ("a.mp4", f"its reference gone.mp4 is no file below {tmp_path}"),
        ("gone.mp4", "there is no such file, which line 2 names"),
        ("a.mp4", "its partner 'b' is no entry that can be used"),
        ("c.mp4", "its partner 'c' is itself"),
    }


def test_bytes_that_are_no_text_and_separators_inside_a_text_do_not_break_lines(tmp_path: Path) -> None:
    place = folder_of(tmp_path, [], "a.mp4")
    line = json.dumps({"file": "a.mp4", "prompt": "one\u2028two\x85three"}, ensure_ascii=False)
    (place / "videos.jsonl").write_bytes(b"\xef\xbb\xbf" + line.encode() + b"\r\n\xff\xfe\n")
    found = read_videos(place)
    assert [e.prompt for e in found.entries] == ["one\u2028two\x85three"]
    assert [f.video for f in found.faults] == ["videos.jsonl line 2"]


def test_where_no_line_can_be_used_the_first_fault_is_said(tmp_path: Path) -> None:
    with pytest.raises(
        BenchError, match=r"no line of .* can be used\. The first fault: gone\.mp4: there is no"
    ):
        read_videos(folder_of(tmp_path, [{"file": "gone.mp4"}]))
    with pytest.raises(BenchError, match="it has no line"):
        read_videos(folder_of(tmp_path, []))
