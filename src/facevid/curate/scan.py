"""Finds sources: walks folders, globs and manifests, and says of every file what it is."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from facevid import media
from facevid.curate.manifest import MANIFEST_SUFFIXES, FootageError, Found, printable, read_manifest, together
from facevid.curate.remote_footage import find_remote, heads_of, remote_sha256
from facevid.dataset.spans import FACTS, spans_text
from facevid.engine import Item, Resources, Step, StepError, file_sha256
from facevid.storage import is_address, local_path

VIDEO_SUFFIXES = frozenset(
    ".mp4 .m4v .mov .mkv .webm .avi .mpg .mpeg .ts .mts .m2ts .wmv .flv .3gp .ogv .mxf .vob".split()
)
"""File endings that count as footage inside a folder; a file that is named itself is always tried."""

# A file of the largest index takes 5 s to be looked into (an hour at 60 frames a second: .2 s).
_LOOK_S = 120.0
# A tenth of what a slow network disk gives, so that only what never ends is ended.
_BYTES_PER_S = 1e6


def find_footage(footage: Sequence[str | os.PathLike[str]] | str | os.PathLike[str]) -> list[Found]:
    """Every file that the footage names, each once, sorted by path.

    footage: video files, folders (searched through and through), globs, manifests (.csv, .jsonl, .parquet
    with a `path` column, relative to the manifest); each may be an address, such as `s3://raw/2024/*.mp4`. Raises
    FootageError for what is not there.
    """
    given = [footage] if isinstance(footage, (str, os.PathLike)) else list(footage)
    found: dict[Path | str, Found] = {}
    for name in given:
        for item in _look(str(name)):
            known = found.get(item.path)
            found[item.path] = item if known is None else together(known, item)
    if not found:
        raise FootageError(
            f"There is no video in {', '.join(map(str, given)) or 'nothing'}; files ending in "
            f"{' '.join(sorted(VIDEO_SUFFIXES))} are looked for in folders."
        )
    return sorted(found.values(), key=lambda one: one.order)


def _look(name: str) -> Iterator[Found]:
    if is_address(name):
        yield from find_remote(name, VIDEO_SUFFIXES)
        return
    name = local_path(name)
    path = Path(name).expanduser()
    if path.is_dir():
        yield from _walk(path)
    elif path.is_file():
        if path.suffix.lower() in MANIFEST_SUFFIXES:
            yield from read_manifest(path)
        else:
            yield Found(path.resolve())
    else:
        matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 (Path.glob refuses absolute patterns)
        if not matches:
            raise FootageError(f"There is no {name}; give video files, folders, globs or a manifest.")
        for match in matches:
            if Path(match).is_dir() or Path(match).is_file():
                yield from _look(match)


def _walk(top: Path) -> Iterator[Found]:
    """Videos in a folder and all below it, also behind links; hidden ones are left out, such as a build's own."""
    entered: set[str] = set()
    for folder, folders, files in os.walk(top, followlinks=True, onerror=_unreadable_folder):
        here = os.path.realpath(folder)
        folders[:] = [] if here in entered else [name for name in folders if not name.startswith(".")]
        entered.add(here)
        for file in files:
            if Path(file).suffix.lower() in VIDEO_SUFFIXES and not file.startswith("."):
                # Not resolve(): it raises for a link to itself.
                yield Found(Path(os.path.realpath(Path(folder) / file)))


def _unreadable_folder(error: OSError) -> None:
    # Not passed over: nobody would miss the footage in it.
    raise FootageError(
        f"The folder {error.filename} cannot be looked into ({error.strerror}); make it readable or move it away."
    ) from error


def scan_items(found: Sequence[Found]) -> Iterator[Item]:
    """One item a file; a file that changes on disk (size or time, of an address size or ETag) is scanned again."""
    heads = heads_of(found)
    for one in found:
        stamp: list[int | str] = [-1, -1]
        if isinstance(one.path, Path):
            with suppress(OSError):
                state = one.path.stat()
                stamp = [state.st_size, state.st_mtime_ns]
        elif (head := heads[one.path]) is not None:
            stamp = [head.size, head.stamp]
        yield Item(one.key, {"stamp": stamp, "_path": one.location})


def file_names(found: Sequence[Found]) -> dict[str, str]:
    """Path -> file name, with its folder's name in front where several files have that name."""
    count: dict[str, int] = {}
    for one in found:
        count[one.name] = count.get(one.name, 0) + 1
    return {
        one.key: printable(one.name if count[one.name] == 1 else f"{one.folder}/{one.name}") for one in found
    }


