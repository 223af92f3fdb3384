"""Sources found in folders, globs and manifests, and what is said of each."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facevid import media
from facevid.curate.scan import (
    FootageError,
    Found,
    file_names,
    find_footage,
    scan_items,
    scan_step,
    sources_table,
)
from facevid.engine import StepError


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three tiny videos with different bytes."""
    folder = tmp_path_factory.mktemp("clips")
    out = []
    for n in range(3):
        path = folder / f"clip{n}.mp4"
        with media.VideoWriter(path, width=64, height=48, fps=25, audio_rate=16000) as video:
            for k in range(5):
                video.write(np.full((48, 64, 3), 40 * n + 10 * k, np.uint8))
            video.write_audio(np.zeros(3200, np.float32))
        out.append(path)
    return out


@pytest.fixture
def folder(tmp_path: Path, clips: list[Path]) -> Path:
    """one.mp4, deep/er/two.MOV, and what is no footage."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    shutil.copy(clips[0], tmp_path / "one.mp4")
    shutil.copy(clips[1], tmp_path / "deep" / "er" / "two.MOV")
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "._one.mp4").write_bytes(b"resource fork")
    return tmp_path


def names(found: list[Found]) -> list[str]:
    return [one.path.name for one in found]


def scanned(found: list[Found]) -> dict[str, dict[str, Any]]:
    return {item.key: scan_step(item.payload, None) for item in scan_items(found)}


def rows(found: list[Found]) -> list[dict[str, Any]]:
    return sources_table(found, scanned(found))


def test_a_folder_is_searched_through_and_through(folder: Path) -> None:
    assert names(find_footage(folder)) == ["two.MOV", "one.mp4"]


def test_a_build_inside_the_footage_is_no_footage(folder: Path, clips: list[Path]) -> None:
    inside = folder / "dataset" / ".work" / "clips" / "c1"
    inside.mkdir(parents=True)
    shutil.copy(clips[2], inside / "clip.mp4")
    assert names(find_footage(folder)) == ["two.MOV", "one.mp4"]


def test_links_to_folders_are_followed_once(folder: Path, clips: list[Path], tmp_path_factory: Any) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.copy(clips[2], elsewhere / "three.mp4")
    (folder / "link").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(folder)
    assert sorted(names(find_footage(folder))) == ["one.mp4", "three.mp4", "two.MOV"]


def test_globs_files_and_folders_may_be_mixed_and_each_file_counts_once(folder: Path) -> None:
    given = [str(folder / "*.mp4"), folder / "deep", folder / "one.mp4", str(folder / "**" / "*.MOV")]
    assert names(find_footage(given)) == ["two.MOV", "one.mp4"]


def test_a_file_that_is_named_is_taken_whatever_its_ending(folder: Path) -> None:
    assert names(find_footage([folder / "notes.txt"])) == ["notes.txt"]


def test_a_file_whose_name_looks_like_a_glob_is_itself(folder: Path) -> None:
    (folder / "a[1].mp4").write_bytes((folder / "one.mp4").read_bytes())
    assert names(find_footage(str(folder / "a[1].mp4"))) == ["a[1].mp4"]


def test_the_order_of_sources_does_not_depend_on_how_they_were_given(folder: Path) -> None:
    one, two = folder / "one.mp4", folder / "deep" / "er" / "two.MOV"
    assert find_footage([one, two]) == find_footage([two, one]) == find_footage(folder)


def test_footage_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FootageError, match=r"no .*none\.mp4"):
        find_footage(tmp_path / "none.mp4")
    with pytest.raises(FootageError, match=r"\*\.avi"):
        find_footage(str(tmp_path / "*.avi"))


def test_a_folder_without_video_says_what_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(FootageError, match=r"no video.*\.mkv"):
        find_footage(tmp_path)
    with pytest.raises(FootageError, match="no video in nothing"):
        find_footage([])


FACTS = {
    "url": "https://example.org/1",
    "licence": "CC-BY-4.0",
    "consent": "form 7",
    "collected_by": "lab",
    "language": "de",
}


def written(folder: Path, kind: str, *entries: dict[str, Any]) -> Path:
    path = folder / f"manifest.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(list(entries)), path)
    elif kind == "jsonl":
        path.write_text("\n".join(json.dumps(e) for e in entries) + "\n\n", encoding="utf-8")
    else:
        columns = list(dict.fromkeys(name for entry in entries for name in entry))
        lines = [",".join(columns)] + [",".join(str(e.get(c, "")) for c in columns) for e in entries]
        path.write_text("\n".join(lines), encoding="utf-8-sig")
    return path


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_manifest_says_where_and_what_each_source_is(folder: Path, kind: str) -> None:
    entry = {"path": "one.mp4", **FACTS, "age": "34", "gender": "female"}
    (one,) = find_footage(written(folder, kind, entry))
    assert one.path == folder / "one.mp4"
    assert dict(one.facts) == FACTS
    assert dict(one.self_reported) == {"age": "34", "gender": "female"}


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_what_a_manifest_leaves_open_is_unknown(folder: Path, kind: str) -> None:
    first = {"path": "one.mp4", "licence": "CC0", "age": "20"}
    found = find_footage(written(folder, kind, first, {"path": "deep/er/two.MOV", "licence": "", "age": ""}))
    two = next(f for f in found if f.path.name == "two.MOV")
    assert two.facts == dict.fromkeys(FACTS)
    assert two.self_reported == {}


def test_self_reported_attributes_may_come_as_one_object(folder: Path) -> None:
    stated = {"age": 34, "languages": ["de", "tr"]}
    (one,) = find_footage(
        written(folder, "jsonl", {"path": "one.mp4", "self_reported": stated, "height": 170})
    )
    assert one.self_reported == {**stated, "height": 170}
    (one,) = find_footage(
        written(folder, "parquet", {"path": "one.mp4", "self_reported": json.dumps(stated)})
    )
    assert one.self_reported == stated
    assert json.loads(rows([one])[0]["self_reported"]) == stated


def test_a_number_that_is_not_one_is_unknown(folder: Path) -> None:
    (one,) = find_footage(
        written(folder, "parquet", {"path": "one.mp4", "age": float("nan"), "url": float("nan")})
    )
    assert one.self_reported == {}
    assert one.facts["url"] is None


def test_a_manifest_may_name_files_outside_its_folder(folder: Path) -> None:
    path = written(folder / "deep", "csv", {"path": "../one.mp4"}, {"path": str(folder / "deep/er/two.MOV")})
    assert names(find_footage(path)) == ["two.MOV", "one.mp4"]


def test_what_a_manifest_says_holds_though_the_folder_is_given_too(folder: Path) -> None:
    path = written(folder, "csv", {"path": "one.mp4", "licence": "CC0"})
    for given in ([folder, path], [path, folder]):
        found = {f.path.name: f for f in find_footage(given)}
        assert found["one.mp4"].facts["licence"] == "CC0"
        assert set(found) == {"one.mp4", "two.MOV"}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "file\nx.mp4\n", "row 1: there is no path"),
        ("a.csv", "path,age\nx.mp4,3,4\n", "more values than columns"),
        ("a.jsonl", '{"path": "x.mp4"}\n[1]\n', "line 2: must be a JSON object"),
        ("a.jsonl", "{", "cannot be read"),
        (
            "a.jsonl",
            '{"path": "x.mp4", "self_reported": "old"}',
            "row 1: self_reported must be a JSON object",
        ),
        ("a.jsonl", '{"path": "x.mp4", "self_reported": [1]}', "row 1: self_reported must be a JSON object"),
        ("a.parquet", "no parquet", "cannot be read"),
        ("a.csv", "path\n", "There is no video"),
    ],
)
def test_a_manifest_that_cannot_be_used_says_where_it_is_wrong(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(FootageError, match=said) as caught:
        find_footage(tmp_path / name)
    assert name in str(caught.value)


def test_a_file_that_a_manifest_names_and_is_not_there_fails_by_itself(folder: Path) -> None:
    found = find_footage(written(folder, "csv", {"path": "one.mp4"}, {"path": "gone.mp4"}))
    assert names(found) == ["gone.mp4", "one.mp4"]
    gone = next(scan_items(found))
    with pytest.raises(StepError, match=r"gone\.mp4 is not there") as caught:
        scan_step(gone.payload, None)
    assert caught.value.kind == "missing"


def test_a_folder_in_place_of_a_file_fails_by_itself(folder: Path) -> None:
    (one,) = find_footage(written(folder, "csv", {"path": "deep"}))
    with pytest.raises(StepError, match="deep is a folder") as caught:
        scan_step(next(scan_items([one])).payload, None)
    assert caught.value.kind == "unreadable"


def test_a_file_that_is_no_video_fails_with_its_kind(folder: Path) -> None:
    (folder / "empty.mp4").write_bytes(b"")
    for name in ("empty.mp4", "notes.txt"):
        with pytest.raises(StepError, match=name):
            scan_step({"_path": str(folder / name), "stamp": [0, 0]}, None)


def test_a_source_is_hashed_and_probed(folder: Path) -> None:
    (row,) = rows(find_footage(folder / "one.mp4"))
    digest = hashlib.sha256((folder / "one.mp4").read_bytes()).hexdigest()
    assert (row["sha256"], row["source_id"]) == (digest, digest[:16])
    assert row["size_bytes"] == (folder / "one.mp4").stat().st_size
    assert (row["width"], row["height"], row["fps"], row["variable_fps"]) == (64, 48, 25.0, False)
    assert (row["audio_streams"], row["audio_rate"], row["audio_channels"]) == (1, 16000, 1)
    assert row["video_codec"] == "h264"
    assert (row["source_name"], row["path"], row["copies"]) == ("one.mp4", str(folder / "one.mp4"), 1)


def test_the_same_bytes_twice_are_one_source(folder: Path) -> None:
    shutil.copy(folder / "one.mp4", folder / "deep" / "again.mp4")
    found = rows(find_footage(folder))
    assert [(r["source_name"], r["copies"]) for r in found] == [("again.mp4", 2), ("two.MOV", 1)]


def test_what_is_known_of_a_copy_fills_what_the_first_leaves_open(folder: Path) -> None:
    shutil.copy(folder / "one.mp4", folder / "z.mp4")
    first = Found(folder / "one.mp4", {"licence": "CC0"})
    copy = Found(folder / "z.mp4", {"licence": "other", "language": "fr"}, {"age": 40})
    (row,) = rows([copy, first])
    assert (row["source_name"], row["licence"], row["language"]) == ("one.mp4", "CC0", "fr")
    assert json.loads(row["self_reported"]) == {"age": 40}


def test_files_of_one_name_are_told_apart_by_their_folder(tmp_path: Path, clips: list[Path]) -> None:
    for n, place in enumerate(("a/day", "b/day", "c")):
        (tmp_path / place).mkdir(parents=True)
        shutil.copy(clips[n], tmp_path / place / "take.mp4")
    found = find_footage(tmp_path)
    table = rows(found)
    assert len({r["source_name"] for r in table}) == 3
    assert {r["path"]: r["source_name"] for r in table}[str(tmp_path / "a/day/take.mp4")] == "take.mp4"
    assert {r["source_name"] for r in table} >= {"take.mp4", "day/take.mp4"}
    assert file_names(found)[str(tmp_path / "c/take.mp4")] == "c/take.mp4"


def test_a_file_that_failed_is_no_source(folder: Path) -> None:
    found = find_footage(folder)
    facts = scanned(found)
    del facts[str(folder / "one.mp4")]
    assert [r["source_name"] for r in sources_table(found, facts)] == ["two.MOV"]


def test_a_file_that_changes_on_disk_is_scanned_again(folder: Path) -> None:
    found = find_footage(folder / "one.mp4")
    (before,) = scan_items(found)
    assert next(scan_items(found)).payload == before.payload
    os.utime(folder / "one.mp4", ns=(1, 1))
    assert next(scan_items(found)).payload["stamp"] != before.payload["stamp"]
