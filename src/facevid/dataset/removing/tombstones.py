"""What was taken down and must not come back, as hashes only: `DATASET/tombstones.json`.

A mark can be checked by who holds the source file, and tells nobody else which file or which seconds it means.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from facevid.dataset.documents import document
from facevid.dataset.published import DatasetError
from facevid.engine import write_json_atomic

TOMBSTONES = "tombstones.json"
_FORMAT, _VERSION = "facevid-tombstones", 1
_MARK = re.compile(r"[0-9a-f]{64}")
_SAME = 1e-5  # times nearer than this to a whole number are that number: they come from frames / fps


@dataclass(frozen=True)
class Tombstones:
    """Marks of whole sources, and of seconds and tenths of seconds of others, each 64 hex digits."""

    sources: frozenset[str] = frozenset()
    seconds: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.sources or self.seconds)

    def has_source(self, source_sha256: str) -> bool:
        """Whether the whole source was taken down."""
        return source_mark(source_sha256) in self.sources

    def covers(self, source_sha256: str, start_s: float, end_s: float) -> bool:
        """Whether any of a stretch was taken down: the source, or a second or a tenth that the stretch touches."""
        if self.has_source(source_sha256):
            return True
        if any(second_mark(source_sha256, k) in self.seconds for k in seconds_touched(start_s, end_s)):
            return True
        return _begun_mark(source_sha256) in self.seconds and any(
            _tenth_mark(source_sha256, k) in self.seconds for k in _touched(start_s * 10, end_s * 10)
        )

    def to_json(self) -> dict[str, object]:
        """What is written: the marks sorted, so that neither their order nor their age tells anything."""
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "sources": sorted(self.sources),
            "seconds": sorted(self.seconds),
        }


def united(marks: Iterable[Tombstones]) -> Tombstones:
    """All marks of several datasets."""
    known = list(marks)
    sources = frozenset(mark for m in known for mark in m.sources)
    return Tombstones(sources, frozenset(mark for m in known for mark in m.seconds))


def source_mark(source_sha256: str) -> str:
    """The mark of a whole source, by the SHA-256 of its file in hex."""
    return _sha256(f"facevid source {source_sha256}")


def second_mark(source_sha256: str, second: int) -> str:
    """The mark of one second of a source: [second, second + 1), counted as `start_s` of clips is."""
    return _sha256(f"facevid second {source_sha256} {second}")


def seconds_touched(start_s: float, end_s: float) -> range:
    """The whole seconds of which [start_s, end_s) holds any part; at least one, the first is 0 or later."""
    return _touched(start_s, end_s)


def stretch_marks(source_sha256: str, start_s: float, end_s: float) -> set[str]:
    """The marks of a stretch: the seconds that lie in it whole, and the tenths of a second at its ends.

    What touches no more than its ends is not covered: a clip that begins where this one ended stays. Of a stretch
    shorter than that, all tenths are marked that it touches.
    """
    seconds = _inside(start_s, end_s)
    tenths = set(_inside(start_s * 10, end_s * 10) or _touched(start_s * 10, end_s * 10))
    tenths -= {k for second in seconds for k in range(10 * second, 10 * second + 10)}
    return {
        _begun_mark(source_sha256),
        *(second_mark(source_sha256, k) for k in seconds),
        *(_tenth_mark(source_sha256, k) for k in tenths),
    }


def _tenth_mark(source_sha256: str, tenth: int) -> str:
    return _sha256(f"facevid tenth {source_sha256} {tenth}")


def _begun_mark(source_sha256: str) -> str:
    """That some of a source was taken down, so that tenths need not be looked for in every other source."""
    return _sha256(f"facevid some of {source_sha256}")


def _touched(start: float, end: float) -> range:
    """The whole numbers k for which [k, k + 1) and [start, end) share any part; at least one, from 0 on."""
    first = max(0, math.floor(start + _SAME))
    return range(first, max(first + 1, math.ceil(end - _SAME)))


def _inside(start: float, end: float) -> range:
    """The whole numbers k for which [k, k + 1) lies in [start, end)."""
    return range(max(0, math.ceil(start - _SAME)), math.floor(end + _SAME))


def read(folder: Path) -> Tombstones:
    """The marks of a dataset's folder; none where nothing was ever taken down.

    Raises DatasetError for a file that cannot be read as tombstones: to go on without it would bring back what was
    taken down.
    """
    path = folder / TOMBSTONES
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return Tombstones()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}); make it readable.") from error
    return parse(data, str(path))


def parse(data: bytes, path: str) -> Tombstones:
    """The marks in the bytes of a file; `path` names it in errors (see `read`)."""
    content = document(
        data, path, _FORMAT, _VERSION,
        unreadable="restore it from a copy",
        foreign="restore it from a copy",
        other_version="use the facevid release that wrote it",
    )  # fmt: skip
    return Tombstones(*(_marks(path, content, kind) for kind in ("sources", "seconds")))


def add(folder: Path, *, sources: Iterable[str] = (), seconds: Iterable[str] = ()) -> Tombstones:
    """Add marks (of `source_mark`, `second_mark`, `stretch_marks`) to a dataset by one rename; returns all there are.

    The file holds them sorted, so that neither their order nor their age tells anything. Equal marks give equal bytes.
    """
    there = read(folder)
    marks = Tombstones(there.sources | set(sources), there.seconds | set(seconds))
    if marks != there:
        write_json_atomic(marks.to_json(), folder / TOMBSTONES)
    return marks


def _marks(path: str, content: dict[str, object], kind: str) -> frozenset[str]:
    marks = content.get(kind)
    if not isinstance(marks, list) or not all(isinstance(m, str) and _MARK.fullmatch(m) for m in marks):
        raise DatasetError(
            f"{path} is damaged: {kind} must be a list of 64 hex digits each; restore it from a copy."
        )
    return frozenset(marks)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
