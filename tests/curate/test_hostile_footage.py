"""A folder with every kind of odd and broken footage: what the user gets from one build over all of it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from messy import Messy

import facevid
from facevid.cli import main
from facevid.media import read_clip_frames, read_slice

ODD = (
    "avi.avi broken_off.mp4 copy.mp4 fps_60.mp4 fps_8.mp4 matroska.mkv negative_start.ts no_sound.mp4 odd_size.mkv "
    "quicktime.mov ten_bit.mp4 turned.mp4 two_sounds.mkv uhd.mp4 variable_rate.mp4 webm.webm"
).split()
BAD = {
    "empty.mp4": ("scan", "empty", "empty.mp4 has no bytes"),
    "text.mp4": ("scan", "not_media", "text.mp4 is not a video file"),
    "voice_only.mp4": ("scan", "no_video", "voice_only.mp4 has no video stream"),
    "no_index.mp4": ("scan", "unreadable", "begins like a video but its index cannot be read"),
    "crashes.mp4": ("analyze", "crash", "The process working on it was killed by SIGSEGV, tried 2 times"),
    "hangs.mp4": ("analyze", "timeout", "It was not finished within its 5 s, tried 2 times"),
    "bug.mp4": ("analyze", "bug", "ZeroDivisionError: the detector divided by zero"),
}


def rows(messy: Messy, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = facevid.open(messy.dataset).to_arrow(table).to_pylist()
    return found


def source(messy: Messy, name: str) -> dict[str, Any]:
    (row,) = [r for r in rows(messy, "sources") if r["source_name"] == name]
    return row


def clip(messy: Messy, name: str) -> dict[str, Any]:
    (row,) = [r for r in rows(messy, "clips") if r["source_name"] == name]
    return row


@pytest.mark.parametrize("name", ODD)
def test_an_odd_file_gives_its_clip(messy: Messy, name: str) -> None:
    row = clip(messy, name)
    assert row["start_s"] == 0
    assert row["fps"] == 25
    shard = messy.dataset / "media" / row["shard"]
    pictures = read_clip_frames(read_slice(shard, offset=row["mp4_offset"], size=row["mp4_size"]), None)
    assert pictures.shape == (row["frames"], 128, 128, 3)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_ends_in_failed_with_its_kind_and_a_sentence(messy: Messy, name: str) -> None:
    step, kind, sentence = BAD[name]
    (row,) = [r for r in rows(messy, "failed") if r["item"] == name]
    assert (row["step"], row["kind"]) == (step, kind)
    assert sentence in row["message"]
    assert re.fullmatch(r"\S.*\.", row["message"]), "one sentence in one line"
    assert str(messy.dataset.parent) not in row["message"], "what is published names no path of this machine"


def test_the_summary_counts_the_failed_by_kind(messy: Messy) -> None:
    summary = messy.summary
    assert summary.failed == len(BAD)
    assert sum(summary.failed_by_kind.values()) == len(BAD)
    assert {f["item"] for f in summary.failures} == set(BAD)
    assert summary.failed_by_kind["crash"] == summary.failed_by_kind["timeout"] == 1
    assert summary.clips == len(ODD)
    json.dumps(summary.to_dict())


def test_the_exit_code_and_the_last_line_say_how_many_failed(
    messy: Messy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = Path(shutil.copytree(messy.dataset, tmp_path / "dataset"))
    code = main(["build", str(messy.footage), "-o", str(dataset)])
    captured = capsys.readouterr()
    assert code == 1
    assert re.search(rf"\b{len(BAD)}\b.*failed", captured.out.rstrip().splitlines()[-1]), captured.out


def test_nothing_is_lost_between_the_tables(messy: Messy) -> None:
    files = {p.name for p in messy.footage.iterdir()}
    ended = {r["source_name"] for table in ("clips", "rejected") for r in rows(messy, table)}
    ended |= {r["item"] for r in rows(messy, "failed")}
    assert files - ended == {"plain.mp4"}, "byte for byte copy.mp4, which names the source"


def test_footage_that_is_sound_but_not_wanted_is_rejected_with_its_reason(messy: Messy) -> None:
    reasons = {r["source_name"]: (r["reason"], r["score"]) for r in rows(messy, "rejected")}
    assert reasons == {"no_face.mp4": ("no_face", "faces"), "small_face.mp4": ("resolution", "face_px")}


def test_a_file_that_broke_off_is_used_as_far_as_it_goes_and_the_user_is_told(messy: Messy) -> None:
    (note,) = [n for n in messy.summary.notes if n.startswith("broken_off.mp4")]
    assert re.fullmatch(
        r"broken_off\.mp4 was used up to 1\.\d s: .*although its header promises 2\.4 s\.", note
    )
    assert 25 <= clip(messy, "broken_off.mp4")["frames"] < 45


def test_the_same_bytes_twice_are_one_source_and_the_user_is_told(messy: Messy) -> None:
    assert not [r for r in rows(messy, "sources") if r["source_name"] == "plain.mp4"]
    assert "Left aside as copies of other files, byte for byte: 1." in messy.summary.notes


def test_what_is_odd_is_written_down(messy: Messy) -> None:
    assert source(messy, "negative_start.ts")["start_time_s"] == pytest.approx(-0.4, abs=0.001)
    assert source(messy, "turned.mp4")["rotation"] in (90, 270)
    assert source(messy, "variable_rate.mp4")["variable_fps"]
    assert source(messy, "ten_bit.mp4")["bit_depth"] == 10
    assert (source(messy, "uhd.mp4")["width"], source(messy, "odd_size.mkv")["width"]) == (3840, 639)
    assert source(messy, "two_sounds.mkv")["audio_streams"] == 2


def test_turned_footage_is_cut_upright(messy: Messy) -> None:
    upright, turned = clip(messy, "copy.mp4"), clip(messy, "turned.mp4")
    crop = ("crop_x0", "crop_y0", "crop_x1", "crop_y1")
    assert [turned[c] for c in crop] == pytest.approx([upright[c] for c in crop], abs=6)


def test_the_sound_flagged_as_default_is_used(messy: Messy) -> None:
    scores = {r["source_name"]: r["speech_level"] for r in rows(messy, "clips")}
    assert scores["two_sounds.mkv"] == pytest.approx(scores["copy.mp4"], abs=1.0)


def test_a_source_without_sound_gives_clips_without_sound(messy: Messy) -> None:
    row = clip(messy, "no_sound.mp4")
    assert (row["audio"], row["flac_offset"]) == (False, None)


def test_the_face_is_one_person_in_every_container(messy: Messy) -> None:
    assert len({r["identity"] for r in rows(messy, "clips")}) == 1
    assert messy.summary.persons == 1


def test_a_second_build_on_the_folder_says_who_is_there_and_leaves(messy: Messy) -> None:
    assert len(messy.busy) == 1
    assert re.search(r"process \d+ on \S+, running since .* is working in .*: wait until", messy.busy[0])


def test_no_process_and_no_half_written_file_is_left(messy: Messy) -> None:
    assert not [
        p for p in messy.dataset.rglob("*") if ".tmp-" in p.name or p.name.endswith((".part", ".partial"))
    ]
    path = str(messy.dataset).encode()
    held = (
        [p for p in Path("/proc").glob("[0-9]*/cmdline") if path in _bytes(p)]
        if Path("/proc").is_dir()
        else []
    )
    assert held == []


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
