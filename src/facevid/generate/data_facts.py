"""What a model's card must say of the data that it was trained on, counted in the chosen clips."""

from __future__ import annotations

import hashlib
from typing import Any

from facevid.dataset.dataset import Dataset
from facevid.dataset.describing.figures import GROUPED, Figures, in_order
from facevid.dataset.describing.options import CardOptions
from facevid.dataset.published import MANIFEST
from facevid.recipe import Crop


def data_facts(train: Dataset, validation: Dataset, crop: Crop | None = None) -> dict[str, Any]:
    """The part "data" of facevid.json, as plain values for JSON; the caller adds "subset" and "split".

    dataset, dataset_sha256 (of dataset.json), dataset_version, dataset_url, dataset_licence: of the whole dataset.
    crop: margins by which windows were cut (`data.crop`), or else clips, None where their recipe is not known;
    pictures are cut by them too.
    chosen: how the training clips were chosen, one choice after the other. licences, consents: (word or None, clips,
    hours) of the training clips by what their sources state, the most hours first. train_clips, train_people,
    train_nobody (clips of nobody known), train_hours, train_captioned (clips), validation_clips, validation_people.
    balance: for each of ethnicity, gender, age_group and skin_tone its {"values": {value: {"clips", "people",
    "hours"}}, "unknown": {the same}, "said_by": {who: clips}}.
    """
    figures, held_out = Figures(train), Figures(validation)
    about, options = train.manifest.about, CardOptions.of(train.manifest.about)
    return {
        "dataset": train.name,
        "dataset_sha256": _manifest_hash(train),
        "dataset_version": options.version,
        "dataset_url": options.url,
        "dataset_licence": about.get("licence") or None,
        "crop": (about.get("recipe") or {}).get("crop") if crop is None else crop.model_dump(),
        "chosen": list(train.why),
        "licences": _by_source(figures, "licence"),
        "consents": _by_source(figures, "consent"),
        "train_clips": figures.clips,
        "train_people": figures.persons,
        "train_nobody": figures.nobody(),
        "train_hours": _hours(figures.seconds),
        "train_captioned": figures.captioned(),
        "validation_clips": held_out.clips,
        "validation_people": held_out.persons,
        "balance": {name: _balance(figures, name) for name in GROUPED},
    }


def _manifest_hash(ds: Dataset) -> str | None:
    data = ds.storage.beside(MANIFEST)
    return None if data is None else hashlib.sha256(data).hexdigest()


def _by_source(figures: Figures, column: str) -> list[dict[str, Any]]:
    return [
        {"word": part.word or None, "clips": part.clips, "hours": _hours(part.seconds)}
        for part in figures.by_source(column)
        if part.clips
    ]


def _balance(figures: Figures, name: str) -> dict[str, Any]:
    cells = {
        values[0]: {"clips": clips, "people": people, "hours": _hours(seconds)}
        for values, clips, people, seconds in figures.cells([name])
    }
    unknown = cells.pop(None, {"clips": 0, "people": 0, "hours": 0.0})
    said = [str(value) for value in cells]
    order = in_order(said) if name in ("age_group", "skin_tone") else said
    makers = figures.makers("age" if name == "age_group" else name)
    return {
        "values": {value: cells[value] for value in order},
        "unknown": unknown,
        "said_by": {by: clips for by, clips, _ in makers},
    }


def _hours(seconds: float) -> float:
    return round(seconds / 3600, 4)
