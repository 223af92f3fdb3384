"""Reads captions back: what a text claims of a clip, and which of its claims the labels do not support.

A caption is read phrase by phrase, the longest known phrase first; whatever is left over is an error, never skipped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations, pairwise, product
from typing import Any

from facevid.annotate import caption_reading as known
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
_NEVER_MEASURED = ("gender", "ethnicity", "age")


@dataclass
class Claims:
    """What a caption claims.

    attributes: name -> the values of which it claims one. ages: the range of years that it claims, (from, to), to
    exclusive, or None. actions: their names in the order of mention. often: (action, at least, at most) times.
    throughout: actions that fill the clip. relations: (kind, one, other) with kind "before" (one is over when other
    begins), "during" (they overlap) or "starts_by" (one begins no later). errors: sentences or parts that could not
    be read, and claims that contradict each other. shape: the text with every word of the vocabulary replaced by the
    slot of its kind, lists of one kind by one slot, "has" and "have" by one form: two captions of one shape differ
    in their labels alone.
    """

    attributes: dict[str, frozenset[str]] = field(default_factory=dict)
    ages: tuple[float, float] | None = None
    actions: list[str] = field(default_factory=list)
    often: list[tuple[str, int, int]] = field(default_factory=list)
    throughout: list[str] = field(default_factory=list)
    relations: list[tuple[str, str, str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    shape: str = ""

    def claim(self, name: str, values: frozenset[str]) -> None:
        """Adds that the attribute has one of the values."""
        both = self.attributes.get(name, values) & values
        if not both:
            self.errors.append(
                f"the caption calls {name} both {_or(self.attributes[name])} and {_or(values)}."
            )
        self.attributes[name] = both or values

    def claim_age(self, low: float, high: float) -> None:
        """Adds that the person is from low to below high years old."""
        old = self.ages or (low, high)
        self.ages = (max(low, old[0]), min(high, old[1]))
        if self.ages[0] >= self.ages[1]:
            self.errors.append("the caption gives two ages that exclude each other.")


def parse(text: str) -> Claims:
    """What the caption claims; what cannot be read stands in `errors`."""
    claims = Claims()
    shapes: list[str] = []
    mains: list[str] = []
    if not text.endswith("."):
        claims.errors.append(f"the caption does not end with a full stop: {text!r}.")
    for sentence in re.split(r"(?<=\.)\s+", text):
        tokens, rest = _read(sentence.removesuffix(".").lower())
        if rest:
            claims.errors.append(f"cannot read {rest!r} in {sentence!r}.")
        last = None
        for token in tokens:
            _take(token, claims, last)
            last = token.pairs[0][1] if token.kind in ("does", "doing") else last
        shapes.append(_shape(tokens))
        said = _Times(claims).read(tokens)
        mains += [] if said == ["blink"] else said
    claims.relations += [("starts_by", x, y) for x, y in pairwise(mains) if x != y]
    claims.shape = " ".join(f"{s}." for s in shapes)
    return claims


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
    wording = {name: _or(values) for name, values in claims.attributes.items()}
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


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    shape: str
    pairs: tuple[tuple[str, str], ...] = ()


_PHRASES: list[tuple[str, re.Pattern[str], str, tuple[tuple[str, str], ...]]] = [
    ("person", known.compiled(known.PERSON), "{subject}", ()),
    ("person", known.compiled(known.PRONOUN), "{subject}", ()),
    ("behind", known.compiled(known.BEHIND), "{behind}", ()),
    ("behind", known.compiled(known.BACKGROUND), "{behind}", (("ethnicity", "other"),)),
    ("hair", known.compiled(known.HAIR_PHRASE), "{feature}", ()),
    ("emotion", known.compiled(known.EMOTION_PHRASE), "{emotion}", ()),
    ("light", known.compiled(known.LIGHT_PHRASE), "{light}", ()),
    ("light", known.compiled(known.LIGHT_SENTENCE), "{light is}", ()),
    *[("thing", known.compiled(p), f"{{{slot}}}", pairs) for slot, p, pairs in known.THINGS],
    *[("does", known.compiled(finite), "{does}", (("", name),)) for name, finite, _ in known.ACTS],
    *[("doing", known.compiled(going), "{doing}", (("", name),)) for name, _, going in known.ACTS],
    *[("often", known.compiled(word), "{often}", ()) for word in [*known.OFTEN, "throughout"]],
    *[("time", known.compiled(word), word, ()) for word in known.TIME],
    *[("glue", known.compiled(pattern), shape, ()) for pattern, shape in known.GLUE],
    ("same way", known.compiled("look(?:s|ing)? the same way"), "{gaze}", ()),
]


@lru_cache(maxsize=16384)
def _read(sentence: str) -> tuple[tuple[_Token, ...], str]:
    """The phrases of a sentence, and what is left from the first place where none is known."""
    at = 0
    tokens: list[_Token] = []
    while at < len(sentence):
        if sentence[at] == " ":
            at += 1
            continue
        kind, match, shape, pairs = _longest(sentence, at)
        if match is None:
            return tuple(tokens), sentence[at:]
        tokens.append(_Token(kind, match.group(), shape, pairs))
        at = match.end()
    return tuple(tokens), ""


def _longest(sentence: str, at: int) -> tuple[str, re.Match[str] | None, str, tuple[tuple[str, str], ...]]:
    best: tuple[str, re.Match[str] | None, str, tuple[tuple[str, str], ...]] = ("", None, "", ())
    for kind, pattern, shape, pairs in _PHRASES:
        match = pattern.match(sentence, at)
        if match and (best[1] is None or match.end() > best[1].end()):
            best = (kind, match, shape, pairs)
    return best


def _take(token: _Token, claims: Claims, last_act: str | None) -> None:
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
    if token.kind == "emotion":
        claims.claim("emotion", frozenset({known.EMOTIONS[words[1]]}))
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


def _shape(tokens: Sequence[_Token]) -> str:
    text = " ".join(t.shape for t in tokens).replace(" ,", ",")
    return re.sub(r"(\{(feature|worn|carried|turned|gaze)\})(?:(?:,| and) \1)+", r"\1", text)


# --- times ---


@dataclass
class _Times:
    """Reads how the actions of one sentence lie in time."""

    claims: Claims
    groups: list[list[str]] = field(default_factory=lambda: [[]])
    meanwhile: list[str] = field(default_factory=list)

    def read(self, tokens: Sequence[_Token]) -> list[str]:
        """Adds the sentence's actions and relations to the claims; gives the actions said in the order of time."""
        beside = ""  # "front": while ... before the subject; "last" or "all": after it
        for token in tokens:
            if token.kind == "time":
                beside = self._word(token.text, beside)
            elif token.kind == "person" and beside == "front":
                beside = "over"
            elif token.kind == "person" and beside == "after":
                self.groups.append([])
                beside = ""
            elif token.kind in ("does", "doing"):
                self._act(token.pairs[0][1], beside)
        self._relate()
        return [name for group in self.groups for name in group]

    def _word(self, word: str, beside: str) -> str:
        said = any(self.groups)
        if word == "while":
            return "last" if said else "front"
        if word == "all while":
            return "all"
        if word == "after":
            return "after"
        if word in ("then", "finally", "before"):
            self.groups.append([])
            return "" if beside == "last" else beside
        if word == "at the same time":
            self._during(list(combinations(self.groups[-1], 2)))
        return beside

    def _act(self, name: str, beside: str) -> None:
        self.claims.actions.append(name)
        if beside == "front":
            self.meanwhile.append(name)
        elif beside == "last":
            self._during([(name, self.groups[-1][-1])])
        elif beside == "all":
            self._during([(name, other) for group in self.groups for other in group])
        else:
            self.groups[-1].append(name)

    def _relate(self) -> None:
        groups = [g for g in self.groups if g]
        self._during(list(product(self.meanwhile, (name for g in groups for name in g))))
        for one, other in pairwise(groups):
            self.claims.relations += [("before", x, y) for x, y in product(one, other)]
        for group in groups:
            self.claims.relations += [("starts_by", x, y) for x, y in pairwise(group)]

    def _during(self, pairs: list[tuple[str, str]]) -> None:
        self.claims.relations += [("during", x, y) for x, y in pairs]


def _times(least: int, most: int) -> str:
    return f"{least} times" if least == most else f"at least {least} times"


def _or(values: frozenset[str]) -> str:
    return " or ".join(sorted(values))
