"""Turns what annotators said into statements of the dataset; can be repeated, and then changes only what changed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from facevid.dataset import open as open_dataset
from facevid.dataset.annotating import update_annotations
from facevid.dataset.statements import UNKNOWN, Statement
from facevid.web.review_queue import answers, disputes, ruling
from facevid.web.review_standing import Verdict
from facevid.web.review_store import TASKS, ReviewStore, reviewed


@dataclass(frozen=True)
class Applied:
    """What was published of the review: statements that stand for its verdicts, clips they are about, clips whose
    annotators still disagree (their statements are there, with the share that agrees as confidence), and statements
    about clips that the dataset no longer has.
    """

    statements: int
    clips: int
    disputed: int
    without_clip: int


def apply(dataset: str | os.PathLike[str]) -> Applied:
    """Publish the dataset with the verdicts of its review as statements by="annotator".

    Attributes that an annotator confirmed or gave, captions accepted, written or rejected, corrected lists of actions,
    and keep or reject. confidence is the share of those who answered that agree; an adjudicator's is 1 and so is shown
    first. Statements of an earlier apply of this review are replaced, so a verdict taken back since is taken back there
    too; all others stay. Raises DatasetError where there is no dataset, FolderBusy while another process works on it.
    """
    folder = Path(dataset)
    open_dataset(folder)
    if not reviewed(folder):
        return Applied(statements=0, clips=0, disputed=0, without_clip=0)
    store = ReviewStore(folder)
    made: list[Statement] = []
    disputed: set[str] = set()
    for task in TASKS:
        for clip_id, verdicts in store.standing(task).items():
            made += _statements(task, verdicts, store.id)
            if disputes(task, verdicts):
                disputed.add(clip_id)
    updated = update_annotations(folder, add=made, drop=lambda table: _of_review(table, store.id))
    return Applied(updated.added, len({s.clip_id for s in made}), len(disputed), updated.without_clip)


def _of_review(table: pa.Table, review: str) -> pa.Array:
    """Which statements an earlier apply of this review made."""
    return pa.array(
        [
            by == "annotator" and detail is not None and json.loads(detail).get("review") == review
            for by, detail in zip(table["by"].to_pylist(), table["detail"].to_pylist(), strict=True)
        ],
        pa.bool_(),
    )


def _statements(task: str, verdicts: Sequence[Verdict], review: str) -> Iterator[Statement]:
    said = answers(verdicts)
    last_word = ruling(verdicts)
    everyone = [*said, last_word] if last_word else said
    if task == "keep":
        yield from _votes("review", {"keep": _kept(everyone)}, last_word, review)
    elif task == "captions":
        texts = {length: _caption(everyone, length) for length in ("short", "medium", "long")}
        yield from _votes("caption", texts, last_word, review)
    else:
        names = dict.fromkeys(name for v in everyone for name in _given(v))
        given = {
            name: [(v, v.said["attributes"][name]) for v in everyone if name in _given(v)] for name in names
        }
        yield from _votes("attribute", given, last_word, review)
        yield from _actions(everyone, last_word, review)


def _given(verdict: Verdict) -> Mapping[str, Any]:
    given: Mapping[str, Any] = verdict.said.get("attributes", {})
    return given


def _kept(verdicts: Sequence[Verdict]) -> list[tuple[Verdict, str | None]]:
    return [(v, "keep" if v.verdict == "accept" else "reject") for v in verdicts]


def _caption(verdicts: Sequence[Verdict], length: str) -> list[tuple[Verdict, str | None]]:
    """The text that each stands for; None for who rejected it without writing a better one."""
    return [
        (v, v.said["text"] if v.verdict == "accept" or v.said.get("changed") else None)
        for v in verdicts
        if v.said.get("length") == length
    ]


def _votes(
    kind: str,
    named: Mapping[str, Sequence[tuple[Verdict, str | None]]],
    last_word: Verdict | None,
    review: str,
) -> Iterator[Statement]:
    for name, votes in named.items():
        for verdict, value in votes:
            share = sum(other == value for _, other in votes) / len(votes)
            yield Statement(
                clip_id=verdict.clip_id,
                kind=kind,
                name=name,
                # What cannot be told, or was rejected without a better text, hides what models and measures say.
                value=UNKNOWN if value is None else value,
                by="annotator",
                confidence=1.0 if verdict is last_word else share,
                who=verdict.annotator,
                detail=_detail(verdict, review),
            )


def _actions(verdicts: Sequence[Verdict], last_word: Verdict | None, review: str) -> Iterator[Statement]:
    """One list of actions a clip, as two lists cannot be mixed: the adjudicator's, else the first given."""
    listed = [v for v in verdicts if "actions" in v.said]
    if not listed:
        return
    chosen = last_word if last_word in listed else listed[0]
    share = sum(v.said["actions"] == chosen.said["actions"] for v in listed) / len(listed)
    for action in chosen.said["actions"]:
        yield Statement(
            clip_id=chosen.clip_id,
            kind="action",
            name=action["name"],
            value="",
            by="annotator",
            confidence=1.0 if chosen is last_word else share,
            start_s=action["start_s"],
            end_s=action["end_s"],
            who=chosen.annotator,
            detail=_detail(chosen, review),
        )


def _detail(verdict: Verdict, review: str) -> dict[str, Any]:
    return {"review": review, "verdict": verdict.id, "role": verdict.role, "said_at": verdict.said_at}
