"""`report` writes what a dataset holds, lacks and rejected as one HTML page that needs nothing else."""

from __future__ import annotations

import base64
import os
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from facevid.dataset import Clip, Dataset, DatasetError
from facevid.dataset import open as open_dataset
from facevid.engine import atomic_path
from facevid.errors import FacevidError
from facevid.web import report_filters, report_sections
from facevid.web.pictures import jpeg_of
from facevid.web.report_data import Figures

THUMBNAILS = 24
_SIDE = 128


def report(dataset: str | os.PathLike[str] | Dataset, output: str | os.PathLike[str] = "report.html") -> Path:
    """Write a report of the dataset as one HTML page, without scripts and without anything from outside.

    It holds the counts and shares of people, looks, expressions, actions, durations and resolutions; balance, skin
    tone, score distributions with the recipe's thresholds, reasons of rejection per group, clips per person, pictures,
    and how each label was obtained. Works before annotation too; then labels are unknown. Where DH-FaceVid-1K's
    authors print a share, it stands beside. The same dataset gives the same bytes.

    Returns the path written. Raises DatasetError where there is no dataset or `output` does not end in .html.
    """
    path = Path(output)
    if path.suffix.lower() not in (".html", ".htm"):
        raise DatasetError(f"{path}: a report is an .html file; give --output a name that ends in .html.")
    figures = Figures(dataset if isinstance(dataset, Dataset) else open_dataset(dataset))
    text = page(figures)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


def page(figures: Figures) -> str:
    """The whole page as text."""
    about = figures.ds.manifest.about
    name = str(about.get("name") or figures.ds.folder.name)
    sections = [("Clips", report_filters.sizes(figures)), ("Pictures", _pictures(figures))]
    if figures.clips:
        sections += [
            ("People", report_sections.people(figures)),
            ("Looks and scene", report_sections.looks(figures)),
            ("Expressions and actions", report_sections.acts(figures)),
        ]
    sections += [
        ("Filters: what was rejected", report_filters.rejections(figures)),
        ("Scores", report_filters.scores(figures)),
    ]
    if figures.clips:
        sections.append(("Where labels come from", report_sections.labels(figures)))
    body = "".join(f"<section><h2>{escape(title)}</h2>{text}</section>" for title, text in sections)
    style = resources.files("facevid.web").joinpath("report.css").read_text(encoding="utf-8")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        'img-src data:">'
        f"<title>{escape(name)}: report</title><style>{style}</style></head>"
        f"<body><main><h1>{escape(name)}</h1>{_head(figures, about)}{body}</main></body></html>\n"
    )


def _head(figures: Figures, about: dict[str, Any]) -> str:
    counts = figures.totals()
    tiles = [
        ("clips", f"{figures.clips:,}"),
        ("hours", f"{figures.seconds / 3600:,.2f}"),
        ("persons", f"{figures.persons:,}"),
        ("sources", f"{counts['sources']:,}"),
        ("stretches rejected", f"{counts['rejected']:,}"),
        ("items failed", f"{counts['failed']:,}"),
    ]
    shown = "".join(f"<div><b>{value}</b><span>{name}</span></div>" for name, value in tiles)
    recipe = about.get("recipe", {}).get("name")
    made = f"facevid {about.get('tools', {}).get('facevid', '')}".strip()
    by = f" with recipe {escape(str(recipe))}" if recipe else ""
    annotated = "" if figures.labelled else " <b>Not annotated yet: all labels are unknown.</b>"
    nobody = f" {counts['nobody']:,} clips have no person." if counts["nobody"] else ""
    licence = escape(str(about.get("licence") or "not stated"))
    return (
        f"<div class='tiles'>{shown}</div><p class='note'>Licence: {licence}. Built by {escape(made)}{by}."
        f"{nobody}{annotated} A share is of the clips where the attribute is known; how many those are stands above "
        "each plot. <span class='k r'></span> and “DH” mark what the authors of DH-FaceVid-1K "
        "report of theirs.</p>"
    )


def _pictures(figures: Figures) -> str:
    found = figures.spread(THUMBNAILS)
    if not found:
        return "<p>The dataset has no clips.</p>"
    tiles = []
    for row in found:
        clip = figures.ds.at(row)
        who = escape(str(row["identity"] or "no person"))
        try:
            picture = f'<img alt="{escape(clip.clip_id)}" src="{_jpeg(clip)}">'
        except FacevidError as error:
            picture = f"<p>{escape(str(error))}</p>"
        tiles.append(f"<figure>{picture}<figcaption>{who}<br>{clip.duration_s:.1f} s</figcaption></figure>")
    return (
        f"<p>{len(found)} clips, evenly spread over the dataset.</p><div class='sheet'>{''.join(tiles)}</div>"
    )


def _jpeg(clip: Clip) -> str:
    content = jpeg_of(clip.read("mp4"), frames=int(clip["frames"]), width=_SIDE)
    return "data:image/jpeg;base64," + base64.b64encode(content).decode("ascii")
