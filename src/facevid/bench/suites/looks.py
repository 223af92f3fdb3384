"""Attributes that prompts ask for: their values, which of these are read as one, and what they would contradict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from facevid.annotate.caption_events import MENTION_FROM
from facevid.annotate.caption_person import sure_values
from facevid.annotate.lexicon import AGES, SKIN
from facevid.bench.errors import BenchError
from facevid.dataset.vocabulary import attribute

Labels = dict[str, dict[str, Any]]

BALANCED = ("hair_colour", "eyeglasses", "skin_tone", "light", "light_direction", "light_tone")
"""What prompts ask for unless they are told otherwise: looks that can be seen in every frame."""

VALUES: dict[str, Mapping[str, tuple[str, ...]]] = {
    "skin_tone": {"light": ("1", "2", "3"), "medium": ("4", "5", "6"), "dark": ("7", "8", "9", "10")},
    "light": {"dim": ("dim", "dark"), "bright": ("bright",)},
    "light_direction": {"left": ("left",), "right": ("right",)},
    "light_tone": {"warm": ("warm",), "cool": ("cool",)},
    "hair_length": {"short": ("short",), "medium": ("medium",), "long": ("long",)},
}
"""Values that are asked for and read as one; an attribute that does not stand here has each value for itself. Skin
tones: of the Monk scale as Heldreth et al. 2024 (doi:10.1145/3632120) group it. Of light its ends alone, since what
lies between is hard to tell from both, and no bald head, which would have no colour of hair."""

_SMILES, _FROWNS = ("smile", "laugh", "kiss"), ("frown", "glare", "sigh")
AT_ODDS: dict[str, tuple[str, ...]] = {
    "hair_colour": ("hair_length=bald", "headwear"),
    "hair_length": ("headwear",),
    "hair_shape": ("hair_length=bald", "headwear", "dreadlocks", "braids"),
    "eyeglasses": ("sunglasses",),
    "skin_tone": ("ethnicity", "pale_skin", "tan", "ita"),
    "light": (),
    "light_direction": (),
    "light_tone": (),
    "environment": ("light_source",),
    "clothing": (),
    "headwear": ("bangs", "ponytail", "pigtails", "braids", "dreadlocks", "pompadour"),
    "emotion": (),
    "head_pose": (),
    "gaze": (),
}
"""Attributes that can be asked for, and what is not kept of a clip's labels where they are set anew, as it may say the
contrary: an attribute whatever its value, or "name=value"."""
ACTS_AT_ODDS: dict[str, tuple[str, ...]] = {
    "emotion": (*_SMILES, *_FROWNS),
    "gaze": ("gaze away", "gaze", "close eyes", "sleep"),
}
"""Actions that are not kept for the same reason."""


def check_balance(balance: Sequence[str]) -> None:
    """Raises BenchError for attributes that cannot be asked for, or are named twice; VocabularyError for strangers."""
    for name in balance:
        attribute(name)
        if name not in AT_ODDS:
            raise BenchError(
                f"{name} cannot be set anew in a prompt; allowed are {', '.join(AT_ODDS)}. (Base clips are chosen so "
                "that ethnicities, genders and ages come equally often.)"
            )
    if len(set(balance)) < len(balance):
        raise BenchError(f"an attribute is named twice in balance: {', '.join(balance)}; name each once.")


def groups_of(name: str) -> Mapping[str, tuple[str, ...]]:
    """The values of an attribute as they are asked for, each with the vocabulary's values that it stands for."""
    return VALUES.get(name) or {value: (value,) for value in attribute(name).choices}


def value_of(name: str, said: Mapping[str, Any] | None) -> str | None:
    """What a caption may say of an attribute that is labelled so; None where it is silent."""
    return sure_values({name: said}, MENTION_FROM).get(name)


def band_of(name: str, value: str | None) -> str | None:
    """What clips are balanced by: of ages and skin tones the group that captions name, else the value."""
    if value is None:
        return None
    if name == "age":
        return next(word for below, word in AGES if float(value) < below)
    if name == "skin_tone":
        return next(word for last, word in SKIN if int(value) <= last)
    return value


def set_anew(
    attributes: Mapping[str, Any], actions: Sequence[Mapping[str, Any]], wanted: Mapping[str, str]
) -> tuple[Labels, list[dict[str, Any]]]:
    """Labels of a clip with the wanted values in their place, and without what these contradict."""
    labels: Labels = {name: dict(said) for name, said in attributes.items() if said is not None}
    dropped: set[str] = set()
    for name in wanted:
        for other in AT_ODDS[name]:
            at_odds, _, value = other.partition("=")
            if not value or labels.get(at_odds, {}).get("value") == value:
                labels.pop(at_odds, None)
        dropped |= set(ACTS_AT_ODDS.get(name, ()))
    labels |= {n: {"value": v, "confidence": None, "by": "annotator"} for n, v in wanted.items()}
    return labels, [dict(act) for act in actions if act["name"] not in dropped]
