"""Manifests of footage: a table of files, what is known of each, and the spans, faces and labels in it."""

from __future__ import annotations

import csv
import io
import json
import math
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from facevid.dataset.labels import check_label
from facevid.dataset.spans import FACTS, Box, Span
from facevid.errors import FacevidError
from facevid.storage import (
    Head,
    PlaceError,
    RangeFile,
    canonical,
    file_name,
    folder_name,
    is_address,
    local_path,
)

MANIFEST_SUFFIXES = frozenset((".csv", ".jsonl", ".parquet"))


class FootageError(FacevidError):
    """Footage that cannot be looked for: no such path, no video in it, a manifest without paths."""


@dataclass(frozen=True)
class Found:
    """A file to scan, and what a manifest says of it; `self_reported`: attributes people stated of themselves.

    path: a Path of this machine, or an address as text. head: size and version, where a listing said them.
    spans: the stretches of it that are wanted, empty for all of it. What a span says of its own goes before
    `facts` and `self_reported`, which hold for all spans.
    """

    path: Path | str
    facts: Mapping[str, str | None] = field(default_factory=dict)
    self_reported: Mapping[str, Any] = field(default_factory=dict)
    spans: tuple[Span, ...] = ()
    head: Head | None = field(default=None, compare=False)

    @property
    def location(self) -> str:
        """Path or address, as text: what names the file to workers."""
        return str(self.path)

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.path.name if isinstance(self.path, Path) else file_name(self.path)

    @property
    def folder(self) -> str:
        """The name of the folder it lies in."""
        return self.path.parent.name if isinstance(self.path, Path) else folder_name(self.path)

    @property
    def order(self) -> tuple[bool, Path, str]:
        """Sorts files: paths first, as paths sort, then addresses."""
        return (False, self.path, "") if isinstance(self.path, Path) else (True, Path(), self.path)

    @property
    def key(self) -> str:
        """What the ledger knows the file by: its location, in which what is not UTF-8 is escaped."""
        return printable(self.location)

    @property
    def described(self) -> bool:
        """Whether a manifest names the file."""
        return bool(self.facts or self.self_reported or self.spans)


def printable(name: str) -> str:
    """A name that a table can hold: bytes that are not UTF-8 are escaped."""
    return name.encode("utf-8", "backslashreplace").decode()


def located(location: str) -> Path | str:
    """`Found.location` as `Found.path`."""
    return location if is_address(location) else Path(location)


def read_manifest(path: Path | str) -> Iterator[Found]:
    """Rows of a manifest: `path`, and any of url, licence, consent, collected_by, language.

    A row may speak of a span alone: `start_s`, `end_s` (seconds from the first picture), `box` (x0, y0, x1, y1 in
    displayed pixels, as text or a JSON list), `person` (an id) and `labels` (a JSON list, see
    `facevid.dataset.labels.check_label`); several rows may name one file. Every other column, or a column
    `self_reported` with a JSON object, is an attribute that the person stated (age, gender, ethnicity, …). Manifest and
    `path` may be addresses; a `path` that is none is relative to the manifest. A file that is missing is still listed:
    scanning it names the fault. Raises FootageError that names the row.
    """
    for number, row in enumerate(_manifest_rows(path), start=1):
        try:
            yield _found(path, row)
        except (ValueError, PlaceError) as error:
            raise FootageError(f"{path}, row {number}: {str(error).rstrip('.')}.") from None


def together(first: Found, second: Found) -> Found:
    """Two descriptions of one file as one: all spans, and as common facts what holds for each of them.

    A row without times and box stands for the whole file. Of two rows without any span the first one counts.
    """
    if not second.described or (first.described and not (first.spans or second.spans)):
        return first
    if not first.described:
        return replace(second, path=first.path, head=first.head or second.head)
    spans = [*_each(first), *_each(second)]
    facts = _common([s.facts for s in spans])
    stated = _common([s.self_reported for s in spans])
    own = tuple(
        replace(
            s,
            facts={k: v for k, v in s.facts.items() if k not in facts},
            self_reported={k: v for k, v in s.self_reported.items() if k not in stated},
        )
        for s in spans
    )
    return Found(
        first.path, {name: facts.get(name) for name in FACTS}, stated, own, first.head or second.head
    )


def _each(found: Found) -> list[Span]:
    """The spans of a file, each with all that is known of it."""
    facts = {k: v for k, v in found.facts.items() if v is not None}
    return [
        replace(s, facts={**facts, **s.facts}, self_reported={**found.self_reported, **s.self_reported})
        for s in found.spans or (Span(),)
    ]


