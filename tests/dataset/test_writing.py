"""A dataset written of clips of another: every byte of every clip arrives, and nothing of the clips left out."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import facevid.dataset
from facevid.dataset.annotating import update_annotations
from facevid.dataset.published import DatasetError
from facevid.dataset.sharing.choose import Choice
from facevid.dataset.sharing.own import write_own
from facevid.dataset.statements import Statement


def contents(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def annotate(folder: Path) -> list[str]:
    ids = facevid.dataset.open(folder).ids.to_pylist()
    said = [
        Statement(i, "attribute", "gender", "female" if k % 2 else "male", "annotator", who="ann")
        for k, i in enumerate(ids)
    ]
    said += [Statement(i, "caption", "medium", f"Clip number {k}.", "model:m") for k, i in enumerate(ids)]
    said.append(Statement("f" * 16 + "_000000_000007_0", "review", "keep", "reject", "annotator", who="ann"))
    update_annotations(folder, add=said)
    return ids


def test_every_chosen_clip_arrives_byte_for_byte_and_no_other(published: Path, tmp_path: Path) -> None:
    ids = annotate(published)
    source = facevid.dataset.open(published)
    chosen = source.select([ids[k] for k in (30, 2, 17, 5, 4)])
    write_own(Choice(chosen), tmp_path / "out", shard_bytes=30_000)
    got = facevid.dataset.open(tmp_path / "out")
    assert got.ids.to_pylist() == sorted(chosen.ids.to_pylist())
    assert len(got.shards()) > 1
    for clip in got:
        before = source[clip.clip_id]
        members = ("mp4", "flac", "json") if before.has_audio else ("mp4", "json")
        assert [clip.read(m) for m in members] == [before.read(m) for m in members]
        assert (clip.mesh == before.mesh).all() and (clip.pose == before.pose).all()
        same = set(clip.row) - {"shard", "mp4_offset", "flac_offset", "json_offset"}
        assert {k: str(clip.row[k]) for k in same} == {k: str(before.row.get(k)) for k in same}
    everything = b"".join(p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file())
    assert not [i for i in ids if i not in chosen and i.encode() in everything]
    assert set(got.annotations.fetchnumpy()["clip_id"]) == set(chosen.ids.to_pylist())


def test_keypoints_lie_in_the_part_of_their_shard_in_the_order_of_its_members(
    published: Path, tmp_path: Path
) -> None:
    ids = facevid.dataset.open(published).ids.to_pylist()
    order = [3, 0, 2, 1, 5, 4]
    write_own(
        Choice(facevid.dataset.open(published).select(ids[:6])),
        tmp_path / "out",
        order=order,
        breaks=[2],
        shard_bytes=10**9,
    )
    rows = pq.read_table(tmp_path / "out" / "clips").to_pylist()
    for number, wanted in enumerate((order[:2], order[2:])):
        here = [r for r in rows if r["shard"] == f"shard-{number:05d}.tar"]
        in_shard = [r["clip_id"] for r in sorted(here, key=lambda r: r["mp4_offset"])]
        part = pq.read_table(tmp_path / "out" / "keypoints" / f"part-{number:05d}.parquet")
        assert in_shard == part["clip_id"].to_pylist() == [ids[k] for k in wanted]


def test_a_choice_leaves_rejected_and_failed_behind_and_the_whole_takes_them(
    published: Path, tmp_path: Path
) -> None:
    annotate(published)
    source = facevid.dataset.open(published)
    write_own(Choice(source), tmp_path / "whole")
    write_own(Choice(source.where("source_name = 'talk_1.mp4'")), tmp_path / "part")
    whole, part = (facevid.dataset.open(tmp_path / n) for n in ("whole", "part"))
    sizes = {t: [len(d.to_arrow(t)) for d in (whole, part)] for t in ("sources", "rejected", "failed")}
    assert sizes == {"sources": [3, 1], "rejected": [1, 0], "failed": [1, 0]}
    reviews = [
        d.sql("select count(*) from annotations where kind = 'review'").fetchall() for d in (whole, part)
    ]
    assert reviews == [[(1,)], [(0,)]]  # the review of a clip that has left is of use to the whole only
    counts = part.manifest.about["counts"]
    assert counts["clips"] == 13 and counts["sources"] == 1 and counts["identities"] == 2
    assert counts["seconds"] == pytest.approx(13 * 8 / 25)
    made = part.manifest.about["made_from"][0]
    assert (made["clips"], made["of_clips"], made["chosen"]) == (13, 40, ["where source_name = 'talk_1.mp4'"])


def test_the_same_shards_are_linked_and_writing_again_changes_nothing(
    published: Path, tmp_path: Path
) -> None:
    source = facevid.dataset.open(published)
    write_own(Choice(source), tmp_path / "out", shard_bytes=200_000)
    shards = facevid.dataset.open(tmp_path / "out").shards()
    assert len(shards) > 1
    assert [p.stat().st_ino for p in shards] == [p.stat().st_ino for p in source.shards()]
    before = contents(tmp_path / "out")
    write_own(Choice(source), tmp_path / "out", shard_bytes=200_000)
    write_own(Choice(source), tmp_path / "fresh", shard_bytes=200_000)
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh") == before


def test_a_damaged_shard_is_named_and_nothing_is_published(published: Path, tmp_path: Path) -> None:
    source = facevid.dataset.open(published)
    shard = source.shards()[1]
    data = bytearray(shard.read_bytes())
    row = next(r for r in source.rows().to_pylist() if r["shard"] == shard.name)
    data[row["mp4_offset"] + 100] ^= 1
    shard.write_bytes(data)
    with pytest.raises(DatasetError, match=r"shard-00001.tar does not have the SHA-256"):
        write_own(Choice(source), tmp_path / "linked", shard_bytes=200_000)
    with pytest.raises(DatasetError, match=f"{row['clip_id']}.mp4 is damaged in the dataset it comes from"):
        write_own(Choice(source), tmp_path / "copied", shard_bytes=50_000)
    assert not (tmp_path / "linked" / "dataset.json").exists()
    assert not (tmp_path / "copied" / "dataset.json").exists()


def test_folders_of_others_are_refused(published: Path, tmp_path: Path) -> None:
    source = facevid.dataset.open(published)
    with pytest.raises(DatasetError, match="is the dataset that is read"):
        write_own(Choice(source), published)
    shutil.copytree(published, tmp_path / "built")
    with pytest.raises(DatasetError, match="is a dataset of its own"):
        write_own(Choice(source), tmp_path / "built")
    (tmp_path / "building" / ".work" / "cuts").mkdir(parents=True)
    with pytest.raises(DatasetError, match="holds an unfinished build"):
        write_own(Choice(source), tmp_path / "building")
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "beach.jpg").write_bytes(b"x")
    with pytest.raises(DatasetError, match="not empty"):
        write_own(Choice(source), tmp_path / "holiday")


def test_a_killed_writing_is_finished_by_the_next(published: Path, tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        import facevid.dataset
        from facevid.dataset.sharing.choose import Choice
        from facevid.dataset.sharing.own import write_own
        def die(done, total):
            if done == int(sys.argv[3]):
                os.kill(os.getpid(), signal.SIGKILL)
        write_own(Choice(facevid.dataset.open(sys.argv[1])), Path(sys.argv[2]), shard_bytes=100_000, on_shard=die)
        """
    )
    out = tmp_path / "out"
    code = subprocess.run([sys.executable, "-c", script, published, out, "2"], env=os.environ).returncode
    assert code == -signal.SIGKILL
    assert not (out / "dataset.json").exists()
    written = []
    finished = sorted(out.glob(".work/publish-*/media/*.tar"))
    assert len(finished) == 2
    stamps = [p.stat().st_ino for p in finished]
    write_own(
        Choice(facevid.dataset.open(published)),
        out,
        shard_bytes=100_000,
        on_shard=lambda k, n: written.append((k, n)),
    )
    assert [p.stat().st_ino for p in sorted((out / "media").glob("*.tar"))[:2]] == stamps
    write_own(Choice(facevid.dataset.open(published)), tmp_path / "fresh", shard_bytes=100_000)
    assert contents(out) == contents(tmp_path / "fresh")
    assert np.array_equal(facevid.dataset.open(out)[0].frames(), facevid.dataset.open(published)[0].frames())
