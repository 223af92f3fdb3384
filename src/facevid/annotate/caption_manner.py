"""Expression, head and gaze as words: what prevails in a clip, "mostly" where an action says otherwise."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from facevid.annotate import lexicon as words
from facevid.annotate.caption_person import Person
from facevid.annotate.grammar import Choice, a, gerund, listed

_SMILES, _FROWNS = frozenset({"smile", "laugh"}), frozenset({"frown", "glare"})
OTHERWISE: Mapping[tuple[str, str], frozenset[str]] = {
    ("gaze", "camera"): frozenset({"gaze away", "close eyes", "sleep"}),
    ("emotion", "neutral"): _SMILES | _FROWNS,
    ("emotion", "happy"): _FROWNS,
    **{("emotion", value): _SMILES for value in ("sad", "angry", "fear", "contempt", "disgust")},
}
"""What prevails -> the actions during which it does not hold, so that "mostly" is said beside them."""


@dataclass(frozen=True)
class Manner:
    """How somebody looks and where to.

    turned: verb phrases in the plain form, none or more. emotion: "mostly neutral", or "". noun: what is so,
    "expression" or "look".
    """

    turned: tuple[str, ...]
    emotion: str
    noun: str

    def __bool__(self) -> bool:
        return bool(self.turned or self.emotion)

    @property
    def hedged(self) -> bool:
        """Whether any of it holds only mostly."""
        return any("mostly" in said for said in (*self.turned, self.emotion))

    @property
    def expression(self) -> str:
        """ "a neutral expression"; only where there is an emotion."""
        return a(f"{self.emotion} {self.noun}")

    def going(self) -> str:
        """As a clause without a subject: "facing the camera with a neutral expression"."""
        turned = [listed([gerund(t) for t in self.turned])] if self.turned else []
        return " ".join([*turned, *([f"with {self.expression}"] if self.emotion else [])])

    def sentence(self, who: Person, subject: str, choice: Choice) -> str:
        """A sentence of its own."""
        finite = listed([who.verb(t, subject) for t in self.turned]) if self.turned else ""
        have = who.verb("have", subject)
        is_so = f"{who.possessive} expression is {self.emotion}"
        if not self.emotion:
            return f"{subject} {finite}"
        if not self.turned:
            return choice.of("expressive", (f"{subject} {have} {self.expression}", is_so))
        turning = listed([gerund(t) for t in self.turned])
        forms = (
            f"with {self.expression}, {subject} {finite}",
            f"{subject} {have} {self.expression}, {turning}",
            f"{subject} {finite} with {self.expression}",
            f"{is_so}, and {subject} {finite}",
        )
        return choice.of("expressive", forms)


def manner(
    values: Mapping[str, str], seen: Collection[str], who: Person, choice: Choice, *, full: bool, busy: bool
) -> Manner:
    """What is said of expression, head and gaze.

    seen: names of all actions in the clip, mentioned or not. full: say everything. busy: something happens in the
    clip; then a neutral face turned to the camera, as most are, is not always worth a word.
    """
    often = not full and busy
    emotion = values.get("emotion", "")
    if emotion == "neutral" and often and choice.number("neutral") % 2:
        emotion = ""
    turned = tuple(t.replace("{p}", who.possessive) for t in _turned(values, seen, choice, full, often))
    said = ""
    if emotion:
        said = choice.of("emotion", words.EMOTION[emotion])
        said = f"mostly {said}" if _otherwise("emotion", emotion, seen) else said
    looks = any("look" in t for t in turned)  # then "look" is the verb of the sentence
    return Manner(turned, said, "expression" if looks else choice.of("expression", ("expression", "look")))


def _turned(
    values: Mapping[str, str], seen: Collection[str], choice: Choice, full: bool, often: bool
) -> list[str]:
    pose, gaze = values.get("head_pose"), values.get("gaze")
    mostly = gaze is not None and _otherwise("gaze", gaze, seen)
    if (pose, gaze) == ("frontal", "camera"):
        said = choice.of("turned", ("both", "pose", "gaze", "gaze", "neither"))
        if full or said == "both" or (said == "neither" and not often):
            at_it = words.GAZE_MOSTLY_AT_IT if mostly else words.GAZE_AT_IT
            return [*_pose("frontal", choice), choice.of("at it", at_it)]
        pose, gaze = (pose if said == "pose" else None), (gaze if said == "gaze" else None)
    elif often and (pose, gaze) in (("frontal", None), (None, "camera")) and choice.number("turned") % 3 == 0:
        return []
    if pose == gaze and pose in ("left", "right"):
        return [*_pose(pose, choice), "look the same way"]
    turned = _pose(pose, choice) if pose else []
    if gaze:
        turned.append(choice.of("gaze", words.GAZE_MOSTLY if mostly else words.GAZE[gaze]))
    return turned


def _pose(pose: str, choice: Choice) -> list[str]:
    return [choice.of("head_pose", words.HEAD_POSE[pose])]


def _otherwise(name: str, value: str, seen: Collection[str]) -> bool:
    return not OTHERWISE.get((name, value), frozenset()).isdisjoint(seen)
