"""Captions from labels by a grammar: true to the labels, silent on what is unknown, varied in their wording.

The order is static appearance, then expression and actions in time order, then light and background; several plans
draw these together in one sentence or another. Left out are the typology angle and a skin tone that was measured or
guessed (diagnostics of balance: in words they would label a person's race by pixels; a tone that the person or an
annotator gave is named), the rate of blinks, and everything that is less sure than `sure_from`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from facevid.annotate import lexicon as words
from facevid.annotate.caption_acts import Acting, chosen, sentences
from facevid.annotate.caption_events import MENTION_FROM, Event, blinks_often, events
from facevid.annotate.caption_looks import Looks, apart, further
from facevid.annotate.caption_manner import Manner, manner
from facevid.annotate.caption_person import Person, introduced, person, sure_values
from facevid.annotate.caption_scene import scene_behind, scene_sentence, tail
from facevid.annotate.grammar import Choice, a, listed, sentence
from facevid.dataset.statements import CAPTION_LENGTHS, Statement

BY = "measured:grammar"
"""`by` of these captions: they are derived from labels, no model and no person wrote them."""

_HAS = {"medium": 3, "long": 99}
_WEARS = {"medium": 3, "long": 99}
_DOES = {"short": 2, "medium": 4, "long": 8}
_A_SENTENCE = 3  # things named in one list
_A_LINE = 110  # characters of a sentence to which the scene may still be added


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
    seen: list[Event]
    choice: Choice
    who: Person
    made: list[str] = field(default_factory=list)

    @classmethod
    def of(
        cls, labels: Mapping[str, Any], length: str, clip_id: str, duration_s: float, sure_from: float
    ) -> _Caption:
        values = sure_values(labels.get("attributes"), sure_from)
        choice = Choice(f"{clip_id}\0{length}")
        decade = length == "long" and choice.number("decade") % 2 == 0
        return cls(
            length=length,
            duration_s=duration_s,
            values=values,
            seen=events(labels.get("actions"), sure_from),
            choice=choice,
            who=person(values, choice, decade=decade),
        )

    def text(self) -> str:
        if self.length == "short":
            self._short()
        else:
            self._described()
        return " ".join(sentence(s) for s in self.made)

    @property
    def full(self) -> bool:
        """Whether everything is said."""
        return self.length == "long"

    # --- short: one sentence ---

    def _short(self) -> None:
        looks = Looks.of(self.values, self.choice, full=False).brief()
        subject = introduced(self.who, self.choice)
        act = next(iter(self._acting(subject, fronted=False)), None)
        if act is None:
            look = looks.behind(self.choice)
            if emotion := self.values.get("emotion"):
                word = self.choice.of("emotion", words.EMOTION[emotion])
                feeling = a(f"{word} {self.choice.of('expression', ('expression', 'look'))}")
                look = look if looks.wears else f"{look or ' with'}{' and' * bool(look)} {feeling}"
            place = tail(self.values, self.choice, light=True)
            opening = self.choice.of("shown", ("the clip shows", "this is", "we see"))
            self.made.append(f"{opening} {subject}{look}{place}")
        else:
            self.made.append(self._seen_acting(subject, looks, act))

    # --- medium and long: looks, manner, acts, scene ---

    def _described(self) -> None:
        """Looks, then manner and acts, then the scene, their sentences apart or drawn together by one of the plans."""
        looks = Looks.of(self.values, self.choice, full=self.full)
        with_glasses = looks.dressed + looks.glassed if looks.glassed else 0
        looks = looks.first(_HAS[self.length], max(_WEARS[self.length], with_glasses))
        subject = introduced(self.who, self.choice)
        happened = chosen(self.seen, _DOES[self.length])
        how = manner(
            self.values,
            {e.name for e in self.seen},
            self.who,
            self.choice,
            full=self.full,
            busy=bool(happened),
        )
        aside = apart(self.values, self.who, self.choice) if self.full else []
        few = looks.count <= _A_SENTENCE and not aside
        plan = self.choice.of("plan", _plans(how, few=few, busy=bool(happened)))
        first = looks.first(_A_SENTENCE, _A_SENTENCE)
        lead = ""
        if plan in ("apart", "lead"):
            self.made.append(first.sentence(subject, self.who, self.choice))
            self.made += further(
                looks,
                self.who,
                self.choice,
                self._subject("further"),
                from_=_A_SENTENCE,
                most=_A_SENTENCE + 1,
            )
            self.made += aside
        if plan == "posed":
            self.made.append(self._posed(subject, first, how))
        elif plan == "lead":
            lead = how.going()
        elif plan == "apart" and how:
            self.made.append(how.sentence(self.who, self._subject("expressive"), self.choice))
        told = 0
        if plan in ("acting", "front", "behind"):
            told = self._opened_by_acts(plan, subject, first, how)
        self._acts(told, lead)
        if plan == "acting" and how:
            self.made.append(how.sentence(self.who, self._subject("expressive"), self.choice))
        trailing = plan == "behind" and bool(how.turned) and len(self.made) == 1
        mergeable = not trailing and (len(self.made) > 1 or plan not in ("apart", "lead"))
        self._scene(mergeable=not self._blinks() and mergeable)

    def _posed(self, subject: str, looks: Looks, how: Manner) -> str:
        """Looks and manner in one sentence."""
        who = looks.introduced(subject, self.choice)
        if not how.turned:
            return f"{who} {self.who.verb('have', '')} {how.expression}"
        finite = listed([self.who.verb(t, "") for t in how.turned])
        return f"{who} {finite}{f' with {how.expression}' if how.emotion else ''}"

    def _opened_by_acts(self, plan: str, subject: str, looks: Looks, how: Manner) -> int:
        """Looks and the first acts in one sentence, and the manner where the plan has it there."""
        act = self._acting(subject, fronted=False)[0]
        if plan == "front":
            self.made.append(f"{how.going()}, {looks.introduced(subject, self.choice)} {act.finite}")
        elif plan == "behind":
            gap = ", " if how.turned else " "
            self.made.append(f"{looks.introduced(subject, self.choice)} {act.finite}{gap}{how.going()}")
        else:
            self.made.append(self._seen_acting(subject, looks, act))
        return 1

    def _seen_acting(self, subject: str, looks: Looks, act: Acting) -> str:
        """ "A woman with short hair nods", or "the clip shows a woman with short hair nodding"."""
        if act.going and not looks.wears and self.choice.number("going") % 3 == 0:
            opening = self.choice.of("shown", ("the clip shows", "we see", "this is"))
            return f"{opening} {subject}{looks.behind(self.choice)} {act.going}"
        return f"{looks.introduced(subject, self.choice)} {act.finite}"

    def _acting(self, subject: str, *, fronted: bool) -> list[Acting]:
        return sentences(
            chosen(self.seen, _DOES[self.length]),
            self.who,
            subject,
            self.choice,
            duration_s=self.duration_s,
            fronted=fronted,
        )

    def _acts(self, told: int, lead: str) -> None:
        """What happens, but for the first `told` sentences of it; lead: a clause for the first of them."""
        acting = self._acting("someone" if told else self.who.pronoun, fronted=not (told or lead))
        for number, act in enumerate(acting[told:], told):
            subject = self.who.pronoun
            if subject != "they" and number == 0 and self.choice.number("named") % 2:
                subject = f"the {self.who.name}"
            act = replace(act, lead=act.lead or lead) if number == 0 else act
            self.made.append(act.told(subject, self.choice, number))

    def _blinks(self) -> bool:
        """Blinks stand beside what happens: how many in long captions, in medium ones only where they are many.

        Gives whether a sentence of them was added.
        """
        blinks = next((e for e in self.seen if e.name == "blink"), None)
        often = blinks is not None and blinks_often(blinks, self.duration_s)
        if blinks is None or not (self.full or often):
            return False
        times = {1: "once", 2: "twice"}.get(len(blinks.spans), "repeatedly" if often else "several times")
        self.made.append(f"{self.who.pronoun} {self.who.verb('blink', self.who.pronoun)} {times}")
        return True

    def _scene(self, *, mergeable: bool) -> None:
        last = self.made[-1]
        short = len(last) < _A_LINE and ", all while" not in last
        if mergeable and short and self.choice.number("scene merged") % 3 == 0:
            self.made[-1] += scene_behind(self.values, self.who, self.choice, full=self.full)
            return
        named = any("the clip" in s for s in self.made)
        scene = scene_sentence(self.values, self.who, self.choice, full=self.full, clip_named=named)
        self.made += [scene] if scene else []

    def _subject(self, name: str) -> str:
        """A pronoun, or "the woman" where its verb agrees as the pronoun's would."""
        if self.who.pronoun != "they" and self.choice.number(f"subject {name}") % 3 == 0:
            return f"the {self.who.name}"
        return self.who.pronoun


def _plans(how: Manner, *, few: bool, busy: bool) -> list[str]:
    """The ways in which a caption may be put together.

    "apart": looks, manner and acts in sentences of their own. "lead": the manner leads into the acts. "posed": looks
    and manner in one sentence. "acting": looks and acts in one, then the manner. "front", "behind": all three in one.
    """
    plans = ["apart"]
    steady = bool(how) and not how.hedged  # "mostly looking at her, he looks away" would be clumsy
    plans += ["lead"] if steady and busy else []
    plans += ["posed"] if how and few else []
    plans += ["acting"] if few and busy else []
    plans += ["front"] if steady and few and busy else []
    plans += ["behind"] if how and few and busy else []
    return plans
