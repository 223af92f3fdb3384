"""The words of CelebV-HQ and CelebV-Text for looks, actions and emotions, and ours for them.

Both use the 40 looks of CelebA's kind, 35 and 37 actions and 8 emotions; a word that ours has no equal for is kept as
a detail, never bent into another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from facevid.dataset.corpora.entry import Label, Problems, RowError
from facevid.dataset.vocabulary import ATTRIBUTES

Meaning = tuple[str, str] | None

_FLAGS = {
    "chubby": "chubby", "pale_skin": "pale_skin", "rosy_cheeks": "rosy_cheeks", "oval_face": "oval_face",
    "bangs": "bangs", "arched_eyebrows": "arched_eyebrows", "bushy_eyebrows": "bushy_eyebrows",
    "eyeglasses": "eyeglasses", "sunglasses": "sunglasses", "narrow_eyes": "narrow_eyes", "big_nose": "big_nose",
    "big_lips": "big_lips", "double_chin": "double_chin", "goatee": "goatee", "mustache": "mustache",
    "sideburns": "sideburns", "heavy_makeup": "heavy_makeup", "wearing_earrings": "earrings",
    "wearing_lipstick": "lipstick", "wearing_necklace": "necklace", "wearing_necktie": "tie",
}  # fmt: skip
APPEARANCE: dict[str, tuple[Meaning, Meaning]] = {
    **{word: ((ours, "yes"), (ours, "no")) for word, ours in _FLAGS.items()},
    "male": (("gender", "male"), ("gender", "female")),
    "no_beard": (("beard", "no"), ("beard", "yes")),
    # What is not black hair may be of any colour: the absence says nothing.
    "black_hair": (("hair_colour", "black"), None), "blonde_hair": (("hair_colour", "blonde"), None),
    "blond_hair": (("hair_colour", "blonde"), None), "gray_hair": (("hair_colour", "grey"), None),
    "brown_hair": (("hair_colour", "brown"), None), "straight_hair": (("hair_shape", "straight"), None),
    "wavy_hair": (("hair_shape", "wavy"), None), "long_hair": (("hair_length", "long"), None),
    "bald": (("hair_length", "bald"), None), "wearing_hat": (("headwear", "hat"), None),
    # Not young is not the same as looking old.
    "young": (None, None), "blurry": (None, None), "receding_hairline": (None, None),
    "bags_under_eyes": (None, None), "pointy_nose": (None, None), "high_cheekbones": (None, None),
    "5_o_clock_shadow": (None, None), "wearing_mask": (None, None),
}  # fmt: skip
"""Word -> what it means in our vocabulary where it is marked, and where it is not."""

ACTIONS: dict[str, str | None] = {
    "close_eyes": "close eyes", "cough": "cough", "drink": "drink", "eat": "eat", "frown": "frown", "gaze": "gaze",
    "glare": "glare", "head_wagging": "wag head", "kiss": "kiss", "laugh": "laugh",
    "listen_to_music": "listen to music", "nod": "nod", "play_instrument": "play", "read": "read",
    "shake_head": "shake head", "shout": "shout", "sigh": "sigh", "sing": "sing", "sleep": "sleep", "smile": "smile",
    "sneeze": "sneeze", "talk": "talk", "whisper": "whisper", "wink": "wink", "yawn": "yawn", "blink": "blink",
    "blow": None, "chew": None, "cry": None, "look_around": None, "make_a_face": None, "smoke": None, "sneer": None,
    "sniff": None, "squint": None, "turn": None, "weep": None,
}  # fmt: skip
"""Word -> our action, None where ours has no equal."""

EMOTIONS = {
    "neutral": "neutral", "happy": "happy", "happiness": "happy", "sad": "sad", "sadness": "sad", "angry": "angry",
    "anger": "angry", "fear": "fear", "surprise": "surprise", "surprised": "surprise", "contempt": "contempt",
    "disgust": "disgust",
}  # fmt: skip


def plain(word: object) -> str:
    """A word in lower case with single underscores, as the mappings hold them."""
    if isinstance(word, str) and (word in APPEARANCE or word in ACTIONS):
        return word
    return re.sub(r"[^0-9a-z]+", "_", str(word).strip().lower()).strip("_")


def look_labels(
    marked: Iterable[tuple[str, bool]], who: str, row: str, problems: Problems
) -> tuple[list[Label], list[str]]:
    """Labels by annotators from (word, whether it is marked), and the marked words that ours has no equal for.

    Two marked words that exclude each other, such as black and brown hair, say nothing we could store: both are among
    the words left over. A word that neither list has is added to `problems`.
    """
    said: dict[str, dict[str, list[str]]] = {}
    left: list[str] = []
    for word, on in marked:
        name = plain(word)
        if name not in APPEARANCE:
            problems.add(row, "label", f"The look {word!r} is neither a word of {who} nor of the vocabulary.")
            continue
        meaning = APPEARANCE[name][0 if on else 1]
        if meaning is not None:
            said.setdefault(meaning[0], {}).setdefault(meaning[1], []).append(name)
        elif on:
            left.append(name)
    labels = []
    for attribute, values in said.items():
        if len(values) == 1:
            labels.append(_look(attribute, next(iter(values)), who))
        else:
            left += [word for words in values.values() for word in words]
    return labels, left


@lru_cache(maxsize=4096)
def _look(attribute: str, value: str, who: str) -> Label:
    # A million labels say a few hundred different things; checking each of them takes half of an import.
    return Label("attribute", attribute, value, "annotator", who)


def action_labels(
    marked: Iterable[tuple[str, float | None, float | None]], who: str, row: str, problems: Problems
) -> tuple[list[Label], list[str]]:
    """Labels by annotators from (word, start_s, end_s), and the words that ours has no equal for.

    A word that neither list has is added to `problems`.
    """
    labels: list[Label] = []
    left: list[str] = []
    for word, start_s, end_s in marked:
        name = plain(word)
        ours = ACTIONS.get(name)
        if ours is not None:
            labels.append(Label("action", ours, "", "annotator", who, start_s, end_s))
        elif name in ACTIONS:
            left.append(name)
        else:
            problems.add(
                row, "label", f"The action {word!r} is neither a word of {who} nor of the vocabulary."
            )
    return labels, left


def emotion_value(word: object, who: str) -> str:
    """Our emotion for a word; raises RowError for a word that neither list has."""
    name = plain(word)
    if name not in EMOTIONS:
        raise RowError(
            "label",
            f"The emotion {word!r} of {who} is none of {', '.join(ATTRIBUTES['emotion'].values)}.",
        )
    return EMOTIONS[name]
