"""A small dataset with everything around it that a takedown must clean: work folder, caches, review, subsets, logs."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from packing import FPS, FRAMES, cut_clip

from facevid.annotate.vlm_cache import AnswerCache
from facevid.curate.frames import _SCHEMA as FRAME_COLUMNS
from facevid.curate.pack import WorkTables, pack_dataset
from facevid.dataset.annotating import update_annotations
from facevid.dataset.choosing.subset_file import SubsetFile
from facevid.dataset.statements import Statement
from facevid.engine import Ledger
from facevid.engine.step import Outcome
from facevid.web.review_store import ReviewStore

NAMES = ("talk.mp4", "other/talk.mp4", "интервью 3.mp4", "21.mp4", "1.mp4")
SHA = [hashlib.sha256(name.encode()).hexdigest() for name in NAMES]
IDS = [sha[:16] for sha in SHA]
PATHS = [
    "/footage/a/talk.mp4",
    "/footage/other/talk.mp4",
    "/footage/интервью 3.mp4",
    "/footage/21.mp4",
    "/footage/1.mp4",
]
CLIPS_A_SOURCE = 4


def clip_name(source: int, k: int) -> str:
    return f"{IDS[source]}_{k * 100}_{k * 100 + FRAMES - 1}_{k}"


CLIPS = [clip_name(s, k) for s in range(len(NAMES)) for k in range(CLIPS_A_SOURCE)]


def identity(source: int, k: int) -> str | None:
    """One person is alone in source 3, in two clips of source 1, and one clip of source 1 shows nobody known."""
    if source == 3 or (source == 1 and k < 2):
        return "p0123456789ab"
    return None if (source, k) == (1, 3) else f"pffffffff000{source}"


def cut_all(folder: Path) -> None:
    """The clip folders as a build leaves them."""
    for number, clip_id in enumerate(CLIPS):
        cut_clip(folder, clip_id, seed=number)


def dataset(output: Path, clip_folder: Path) -> Path:
    """Publish the clips in some shards, and lay everything around them that names them."""
    tables = tables_of(clip_folder)
    published(output, tables, clip_folder)
    _work(output / ".work", clip_folder, tables)
    update_annotations(output, add=[said(clip_id) for clip_id in CLIPS])
    store = ReviewStore(output)
    for number, clip_id in enumerate(CLIPS):
        store.record(
            task="keep", clip_id=clip_id, annotator="ann", verdict="accept", client_id=f"client-{number:04}"
        )
        store.lease("captions", clip_id, "ann", at_most=2)
    store.undo(task="keep", annotator="ann", client_id="client-undo")
    SubsetFile("tenth", "small", {"how": "chosen"}, ids=tuple(CLIPS[::3])).write(
        output / "subsets" / "tenth.json"
    )
    parts = {"train": tuple(CLIPS[:10]), "test": tuple(CLIPS[10:])}
    SubsetFile("halves", "small", {"how": "split"}, parts=parts).write(output / "subsets" / "halves.json")
    return output


def published(output: Path, tables: WorkTables, clip_folder: Path) -> Path:
    """The dataset as `pack` makes it, in some small shards."""
    pack_dataset(
        output,
        tables=tables,
        clip_folder=clip_folder,
        recipe={"fps": FPS},
        name="small",
        licence="licence-0, licence-1",
        shard_bytes=60_000,
    )
    return output


def said(clip_id: str) -> Statement:
    """A caption of a clip."""
    return Statement(
        clip_id, "caption", "medium", f"Somebody speaks. {clip_id[-1]}", "model:words", confidence=0.5
    )


def tables_of(clip_folder: Path, sources: Sequence[int] = range(len(NAMES))) -> WorkTables:
    """What a build of these sources knows when it comes to publishing."""
    rows, cuts, people = [], {}, {}
    for source in sources:
        name = NAMES[source]
        for k in range(CLIPS_A_SOURCE):
            clip_id, first = clip_name(source, k), k * 100
            cuts[clip_id] = json.loads((clip_folder / clip_id / "meta.json").read_text())
            people[clip_id] = identity(source, k)
            rows.append(
                {
                    "clip_id": clip_id, "source_id": IDS[source], "source_name": name, "track": k, "shot": k,
                    "first_frame": first, "last_frame": first + FRAMES - 1, "start_s": first / FPS,
                    "end_s": (first + FRAMES) / FPS, "fps": FPS, "crop_x0": 0, "crop_y0": 0, "crop_x1": 64,
                    "crop_y1": 64, "best_frames": [first], "sharpness": 0.1 + k,
                }
            )  # fmt: skip
    known = [
        {"source_id": IDS[s], "source_name": NAMES[s], "path": PATHS[s], "sha256": SHA[s], "width": 64,
         "url": f"https://example.org/watch/{s}", "licence": f"licence-{s % 2}"}
        for s in sources
    ]  # fmt: skip
    rejected = [
        _rejected(s, track, start, "sharpness", None)
        for s in sources
        for track, start in ((0, 2.0), (7, 20.0))
    ]
    if (
        4 in sources
    ):  # the same pictures were uploaded twice: a stretch of source 4 repeats the first clip of source 0
        rejected.append(_rejected(4, 9, 30.0, "duplicate", clip_name(0, 0)))
    failed = [
        {"item": NAMES[s], "step": "cut", "kind": "bug", "message": f"{NAMES[s]} failed."}
        for s in sources
        if s in (0, 3)
    ]
    return WorkTables(
        sources=pa.Table.from_pylist(known), stretches=pa.Table.from_pylist(rows),
        rejected=pa.Table.from_pylist(rejected), failed=pa.Table.from_pylist(failed), identity=people, cuts=cuts,
    )  # fmt: skip


def _rejected(
    source: int, track: int, start_s: float, reason: str, duplicate_of: str | None
) -> dict[str, Any]:
    return {
        "source_id": IDS[source], "source_name": NAMES[source], "track": track, "start_s": start_s,
        "end_s": start_s + 0.4, "reason": reason, "score": "sharpness", "value": 0.1, "threshold": 0.5,
        "duplicate_of": duplicate_of,
    }  # fmt: skip


def _work(work: Path, clip_folder: Path, tables: WorkTables) -> None:
    shutil.copytree(clip_folder, work / "clips")
    (work / "version").write_text("1\n")
    for name in ("selection", "failed", "embeddings"):
        (work / name).mkdir()
    pq.write_table(tables.sources, work / "sources.parquet")
    pq.write_table(tables.stretches, work / "selection" / "stretches.parquet")
    pq.write_table(tables.rejected, work / "selection" / "rejected.parquet")
    pq.write_table(tables.failed, work / "failed" / "cut.parquet")
    people = {"clip_id": list(tables.identity), "identity": list(tables.identity.values())}
    pq.write_table(pa.table(people), work / "identity.parquet")
    named = pa.table({"source_name": pa.array([*NAMES]).dictionary_encode(), "source_id": [*IDS]})
    with pa.OSFile(str(work / "tracks.arrow"), "wb") as file, pa.ipc.new_file(file, named.schema) as writer:
        writer.write_table(named)
    pq.write_table(named, work / "coded.parquet")
    for source_id in IDS:
        _analysis(work / "analyses" / source_id)
    for clip_id in CLIPS:
        np.save(work / "embeddings" / f"{clip_id}.npy", np.zeros(128))
    with Ledger(work / "ledger.sqlite") as ledger:
        for source, path in enumerate(PATHS):
            value = {"source_id": IDS[source], "sha256": SHA[source]}
            ledger.put(_outcome("scan", path, value), hash="h")
            ledger.put(
                _outcome("analyze", IDS[source], {"frames": 400}), hash="h", traceback=f"at {path}, line 1"
            )
        for clip_id in CLIPS:
            ledger.put(_outcome("cut", clip_id, tables.cuts[clip_id]), hash="0123456789")
    with Ledger(work / "annotate.sqlite") as ledger:
        for clip_id in CLIPS:
            ledger.put(_outcome("measure", clip_id, {"seen": clip_id}), hash="9876543210")
    cache = AnswerCache(work / "vlm.sqlite")
    for number, clip_id in enumerate(CLIPS):
        cache.put(f"{number:064x}", {"content": f"A person. {number}", "refusal": None}, clip_id=clip_id)
    cache.close()
    (work / "worker.log").write_text("".join(f"--- {p} is odd\n" for p in PATHS) + "--- cut 2026-01-01\n")
    left = work / "publish-0123456789abcdef" / "media"
    left.mkdir(parents=True)
    for shard in (work.parent / "media").iterdir():
        shutil.copy(shard, left / shard.name)
    dead = work.parent / f".dataset.json.tmp-999999999-{'0' * 8}.json"
    dead.write_text(json.dumps(CLIPS))


def _analysis(folder: Path) -> None:
    folder.mkdir(parents=True)
    tracks = {"track": [*range(CLIPS_A_SOURCE)], "face": [*range(10, 10 + CLIPS_A_SOURCE)]}
    pq.write_table(pa.table(tracks), folder / "tracks.parquet")
    rows = [
        {
            "face": 10 + k,
            "frame": k * 100 + n,
            "mesh": bytes(478 * 3 * 2),
            "yaw": 0.0,
            "pitch": 0.0,
            "roll": 0.0,
        }
        for k in range(CLIPS_A_SOURCE)
        for n in range(FRAMES)
    ]
    pq.write_table(pa.Table.from_pylist(rows, FRAME_COLUMNS), folder / "frames.parquet", row_group_size=11)


def _outcome(step: str, item: str, value: dict[str, Any]) -> Outcome:
    return Outcome(
        key=item, step=step, status="ok", kind=None, message=None, value=value, seconds=0.1, reused=False
    )
