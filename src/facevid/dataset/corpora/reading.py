"""Reads the pieces that annotations are made of: JSON with repeated keys, lines, numbers, times, names of files."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from facevid.dataset.corpora.entry import CorpusError, RowError

_VIDEO_ID = re.compile(r"[0-9A-Za-z_-]{11}")
_FILE_NAME = re.compile(r"[0-9A-Za-z_-][0-9A-Za-z_.-]{0,120}")
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,3}):(\d{1,2}(?:\.\d+)?)")


class Pairs(dict[str, Any]):
    """A JSON object with all its pairs: Python's own dict keeps the last of several that share a key."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def read_json(path: Path) -> Any:
    """The file's JSON, objects as `Pairs`; raises CorpusError where it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=Pairs)
    except OSError as error:
        raise CorpusError(f"{path} cannot be read ({error.strerror}); give the corpus's own file.") from None
    except (ValueError, RecursionError) as error:
        raise CorpusError(f"{path} is not JSON ({error}); fetch it again from the corpus's page.") from None


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of the lines that are not blank; raises CorpusError where the file cannot be read."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise CorpusError(f"{path} cannot be read ({why}); give the corpus's own file.") from None
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, line.strip()


def must(row: object, *keys: str) -> Any:
    """row[key][key]...; raises RowError that names the key that is missing."""
    here = row
    for depth, key in enumerate(keys):
        if not isinstance(here, Mapping) or key not in here:
            raise RowError("row", f"There is no {'.'.join(keys[: depth + 1])}.")
        here = here[key]
    return here


def number(value: object, what: str) -> float:
    """A finite number; raises RowError."""
    try:
        found = float(value) if not isinstance(value, bool) else math.nan  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise RowError("row", f"{what} must be a number, not {value!r}.")
    return found


def seconds(value: object, what: str) -> float:
    """Seconds from a number or from [hours:]minutes:seconds; raises RowError."""
    clock = _CLOCK.fullmatch(value.strip()) if isinstance(value, str) else None
    if clock is None:
        try:
            return number(value, what)
        except RowError:
            raise RowError(
                "time", f"{what} must be seconds or [hours:]minutes:seconds, not {value!r}."
            ) from None
    hours, minutes, rest = int(clock[1] or 0), int(clock[2]), float(clock[3])
    if rest >= 60 or (clock[1] and minutes >= 60):
        raise RowError("time", f"{what} cannot be {value!r}: minutes and seconds run to 59.")
    return hours * 3600 + minutes * 60 + rest


def span(start: object, end: object) -> tuple[float, float]:
    """Start and end in seconds, in this order; raises RowError."""
    start_s, end_s = seconds(start, "The start"), seconds(end, "The end")
    if start_s < 0 or end_s <= start_s:
        raise RowError(
            "time",
            f"It starts at {start_s:g} s and ends at {end_s:g} s; it must start at 0 or later and end after.",
        )
    return start_s, end_s


def ordered(x0: float, y0: float, x1: float, y1: float) -> tuple[float, float, float, float]:
    """The box where it has an area; raises RowError."""
    if x1 <= x0 or y1 <= y0:
        raise RowError(
            "box", f"The box from ({x0:g}, {y0:g}) to ({x1:g}, {y1:g}) is empty; right of left, below top."
        )
    return x0, y0, x1, y1


def video_id(value: object) -> str:
    """A YouTube video id; raises RowError, so that nothing else can become a file name or an address."""
    if not isinstance(value, str) or not _VIDEO_ID.fullmatch(value):
        raise RowError("row", f"{value!r} is no video id: 11 letters, digits, _ or -.")
    return value


def file_name(value: object) -> str:
    """A name that is safe as a file's; raises RowError for anything with a folder, a drive or odd characters."""
    if not isinstance(value, str) or not _FILE_NAME.fullmatch(value):
        raise RowError("row", f"{value!r} cannot be a clip's name: letters, digits, _, - and dots inside.")
    return value


def watch_page(identifier: str) -> str:
    """The page of a YouTube video."""
    return f"https://www.youtube.com/watch?v={identifier}"


def id_of_page(address: str) -> str | None:
    """The id of a YouTube page, None for any other address."""
    parts = urlsplit(address)
    host = (parts.hostname or "").removeprefix("www.").removeprefix("m.")
    if host == "youtu.be":
        found = parts.path.strip("/")
    elif host == "youtube.com" and parts.path == "/watch":
        found = parse_qs(parts.query).get("v", [""])[0]
    elif host == "youtube.com":
        found = parts.path.rpartition("/")[2]
    else:
        return None
    return found if _VIDEO_ID.fullmatch(found) else None
