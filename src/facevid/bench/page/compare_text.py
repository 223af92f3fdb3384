"""A comparison in words, and as plain tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from facevid.bench.page.words import NONE, capital, chance, count, listed, number, signed, spread

if TYPE_CHECKING:
    from facevid.bench.page.compare import Comparison, Row, Value
    from facevid.bench.page.pairs import Paired

OVERLAP = (
    "Videos that two results were asked for alike are held against each other in pairs: better and worse are said "
    "where chance hardly explains the difference (p below .05, adjusted for all numbers). Without pairs they are said "
    "where intervals lie apart. Not clear is not the same as equal."
)


def sentences(found: Comparison) -> list[str]:
    """Whether the results may be compared, and each difference."""
    if found.alike:
        return ["All were measured alike: the same real videos, shape, settings and readers."]
    said = [f"{capital(one.said)}." for one in found.differences]
    if not found.distances_comparable:
        return [
            "Not measured alike: real videos or shape differ, so distances cannot be held against each other; metrics "
            "of single videos can, with that in mind.",
            *said,
        ]
    of = listed(dict.fromkeys(one.of for one in found.differences))
    return [f"Not measured alike in {of}; a difference may come of that alone.", *said]


def text(found: Comparison) -> str:
    """Names, sentences and two tables, a line for each value; no trailing blanks, a line feed at the end."""
    lines = [f"{label}  {name}" for label, name in zip(found.labels, found.names, strict=True)]
    lines += ["", *sentences(found)]
    for title, rows in (
        ("Distances", found.distances),
        ("Metrics of single videos", found.metrics),
    ):
        lines += ["", title]
        lines += _table(found, rows) if rows else ["  none"]
        reasons = dict.fromkeys(row.why for row in rows if row.why)
        for why in reasons:
            lines.append(f"  Not compared, as {why}: {listed(row.title for row in rows if row.why == why)}.")
    lines += ["", OVERLAP]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def against_text(one: Value) -> str:
    """The difference to the first with the verdict; empty where there is none."""
    if one.difference is None:
        return ""
    said = f"{signed(one.difference)} {one.verdict or 'without a verdict'}"
    return said if one.paired is None else f"{said} ({paired_text(one.paired)})"


def paired_text(pair: Paired) -> str:
    """Such as "100 pairs: +.021, .008 to .034, p = .004"."""
    value, interval = spread(pair.difference, pair.interval)
    between = f", {interval}" if interval else ""
    return f"{count(pair.n, 'pair')}: {value}{between}, {chance(pair.p_adjusted)}"


def best_text(found: Comparison, row: Row) -> str:
    """Whose value is best, and whether that is clear."""
    if row.best is None:
        return ""
    return found.labels[row.best] + ("" if row.clear else ", not clearly")


def _table(found: Comparison, rows: Sequence[Row]) -> list[str]:
    lines = [["", "better", "", "value", "95 %", f"to {found.labels[0]}", "", "", ""]]
    for row in rows:
        for k, one in enumerate(row.values):
            unit = f" [{row.unit}]" if row.unit else ""
            name = [row.title + unit, row.better or ""] if k == 0 else ["", ""]
            lines.append([*name, found.labels[k], *_cells(row, k, one)])
        real = row.values[0].real
        if row.better == "as real" and real is not None:
            lines.append(["", "", "", number(real), "of real videos", "", "", "", ""])
    wide = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    return ["  " + "  ".join(cell.ljust(w) for cell, w in zip(line, wide, strict=True)) for line in lines]


def _cells(row: Row, k: int, one: Value) -> list[str]:
    """Value, interval, difference to the first, verdict, the pairs that it is by, and whether it is best."""
    if one.value is None:
        return [NONE, "", "", "", "", one.note or ""]
    best = ("best" if row.clear else "best, not clearly") if k == row.best else ""
    difference = "" if one.difference is None else signed(one.difference)
    pairs = "" if one.paired is None else paired_text(one.paired)
    return [*spread(one.value, one.interval), difference, one.verdict or "", pairs, best]
