"""Who looks at which clip next: nobody else's, some clips twice, disagreements once more by a third."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from facevid.web.review_standing import Verdict
from facevid.web.review_store import ReviewError, ReviewStore
from facevid.web.review_values import differences
from facevid.web.sampling import AQLS, LEVELS, SEVERITIES

QUEUES = ("all", "samples")
_LARGEST = 10**9


@dataclass(frozen=True)
class Settings:
    """How a review is run.

    share: share of clips, 0 to 1, that get two annotators. queue: "all" clips, or only the "samples" of the lots.
    lot_size: clips of a lot. aql: percent of faulty clips. level, severity: as `sampling.plan`.
    """

    share: float = 0.1
    queue: str = "all"
    lot_size: int = 1200
    aql: float = 2.5
    level: str = "II"
    severity: str = "normal"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def settings_of(store: ReviewStore) -> Settings:
    """The settings as they stand: the last value given of each, else the default."""
    return Settings(**{row["name"]: row["value"] for row in store.setting_rows()})


def change_settings(store: ReviewStore, changes: Mapping[str, Any], *, who: str) -> Settings:
    """Store changed settings, with who changed them and when; earlier ones stay in the file. Raises ReviewError."""
    for name, value in changes.items():
        _check_setting(name, value)
    store.add_settings(changes, who=who)
    return settings_of(store)


def twice(clip_id: str, share: float) -> bool:
    """Whether a clip is one of the share that two annotators look at; the same for a clip on every machine."""
    return chance(clip_id, "twice") < share


def chance(clip_id: str, what: str) -> float:
    """A number from 0 to 1 that belongs to the clip: evenly spread over clips and the same everywhere."""
    digest = hashlib.blake2b(f"{what}/{clip_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def next_for(
    store: ReviewStore,
    task: str,
    annotator: str,
    clip_ids: Sequence[str],
    *,
    share: float,
    after: str | None = None,
    without: Collection[str] = (),
    now: float | None = None,
) -> str | None:
    """The next clip for an annotator, kept for them a while, or None where nothing is left for them.

    clip_ids: sorted. The search starts behind `after` and goes round, and leaves out `without`: clips that the
    annotator has in hand and whose verdicts are still on their way. A clip is offered to as many annotators as must
    still answer it (one, or two of the chosen share; a skip is no answer), and never again to who answered or skipped.
    """
    standing = store.standing(task)
    leased = store.leased(task, now=now)
    first = bisect_right(clip_ids, after) if after else 0
    for k in range(len(clip_ids)):
        clip_id = clip_ids[(first + k) % len(clip_ids)]
        verdicts = standing.get(clip_id, ())
        if clip_id in without or any(v.annotator == annotator for v in verdicts):
            continue
        wanted = missing(clip_id, verdicts, share)
        if not wanted or len(leased.get(clip_id, set()) - {annotator}) >= wanted:
            continue
        if store.lease(task, clip_id, annotator, at_most=wanted, now=now):
            return clip_id
    return None


def missing(clip_id: str, verdicts: Sequence[Verdict], share: float) -> int:
    """How many annotators must still answer a clip."""
    answered = len(answers(verdicts))
    if answered >= 2 or any(v.role == "adjudicate" for v in verdicts):
        return 0
    return (2 if twice(clip_id, share) else 1) - answered if answered < 1 or twice(clip_id, share) else 0


def answers(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Annotators' verdicts without skips."""
    return [v for v in verdicts if v.role == "annotate" and v.verdict != "skip"]


def ruling(verdicts: Sequence[Verdict]) -> Verdict | None:
    """The last adjudicator's verdict, if there is one."""
    rulings = [v for v in verdicts if v.role == "adjudicate" and v.verdict != "skip"]
    return rulings[-1] if rulings else None


def disputes(task: str, verdicts: Sequence[Verdict]) -> list[str]:
    """What the annotators of one clip disagree about, empty once an adjudicator has spoken."""
    if ruling(verdicts):
        return []
    said = answers(verdicts)
    found = {
        name
        for k, a in enumerate(said)
        for b in said[k + 1 :]
        for name in differences(task, (a.verdict, a.said), (b.verdict, b.said))
    }
    return sorted(found)


def next_dispute(
    store: ReviewStore, task: str, adjudicator: str, clip_ids: Sequence[str], *, now: float | None = None
) -> tuple[str, list[Verdict], list[str]] | None:
    """The next clip whose annotators disagree, with their verdicts and what they disagree about, for a third person."""
    known = set(clip_ids)
    for clip_id, verdicts in sorted(store.standing(task).items()):
        if clip_id not in known or any(v.annotator == adjudicator for v in verdicts):
            continue
        if (about := disputes(task, verdicts)) and store.lease(
            task, clip_id, adjudicator, at_most=1, now=now
        ):
            return clip_id, answers(verdicts), about
    return None


def progress(store: ReviewStore, task: str, clip_ids: Sequence[str], *, share: float) -> dict[str, Any]:
    """How far a task is: clips in all, done, begun (one of two answers), disputed, answers by annotator."""
    standing = store.standing(task)
    by_annotator: dict[str, int] = {}
    done = begun = disputed = adjudicated = 0
    seconds: list[float] = []
    for clip_id in clip_ids:
        verdicts = standing.get(clip_id)
        if not verdicts:
            continue
        said = answers(verdicts)
        left = missing(clip_id, verdicts, share)
        done += left == 0
        begun += bool(said) and left > 0
        if len(verdicts) > 1:  # one annotator has nobody to disagree with
            disputed += bool(disputes(task, verdicts))
            adjudicated += ruling(verdicts) is not None
        for v in said:
            by_annotator[v.annotator] = by_annotator.get(v.annotator, 0) + 1
            if v.seconds is not None:
                seconds.append(v.seconds)
    return {
        "clips": len(clip_ids),
        "done": done,
        "begun": begun,
        "disputed": disputed,
        "adjudicated": adjudicated,
        "answers": dict(sorted(by_annotator.items())),
        "median_seconds": sorted(seconds)[len(seconds) // 2] if seconds else None,
    }


def _check_setting(name: str, value: Any) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST
    allowed = {
        "share": (number and 0 <= value <= 1, "a number from 0 to 1"),
        "queue": (value in QUEUES, " or ".join(QUEUES)),
        "lot_size": (number and value == int(value) and value >= 2, "a whole number of 2 or more"),
        "aql": (number and value in AQLS, ", ".join(f"{a:g}" for a in AQLS)),
        "level": (isinstance(value, str) and value in LEVELS, ", ".join(LEVELS)),
        "severity": (value in SEVERITIES, ", ".join(SEVERITIES)),
    }
    if name not in allowed:
        raise ReviewError(f"There is no setting {name!r}; there are {', '.join(allowed)}.")
    right, what = allowed[name]
    if not right:
        raise ReviewError(f"{name} cannot be {value!r}; allowed: {what}.")
