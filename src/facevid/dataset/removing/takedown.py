"""Takes clips out of a published dataset for good, so that no kill can leave them half there or bring them back.

The protocol. What goes is resolved first; then, in this order:

1. The journal `takedown-pending.json` says what goes. From here on nobody else may publish.
2. Tombstones are added: from here on no build brings it back.
3. The smaller dataset is published in one switch (see `publish`); readers see the old one or the new one. Its card is
   written from its tables.
4. Work folder, review and subsets lose every trace (see `scrub`).
5. Every file of the folder is searched. Files that facevid did not make and that still name what goes are told, and the
   takedown stays unfinished until they are gone.
6. The receipt is written, and the journal is removed.

A killed run is run again: each move finds what is done already.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from facevid.dataset.annotating import ANNOTATE_LOCK
from facevid.dataset.choosing.subset_file import SUBSETS
from facevid.dataset.published import JOURNAL, MEDIA, TABLES, DatasetError, Manifest, read_manifest
from facevid.dataset.removing import tombstones
from facevid.dataset.removing.pending import read_journal, remove_journal, write_journal
from facevid.dataset.removing.removal import Removal, resolve
from facevid.dataset.removing.scrub import RECEIPTS, REVIEW, WORK, files, scrub
from facevid.dataset.removing.smaller import publish_without, rows_to_go
from facevid.dataset.removing.traces import BINARY, Traces
from facevid.engine import clear_stale, folder_lock, folder_used, write_json_atomic

_FORMAT, _VERSION = "facevid-receipt", 1

_COUNTED = {
    "clips": ["clip_id", "source_id", "start_s", "end_s", "mp4_size", "flac_size", "json_size"],
    "keypoints": ["clip_id"],
}
Forget = Callable[[Removal], None]


class TakedownError(DatasetError):
    """A takedown cannot begin, or is not finished; the message says why and what to do."""


@dataclass(frozen=True)
class Takedown:
    """What was taken down, or would be. Unlike the receipt, `clips`, `sources` and `notes` name it.

    receipt: what is kept in the dataset, counts and hashes only (see docs/people.md). path: where it lies, None for a
    dry run.
    """

    dataset: str
    clips: tuple[str, ...]
    sources: tuple[str, ...]
    receipt: dict[str, Any]
    path: str | None
    notes: tuple[str, ...]
    dry_run: bool = False

    def to_dict(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset, "dry_run": self.dry_run,
            "clips": list(self.clips), "sources": list(self.sources), "receipt": self.receipt, "path": self.path,
            "notes": list(self.notes),
        }  # fmt: skip


def plan_takedown(
    folder: Path,
    *,
    sources: Sequence[str],
    persons: Sequence[str],
    clips: Sequence[str],
    paths: Mapping[str, Sequence[str]],
    unpublished: Mapping[str, str | None],
    reason: str | None,
) -> dict[str, Any]:
    """The journal of a takedown: what goes, and all that the receipt will say of the dataset as it is now."""
    manifest = read_manifest(folder)
    removal = resolve(
        folder, sources=sources, persons=persons, clips=clips, paths=paths, unpublished=unpublished
    )
    traces = Traces(removal, staying=_staying(folder, manifest, removal, paths))
    if reason is not None and traces.in_text(reason):
        raise TakedownError(
            "The reason is kept in the receipt and names what is taken down; word it without an id, a name or an "
            "address."
        )
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "reason": reason,
        "request": {"sources": sorted(sources), "persons": sorted(persons), "clips": sorted(clips)},
        "removal": removal.to_json(),
        "common": traces.common,
        "notes": [],
        "removed": _counts(folder, manifest, removal, traces),
        "shards": {f.path: f.sha256 for f in manifest.of(MEDIA)},
    }


def begin(folder: Path, journal: dict[str, Any]) -> None:
    """The first move: after it, the takedown can only be finished."""
    write_journal(folder, journal)


def finish(folder: Path, *, forget: Forget) -> Takedown:
    """All other moves of a takedown whose journal is there; the caller holds the dataset (see `held`).

    forget: takes out of the work folder what stands there under no name. Raises TakedownError while files that facevid
    did not make name what goes.
    """
    journal = read_journal(folder)
    if journal is None:
        raise TakedownError(f"No takedown of {folder} was interrupted; name what is to be taken down.")
    removal = Removal.from_json(journal["removal"])
    traces = Traces(removal, staying=journal["common"])
    tombstones.add(folder, sources=removal.source_marks(), seconds=removal.second_marks())
    manifest = publish_without(folder, removal, traces)
    forget(removal)
    scrub(folder, traces)
    clear_stale(folder)
    left = sorted(str(p.relative_to(folder)) for p in still_named(folder, traces))
    if left:
        raise TakedownError(
            f"The takedown of {folder} is not finished: {', '.join(left[:5])}{' and more' if len(left) > 5 else ''} "
            "still name what was taken down and were not made by facevid. Remove or edit them, then run "
            f"`facevid takedown {folder}` once more."
        )
    receipt = _receipt(journal, removal, manifest)
    path = _write_receipt(folder, receipt)
    remove_journal(folder)
    return told(folder, journal, receipt=receipt, path=str(path), dry_run=False)


def told(
    folder: Path, journal: Mapping[str, Any], *, receipt: dict[str, Any], path: str | None, dry_run: bool
) -> Takedown:
    """A takedown as the caller is told of it."""
    removal = Removal.from_json(journal["removal"])
    notes = [*removal.may_still_show, *journal["notes"]]
    if removal.kept_repeats:
        notes.append(f"Clips that stay and repeat a source that goes: {', '.join(removal.kept_repeats)}.")
    if removal.same_seconds:
        notes.append(
            "Clips that stay and show another face in the same seconds, which later builds and exports leave out: "
            f"{', '.join(removal.same_seconds)}."
        )
    if journal["common"]:
        notes.append(
            f"Not searched for, since other things have that name too: {', '.join(journal['common'])}."
        )
    if not all([s.sha256 for s in removal.sources] + [s.sha256 for s in removal.stretches]):
        notes.append(
            "Some sources have no SHA-256, so a later build of them cannot know what was taken down."
        )
    return Takedown(
        str(folder), removal.clips, tuple(s.source_name for s in removal.sources), receipt, path, tuple(notes), dry_run
    )  # fmt: skip


def dry(folder: Path, journal: Mapping[str, Any]) -> Takedown:
    """What a takedown would do."""
    removal = Removal.from_json(journal["removal"])
    receipt = _receipt(journal, removal, None)
    return told(folder, journal, receipt=receipt, path=None, dry_run=True)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a dataset alone: no build, no annotating, no explore. Raises FolderBusy with who works there."""
    read_manifest(folder)
    with ExitStack() as stack:
        stack.enter_context(folder_lock(folder / WORK))
        stack.enter_context(folder_lock(folder / WORK, name=ANNOTATE_LOCK))
        stack.enter_context(folder_used(folder, alone=True))
        yield


