"""Prompts that ask for known looks: labels of a real clip with some attributes set anew, worded as captions are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from facevid.annotate.caption_events import MENTION_FROM, is_sure
from facevid.annotate.caption_person import sure_values
from facevid.annotate.captions import captions

ASKED = ("hair_colour", "eyeglasses", "skin_tone", "light", "light_direction", "light_tone")
"""Attributes that prompts ask for."""
TONES: dict[str, range] = {"light": range(1, 4), "medium": range(4, 7), "dark": range(7, 11)}
"""Groups of the Monk scale as Heldreth et al. 2024 (doi:10.1145/3632120) group it."""
_AT_ODDS = {
    "skin_tone": ("ethnicity", "pale_skin", "tan", "ita"),
    "eyeglasses": ("sunglasses",),
}
"""What is not kept of a clip's labels where an attribute is set anew, as it may say the contrary."""

Labels = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Prompt:
    """text: the prompt. asked: attribute -> the value, or group of values, that it asks for."""

    text: str
    asked: Mapping[str, str]


def value_of(name: str, attributes: Mapping[str, Any] | None) -> str | None:
    """What a caption may say of an attribute, a skin tone as its group; None where it is silent."""
    value = sure_values({name: (attributes or {}).get(name)}, MENTION_FROM).get(name)
    return None if value is None else group_of(name, value)


def group_of(name: str, value: str) -> str:
    """The value that is asked for and read: of a skin tone its group, else the value itself."""
    if name != "skin_tone":
        return value
    return next(group for group, tones in TONES.items() if int(value) in tones)


def values_met(
    labels: Mapping[str, Sequence[str | None]], people: Sequence[str], least: int
) -> dict[str, tuple[str, ...]]:
    """For each attribute the values that at least `least` people have; left out where there are not two."""
    found = {}
    for name, values in labels.items():
        who: dict[str, set[str]] = {}
        for value, person in zip(values, people, strict=True):
            if value is not None:
                who.setdefault(value, set()).add(person)
        kept = tuple(sorted(v for v, them in who.items() if len(them) >= least))
        if len(kept) > 1:
            found[name] = kept
    return found


def prompts(
    clips: Sequence[tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]],
    values: Mapping[str, Sequence[str]],
    *,
    count: int,
    length: str,
    duration_s: float,
    seed: int = 0,
) -> list[Prompt]:
    """`count` prompts in which every value of each attribute is asked for about equally often, whatever the others are.

    clips: attributes and actions of real clips, which give all that is not asked for. length: of the caption.
    """
    dice = np.random.default_rng([seed, 8101])
    asked = {name: balanced(tuple(v), count, dice) for name, v in values.items()}
    usable = [c for c in clips if "hair_colour" not in values or _has_hair(c[0])]
    if not usable:
        raise ValueError("no clip shows hair, so none can be asked to have another colour of it")
    made = []
    for k in range(count):
        attributes, actions = usable[int(dice.integers(len(usable)))]
        wanted = {name: of[k] for name, of in asked.items()}
        labels = {
            "attributes": _set({n: dict(v) for n, v in attributes.items() if v is not None}, wanted, dice),
            "actions": [dict(a) for a in actions if is_sure(a, MENTION_FROM) and a["start_s"] < duration_s],
        }
        text = captions(labels, clip_id=f"prompt {seed} {k}", duration_s=duration_s)[length]
        made.append(Prompt(text, wanted))
    return made


def balanced(values: Sequence[str], count: int, dice: np.random.Generator) -> list[str]:
    """`count` values in a random order, each as often as any other but for one."""
    repeated = [values[k % len(values)] for k in range(count)]
    return [repeated[k] for k in dice.permutation(count)]


def _set(labels: Labels, wanted: Mapping[str, str], dice: np.random.Generator) -> Labels:
    for name, value in wanted.items():
        for other in _AT_ODDS.get(name, ()):
            labels.pop(other, None)
        if name == "skin_tone":
            value = str(dice.choice(list(TONES[value])))
        labels[name] = {"value": value, "confidence": None, "by": "annotator"}
    return labels


def _has_hair(attributes: Mapping[str, Any]) -> bool:
    length = attributes.get("hair_length")
    return length is None or length["value"] != "bald"
