"""`info` says at a glance what a dataset is: how much of it, of whom, under which licence, and what to do next."""

from __future__ import annotations

import os
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from facevid.dataset.choosing.subset_file import SUBSETS, read_subset
from facevid.dataset.dataset import Dataset, open
from facevid.dataset.describing.figures import SECONDS
from facevid.dataset.describing.options import CardOptions
from facevid.dataset.published import FORMAT_VERSION, JOURNAL, MEDIA, TABLES, DatasetError
from facevid.dataset.storage import Folder, RemoteFolder

_ANNOTATE = "attributes, actions and captions of every clip"
_PARTS = 3  # of a split as it is suggested, each with a person of its own


@dataclass(frozen=True)
class Info:
    """What a dataset is. bytes: of all its files; media_bytes: of its shards. tables: rows of each.

    splits: clips of each part of the column `split`. subsets: clips of each saved one (of its parts together), -1 for
    one that cannot be read. next: commands that make sense now, and what for.
    """

    name: str
    location: str
    format_version: int
    version: str
    licence: str | None
    clips: int
    seconds: float
    people: int
    bytes: int
    media_bytes: int
    shards: int
    tables: dict[str, int]
    annotated: bool
    recipe: str | None
    facevid: str | None
    splits: dict[str, int]
    subsets: dict[str, int]
    next: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"seconds": round(self.seconds, 3)}


def info(dataset: str | os.PathLike[str] | Dataset) -> Info:
    """Look at a dataset, in a folder or at an address; reads its manifest and four columns.

    Raises DatasetError where there is none.
    """
    ds = dataset if isinstance(dataset, Dataset) else open(dataset)
    about, files = ds.manifest.about, ds.manifest.files
    row = ds.sql(f"select count(distinct identity), {SECONDS} from clips").fetchall()[0]
    splits = ds.sql(
        "select split, count(*) from clips where split is not null group by 1 order by 2 desc, 1"
    ).fetchall()
    annotated = "attributes" in ds.clips.columns
    subsets = _subsets(ds)
    return Info(
        name=ds.name,
        location=ds.location,
        format_version=FORMAT_VERSION,
        version=CardOptions.of(about).version,
        licence=about.get("licence"),
        clips=len(ds),
        seconds=float(row[1]),
        people=int(row[0]),
        bytes=sum(f.bytes for f in files),
        media_bytes=sum(f.bytes for f in ds.manifest.of(MEDIA)),
        shards=len(ds.manifest.of(MEDIA)),
        tables={t: sum(f.rows for f in ds.manifest.of(t)) for t in TABLES},
        annotated=annotated,
        recipe=(about.get("recipe") or {}).get("name"),
        facevid=(about.get("tools") or {}).get("facevid"),
        splits={str(name): int(n) for name, n in splits},
        subsets=subsets,
        next=_next(ds, annotated=annotated, parted=bool(splits or subsets)),
    )


def _subsets(ds: Dataset) -> dict[str, int]:
    if not isinstance(ds.storage, Folder):
        return {}
    return {path.stem: _size(path) for path in sorted((ds.folder / SUBSETS).glob("*.json"))}


def _size(path: Path) -> int:
    try:
        subset = read_subset(path)
    except DatasetError:
        return -1
    return sum(len(ids) for ids in (subset.parts or {"": subset.ids or ()}).values())


def _next(ds: Dataset, *, annotated: bool, parted: bool) -> dict[str, str]:
    place = shlex.quote(ds.location)
    steps = {}
    if not isinstance(ds.storage, Folder):
        if (
            len(ds)
            and not annotated
            and isinstance(ds.storage, RemoteFolder)
            and ds.storage.place.takes_objects
        ):
            steps[f"facevid annotate {place}"] = _ANNOTATE
        steps[f"facevid pull {place} -o FOLDER"] = "brings it to this machine"
        return steps
    if (ds.folder / JOURNAL).exists():
        return {
            f"facevid takedown {place}": "finishes a takedown that was interrupted; nothing else can be done before"
        }
    if not len(ds):
        return {
            f'facevid query {place} "select reason, count(*) from rejected group by 1"': "why nothing was kept",
            f"facevid explore {place}": "look at what was left out in a browser",
        }
    if not annotated:
        steps[f"facevid annotate {place}"] = _ANNOTATE
    people = pc.count_distinct(ds.rows(["identity"])["identity"], mode="only_valid").as_py()
    if not parted and people >= _PARTS:
        steps[f"facevid split {place} people"] = "training, validation and test, no person on two sides"
    options = CardOptions.of(ds.manifest.about)
    if not ds.manifest.about.get("licence") or not options.contact:
        steps[f"facevid card {place} --licence TEXT --contact ADDRESS"] = (
            "what others must know before they use it"
        )
    steps[f"facevid stats {place}"] = "who is in it, and who said so"
    steps[f"facevid verify {place}"] = "whether every byte of it is right"
    steps[f"facevid explore {place}"] = "look at it in a browser"
    return steps
