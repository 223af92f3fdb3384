"""`card` tells a dataset what cannot be counted, such as its licence and contact, and writes its card anew."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from facevid.dataset.describing.card import CARD
from facevid.dataset.describing.options import ABOUT, GATE_FIELDS, GATE_PROMPT, CardOptions
from facevid.dataset.publish import publish
from facevid.dataset.published import DatasetError, read_manifest
from facevid.dataset.tables import staging_folder
from facevid.engine import atomic_path, folder_lock

LICENCE_FILE = "LICENSE"


def card(
    dataset: str | os.PathLike[str],
    *,
    licence: str | os.PathLike[str] | None = None,
    contact: str | None = None,
    creators: Sequence[str] | None = None,
    url: str | None = None,
    cite: str | os.PathLike[str] | None = None,
    release: str | None = None,
    published: str | None = None,
    gated: bool | None = None,
    gate_prompt: str | os.PathLike[str] | None = None,
    gate_fields: Sequence[tuple[str, str]] | None = None,
) -> Path:
    """Write README.md and croissant.json of a dataset anew, and keep what is said here for every later publication.

    licence: an identifier ("CC-BY-4.0"), any other text, or a file with the licence's text, which becomes LICENSE; its
    first line is then the licence's name. contact: where people ask to be taken out. creators, url, cite (BibTeX, or a
    file of it), release (MAJOR.MINOR.PATCH), published (YYYY-MM-DD). gated: whether one must agree and answer before
    one gets access on a hub (also to be switched on there). gate_prompt (text or file) and gate_fields (question and
    "text", "checkbox", "country" or "date_picker") say what; giving one of them gates too. None leaves what was said
    before.

    Returns the path of README.md. Raises DatasetError where there is no dataset or something is not allowed, FolderBusy
    while another process works on it.
    """
    folder = Path(dataset)
    read_manifest(folder)
    with folder_lock(folder / ".work"):
        manifest = read_manifest(folder)
        about, options = dict(manifest.about), CardOptions.of(manifest.about)
        given: dict[str, Any] = {
            "contact": contact,
            "creators": None if creators is None else tuple(creators),
            "url": url,
            "cite": None if cite is None else _text(cite),
            "version": release,
            "published": published,
            "gate_prompt": None if gate_prompt is None else _text(gate_prompt),
            "gate_fields": None if gate_fields is None else tuple((str(q), str(k)) for q, k in gate_fields),
        }
        options = replace(options, **{name: value for name, value in given.items() if value is not None})
        options = _gated(options, gated)
        if licence is not None:
            about["licence"], link = _licence(folder, licence)
            options = replace(options, licence_link=link)
        about[ABOUT] = options.to_json()
        publish(folder, staged=staging_folder(folder, b"card"), files=manifest.files, about=about, card=None)
    return folder / CARD


def _gated(options: CardOptions, gated: bool | None) -> CardOptions:
    if gated is False:
        return replace(options, gate_prompt=None, gate_fields=())
    if gated or options.gate_prompt is not None or options.gate_fields:
        return replace(
            options,
            gate_prompt=options.gate_prompt or GATE_PROMPT,
            gate_fields=options.gate_fields or GATE_FIELDS,
        )
    return options


def _licence(folder: Path, licence: str | os.PathLike[str]) -> tuple[str, str | None]:
    """The licence's name, and where its text is; a file is copied into the dataset."""
    name = os.fspath(licence).strip()
    if not _is_file(name):
        if not name:
            raise DatasetError("A licence needs a name, such as CC-BY-4.0, or a file with its text.")
        return name, name if "://" in name else None
    text = _text(name)
    with atomic_path(folder / LICENCE_FILE) as partial:
        Path(partial).write_text(text, encoding="utf-8")
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    if not first:
        raise DatasetError(f"{name} is empty; a licence's file holds its text, the name in the first line.")
    return first[:100], LICENCE_FILE


def _text(given: str | os.PathLike[str]) -> str:
    """The text, or that of the file it names."""
    name = os.fspath(given)
    if not _is_file(name):
        return name
    try:
        return Path(name).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise DatasetError(f"{name} is no text in UTF-8; save it as such.") from None


def _is_file(name: str) -> bool:
    return len(name) < 1000 and "\n" not in name and Path(name).is_file()
