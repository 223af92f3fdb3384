"""`verify` finds every fault that is planted in a sound dataset, names it, and finds none in a sound one."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import fsspec
import planting
import pyarrow as pa
import pytest
from fsspec.implementations.memory import MemoryFile
from packing import work
from planting import Plant, appended, clip, first, manifest, patch, renamed, rewritten, rows, table

import facevid
from facevid.cli import main
from facevid.curate.pack import pack_dataset
from facevid.dataset.annotating import update_annotations
from facevid.dataset.choosing.subset_file import SubsetFile
from facevid.dataset.published import DatasetError, PublishedFile
from facevid.dataset.removing import tombstones
from facevid.dataset.statements import Statement
from facevid.dataset.storage import RemoteFolder
from facevid.dataset.verifying.faults import MEND

SHA = "ab" * 32


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve clips of two people in several shards, annotated, with a subset and a split."""
    base = tmp_path_factory.mktemp("sound")
    tables = work(base / "cut", 12, silent=(2,))
    sources = tables.sources.append_column("sha256", pa.array([SHA, "cd" * 32, "ef" * 32]))
    sources = sources.append_column("height", pa.array([480] * 3, pa.int32()))
    sources = sources.append_column("duration_s", pa.array([60.0] * 3))
    folder = base / "dataset"
    pack_dataset(
        folder,
        tables=dataclasses.replace(tables, sources=sources),
        clip_folder=base / "cut",
        recipe={"fps": 25.0},
        name="small",
        shard_bytes=60_000,
    )
    ids = facevid.open(folder).to_arrow("clips")["clip_id"].to_pylist()
    said = [Statement(i, "attribute", "gender", "female", "self") for i in ids]
    said += [Statement(i, "action", "smile", "", "measured:mesh", 0.5, 0.0, 0.2) for i in ids]
    update_annotations(folder, add=said)
    people = dict(zip(ids, facevid.open(folder).to_arrow("clips")["identity"].to_pylist(), strict=True))
    parts = {p: tuple(i for i in ids if people[i] == w) for p, w in (("train", "p0"), ("test", "p1"))}
    SubsetFile("halves", "small", parts=parts).write(folder / "subsets/halves.json")
    SubsetFile("few", "small", ids=tuple(ids[:3])).write(folder / "subsets/few.json")
    shutil.rmtree(folder / ".work", ignore_errors=True)
    return folder


def _subset(folder: Path, **content: Any) -> None:
    SubsetFile("few", "small", **content).write(folder / "subsets/few.json", replace=True)


def _changed_subset(folder: Path) -> None:
    path = folder / "subsets/few.json"
    path.write_text(path.read_text().replace(clip(folder)["clip_id"], clip(folder, 5)["clip_id"]))


def _mixed(folder: Path) -> None:
    _subset(folder, parts={"a": (_of(folder, "p0")[0],), "b": (_of(folder, "p0")[1],)})


def _of(folder: Path, person: str) -> list[str]:
    found = facevid.open(folder).to_arrow("clips")
    return [r["clip_id"] for r in found.to_pylist() if r["identity"] == person]


def _cut_short(folder: Path) -> None:
    path = folder / "failed/part-00000.parquet"
    path.write_bytes(path.read_bytes()[:-5])


def _flipped(folder: Path) -> None:
    path = folder / "rejected/part-00000.parquet"
    data = bytearray(path.read_bytes())
    data[10] ^= 1
    path.write_bytes(bytes(data))


def _not_parquet(folder: Path) -> None:
    (folder / "failed/part-00000.parquet").write_bytes(b"no parquet")
    planting.renew(folder, "failed/part-00000.parquet")


def _stale(folder: Path) -> None:
    path = folder / "croissant.json"
    content = json.loads(path.read_text())
    content["distribution"][0]["sha256"] = SHA
    path.write_text(json.dumps(content))


def _one_more_row(folder: Path) -> None:
    manifest(folder, lambda m: m["tables"]["failed"][0].update(rows=2))


def _listed_twice(folder: Path) -> None:
    manifest(folder, lambda m: m["tables"]["failed"].append(m["tables"]["failed"][0]))


def _longer_sound(folder: Path) -> None:
    """The flac of the first clip says nothing of its length and has a header for twice the picture."""
    first(folder, fps=12.5)


def _points(folder: Path, **values: Any) -> None:
    rows(folder, "keypoints", lambda found: found[0].update(values))


