"""What people state about themselves in a manifest, put into the words of the vocabulary."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from facevid.dataset import Dataset
from facevid.dataset.spans import centre_of, owners, read_spans
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
_PLACE = ("clip_id", "source_id", "start_s", "end_s", "face_x", "face_y")
_FLAGS = {"true": "yes", "1": "yes", "false": "no", "0": "no"}


def stated_by(dataset: Dataset) -> tuple[dict[str, str | None], dict[str, str]]:
    """What is stated, as a JSON object by key, and the keys of clips: of one not named there, its source_id.

    A clip has a key of its own where a span of its source states something that other spans do not.
    """
    stated: dict[str, str | None] = dict(
        dataset.sql("select source_id, self_reported from sources").fetchall()
    )
    keys: dict[str, str] = {}
    if "spans" not in dataset.sql("select * from sources limit 0").columns:
        return stated, keys
    asked = "select source_id, spans, width, height from sources where contains(spans, '\"self_reported\"')"
    rows = dataset.sql(asked).fetchall()
    known = {row[0]: (read_spans(row[1]), {"width": row[2], "height": row[3]}) for row in rows}
    if not known:
        return stated, keys
    # A dataset of another maker may lack the scores that tell where the face is.
    names = [n for n in _PLACE if n in dataset.sql("select * from clips limit 0").columns]
    for clip in dataset.sql(f"select {', '.join(names)} from clips").to_arrow_table().to_pylist():
        if clip["source_id"] in known:
            source_id = clip["source_id"]
            spans, source = known[source_id]
            mine = owners(spans, clip["start_s"], clip["end_s"], centre_of(clip, source))
            own = {name: value for span in reversed(mine) for name, value in span.self_reported.items()}
            if own:
                key = f"{source_id} {json.dumps(own, sort_keys=True)}"
                stated[key] = json.dumps({**json.loads(stated[source_id] or "{}"), **own}, sort_keys=True)
                keys[clip["clip_id"]] = key
    return stated, keys


def stated_statements(
    clips: Iterable[tuple[str, str]], stated: Mapping[str, str | None]
) -> tuple[list[Statement], list[str]]:
    """Statements by "self" for clips whose source comes with what its person states, and what was not understood.

    clips: (clip_id, key). stated: key -> JSON object of names and values, or None; see `stated_by`. What the vocabulary
    lacks stays in the sources table and is named once in the second list, as "name=value".
    """
    known: dict[str, list[tuple[str, str]]] = {}
    strange: set[str] = set()
    for key, text in stated.items():
        known[key] = []
        for name, value in (json.loads(text) if text else {}).items():
            found = _understood(str(name), value)
            if found is not None:
                known[key].append(found)
            elif value not in (None, "", "unknown"):
                strange.add(f"{name}={value}")
    said = [
        Statement(clip_id, "attribute", name, value, "self", detail={"from": "manifest"})
        for clip_id, key in clips
        for name, value in known.get(key, ())
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
