"""`stats` counts what a dataset, or a choice of its clips, holds: people, hours, rights, attributes and who said so."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from facevid.dataset.dataset import Dataset, open
from facevid.dataset.describing.figures import Figures, Part
from facevid.dataset.vocabulary import ATTRIBUTES


@dataclass(frozen=True)
class Counted:
    """One attribute. values: value -> clips, the most first; empty for a number. unknown: clips without it.

    by: who said it -> clips and mean confidence (None where none was given).
    """

    values: dict[str, int]
    unknown: int
    by: dict[str, tuple[int, float | None]]


@dataclass(frozen=True)
class Cell:
    """A combination of values (None: unknown) and what it holds."""

    values: tuple[str | None, ...]
    clips: int
    people: int
    seconds: float


@dataclass(frozen=True)
class Stats:
    """Counts of a dataset, or of the clips that `where` chose.

    length_s: shortest, median and longest clip. licence, consent, language, split: what is stated, with sources, clips
    and seconds. rejected: reason -> stretches and seconds of the whole dataset; empty for a choice. cells: by `by`.
    """

    name: str
    where: str | None
    clips: int
    seconds: float
    people: int
    nobody: int
    sources: int
    length_s: tuple[float, float, float]
    attributes: dict[str, Counted]
    actions: dict[str, int]
    rights: dict[str, tuple[Part, ...]]
    rejected: dict[str, tuple[int, float]]
    by: tuple[str, ...]
    cells: tuple[Cell, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name, "where": self.where, "clips": self.clips, "seconds": round(self.seconds, 3),
            "people": self.people, "nobody": self.nobody, "sources": self.sources,
            "length_s": [round(x, 3) for x in self.length_s],
            "attributes": {
                name: {
                    "values": c.values, "unknown": c.unknown,
                    "by": {by: {"clips": n, "confidence": _digits(sure)} for by, (n, sure) in c.by.items()},
                }
                for name, c in self.attributes.items()
            },
            "actions": self.actions,
            **{
                column: [
                    {"value": p.word, "sources": p.sources, "clips": p.clips, "seconds": round(p.seconds, 3)}
                    for p in parts
                ]
                for column, parts in self.rights.items()
            },
            "rejected": {r: {"stretches": n, "seconds": round(s, 3)} for r, (n, s) in self.rejected.items()},
            "by": list(self.by),
            "cells": [
                {"values": list(c.values), "clips": c.clips, "people": c.people, "seconds": round(c.seconds, 3)}
                for c in self.cells
            ],
        }  # fmt: skip


def stats(
    dataset: str | os.PathLike[str] | Dataset, *, by: Sequence[str] = (), where: str | None = None
) -> Stats:
    """Count what a dataset holds.

    by: attributes, `age_group`, columns of clips, `language` or `collected_by`, whose combinations are counted; then
    the other attributes are not. where: an SQL condition over the clips' columns that chooses clips first (see
    `Dataset.where`). Raises DatasetError where there is no dataset, or for a name or a condition that cannot be used.
    """
    ds = dataset if isinstance(dataset, Dataset) else open(dataset)
    if where:
        ds = ds.where(where)
    figures = Figures(ds)
    cells = tuple(Cell(*cell) for cell in figures.cells(by)) if by else ()
    names = [n for n in figures.names if not by or n in by]
    return Stats(
        name=ds.name,
        where=where,
        clips=figures.clips,
        seconds=figures.seconds,
        people=figures.persons,
        nobody=figures.nobody(),
        sources=figures.sources(),
        length_s=figures.lengths(),
        attributes={name: _counted(figures, name) for name in names},
        actions={} if by else dict(figures.actions()),
        rights={
            **{c: _stated(figures.by_source(c), where) for c in ("licence", "consent", "language")},
            "split": tuple(figures.splits()),
        },
        rejected={} if where else {r: (n, s) for r, n, s in figures.reasons()},
        by=tuple(by),
        cells=cells,
    )


def _counted(figures: Figures, name: str) -> Counted:
    by = {maker: (n, sure) for maker, n, sure in figures.makers(name)}
    known = sum(n for n, _ in by.values())
    values = {} if ATTRIBUTES[name].kind == "number" else dict(figures.values(name)[0])
    return Counted(values, figures.clips - known, by)


def _stated(parts: Sequence[Part], where: str | None) -> tuple[Part, ...]:
    """What is stated; of a choice of clips only what is stated of those."""
    return tuple(p for p in parts if p.clips or not where)


def _digits(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
