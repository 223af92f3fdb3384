"""The steps of a build as library calls, alone or all together: scan, analyze, select, cut, identify, pack.

Each call holds the dataset's work folder, does only what is not done yet, and returns a summary.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import facevid.dataset
from facevid.curate.analyze import ANALYZE, WATCH
from facevid.curate.building import Building, published_size
from facevid.curate.cut import CUT
from facevid.curate.identify import EMBED
from facevid.curate.optout import read_opt_out
from facevid.curate.optout_faces import embed_faces
from facevid.curate.scan import SCAN, find_footage
from facevid.curate.session import OnProgress, RecipeGiven, failure
from facevid.curate.summary import Status, StepSummary, Summary
from facevid.curate.work import Work, WorkError
from facevid.dataset.annotating import ANNOTATE_LOCK
from facevid.dataset.published import JOURNAL, check_output, refuse_pending
from facevid.engine import FolderBusy, Ledger, StorageError, folder_lock
from facevid.recipe import with_people

Footage = Sequence[str | os.PathLike[str]] | str | os.PathLike[str]


def build(
    footage: Footage,
    output: str | os.PathLike[str],
    *,
    recipe: RecipeGiven = None,
    require_consent: bool | None = None,
    licence: Sequence[str] | str | None = None,
    minimum_age: int | None = None,
    opt_out: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    executor: str = "local",
    address: str | None = None,
    dry_run: bool = False,
    retry_failed: bool = False,
    on_progress: OnProgress = None,
) -> Summary:
    """Make a dataset from footage; run again after any interruption, it goes on where it stopped.

    footage: video files, folders, globs or manifests. output: folder of the dataset. recipe: a shipped name,
    a YAML file, a mapping of changes or a `Recipe`; None takes the one the dataset was last built with, else
    dh-facevid. require_consent, licence, minimum_age: change the recipe's rules of people (`people`): only sources
    with a statement of consent, only these licences, nobody known to be younger; None leaves the rule. opt_out: a
    list of who and what is left out without a trace (`facevid.curate.optout`); None takes the list that the dataset
    was last built with. workers: processes, one a core by default. executor: "local" for this machine, "ray" for those
    of a Ray cluster (docs/ray.md), at `address`, else the one that this machine is part of, else a new one on it alone;
    workers is then as many as have room. dry_run: say what would run, write nothing. retry_failed: run again what
    failed before. Raises FacevidError (recipe, footage, opt-out list or folder unusable),
    FolderBusy, StorageError; a bad source is no error but ends in `Summary.failures`.
    """
    found = find_footage(footage)
    allowed = [licence] if isinstance(licence, str) else licence
    work = Work.at(output)
    work.ready()
    chosen = work.recipe(recipe)
    if require_consent is not None or allowed is not None or minimum_age is not None:
        chosen = with_people(
            chosen, require_consent=require_consent, licences=allowed, minimum_age=minimum_age
        )
    listed = None if opt_out is None else embed_faces(read_opt_out(Path(opt_out)), Path(opt_out), chosen)
    with Building.open(
        output, chosen, workers, dry_run, retry_failed, on_progress,
        start=True, executor=executor, address=address, opt_out=listed,
    ) as session:  # fmt: skip
        steps = [
            session.kept(session.scan(found)),
            session.kept(session.analyze()),
            session.kept(session.select()),
            session.kept(session.cut()),
            session.kept(session.identify()),
            session.kept(session.pack()),
        ]
        return session.summary(steps)


def scan(
    footage: Footage,
    output: str | os.PathLike[str],
    *,
    recipe: RecipeGiven = None,
    workers: int | None = None,
    executor: str = "local",
    address: str | None = None,
    dry_run: bool = False,
    retry_failed: bool = False,
    on_progress: OnProgress = None,
) -> StepSummary:
    """List the sources in the footage: hash, probe, licence and consent; arguments as in `build`."""
    found = find_footage(footage)
    with Building.open(
        output, recipe, workers, dry_run, retry_failed, on_progress,
        start=True, executor=executor, address=address,
    ) as session:  # fmt: skip
        return session.kept(session.scan(found))


def _single(step: str, doc: str) -> Callable[..., StepSummary]:
    def call(
        output: str | os.PathLike[str],
        *,
        recipe: RecipeGiven = None,
        workers: int | None = None,
        executor: str = "local",
        address: str | None = None,
        dry_run: bool = False,
        retry_failed: bool = False,
        on_progress: OnProgress = None,
    ) -> StepSummary:
        with Building.open(
            output, recipe, workers, dry_run, retry_failed, on_progress,
            start=False, executor=executor, address=address,
        ) as session:  # fmt: skip
            return session.kept(getattr(session, step)())

    call.__name__ = call.__qualname__ = step
    call.__doc__ = doc + " Options as in `build`. Raises WorkError where an earlier step has not run."
    return call


analyze = _single("analyze", "Look at every scanned source once: shots, faces, meshes and all scores.")
select = _single("select", "Decide from the scores which stretches become clips, and why the others do not.")
cut = _single("cut", "Write clip, speech and keypoints of every selected stretch.")
identify = _single("identify", "Tell the persons apart and find clips that repeat another.")
pack = _single("pack", "Publish the dataset: tables, shards, card.")


def status(output: str | os.PathLike[str]) -> Status:
    """How far a dataset has come, without touching it. Raises WorkError where there is none."""
    work = Work.at(output)
    with suppress(FolderBusy):  # then what is here is the newest: its driver runs on this machine
        work.ready()
    published = work.is_published()
    if not work.folder.is_dir() and not published:
        raise WorkError(f"{output} is no dataset of facevid, and none is being built there.")
    clips, kept_s = published_size(work.location) if published else (0, 0.0)
    annotated = _annotated(work.location) if published else 0
    steps, failures, running = [], [], None
    if work.remote is not None or work.folder.is_dir():
        running = _running(work)
    if work.ledger.exists():
        with Ledger(work.ledger, read_only=True) as ledger:
            counts = ledger.counts()
            for step in (SCAN, WATCH, ANALYZE, CUT, EMBED):
                if step is WATCH and WATCH.name not in counts:
                    continue
                steps.append({"step": step.name, **counts.get(step.name, {})})
                if step is WATCH:
                    continue  # a part that failed fails its source, which is told once
                failures += [failure(o) for o in ledger.outcomes(step.name, status="failed")]
    recipe = work.recipe(None).name if (work.folder / "recipe.yaml").exists() else None
    if (work.dataset / JOURNAL).exists():
        go_on = f"facevid takedown {output}, which finishes a takedown that was interrupted"
    elif not published:
        go_on = f"facevid build FOOTAGE -o {output}"
    elif work.remote is None and work.unpublished_selection():
        go_on = (
            f"facevid cut {output}, then identify and pack: the selection is not the one that is published"
        )
    elif clips and not annotated:
        go_on = f"facevid annotate {output}, which says what can be seen and heard in every clip"
    else:
        go_on = f"facevid explore {output}" if work.remote is None else f"facevid info {output}"
    return Status(str(output), recipe, published, clips, kept_s, annotated, steps, failures, running, go_on)


def _running(work: Work) -> str | None:
    """Who works on the dataset now."""
    if work.remote is not None:
        return work.remote.busy()
    try:
        with folder_lock(work.folder), folder_lock(work.folder, name=ANNOTATE_LOCK):
            return None
    except FolderBusy as busy:
        return str(busy)
    except StorageError:
        return None  # a disk that may only be read can still be looked at


def _annotated(dataset: str) -> int:
    """Clips of a published dataset of which anything is said."""
    asked = "select count(distinct clip_id) from annotations where clip_id in (select clip_id from clips)"
    return int(facevid.dataset.open(dataset).sql(asked).fetchall()[0][0])


def clean(output: str | os.PathLike[str]) -> int:
    """Remove the work folder of a dataset and return the bytes freed; what is published stays.

    A later build of the same footage starts from the beginning. Raises FolderBusy while a build runs, WorkError
    where there is no such folder, DatasetError where it holds something else.
    """
    work = Work.at(output)
    if work.remote is not None:
        if work.remote.is_nothing():
            raise WorkError(f"There is no dataset of facevid at {output}, so there is nothing to clean.")
        return work.remote.clean()
    if not work.folder.is_dir():
        if not work.dataset.is_dir():
            raise WorkError(f"There is no folder {output}, so there is nothing to clean.")
        check_output(work.dataset)
        return 0
    refuse_pending(work.dataset)
    try:
        with work.held():
            freed = sum(f.stat().st_size for f in work.folder.rglob("*") if f.is_file())
    except WorkError:
        freed = sum(f.stat().st_size for f in work.folder.rglob("*") if f.is_file())
    shutil.rmtree(work.folder)
    return freed


__all__ = [
    "analyze",
    "build",
    "clean",
    "cut",
    "identify",
    "pack",
    "scan",
    "select",
    "status",
]
