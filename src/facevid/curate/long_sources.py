"""The parts of long sources in a build: looked at before the sources are put together, and removed after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from facevid.curate.steps import ANALYZE, WATCH, watch_items
from facevid.curate.summary import StepSummary
from facevid.engine import Item

if TYPE_CHECKING:
    from facevid.curate.session import Session


def watch_parts(
    session: Session, analyses: Sequence[Item], seconds: Mapping[str, float]
) -> tuple[list[Item], StepSummary]:
    """Look at the parts of sources that are split and not yet put together, on the session's workers.

    analyses: all items of `analyze`; seconds: source_id -> its length. Returns the same items, those with a part that
    failed told so, and what became of the parts.
    """
    long = [item for item in analyses if "parts" in item.payload]
    done = session.settled(ANALYZE, long, session.final(), whole=True, passing=False)
    parts = watch_items([item for item in long if item.key not in done], session.recipe)
    if not parts:
        return list(analyses), StepSummary(WATCH.name, session.work.location)
    source_of = {item.key: source for source, item in parts}
    count = Counter(source_of.values())
    lengths = {key: seconds[source] / count[source] for key, source in source_of.items()}
    summary, outcomes = session.run(WATCH, [item for _, item in parts], seconds=lengths)
    if summary.dry_run:
        summary.notes = [
            f"Long sources that are looked at in parts (analyze.part_s): {len(count)}, in {len(parts)} parts, of which "
            f"{summary.to_run} are to be looked at."
        ]
    failed: dict[str, list[str]] = {}
    for key, outcome in sorted(outcomes.items()):
        if outcome.status == "failed":
            failed.setdefault(source_of[key], [outcome.kind or "bug", outcome.message or ""])
    told = [Item(i.key, {**i.payload, "_failed": failed[i.key]}) if i.key in failed else i for i in analyses]
    return told, summary


def drop_parts(session: Session, item: Item) -> None:
    """Remove the parts of a source that is put together, once the ledger holds that it is."""
    if "_parts" in item.payload and session.ledger is not None:
        session.ledger.flush()
        session.work.drop_parts(item.key, item.payload["_parts"])
