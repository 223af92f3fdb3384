"""The captions of a dataset's clips by length, and which of them a sample is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facevid.dataset.dataset import Dataset
from facevid.dataset.loading.order import Floats, Ints
from facevid.generate.errors import GenerateError


@dataclass(frozen=True)
class Captions:
    """lengths: "short", "medium", "long", those asked for. texts: for each length one of every clip, null where there
    is none. weights: how often each length is drawn, in proportion."""

    lengths: tuple[str, ...]
    weights: Floats
    texts: tuple[pa.Array, ...]

    @property
    def has(self) -> npt.NDArray[np.bool_]:
        """Which clip has a caption of which length, (clips, lengths)."""
        return np.stack([np.asarray(pc.is_valid(text), bool) for text in self.texts], axis=1)

    def chosen(self, rows: Ints, draws: Floats) -> Ints:
        """The length of a caption for each of the clips `rows`, decided by `draws` in [0, 1).

        Lengths that a clip lacks are not drawn for it; the others keep their proportions.
        """
        upto = np.cumsum(self.weights * self._has(rows), axis=1)
        found = (draws[:, None] * upto[:, -1:] >= upto).sum(axis=1)
        return np.asarray(np.minimum(found, len(self.lengths) - 1), np.int64)

    def said(self, rows: Ints, lengths: Ints) -> list[str]:
        """The texts of clips in the chosen lengths."""
        pairs = zip(rows.tolist(), lengths.tolist(), strict=True)
        return [str(self.texts[length][row].as_py()) for row, length in pairs]

    def _has(self, rows: Ints) -> npt.NDArray[np.bool_]:
        where = pa.array(rows)
        return np.stack([np.asarray(pc.is_valid(text.take(where)), bool) for text in self.texts], axis=1)


def captions_of(dataset: Dataset, weights: Mapping[str, float]) -> Captions:
    """The best caption of each length that somebody wrote of each clip.

    weights: lengths, and how often each is drawn. Raises GenerateError where no clip has a caption of these lengths.
    """
    lengths = tuple(weights)
    if not lengths:
        raise GenerateError("data.captions names no length of caption; allowed: short, medium, long.")
    texts = _texts(dataset, lengths)
    if all(text.null_count == len(text) for text in texts):
        raise GenerateError(
            f"No clip of {dataset.location} has a caption ({', '.join(lengths)}), so there is no text to learn from: "
            f"run `facevid annotate {dataset.location}` first, or train without text: conditioning.drop_prompt=1."
        )
    return Captions(lengths, np.array([weights[n] for n in lengths], np.float64), texts)


def _texts(dataset: Dataset, lengths: Sequence[str]) -> tuple[pa.Array, ...]:
    clips = len(dataset)
    if "captions" not in dataset.columns:
        return tuple(pa.nulls(clips, pa.string()) for _ in lengths)
    column = dataset.rows(["captions"])["captions"].combine_chunks()
    said = pc.list_flatten(column)
    clip = np.asarray(pc.list_parent_indices(column), np.int64)
    length, text = pc.struct_field(said, "length"), pc.struct_field(said, "text")
    found = []
    for name in lengths:
        places = np.flatnonzero(np.asarray(pc.fill_null(pc.equal(length, name), False), bool))
        # Captions stand in order of rank: the first of a length is the best.
        whose, first = np.unique(clip[places], return_index=True)
        at, missing = np.zeros(clips, np.int64), np.ones(clips, bool)
        at[whose], missing[whose] = places[first], False
        found.append(text.take(pa.array(at, mask=missing)))
    return tuple(found)