def _swapped(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [found[1], found[0], *found[2:]]


def _json(folder: Path) -> None:
    row = clip(folder)
    text = json.dumps({"clip_id": row["clip_id"], "frames": 99}).encode()
    rewritten(folder, "json", text.ljust(row["json_size"]))


def _said(folder: Path, **values: Any) -> None:
    rows(folder, "annotations", lambda found: found[0].update(values))


_A = "0000000000000000_0"  # how the id of the first clip begins
_S0, _K0 = "media/shard-00000.tar", "keypoints/part-00000.parquet"

_DECODED = ("clip_undecodable", "clip_frames", "clip_size", "clip_audio")

PLANTS: list[tuple[str, str, Plant]] = [
    ("file_missing", "rejected/part-00000.parquet", lambda f: (f / "rejected/part-00000.parquet").unlink()),
    ("file_size", "failed/part-00000.parquet", _cut_short),
    ("file_damaged", "rejected/part-00000.parquet", _flipped),
    ("file_twice", "failed/part-00000.parquet", _listed_twice),
    ("file_unlisted", "media/mine.tar", lambda f: (f / "media/mine.tar").write_bytes(b"x") and None),
    (
        "leftover",
        "clips/part-00000.parquet.partial",
        lambda f: (f / "clips/part-00000.parquet.partial").touch(),
    ),
    ("takedown_pending", "takedown-pending.json", lambda f: (f / "takedown-pending.json").touch()),
    ("document_missing", "README.md", lambda f: (f / "README.md").unlink()),
    ("document_stale", "croissant.json", _stale),
    ("manifest_counts", "dataset.json", lambda f: manifest(f, lambda m: m["counts"].update(identities=3))),
    ("table_unreadable", "failed/part-00000.parquet", _not_parquet),
    (
        "table_columns",
        "sources/part-00000.parquet",
        lambda f: table(f, "sources", lambda t: t.drop_columns(["fps"])),
    ),
    (
        "table_type",
        "clips/part-00000.parquet",
        lambda f: table(f, "clips", lambda t: t.set_column(3, "track", t["track"].cast(pa.int64()))),
    ),
    ("table_rows", "failed/part-00000.parquet", _one_more_row),
    ("source_twice", "sources 0000000000000000", lambda f: rows(f, "sources", lambda r: [*r, r[0]])),
    ("clip_twice", f"clips {_A}", lambda f: rows(f, "clips", lambda r: [r[0], *r])),
    ("clip_order", f"clips {_A}", lambda f: rows(f, "clips", _swapped)),
    ("clip_name", f"clips {_A}", lambda f: first(f, track=7)),
    ("clip_source", f"clips {_A}", lambda f: first(f, source_id="f" * 16)),
    (
        "rejected_source",
        "rejected ffff",
        lambda f: rows(f, "rejected", lambda r: r[0].update(source_id="ffff")),
    ),
    ("clip_shard", f"clips {_A}", lambda f: first(f, shard="shard-00099.tar")),
    ("clip_time", f"clips {_A}", lambda f: first(f, end_s=0.0)),
    ("clip_box", f"clips {_A}", lambda f: first(f, crop_x1=641)),
    ("clip_sound", f"clips {_A}", lambda f: first(f, audio=False)),
    ("clip_person", f"clips {_A}", lambda f: first(f, identity="")),
    (
        "split_person",
        "clips p0",
        lambda f: rows(f, "clips", lambda r: [{**x, "split": "ab"[k % 2]} for k, x in enumerate(r)]),
    ),
    ("split_person", "subsets/few.json p0", _mixed),
    (
        "taken_down",
        "sources 0000000000000000",
        lambda f: tombstones.add(f, sources=[tombstones.source_mark(SHA)]) and None,
    ),
    (
        "taken_down",
        f"clips {_A}",
        lambda f: tombstones.add(f, seconds=[tombstones.second_mark(SHA, 0)]) and None,
    ),
    ("label_stranger", "annotations f", lambda f: _said(f, clip_id="f")),
    (
        "label_invalid",
        f"annotations {_A}",
        lambda f: _said(f, kind="attribute", name="gender", value="tall"),
    ),
    (
        "label_time",
        f"annotations {_A}",
        lambda f: _said(f, kind="action", name="smile", start_s=0.0, end_s=9.0),
    ),
    (
        "keypoints_missing",
        f"{_K0} {_A}",
        lambda f: rows(f, "keypoints", lambda r: r[1:]),
    ),
    ("keypoints_orphan", f"{_K0} stranger", lambda f: _points(f, clip_id="stranger")),
    (
        "keypoints_order",
        f"{_K0} 0000000000000000_",
        lambda f: rows(f, "keypoints", _swapped),
    ),
    ("keypoints_frames", f"{_K0} {_A}", lambda f: _points(f, frames=7)),
    ("keypoints_shape", f"{_K0} {_A}", lambda f: _points(f, pose=[0.0])),
    ("shard_damaged", _S0, lambda f: patch(f, clip(f)["json_offset"] - 300, b"?" * 50)),
    (
        "shard_members",
        _S0,
        lambda f: manifest(f, lambda m: m["shards"][0].update(rows=99)),
    ),
    (
        "member_missing",
        "media/shard-00001.tar 0000000000000000_0",
        lambda f: first(f, shard="shard-00001.tar", mp4_offset=7),
    ),
    ("member_orphan", f"{_S0} stranger.mp4", lambda f: appended(f, "stranger.mp4", b"x")),
    (
        "member_twice",
        f"{_S0} {_A}",
        lambda f: appended(f, f"{clip(f)['clip_id']}.mp4", b"x"),
    ),
    (
        "member_place",
        f"{_S0} {_A}",
        lambda f: first(f, mp4_size=clip(f)["mp4_size"] - 1),
    ),
    ("member_name", f"{_S0} {_A}", lambda f: renamed(f, "other.mp4")),
    (
        "member_overlap",
        f"{_S0} 0000000000000000_",
        lambda f: first(f, mp4_size=clip(f)["mp4_size"] + 9000),
    ),
    (
        "member_damaged",
        f"{_S0} {_A}",
        lambda f: patch(f, clip(f)["mp4_offset"] + 900, b"!!"),
    ),
    ("json_differs", f"{_S0} {_A}", _json),
    (
        "clip_undecodable",
        f"{_S0} {_A}",
        lambda f: rewritten(f, "mp4", b"no video"),
    ),
    ("clip_frames", f"{_S0} {_A}", lambda f: first(f, frames=9)),
    ("clip_size", f"{_S0} {_A}", lambda f: first(f, width=32)),
    ("clip_audio", f"{_S0} {_A}", _longer_sound),
    ("subset_damaged", "subsets/few.json", _changed_subset),
    ("subset_stranger", "subsets/few.json", lambda f: _subset(f, ids=("gone",))),
    ("subset_twice", "subsets/few.json", lambda f: _subset(f, ids=(clip(f)["clip_id"],) * 2)),
]


def at_address(folder: Path) -> str:
    """The address of a copy in the memory of this process."""
    fs = fsspec.filesystem("memory")
    for name in [n for n in fs.store if n.startswith("/checked/")]:
        del fs.store[name]
    for path in folder.rglob("*"):
        if path.is_file():
            fs.pipe(f"/checked/{path.relative_to(folder)}", path.read_bytes())
    return "memory://checked"


def test_a_sound_dataset_at_an_address_has_no_fault_and_unlisted_work_is_left_alone(sound: Path) -> None:
    address = at_address(sound)
    fsspec.filesystem("memory").pipe("/checked/.work/state.tar", b"x")
    found, local = facevid.verify(address), facevid.verify(sound)
    assert found.faults == () and found.dataset == address
    assert (found.files, found.clips, found.bytes, found.decoded) == (
        local.files, local.clips, local.bytes, local.decoded,
    )  # fmt: skip


def test_a_sound_dataset_has_no_fault(sound: Path) -> None:
    found = facevid.verify(sound)
    assert [f.to_dict() for f in found.faults] == []
    assert found.sound and found.clips == 12 and found.decoded == 12
    assert found.bytes == sum(p.stat().st_size for t in ("clips", "sources", "rejected", "failed", "keypoints",
                              "annotations", "media") for p in (sound / t).iterdir())  # fmt: skip


@pytest.mark.parametrize(("kind", "where", "plant"), PLANTS, ids=[f"{k}-{w[:24]}" for k, w, _ in PLANTS])
def test_a_planted_fault_is_found_and_named(
    sound: Path, tmp_path: Path, kind: str, where: str, plant: Plant
) -> None:
    folder = tmp_path / "dataset"
    shutil.copytree(sound, folder)
    plant(folder)
    found = facevid.verify(folder, workers=1, decode="all" if kind in _DECODED else 0)
    assert any(f.kind == kind and f.where.startswith(where) for f in found.faults), found.faults
    assert all(f.what.strip() and f.mend for f in found.faults)
    there = facevid.verify(at_address(folder), workers=1, decode="all" if kind in _DECODED else 0)
    assert [(f.kind, f.where) for f in there.faults] == [(f.kind, f.where) for f in found.faults]


def test_a_shard_that_was_cut_off_is_told_the_same_way_at_an_address(sound: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    shutil.copytree(sound, folder)
    shard = folder / _S0
    shard.write_bytes(shard.read_bytes()[: shard.stat().st_size // 2 - 77])
    found = facevid.verify(folder, decode="all")
    assert found.kinds.keys() >= {"file_size", "shard_damaged", "clip_undecodable"}
    assert facevid.verify(at_address(folder), decode="all").faults == found.faults
    quick = facevid.verify(folder, quick=True)
    assert facevid.verify(at_address(folder), quick=True).faults == quick.faults and not quick.sound


def test_markers_of_folders_in_a_store_are_no_files(sound: Path) -> None:
    address = at_address(sound)
    for name in ("/checked/media/", "/checked/empty/"):
        fsspec.filesystem("memory").store[name] = MemoryFile(None, name, b"")
    assert facevid.verify(address).faults == ()


def test_a_quick_check_at_an_address_moves_headers_and_no_content(
    sound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = at_address(sound)
    moved: list[int] = []
    plain = RemoteFolder.read

    def read(self: RemoteFolder, file: PublishedFile, offset: int, size: int) -> bytes:
        moved.append(size)
        return plain(self, file, offset, size)

    monkeypatch.setattr(RemoteFolder, "read", read)
    assert facevid.verify(address, quick=True).sound
    # A header for each member, and the two empty blocks at the end of each shard.
    shards = len(list((sound / "media").iterdir()))
    assert moved and sum(moved) <= 512 * (3 * 12 + shards) + 10_240 * shards


def test_what_stands_in_the_way_of_a_check_of_a_folder_is_told(sound: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    shutil.copytree(sound, folder)
    (folder / _S0).unlink()
    (folder / _S0).mkdir()
    (folder / "README.md").unlink()
    (folder / "README.md").mkdir()
    (folder / "subsets" / "lost.json").symlink_to(tmp_path / "nowhere.json")
    checked = facevid.verify(folder)
    assert 0 < checked.decoded < 12, "those of the shard that is not there were not decoded"
    found = {(f.kind, f.where) for f in checked.faults}
    assert found == {
        ("file_missing", _S0), ("document_missing", "README.md"), ("subset_damaged", "subsets/lost.json"),
    }  # fmt: skip
    tombstones.add(folder, sources=[SHA])
    (folder / "tombstones.json").unlink()
    (folder / "tombstones.json").mkdir()
    with pytest.raises(DatasetError, match=r"tombstones\.json cannot be read"):
        facevid.verify(folder)


def test_every_kind_of_fault_is_planted_once() -> None:
    assert {kind for kind, _, _ in PLANTS} == set(MEND)


def test_quick_reads_no_content_and_still_compares_tables_and_headers(sound: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    shutil.copytree(sound, folder)
    patch(folder, clip(folder)["mp4_offset"] + 900, b"!!")
    assert facevid.verify(folder, quick=True).sound
    renamed(folder, "other.mp4")
    assert "member_name" in facevid.verify(folder, quick=True).kinds


def test_progress_counts_files_and_the_same_clips_are_decoded_each_time(sound: Path) -> None:
    seen: list[tuple[int, int]] = []
    found = facevid.verify(sound, decode=2, workers=2, on_progress=lambda p: seen.append((p.done, p.total)))
    assert found.decoded == 2
    assert seen[0][0] == 0 and seen[-1][0] == seen[-1][1] == found.files


def test_the_command_names_faults_and_ends_with_an_exit_code(
    sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(sound), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sound"] is True
    folder = tmp_path / "dataset"
    shutil.copytree(sound, folder)
    (folder / "README.md").unlink()
    assert main(["verify", str(folder), "--decode", "0"]) == 1
    shown = capsys.readouterr().out
    assert "README.md" in shown and "facevid card" in shown


def test_what_is_no_dataset_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is not a facevid dataset"):
        facevid.verify(tmp_path)
