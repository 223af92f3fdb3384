"""Writes the manifest of a corpus: finds each clip's video and puts span, box and labels into its terms."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from facevid import media
from facevid.dataset.corpora.entry import (
    Corpus,
    CorpusError,
    Entry,
    Footage,
    Label,
    Pixels,
    Problems,
    RowError,
)
from facevid.engine import atomic_path

MANIFEST = "footage.jsonl"
DETAILS = "details.jsonl"
PROBLEMS = "problems.jsonl"
MEDIA = "media"
VIDEO_SUFFIXES = frozenset(".mp4 .m4v .mov .mkv .webm .avi .mpg .mpeg .ts .wmv .flv .3gp .ogv".split())

BOX_SLACK = 0.02
"""Part of a side by which a box may reach out of the picture: published boxes are rounded, some by a few pixels."""
END_SLACK_S = 1.0
"""Seconds by which a span may outlast its file: containers disagree on the length of the last frames and the sound."""


@dataclass(frozen=True)
class Prepared:
    """What was written: the manifest, its rows, the videos they name, the clips of the corpus that were looked at, and
    how many words of it the vocabulary has no equal for (word -> clips)."""

    manifest: Path
    rows: int
    sources: int
    entries: int
    without_equal: Mapping[str, int]


class FootageFolders:
    """Videos in folders, found by name without suffix, or by folders and name where a name alone would not do."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._named: list[dict[str, list[str]]] = []
        self._probes: dict[Path, media.Probe | media.MediaError] = {}
        for top in folders:
            if not top.is_dir():
                raise CorpusError(f"There is no folder {top}; give the one that holds the corpus's videos.")
            named: dict[str, list[str]] = {}
            for folder, folders_in, names in os.walk(top):
                folders_in[:] = sorted(name for name in folders_in if not name.startswith("."))
                for name in sorted(names):
                    if Path(name).suffix.lower() in VIDEO_SUFFIXES and not name.startswith("."):
                        named.setdefault(Path(name).stem, []).append(f"{folder}{os.sep}{name}")
            self._named.append(named)

    def find(self, stem: str) -> Path | None:
        """The video of that name, None where there is none; raises RowError where several lie in different folders."""
        if Path(stem).is_absolute():
            return Path(stem) if Path(stem).is_file() else None
        parts = Path(stem).parts
        for named in self._named:
            found = [Path(name) for name in named.get(parts[-1], ())]
            found = [path for path in found if path.with_suffix("").parts[-len(parts) :] == parts]
            if len({path.parent for path in found}) > 1:
                raise RowError("name", f"Several videos are called {stem}; keep one of them in the folder.")
            if found:
                return found[0]
        return None

    def holds(self, entry: Entry) -> bool:
        """Whether a video that will do for the entry is there."""
        try:
            return any(self.find(footage.stem) is not None for footage in entry.footage)
        except RowError:
            return True  # several are, which the row of the manifest will name

    def probe(self, path: Path) -> media.Probe:
        """The file's facts, looked up once; raises RowError for what is no video."""
        if path not in self._probes:
            try:
                self._probes[path] = media.probe(path)
            except media.MediaError as error:
                self._probes[path] = error
        found = self._probes[path]
        if isinstance(found, media.MediaError):
            raise RowError("file", str(found))
        return found


def write_manifest(
    corpus: Corpus, entries: Iterable[Entry], output: Path, folders: Sequence[Path], problems: Problems
) -> Prepared:
    """Write footage.jsonl and details.jsonl into `output`, for the entries whose video lies in one of `folders`.

    Each row of the manifest is one clip: path, start_s and end_s in seconds of the file, box in its displayed pixels,
    labels, licence, and what the corpus says of the person. What cannot be used is added to `problems`.
    """
    there = FootageFolders(folders)
    seen = rows = 0
    sources: set[Path] = set()
    left: dict[str, int] = {}
    with _written(output / MANIFEST) as file, _written(output / DETAILS) as beside:
        for entry in entries:
            seen += 1
            try:
                path, row = _row(corpus, entry, there, output)
            except RowError as error:
                problems.add(entry.row, error.kind, str(error))
                continue
            rows += 1
            sources.add(path)
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            place: dict[str, Any] = {k: row[k] for k in ("path", "start_s", "end_s") if k in row}
            known: dict[str, Any] = {
                "clip": entry.name,
                "row": entry.row,
                **place,
                "detail": dict(entry.detail),
            }
            beside.write(json.dumps(known, ensure_ascii=False) + "\n")
            for word in entry.detail.get("without_equal", ()):
                left[word] = left.get(word, 0) + 1
    return Prepared(output / MANIFEST, rows, len(sources), seen, dict(sorted(left.items())))


