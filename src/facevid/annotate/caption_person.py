"""Who a caption speaks of and how the person looks, as words that the sentences are put together from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from facevid.annotate import lexicon as words
from facevid.annotate.caption_events import is_sure
from facevid.annotate.grammar import Choice, a, third
from facevid.dataset.statements import source_of

STATED_ONLY = frozenset({"gender", "ethnicity", "age"})
"""What no measurement of pixels may say of a person: named only where the person, an annotator or a model said so."""
MAY_SAY_TONE = frozenset({"self", "annotator"})
"""Whose word on skin tone is named: a model's is a guess from pixels as a measure's is."""


def sure_values(attributes: Mapping[str, Any] | None, sure_from: float) -> dict[str, str]:
    """Attribute -> value of all labels that a caption may mention."""
    return {
        name: said["value"]
        for name, said in (attributes or {}).items()
        if said is not None
        and is_sure(said, sure_from)
        and not (name in STATED_ONLY and source_of(said["by"]) == "measured")
        and not (name == "skin_tone" and source_of(said["by"]) not in MAY_SAY_TONE)
    }


@dataclass(frozen=True)
class Person:
    """The words for the one person of a clip.

    noun: "young Asian woman", without its article; name: "woman"; one: "someone" may stand for the noun phrase.
    behind: what follows the noun, "in her thirties". pronoun: "she", "he" or "they"; possessive: "her", "his", "their".
    """

    noun: str
    name: str
    behind: str
    pronoun: str
    possessive: str
    one: bool

    def verb(self, phrase: str, subject: str) -> str:
        """The verb phrase as it agrees with the subject."""
        phrase = phrase.replace("{p}", self.possessive)
        return phrase if subject.lower() == "they" else third(phrase)


def person(values: Mapping[str, str], choice: Choice, *, decade: bool) -> Person:
    """The person of these labels; decade: the age as "in her thirties", where it can be said, instead of "young"."""
    gender = values.get("gender")
    group, behind = "", ""
    possessive, pronoun = {"female": ("her", "she"), "male": ("his", "he")}.get(
        gender or "", ("their", "they")
    )
    if "age" in values:
        years = float(values["age"])
        group = next(word for below, word in words.AGES if years < below)
        if decade and 20 <= years < 100:
            behind = f"in {possessive} {words.DECADES[int(years // 10) - 2]}"
    name = {
        ("female", True): "girl", ("male", True): "boy", ("female", False): "woman", ("male", False): "man",
    }.get((gender or "", group in ("child", "teenage")), "person")  # fmt: skip
    adjectives = [words.BALD] if values.get("hair_length") == "bald" and _bald_first(choice) else []
    if name == "person" and group == "child":
        name = "child"
    elif name == "person" and group == "teenage":
        name = "teenager"
    elif group == "teenage":
        adjectives.append("teenage")
    elif group and group != "child" and not behind:
        adjectives.append(choice.of("age", words.AGE_WORDS[group]))
    if gender == "other":
        adjectives.append("gender-diverse")
    ethnicity = values.get("ethnicity")
    if ethnicity == "other":
        behind = " ".join(filter(None, [words.ETHNICITY_OTHER, behind]))
    elif ethnicity:
        fits = {"latino": "male", "latina": "female"}.get(ethnicity, gender)
        adjectives.append(words.ETHNICITY[ethnicity] if fits == gender else words.LATIN)
    noun = " ".join([*adjectives, name])
    return Person(noun, name, behind, pronoun, possessive, one=noun == "person" and not behind)


def introduced(who: Person, choice: Choice) -> str:
    """The person's noun phrase where a caption begins: "a young woman in her thirties", "someone"."""
    if who.one and choice.number("someone") % 3 == 0:
        return "someone"
    return " ".join(filter(None, [a(who.noun), who.behind]))


def features(values: Mapping[str, str], choice: Choice, *, full: bool) -> list[str]:
    """What the person has, as noun phrases, hair and skin first; full: also what is said to be absent."""
    has: list[str] = []
    if values.get("hair_length") == "bald":
        has += [] if _bald_first(choice) else [words.BALD_HEAD]
    else:
        has += _hair(values, choice)
    if tone := values.get("skin_tone"):
        kind = next(word for last, word in words.SKIN if int(tone) <= last)
        has.append(choice.of("skin_tone", words.SKIN_TONE).format(tone=tone, kind=kind))
    for name, wordings in words.FEATURES.items():
        if values.get(name) != "yes" or _said_by_another(name, values):
            continue
        has.append(choice.of(name, wordings))
    shaved = values.get("beard") == values.get("mustache") == "no" and values.get("goatee") != "yes"
    if full and shaved and values.get("gender") == "male":
        has.append("a clean-shaven face")
    return has


def garments(values: Mapping[str, str], choice: Choice) -> list[str]:
    """What the person is dressed in, as noun phrases."""
    worn = [a(values["clothing"])] if "clothing" in values else []
    worn += _flags(values, words.GARMENTS, choice)
    if values.get("headwear", "none") != "none":
        worn.append(a(values["headwear"]))
    return worn


def eyewear(values: Mapping[str, str], choice: Choice) -> list[str]:
    """Glasses that the person wears."""
    return _flags(values, words.EYEWEAR, choice)


def ornaments(values: Mapping[str, str], choice: Choice) -> list[str]:
    """What else the person wears: jewellery, make-up."""
    return _flags(values, words.ORNAMENTS, choice)


def carried(values: Mapping[str, str], choice: Choice) -> list[str]:
    """What the person carries."""
    return _flags(values, words.CARRIED, choice)


def _bald_first(choice: Choice) -> bool:
    """Whether it is "a bald man" in this caption, else "a man with a bald head"."""
    return choice.number("bald") % 3 > 0


def _flags(values: Mapping[str, str], wordings: Mapping[str, tuple[str, ...]], choice: Choice) -> list[str]:
    return [choice.of(name, of) for name, of in wordings.items() if values.get(name) == "yes"]


def _hair(values: Mapping[str, str], choice: Choice) -> list[str]:
    tables = {
        "hair_length": words.HAIR_LENGTH,
        "hair_shape": words.HAIR_SHAPE,
        "hair_colour": words.HAIR_COLOUR,
    }
    kinds = [choice.of(name, of[values[name]]) for name, of in tables.items() if values.get(name, "") in of]
    other = [words.HAIR_COLOUR_OTHER] if values.get("hair_colour") == "other" else []
    worn = [choice.of(name, of) for name, of in words.HAIR_WORN.items() if values.get(name) == "yes"]
    aside = [choice.of(name, of) for name, of in words.HAIR_ASIDE.items() if values.get(name) == "yes"]
    hair = " ".join([*kinds, "hair", *other, *worn[:1]]) if kinds or other or worn else ""
    return [h for h in [hair, *aside] if h]


def _said_by_another(name: str, values: Mapping[str, str]) -> bool:
    """A goatee is a beard already, skin is not called pale and tanned at once, nor either where its tone is said."""
    return (
        (name == "beard" and values.get("goatee") == "yes")
        or (name == "tan" and values.get("pale_skin") == "yes")
        or (name in ("tan", "pale_skin") and "skin_tone" in values)
    )
