"""What a build leaves out without a trace: opted out, or taken down before; by source, by seconds, by face."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from facevid.curate.manifest import Found
from facevid.curate.optout import Entry, OptOut
from facevid.dataset.removing.tombstones import Tombstones, source_mark
from facevid.dataset.spans import Box, Span, centre_of, owners, read_spans, spans_text
from facevid.engine import write_json_atomic
from facevid.recipe import Recipe

OPTED_OUT, TAKEN_DOWN = "opted_out", "taken_down"
Region = tuple[float, float, Box | None]
"""Seconds of a source, and where in the picture; None for anywhere."""


@dataclass
class Withheld:
    """What is left out of one build, and how much that is; `path` keeps it between the steps' own calls."""

    opt_out: OptOut
    tombstones: Tombstones
    path: Path
    sources: set[str] = field(default_factory=set)
    """Sources that are left out as a whole."""
    marks: set[str] = field(default_factory=set)
    """Of the sources that were taken down, a hash of the id: what is kept must not name them."""
    unread: set[str] = field(default_factory=set)
    """Paths of files that could not be scanned and are left out by their name or address."""
    regions: dict[str, list[Region]] = field(default_factory=dict)
    used: set[Entry] = field(default_factory=set)
    _counts: dict[str, dict[str, int]] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path, opt_out: OptOut, tombstones: Tombstones) -> Withheld:
        """As the last scan left it; nothing withheld where there was none."""
        held = cls(opt_out, tombstones, path)
        if path.exists():
            content = json.loads(path.read_text(encoding="utf-8"))
            held.sources = set(content["sources"])
            held.marks = set(content.get("marks", ()))
            held.regions = {
                source_id: [
                    (a, float("inf") if b is None else b, tuple(box) if box else None)
                    for a, b, box in regions
                ]
                for source_id, regions in content["regions"].items()
            }
            held._counts = content["counts"]
        return held

    def left_out(self) -> dict[str, int]:
        """Sources, spans and clips that are `opted_out` (given a list) and `taken_down` (where any are)."""
        out, down = (sum(c.get(name, 0) for c in self._counts.values()) for name in (OPTED_OUT, TAKEN_DOWN))
        listed = {OPTED_OUT: out} if self.opt_out.entries or out else {}
        return listed | ({TAKEN_DOWN: down} if down else {})

    def count(self, step: str, counts: Mapping[str, int]) -> None:
        """Remember what a step left out, in place of what it left out before."""
        self._counts = self._counts | {step: dict(counts)}
        if not self.path.exists() and not (self.left_out() or self.sources or self.regions):
            return
        regions = {
            source_id: [[a, None if b == float("inf") else b, box] for a, b, box in regions]
            for source_id, regions in sorted(self.regions.items())
        }
        named = sorted(s for s in self.sources if not self._taken_down(s))
        write_json_atomic(
            {"sources": named, "marks": sorted(self.marks), "regions": regions, "counts": self._counts},
            self.path,
        )

    def footage(self, found: Sequence[Found], scanned: Mapping[str, Mapping[str, Any]]) -> list[Found]:
        """The files and spans that stay; counts the sources that do not, and forgets what was withheld before.

        Of two files with the same bytes both go. A file that could not be scanned goes by its name or address.
        """
        self.regions = {}
        hits = {str(one.path): self.opt_out.whole(one, scanned.get(str(one.path))) for one in found}
        self.used.update(entry for entries in hits.values() for entry in entries)
        out = {str(scanned[p]["sha256"]) for p, entries in hits.items() if entries and p in scanned}
        down = {str(s["sha256"]) for s in scanned.values() if self.tombstones.has_source(s["sha256"])} - out
        self.sources = {sha256[:16] for sha256 in out | down}
        self.marks = {source_mark(sha256[:16]) for sha256 in down}
        self.unread = {path for path, entries in hits.items() if entries and path not in scanned}
        stays = []
        for one in found:
            path = str(one.path)
            known = scanned.get(path)
            if path not in self.unread and (known is None or known["source_id"] not in self.sources):
                stays.append(self._without_people(one, known))
        self._counts = {}
        spans = sum(len(places) for places in self.regions.values())
        self.count("scan", _counts(len(out) + len(self.unread) + spans, len(down)))
        return stays

    def _without_people(self, one: Found, known: Mapping[str, Any] | None) -> Found:
        """A file without the spans of people who are opted out; what is seen there is shown by no other span."""
        gone = [(span, self.opt_out.of_span(span)) for span in one.spans]
        self.used.update(entry for _, entries in gone for entry in entries)
        if known is not None:
            places = [_region(span) for span, entries in gone if entries]
            if places:
                self.regions.setdefault(str(known["source_id"]), []).extend(places)
        return replace(one, spans=tuple(span for span, entries in gone if not entries))

    def tables(
        self, stretches: pa.Table, rejected: pa.Table, sources: Sequence[Mapping[str, Any]], recipe: Recipe
    ) -> tuple[pa.Table, pa.Table]:
        """The stretches and the rejected rows that stay; counts the stretches that do not."""
        regions = self._regions(recipe)
        if not regions and not self.tombstones.seconds:
            self.count("select", _counts(0, 0))
            return stretches, rejected
        stays, counts = self._split(stretches, sources, regions)
        self.count("select", counts)
        return stays, self._split(rejected, sources, regions)[0]

    def statements(
        self, kept: set[str], gone: set[str], sources: Sequence[Mapping[str, Any]], recipe: Recipe
    ) -> Callable[[pa.Table], pa.Array]:
        """Tells which statements are about clips that are left out, so that not even a review of them stays.

        kept: clips that are published. gone: clips left out for their face. sources: those that stay.
        """
        sha256 = {str(s["source_id"]): str(s["sha256"]) for s in sources}
        regions = self._regions(recipe)

        def left_out(clip_id: str) -> bool:
            source_id, first, last, _ = clip_id.split("_")
            if clip_id in kept:
                return False
            if clip_id in gone or source_id in self.sources or self._taken_down(source_id):
                return True
            start, end = int(first) / recipe.fps, (int(last) + 1) / recipe.fps
            if any(_shows(region, start, end, None) for region in regions.get(source_id, ())):
                return True
            return source_id in sha256 and self.tombstones.covers(sha256[source_id], start, end)

        def drop(table: pa.Table) -> pa.Array:
            ids = pc.unique(table["clip_id"]).to_pylist()
            return pc.is_in(
                table["clip_id"], value_set=pa.array([i for i in ids if left_out(i)], pa.string())
            )

        return drop

    def published(self, sources: pa.Table, emptied: set[str], gone: pa.Table, kept: pa.Table) -> pa.Table:
        """Rows of the sources that are published: without `emptied`, and without spans of people who have left.

        gone: stretches that were left out for their face; a span that holds one of these goes. kept: stretches that
        are published; a span of which anything was taken down goes unless it holds one of these.
        """
        if not emptied and not len(gone) and not self.tombstones.seconds:
            return sources
        stays = pa.array([s not in emptied for s in sources["source_id"].to_pylist()], pa.bool_())
        sources = sources.filter(stays)
        if "spans" not in sources.column_names or sources["spans"].null_count == len(sources):
            return sources
        left, here = _by_source(gone), _by_source(kept)
        texts = []
        for row in sources.select(["source_id", "sha256", "spans", "width", "height"]).to_pylist():
            spans = read_spans(row["spans"])
            out = _places(left.get(row["source_id"], ()), row, spans)
            used = _places(here.get(row["source_id"], ()), row, spans)
            shown = [
                s
                for s in spans
                if s.place not in out and (s.place in used or not self._touched(s, row["sha256"]))
            ]
            texts.append(row["spans"] if len(shown) == len(spans) else spans_text(shown) or "[]")
        number = sources.column_names.index("spans")
        return sources.set_column(number, "spans", pa.array(texts, pa.string()))

    def _taken_down(self, source_id: str) -> bool:
        return bool(self.marks) and source_mark(source_id) in self.marks

    def _touched(self, span: Span, sha256: str) -> bool:
        """Whether anything of a span was taken down; of one without an end the first hour is looked through."""
        start = span.start_s or 0.0
        return bool(self.tombstones.seconds) and self.tombstones.covers(
            sha256, start, start + 3600.0 if span.end_s is None else span.end_s
        )

    def _regions(self, recipe: Recipe) -> dict[str, list[Region]]:
        """Seconds of sources that are left out: of people, and of the clips that are opted out."""
        regions = {source_id: list(places) for source_id, places in self.regions.items()}
        for entry in self.opt_out.of("clip"):
            source_id, first, last, _ = entry.value.split("_")
            place: Region = (int(first) / recipe.fps, (int(last) + 1) / recipe.fps, None)
            regions.setdefault(source_id, []).append(place)
        return regions

    def _split(
        self, table: pa.Table, sources: Sequence[Mapping[str, Any]], regions: Mapping[str, Sequence[Region]]
    ) -> tuple[pa.Table, dict[str, int]]:
        known = {str(s["source_id"]): s for s in sources}
        marked = set(known) if self.tombstones.seconds else set(regions)
        stays, out, down = [], 0, 0
        columns = [table[name].to_pylist() for name in ("source_id", "start_s", "end_s", "face_x", "face_y")]
        for source_id, start, end, x, y in zip(*columns, strict=True):
            if source_id not in marked:
                stays.append(True)
                continue
            source = known.get(source_id, {})
            centre = centre_of({"face_x": x, "face_y": y}, source)
            opted = any(_shows(region, start, end, centre) for region in regions.get(source_id, ()))
            taken = not opted and bool(source) and self.tombstones.covers(source["sha256"], start, end)
            out, down = out + opted, down + taken
            stays.append(not (opted or taken))
        return table.filter(pa.array(stays, pa.bool_())), _counts(out, down)

    def unmatched(self, sources: Sequence[Mapping[str, Any]]) -> list[Entry]:
        """The entries of the opt-out list that nothing in this footage answers to; of faces `identify` tells."""
        here = self.sources | {str(s["source_id"]) for s in sources}
        return [
            e
            for e in self.opt_out.entries
            if e.kind != "face"
            and e not in self.used
            and not (e.kind == "clip" and e.value.split("_")[0] in here)
        ]

    def clear(self, places: Sequence[Callable[[str], Path]], clips: Path, embeddings: Path) -> None:
        """Remove from the work folder what was found earlier in sources that are left out.

        places: source_id -> folders that are one source's.
        """
        for source_id in sorted(self.sources):
            for place in places:
                shutil.rmtree(place(source_id), ignore_errors=True)
            for folder in (clips, embeddings):
                for path in folder.glob(f"{source_id}_*"):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _by_source(stretches: pa.Table) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in stretches.select(["source_id", "start_s", "end_s", "face_x", "face_y"]).to_pylist():
        found.setdefault(row["source_id"], []).append(row)
    return found


def _places(clips: Sequence[Mapping[str, Any]], source: Mapping[str, Any], spans: Sequence[Span]) -> set[Any]:
    """The places of the spans to which the clips belong."""
    return {
        span.place for c in clips for span in owners(spans, c["start_s"], c["end_s"], centre_of(c, source))
    }


def _counts(out: int, down: int) -> dict[str, int]:
    return {OPTED_OUT: out, TAKEN_DOWN: down}


def _region(span: Span) -> Region:
    return (span.start_s or 0.0, float("inf") if span.end_s is None else span.end_s, span.box)


def _shows(region: Region, start_s: float, end_s: float, centre: tuple[float, float] | None) -> bool:
    """Whether a stretch shows what the region does; a face whose place is not known may be the one there."""
    start, end, box = region
    if min(end, end_s) <= max(start, start_s):
        return False
    return box is None or centre is None or Span(box=box).holds(centre)