def still_named(folder: Path, traces: Traces) -> Iterator[Path]:
    """Files of the dataset that name what is taken down; films of others are looked at by name alone."""
    for path in files(folder, traces):
        inside = path.relative_to(folder)
        if inside == Path(JOURNAL) or not path.exists():
            continue
        searched = path.is_file() and not (inside.parts[0] == WORK and path.suffix in BINARY)
        if traces.in_text(path.name) or (searched and traces.in_file(path)):
            yield path


def _staying(
    folder: Path, manifest: Manifest, removal: Removal, paths: Mapping[str, Sequence[str]]
) -> set[str]:
    """Names, addresses and paths of sources that stay."""
    whole = {s.source_id for s in removal.sources}
    stay: set[str] = set()
    for file in manifest.of("sources"):
        table = pq.ParquetFile(folder / file.stored_as).read(["source_id", "source_name", "url"])
        for row in table.to_pylist():
            if row["source_id"] not in whole:
                stay.update(t for t in (row["source_name"], row["url"]) if t)
    return stay.union(*(p for source_id, p in paths.items() if source_id not in whole))


def _counts(folder: Path, manifest: Manifest, removal: Removal, traces: Traces) -> dict[str, Any]:
    """How much goes: rows of each table, seconds and bytes of clips, verdicts, ids in subsets."""
    counts: dict[str, Any] = {}
    seconds, size = 0.0, 0
    for table in TABLES:
        number = 0
        for file in manifest.of(table):
            opened = pq.ParquetFile(folder / file.stored_as)
            content = opened.read(_COUNTED.get(table))
            gone = content.filter(rows_to_go(content, table, removal, traces))
            number += len(gone)
            if table == "clips" and len(gone):
                seconds += pc.sum(pc.subtract(gone["end_s"], gone["start_s"])).as_py()
                size += sum(pc.sum(gone[c]).as_py() or 0 for c in ("mp4_size", "flac_size", "json_size"))
        counts[table] = number
    counts |= {"seconds": round(seconds, 3), "media_bytes": size}
    counts["verdicts"] = sum(_verdicts(p, traces) for p in sorted((folder / REVIEW).glob("*.sqlite")))
    counts["ids_in_subsets"] = sum(_ids(p, traces) for p in sorted((folder / SUBSETS).glob("*.json")))
    return counts


def _verdicts(path: Path, traces: Traces) -> int:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
        known = db.execute("select 1 from sqlite_master where name = 'verdicts'").fetchone()
        return traces.rows_in_sqlite(db, "verdicts") if known else 0


def _ids(path: Path, traces: Traces) -> int:
    def count(content: Any) -> int:
        if isinstance(content, str):
            return traces.in_text(content)
        if isinstance(content, dict):
            return sum(count(v) for v in content.values())
        return sum(count(v) for v in content) if isinstance(content, list) else 0

    try:
        return count(json.loads(path.read_text(encoding="utf-8")))
    except ValueError:
        return 0


def _receipt(journal: Mapping[str, Any], removal: Removal, after: Manifest | None) -> dict[str, Any]:
    """What is kept of a takedown: when, why, how much, and hashes that only who holds the thing itself can check."""
    now = {} if after is None else {f.path: f.sha256 for f in after.of(MEDIA)}
    return {
        "format": _FORMAT,
        "version": _VERSION,
        "started": journal["started"],
        "reason": journal["reason"],
        "removed": journal["removed"],
        "clips": sorted(clip_mark(c) for c in removal.clips),
        "tombstones": {"sources": removal.source_marks(), "seconds": removal.second_marks()},
        "shards": [
            {"path": path, "sha256_before": before, "sha256_after": now.get(path)}
            for path, before in journal["shards"].items()
            if after is not None and now.get(path) != before
        ],
        "may_still_show": list(removal.may_still_show),
    }


def clip_mark(clip_id: str) -> str:
    """How a receipt tells of a clip: SHA-256 of "facevid clip " and its id, hex."""
    return hashlib.sha256(f"facevid clip {clip_id}".encode()).hexdigest()


def _write_receipt(folder: Path, receipt: dict[str, Any]) -> Path:
    """Write a receipt under its date and hash, so that a run after a kill writes the same file."""
    digest = hashlib.sha256(json.dumps(receipt, sort_keys=True).encode()).hexdigest()
    path = folder / RECEIPTS / f"{receipt['started'][:10]}-{digest[:12]}.json"
    write_json_atomic(receipt, path)
    return path
