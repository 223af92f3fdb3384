"""`verify` checks a dataset to the last byte: files, tables, shards, keypoints, labels, subsets; clips are decoded."""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from facevid.dataset.published import MEDIA, MEMBERS, DatasetError, Manifest, PublishedFile
from facevid.dataset.storage import storage_of
from facevid.dataset.verifying.faults import Fault
from facevid.dataset.verifying.files import BESIDES, folder_faults, hash_fault
from facevid.dataset.verifying.keypoints import keypoint_faults
from facevid.dataset.verifying.place import Checked, checked
from facevid.dataset.verifying.shards import decode_faults, shard_faults
from facevid.dataset.verifying.subsets import subset_faults
from facevid.dataset.verifying.tables import read_tables, table_faults
from facevid.engine import Progress, available_cores

DECODED = 100
"""Clips that are decoded where nobody says how many."""
_STORAGE = [
    "clip_id", "source_id", "shard", "frames", "fps", "width", "height", "audio",
    *(f"{m}_{what}" for m in MEMBERS for what in ("offset", "size", "sha256")),
]  # fmt: skip

Task = Callable[[], list[Fault]]


@dataclass(frozen=True)
class Verified:
    """What `verify` found.

    faults: in the order of their files. files, clips: in the dataset. bytes: read and hashed. decoded: clips decoded.
    """

    dataset: str
    faults: tuple[Fault, ...]
    files: int
    clips: int
    bytes: int
    decoded: int
    seconds: float

    @property
    def sound(self) -> bool:
        """Whether there is no fault."""
        return not self.faults

    @property
    def kinds(self) -> dict[str, int]:
        """How many faults there are of each kind, the most first."""
        return dict(sorted(Counter(f.kind for f in self.faults).items(), key=lambda k: (-k[1], k[0])))

    def to_dict(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset, "sound": self.sound, "files": self.files, "clips": self.clips,
            "bytes": self.bytes, "decoded": self.decoded, "seconds": round(self.seconds, 3), "kinds": self.kinds,
            "faults": [f.to_dict() for f in self.faults],
        }  # fmt: skip


