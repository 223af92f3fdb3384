"""The morphology that captions need: articles, lists, third persons, gerunds, and choices that a hash makes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

_DOUBLED = frozenset(
    {"nod", "wag", "hug", "run", "shut", "tip"}
)  # one short stressed vowel before one consonant
_ADVERBS = frozenset({"also", "mostly"})
_A_BEFORE_VOWEL = ("euro", "uni", "one")  # begin with the sound of a consonant


@dataclass(frozen=True)
class Choice:
    """Choices that depend on a seed alone, so that a caption is the same on every machine and in every run.

    Every choice has a name of its own: a choice that is added or left out does not move the others.
    """

    seed: str

    def number(self, name: str) -> int:
        """64 bits of SHA-256 of the seed and the choice's name."""
        digest = hashlib.sha256(f"{self.seed}\0{name}".encode()).digest()
        return int.from_bytes(digest[:8], "big")

    def of(self, name: str, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.number(name) % len(options)]


def a(phrase: str) -> str:
    """The phrase with its indefinite article."""
    word = phrase.lower()
    vowel = word[0] in "aeiou" and not word.startswith(_A_BEFORE_VOWEL)
    return f"{'an' if vowel else 'a'} {phrase}"


def listed(items: Sequence[str]) -> str:
    """ "x", "x and y", "x, y and z"; the items must be one or more."""
    if len(items) == 1:
        return items[0]
    return f"{', '.join(items[:-1])} and {items[-1]}"


def third(phrase: str) -> str:
    """The verb phrase in the third person singular: "shake her head" gives "shakes her head"."""
    verb, _, rest = phrase.partition(" ")
    if verb in _ADVERBS:
        return f"{verb} {third(rest)}"
    if verb == "have":
        verb = "has"
    elif verb == "are":
        verb = "is"
    elif verb.endswith("y") and verb[-2] not in "aeiou":
        verb = verb[:-1] + "ies"
    elif verb.endswith(("s", "x", "z", "ch", "sh", "o")):
        verb += "es"
    else:
        verb += "s"
    return f"{verb} {rest}".rstrip()


def gerund(phrase: str) -> str:
    """The verb phrase in its -ing form: "close his eyes" gives "closing his eyes"."""
    verb, _, rest = phrase.partition(" ")
    if verb in _ADVERBS:
        return f"{verb} {gerund(rest)}"
    if verb in _DOUBLED:
        verb += verb[-1]
    elif verb.endswith("e") and not verb.endswith("ee"):
        verb = verb[:-1]
    return f"{verb}ing {rest}".rstrip()


def sentence(text: str) -> str:
    """The text with a capital and a full stop."""
    return f"{text[0].upper()}{text[1:]}."
