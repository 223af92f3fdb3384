"""Takedown: no byte tells of what went, all else is as it was, and a kill at any moment is made good by a rerun."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import taking
from searching import found_in, windows
from taking import CLIPS, IDS, NAMES, PATHS, SHA, clip_name

import facevid
from facevid.annotate.session import annotate
from facevid.cli.app import main
from facevid.curate import takedown as driver
from facevid.curate.optout import OptOut, read_opt_out
from facevid.curate.takedown import takedown
from facevid.curate.work import Work
from facevid.dataset import publish
from facevid.dataset.annotating import update_annotations
from facevid.dataset.choosing.subset_file import read_subset
from facevid.dataset.published import DatasetError
from facevid.dataset.removing import takedown as steps
from facevid.dataset.removing import tombstones
from facevid.dataset.removing.removal import resolve
from facevid.dataset.removing.takedown import Takedown, TakedownError
from facevid.engine import FolderBusy, folder_lock, folder_used


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("takedown")
    taking.cut_all(place / "clips")
    return taking.dataset(place / "small", place / "clips")


@pytest.fixture
def small(tmp_path: Path, original: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "small"))


@pytest.fixture(autouse=True)
def quick_card(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting all that a card tells takes half of a small takedown, so only tests with `true_card` write it."""
    if "true_card" not in request.fixturenames:
        monkeypatch.setattr(publish, "write_documents", lambda *_, **__: None, raising=False)


@pytest.fixture
def true_card() -> None:
    """The test writes the card and croissant.json as a takedown does."""


def of_source(number: int) -> list[str]:
    return [c for c in CLIPS if c.startswith(IDS[number])]


def words_of_source(number: int) -> list[str]:
    name = NAMES[number]
    return [IDS[number], SHA[number], name, json.dumps(name)[1:-1], PATHS[number], f"watch/{number}"]


PERSON = [*of_source(3), clip_name(1, 0), clip_name(1, 1)]
CASES: dict[str, tuple[dict[str, Any], list[str], list[str]]] = {
    "clip": ({"clip": clip_name(0, 0)}, [clip_name(0, 0)], [clip_name(0, 0), f"{IDS[4]}_750_759_9"]),
    "clips": ({"clip": [clip_name(0, 1), clip_name(2, 3)]}, [clip_name(0, 1), clip_name(2, 3)], []),
    "source by name": ({"source": NAMES[2]}, of_source(2), words_of_source(2)),
    "source by id": ({"source": IDS[3]}, of_source(3), words_of_source(3)),
    "source by sha256": ({"source": SHA[0]}, of_source(0), [IDS[0], PATHS[0], "watch/0"]),
    "person": ({"person": "p0123456789ab"}, PERSON, ["p0123456789ab", *words_of_source(3)]),
}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(c, marks=() if c in ("clip", "source by name", "person") else pytest.mark.slow)
        for c in CASES
    ],
)
def test_afterwards_no_byte_of_the_folder_tells_of_it(small: Path, case: str) -> None:
    named, gone, words = CASES[case]
    ds = facevid.open(small)
    media = windows([ds[c].read(kind) for c in gone for kind in ("mp4", "flac")])
    words = sorted({*gone, *words})
    before = found_in(small, words, media[:3])
    assert len({hit.split(":")[0] for hit in before}) > 15, "the search must find what is there"
    done = takedown(small, **named)
    assert found_in(small, words, media) == []
    assert done.clips == tuple(sorted(gone)) and done.receipt["removed"]["clips"] == len(gone)
    assert not (small / "takedown-pending.json").exists()