def write_problems(problems: Problems, output: Path) -> None:
    """Write problems.jsonl, one fault a line; an empty file where there is none."""
    with _written(output / PROBLEMS) as file:
        for problem in problems:
            file.write(json.dumps(asdict(problem), ensure_ascii=False) + "\n")


@contextmanager
def _written(path: Path) -> Iterator[TextIO]:
    """A file to write lines to, which appears under its name when it is whole."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        yield file


def _row(corpus: Corpus, entry: Entry, there: FootageFolders, output: Path) -> tuple[Path, dict[str, Any]]:
    path, footage = _choose(entry, there)
    probe = there.probe(path)
    start_s, end_s = _span(footage, path, probe)
    box = None if footage.place is None else _box(footage.place(probe.width, probe.height), probe)
    facts: dict[str, Any] = {
        "path": _path(path, output), "url": entry.address, "licence": entry.licence or corpus.licence or None,
        "consent": entry.consent, "collected_by": entry.collected_by or corpus.title or None,
        "language": entry.language, "person": entry.person, "start_s": start_s, "end_s": end_s, "box": box,
        "labels": [label.to_dict() for label in _shifted(entry.labels, footage, start_s, end_s, probe)],
        "self_reported": dict(entry.self_reported),
    }  # fmt: skip
    return path, {k: v for k, v in facts.items() if v not in (None, [], {})}


def _choose(entry: Entry, there: FootageFolders) -> tuple[Path, Footage]:
    for footage in entry.footage:
        path = there.find(footage.stem)
        if path is not None:
            return path, footage
    names = " or ".join(Path(footage.stem).name for footage in entry.footage)
    raise RowError("missing", f"There is no video {names}; fetch it or put it into the folder.")


def _span(footage: Footage, path: Path, probe: media.Probe) -> tuple[float | None, float | None]:
    if footage.span is None:
        return None, None
    start_s, end_s = footage.span(path, probe)
    if start_s >= probe.duration_s or end_s > probe.duration_s + END_SLACK_S:
        raise RowError(
            "time",
            f"It lies from {start_s:.2f} s to {end_s:.2f} s, but {path.name} lasts {probe.duration_s:.2f} s; it may "
            "have been uploaded again in another cut.",
        )
    return round(start_s, 4), round(min(end_s, probe.duration_s), 4)


def _box(box: Pixels, probe: media.Probe) -> list[float]:
    x0, y0, x1, y1 = box
    wide, high = BOX_SLACK * probe.width, BOX_SLACK * probe.height
    if (
        x0 < -wide
        or y0 < -high
        or x1 > probe.width + wide
        or y1 > probe.height + high
        or x1 <= x0
        or y1 <= y0
    ):
        raise RowError(
            "box",
            f"The box from ({x0:.0f}, {y0:.0f}) to ({x1:.0f}, {y1:.0f}) does not lie in the picture of "
            f"{probe.width} x {probe.height}.",
        )
    inside = (max(x0, 0.0), max(y0, 0.0), min(x1, probe.width), min(y1, probe.height))
    return [round(float(value), 2) for value in inside]


def _shifted(
    labels: Sequence[Label], footage: Footage, start_s: float | None, end_s: float | None, probe: media.Probe
) -> list[Label]:
    """The labels in seconds of the file, those without times as they are."""
    first, last = start_s or 0.0, probe.duration_s if end_s is None else end_s
    moved = []
    for label in labels:
        if label.start_s is None or label.end_s is None:
            moved.append(label)
            continue
        begins = max(label.start_s - footage.starts_s, first)
        ends = min(label.end_s - footage.starts_s, last)
        if ends >= begins:
            moved.append(replace(label, start_s=round(begins, 4), end_s=round(ends, 4)))
    return moved


def _path(path: Path, output: Path) -> str:
    """Relative to the manifest where the video lies beside it, so that the folder can be moved as a whole."""
    whole, here = path.resolve(), output.resolve()
    return whole.relative_to(here).as_posix() if whole.is_relative_to(here) else str(whole)
