"""Keeps out of what is written whatever was taken down from any of the datasets it is made of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from facevid.dataset.dataset import Dataset
from facevid.dataset.removing import tombstones
from facevid.dataset.removing.tombstones import TOMBSTONES, Tombstones
from facevid.dataset.sharing.choose import Choice


def without_taken_down(choice: Choice, output: Path) -> Choice:
    """The choice less what was taken down from its dataset, or from an earlier writing of it in `output`."""
    dataset = choice.dataset
    covered = TakenDown([dataset], output).covers(dataset.rows(["source_id", "start_s", "end_s"]))
    if not covered.any():
        return choice
    return Choice(
        dataset.select(dataset.ids.filter(pa.array(~covered)), "less what was taken down"), choice.parts
    )


class TakenDown:
    """The marks of several datasets, and those of the place that is written to; what they cover stays out."""

    def __init__(self, views: Sequence[Dataset], output: Path) -> None:
        found = [tombstones.read(output)]
        for view in views:
            if (data := view.storage.beside(TOMBSTONES)) is not None:
                found.append(tombstones.parse(data, f"{view.location}/{TOMBSTONES}"))
        self.marks: Tombstones = tombstones.united(found)
        self._sha256: dict[str, str] = {}
        for view in views:
            sources = view.to_arrow("sources")
            self._sha256.update(
                zip(sources["source_id"].to_pylist(), sources["sha256"].to_pylist(), strict=True)
            )

    def covers(self, rows: pa.Table) -> npt.NDArray[np.bool_]:
        """Which rows with `source_id`, `start_s` and `end_s` were taken down, in whole or in part."""
        if not self.marks:
            return np.zeros(len(rows), bool)
        columns = (rows[name].to_pylist() for name in ("source_id", "start_s", "end_s"))
        return np.array([self._covered(*row) for row in zip(*columns, strict=True)], bool)

    def sources(self, sources: pa.Table) -> npt.NDArray[np.bool_]:
        """Which rows of `sources` were taken down as a whole."""
        return np.array([bool(s) and self.marks.has_source(s) for s in sources["sha256"].to_pylist()], bool)

    def touches(self, source_ids: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Which sources are no longer known well enough to say that nothing of them was taken down."""
        if not self.marks:
            return np.zeros(len(source_ids), bool)
        return np.array([self._sha256.get(i) is None or self._any(self._sha256[i]) for i in source_ids], bool)

    def beside(self) -> Mapping[str, bytes]:
        """The file of all marks, to lie beside what is written."""
        if not self.marks:
            return {}
        text = json.dumps(self.marks.to_json(), indent=2, ensure_ascii=False) + "\n"
        return {TOMBSTONES: text.encode()}

    def _covered(self, source_id: str, start_s: float, end_s: float) -> bool:
        sha256 = self._sha256.get(source_id)
        return sha256 is not None and self.marks.covers(sha256, start_s, end_s)

    def _any(self, sha256: str) -> bool:
        """Whether anything of a source of up to a day was taken down."""
        return self.marks.covers(sha256, 0.0, 86_400.0)
