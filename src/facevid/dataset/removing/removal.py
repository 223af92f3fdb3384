"""What a takedown takes out of a dataset: which clips, which whole sources, which stretches, and what to mark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facevid.dataset.published import DatasetError, Manifest, read_manifest
from facevid.dataset.removing import tombstones

_CLIPS = ["clip_id", "source_id", "source_name", "track", "start_s", "end_s", "fps", "frames", "identity"]
_REJECTED = ["source_id", "source_name", "track", "start_s", "end_s", "reason", "duplicate_of"]
_SOURCES = ["source_id", "source_name", "sha256", "url"]


@dataclass(frozen=True)
class TakenSource:
    """A source that goes as a whole; `paths`: where a build found its file."""

    source_id: str
    source_name: str
    sha256: str | None
    url: str | None
    paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stretch:
    """A stretch of a source of which other parts stay: frames `first` to `last` of a track, seconds of the source.

    clip: whether it is a clip; else it is a row of the rejected stretches. clip_id: the id it has or had as a clip.
    """

    source_id: str
    sha256: str | None
    track: int | None
    first: int
    last: int
    start_s: float
    end_s: float
    clip: bool
    clip_id: str


@dataclass(frozen=True)
class Removal:
    """What goes. `clips`: ids of all clips that go, of whole sources too; `stretches`: of sources that stay.

    persons: identities of which every clip goes. may_still_show: sentences, without an id or a name, about what a
    takedown cannot know. kept_repeats: ids of clips that stay although they repeat stretches of a source that goes.
    same_seconds: ids of clips that stay and show another face in seconds that are marked.
    """

    clips: tuple[str, ...]
    sources: tuple[TakenSource, ...]
    stretches: tuple[Stretch, ...]
    persons: tuple[str, ...] = ()
    may_still_show: tuple[str, ...] = ()
    kept_repeats: tuple[str, ...] = ()
    same_seconds: tuple[str, ...] = ()

    def source_marks(self) -> list[str]:
        """Tombstones of the whole sources."""
        return sorted(tombstones.source_mark(s.sha256) for s in self.sources if s.sha256)

    def second_marks(self) -> list[str]:
        """Tombstones of the stretches, for seconds and tenths of seconds."""
        marks: set[str] = set()
        for s in self.stretches:
            if s.sha256:
                marks |= tombstones.stretch_marks(s.sha256, s.start_s, s.end_s)
        return sorted(marks)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Removal:
        return cls(
            clips=tuple(content["clips"]),
            sources=tuple(TakenSource(**{**s, "paths": tuple(s["paths"])}) for s in content["sources"]),
            stretches=tuple(Stretch(**s) for s in content["stretches"]),
            persons=tuple(content["persons"]),
            may_still_show=tuple(content["may_still_show"]),
            kept_repeats=tuple(content["kept_repeats"]),
            same_seconds=tuple(content["same_seconds"]),
        )


def resolve(
    folder: Path,
    *,
    sources: Sequence[str] = (),
    persons: Sequence[str] = (),
    clips: Sequence[str] = (),
    paths: Mapping[str, Sequence[str]] | None = None,
    unpublished: Mapping[str, str | None] | None = None,
) -> Removal:
    """What of a dataset goes with these sources (name, id or SHA-256), persons (identity) and clips (id).

    A person's source goes whole where every identified clip of it shows that person; of the others go the person's
    clips and the rejected stretches of the same tracks. With a clip go the clips that overlap it in its track and the
    stretches elsewhere that were rejected as repeats of it, since these are the same pictures. paths: source id ->
    where a build found the file. unpublished: identities of clips that a build cut and then left out, as repeats or by
    review. Raises DatasetError for what the dataset does not have.
    """
    if not sources and not persons and not clips:
        raise DatasetError("Name what is to be taken down: --source, --person or --clip.")
    found = _Resolving(folder, read_manifest(folder), unpublished or {})
    for source in sources:
        found.source(source)
    for person in persons:
        found.person(person)
    for clip in clips:
        found.clip(clip)
    return found.removal(paths or {})


class _Resolving:
    def __init__(self, folder: Path, manifest: Manifest, unpublished: Mapping[str, str | None]) -> None:
        self._folder = folder
        self._unpublished = unpublished
        self._clips = _read(folder, manifest, "clips", _CLIPS)
        self._rejected = _read(folder, manifest, "rejected", _REJECTED)
        table = _read(folder, manifest, "sources", _SOURCES)
        self._sources: dict[str, dict[str, Any]] = {s["source_id"]: s for s in table.to_pylist()}
        recipe = manifest.about.get("recipe") or {}
        self._fps = float(recipe.get("fps") or (self._clips["fps"][0].as_py() if len(self._clips) else 25.0))
        self._whole: set[str] = set()
        self._ids: set[str] = set()
        self._tracks: set[tuple[str, int]] = set()
        self._left_out: set[str] = set()
        self._persons: list[str] = []

    def source(self, wanted: str) -> None:
        for source_id, row in self._sources.items():
            if wanted in (source_id, row["source_name"], row["sha256"]):
                self._whole.add(source_id)
                return
        if len(wanted) == 64 and tombstones.read(self._folder).has_source(wanted.lower()):
            raise DatasetError(f"{self._folder} has no source with that SHA-256: it was taken down before.")
        raise DatasetError(
            f"{self._folder} has no source {wanted!r}; give the source_name, source_id or sha256 of a row of its "
            "table sources."
        )

    def person(self, identity: str) -> None:
        theirs = self._clips.filter(pc.equal(self._clips["identity"], identity))
        if not len(theirs):
            raise DatasetError(
                f"{self._folder} has no person {identity!r}; give an identity of its table clips, such as those that "
                '`facevid query DATASET "select distinct identity from clips"` lists.'
            )
        self._persons.append(identity)
        self._left_out.update(clip_id for clip_id, who in self._unpublished.items() if who == identity)
        known = self._clips.filter(pc.is_valid(self._clips["identity"]))
        shared = set(known.filter(pc.not_equal(known["identity"], identity))["source_id"].to_pylist())
        for row in theirs.to_pylist():
            if row["source_id"] not in shared:
                self._whole.add(row["source_id"])
            else:
                self._ids.add(row["clip_id"])
                self._tracks.add((row["source_id"], row["track"]))

    def clip(self, clip_id: str) -> None:
        if pc.index(self._clips["clip_id"], clip_id).as_py() < 0:
            raise DatasetError(f"{self._folder} has no clip {clip_id!r}; give a clip_id of its table clips.")
        self._ids.add(clip_id)

    def removal(self, paths: Mapping[str, Sequence[str]]) -> Removal:
        self._ids.update(self._of_sources(self._clips, self._whole)["clip_id"].to_pylist())
        named = self._clips.filter(pc.is_in(self._clips["clip_id"], value_set=_strings(self._ids)))
        taken = [self._stretch(row, clip=True) for row in named.to_pylist()]
        near = self._of_sources(self._clips, {s.source_id for s in taken} - self._whole)
        for row in near.to_pylist():
            stretch = self._stretch(row, clip=True)
            if stretch.clip_id not in self._ids and any(_overlap(stretch, other) for other in taken):
                taken.append(stretch)
        gone = sorted(s.clip_id for s in taken)
        stretches = [s for s in taken if s.source_id not in self._whole]
        stretches += self._rejected_with(stretches, set(gone))
        return Removal(
            clips=tuple(gone),
            sources=tuple(self._taken_source(s, paths) for s in sorted(self._whole)),
            stretches=tuple(sorted(stretches, key=lambda s: (s.source_id, s.first, s.last, s.track or 0))),
            persons=tuple(sorted(self._persons)),
            may_still_show=tuple(self._doubts(set(gone))),
            kept_repeats=tuple(self._kept_repeats(set(gone))),
            same_seconds=tuple(self._same_seconds(stretches, set(gone))),
        )

    def _rejected_with(self, clips: Sequence[Stretch], gone: set[str]) -> list[Stretch]:
        """Rejected stretches, of sources that stay, that show what goes."""
        repeats = pc.is_in(self._rejected["duplicate_of"], value_set=_strings(gone))
        of = {s.source_id for s in clips} | {clip_id.split("_")[0] for clip_id in self._left_out}
        near = pc.is_in(self._rejected["source_id"], value_set=_strings(of))
        found = []
        for row in self._rejected.filter(pc.or_(repeats, near)).to_pylist():
            if row["source_id"] in self._whole:
                continue
            stretch = self._stretch(row, clip=False)
            same_track = (row["source_id"], row["track"]) in self._tracks
            shows = same_track or stretch.clip_id in self._left_out or row["duplicate_of"] in gone
            if shows or any(_overlap(stretch, c) for c in clips):
                found.append(stretch)
        return found

    def _kept_repeats(self, gone: set[str]) -> list[str]:
        of = self._of_sources(self._rejected, self._whole)["duplicate_of"].to_pylist()
        here = set(self._clips["clip_id"].to_pylist()) if any(of) else set()
        return sorted({clip_id for clip_id in of if clip_id in here} - gone)

    def _same_seconds(self, stretches: Sequence[Stretch], gone: set[str]) -> list[str]:
        marked: dict[str, list[Stretch]] = {}
        for s in stretches:
            marked.setdefault(s.source_id, []).append(s)
        return sorted(
            row["clip_id"]
            for row in self._of_sources(self._clips, set(marked)).to_pylist()
            if row["clip_id"] not in gone
            and any(row["start_s"] < s.end_s and s.start_s < row["end_s"] for s in marked[row["source_id"]])
        )

    def _doubts(self, gone: set[str]) -> list[str]:
        said = []
        repeats = len(self._kept_repeats(gone))
        if repeats:
            said.append(
                f"{repeats} clips of sources that stay repeat stretches of a source that goes; take them down by "
                "their ids if they must go too."
            )
        if not self._persons:
            return said
        mixed = {source_id for source_id, _ in self._tracks} - self._whole
        rows = self._of_sources(self._clips, mixed)
        unknown = sum(
            row["identity"] is None and row["clip_id"] not in gone
            for row in rows.select(["clip_id", "identity"]).to_pylist()
        )
        if mixed:
            rejected = sum(
                (row["source_id"], row["track"]) not in self._tracks
                for row in self._of_sources(self._rejected, mixed).select(["source_id", "track"]).to_pylist()
            )
            said.append(
                f"{len(mixed)} sources that show other persons too stay, less the seconds of this person's clips: "
                f"{unknown} clips of them without an identity and {rejected} rejected stretches of other tracks may "
                "still show this person."
            )
        elsewhere = self._clips.filter(pc.is_null(self._clips["identity"]))
        others = len(elsewhere) - len(self._of_sources(elsewhere, mixed | self._whole))
        if others:
            said.append(f"{others} clips of other sources have no identity and may show this person.")
        said.append(
            "Who is who was told by a model that compares faces: clips that it took for another person stay. Look "
            "through the dataset for them, and take them down by their ids."
        )
        return said

    def _taken_source(self, source_id: str, paths: Mapping[str, Sequence[str]]) -> TakenSource:
        row = self._sources[source_id]
        return TakenSource(
            source_id, row["source_name"], row["sha256"], row["url"], tuple(sorted(paths.get(source_id, ())))
        )

    def _stretch(self, row: Mapping[str, Any], *, clip: bool) -> Stretch:
        fps = float(row.get("fps") or self._fps)
        first = round(row["start_s"] * fps)
        last = first + int(row["frames"]) - 1 if clip else max(first, round(row["end_s"] * fps) - 1)
        source = self._sources.get(row["source_id"], {})
        return Stretch(
            source_id=row["source_id"],
            sha256=source.get("sha256"),
            track=row["track"],
            first=first,
            last=last,
            start_s=row["start_s"],
            end_s=row["end_s"],
            clip=clip,
            # A stretch that was a clip once may still have its folder, or a review, under that name.
            clip_id=row["clip_id"] if clip else f"{row['source_id']}_{first}_{last}_{row['track']}",
        )

    @staticmethod
    def _of_sources(table: pa.Table, source_ids: set[str]) -> pa.Table:
        return table.filter(pc.is_in(table["source_id"], value_set=_strings(source_ids)))


def _overlap(one: Stretch, other: Stretch) -> bool:
    return (
        one.source_id == other.source_id
        and one.track == other.track
        and one.first <= other.last
        and other.first <= one.last
    )


def _strings(values: Iterable[str]) -> pa.Array:
    return pa.array(sorted(values), pa.string())


def _read(folder: Path, manifest: Manifest, table: str, columns: Sequence[str]) -> pa.Table:
    """Columns of a published table; null where a dataset of an older facevid lacks one."""
    parts = []
    for file in manifest.of(table):
        opened = pq.ParquetFile(folder / file.stored_as)
        there = opened.schema_arrow.names
        part = opened.read([c for c in columns if c in there])
        for name in columns:
            if name not in there:
                part = part.append_column(name, pa.nulls(len(part), pa.string()))
        parts.append(part.select(columns))
    return pa.concat_tables(parts)
