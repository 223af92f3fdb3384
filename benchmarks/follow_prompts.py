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
GROUPS: dict[str, dict[str, tuple[str, ...]]] = {
    "skin_tone": {"light": ("1", "2", "3"), "medium": ("4", "5", "6"), "dark": ("7", "8", "9", "10")},
    "light": {"dim": ("dim", "dark"), "bright": ("bright",)},
    "light_direction": {"left": ("left",), "right": ("right",)},
    "light_tone": {"warm": ("warm",), "cool": ("cool",)},
}
"""Values that are asked for and read as one. Skin tones: of the Monk scale as Heldreth et al. 2024
(doi:10.1145/3632120) group it. Of light its two ends alone: what lies between is next to both, and a picture hardly
tells it from them (network, three values, people held out: brightness .47, side .61, colour .60)."""
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
    """What a caption may say of an attribute, as its group; None where it is silent or the value is in no group."""
    value = sure_values({name: (attributes or {}).get(name)}, MENTION_FROM).get(name)
    return None if value is None else group_of(name, value)


def group_of(name: str, value: str) -> str | None:
    """The group of a value, None where it is in none; the value itself of an attribute that has no groups."""
    if name not in GROUPS:
        return value
    return next((group for group, values in GROUPS[name].items() if value in values), None)


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
            value = str(dice.choice(GROUPS[name][value]))
        labels[name] = {"value": value, "confidence": None, "by": "annotator"}
    return labels


def _has_hair(attributes: Mapping[str, Any]) -> bool:
    length = attributes.get("hair_length")
    return length is None or length["value"] != "bald"