def verify(
    dataset: str | os.PathLike[str],
    *,
    quick: bool = False,
    decode: int | Literal["all"] | None = None,
    workers: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Verified:
    """Check a dataset in a folder or at an address; changes nothing.

    At an address shards travel once, and tables, keypoints and decoded clips once more; files that `dataset.json` does
    not list are not seen behind a web server, which has no list of them. quick: sizes, tables and the headers of
    members only; no content is read and nothing is decoded unless `decode` says so. decode: how many clips are decoded,
    always the same ones, or "all"; `DECODED` if not given. workers: threads, one a core if not given. Shards are read
    once, in blocks; memory holds the clips' rows and one clip a thread. Raises DatasetError where there is no dataset,
    no `dataset.json` that can be read, or an address that does not answer.
    """
    if decode is not None and decode != "all" and decode < 0:
        raise DatasetError(f"{decode} clips cannot be decoded; give a number from 0 on, or all.")
    began = time.monotonic()
    storage = storage_of(dataset)
    manifest, files = storage.manifest(), checked(storage, BESIDES)
    tables, faults = read_tables(files, manifest)
    faults += folder_faults(files, manifest)
    faults += table_faults(files, manifest, tables)
    faults += subset_faults(files, tables["clips"])
    chosen = _chosen(tables["clips"]["clip_id"], (0 if quick else DECODED) if decode is None else decode)
    tasks = list(_tasks(files, manifest, tables["clips"], chosen, quick))
    for found in _run(tasks, workers or available_cores(), on_progress):
        faults += found
    order = {f.path: k for k, f in enumerate(manifest.files)}
    faults.sort(key=lambda f: (order.get(f.where.split(" ")[0], -1), f.where, f.kind, f.what))
    return Verified(
        dataset=storage.location,
        faults=tuple(dict.fromkeys(faults)),
        files=len(manifest.files),
        clips=len(tables["clips"]),
        bytes=0 if quick else sum(f.bytes for f in manifest.files),
        decoded=_decoded(files, manifest, tables["clips"], chosen),
        seconds=time.monotonic() - began,
    )


def _chosen(ids: pa.ChunkedArray, decode: int | Literal["all"]) -> frozenset[str]:
    """The clips to decode: those with the smallest hashes, so that they are spread and always the same."""
    names = [str(i) for i in ids.to_pylist()]
    if decode == "all" or decode >= len(names):
        return frozenset(names)
    return frozenset(sorted(names, key=lambda i: hashlib.sha256(f"verify {i}".encode()).digest())[:decode])


def _decoded(files: Checked, manifest: Manifest, clips: pa.Table, chosen: frozenset[str]) -> int:
    """How many of the chosen clips lie in shards that are there."""
    there = [
        f.path.removeprefix(f"{MEDIA}/") for f in manifest.of(MEDIA) if files.size(f.stored_as) is not None
    ]
    lie = pc.is_in(clips["shard"], value_set=pa.array(there, pa.string()))
    wanted = pc.is_in(clips["clip_id"], value_set=pa.array(sorted(chosen), pa.string()))
    return pc.sum(pc.and_(lie, wanted)).as_py() or 0


def _tasks(
    files: Checked, manifest: Manifest, clips: pa.Table, chosen: frozenset[str], quick: bool
) -> Iterator[Task]:
    """One task a file, and one a shard for the clips to decode; the rows of a shard are made when its task comes."""
    storage = clips.select(_STORAGE)
    groups: dict[str, list[int]] = {}
    for k, shard in enumerate(storage["shard"].to_pylist()):
        groups.setdefault(shard, []).append(k)
    by_number = {_number(f.path): f.path.removeprefix(f"{MEDIA}/") for f in manifest.of(MEDIA)}

    def rows_of(shard: str | None) -> list[dict[str, Any]]:
        rows = storage.take(pa.array(groups.get(shard or "", []), pa.int64())).to_pylist()
        return sorted(rows, key=lambda row: (row["mp4_offset"] is None, row["mp4_offset"] or 0))

    for file in manifest.files:
        name = file.path.removeprefix(f"{MEDIA}/")
        if name != file.path:
            yield _shard_task(files, file, lambda name=name: rows_of(name), chosen, quick)  # type: ignore[misc]
        elif file.path.startswith("keypoints/"):
            shard = by_number.get(_number(file.path))
            yield _keypoint_task(files, file, lambda shard=shard: rows_of(shard), quick)  # type: ignore[misc]
        elif not quick:
            yield lambda file=file: list(hash_fault(files, file))  # type: ignore[misc]


def _shard_task(
    files: Checked,
    file: PublishedFile,
    rows_of: Callable[[], Sequence[Mapping[str, Any]]],
    chosen: frozenset[str],
    quick: bool,
) -> Task:
    def task() -> list[Fault]:
        rows = rows_of()
        found = list(shard_faults(files, file, rows, quick=quick))
        for row in rows:
            if row["clip_id"] in chosen and files.size(file.stored_as) is not None:
                found += decode_faults(files, file, row)
        return found

    return task


def _keypoint_task(
    files: Checked, file: PublishedFile, rows_of: Callable[[], Sequence[Mapping[str, Any]]], quick: bool
) -> Task:
    def task() -> list[Fault]:
        found = [] if quick else list(hash_fault(files, file))
        return found + list(keypoint_faults(files, file, rows_of(), quick=quick))

    return task


def _run(
    tasks: Sequence[Task], workers: int, on_progress: Callable[[Progress], None] | None
) -> Iterator[list[Fault]]:
    """What each task found, as they finish. Threads: hashing, decoding and Parquet all leave the interpreter free."""
    began, done, failed = time.monotonic(), 0, 0

    def tell() -> None:
        if on_progress is not None:
            elapsed = time.monotonic() - began
            on_progress(Progress("verify", done, len(tasks), done - failed, 0, failed, 0, 0.0, elapsed))

    tell()
    waiting = iter(tasks)
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        running: set[Future[list[Fault]]] = set()
        try:
            while True:
                while len(running) < 2 * workers and (task := next(waiting, None)) is not None:
                    running.add(pool.submit(task))
                if not running:
                    return
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    found = future.result()
                    done, failed = done + 1, failed + bool(found)
                    tell()
                    yield found
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _number(path: str) -> str:
    return path.rpartition("-")[2].partition(".")[0]
