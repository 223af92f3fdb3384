"""What an annotator may say under each task, checked against the vocabulary, and where two said different things."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from facevid.dataset.statements import CAPTION_LENGTHS
from facevid.dataset.vocabulary import ATTRIBUTES, Attribute, VocabularyError, attribute, check_action
from facevid.errors import FacevidError

CAPTION_LIMIT = 4000
"""Characters of a caption."""

NOT_BY_EYE = ("ita", "blinks_per_minute")
"""Numbers that only a measure can give: no annotator is asked for them, and accepting a clip does not confirm them."""
IF_CHOSEN = ("skin_tone",)
"""Attributes that accepting a clip does not confirm either, unless the annotator chose the value: screens and light
show the same skin in several tones, so a tone that nobody compared is still a measurement."""

_KEYS = {
    "attributes": ("attributes", "actions", "changed"),
    "captions": ("length", "text", "changed"),
    "keep": (),
}


class SaidError(FacevidError):
    """A value that the task does not have; the message says what is allowed."""


def check_said(task: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored of what an annotator said; raises SaidError or VocabularyError for what is not allowed.

    attributes: {"attributes": {name: value, or None for "cannot be told"}, "actions": [{"name", "start_s", "end_s"}]
    for a corrected list of actions}. captions: {"length": "short" | "medium" | "long", "text": the caption accepted
    or written}. keep: nothing. "changed" lists what differs from what was shown: names of attributes, "actions",
    "caption". Keys may be left out.
    """
    allowed = _KEYS[task]
    if strange := sorted(set(said) - set(allowed)):
        raise SaidError(f"The task {task} has no {strange[0]!r}; allowed: {', '.join(allowed) or 'nothing'}.")
    checked: dict[str, Any] = {}
    if "attributes" in said:
        given = _mapping(said["attributes"], "attributes")
        checked["attributes"] = {name: _value(attribute(str(name)), value) for name, value in given.items()}
    if "actions" in said:
        checked["actions"] = [_action(a) for a in _list(said["actions"], "actions")]
    if "text" in said:
        checked |= _caption(said)
    if "changed" in said:
        checked["changed"] = sorted({_changed(name) for name in _list(said["changed"], "changed")})
    return checked


def confirmed(name: str) -> str:
    """When a value of an attribute is an annotator's: "by accept", only "if chosen", or "never"."""
    return "never" if name in NOT_BY_EYE else "if chosen" if name in IF_CHOSEN else "by accept"


def is_faulty(verdict: str, said: Mapping[str, Any]) -> bool:
    """Whether a clip counts against its lot: rejected, or accepted only after something shown was corrected."""
    return verdict == "reject" or bool(said.get("changed"))


def differences(
    task: str, one: tuple[str, Mapping[str, Any]], two: tuple[str, Mapping[str, Any]]
) -> list[str]:
    """What two annotators disagree about, each given as (verdict, said): "verdict", attributes, "actions", "caption".

    Only what both answered is compared, and a skip answers nothing.
    """
    (first, a), (second, b) = one, two
    if "skip" in (first, second):
        return []
    found = ["verdict"] if first != second else []
    if task == "attributes":
        mine, yours = a.get("attributes", {}), b.get("attributes", {})
        found += [name for name in mine if name in yours and mine[name] != yours[name]]
        if "actions" in a and "actions" in b and a["actions"] != b["actions"]:
            found.append("actions")
    elif task == "captions" and a.get("length") == b.get("length") and a.get("text") != b.get("text"):
        found.append("caption")
    return found


def _value(of: Attribute, value: Any) -> str | None:
    if of.name in NOT_BY_EYE:
        raise SaidError(f"{of.name} is measured, and nobody can judge it by eye; leave it out.")
    return None if value is None else of.check(str(value))


def _action(given: Any) -> dict[str, Any]:
    action = _mapping(given, "an action")
    name = check_action(str(action.get("name")))
    start, end = _seconds(action.get("start_s")), _seconds(action.get("end_s"))
    if start is None or end is None or not 0 <= start <= end:
        raise SaidError(f"The action {name!r} needs start_s and end_s in seconds of the clip, in this order.")
    return {"name": name, "start_s": round(start, 3), "end_s": round(end, 3)}


def _seconds(value: Any) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9
    return float(value) if number else None


def _caption(said: Mapping[str, Any]) -> dict[str, Any]:
    length, text = said.get("length", "medium"), said["text"]
    if length not in CAPTION_LENGTHS:
        raise SaidError(f"A caption is {', '.join(CAPTION_LENGTHS)}, not {length!r}.")
    if not isinstance(text, str) or not text.strip() or len(text) > CAPTION_LIMIT:
        raise SaidError(f"A caption is a text of 1 to {CAPTION_LIMIT} characters.")
    return {"length": length, "text": " ".join(text.split())}


def _changed(name: Any) -> str:
    if not isinstance(name, str) or (name not in ATTRIBUTES and name not in ("actions", "caption")):
        raise VocabularyError(f"{name!r} cannot have been changed; it is no attribute, actions or caption.")
    return name


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SaidError(f"{what} must be a JSON object, not {value!r}.")
    return value


def _list(value: Any, what: str) -> Sequence[Any]:
    if not isinstance(value, list):
        raise SaidError(f"{what} must be a JSON list, not {value!r}.")
    return value
