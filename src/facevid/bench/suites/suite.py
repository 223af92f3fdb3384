"""A suite on disk: suite.json, suite.jsonl with a line for each entry, and the pictures and real windows of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from facevid.bench.errors import BenchError
from facevid.dataset.dataset import Dataset
from facevid.engine.files import atomic_dir, file_sha256, write_json_atomic

FORMAT = 1
"""Raised when a field changes its meaning, so that an older suite is not misread."""
ABOUT, ENTRIES, PICTURES, REFERENCES = "suite.json", "suite.jsonl", "pictures", "references"
GROUPS = ("ethnicity", "gender", "age", "skin_tone")
"""Attributes by which results are told apart."""

Kind = Literal["prompt", "picture"]


@dataclass(frozen=True)
class Entry:
    """One video to be made.

    entry: its id, such as "p0007-s1": the second seed of the eighth prompt. kind: "prompt" or "picture", what it is
    made from. prompt: text; "" for a picture without text. seed: of sampling, from 0. clip_id: the clip that picture
    and reference are of; person: who that is. picture, reference: files of the suite's folder, the first picture and
    the real window that it begins. partner: the entry whose picture shows somebody else. asked: attribute -> the value,
    or the group of values, that was chosen for it. groups: each of `GROUPS` -> its value as the vocabulary has it; of a
    prompt what its text says, of a picture what the clip's labels say. built_from: the clip whose labels a prompt words
    where it asks for nothing else. None is unknown, or nothing of the kind.
    """

    entry: str
    kind: Kind
    prompt: str
    seed: int
    clip_id: str | None
    person: str | None
    picture: str | None
    reference: str | None
    partner: str | None
    asked: dict[str, str]
    groups: dict[str, str | None]
    built_from: str | None = None


@dataclass(frozen=True)
class Suite:
    """What models are asked to make. folder: where it lies; about: its suite.json."""

    folder: Path
    entries: tuple[Entry, ...]
    about: Mapping[str, Any]

    @property
    def kind(self) -> Kind:
        """ "prompt" or "picture", what its videos are made from."""
        return "picture" if self.about["kind"] == "picture" else "prompt"

    @property
    def name(self) -> str:
        """How people call it."""
        return str(self.about["name"])

    @property
    def shape(self) -> dict[str, Any] | None:
        """{"frames", "width", "height", "fps"} of pictures and references; None for prompts, which have none."""
        found: dict[str, Any] | None = self.about["shape"]
        return found

    @property
    def notes(self) -> list[str]:
        """Sentences on what was left out, and why."""
        return [str(note) for note in self.about["notes"]]


@contextlib.contextmanager
def new_suite(folder: Path, *, overwrite: bool) -> Iterator[Path]:
    """A temporary folder that becomes the suite's when all is written.

    Raises BenchError where something is there already: a suite that may not be overwritten, or what is none.
    """
    if folder.is_file() or folder.is_dir():
        ours = {ABOUT, ENTRIES, PICTURES, REFERENCES}
        strange = ["it"] if folder.is_file() else sorted({p.name for p in folder.iterdir()} - ours)
        if strange:
            raise BenchError(
                f"{folder} is no place for a suite: {strange[0]} is there, which no suite holds; name a new folder."
            )
        if not overwrite and any(folder.iterdir()):
            raise BenchError(
                f"{folder} holds a suite already; name another folder, or replace it with overwrite=True."
            )
    with atomic_dir(folder) as temporary:
        yield temporary


def write_suite(place: Path, entries: Sequence[Entry], about: Mapping[str, Any]) -> None:
    """Write suite.jsonl and then suite.json, which says the hash of the first."""
    lines = [json.dumps(asdict(entry), ensure_ascii=False) + "\n" for entry in entries]
    (place / ENTRIES).write_bytes("".join(lines).encode())
    whole = {"format": FORMAT, **about, "entries": len(entries), "sha256": file_sha256(place / ENTRIES)}
    write_json_atomic(whole, place / ABOUT)


def dataset_facts(dataset: Dataset) -> dict[str, Any]:
    """Which clips a suite was made of, for suite.json."""
    manifest = dataset.storage.beside("dataset.json")
    return {
        "name": dataset.name,
        "sha256": None if manifest is None else hashlib.sha256(manifest).hexdigest(),
        "chosen_by": list(dataset.why),
        "clips": len(dataset),
    }


def read_suite(folder: str | Path) -> Suite:
    """The suite in a folder.

    Raises BenchError where there is none, it has another format, its lines are not those that were written, or a
    picture or reference is missing.
    """
    folder = Path(folder)
    about = _about(folder)
    file = folder / ENTRIES
    try:
        whole = file.read_bytes()
    except OSError as error:
        raise BenchError(f"{file} cannot be read ({error.strerror}); make the suite anew.") from error
    if hashlib.sha256(whole).hexdigest() != about["sha256"]:
        raise BenchError(
            f"{file} is not what was written: its SHA-256 is another than {ABOUT} says; make the suite anew, so that "
            "every model is asked the same."
        )
    suite = Suite(folder, tuple(_entry(line, file) for line in whole.splitlines()), about)
    for entry in suite.entries:
        for name in (entry.picture, entry.reference):
            if name is not None and not (folder / name).is_file():
                raise BenchError(f"{folder} lacks {name} of the entry {entry.entry}; make the suite anew.")
    return suite


def _entry(line: bytes, file: Path) -> Entry:
    try:
        held = json.loads(line)
        return Entry(**held)
    except (ValueError, TypeError) as error:
        raise BenchError(f"{file} has a line that is no entry ({error}); make the suite anew.") from error


def _about(folder: Path) -> dict[str, Any]:
    file = folder / ABOUT
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise BenchError(
            f"{folder} holds no {ABOUT}, so it is no suite; make one with prompt_suite or picture_suite."
        ) from None
    except (OSError, ValueError) as error:
        raise BenchError(f"{file} cannot be read ({error}); make the suite anew.") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        found = about.get("format") if isinstance(about, dict) else None
        raise BenchError(
            f"{file} has the format {found}, and this facevid reads the format {FORMAT}; make the suite anew."
        )
    lacking = {"kind", "name", "seed", "dataset", "shape", "notes", "entries", "sha256"} - set(about)
    if lacking:
        raise BenchError(f"{file} lacks {', '.join(sorted(lacking))}; make the suite anew.")
    return about
