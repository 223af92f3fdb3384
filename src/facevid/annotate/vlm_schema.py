"""What a vision-language model is asked about a clip, the JSON schema of its answer, and the statements it yields."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from jsonschema import Draft202012Validator

from facevid.dataset.statements import CAPTION_LENGTHS, Statement
from facevid.dataset.vocabulary import ACTIONS, ATTRIBUTES, Attribute

PROMPT_VERSION = "1"
"""Part of the cache's key: a change of the words below asks everything anew."""

UNKNOWN = "unknown"
NOT_ASKED = frozenset({"ita", "blinks_per_minute"})
"""Attributes that only measuring gives; a few pictures cannot."""

MAX_ERRORS = 12
"""Errors named in a repair request; more would cost tokens and tell the model nothing new."""

CAPTION_WORDS = {"short": 12, "medium": 40, "long": 90}

_SYSTEM = (
    "You label clips of one talking person for a research dataset. You see pictures of one clip in the order of "
    "time. Answer only with one JSON object that follows the schema. Say only what the pictures show: wherever they "
    "do not support a value, answer unknown, which is a good answer. Attributes of the person are what a viewer would "
    "perceive. Left and right are those of the picture. Captions never mention anything unknown and never guess a "
    "name, a profession or a mood that cannot be seen."
)


def answer_schema(*, timed: bool) -> dict[str, Any]:
    """The JSON schema of an answer: every attribute's values and "unknown", actions in time, three captions.

    All properties are required and no other is allowed, as the strict mode of hosted endpoints wants. timed: whether
    actions are asked for, which needs the times of the pictures.
    """
    properties: dict[str, Any] = {
        "attributes": _object({name: _value(a) for name, a in ATTRIBUTES.items() if name not in NOT_ASKED}),
    }
    if timed:
        action = _object(
            {
                "name": {"type": "string", "enum": list(ACTIONS)},
                "start_s": {"type": "number", "minimum": 0},
                "end_s": {"type": "number", "minimum": 0},
            }
        )
        properties["actions"] = {
            "type": "array",
            "items": action,
            "description": "actions seen, by their start, in seconds of the clip; empty where none is seen",
        }
    properties["captions"] = _object(
        {
            length: {
                "type": "string",
                "description": f"at most {CAPTION_WORDS[length]} words",
            }
            for length in CAPTION_LENGTHS
        }
    )
    return _object(properties)


