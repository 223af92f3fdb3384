"""What to tell a person of a scan beside its counts: columns taken for statements, labels and opt-outs not met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from facevid.curate.manifest import Found
from facevid.curate.withheld import Withheld
from facevid.dataset.labels import understood
from facevid.dataset.spans import read_spans

_NAMED = 8


def scan_notes(found: Sequence[Found], rows: Sequence[Mapping[str, Any]], withheld: Withheld) -> list[str]:
    """Sentences on the files that stay (`found`) and their rows of the sources."""
    notes = []
    said = [one.self_reported for one in found] + [s.self_reported for one in found for s in one.spans]
    stated = sorted({name for each in said for name in each})
    if stated:
        notes.append(f"Manifest columns taken as what people state of themselves: {', '.join(stated)}.")
    strange = _strange_labels(rows)
    if strange:
        notes.append(
            f"Labels that the vocabulary has no word for, kept in the sources table only: {_some(strange)}."
        )
    strangers = withheld.unmatched(rows)
    if strangers:
        answers = f"Nothing in this footage answers to {_some([str(e) for e in strangers])}"
        notes.append(f"{answers} of the opt-out list {withheld.opt_out.name}.")
    return notes


def _strange_labels(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Labels outside the vocabulary, the most frequent first."""
    count: dict[str, int] = {}
    for row in rows:
        for span in read_spans(row["spans"]):
            for label in span.labels:
                if not understood(label):
                    name = f"{label['kind']} {label['name']}={label['value'][:40]}"
                    count[name] = count.get(name, 0) + 1
    return sorted(count, key=lambda name: (-count[name], name))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
