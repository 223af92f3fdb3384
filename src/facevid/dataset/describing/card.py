"""The dataset card (`README.md`) and its machine-readable sister (`croissant.json`), written from the data."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from facevid.dataset.dataset import Dataset, open
from facevid.dataset.describing import labels as card_labels
from facevid.dataset.describing import sections as card_sections
from facevid.dataset.describing.croissant import croissant
from facevid.dataset.describing.figures import Figures
from facevid.dataset.describing.options import CardOptions, hub_licence
from facevid.engine import atomic_path

CARD, CROISSANT = "README.md", "croissant.json"
DOCUMENTS = (CARD, CROISSANT)
"""Files of a dataset that are made anew from its tables with each publication."""
NOTES = (
    "<!-- notes: what stands from here to the next such line is yours, and stays -->",
    "<!-- end of notes -->",
)
"""Lines of a card between which people's own words stay when it is written anew."""
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def write_documents(folder: str | os.PathLike[str], *, card: str | None = None) -> None:
    """Write README.md and croissant.json of the dataset in `folder` from its tables.

    card: another text of README.md. What people wrote between the two lines of the notes stays where there is none.
    The same dataset gives the same bytes.
    """
    place = Path(folder)
    for name, text in documents(open(place), card=card).items():
        _write(place / name, text)


def documents(ds: Dataset, *, card: str | None = None) -> dict[str, str]:
    """{name: text} of what `write_documents` writes, for a dataset in a folder or at an address."""
    figures = Figures(ds)
    if card is None:
        card = dataset_card(ds, notes=notes_of(ds.storage.beside(CARD) or b""), figures=figures)
    return {
        CARD: card,
        CROISSANT: json.dumps(croissant(ds, figures=figures), indent=1, ensure_ascii=False) + "\n",
    }


def dataset_card(
    ds: Dataset,
    *,
    configs: Sequence[Mapping[str, Any]] | None = None,
    notes: str = "",
    use: str | None = None,
    figures: Figures | None = None,
) -> str:
    """The text of a dataset's card: front matter that the Hugging Face hub reads, then what it holds and lacks.

    configs: what a hub's viewer may load, and use: the section that says how to read it, both for a layout other than
    that of a dataset on disk, whose card then names no file that only a dataset has. figures: where they were counted
    already. Every number is counted in the tables.
    """
    found = figures or Figures(ds)
    options = CardOptions.of(ds.manifest.about)
    tables = use is None
    parts = [
        _front_matter(found, options, configs if configs is not None else _configs(ds)),
        card_sections.head(found, options, tables=tables),
        f"{NOTES[0]}\n{notes}{NOTES[1]}\n",
        card_sections.people(found),
        card_sections.balance(found),
        card_sections.contents(found),
        card_sections.origin(found),
        card_sections.left_out(found, tables=tables),
        card_sections.made(found, tables=tables),
        card_labels.labels(found, tables=tables),
        use if use is not None else card_sections.use(found),
        card_sections.take_out(found, options, tables=tables),
        card_labels.limits(found),
        card_sections.cite(found, options),
    ]
    return "\n".join(part for part in parts if part)


def _front_matter(figures: Figures, options: CardOptions, configs: Sequence[Mapping[str, Any]]) -> str:
    about = figures.ds.manifest.about
    languages = sorted({str(p.word) for p in figures.by_source("language") if p.word and p.clips})
    spoken = [x for x in languages if _LANGUAGE.fullmatch(x)]
    tasks = ["text-to-video", "image-to-video"]
    if figures.transcribed():
        tasks.append("automatic-speech-recognition")
    matter: dict[str, Any] = {
        **_licence(about.get("licence"), options.licence_link),
        "pretty_name": str(about.get("name") or "dataset"),
        **({"language": spoken} if spoken else {}),
        "task_categories": tasks,
        "size_categories": [next((name for most, name in _SIZES if figures.clips < most), "1M<n<10M")],
        "tags": ["talking-face", "face", "speech", "video", "audio", "facial-landmarks", "facevid"],
        "configs": [dict(config) for config in configs],
    }
    if options.gate_prompt is not None:
        matter["extra_gated_prompt"] = options.gate_prompt
        matter["extra_gated_fields"] = dict(options.gate_fields)
    text = yaml.safe_dump(matter, sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{text}---\n"


def _licence(licence: str | None, link: str | None) -> dict[str, str]:
    if not licence:
        return {"license": "unknown"}
    if known := hub_licence(licence):
        return {"license": known}
    slug = re.sub(r"[^a-z0-9.]+", "-", licence.lower()).strip("-.") or "other"
    return {"license": "other", "license_name": slug[:80], **({"license_link": link} if link else {})}


def _configs(ds: Dataset) -> list[dict[str, Any]]:
    """One a table, so that a hub's viewer shows each; the clips come first."""
    tables = [t for t in ("clips", "sources", "annotations", "rejected", "failed") if ds.manifest.of(t)]
    return [
        {
            "config_name": table,
            "data_files": [{"split": "train", "path": f"{table}/*.parquet"}],
            **({"default": True} if table == "clips" else {}),
        }
        for table in tables
    ]


def notes_in(card: Path) -> str:
    """What people wrote into the card that is there."""
    try:
        return notes_of(card.read_bytes())
    except FileNotFoundError:
        return ""


def notes_of(card: bytes) -> str:
    """What people wrote into a card."""
    try:
        text = card.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    _, opened, rest = text.partition(NOTES[0] + "\n")
    kept, closed, _ = rest.partition(NOTES[1])
    return kept if opened and closed else ""


def _write(path: Path, text: str) -> None:
    with atomic_path(path) as partial:
        Path(partial).write_text(text, encoding="utf-8")