@pytest.mark.parametrize("case", ["clip", pytest.param("source by id", marks=pytest.mark.slow), "person"])
def test_all_else_is_as_it_was(small: Path, original: Path, case: str) -> None:
    named, gone, _ = CASES[case]
    takedown(small, **named)
    old, new = facevid.open(original), facevid.open(small)
    stay = [c for c in CLIPS if c not in gone]
    assert sorted(new.sql("select clip_id from clips").fetchall()) == sorted((c,) for c in stay)
    touched = {old[c]["shard"] for c in gone}
    assert 0 < len(touched) < len(old.manifest.of("media"))
    for clip_id in stay:
        a, b = old[clip_id], new[clip_id]
        assert [a.read(k) for k in ("mp4", "flac", "json")] == [b.read(k) for k in ("mp4", "flac", "json")]
        assert (a.mesh.tobytes(), a.pose.tobytes()) == (b.mesh.tobytes(), b.pose.tobytes())
        moved = {f"{kind}_offset" for kind in ("mp4", "flac", "json")} if a["shard"] in touched else set()
        assert {k: v for k, v in a.row.items() if k not in moved} == {
            k: v for k, v in b.row.items() if k not in moved
        }
    for shard in {f.path for f in old.manifest.of("media")} - {f"media/{name}" for name in touched}:
        assert (small / shard).read_bytes() == (original / shard).read_bytes()
    words = " and ".join(f"clip_id != '{c}'" for c in gone)
    said = "select * from annotations where {} order by all"
    assert new.sql(said.format("true")).fetchall() == old.sql(said.format(words)).fetchall()


def test_counts_licences_and_documents_are_those_of_what_stays(small: Path, true_card: None) -> None:
    takedown(small, source=[NAMES[1], NAMES[3]])
    about = facevid.open(small).manifest.about
    seconds = 3 * taking.CLIPS_A_SOURCE * taking.FRAMES / taking.FPS
    assert about["counts"] == {
        "sources": 3, "clips": 12, "seconds": round(seconds, 3), "identities": 3, "rejected": 7, "failed": 1,
    }  # fmt: skip
    assert about["licence"] == "licence-0"
    card = (small / "README.md").read_text()
    assert re.search(r"\b12\b.* clips", card) and "licence-1" not in card
    assert found_in(small, [*of_source(1), *of_source(3), *words_of_source(1), *words_of_source(3)]) == []


def test_a_person_s_seconds_and_rejected_stretches_go_and_the_receipt_says_what_may_be_left(
    small: Path,
) -> None:
    done = takedown(small, person="p0123456789ab")
    marks = tombstones.read(small)
    assert marks.has_source(SHA[3]) and not marks.has_source(SHA[1])
    # Clips 0 and 1 of source 1 last from 0 to .32 s and from 4 to 4.32 s; of track 0, 2 to 2.4 s was rejected.
    tenths = [k for k in range(200) if marks.covers(SHA[1], k / 10 + 0.04, k / 10 + 0.06)]
    assert tenths == [0, 1, 2, 20, 21, 22, 23, 40, 41, 42]
    rejected = facevid.open(small).sql(f"select track from rejected where source_id = '{IDS[1]}'")
    assert rejected.fetchall() == [(7,)]
    assert done.receipt["removed"]["rejected"] == 3
    doubts = " ".join(done.receipt["may_still_show"])
    assert (
        "1 sources that show other persons too stay" in doubts
        and "1 clips of them without an identity" in doubts
    )


def test_what_repeats_a_clip_elsewhere_goes_with_it_and_is_marked(small: Path) -> None:
    takedown(small, clip=clip_name(0, 0))
    marks = tombstones.read(small)
    assert marks.covers(SHA[4], 30.1, 30.2) and not marks.covers(SHA[4], 31.0, 40.0)
    assert facevid.open(small).sql("select count(*) from rejected where reason = 'duplicate'").fetchall() == [
        (0,)
    ]


def test_of_a_source_that_repeats_a_clip_that_stays_the_caller_is_told(small: Path) -> None:
    done = takedown(small, source=NAMES[4])
    assert any(clip_name(0, 0) in note for note in done.notes)
    assert facevid.open(small)[clip_name(0, 0)].frames(0, 1).shape == (1, 64, 64, 3)


