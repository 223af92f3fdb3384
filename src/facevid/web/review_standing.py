"""Which verdicts hold: rows replayed in order, where a later one replaces or takes back an annotator's earlier one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Verdict:
    """One row: what one annotator said of one clip at one moment.

    task: "attributes", "captions" or "keep". role: "annotate", or "adjudicate" for a third person's word on a
    disagreement. verdict: "accept", "reject", "skip" or "revoke". said: what `review_values.check_said` allows for the
    task. seconds: time spent on it, or None. said_at: UTC, ISO 8601. client_id: made by the browser, so that a
    repeated message is stored once. revokes: the row that this one takes back.
    """

    id: int
    task: str
    clip_id: str
    annotator: str
    role: str
    verdict: str
    said: Mapping[str, Any]
    seconds: float | None
    said_at: str
    client_id: str
    revokes: int | None = None


@dataclass
class Standing:
    """The verdicts that hold after the rows taken so far; `last` is the id of the last row."""

    last: int = 0
    _said: dict[tuple[str, str], dict[tuple[str, str], list[Verdict]]] = field(default_factory=dict)
    _holds: dict[str, dict[str, list[Verdict]]] = field(default_factory=dict)

    def take(self, rows: Iterable[Verdict]) -> None:
        """Replay rows in the order of their ids, none left out."""
        for row in rows:
            clip = self._said.setdefault((row.task, row.clip_id), {})
            mine = clip.setdefault((row.annotator, row.role), [])
            if row.revokes is None:
                mine.append(row)
            else:
                mine[:] = [earlier for earlier in mine if earlier.id != row.revokes]
            holds = [said[-1] for said in clip.values() if said]
            if len(holds) > 1:
                holds.sort(key=lambda v: v.id)
            self._holds.setdefault(row.task, {})[row.clip_id] = holds
            self.last = row.id

    def of_task(self, task: str) -> Mapping[str, list[Verdict]]:
        """Clip -> its verdicts that hold, oldest first; a clip may have none."""
        return self._holds.setdefault(task, {})
