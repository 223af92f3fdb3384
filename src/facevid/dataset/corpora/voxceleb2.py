"""VoxCeleb2: a million utterances of 6,112 people, published as one text file an utterance with a box a frame."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from facevid.dataset.corpora.entry import (
    Corpus,
    CorpusError,
    Entry,
    Footage,
    Problems,
    RowError,
    of_fractions,
    stretch,
)
from facevid.dataset.corpora.reading import file_name, number, read_lines, video_id, watch_page
from facevid.dataset.corpora.steps import CorpusSteps

ABOUT = Corpus(
    name="voxceleb2",
    title="VoxCeleb2",
    licence="CC BY 4.0 (annotations; the videos belong to their uploaders)",
    removal="a person or video is taken out on request to the corpus's makers",
    home="https://www.robots.ox.ac.uk/~vgg/data/voxceleb/",
    reads="folder of <identity>/<video>/<utterance>.txt",
)
FPS = 25.0
"""Frames a second in which the corpus counts, whatever the video's own rate."""
_HEADER = re.compile(r"(Identity|Reference|Offset|FV Conf|ASD Conf)\s*:\s*(.*)")


def read(annotations: Path, problems: Problems) -> Iterator[Entry]:
    """The utterances of a folder, sorted by identity, video and number."""
    if not annotations.is_dir():
        raise CorpusError(
            f"{annotations} is no folder; give the one with <identity>/<video>/<utterance>.txt."
        )
    empty = True
    for path in _utterances(annotations):
        empty = False
        row = path.relative_to(annotations).as_posix()
        try:
            yield _entry(row, path)
        except (RowError, CorpusError) as error:
            problems.add(row, getattr(error, "kind", "row"), str(error))
    if empty:
        raise CorpusError(f"{annotations} holds no <identity>/<video>/<utterance>.txt of VoxCeleb2.")


def _utterances(top: Path) -> Iterator[Path]:
    # Folder by folder: a listing of a million files at once would fill the memory.
    for identity in sorted(p for p in top.iterdir() if p.is_dir()):
        for video in sorted(p for p in identity.iterdir() if p.is_dir()):
            yield from sorted(p for p in video.iterdir() if p.suffix == ".txt")


def _entry(row: str, path: Path) -> Entry:
    header: dict[str, str] = {}
    frames: list[int] = []
    edges: list[tuple[float, float, float, float]] = []
    in_table = False
    for count, line in read_lines(path):
        said = _HEADER.fullmatch(line)
        if in_table:
            words = line.split()
            if len(words) != 5:
                raise RowError("row", f"Line {count} has {len(words)} values; FRAME X Y W H are 5.")
            frame, x, y, width, height = (number(word, f"A value in line {count}") for word in words)
            frames.append(int(frame))
            edges.append((x, y, x + width, y + height))
        elif said is not None:
            header[said[1]] = said[2].strip()
        elif line.split() == ["FRAME", "X", "Y", "W", "H"]:
            in_table = True
        else:
            raise RowError("row", f"Line {count} is neither a header nor the line FRAME X Y W H.")
    if not frames:
        raise RowError("row", "There are no frames in it.")
    if any(b <= a for a, b in pairwise(frames)) or frames[0] < 0:
        raise RowError("time", "Its frames do not run upwards from 0.")
    missing = [name for name in ("Identity", "Reference") if not header.get(name)]
    if missing:
        raise RowError("row", f"There is no {' and no '.join(missing)} in it.")
    identity, identifier = file_name(header["Identity"]), video_id(header["Reference"])
    # One box for all frames: the smallest that holds the face throughout.
    box = tuple(pick(edge[side] for edge in edges) for side, pick in enumerate((min, min, max, max)))
    start_s = frames[0] / FPS
    return Entry(
        row=row,
        name=f"{identity}/{identifier}/{path.stem}",
        source=identifier,
        footage=(
            Footage(identifier, stretch(start_s, (frames[-1] + 1) / FPS), of_fractions(*box)),
            Footage(f"{identity}/{identifier}/{path.stem}", starts_s=start_s),
        ),
        address=watch_page(identifier),
        by_site=True,
        person=f"voxceleb2:{identity}",
        detail={name: header[name] for name in ("Offset", "FV Conf", "ASD Conf") if name in header},
    )


_STEPS = CorpusSteps(ABOUT, read)
fetch = _STEPS.fetch
prepare = _STEPS.prepare