def test_a_source_whose_name_is_part_of_others_takes_none_of_them_along(small: Path, original: Path) -> None:
    for number in (4, 0):  # "1.mp4" is in "21.mp4", "talk.mp4" in "other/talk.mp4"
        takedown(small, source=NAMES[number])
    gone = {IDS[0], IDS[4]}
    work, before = small / ".work", original / ".work"
    for table in ("sources.parquet", "selection/stretches.parquet", "failed/cut.parquet"):
        rows = taking.pq.read_table(work / table).to_pylist()
        wanted = taking.pq.read_table(before / table).to_pylist()
        names = {NAMES[0], NAMES[4]}
        assert rows == [r for r in wanted if r.get("source_id") not in gone and r.get("item") not in names]
    with closing(sqlite3.connect(work / "ledger.sqlite")) as db:
        kept = {item for (item,) in db.execute("select item from outcomes where step in ('scan', 'analyze')")}
    assert kept == {*PATHS[1:4], *IDS[1:4]}
    assert (work / "worker.log").read_text().splitlines() == [
        *(f"--- {p} is odd" for p in PATHS[1:4]), "--- cut 2026-01-01",
    ]  # fmt: skip


def test_meshes_of_a_clip_leave_the_analysis_of_its_source_and_no_other_mesh_does(small: Path) -> None:
    takedown(small, clip=clip_name(2, 1))
    frames = taking.pq.read_table(small / ".work" / "analyses" / IDS[2] / "frames.parquet")
    assert frames.column("face").to_pylist() == [face for face in (10, 12, 13) for _ in range(taking.FRAMES)]


def test_subsets_lose_the_ids_and_are_sound(small: Path) -> None:
    done = takedown(small, source=NAMES[0])
    tenth, halves = (read_subset(small / "subsets" / f"{name}.json") for name in ("tenth", "halves"))
    gone = set(of_source(0))
    assert tenth.ids == tuple(c for c in CLIPS[::3] if c not in gone)
    assert halves.parts == {
        "train": tuple(c for c in CLIPS[:10] if c not in gone), "test": tuple(CLIPS[10:]),
    }  # fmt: skip
    assert done.receipt["removed"]["ids_in_subsets"] == 2 + 4


def test_verdicts_go_and_the_review_still_forbids_to_change_any(small: Path) -> None:
    done = takedown(small, clip=CLIPS[-1])
    assert done.receipt["removed"]["verdicts"] == 2  # one, and its undoing
    with closing(sqlite3.connect(small / "review" / "verdicts.sqlite")) as db:
        assert db.execute("select count(*) from verdicts").fetchone() == (len(CLIPS) - 1,)
        with pytest.raises(sqlite3.IntegrityError, match="never removed"):
            db.execute("delete from verdicts")
        with pytest.raises(sqlite3.IntegrityError, match="never changed"):
            db.execute("update verdicts set verdict = 'reject'")


def test_answers_of_a_model_go_by_their_clip_and_old_ones_without_a_clip_too(small: Path) -> None:
    with closing(sqlite3.connect(small / ".work" / "vlm.sqlite")) as db, db:
        db.execute("insert into answers (key, answer) values ('k', 'of long ago')")
    takedown(small, clip=CLIPS[5])
    with closing(sqlite3.connect(small / ".work" / "vlm.sqlite")) as db:
        left = {c for (c,) in db.execute("select clip_id from answers")}
    assert left == set(CLIPS) - {CLIPS[5]}


def test_a_shard_without_clips_goes_and_the_others_keep_their_names(small: Path) -> None:
    ds = facevid.open(small)
    first = [c for c in CLIPS if ds[c]["shard"] == "shard-00000.tar"]
    shards = [f.path for f in ds.manifest.of("media")]
    takedown(small, clip=first)
    new = facevid.open(small)
    assert [f.path for f in new.manifest.of("media")] == shards[1:]
    assert sorted(p.name for p in (small / "keypoints").iterdir()) == [
        p.replace("media/shard", "part").replace(".tar", ".parquet") for p in shards[1:]
    ]
    assert all(new[c].mesh.shape == (taking.FRAMES, 478, 3) for c in CLIPS if c not in first)


def test_a_dataset_of_which_all_is_taken_down_is_an_empty_and_sound_dataset(
    small: Path, true_card: None
) -> None:
    takedown(small, source=list(NAMES))
    ds = facevid.open(small)
    assert len(ds) == 0 and ds.manifest.of("media") == []
    assert ds.sql("select count(*) from sources").fetchall() == [(0,)]
    found = facevid.verify(small)
    assert found.clips == 0 and found.kinds == {}


