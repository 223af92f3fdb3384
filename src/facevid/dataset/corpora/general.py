"""Any collection of one's own: a CSV of paths or addresses with times, boxes and attributes."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import unquote, urlsplit

from facevid.dataset.corpora.entry import (
    Corpus,
    CorpusError,
    Entry,
    Footage,
    Label,
    Placement,
    Problems,
    RowError,
    of_fractions,
    of_size,
    stretch,
)
from facevid.dataset.corpora.fetch_direct import suffix_of
from facevid.dataset.corpora.reading import number, ordered, seconds, span
from facevid.dataset.corpora.steps import CorpusSteps
from facevid.dataset.vocabulary import ATTRIBUTES, VocabularyError

ABOUT = Corpus(
    name="general",
    title="",
    licence="",
    removal="",
    home="",
    reads="CSV: url or path; start, end, box, box_size, name, person, licence, consent, language, collected_by, by, "
    "annotator, caption, and attributes of the vocabulary",
)
_OWN = frozenset(
    "url path start end box box_size name person licence consent language collected_by by annotator caption".split()
)
_SIZE = re.compile(r"\s*(\d+)\s*[x ×]\s*(\d+)\s*")


def read(annotations: Path, problems: Problems) -> Iterator[Entry]:
    """The rows of the CSV; a column that is neither one of ours nor an attribute is named once and left out."""
    try:
        with annotations.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            columns = list(table.fieldnames or ())
            if not {"url", "path"} & set(columns):
                raise CorpusError(
                    f"{annotations} has no column `url` or `path`, one of which says where a video is; its columns, "
                    f"parted by commas, are {', '.join(map(repr, columns)) or 'none'}."
                )
            for name in columns:
                if name not in _OWN and name not in ATTRIBUTES:
                    problems.add("header", "label", _stranger(name))
            for values in table:
                row = f"line {table.line_num}"
                try:
                    if None in values:
                        raise RowError("row", "It has more values than the header has columns.")
                    said = {k: v.strip() for k, v in values.items() if isinstance(v, str) and v.strip()}
                    yield _entry(row, said, annotations.parent, problems)
                except RowError as error:
                    problems.add(row, error.kind, str(error))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{annotations} cannot be read as CSV ({error}).") from None


def _stranger(column: str) -> str:
    near = get_close_matches(column.strip().lower(), [*sorted(_OWN), *ATTRIBUTES], 1)
    meant = f"; rename it if {near[0]!r} is meant" if near else ""
    told = "is neither one of this importer's nor an attribute of the vocabulary, and is left out"
    return f"The column {column!r} {told}{meant}."


def _entry(row: str, said: Mapping[str, str], folder: Path, problems: Problems) -> Entry:
    address, path = said.get("url"), said.get("path")
    if address is None and path is None:
        raise RowError("row", "There is neither a url nor a path.")
    if address is not None and urlsplit(address).scheme not in ("http", "https"):
        raise RowError("row", f"The url {address!r} is not one of the web (http or https).")
    source = _source(address, path)
    times = None
    if "start" in said or "end" in said:
        if "end" not in said:
            raise RowError("time", f"It starts at {seconds(said['start'], 'start'):g} s and has no end.")
        times = stretch(*span(said.get("start", 0), said["end"]))
    place = _place(said)
    files = (
        [Footage(str((folder / path).resolve()), times, place), Footage(Path(path).stem, times, place)]
        if path
        else []
    )
    by = said.get("by", "annotator")
    labels, stated = _labels(row, said, by, problems)
    return Entry(
        row=row,
        name=said.get("name", source),
        source=source,
        footage=(*files, *((Footage(source, times, place),) if address else ())),
        address=address,
        by_site=address is not None and suffix_of(address) is None,
        labels=tuple(labels),
        person=said.get("person"),
        language=said.get("language"),
        licence=said.get("licence"),
        consent=said.get("consent"),
        collected_by=said.get("collected_by"),
        self_reported=stated,
    )


def _source(address: str | None, path: str | None) -> str:
    """A file name for what is fetched: the end of the address, and its hash, since ends are seldom unique."""
    if address is None:
        return Path(path or "").stem
    end = re.sub(r"[^0-9A-Za-z_-]+", "-", Path(unquote(urlsplit(address).path)).stem).strip("-")[:40]
    return f"{end or 'video'}-{hashlib.sha256(address.encode()).hexdigest()[:12]}"


def _place(said: Mapping[str, str]) -> Placement | None:
    if "box" not in said:
        return None
    words = said["box"].replace(",", " ").strip("[] ").split()
    if len(words) != 4:
        raise RowError("box", f"box must be x0 y0 x1 y1, not {said['box']!r}.")
    x0, y0, x1, y1 = (number(word, "A side of the box") for word in words)
    box = ordered(x0, y0, x1, y1)
    if "box_size" in said:
        size = _SIZE.fullmatch(said["box_size"])
        if size is None or not int(size[1]) or not int(size[2]):
            raise RowError(
                "box",
                f"box_size must be width x height in pixels, such as 1920x1080, not {said['box_size']!r}.",
            )
        return of_size(box, int(size[1]), int(size[2]))
    if max(box) <= 1:
        return of_fractions(*box)
    return lambda width, height: box


def _labels(
    row: str, said: Mapping[str, str], by: str, problems: Problems
) -> tuple[list[Label], dict[str, str]]:
    """Attributes as labels, or as what the person states where `by` is self; the caption as a label."""
    labels: list[Label] = []
    stated: dict[str, str] = {}
    who = said.get("annotator") if by == "annotator" else None
    for name in ATTRIBUTES:
        if name in said:
            try:
                label = Label("attribute", name, said[name], by, who)
            except VocabularyError as error:
                problems.add(row, "label", str(error))
                continue
            if by == "self":
                stated[name] = label.value
            else:
                labels.append(label)
    if "caption" in said:
        try:
            labels.append(Label("caption", "medium", said["caption"], by, who))
        except VocabularyError as error:
            problems.add(row, "label", str(error))
    return labels, stated


_STEPS = CorpusSteps(ABOUT, read)
fetch = _STEPS.fetch
prepare = _STEPS.prepare
