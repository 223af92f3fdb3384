"""Reads captions back: what a text claims of a clip, and which of its claims the labels do not support.

A caption is read phrase by phrase, the longest known phrase first; whatever is left over is an error, never skipped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

from facevid.annotate import caption_reading as known
from facevid.annotate.caption_claims import Claims, Times, Token, either
from facevid.annotate.caption_events import (
    MENTION_FROM,
    Event,
    before,
    during,
    events,
    is_sure,
    starts_by,
    throughout,
)
from facevid.dataset.statements import source_of

_RELATIONS = {"before": "over before", "during": "at the same time as", "starts_by": "begun no later than"}
_NEVER_MEASURED = ("gender", "ethnicity", "age", "skin_tone")
_NEVER_GUESSED = ("skin_tone",)


def parse(text: str) -> Claims:
    """What the caption claims; what cannot be read stands in `errors`."""
    claims = Claims()
    shapes: list[str] = []
    mains: list[str] = []
    if not text.endswith("."):
        claims.errors.append(f"the caption does not end with a full stop: {text!r}.")
    before: list[str] = []  # the actions of the last sentence that has any
    for sentence in re.split(r"(?<=\.)\s+", text):
        tokens, rest = _read(sentence.removesuffix(".").lower())
        if rest:
            claims.errors.append(f"cannot read {rest!r} in {sentence!r}.")
        last = None
        for token in tokens:
            _take(token, claims, last)
            last = token.pairs[0][1] if token.kind in ("does", "doing") else last
        shapes.append(_shape(tokens))
        times = Times(claims, before)
        said = times.read(tokens)
        mains += [] if said == ["blink"] else said
        before = [*said, *times.meanwhile] or before
    claims.errors += _at_odds(claims)
    claims.relations += [("starts_by", x, y) for x, y in pairwise(mains) if x != y]
    claims.shape = " ".join(f"{s}." for s in shapes)
    return claims


def _at_odds(claims: Claims) -> list[str]:
    """What is said to hold all the time beside an action during which it does not."""
    found = []
    for (name, value), acts in known.AGAINST.items():
        if claims.attributes.get(name, frozenset()) == {value} and name not in claims.mostly:
            found += [
                f"{name} is called {value} beside {act!r}, but not mostly so."
                for act in acts.split(", ")
                if act in claims.actions
            ]
    return found


def contradictions(
    text: str, labels: Mapping[str, Any], *, duration_s: float | None = None, sure_from: float = MENTION_FROM
) -> list[str]:
    """Sentences that say which claims of the caption the labels do not support; empty where all is supported.

    labels: what `statements.shown` gives. duration_s: the clip's length, for "throughout"; without it the end of the
    last action stands in. sure_from: confidence below which a label supports nothing.
    """
    claims = parse(text)
    said = labels.get("attributes") or {}
    found = list(claims.errors)
    wanted: dict[str, Callable[[str], bool]] = {
        name: values.__contains__ for name, values in claims.attributes.items()
    }
    wording = {name: either(values) for name, values in claims.attributes.items()}
    if claims.ages is not None:
        low, high = claims.ages
        wanted["age"] = lambda years: low <= float(years) < high
        wording["age"] = f"from {low:g} to below {high:g}"
    for name, holds in wanted.items():
        label = said.get(name)
        if label is None:
            found.append(f"{name} is called {wording[name]}, but it is unknown.")
        elif not is_sure(label, sure_from):
            found.append(f"{name} is called {wording[name]}, but its label is not sure enough.")
        elif name in _NEVER_MEASURED and source_of(label["by"]) == "measured":
            found.append(f"{name} is called {wording[name]}, but it was only measured.")
        elif name in _NEVER_GUESSED and source_of(label["by"]) == "model":
            found.append(f"{name} is called {wording[name]}, but only a model said so.")
        elif not holds(label["value"]):
            found.append(f"{name} is called {wording[name]}, but it is {label['value']}.")
    return found + _contradicted_in_time(claims, events(labels.get("actions"), sure_from), duration_s)


def _contradicted_in_time(claims: Claims, happened: Sequence[Event], duration_s: float | None) -> list[str]:
    seen = {e.name: e for e in happened}
    found = [f"{name!r} is said to happen, but it does not." for name in claims.actions if name not in seen]
    length = duration_s if duration_s is not None else max((e.end for e in seen.values()), default=0.0)
    for name, least, most in claims.often:
        if name in seen and not least <= len(seen[name].spans) <= most:
            found.append(
                f"{name!r} is said to happen {_times(least, most)}, but it does {len(seen[name].spans)} times."
            )
    for name in claims.throughout:
        if name in seen and not throughout(seen[name], length):
            found.append(f"{name!r} is said to last throughout, but it does not.")
    tests: dict[str, Callable[[Event, Event], bool]] = {
        "before": before,
        "during": during,
        "starts_by": starts_by,
    }
    for kind, one, other in claims.relations:
        if one in seen and other in seen and not tests[kind](seen[one], seen[other]):
            found.append(
                f"{one!r} is said to be {_RELATIONS[kind]} {other!r}, but their times say otherwise."
            )
    return found


# --- phrases ---


_PHRASES: list[tuple[str, re.Pattern[str], str, tuple[tuple[str, str], ...]]] = [
    ("person", known.compiled(known.PERSON), "{subject}", ()),
    ("person", known.compiled(known.PRONOUN), "{subject}", ()),
    ("behind", known.compiled(known.BEHIND), "{behind}", ()),
    ("behind", known.compiled(known.BACKGROUND), "{behind}", (("ethnicity", "other"),)),
    ("hair", known.compiled(known.HAIR_PHRASE), "{feature}", ()),
    ("skin", known.compiled(known.SKIN_PHRASE), "{feature}", ()),
    ("emotion", known.compiled(known.EMOTION_PHRASE), "{emotion}", ()),
    ("emotion", known.compiled(known.EMOTION_SENTENCE), "{emotion is}", ()),
    ("light", known.compiled(known.LIGHT_PHRASE), "{light}", ()),
    ("light", known.compiled(known.LIGHT_SENTENCE), "{light is}", ()),
    ("light", known.compiled(known.LIGHT_SIDE), "{light side}", ()),
    *[("thing", known.compiled(p), f"{{{slot}}}", pairs) for slot, p, pairs in known.THINGS],
    *[("does", known.compiled(finite), "{does}", (("", name),)) for name, finite, _ in known.ACTS],
    *[("doing", known.compiled(going), "{doing}", (("", name),)) for name, _, going in known.ACTS],
    *[("often", known.compiled(word), "{often}", ()) for word in [*known.OFTEN, "throughout"]],
    *[("time", known.compiled(word), word, ()) for word in known.TIME],
    *[("glue", known.compiled(pattern), shape, ()) for pattern, shape in known.GLUE],
    ("same way", known.compiled("look(?:s|ing)? the same way"), "{gaze}", ()),
]


@lru_cache(maxsize=16384)
def _read(sentence: str) -> tuple[tuple[Token, ...], str]:
    """The phrases of a sentence, and what is left from the first place where none is known."""
    at = 0
    tokens: list[Token] = []
    while at < len(sentence):
        if sentence[at] == " ":
            at += 1
            continue
        kind, match, shape, pairs = _longest(sentence, at)
        if match is None:
            return tuple(tokens), sentence[at:]
        tokens.append(Token(kind, match.group(), shape, pairs))
        at = match.end()
    return tuple(tokens), ""


def _longest(sentence: str, at: int) -> tuple[str, re.Match[str] | None, str, tuple[tuple[str, str], ...]]:
    best: tuple[str, re.Match[str] | None, str, tuple[tuple[str, str], ...]] = ("", None, "", ())
    for kind, pattern, shape, pairs in _PHRASES:
        match = pattern.match(sentence, at)
        if match and (best[1] is None or match.end() > best[1].end()):
            best = (kind, match, shape, pairs)
    return best


def _take(token: Token, claims: Claims, last_act: str | None) -> None:
    """Adds what one phrase claims."""
    words = re.findall(r"[\w-]+", token.text)
    for word in words:
        if word in known.GENDERS:
            claims.claim("gender", frozenset({known.GENDERS[word]}))
    if token.kind in ("person", "behind"):
        _take_person(token.text, words, claims)
    tables = {"hair": known.HAIR, "light": known.LIGHTS}
    for word, (name, value) in tables.get(token.kind, {}).items():
        if re.search(rf"(?<![\w-]){word}(?![\w-])", token.text):
            claims.claim(name, frozenset({value}))
    if token.kind == "skin":
        tones = known.SKIN.get(words[0], range(1, 11))
        claims.claim("skin_tone", frozenset(map(str, tones)))
        claims.claim("skin_tone", frozenset(word for word in words if word.isdigit()))
    if token.kind == "emotion":
        (feeling,) = (known.EMOTIONS[word] for word in words if word in known.EMOTIONS)
        claims.claim("emotion", frozenset({feeling}))
    if "mostly" in words:
        claims.mostly |= {"emotion"} if token.kind == "emotion" else {name for name, _ in token.pairs}
    if token.kind == "same way":
        claims.claim("gaze", claims.attributes.get("head_pose", frozenset()))
    if token.kind in ("thing", "behind"):
        for name, value in token.pairs:
            claims.claim(name, frozenset({value}))
    if token.kind == "often":
        if last_act is None:
            claims.errors.append(f"{token.text!r} stands without an action.")
        elif token.text == "throughout":
            claims.throughout.append(last_act)
        else:
            claims.often.append((last_act, *known.OFTEN[token.text]))


def _take_person(text: str, words: list[str], claims: Claims) -> None:
    for ethnicity in sorted(known.ETHNICITIES, key=len, reverse=True):
        if re.search(rf"(?<![\w-]){ethnicity}(?![\w-])", text):
            claims.claim("ethnicity", known.ETHNICITIES[ethnicity])
            break
    if "bald" in words:
        claims.claim("hair_length", frozenset({"bald"}))
    for word in words:
        if word in known.AGES:
            claims.claim_age(*known.AGES[word])
        elif word in ("girl", "boy"):
            claims.claim_age(*(known.AGES["teenage"] if "teenage" in words else (0, 20)))


def _shape(tokens: Sequence[Token]) -> str:
    text = " ".join(t.shape for t in tokens).replace(" ,", ",")
    return re.sub(r"(\{(feature|worn|carried|turned|gaze)\})(?:(?:,| and) \1)+", r"\1", text)


def _times(least: int, most: int) -> str:
    return f"{least} times" if least == most else f"at least {least} times"
