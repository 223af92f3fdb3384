"""Captions from labels by a grammar: true to the labels, silent on what is unknown, varied in their wording.

The order is static appearance, then expression and actions in time order, then light and background. Left out are
skin tone and typology angle (measured diagnostics of balance; as words they would label a person's race by pixels),
the rate of blinks, and everything that is less sure than `sure_from`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from facevid.annotate import lexicon as words
from facevid.annotate.caption_acts import Acting, chosen, sentences
from facevid.annotate.caption_events import MENTION_FROM, Event, events
from facevid.annotate.caption_person import (
    Person,
    adornments,
    carried,
    features,
    garments,
    introduced,
    person,
    sure_values,
)
from facevid.annotate.caption_scene import scene_sentence, tail
from facevid.annotate.grammar import Choice, a, gerund, listed, sentence
from facevid.dataset.statements import CAPTION_LENGTHS, Statement

BY = "measured:grammar"
"""`by` of these captions: they are derived from labels, no model and no person wrote them."""

_HAS = {"short": 1, "medium": 3, "long": 99}
_WEARS = {"short": 1, "medium": 3, "long": 99}
_DOES = {"short": 2, "medium": 4, "long": 8}
_A_SENTENCE = 3  # things named in one list


def captions(
    labels: Mapping[str, Any], *, clip_id: str, duration_s: float, sure_from: float = MENTION_FROM
) -> dict[str, str]:
    """The captions "short", "medium" and "long" of a clip.

    labels: what `statements.shown` gives; only `attributes` and `actions` are read, both may be missing or None.
    clip_id: chooses the wording, by a hash, so that the same clip always gets the same words. duration_s: the clip's
    length in seconds, for "throughout". sure_from: confidence, 0 to 1, from which a label is mentioned.
    """
    return {
        length: _Caption.of(labels, length, clip_id, duration_s, sure_from).text()
        for length in CAPTION_LENGTHS
    }


def caption_statements(
    clip_id: str, labels: Mapping[str, Any], duration_s: float, *, sure_from: float = MENTION_FROM
) -> list[Statement]:
    """The three captions as statements by `BY`; see `captions`."""
    made = captions(labels, clip_id=clip_id, duration_s=duration_s, sure_from=sure_from)
    return [Statement(clip_id, "caption", length, text, BY) for length, text in made.items()]


@dataclass
class _Caption:
    length: str
    duration_s: float
    values: Mapping[str, str]
    happened: list[Event]
    blinks: Event | None
    choice: Choice
    who: Person
    lead: str = ""  # a clause for the first action's sentence
    made: list[str] = field(default_factory=list)

    @classmethod
    def of(
        cls, labels: Mapping[str, Any], length: str, clip_id: str, duration_s: float, sure_from: float
    ) -> _Caption:
        values = sure_values(labels.get("attributes"), sure_from)
        choice = Choice(f"{clip_id}\0{length}")
        seen = events(labels.get("actions"), sure_from)
        happened = chosen(seen, _DOES[length])
        unsaid = [e for e in seen if e.name == "blink" and e not in happened]
        decade = length == "long" and choice.number("decade") % 2 == 0
        return cls(
            length=length,
            duration_s=duration_s,
            values=values,
            happened=happened,
            blinks=unsaid[0] if unsaid and length == "long" else None,
            choice=choice,
            who=person(values, choice, decade=decade),
        )

    def text(self) -> str:
        if self.length == "short":
            self._short()
        else:
            rest = self._opening()
            self._further(rest)
            self._expression()
            self._acts()
            shown = any(s.startswith("the clip") for s in self.made)
            scene = scene_sentence(
                self.values, self.who, self.choice, full=self.length == "long", clip_named=shown
            )
            self.made += [scene] if scene else []
        return " ".join(sentence(s) for s in self.made)

    # --- short: one sentence ---

    def _short(self) -> None:
        has, wears = self._looks()
        wears += adornments(self.values, self.choice)
        subject = introduced(self.who, self.choice)
        look = self._with(has[:1], wears[: _WEARS["short"]])
        acts = self._acting(self.happened, subject, fronted=False)[:1]
        feeling = self.values.get("emotion")
        place = tail(self.values, self.choice, light=not acts)
        if acts:
            going = acts[0].going
            if going and not wears and self.choice.number("short") % 3 == 0:
                self.made.append(f"the clip shows {subject}{look} {going}")
            else:
                self.made.append(f"{subject}{look}{',' * (', wearing' in look)} {acts[0].finite}")
            return
        if feeling:
            look = f"{look or ' with'}{' and' * bool(look)} {self._emotion_phrase()}" if not wears else look
        self.made.append(f"the clip shows {subject}{look}{place}")

    # --- medium and long: appearance ---

    def _looks(self) -> tuple[list[str], list[str]]:
        return (
            features(self.values, self.choice, full=self.length == "long"),
            garments(self.values, self.choice),
        )

    def _opening(self) -> tuple[list[str], list[str]]:
        """Says who it is and what strikes first; gives what is left of (has, wears)."""
        has, wears = self._looks()
        wears += adornments(self.values, self.choice)
        has, wears = has[: _HAS[self.length]], wears[: _WEARS[self.length]]
        first_has, first_wears = has[:_A_SENTENCE], wears[:_A_SENTENCE]
        subject = introduced(self.who, self.choice)
        few = len(first_has) + len(first_wears) <= 3 and len(has) <= _A_SENTENCE and len(wears) <= _A_SENTENCE
        merge = (
            few
            and not self._expressive()
            and not self._said_apart()
            and self.happened
            and self.choice.number("merge") % 2
        )
        if merge:
            acting = self._acting(self.happened, subject, fronted=False)
            look = self._with(first_has, first_wears)
            going = acting[0].going
            if going and not wears and self.choice.number("merged") % 3 == 0:
                self.made.append(f"the clip shows {subject}{look} {going}")
            else:
                self.made.append(f"{subject}{look}{',' * (', wearing' in look)} {acting[0].finite}")
            self._said_acts(acting[1:])
            self.happened = []
        else:
            self.made.append(self._static(subject, first_has, first_wears))
        return has[_A_SENTENCE:], wears[_A_SENTENCE:]

    def _static(self, subject: str, has: list[str], wears: list[str]) -> str:
        if has and wears:
            h, w = listed(has), listed(wears)
            pause = "," * (len(has) > 1)
            forms = [
                f"{subject} with {h} wears {w}",
                f"{subject} wearing {w} has {h}",
                f"the clip shows {subject} with {h}, wearing {w}",
                f"the clip shows {subject} with {h} who wears {w}",
                f"{subject} has {h}{pause} and wears {w}",
                f"{subject}, wearing {w}, has {h}",
                f"wearing {w}, {subject} with {h} is in view",
                f"{subject} with {h} is shown wearing {w}",
            ]
        elif has:
            h = listed(has)
            forms = [
                f"{subject} has {h}",
                f"the clip shows {subject} with {h}",
                f"{subject} with {h} is in view",
            ]
        elif wears:
            w = listed(wears)
            forms = [
                f"{subject} wears {w}",
                f"the clip shows {subject} wearing {w}",
                f"{subject} is shown wearing {w}",
            ]
        else:
            forms = [f"the clip shows {subject}", f"{subject} is in view"]
        return self.choice.of("static", forms)

    def _with(self, has: list[str], wears: list[str]) -> str:
        """The looks as what follows a noun: " with short hair in a suit", " with glasses and curly hair"."""
        if has and wears:
            if len(has) + len(wears) > 2:
                return f" with {listed(has)}, wearing {listed(wears)}"
            if wears[0] in garments(self.values, self.choice)[:1] and "clothing" in self.values:
                plain = has[0].endswith(
                    "hair"
                )  # "hair in braids in a suit", "a scar in a suit" would be clumsy
                return f" with {has[0]}{' in' if plain else ', wearing'} {wears[0]}"
            return f" with {wears[0]} and {has[0]}"
        if has:
            return f" with {listed(has)}"
        if wears:
            dressed = wears == garments(self.values, self.choice)[: len(wears)]
            return f" {'in' if dressed and self.choice.number('in') % 2 else 'wearing'} {listed(wears)}"
        return ""

    def _further(self, rest: tuple[list[str], list[str]]) -> None:
        has, wears = rest
        for number, start in enumerate(range(0, len(has), _A_SENTENCE + 1)):
            items = listed(has[start : start + _A_SENTENCE + 1])
            also = self.choice.of(f"has {number}", ("also have {}", "have {} as well"))
            self._they(f"has {number}", also.format(items))
        for number, start in enumerate(range(0, len(wears), _A_SENTENCE + 1)):
            items = listed(wears[start : start + _A_SENTENCE + 1])
            also = self.choice.of(f"wears {number}", ("also wear {}", "wear {} as well"))
            self._they(f"wears {number}", also.format(items))
        if self._said_apart():
            if things := carried(self.values, self.choice):
                self._they("carried", f"carry {listed(things)}")
            if self.values.get("headwear") == "none":
                self.made.append(f"{self.who.possessive} head is uncovered")

    def _said_apart(self) -> bool:
        """Whether something is carried or the head bare, which long captions say in sentences of their own."""
        held = bool(carried(self.values, self.choice)) or self.values.get("headwear") == "none"
        return self.length == "long" and held

    # --- expression, head and gaze ---

    def _expressive(self) -> int:
        return sum(name in self.values for name in ("emotion", "head_pose", "gaze"))

    def _emotion_phrase(self) -> str:
        word = self.choice.of("emotion", words.EMOTION[self.values["emotion"]])
        looks = "gaze" in self.values  # then "look" is the verb of the sentence
        return a(f"{word} {'expression' if looks else self.choice.of('expression', ('expression', 'look'))}")

    def _expression(self) -> None:
        """One sentence of expression, head and gaze, or a clause before the first action."""
        if not self._expressive():
            return
        turned = [
            self.choice.of(name, of[self.values[name]])
            for name, of in (("head_pose", words.HEAD_POSE), ("gaze", words.GAZE))
            if name in self.values
        ]
        if self.values.get("head_pose") == "frontal" and self.values.get("gaze") == "camera":
            turned = [turned[0], "look straight at it"]
        elif self.values.get("head_pose", "") == self.values.get("gaze") in ("left", "right"):
            turned = [turned[0], "look the same way"]
        if self.happened and self.choice.number("led") % 2 and ("emotion" not in self.values or not turned):
            self.lead = listed([gerund(t) for t in turned] or [f"with {self._emotion_phrase()}"])
            return
        if "emotion" not in self.values:
            if turned:
                self._they("turned", listed(turned), verbs=turned)
            return
        emotion = self._emotion_phrase()
        if not turned:
            self._they("emotion", f"have {emotion}")
            return
        form = self.choice.number("expressive") % 3
        if form == 0:
            subject = self._subject("expressive")
            self.made.append(f"with {emotion}, {subject} {self._finite(turned, subject)}")
        elif form == 1:
            self._they("expressive", f"have {emotion}, {listed([gerund(t) for t in turned])}")
        else:
            subject = self._subject("expressive")
            self.made.append(f"{subject} {self._finite(turned, subject)} with {emotion}")

    # --- actions ---

    def _acting(self, happened: Sequence[Event], subject: str, *, fronted: bool) -> list[Acting]:
        return sentences(
            happened, self.who, subject, self.choice, duration_s=self.duration_s, fronted=fronted
        )

    def _acts(self) -> None:
        """What happens, then the blinks that stand beside it."""
        self._said_acts(self._acting(self.happened, self.who.pronoun, fronted=not self.lead))
        if self.blinks is not None:
            times = len(self.blinks.spans)
            often = {1: "once", 2: "twice"}.get(
                times, self.choice.of("blinks", ("several times", "repeatedly"))
            )
            self.made.append(f"{self.who.pronoun} {self.who.verb('blink', self.who.pronoun)} {often}")

    def _said_acts(self, acting: Sequence[Acting]) -> None:
        for number, act in enumerate(acting):
            subject = self.who.pronoun
            if subject != "they" and number == 0 and self.choice.number("named") % 2:
                subject = f"the {self.who.name}"
            before = act.lead or (self.lead if number == 0 else "")
            lead = f"{before}, " if before else ""
            self.made.append(f"{lead}{subject} {act.finite}")

    # --- subjects ---

    def _subject(self, name: str) -> str:
        """A pronoun, or "the woman" where its verb agrees as the pronoun's would."""
        if self.who.pronoun != "they" and self.choice.number(f"subject {name}") % 3 == 0:
            return f"the {self.who.name}"
        return self.who.pronoun

    def _finite(self, verbs: Sequence[str], subject: str) -> str:
        return listed([self.who.verb(v, subject) for v in verbs])

    def _they(self, name: str, phrase: str, *, verbs: Sequence[str] = ()) -> None:
        subject = self._subject(name)
        self.made.append(f"{subject} {self._finite(verbs or [phrase], subject)}")
