"""Labels of videos: which are known, and several joined to one."""

from __future__ import annotations

from collections.abc import Sequence

from facevid.bench.errors import BenchError
from facevid.dataset.statements import UNKNOWN

CROSS = " × "


def crossed(columns: Sequence[Sequence[str | None]]) -> list[str | None]:
    """The labels of several attributes joined, such as "female × dark": one a video, None where any is not known.

    columns: one list of labels an attribute, all of one length. Raises BenchError where they are not, or there is none.
    """
    lengths = {len(column) for column in columns}
    if len(lengths) != 1:
        raise BenchError(
            f"the labels to cross have the lengths {[len(column) for column in columns]}; give one list or more, each "
            "with one label a video."
        )
    rows = zip(*(known(column) for column in columns), strict=True)
    return [CROSS.join(str(label) for label in row) if None not in row else None for row in rows]


def known(labels: Sequence[str | None]) -> list[str | None]:
    """The labels with None for those that say nothing: "" and "unknown". Raises BenchError where one is no text."""
    for row, label in enumerate(labels):
        if label is not None and not isinstance(label, str):
            raise BenchError(
                f"the label of row {row} (counted from 0) is {label!r}; a label is a text, or None where it is not "
                "known: give numbers as the names of their ranges."
            )
    return [None if label in (None, "", UNKNOWN) else label for label in labels]