def test_the_receipt_holds_counts_and_hashes_alone(small: Path) -> None:
    done = takedown(small, clip=CLIPS[0], reason="asked by letter of May 3")
    assert done.path is not None
    receipt = json.loads(Path(done.path).read_text())
    assert receipt == done.receipt and re.fullmatch(
        r"\d{4}-\d\d-\d\d-[0-9a-f]{12}\.json", Path(done.path).name
    )
    assert receipt["reason"] == "asked by letter of May 3"
    assert receipt["clips"] == [taking.hashlib.sha256(f"facevid clip {CLIPS[0]}".encode()).hexdigest()]
    assert receipt["tombstones"] == {
        "sources": [],
        "seconds": sorted(
            tombstones.stretch_marks(SHA[0], 0, 0.32) | tombstones.stretch_marks(SHA[4], 30, 30.4)
        ),
    }  # fmt: skip
    (shard,) = receipt["shards"]
    data = (small / shard["path"]).read_bytes()
    assert shard["sha256_after"] == taking.hashlib.sha256(data).hexdigest() != shard["sha256_before"]


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ({}, "Name what is to be taken down"),
        ({"clip": "no_such"}, "has no clip 'no_such'"),
        ({"source": "no.mp4"}, "has no source 'no.mp4'"),
        ({"person": "nobody"}, "has no person 'nobody'"),
        ({"clip": CLIPS[0], "reason": f"{CLIPS[0]} was wrong"}, "reason is kept in the receipt"),
    ],
)
def test_what_cannot_be_taken_down_is_refused_and_nothing_changes(small: Path, named: Any, says: str) -> None:
    before = content_of(small)
    with pytest.raises(DatasetError, match=says):
        takedown(small, **named)
    assert content_of(small) == before


def test_a_source_taken_down_before_is_told_apart_from_one_never_seen(small: Path) -> None:
    takedown(small, source=SHA[0])
    with pytest.raises(DatasetError, match="taken down before"):
        takedown(small, source=SHA[0])


def test_a_dry_run_tells_the_same_figures_and_changes_no_byte(small: Path) -> None:
    before = content_of(small)
    told = takedown(small, person="p0123456789ab", dry_run=True)
    assert content_of(small) == before and told.path is None
    done = takedown(small, person="p0123456789ab")
    assert told.receipt["removed"] == done.receipt["removed"] and told.clips == done.clips


def test_a_dataset_that_is_elsewhere_cannot_be_taken_down_in_place() -> None:
    with pytest.raises(TakedownError, match="not on this machine"):
        takedown("s3://bucket/dataset", clip=CLIPS[0])


def test_who_works_on_the_dataset_or_shows_it_is_waited_for(small: Path) -> None:
    for holding in (
        folder_lock(small / ".work"),
        folder_lock(small / ".work", name="annotate.lock"),
        folder_used(small),
    ):
        with holding, pytest.raises(FolderBusy):
            takedown(small, clip=CLIPS[0])
    assert len(facevid.open(small)) == len(CLIPS)


def test_a_file_of_somebody_else_s_that_names_it_is_told_and_must_go_first(small: Path) -> None:
    note = small / "notes.txt"
    note.write_text(f"look at {CLIPS[0]} again")
    with pytest.raises(TakedownError, match=r"not finished: notes\.txt still name"):
        takedown(small, clip=CLIPS[0])
    for refused in (
        lambda: update_annotations(small, add=[]),
        lambda: facevid.clean(small),
        lambda: annotate(small),
    ):
        with pytest.raises(DatasetError, match=r"takedown of .* was interrupted"):
            refused()
    note.unlink()
    assert takedown(small).clips == (CLIPS[0],)
    update_annotations(small, add=[])


def test_clips_that_overlap_one_taken_down_in_its_track_are_found_by_their_time(small: Path) -> None:
    other = small / ".work" / "clips" / f"{IDS[0]}_3_90_0"  # cut under another recipe from the same pictures
    other.mkdir()
    (other / "clip.mp4").write_bytes(b"film")
    beside = small / ".work" / "clips" / f"{IDS[0]}_8_90_0"
    beside.mkdir()
    takedown(small, clip=clip_name(0, 0))
    assert not other.exists() and beside.exists()


