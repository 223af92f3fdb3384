"""One call's hold on a dataset: runs the steps of a build over its work folder and counts what became of them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

import facevid.dataset
from facevid import backends
from facevid.curate.analyze import ANALYZE
from facevid.curate.cut import CUT
from facevid.curate.identify import EMBED
from facevid.curate.longs import drop_parts, watch_parts
from facevid.curate.notes import scan_notes
from facevid.curate.optout import OptOut
from facevid.curate.people import judge_people
from facevid.curate.remote import UNITS
from facevid.curate.scan import SCAN, Found, file_names, scan_items, sources_table
from facevid.curate.steps import analyze_items, cut_items, embed_items
from facevid.curate.summary import StepSummary, Summary
from facevid.curate.tables import (
    Members,
    clips_with_cuts,
    identify_tables,
    publish_tables,
    select_tables,
    tool_versions,
)
from facevid.curate.withheld import OPTED_OUT, TAKEN_DOWN, Withheld
from facevid.curate.work import FAILED_COLUMNS, SOURCE_COLUMNS, Work, WorkError
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

STEPS = ("scan", "analyze", "select", "cut", "identify", "pack")


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
    ) -> Iterator[Session]:
        """executor, address: as `facevid.engine.open_executor` takes them.

        opt_out: a list that counts from now on, its faces embedded; None for the one that counted before."""
        check_executor(executor, address)
        work = Work.at(output)
        with _storage_faults_named():
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
        with _storage_faults_named(), work.held() as keeper:
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

    def scan(self, found: Sequence[Found]) -> StepSummary:
        items = list(scan_items(found))
        summary, outcomes = self.run(SCAN, items, names=file_names(found))
        if self.dry_run:
            return summary
        scanned = {o.key: o.value for o in outcomes.values() if o.status == "ok"}
        stays = self.withheld.footage(found, scanned)
        rows = sources_table(stays, scanned)
        summary.notes += [*self._left_out(rows), *scan_notes(stays, rows, self.withheld)]
        self.work.forget(self.withheld.sources)
        if self.ledger is not None:
            has_source = self.withheld.tombstones.has_source
            # The next build reads these files again rather than remember which were taken down.
            self.ledger.erase(SCAN.name, [p for p, known in scanned.items() if has_source(known["sha256"])])
        unread = {file_names(found)[path] for path in self.withheld.unread}
        summary.failures = [f for f in summary.failures if f["item"] not in unread]
        summary.failed -= len(unread)
        self.work.write(pa.Table.from_pylist(rows, SOURCE_COLUMNS), self.work.sources)
        self._record_failures("scan", summary.failures)
        copies = sum(r["copies"] - 1 for r in rows)
        summary.details = {
            "sources": len(rows),
            "copies": copies,
            "footage_s": sum(r["duration_s"] for r in rows),
        }
        if copies:
            summary.notes.append(f"Left aside as copies of other files, byte for byte: {copies}.")
        return summary

    def _left_out(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """What to say of sources that the last build had and this footage lacks.

        Raises WorkError where it lacks them all: then another dataset's folder was named by mistake.
        """
        if not self.work.sources.exists():
            return []
        here = {r["source_id"] for r in rows} | self.withheld.sources
        try:
            before = self.work.read(self.work.sources, "scan").to_pylist()
        except WorkError as error:
            return [f"{error} That is done now; which sources have left the dataset is not told this time."]
        gone = [s["source_name"] for s in before if s["source_id"] not in here]
        if not gone:
            return []
        if len(gone) == len(before) and self.published:
            raise WorkError(
                f"{self.work.location} was built from other footage: none of its {len(before)} sources (such as "
                f"{gone[0]}) is in the footage given. Name that footage as well, or build in another folder."
            )
        return [
            f"{len(gone)} sources of the last build (such as {gone[0]}) are not in this footage and leave the "
            "dataset; what was found in them is kept, so naming them again brings them back at once."
        ]

    def analyze(self) -> StepSummary:
        sources = self._sources()
        if sources is None:
            return self._unknown("analyze")
        items = analyze_items(sources, self.work, self.recipe)
        names = {s["source_id"]: s["source_name"] for s in sources}
        seconds = {s["source_id"]: float(s["duration_s"]) for s in sources}
        items, watched = watch_parts(self, items, seconds)
        by_key = {item.key: item for item in items}
        summary, outcomes = self.run(
            ANALYZE, items, seconds=seconds, names=names, on_ok=lambda key: drop_parts(self, by_key[key])
        )
        summary.notes += watched.notes
        if self.dry_run:
            return summary
        summary.seconds += watched.seconds
        self.analysed_s += sum(
            float(o.value["seconds"]) for o in outcomes.values() if o.status == "ok" and not o.reused
        )
        for outcome in sorted(outcomes.values(), key=lambda o: names[o.key]):
            if outcome.status == "ok":
                told = (outcome.value.get(name) for name in ("stopped_early", "not_split"))
                summary.notes += [str(sentence) for sentence in told if sentence]
        self._record_failures("analyze", summary.failures)
        return summary

    def select(self) -> StepSummary:
        sources = self._sources()
        if self.dry_run or sources is None:
            return self._unknown("select")
        began = time.monotonic()
        versions = self._finished(ANALYZE, analyze_items(sources, self.work, self.recipe))
        if not versions and sources:
            analysed = self.ledger is not None and "analyze" in self.ledger.counts()
            if not analysed:
                raise WorkError(
                    f"No source of {self.work.location} is analysed yet; run `facevid analyze` first."
                )
        self.work.gather_tracks(sources, versions)
        stretches, rejected = select_tables(self.work.tracks, self.recipe)
        stretches, rejected = self.withheld.tables(stretches, rejected, sources, self.recipe)
        stretches, refused = judge_people(stretches, sources, self.recipe.people)
        rejected = pa.concat_tables([rejected, refused]) if len(refused) else rejected
        self.work.write(stretches, self.work.stretches)
        self.work.write(rejected, self.work.rejected)
        return StepSummary(
            "select", self.work.location, total=len(stretches) + len(rejected), ok=len(stretches),
            rejected=len(rejected), seconds=time.monotonic() - began,
        )  # fmt: skip

    def cut(self) -> StepSummary:
        if self.dry_run:
            return self._unknown("cut")
        sources = {s["source_id"]: s for s in self._sources() or []}
        stretches = self.work.read(self.work.stretches, "select").to_pylist()
        items = cut_items(stretches, sources, self.work, self.recipe)
        seconds = {s["clip_id"]: s["end_s"] - s["start_s"] for s in stretches}
        summary, _ = self.run(CUT, items, seconds=seconds)
        self._record_failures("cut", summary.failures)
        return summary

    def identify(self) -> StepSummary:
        if self.dry_run:
            return self._unknown("identify")
        began = time.monotonic()
        members = self._members()
        items = embed_items(members, self.work, self.recipe)
        summary, outcomes = self.run(EMBED, items)
        embedded = {
            i.key: Path(i.payload["_embedding_path"]) for i in items if outcomes[i.key].status == "ok"
        }
        table, notes = identify_tables(
            embedded, members, self.work, self.recipe, self.withheld.opt_out.of("face")
        )
        summary.notes += notes
        self.work.write(table, self.work.identity)
        self._record_failures("identify", summary.failures)
        shown = table.filter(pc.invert(table["opted_out"]))
        self.withheld.count("identify", {OPTED_OUT: len(table) - len(shown)})
        summary.step = "identify"
        summary.details = {
            "persons": len(set(shown["identity"].to_pylist()) - {None}),
            "duplicates": len(shown) - shown["duplicate_of"].null_count,
        }
        summary.seconds = time.monotonic() - began
        return summary

    def pack(self) -> StepSummary:
        if self.dry_run:
            return self._unknown("pack")
        began = time.monotonic()
        identity = self.work.read(self.work.identity, "identify")
        unknown = set(self._members().hashes) - set(identity["clip_id"].to_pylist())
        if unknown:
            raise WorkError(
                f"{len(unknown)} cut clips of {self.work.location} have no identity yet; "
                f"run `facevid identify {self.work.location}` first."
            )
        sources = self.work.read(self.work.sources, "scan")
        failed = self._failed_table()
        publish_tables(
            self._members(), identity, sources, failed, self.work, self.recipe, tool_versions(), self.withheld,
            self.work.outlet(self.keeper),
        )  # fmt: skip
        self.work.keep_packed()
        if self.work.remote is not None and self.ledger is not None:
            self.work.remote.tidy({step: self.ledger.hashes(step) for step in UNITS})
        clips, kept_s = published_size(self.work.location)
        return StepSummary(
            "pack", self.work.location, total=clips, ok=clips, seconds=time.monotonic() - began,
            details={"clips": clips, "kept_s": kept_s},
        )  # fmt: skip

    def summary(self, steps: Sequence[StepSummary]) -> Summary:
        """The whole build in figures."""
        scanned = steps[0].details
        failures = [f for s in steps for f in s.failures]
        kinds: dict[str, int] = {}
        for failure in failures:
            kinds[failure["kind"]] = kinds.get(failure["kind"], 0) + 1
        clips, kept_s, rejected = 0, 0.0, []
        if not self.dry_run:
            clips, kept_s = published_size(self.work.location)
            rejected = _reasons(self.work.location)
        elapsed = time.monotonic() - self.began
        left_out = self.withheld.left_out()
        return Summary(
            dataset=self.work.location, recipe=self.recipe.name,
            sources=int(scanned.get("sources", 0)), footage_s=float(scanned.get("footage_s", 0.0)),
            clips=clips, kept_s=kept_s, persons=int(steps[4].details.get("persons", 0)),
            rejected=rejected, failed=len(failures), failed_by_kind=kinds, failures=failures,
            notes=[n for s in steps for n in s.notes], seconds=elapsed,
            realtime_factor=self.analysed_s / elapsed if self.analysed_s else None,
            steps=[s.to_dict() for s in steps], dry_run=self.dry_run,
            opted_out=left_out.get(OPTED_OUT, 0), taken_down=left_out.get(TAKEN_DOWN, 0),
        )  # fmt: skip

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

    def _finished(self, step: Step, items: Sequence[Item]) -> dict[str, str]:
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

    def _members(self) -> Members:
        sources = self.work.read(self.work.sources, "scan").to_pylist()
        stretches = self.work.read(self.work.stretches, "select")
        items = cut_items(stretches.to_pylist(), {s["source_id"]: s for s in sources}, self.work, self.recipe)
        done = self._finished(CUT, items)
        waiting = len(items) - len(self.settled(CUT, items, ("ok", "failed", "rejected")))
        if waiting:
            raise WorkError(
                f"{waiting} of the {len(items)} selected stretches of {self.work.location} are not cut yet; "
                f"run `facevid cut {self.work.location}` first."
            )
        held = self.ledger.get_many(CUT.name, list(done)) if self.ledger is not None else {}
        return clips_with_cuts(stretches, done, {k: o.value for k, (_, o) in held.items()}, sources)

    def _sources(self) -> list[dict[str, Any]] | None:
        if self.dry_run and not self.work.sources.exists():
            return None
        rows: list[dict[str, Any]] = self.work.read(self.work.sources, "scan FOOTAGE -o DATASET").to_pylist()
        return rows

    def _unknown(self, step: str) -> StepSummary:
        return StepSummary(
            step,
            self.work.location,
            dry_run=True,
            notes=[f"What {step} does depends on the steps before it."],
        )

    def _failed_path(self, step: str) -> Path:
        return self.work.folder / "failed" / f"{step}.parquet"

    def _record_failures(self, step: str, failures: Sequence[Mapping[str, str]]) -> None:
        self.work.write(pa.Table.from_pylist(list(failures), FAILED_COLUMNS), self._failed_path(step))

    def _failed_table(self) -> pa.Table:
        paths = [self._failed_path(step) for step in STEPS]
        tables = [self.work.read(path, "build") for path in paths if path.exists()]
        return pa.concat_tables(tables) if tables else FAILED_COLUMNS.empty_table()


@contextmanager
def _storage_faults_named() -> Iterator[None]:
    """Turn what says that the output cannot be written into StorageError, wherever the driver meets it."""
    try:
        yield
    except OSError as error:
        sentence = storage_sentence(error)
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


def published_size(dataset: str | Path) -> tuple[int, float]:
    """Clips of a published dataset, and their seconds."""
    row = (
        facevid.dataset.open(dataset)
        .sql("select count(*), coalesce(sum(end_s - start_s), 0) from clips")
        .fetchall()[0]
    )
    return int(row[0]), float(row[1])


def _reasons(dataset: str | Path) -> list[dict[str, Any]]:
    rows = facevid.dataset.open(dataset).sql(
        "select reason, count(*), sum(end_s - start_s) from rejected group by reason order by 3 desc, 1"
    )
    return [{"reason": r, "stretches": n, "seconds": round(s, 3)} for r, n, s in rows.fetchall()]
