"""Videos to be measured: a folder of them, and in videos.jsonl what each was to show."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from facevid.bench.errors import BenchError
from facevid.engine.files import atomic_path

MANIFEST = "videos.jsonl"


@dataclass(frozen=True)
class VideoEntry:
    """One video, and what is known of what it was to show; None is unknown.

    name: its path below the folder; file: its path. entry, prompt, seed, clip_id, person, partner, asked, groups: as
    `facevid.bench.suites.Entry` has them. picture: the PNG or JPEG that it was to start from. reference: the real video
    that it is held against, frame by frame.
    """

    name: str
    file: Path
    entry: str | None = None
    prompt: str | None = None
    seed: int | None = None
    clip_id: str | None = None
    person: str | None = None
    picture: Path | None = None
    reference: Path | None = None
    partner: str | None = None
    asked: dict[str, str] | None = None
    groups: dict[str, str | None] | None = None


@dataclass(frozen=True)
class Fault:
    """What is wrong with a video, or a line of videos.jsonl. video: its name, or "videos.jsonl line 3"."""

    video: str
    message: str


@dataclass(frozen=True)
class Videos:
    """What a folder holds, in the order of videos.jsonl or else of the names; and what of it cannot be used."""

    folder: Path
    entries: list[VideoEntry]
    faults: list[Fault] = field(default_factory=list)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(v, str) for v in value.values())


def _is_groups(value: Any) -> bool:
    return isinstance(value, dict) and all(v is None or isinstance(v, str) for v in value.values())


def _is_seed(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "file": (_is_text, "the path of a video"),
    "entry": (_is_text, "a text"),
    "prompt": (_is_text, "a text"),
    "seed": (_is_seed, "a whole number"),
    "clip_id": (_is_text, "a text"),
    "person": (_is_text, "a text"),
    "picture": (_is_text, "the path of a picture"),
    "reference": (_is_text, "the path of a video"),
    "partner": (_is_text, "a text, the entry of another line"),
    "asked": (_is_texts, "an object of texts"),
    "groups": (_is_groups, "an object of texts or null"),
}


def read_videos(folder: str | Path) -> Videos:
    """The videos in a folder, as its videos.jsonl names them, or else all its .mp4 files.

    Each line is an object with the path of a "file" and, as far as known, the other fields of `VideoEntry`; paths are
    relative to the folder. A line that cannot be used is a fault, in a sentence, and the others are read; so are videos
    of the folder that no line names. A line whose picture, reference or partner is missing is used without it, and
    that is a fault too. Raises BenchError where there is no folder, or nothing in it can be used.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise BenchError(f"there is no folder {folder}; give one that holds videos.")
    there = sorted(p.name for p in folder.iterdir() if _is_video(p))
    if not (folder / MANIFEST).exists():
        if not there:
            raise BenchError(f"{folder} holds no .mp4 file and no {MANIFEST}; give a folder of videos.")
        return Videos(folder, [VideoEntry(name, folder / name) for name in there])
    found = read_manifest(folder)
    if not found.entries:
        first = found.faults[0] if found.faults else Fault(MANIFEST, "it has no line")
        raise BenchError(
            f"no line of {folder / MANIFEST} can be used. The first fault: {first.video}: {first.message}."
        )
    named = {entry.file.resolve() for entry in found.entries} | {
        (folder / fault.video).resolve() for fault in found.faults
    }
    for name in there:
        if (folder / name).resolve() not in named:
            found.faults.append(Fault(name, f"{MANIFEST} does not name it, so it is not measured"))
    return found


def write_videos(folder: Path, lines: Iterable[Mapping[str, Any]]) -> Path:
    """Write videos.jsonl, whole or not at all."""
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    with atomic_path(folder / MANIFEST) as temporary:
        temporary.write_bytes(text.encode())
    return folder / MANIFEST


def _is_video(path: Path) -> bool:
    return path.suffix.lower() == ".mp4" and not path.name.startswith(".") and path.is_file()


def read_manifest(folder: Path) -> Videos:
    """What videos.jsonl names, as `read_videos` reads it, though that be nothing. Raises BenchError without one."""
    found = Videos(folder, [])
    try:
        lines = (folder / MANIFEST).read_bytes().splitlines()
    except OSError as error:
        raise BenchError(f"{folder / MANIFEST} cannot be read ({error.strerror}); see what it is.") from error
    files: dict[Path, int] = {}
    ids: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        held, wrong = _held(line)
        name = str(held.get("file") if wrong is None else f"{MANIFEST} line {number}")
        if wrong is None:
            file, entry = (folder / name).resolve(), held.get("entry")
            if not file.is_file():
                wrong = f"there is no such file, which line {number} names"
            elif file in files:
                wrong = f"line {number} names it, as line {files[file]} does; it counts once"
            elif entry in ids:
                wrong = f"line {number} gives it the entry {entry!r}, which line {ids[entry]} has"
        if wrong is not None:
            found.faults.append(Fault(name, wrong))
            continue
        files[file] = number
        if entry is not None:
            ids[entry] = number
        found.entries.append(_entry(folder, name, held, found.faults))
    for k, one in enumerate(found.entries):
        if one.partner is not None and (one.partner not in ids or one.partner == one.entry):
            what = "itself" if one.partner == one.entry else "no entry that can be used"
            found.faults.append(
                Fault(one.name, f"its partner {one.partner!r} is {what}; it is used without one")
            )
            found.entries[k] = replace(one, partner=None)
    return found


def _held(line: bytes) -> tuple[dict[str, Any], str | None]:
    """The fields of a line that say something, and what is wrong with it."""
    try:
        held = json.loads(line)
    except ValueError as error:
        return {}, f"it is not JSON ({error})"
    if not isinstance(held, dict):
        return {}, f"it is {type(held).__name__}, not an object of fields"
    if strange := sorted(set(held) - set(_FIELDS)):
        return {}, f"it has the unknown field {strange[0]!r}; allowed are {', '.join(_FIELDS)}"
    held = {name: value for name, value in held.items() if value is not None}
    if not held.get("file"):
        return {}, 'it has no "file", the path of its video'
    for name, value in held.items():
        fits, what = _FIELDS[name]
        if not fits(value):
            return {}, f"its {name} is {json.dumps(value)}; it must be {what}, or null"
    return held, None


def _entry(folder: Path, name: str, held: Mapping[str, Any], faults: list[Fault]) -> VideoEntry:
    fields = {n: v for n, v in held.items() if n not in ("file", "picture", "reference")}
    for other in ("picture", "reference"):
        if other not in held:
            continue
        if (folder / held[other]).is_file():
            fields[other] = folder / held[other]
        else:
            faults.append(
                Fault(name, f"its {other} {held[other]} is no file below {folder}; it is used without")
            )
    return VideoEntry(name, folder / name, **fields)
