"""`takedown`: takes sources, persons or clips out of a dataset and its work folder for good.

It stands in this room, above the dataset's, because the work folder keeps things under no name: the meshes of a source
of which other parts stay.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facevid.curate.optout import OptOut
from facevid.curate.work import Work
from facevid.dataset.published import check_output
from facevid.dataset.removing import takedown as steps
from facevid.dataset.removing.pending import read_journal
from facevid.dataset.removing.removal import Removal, Stretch
from facevid.dataset.removing.scrub import rebuilt
from facevid.dataset.removing.takedown import Takedown, TakedownError
from facevid.dataset.removing.traces import Traces
from facevid.engine import Ledger, atomic_path

Named = Sequence[str] | str


def takedown(
    dataset: str | os.PathLike[str],
    *,
    source: Named = (),
    person: Named = (),
    clip: Named = (),
    reason: str | None = None,
    dry_run: bool = False,
) -> Takedown:
    """Take sources, persons or clips out of a dataset, so that no byte of its folder tells of them any more.

    source: names, ids or SHA-256. person: identities. clip: ids. One of each, or lists. reason: kept in the receipt;
    must not name what goes. dry_run: say what would go, change nothing. An interrupted takedown is finished first, also
    when nothing is named. What goes is marked by hashes in `tombstones.json`, so that no build brings it back; a
    receipt with counts and hashes is kept in `receipts/`. Copies elsewhere are not touched. Raises TakedownError where
    the dataset is not on this machine, or files that facevid did not make name what goes; DatasetError for names that
    the dataset does not have; FolderBusy while a build, an annotating run or `facevid explore` works on it.
    """
    if "://" in os.fspath(dataset):
        raise TakedownError(
            f"{dataset} is not on this machine, where alone every byte can be searched. Fetch it with `facevid pull`, "
            "take down there, put the smaller dataset in its place with `facevid push`, and remove what builds keep "
            f"there, and on each machine that worked on it, with `facevid clean {dataset}`; what a server keeps of "
            "older versions must be removed there too."
        )
    work = Work(Path(dataset))
    wanted = {"sources": _list(source), "persons": _list(person), "clips": _list(clip)}
    if dry_run:
        check_output(work.dataset)
        return steps.dry(work.dataset, _plan(work, wanted, reason))
    with steps.held(work.dataset):
        pending = read_journal(work.dataset)
        if pending is not None:
            done = _finish(work)
            if not any(wanted.values()) or pending["request"] == {k: sorted(v) for k, v in wanted.items()}:
                return done
        steps.begin(work.dataset, _plan(work, wanted, reason))
        return _finish(work)


def _finish(work: Work) -> Takedown:
    return steps.finish(work.dataset, forget=lambda removal: _forget(work, removal))


def _plan(work: Work, wanted: Mapping[str, Sequence[str]], reason: str | None) -> dict[str, Any]:
    journal = steps.plan_takedown(
        work.dataset,
        **wanted,
        paths=_paths(work),
        unpublished=_identities(work),
        reason=reason,
    )
    traces = Traces(Removal.from_json(journal["removal"]), staying=journal["common"])
    listed = OptOut.kept(work.opt_out)
    opted = sum(traces.in_text(e.value) for e in listed.entries) if listed else 0
    if opted:
        journal["notes"].append(
            f"Entries of the opt-out list in force that name it and go too: {opted}. Name the list again with "
            "--opt-out at the next build where other files may answer to them."
        )
    return journal


def _list(named: Named) -> list[str]:
    return [named] if isinstance(named, str) else list(named)


def _paths(work: Work) -> dict[str, list[str]]:
    """Source id -> the files in which a build found it, copies too."""
    found: dict[str, set[str]] = {}
    if work.sources.exists():
        for row in pq.ParquetFile(work.sources).read(["source_id", "path"]).to_pylist():
            found.setdefault(row["source_id"], set()).add(row["path"])
    if work.ledger.exists():
        with Ledger(work.ledger) as ledger:
            for outcome in ledger.outcomes("scan", status="ok"):
                found.setdefault(str(outcome.value["source_id"]), set()).add(outcome.key)
    return {source_id: sorted(paths) for source_id, paths in found.items()}


def _identities(work: Work) -> dict[str, str | None]:
    if not work.identity.exists():
        return {}
    table = pq.ParquetFile(work.identity).read(["clip_id", "identity"])
    return dict(zip(table["clip_id"].to_pylist(), table["identity"].to_pylist(), strict=True))


def _forget(work: Work, removal: Removal) -> None:
    forget_meshes(work, removal)
    forget_answers(work)


def forget_answers(work: Work) -> None:
    """Take answers of a vision-language model out of its cache that do not say which clip they are about.

    Caches of older versions have such; what they say of other clips stands in the annotations too.
    """
    path = work.folder / "vlm.sqlite"
    if not path.exists():
        return
    with rebuilt(path) as db:
        columns = {row[1] for row in db.execute("pragma table_info(answers)")}
        if columns:
            db.execute("delete from answers" + (" where clip_id is null" if "clip_id" in columns else ""))


def forget_meshes(work: Work, removal: Removal) -> None:
    """Take the meshes of single stretches out of the analyses of sources that stay; scores of windows stay there.

    Parts that wait to be put together go whole. The table of all tracks goes: `select` makes it anew from the analyses.
    """
    by_source: dict[str, list[Stretch]] = {}
    for stretch in removal.stretches:
        by_source.setdefault(stretch.source_id, []).append(stretch)
    for source_id, stretches in by_source.items():
        shutil.rmtree(work.parts(source_id), ignore_errors=True)
        folder = work.analysis(source_id)
        if (folder / "frames.parquet").exists() and (folder / "tracks.parquet").exists():
            _forget_in(folder, stretches)
    with contextlib.suppress(FileNotFoundError):
        work.tracks.unlink()


def _forget_in(folder: Path, stretches: Sequence[Stretch]) -> None:
    tracks = pq.ParquetFile(folder / "tracks.parquet").read(columns=["track", "face"])
    face_of = dict(zip(tracks["track"].to_pylist(), tracks["face"].to_pylist(), strict=True))
    path = folder / "frames.parquet"
    frames = pq.ParquetFile(path)
    with (
        atomic_path(path) as partial,
        pq.ParquetWriter(partial, frames.schema_arrow, compression="lz4", use_dictionary=False) as writer,
    ):
        for number in range(frames.num_row_groups):
            rows = frames.read_row_group(number)
            gone = pa.array([False] * len(rows), pa.bool_())
            for s in stretches:
                if s.track is not None and s.track in face_of:
                    inside = pc.and_(
                        pc.greater_equal(rows["frame"], s.first), pc.less_equal(rows["frame"], s.last)
                    )
                    gone = pc.or_(gone, pc.and_(inside, pc.equal(rows["face"], face_of[s.track])))
            kept = rows.filter(pc.invert(gone))
            if len(kept):
                writer.write_table(kept)


__all__ = ["Takedown", "takedown"]
