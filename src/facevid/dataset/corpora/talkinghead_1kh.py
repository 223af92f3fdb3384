"""TalkingHead-1KH: half a million tubes of faces, published as one line each with frames of one-minute chunks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from facevid import media
from facevid.dataset.corpora.entry import Corpus, CorpusError, Entry, Footage, Problems, RowError, of_size
from facevid.dataset.corpora.reading import number, ordered, read_lines, video_id, watch_page
from facevid.dataset.corpora.steps import CorpusSteps

ABOUT = Corpus(
    name="talkinghead-1kh",
    title="TalkingHead-1KH",
    licence="CC BY 3.0 (the videos, as their uploaders chose)",
    removal="a video is taken out on request to the corpus's makers",
    home="https://github.com/tcwang0509/TalkingHead-1KH",
    reads="*_video_tubes.txt, or the folder with it",
)
CHUNK_S = 60.0
"""Length of a chunk: the corpus's tool splits a video at the first keyframe after every full minute."""
_CHUNK = re.compile(r"(.{11})_(\d{4})")


def read(annotations: Path, problems: Problems) -> Iterator[Entry]:
    """The tubes of one file, or of every *_video_tubes.txt in a folder."""
    files = sorted(annotations.glob("*_video_tubes.txt")) if annotations.is_dir() else [annotations]
    if not files:
        raise CorpusError(f"{annotations} holds no *_video_tubes.txt of TalkingHead-1KH.")
    for path in files:
        starts = _chunk_starts()
        for count, line in read_lines(path):
            row = f"{path.name} line {count}"
            try:
                yield _entry(row, line, starts)
            except RowError as error:
                problems.add(row, error.kind, str(error))


def _entry(row: str, line: str, starts: Callable[[Path], list[float]]) -> Entry:
    words = [word.strip() for word in line.split(",")]
    if len(words) != 9:
        raise RowError("row", f"It has {len(words)} values; name,H,W,S,E,L,T,R,B are 9.")
    named = _CHUNK.fullmatch(words[0].removesuffix(".mp4"))
    if named is None:
        raise RowError("row", f"{words[0]!r} is no chunk; <11 characters of the video>_<4 digits> is.")
    identifier, chunk = video_id(named[1]), int(named[2])
    height, width, first, last, x0, y0, x1, y1 = (
        number(word, letter) for word, letter in zip(words[1:], "HWSELTRB", strict=True)
    )
    if not 0 <= first <= last:
        raise RowError(
            "time", f"It runs from frame {first:g} to {last:g}; the first must be 0 or more and no later."
        )
    x0, y0, x1, y1 = ordered(x0, y0, x1, y1)
    if height <= 0 or width <= 0 or x0 < 0 or y0 < 0 or x1 > width * 1.02 or y1 > height * 1.02:
        raise RowError(
            "box", f"The box ({x0:g}, {y0:g}, {x1:g}, {y1:g}) leaves the picture of {width:g} x {height:g}."
        )
    place = of_size((x0, y0, x1, y1), width, height)

    def in_chunk(path: Path, probe: media.Probe) -> tuple[float, float]:
        return first / probe.fps, (last + 1) / probe.fps

    def in_video(path: Path, probe: media.Probe) -> tuple[float, float]:
        begins = starts(path)
        if chunk >= len(begins):
            raise RowError(
                "time", f"{path.name} ends before minute {chunk}; it may be another cut of the video."
            )
        return begins[chunk] + first / probe.fps, begins[chunk] + (last + 1) / probe.fps

    tube = f"{named[0]}_S{first:g}_E{last:g}_L{x0:g}_T{y0:g}_R{x1:g}_B{y1:g}"
    return Entry(
        row=row,
        name=tube,
        source=identifier,
        footage=(Footage(named[0], in_chunk, place), Footage(identifier, in_video, place), Footage(tube)),
        address=watch_page(identifier),
        by_site=True,
    )


def _chunk_starts() -> Callable[[Path], list[float]]:
    """Video -> seconds at which its chunks start, each looked up once.

    A stream that is copied can be split at keyframes only: chunk k begins with the first keyframe at or after minute k.
    """
    known: dict[Path, list[float]] = {}

    def starts(path: Path) -> list[float]:
        if path not in known:
            known[path] = chunk_starts(media.keyframe_times(path))
        return known[path]

    return starts


def chunk_starts(keyframes_s: list[float]) -> list[float]:
    """Starts of the chunks that splitting every `CHUNK_S` makes of a video with these keyframes, in seconds."""
    begins = keyframes_s[:1]
    for when in keyframes_s[1:]:
        if when - keyframes_s[0] >= CHUNK_S * len(begins):
            begins.append(when)
    return begins


_STEPS = CorpusSteps(ABOUT, read)
fetch = _STEPS.fetch
prepare = _STEPS.prepare
