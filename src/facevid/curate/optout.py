"""Opt-out lists: who and what must not be in a dataset, read strictly, since a line not understood would be ignored.

A list is a text file with one entry a line, `kind: value` or a value whose form tells its kind, or a CSV file with
columns `kind` and `value`.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from facevid.curate.manifest import Found
from facevid.dataset.spans import Span
from facevid.engine import write_json_atomic
from facevid.errors import FacevidError

KINDS = ("sha256", "source", "url", "file", "clip", "person", "face")
PICTURES = frozenset(".jpg .jpeg .png .bmp .webp .tif .tiff".split())
_FORMS = {
    "sha256": re.compile(r"[0-9a-f]{64}", re.IGNORECASE),
    "source": re.compile(r"[0-9a-f]{16}", re.IGNORECASE),
    "clip": re.compile(r"[0-9a-f]{16}_\d+_\d+_\d+", re.IGNORECASE),
    "url": re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE),
}


class OptOutError(FacevidError):
    """An opt-out list that cannot be honoured as it stands; the message names the line."""


@dataclass(frozen=True)
class Entry:
    """One line of a list: its number, its kind (one of `KINDS`), and its value; of a face the picture's path."""

    line: int
    kind: str
    value: str
    vector: tuple[float, ...] = ()
    """Of a face: its embedding."""

    def __str__(self) -> str:
        return f"line {self.line} ({self.kind} {self.value})"


@dataclass(frozen=True)
class OptOut:
    """Who and what is opted out; `name` is the list's file name."""

    name: str
    entries: tuple[Entry, ...] = ()
    embedder: str | None = None
    """The backend that made the faces' embeddings."""
    _by_kind: dict[str, dict[str, list[Entry]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for entry in self.entries:
            key = _url_key(entry.value) if entry.kind == "url" else entry.value
            self._by_kind.setdefault(entry.kind, {}).setdefault(key, []).append(entry)

    def of(self, kind: str) -> list[Entry]:
        """The entries of one kind."""
        return [e for e in self.entries if e.kind == kind]

    def named(self, kind: str, value: str | None) -> list[Entry]:
        """The entries of that kind and value."""
        if value is None:
            return []
        return self._by_kind.get(kind, {}).get(_url_key(value) if kind == "url" else value, [])

    def whole(self, found: Found, scanned: Mapping[str, Any] | None = None) -> list[Entry]:
        """The entries by which a file is left out as a whole; `scanned`: what `scan_step` returned, if it did."""
        hits = [
            *self.named("file", found.name),
            *self.named("file", f"{found.folder}/{found.name}"),
        ]
        hits += self.named("url", found.facts.get("url"))
        if scanned is not None:
            hits += [*self.named("sha256", scanned["sha256"]), *self.named("source", scanned["source_id"])]
        gone = [self.of_span(span) for span in found.spans]
        if gone and all(gone):
            hits += [entry for entries in gone for entry in entries]
        elif any(entries and span.whole for span, entries in zip(found.spans, gone, strict=True)):
            # Whoever is opted out may be anywhere in the file.
            hits += [entry for entries in gone for entry in entries]
        return hits

    def of_span(self, span: Span) -> list[Entry]:
        """The entries by which one span is left out."""
        return [*self.named("person", span.person), *self.named("url", span.facts.get("url"))]

    def to_json(self) -> dict[str, Any]:
        """As it is kept in the work folder."""
        entries = [[e.line, e.kind, e.value, list(e.vector)] for e in self.entries]
        return {"name": self.name, "embedder": self.embedder, "entries": entries}

    def write(self, path: Path) -> None:
        """Keep the list for the builds that follow."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json_atomic(self.to_json(), path)

    @classmethod
    def kept(cls, path: Path) -> OptOut | None:
        """The list that `write` left; None where there is none."""
        if not path.exists():
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
        entries = tuple(Entry(line, kind, value, tuple(v)) for line, kind, value, v in content["entries"])
        return cls(content["name"], entries, content["embedder"])


def read_opt_out(path: Path) -> OptOut:
    """Read a list; pictures are found (relative to the list) but not looked at yet, see `curate.optout_faces`.

    Empty lines, and lines that begin with #, say nothing. Raises OptOutError for a list that cannot be read, or whose
    line is of no kind, does not fit its kind, or names a picture that is not there.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise OptOutError(
            f"The opt-out list {path} cannot be read ({error}); name a text or CSV file."
        ) from None
    rows = _csv_rows(path, text) if path.suffix.lower() == ".csv" else _text_rows(text)
    return OptOut(path.name, tuple(_entry(path, line, kind, value) for line, kind, value in rows))


def _text_rows(text: str) -> Iterator[tuple[int, str | None, str]]:
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if line and not line.startswith("#"):
            kind, colon, value = line.partition(":")
            if colon and kind.strip().lower() in KINDS:
                yield number, kind.strip().lower(), value.strip()
            else:
                yield number, None, line


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, str | None, str]]:
    reader = csv.DictReader(text.splitlines())
    if not {"kind", "value"} <= set(reader.fieldnames or ()):
        raise OptOutError(f"{path}, line 1: an opt-out list in CSV needs columns kind and value.")
    for row in reader:
        if any(str(v or "").strip() for v in row.values()):
            yield (
                reader.line_num,
                str(row["kind"] or "").strip().lower() or None,
                str(row["value"] or "").strip(),
            )


def _entry(path: Path, line: int, kind: str | None, value: str) -> Entry:
    told = f"{path}, line {line}: {value!r}"
    if kind is None:
        kind = next((name for name, form in _FORMS.items() if form.fullmatch(value)), None)
        if kind is None and Path(value).suffix.lower() in PICTURES:
            kind = "face"
    if kind is None:
        raise OptOutError(
            f"{told} is not understood; write what it is, as in `file: NAME` or `person: ID` "
            f"(kinds: {', '.join(KINDS)})."
        )
    if kind not in KINDS:
        raise OptOutError(f"{path}, line {line}: there is no kind {kind!r}; allowed: {', '.join(KINDS)}.")
    if not value:
        raise OptOutError(f"{path}, line {line}: {kind} needs a value.")
    if kind in ("sha256", "source", "clip"):
        value = value.lower()
    if kind in _FORMS and not _FORMS[kind].fullmatch(value):
        raise OptOutError(f"{told} is no {kind}; {_SHAPES[kind]}.")
    if kind == "face":
        picture = (path.parent / value).resolve()
        if not picture.is_file():
            raise OptOutError(
                f"{path}, line {line}: there is no picture {picture}; name it relative to the list."
            )
        value = str(picture)
    return Entry(line, kind, value)


_SHAPES = {
    "sha256": "it has 64 hex digits, the SHA-256 of the source file",
    "source": "it has 16 hex digits, as the column source_id",
    "clip": "it looks like 0123456789abcdef_100_250_0, as the column clip_id",
    "url": "it begins with a scheme such as https://",
}


def _url_key(url: str) -> str:
    """One text for the ways to write one address: no scheme, www, fragment, final slash; YouTube by the video's id."""
    parts = urlsplit(url.strip())
    host = re.sub(r"^(www|m)\.", "", parts.netloc.lower())
    video = None
    if host == "youtu.be":
        video = parts.path.strip("/")
    elif host in ("youtube.com", "youtube-nocookie.com"):
        short = re.fullmatch(r"/(?:shorts|embed|live|v)/([^/]+)/?", parts.path)
        video = short.group(1) if short else parse_qs(parts.query).get("v", [None])[0]
    if video:
        return f"youtube.com/{video}"
    return f"{host}{parts.path.rstrip('/')}" + (f"?{parts.query}" if parts.query else "")