def _common(each: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {k: v for k, v in each[0].items() if all(k in other and other[k] == v for other in each[1:])}


def _found(manifest: Path | str, row: dict[str, Any]) -> Found:
    where = row.pop("path", None)
    if not where:
        raise ValueError("there is no path; each row of a manifest needs one")
    span = _span(row)
    stated = row.pop("self_reported", None)
    if isinstance(stated, str):
        try:
            stated = json.loads(stated)
        except ValueError:
            raise ValueError(f"self_reported must be a JSON object, not {stated!r}") from None
    if stated is not None and not isinstance(stated, Mapping):
        raise ValueError(f"self_reported must be a JSON object, not {stated!r}")
    facts = {name: _text(row.pop(name, None)) for name in FACTS}
    others = {k: v for k, v in row.items() if not _missing(v)}
    spans = () if span == Span() else (span,)
    return Found(_located(manifest, str(where)), facts, {**others, **(stated or {})}, spans)


def _located(manifest: Path | str, where: str) -> Path | str:
    """Where the file of a row lies."""
    if is_address(where):
        return canonical(where)
    where = local_path(where)
    if isinstance(manifest, Path):
        return (manifest.parent / where).resolve()
    if where.startswith("/"):
        return Path(where).resolve()
    scheme, _, path = manifest.partition("://")
    return canonical(f"{scheme}://{posixpath.normpath(posixpath.join(posixpath.dirname(path), where))}")


def _span(row: dict[str, Any]) -> Span:
    start, end = (_seconds(name, row.pop(name, None)) for name in ("start_s", "end_s"))
    if start is not None and end is not None and end <= start:
        raise ValueError(f"end_s {end:g} must be after start_s {start:g}")
    return Span(start, end, _box(row.pop("box", None)), _text(row.pop("person", None)), labels=_labels(row))


def _seconds(name: str, value: Any) -> float | None:
    if _missing(value):
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ValueError(f"{name} must be seconds from the file's first picture, 0 or more, not {value!r}")
    return seconds


def _box(value: Any) -> Box | None:
    if _missing(value):
        return None
    told = f"box must be x0 y0 x1 y1 in displayed pixels with x0 < x1 and y0 < y1, not {value!r}"
    try:
        if isinstance(value, str):
            value = json.loads(value) if value.lstrip().startswith("[") else value.replace(",", " ").split()
        x0, y0, x1, y1 = (float(v) for v in value)
    except (TypeError, ValueError):
        raise ValueError(told) from None
    if not (x0 < x1 and y0 < y1 and all(map(math.isfinite, (x0, y0, x1, y1)))):
        raise ValueError(told)
    return x0, y0, x1, y1


def _labels(row: dict[str, Any]) -> tuple[Mapping[str, Any], ...]:
    value = row.pop("labels", None)
    if _missing(value):
        return ()
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError(f"labels must be a JSON list, not {value[:80]!r}") from None
    if not isinstance(value, list):
        raise ValueError(f"labels must be a JSON list, not {value!r}")
    return tuple(check_label(label) for label in value)


def _manifest_rows(path: Path | str) -> Iterator[dict[str, Any]]:
    suffix = Path(file_name(str(path))).suffix.lower()
    try:
        if suffix == ".parquet":
            with _opened(path) as data:
                yield from pq.read_table(data).to_pylist()
        elif suffix == ".csv":
            with _opened(path) as data, io.TextIOWrapper(data, newline="", encoding="utf-8-sig") as file:
                for row in csv.DictReader(file):
                    extra = row.pop(None, None)
                    if extra:
                        raise FootageError(f"{path}: a row has more values than columns: {extra}.")
                    yield dict(row)
        else:
            with _opened(path) as data, io.TextIOWrapper(data, encoding="utf-8") as file:
                for number, line in enumerate(file, start=1):
                    if line.strip():
                        row = json.loads(line)
                        if not isinstance(row, dict):
                            raise FootageError(f"{path}, line {number}: must be a JSON object.")
                        yield row
    except (pa.ArrowException, ValueError, OSError, csv.Error, PlaceError) as error:
        raise FootageError(
            f"The manifest {path} cannot be read: {' '.join(str(error).split()).rstrip('.')}."
        ) from None


def _opened(path: Path | str) -> BinaryIO:
    return path.open("rb") if isinstance(path, Path) else cast(BinaryIO, io.BufferedReader(RangeFile(path)))


def _text(value: Any) -> str | None:
    return None if _missing(value) else str(value)


def _missing(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))
