"""HDTF: 16 hours of high-definition speech, published as five text files for each of RD, WDA and WRA."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from facevid.dataset.corpora.entry import (
    Corpus,
    CorpusError,
    Entry,
    Footage,
    Problems,
    RowError,
    of_height,
    stretch,
)
from facevid.dataset.corpora.reading import file_name, id_of_page, number, ordered, read_lines, span
from facevid.dataset.corpora.steps import CorpusSteps

ABOUT = Corpus(
    name="hdtf",
    title="HDTF",
    licence="CC BY 4.0 (annotations; the videos belong to their uploaders)",
    removal="none stated",
    home="https://github.com/MRzzm/HDTF",
    reads="folder with <RD, WDA or WRA>_<video_url, annotion_time, resolution, crop_wh, crop_ratio>.txt",
)
SUBSETS = ("RD", "WDA", "WRA")
# The corpus spells it "annotion".
_FILES = ("video_url", "annotion_time", "resolution", "crop_wh", "crop_ratio")
_SPAN = re.compile(r"(\d+:\d+(?::\d+)?)-(\d+:\d+(?::\d+)?)")


def read(annotations: Path, problems: Problems) -> Iterator[Entry]:
    """The clips of a folder with the five files of at least one subset, in the order of annotion_time.txt."""
    any_there = False
    for subset in SUBSETS:
        tables = _tables(annotations, subset, problems)
        if tables is not None:
            any_there = True
            yield from _clips(subset, tables, problems)
    if not any_there:
        raise CorpusError(
            f"{annotations} holds no HDTF annotations; give the folder with {SUBSETS[0]}_{_FILES[0]}.txt and the like."
        )


Table = dict[str, tuple[str, list[str]]]


def _tables(folder: Path, subset: str, problems: Problems) -> dict[str, Table] | None:
    """File kind -> first word of a line -> (where it stands, the other words); None without times."""
    tables: dict[str, Table] = {}
    for kind in _FILES:
        # Also as saved beside one another under the corpus's name.
        found = [
            p for p in (folder / f"{subset}_{kind}.txt", folder / f"hdtf_{subset}_{kind}.txt") if p.is_file()
        ]
        tables[kind] = {}
        for number_, line in read_lines(found[0]) if found else ():
            name, *rest = line.split()
            row = f"{found[0].name} line {number_}"
            name = name.removesuffix(".mp4")
            if name in tables[kind]:
                problems.add(row, "name", f"{name} stands there twice; the first line counts.")
            else:
                tables[kind][name] = (row, rest)
    return tables if tables["annotion_time"] else None


def _clips(subset: str, tables: dict[str, Table], problems: Problems) -> Iterator[Entry]:
    for video, (row, spans) in tables["annotion_time"].items():
        for index, text in enumerate(spans):
            clip = f"{video}_{index}"
            try:
                yield _entry(f"{row} ({clip})", subset, video, index, text, tables)
            except RowError as error:
                problems.add(f"{row} ({clip})", error.kind, str(error))


def _entry(row: str, subset: str, video: str, index: int, text: str, tables: dict[str, Table]) -> Entry:
    clip = f"{file_name(video)}_{index}"
    parts = _SPAN.fullmatch(text)
    if parts is None:
        raise RowError("time", f"{text!r} is no span; mm:ss-mm:ss is.")
    start_s, end_s = span(parts[1], parts[2])
    height = number(_words(tables, subset, "resolution", video, 1)[0], "The height")
    x0, width, y0, tall = (
        number(word, "A side of the crop") for word in _words(tables, subset, "crop_wh", clip, 4)
    )
    box = ordered(x0, y0, x0 + width, y0 + tall)
    if height <= 0 or y0 + tall > height * 1.02:
        raise RowError("box", f"The crop reaches down to {y0 + tall:g} in a picture {height:g} high.")
    address = _words(tables, subset, "video_url", video, 1)[0]
    if not address.startswith(("http://", "https://")):
        raise RowError("row", f"{address!r} is no address of the web.")
    ratio = tables["crop_ratio"].get(clip)
    source = f"{subset}_{video}"
    place, times = of_height(box, height), stretch(start_s, end_s)
    identifier = id_of_page(address)
    return Entry(
        row=row,
        name=f"{subset}_{clip}",
        source=source,
        footage=(
            Footage(source, times, place),
            *((Footage(identifier, times, place),) if identifier else ()),
            Footage(video, times, place),
            Footage(f"{subset}_{clip}", starts_s=start_s),
            Footage(clip, starts_s=start_s),
            Footage(f"{source}_{index:03d}", starts_s=start_s),
        ),
        address=address,
        by_site=True,
        detail={"reference_height": height, "crop_ratio": ratio[1][0] if ratio and ratio[1] else None},
    )


def _words(tables: dict[str, Table], subset: str, kind: str, name: str, count: int) -> list[str]:
    found = tables[kind].get(name)
    if found is None:
        raise RowError("row", f"{name} is not in {subset}_{kind}.txt.")
    if len(found[1]) < count:
        raise RowError("row", f"{found[0]} says too little of {name}: {count} values are needed.")
    return found[1]


_STEPS = CorpusSteps(ABOUT, read)
fetch = _STEPS.fetch
prepare = _STEPS.prepare
