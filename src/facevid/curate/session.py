"""One call's hold on a dataset: its work folder, ledger and executor, and how a step runs over items there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from facevid import backends
from facevid.curate.optout import OptOut
from facevid.curate.summary import StepSummary
from facevid.curate.withheld import OPTED_OUT, Withheld
from facevid.curate.work import Work, WorkError
from facevid.engine import (
    PASSING,
    Executor,
    Item,
    Ledger,
    Outcome,
    PayloadHasher,
    Progress,
    Step,
    StorageError,
    check_executor,
    has_outputs,
    open_executor,
    storage_sentence,
    track,
)
from facevid.engine.keeper import Keeper
from facevid.engine.travel import There
from facevid.recipe import Recipe
from facevid.storage import PlaceError, file_name

RecipeGiven = Recipe | str | Path | Mapping[str, Any] | None
OnProgress = Callable[[Progress], None] | None


@dataclass
class Session:
    """One call's hold on a dataset: its work folder, recipe, ledger and executor."""

    work: Work
    recipe: Recipe
    ledger: Ledger | None
    executor: Executor | None
    dry_run: bool
    retry_failed: bool
    on_progress: OnProgress
    began: float
    withheld: Withheld
    published: bool
    keeper: Keeper | None = None
    analysed_s: float = 0.0

    @classmethod
    @contextmanager
    def open(
        cls,
        output: str | os.PathLike[str],
        recipe: RecipeGiven,
        workers: int | None,
        dry_run: bool,
        retry_failed: bool,
        on_progress: OnProgress,
        *,
        start: bool,
        executor: str = "local",
        address: str | None = None,
        opt_out: OptOut | None = None,
    ) -> Iterator[Self]:
        """executor, address: as `facevid.engine.open_executor` takes them.

        opt_out: a list that counts from now on, its faces embedded; None for the one that counted before."""
        check_executor(executor, address)
        work = Work.at(output)
        with _storage_faults_named(work.folder):
            work.ready()
            chosen, published = work.recipe(recipe), work.published()
        if not start and not work.folder.is_dir():
            raise WorkError(f"There is no build in {output}; start with `facevid scan FOOTAGE -o {output}`.")
        if workers is not None and workers < 1:
            raise WorkError(f"workers must be 1 or more, not {workers}.")
        check_backends(chosen)
        listed = OptOut.kept(work.opt_out) if opt_out is None else opt_out
        if listed is None and published is not None and OPTED_OUT in published.about.get("counts", {}):
            raise WorkError(
                f"{work.location} was built with an opt-out list, which went with its work folder; name the list again "
                "with --opt-out (an empty file where nobody is opted out any more)."
            )
        listed = listed or OptOut("")
        if listed.of("face") and listed.embedder != chosen.backends.face_embedder:
            raise WorkError(
                f"The faces of the opt-out list {listed.name} were embedded by {listed.embedder}, and this recipe has "
                f"{chosen.backends.face_embedder}; name the list again with --opt-out."
            )
        withheld = Withheld.load(work.withheld, listed, work.tombstones())
        began = time.monotonic()
        if dry_run and not work.folder.is_dir():
            yield cls(
                work,
                chosen,
                None,
                None,
                True,
                retry_failed,
                on_progress,
                began,
                withheld,
                published is not None,
            )
            return
        with _storage_faults_named(work.folder), work.held() as keeper:
            log = work.folder / "worker.log"
            with Ledger(work.ledger) as ledger:
                if not dry_run:
                    work.keep_recipe(chosen)
                    if opt_out is not None:
                        opt_out.write(work.opt_out)
                with open_executor(
                    executor, workers=workers, address=address, lock=work.lock, log=log,
                    resources=chosen.resources.given(),
                    travel=None if work.remote is None else work.remote.travel,
                ) as opened:  # fmt: skip
                    if keeper is not None and not dry_run:
                        keeper.begin()
                    yield cls(
                        work, chosen, ledger, opened, dry_run, retry_failed, on_progress, began, withheld,
                        published is not None, keeper,
                    )  # fmt: skip

    def kept(self, summary: StepSummary) -> StepSummary:
        """A step's summary, once what it found is saved where the dataset lies behind an address."""
        if self.keeper is not None and not self.dry_run:
            self.keeper.save()
        return summary

    def run(
        self,
        step: Step,
        items: Sequence[Item],
        *,
        seconds: Mapping[str, float] | None = None,
        names: Mapping[str, str] | None = None,
        on_ok: Callable[[str], None] = lambda key: None,
    ) -> tuple[StepSummary, dict[str, Outcome]]:
        """Run a step over items, long ones first so that no worker ends late; outcomes by key."""
        summary = StepSummary(step.name, self.work.location, total=len(items), dry_run=self.dry_run)
        if self.dry_run or self.ledger is None or self.executor is None:
            summary.to_run = len(items) - len(self.settled(step, items, self.final(), passing=False))
            return summary, {}
        if self.ledger.notice:
            summary.notes.append(self.ledger.notice)
            self.ledger.notice = None
        began = time.monotonic()
        weights = seconds or {}
        ordered = sorted(items, key=lambda i: (-weights.get(i.key, 0.0), i.key))
        running = self.executor.run(step, ordered, self.recipe, self.ledger, retry_failed=self.retry_failed)
        outcomes = {}
        for outcome in track(
            running, step=step.name, total=len(items), on_progress=self.on_progress,
            work_s=lambda o: weights.get(o.key, 0.0),
        ):  # fmt: skip
            if self.keeper is not None and (fault := self.keeper.fault()) is not None:
                raise fault
            outcomes[outcome.key] = outcome
            if outcome.status == "ok":
                on_ok(outcome.key)
            summary.reused += outcome.reused
            setattr(summary, outcome.status, getattr(summary, outcome.status) + 1)
        named = names or {}
        summary.failures = [
            {**failure(o), "item": named.get(key, key)}
            for key, o in sorted(outcomes.items())
            if o.status == "failed"
        ]
        summary.seconds = time.monotonic() - began
        return summary, outcomes

    def finished(self, step: Step, items: Sequence[Item]) -> dict[str, str]:
        """Keys that the ledger holds as ok under today's hash, with that hash."""
        return self.settled(step, items, ("ok",))

    def final(self) -> tuple[str, ...]:
        """Statuses of items that this call leaves as they are."""
        return ("ok",) if self.retry_failed else ("ok", "failed", "rejected")

    def settled(
        self,
        step: Step,
        items: Sequence[Item],
        statuses: Sequence[str],
        *,
        whole: bool = False,
        passing: bool = True,
    ) -> dict[str, str]:
        """Keys that the ledger holds with one of the statuses under today's hash, with that hash.

        whole: only where what they put out is still there. passing: also those that failed by what may pass.
        """
        if self.ledger is None:
            return {}
        held = self.ledger.get_many(step.name, [i.key for i in items])
        hasher = PayloadHasher(step, self.recipe)
        there = None if self.work.remote is None else There(self.work.remote.travel)
        out = {}
        for item in items:
            digest = hasher(item.payload)
            if item.key not in held or held[item.key][0] != digest:
                continue
            outcome = held[item.key][1]
            if outcome.status not in statuses or not (passing or outcome.kind not in PASSING):
                continue
            if not whole or outcome.status != "ok" or has_outputs(step, item, outcome, there):
                out[item.key] = digest
        return out


@contextmanager
def _storage_faults_named(folder: Path) -> Iterator[None]:
    """Turn what says that the output cannot be written into StorageError, wherever the driver meets it.

    folder: what is named where the error itself names no file.
    """
    try:
        yield
    except OSError as error:
        sentence = storage_sentence(error, folder)
        if sentence is None:
            raise
        raise StorageError(sentence) from error
    except PlaceError as error:
        raise StorageError(f"{error} What is finished is kept.") from error


def check_backends(recipe: Recipe) -> None:
    """Raise BackendError where the recipe names a backend that is not installed; loads none of them."""
    for kind, name in recipe.backends.model_dump().items():
        if name not in backends.names(kind):
            allowed = ", ".join(backends.names(kind))
            raise backends.BackendError(f"backends.{kind}: there is no backend {name!r}; allowed: {allowed}.")


def failure(outcome: Outcome) -> dict[str, str]:
    return {
        "item": file_name(outcome.key), "step": outcome.step,
        "kind": outcome.kind or "bug", "message": outcome.message or "",
    }  # fmt: skip
