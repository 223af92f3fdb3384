"""The six steps of a build over one dataset's work folder: scan, analyze, select, cut, identify, pack."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

import facevid.dataset
from facevid.curate.analyze import ANALYZE
from facevid.curate.cut import CUT
from facevid.curate.identify import EMBED
from facevid.curate.long_sources import drop_parts, watch_parts
from facevid.curate.notes import scan_notes
from facevid.curate.people import judge_people
from facevid.curate.remote_dataset import UNITS
from facevid.curate.scan import SCAN, Found, file_names, scan_items, sources_table
from facevid.curate.session import Session
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
from facevid.curate.withheld import OPTED_OUT, TAKEN_DOWN
from facevid.curate.work import FAILED_COLUMNS, SOURCE_COLUMNS, WorkError

STEPS = ("scan", "analyze", "select", "cut", "identify", "pack")


class Building(Session):
    """A hold on a dataset that runs the steps of a build, each as far as it is not done yet."""

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
        versions = self.finished(ANALYZE, analyze_items(sources, self.work, self.recipe))
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

    def _members(self) -> Members:
        sources = self.work.read(self.work.sources, "scan").to_pylist()
        stretches = self.work.read(self.work.stretches, "select")
        items = cut_items(stretches.to_pylist(), {s["source_id"]: s for s in sources}, self.work, self.recipe)
        done = self.finished(CUT, items)
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