def scan_step(payload: dict[str, Any], recipe: object) -> dict[str, Any]:
    """SHA-256 and probe of the file or address at `_path`; reads it once through, and its header."""
    path = str(payload["_path"])
    if printable(path) != path:
        shown = media.display_name(path)
        raise StepError(
            "name", f"{shown} has a name or a folder that is not UTF-8, which no table holds; rename it."
        )
    try:
        if not is_address(path):
            Path(path).stat()
        # First: it refuses what would be read for ever, such as a pipe.
        probe = media.probe(path)
        digest = remote_sha256(path) if is_address(path) else file_sha256(Path(path))
    except media.MediaError as error:
        raise StepError(error.kind, str(error)) from error
    except FileNotFoundError:
        raise StepError(
            "missing", f"{media.display_name(path)} is not there; check the manifest or the folder."
        ) from None
    except OSError as error:
        raise StepError(
            "unreadable", f"{media.display_name(path)} cannot be read: {error.strerror}."
        ) from None
    heard = next((a for a in probe.audio if a.index == probe.main_audio), None)
    return {
        "source_id": digest[:16], "sha256": digest, "size_bytes": probe.size_bytes,
        "container": probe.container, "video_codec": probe.video_codec, "pix_fmt": probe.pix_fmt,
        "bit_depth": probe.bit_depth, "width": probe.width, "height": probe.height,
        "duration_s": probe.duration_s, "fps": probe.fps, "variable_fps": probe.variable_fps,
        "rotation": probe.rotation, "start_time_s": probe.start_time_s, "video_bit_rate": probe.video_bit_rate,
        "audio_streams": len(probe.audio), "audio_codec": heard.codec if heard else None,
        "audio_rate": heard.rate if heard else None, "audio_channels": heard.channels if heard else None,
    }  # fmt: skip


def scan_timeout(payload: dict[str, Any]) -> float:
    """Seconds one file may take: a base for looking into it, and so many for each byte that is hashed."""
    size = float(payload["stamp"][0])
    return _LOOK_S + max(0.0, size) / _BYTES_PER_S


SCAN = Step(
    name="scan",
    version=3,
    function=scan_step,
    timeout_s=scan_timeout,
    # It meets what is hostile first. The largest picture allowed takes 35 to 285 MB, and a decoder keeps up to 17.
    resources=Resources(memory_gb=2.0),
    inputs=lambda payload: [payload["_path"]],
)


def sources_table(found: Sequence[Found], scanned: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the sources, sorted by name, each with its path; the same bytes twice are one source.

    scanned: path -> what `scan_step` returned. The first path (sorted) names a source; what a manifest says
    of a later copy fills what the first leaves open.
    """
    rows: dict[str, dict[str, Any]] = {}
    known: dict[str, Found] = {}
    names: set[str] = set()
    for one in sorted(found, key=lambda f: f.order):
        facts = scanned.get(one.key)
        if facts is None:
            continue
        source_id = str(facts["source_id"])
        if source_id not in rows:
            name = _free_name(one, source_id, names)
            rows[source_id] = {**facts, "source_name": name, "path": one.location, "copies": 1}
            known[source_id] = one
        else:
            rows[source_id]["copies"] += 1
            known[source_id] = _filled(known[source_id], one)
    for source_id, row in rows.items():
        one = known[source_id]
        stated = json.dumps(dict(one.self_reported), sort_keys=True, default=str)
        row.update({name: one.facts.get(name) for name in FACTS})
        row["self_reported"] = stated if one.self_reported else None
        row["spans"] = spans_text(one.spans)
    return sorted(rows.values(), key=lambda r: str(r["source_name"]))


def _filled(first: Found, copy: Found) -> Found:
    """What is known of a source from two files of the same bytes."""
    if first.spans or copy.spans:
        return together(first, copy)
    facts = {name: first.facts.get(name) or copy.facts.get(name) for name in FACTS}
    return Found(first.path, facts, first.self_reported or copy.self_reported)


def _free_name(one: Found, source_id: str, taken: set[str]) -> str:
    for name in (one.name, f"{one.folder}/{one.name}", f"{source_id}/{one.name}"):
        if name not in taken:
            taken.add(name)
            return name
    raise FootageError(f"{one.location} cannot be named apart from another source; rename one of them.")


__all__ = [
    "FACTS",
    "MANIFEST_SUFFIXES",
    "SCAN",
    "VIDEO_SUFFIXES",
    "FootageError",
    "Found",
    "file_names",
    "find_footage",
    "read_manifest",
    "scan_items",
    "scan_step",
    "sources_table",
]