MOVES = [
    "begin",
    "tombstones.add",
    "publish_without",
    "scrub",
    "still_named",
    "_write_receipt",
    "remove_journal",
]


@pytest.mark.parametrize(
    "move",
    [pytest.param(m, marks=() if m in ("publish_without", "scrub") else pytest.mark.slow) for m in MOVES],
)
def test_a_run_that_ends_after_any_move_is_finished_by_the_next(
    small: Path, monkeypatch: pytest.MonkeyPatch, move: str
) -> None:
    named, gone, words = CASES["source by name"]
    holder: Any = tombstones if move == "tombstones.add" else steps
    name = move.rpartition(".")[2]
    real = getattr(holder, name)

    def dies(*args: Any, **options: Any) -> Any:
        real(*args, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(holder, name, dies)
        with pytest.raises(KeyboardInterrupt):
            takedown(small, **named)
    finish_and_check(small, named, gone, words)


def finish_and_check(small: Path, named: dict[str, Any], gone: list[str], words: list[str]) -> None:
    """Run the same command again; then all is as after one run."""
    if (small / "takedown-pending.json").exists():
        with pytest.raises(DatasetError, match="was interrupted; finish it first with"):
            facevid.pack(small)
        for told in (facevid.status(small).next, *facevid.info(small).next):
            assert told.startswith(f"facevid takedown {small}")
        done: Takedown | None = takedown(small, **named)
    else:
        here = set(facevid.open(small).sql("select clip_id from clips").fetchnumpy()["clip_id"]) & set(gone)
        done = takedown(small, **named) if here else None
    assert done is None or done.clips == tuple(sorted(gone))
    assert found_in(small, sorted({*gone, *words})) == []
    ds = facevid.open(small)
    stay = [c for c in CLIPS if c not in gone]
    assert len(ds) == len(stay) and all(
        ds[c].read("mp4") and ds[c].mesh.shape[0] == taking.FRAMES for c in stay
    )
    assert tombstones.read(small).has_source(SHA[2])
    assert len(list((small / "receipts").iterdir())) == 1
    assert not list(small.rglob("*.partial")) and not list((small / ".work").glob("publish-*"))


_KILLED = """
import os, signal, sys
from facevid.dataset import publish
from facevid.dataset.removing import takedown as steps
from facevid.dataset.removing import scrub
from facevid.curate import takedown as driver
publish.write_documents = lambda *_, **__: None
module = {"publish": publish, "steps": steps, "scrub": scrub}[sys.argv[2]]
real, left = getattr(module, sys.argv[3]), [int(sys.argv[4])]
def dies(*args, **options):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **options)
setattr(module, sys.argv[3], dies)
driver.takedown(sys.argv[1], source=sys.argv[5])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
@pytest.mark.parametrize(
    "point",
    [
        ("publish", "_link", "1"),
        pytest.param(("publish", "_switch", "1"), marks=pytest.mark.slow),
        pytest.param(("scrub", "remove", "2"), marks=pytest.mark.slow),
        pytest.param(("scrub", "rebuilt", "1"), marks=pytest.mark.slow),
    ],
)
def test_a_kill_in_the_middle_of_a_move_is_made_good(small: Path, point: tuple[str, str, str]) -> None:
    named, gone, words = CASES["source by name"]
    run = subprocess.run(
        [sys.executable, "-c", _KILLED, str(small), *point, NAMES[2]], capture_output=True, check=False
    )
    assert run.returncode == -9, run.stderr.decode()
    finish_and_check(small, named, gone, words)


def test_one_who_names_something_else_after_a_kill_gets_both(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(driver, "_finish", lambda work: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            takedown(small, clip=clip_name(0, 0))
    takedown(small, clip=clip_name(1, 0))
    assert found_in(small, [clip_name(0, 0), clip_name(1, 0)]) == []
    assert len(list((small / "receipts").iterdir())) == 2


def test_what_goes_is_resolved_without_a_work_folder_too(small: Path) -> None:
    shutil.rmtree(small / ".work")
    assert resolve(small, clips=[clip_name(0, 0)]).stretches[0].last == taking.FRAMES - 1
    takedown(small, source=NAMES[2])
    assert found_in(small, words_of_source(2)) == []


def content_of(folder: Path) -> dict[str, bytes]:
    """Every file but locks, which say who held them last, and what SQLite keeps beside a database that was read."""
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and not p.name.endswith(("lock", "-shm", "-wal"))
    }


def test_tables_and_documents_have_the_bytes_that_a_build_without_it_gives(
    small: Path, tmp_path: Path, true_card: None
) -> None:
    takedown(small, source=NAMES[4])
    clips = small / ".work" / "clips"
    built = taking.published(tmp_path / "built", taking.tables_of(clips, sources=[0, 1, 2, 3]), clips)
    said = [c for c in CLIPS if not c.startswith(IDS[4])]
    update_annotations(built, add=[taking.said(c) for c in said])
    old, new = facevid.open(built), facevid.open(small)
    for table in ("sources", "rejected", "failed", "annotations", "keypoints"):
        assert [f.sha256 for f in new.manifest.of(table)] == [f.sha256 for f in old.manifest.of(table)], table
    assert new.manifest.about == old.manifest.about


def test_the_command_asks_before_it_takes_anything_down(
    small: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content_of(small)
    assert main(["takedown", str(small), "--clip", CLIPS[0]]) == 2
    assert "--yes" in capsys.readouterr().err
    assert main(["takedown", str(small), "--clip", CLIPS[0], "--dry-run"]) == 0
    assert f"clips: {CLIPS[0]}" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda question: False)
    assert main(["takedown", str(small), "--clip", CLIPS[0]]) == 0
    assert "Clips that would go: 1 (0.3 s" in capsys.readouterr().out
    assert content_of(small) == before


def test_the_command_prints_the_receipt_as_json(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["takedown", str(small), "--source", NAMES[2], "--reason", "withdrawn", "--yes", "--json"]) == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert told["sources"] == [NAMES[2]] and len(told["clips"]) == taking.CLIPS_A_SOURCE
    assert json.loads(Path(told["path"]).read_text()) == told["receipt"]
    assert main(["takedown", str(small)]) == 2
    assert "Name what is to be taken down" in capsys.readouterr().err
    assert main(["takedown", "s3://bucket/dataset", "--clip", CLIPS[0], "--yes"]) == 2
    assert "not on this machine" in capsys.readouterr().err


def test_a_page_that_shows_the_dataset_keeps_a_takedown_waiting(small: Path) -> None:
    def ready(_: str) -> None:
        with pytest.raises(FolderBusy, match="facevid explore"):
            takedown(small, clip=CLIPS[0])
        raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        facevid.explore(small, port=0, on_ready=ready)
    assert takedown(small, clip=CLIPS[0]).clips == (CLIPS[0],)


def test_of_clips_that_show_another_face_in_the_same_seconds_the_caller_is_told(small: Path) -> None:
    folder = small / "clips"
    table = taking.pq.read_table(folder / "part-00000.parquet")
    ids = table["clip_id"].to_pylist()
    at = ids.index(clip_name(1, 1))  # of track 1, moved in time to where clip 0 of track 0 is
    for column, value in (("start_s", 0.2), ("end_s", 0.52)):
        values = table[column].to_pylist()
        values[at] = value
        table = table.set_column(table.schema.get_field_index(column), column, taking.pa.array(values))
    taking.pq.write_table(table, folder / "part-00000.parquet")
    done = takedown(small, clip=clip_name(1, 0), dry_run=True)
    assert done.clips == (clip_name(1, 0),)
    assert any("another face in the same seconds" in n and clip_name(1, 1) in n for n in done.notes)
    assert takedown(small, clip=clip_name(1, 2), dry_run=True).notes == ()


def test_an_opt_out_list_in_force_loses_the_entries_that_name_it_and_stays_sound(
    small: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "opt-out.txt"
    mine.write_text(f"{SHA[2]}\n{CLIPS[0]}\nurl: https://example.org/watch/2\nperson: somebody\n")
    kept = Work(small).opt_out
    read_opt_out(mine).write(kept)
    done = takedown(small, source=NAMES[2])
    assert any("opt-out list in force that name it and go too: 2" in note for note in done.notes)
    left = OptOut.kept(kept)
    assert left is not None and [e.value for e in left.entries] == [CLIPS[0], "somebody"]