def messages(
    schema: Mapping[str, Any],
    pictures: Sequence[str],
    times_s: Sequence[float] | None,
    duration_s: float | None,
) -> list[dict[str, Any]]:
    """The chat that asks about one clip. pictures: data URLs, in the order of time, at `times_s` seconds."""
    content: list[dict[str, Any]] = [{"type": "text", "text": question(schema, times_s, duration_s)}]
    content += [{"type": "image_url", "image_url": {"url": url}} for url in pictures]
    return [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": content}]


def question(schema: Mapping[str, Any], times_s: Sequence[float] | None, duration_s: float | None) -> str:
    """The text beside the pictures. The schema stands in it too, for servers that pass over `response_format`."""
    when = ""
    if times_s is not None and duration_s is not None:
        when = f"The clip lasts {duration_s:.2f} s; the pictures are at {', '.join(f'{t:.2f}' for t in times_s)} s. "
    return f"Label this clip. {when}JSON schema of the answer: {json.dumps(schema, separators=(',', ':'))}"


def system_text() -> str:
    """The instruction that goes before every question."""
    return _SYSTEM


def repair(first: Sequence[dict[str, Any]], answer: str, errors: Sequence[str]) -> list[dict[str, Any]]:
    """The chat that shows the model what is wrong with its answer and asks once more."""
    said = "\n".join(f"- {error}" for error in errors)
    ask = f"That answer is not valid:\n{said}\nAnswer again with the whole JSON object, mended."
    return [*first, {"role": "assistant", "content": answer}, {"role": "user", "content": ask}]


def read_answer(
    text: str, schema: Mapping[str, Any], duration_s: float | None
) -> tuple[dict[str, Any] | None, list[str]]:
    """The answer in a model's text, or None and what is wrong with it.

    Words and code fences around the outermost braces are passed over.
    """
    try:
        answer = json.loads(text[text.find("{") : text.rfind("}") + 1])
    except (ValueError, RecursionError) as error:
        return None, [f"it is not JSON: {error}"]
    found = sorted(
        Draft202012Validator(dict(schema)).iter_errors(answer), key=lambda e: list(map(str, e.path))
    )
    errors = [f"{'.'.join(map(str, e.absolute_path)) or 'answer'}: {_short(e.message)}" for e in found]
    if not errors:
        errors = _wrong_captions(answer["captions"]) + _wrong_times(answer.get("actions", []), duration_s)
    return (None, errors[:MAX_ERRORS]) if errors else (answer, [])


def statements_of(
    answer: Mapping[str, Any], clip_id: str, by: str, duration_s: float | None
) -> list[Statement]:
    """Statements of a valid answer; unknown values give none. Confidence is None: a model's own word is no measure."""
    given = [
        Statement(clip_id, "attribute", name, str(value), by)
        for name, value in answer["attributes"].items()
        if value != UNKNOWN
    ]
    acted = [
        Statement(
            clip_id,
            "action",
            a["name"],
            "",
            by,
            start_s=float(a["start_s"]),
            end_s=min(float(a["end_s"]), duration_s if duration_s is not None else float("inf")),
        )
        for a in answer.get("actions", [])
    ]
    captions = [
        Statement(clip_id, "caption", length, text.strip(), by) for length, text in answer["captions"].items()
    ]
    return given + acted + captions


def longest_answer(schema: Mapping[str, Any]) -> str:
    """An answer as long as answers get, for the estimate: the longest values, three actions, full captions."""
    attributes = {
        name: max(value["enum"], key=len) if "enum" in value else UNKNOWN
        for name, value in schema["properties"]["attributes"]["properties"].items()
    }
    answer: dict[str, Any] = {"attributes": attributes}
    if "actions" in schema["properties"]:
        longest = max(ACTIONS, key=len)
        answer["actions"] = [{"name": longest, "start_s": 10.25, "end_s": 10.75}] * 3
    # English words have about five letters and a space.
    answer["captions"] = {length: "x" * 6 * words for length, words in CAPTION_WORDS.items()}
    return json.dumps(answer)


def _value(attribute: Attribute) -> dict[str, Any]:
    if attribute.kind == "number":
        number = {"type": "number", "minimum": attribute.low, "maximum": attribute.high}
        return {
            "anyOf": [number, {"type": "string", "enum": [UNKNOWN]}],
            "description": attribute.about,
        }
    return {"type": "string", "enum": [*attribute.choices, UNKNOWN], "description": attribute.about}


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _wrong_captions(captions: Mapping[str, str]) -> list[str]:
    """What the schema cannot say: the strict mode of hosted endpoints knows no minLength."""
    errors = []
    for name, text in captions.items():
        if not text.strip():
            errors.append(f"captions.{name}: is empty")
        elif text.strip().lower() == UNKNOWN:
            errors.append(f"captions.{name}: cannot be {UNKNOWN}; describe what can be seen")
        elif not text.isascii() and text.encode(errors="replace").decode() != text:
            errors.append(f"captions.{name}: holds half a character (a lone surrogate)")
    return errors


def _wrong_times(actions: Sequence[Mapping[str, Any]], duration_s: float | None) -> list[str]:
    errors = []
    for k, a in enumerate(actions):
        if a["end_s"] < a["start_s"]:
            errors.append(f"actions.{k}: end_s {a['end_s']} lies before start_s {a['start_s']}")
        elif duration_s is not None and a["start_s"] > duration_s:
            errors.append(
                f"actions.{k}: start_s {a['start_s']} lies after the clip's end at {duration_s:.2f}"
            )
    return errors


def _short(message: str) -> str:
    return message if len(message) <= 240 else f"{message[:237]}..."
