"""What a corpus says of one clip, in one shape for all corpora, and the faults found in its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from facevid.dataset.ages import is_range, years
from facevid.dataset.statements import Statement
from facevid.errors import FacevidError
from facevid.media import Probe

Pixels = tuple[float, float, float, float]
"""A box as x0, y0, x1, y1 in displayed pixels; x1 and y1 are exclusive."""
Placement = Callable[[int, int], Pixels]
"""Displayed width and height of a file -> the box there, so that a box follows a source whose resolution changed."""
Span = Callable[[Path, Probe], tuple[float, float]]
"""A file and its probe -> start and end in seconds of that file."""

PROBLEM_KINDS = {
    "row": "a row that lacks something or cannot be understood",
    "time": "times that cannot be",
    "box": "a box that does not lie in the picture",
    "label": "a label that neither the corpus nor the vocabulary knows",
    "name": "a name that several clips share",
    "file": "a file that is no video or cannot be read",
    "missing": "a clip whose video is not there",
    "dead": "a video that is no longer to be had",
    "fetch": "a video that could not be fetched this time",
}
"""What can be wrong with a row; the rest of the import goes on."""


class CorpusError(FacevidError):
    """A corpus that cannot be imported at all: unknown, or its annotations cannot be read."""


class RowError(FacevidError):
    """One row, or one label of it, that cannot be used; `kind` is one of `PROBLEM_KINDS`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Problem:
    """One fault: the row as the annotations name it, a kind of `PROBLEM_KINDS`, and a sentence."""

    row: str
    kind: str
    message: str


class Problems:
    """Faults in the order found, each once, however often a row is read."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}

    def add(self, row: str, kind: str, message: str) -> None:
        self._found[Problem(row, kind, message)] = None

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


@dataclass(frozen=True)
class Label:
    """One statement of a corpus about a clip.

    kind, name, value, by, who and confidence as in `facevid.dataset.statements.Statement`, whose checks it must pass
    (VocabularyError); an age may also be a range of years. start_s, end_s: seconds of the source, None for the whole
    clip; an action without times happens somewhere in the clip.
    """

    kind: str
    name: str
    value: str
    by: str
    who: str | None = None
    start_s: float | None = None
    end_s: float | None = None
    confidence: float | None = None

    def __post_init__(self) -> None:
        timeless = self.kind == "action" and self.start_s is None
        start_s, end_s = (0.0, 0.0) if timeless else (self.start_s, self.end_s)
        # Of an age group the vocabulary knows no statement, but a minimum age does.
        group = (self.kind, self.name) == ("attribute", "age") and is_range(self.value)
        value = f"{years(self.value):g}" if group else self.value
        checked = Statement("", self.kind, self.name, value, self.by, self.confidence, start_s, end_s)
        object.__setattr__(self, "value", self.value.strip() if group else checked.value)

    def to_dict(self) -> dict[str, Any]:
        """The label as a manifest holds it; what is not said is left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Footage:
    """One way in which the video of a clip may lie in a folder.

    stem: its name without suffix, with folders in front where a name alone would not do, or an absolute path. span:
    where in it the clip lies, None for all of it. place: the box, None where there is none or it is used up already.
    starts_s: the second of the source at which the file starts, so that times of labels can be shifted.
    """

    stem: str
    span: Span | None = None
    place: Placement | None = None
    starts_s: float = 0.0


@dataclass(frozen=True)
class Entry:
    """One clip of a corpus.

    row: where the annotations say it. name: the clip's name in the corpus. source: file name without suffix under
    which a fetched source lies. address: where the source can be fetched, None where it cannot; by_site: through the
    page of a video site rather than directly. footage: the files that will do, best first. person: as the corpus names
    people. self_reported: what the person shown states. detail: what the vocabulary has no words for.
    """

    row: str
    name: str
    source: str
    footage: tuple[Footage, ...]
    address: str | None = None
    by_site: bool = False
    labels: tuple[Label, ...] = ()
    person: str | None = None
    language: str | None = None
    licence: str | None = None
    consent: str | None = None
    collected_by: str | None = None
    self_reported: Mapping[str, Any] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Corpus:
    """Facts about a corpus: its name on the command line, full title, the licence and terms of removal that its makers
    state, its home, and what `facevid import` reads of it."""

    name: str
    title: str
    licence: str
    removal: str
    home: str
    reads: str


def stretch(start_s: float, end_s: float) -> Span:
    """The same seconds of whatever file."""
    return lambda path, probe: (start_s, end_s)


def of_fractions(x0: float, y0: float, x1: float, y1: float) -> Placement:
    """A box given in fractions of width and height."""
    return lambda width, height: (x0 * width, y0 * height, x1 * width, y1 * height)


def of_size(box: Pixels, width: float, height: float) -> Placement:
    """A box given in pixels of a picture of `width` x `height`."""
    x0, y0, x1, y1 = box
    return of_fractions(x0 / width, y0 / height, x1 / width, y1 / height)


def of_height(box: Pixels, height: float) -> Placement:
    """A box given in pixels of a picture of this height, of whatever width."""
    x0, y0, x1, y1 = box

    def place(shown_width: int, shown_height: int) -> Pixels:
        scale = shown_height / height
        return (x0 * scale, y0 * scale, x1 * scale, y1 * scale)

    return place
