"""What people state about themselves in a manifest, put into the words of the vocabulary."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from facevid.dataset.statements import Statement
from facevid.dataset.vocabulary import ATTRIBUTES, VocabularyError

NAMES = {
    "sex": "gender",
    "race": "ethnicity",
    "hair_color": "hair_colour",
    "glasses": "eyeglasses",
    "skin_tone_monk": "skin_tone",
    "monk": "skin_tone",
    "moustache": "mustache",
    "head_covering": "headwear",
}
"""Other names that manifests use for an attribute."""
VALUES = {
    "gender": {"f": "female", "woman": "female", "m": "male", "man": "male", "non_binary": "other",
               "nonbinary": "other"},
    "ethnicity": {"caucasian": "white", "african_american": "black", "hispanic": "latino",
                  "hispanic_or_latino": "latino", "middle eastern": "middle_eastern"},
    "hair_colour": {"blond": "blonde", "gray": "grey", "ginger": "red"},
}  # fmt: skip
_FLAGS = {"true": "yes", "1": "yes", "false": "no", "0": "no"}


def stated_statements(
    clips: Iterable[tuple[str, str]], stated: Mapping[str, str | None]
) -> tuple[list[Statement], list[str]]:
    """Statements by "self" for clips whose source comes with what its person states, and what was not understood.

    clips: (clip_id, source_id). stated: source_id -> JSON object of names and values, or None. What the vocabulary
    lacks stays in the sources table and is named once in the second list, as "name=value".
    """
    known: dict[str, list[tuple[str, str]]] = {}
    strange: set[str] = set()
    for source_id, text in stated.items():
        known[source_id] = []
        for name, value in (json.loads(text) if text else {}).items():
            found = _understood(str(name), value)
            if found is not None:
                known[source_id].append(found)
            elif value not in (None, "", "unknown"):
                strange.add(f"{name}={value}")
    said = [
        Statement(clip_id, "attribute", name, value, "self", detail={"from": "manifest"})
        for clip_id, source_id in clips
        for name, value in known.get(source_id, ())
    ]
    return said, sorted(strange)


def _understood(name: str, value: Any) -> tuple[str, str] | None:
    key = name.strip().lower().replace(" ", "_").replace("-", "_")
    key = NAMES.get(key, key)
    if key not in ATTRIBUTES or value is None:
        return None
    text = str(value).strip().lower()
    plain = text.replace(" ", "_").replace("-", "_")
    for candidate in (text, plain, VALUES.get(key, {}).get(plain), _FLAGS.get(text)):
        try:
            if candidate is not None:
                return key, ATTRIBUTES[key].check(candidate)
        except VocabularyError:
            continue
    return None
