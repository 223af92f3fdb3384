"""Sentences of what happens in a clip: actions in the order of time, with words of time only where they are true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

from facevid.annotate.caption_events import Event, before, during, throughout
from facevid.annotate.caption_person import Person
from facevid.annotate.grammar import Choice, gerund, listed
from facevid.annotate.lexicon import COUNTED, VERBS

_TOGETHER = 3  # actions in one sentence
_SAME_AS = {"speak": ("talk",)}  # what says the same or includes it


@dataclass(frozen=True)
class Acting:
    """One sentence to be: {lead} SUBJECT {verb phrases}. lead: "" or a clause that stands before the subject."""

    lead: str
    finite: str
    going: str | None
    """The same with -ing forms, for "is smiling" and "the clip shows a woman smiling"; None where it cannot."""
    after: bool = False
    """Whether all of it begins once all of the sentence before is over."""

    def told(self, subject: str, choice: Choice, number: int) -> str:
        """The sentence; from the second one on (number 1) with a word for how it lies to the one before."""
        if self.lead:
            return f"{self.lead}, {subject} {self.finite}"
        if number == 0:
            return f"{subject} {self.finite}"
        if not self.after:
            return f"{subject} also {self.finite}"
        forms = [f"{link}, {subject} {self.finite}" for link in ("after that", "afterwards", "next")]
        if "then" not in self.finite:
            forms += [f"then {subject} {self.finite}", f"{subject} then {self.finite}"]
        return choice.of(f"link {number}", forms)


def chosen(happened: Sequence[Event], limit: int) -> list[Event]:
    """The events worth to be mentioned: no blinks, nothing said twice, the longest ones, by time."""
    names = {e.name for e in happened}
    worth = [e for e in happened if e.name != "blink" and names.isdisjoint(_SAME_AS.get(e.name, ()))]
    longest = sorted(worth, key=lambda e: (-e.total, e.start, e.name))[:limit]
    return [e for e in worth if e in longest]


def sentences(
    happened: Sequence[Event], who: Person, subject: str, choice: Choice, *, duration_s: float, fronted: bool
) -> list[Acting]:
    """What is said of the events, in order; fronted: whether the first sentence may begin with a clause.

    subject: of the first sentence, for the agreement of its verb; the others have the pronoun, or what agrees with it.
    """
    made: list[Acting] = []
    last: list[Event] = []
    for number, (base, group) in enumerate(_grouped(list(happened), choice)):
        said = _Saying(who, who.pronoun if number else subject, choice, duration_s)
        act = said.group(base, group, number, fronted=fronted or number > 0)
        now = [*group, *([base] if base else [])]
        made.append(replace(act, after=bool(last) and all(before(x, y) for x in last for y in now)))
        last = now
    return made


def _grouped(happened: list[Event], choice: Choice) -> list[tuple[Event | None, list[Event]]]:
    """The events in sentences: (what goes on meanwhile or None, what happens), their order kept."""
    groups: list[tuple[Event | None, list[Event]]] = []
    while happened:
        base = happened[0]
        beside = 0
        while beside < _TOGETHER and beside + 1 < len(happened) and during(base, happened[beside + 1]):
            beside += 1
        if beside >= 2 or (beside == 1 and choice.number(f"meanwhile {len(groups)}") % 3 == 0):
            groups.append((base, happened[1 : beside + 1]))
            happened = happened[beside + 1 :]
            continue
        most = 2 + choice.number(f"together {len(groups)}") % (_TOGETHER - 1)
        group = [happened.pop(0)]
        while happened and len(group) < most and _joins(group, happened[0]):
            group.append(happened.pop(0))
        groups.append((None, group))
    return groups


def _joins(group: list[Event], more: Event) -> bool:
    """Whether the sentence stays true and simple with one more action: all in a row, or all side by side."""
    if len(group) == 1:
        return True
    chained = all(before(x, y) for x, y in pairwise([*group, more]))
    loose = not any(before(x, y) or during(x, y) for x, y in combinations([*group, more], 2))
    return chained or loose


@dataclass(frozen=True)
class _Saying:
    who: Person
    subject: str
    choice: Choice
    duration_s: float

    def group(self, base: Event | None, group: list[Event], number: int, *, fronted: bool) -> Acting:
        pick = f"sentence {number}"
        if base is not None:
            return self._meanwhile(base, group, pick, fronted)
        if len(group) == 1:
            return self._plain(group)
        if all(before(x, y) for x, y in pairwise(group)):
            return self._row(group, pick, fronted, begins=number == 0)
        if len(group) == 2 and during(*group):
            return self._two_at_once(group[0], group[1], pick, fronted)
        return self._plain(group)

    def _plain(self, group: list[Event]) -> Acting:
        return Acting("", listed([self._does(e) for e in group]), listed([self._doing(e) for e in group]))

    def _meanwhile(self, base: Event, group: list[Event], pick: str, fronted: bool) -> Acting:
        rows = all(before(x, y) for x, y in pairwise(group))
        link = ", then " if rows and len(group) == 2 else None
        finite = link.join(self._does(e) for e in group) if link else listed([self._does(e) for e in group])
        if fronted and self.choice.number(pick) % 2:
            return Acting(f"while {self._doing(base)}", finite, None)
        tail = f"while {self._doing(base)}"
        if len(group) > 1:
            tail = f", all {tail}"
        going = listed([self._doing(e) for e in group])
        gap = "" if len(group) > 1 else " "
        return Acting("", f"{finite}{gap}{tail}", f"{going}{gap}{tail}")

    def _row(self, group: list[Event], pick: str, fronted: bool, begins: bool) -> Acting:
        does = [self._does(e, lasting=False) for e in group]
        first = self._doing(group[0])
        forms = [
            Acting("", f"{', '.join(does[:-1])} and then {does[-1]}", None),
            Acting("", f"{', then '.join(does[:-1])} before {self._doing(group[-1])}", None),
            Acting("", ", then ".join(does), None),
        ]
        if begins:
            forms.append(Acting("", f"first {', then '.join(does)}", None))
        if len(group) > 2:
            forms[0] = Acting("", f"{', then '.join(does[:-1])} and finally {does[-1]}", None)
        if fronted:
            forms.append(Acting(f"after {first}", ", then ".join(does[1:]), None))
        return self.choice.of(pick, forms)

    def _two_at_once(self, one: Event, other: Event, pick: str, fronted: bool) -> Acting:
        forms = [
            Acting("", f"{self._does(x)} while {self._doing(y)}", f"{self._doing(x)} while {self._doing(y)}")
            for x, y in self._directions(one, other)
        ]
        both = f"{self._does(one, lasting=False)} and {self._does(other, lasting=False)} at the same time"
        forms.append(
            Acting("", both, f"{self._doing(one)} and {self._doing(other)} at the same time"),
        )
        if fronted:
            forms += [
                Acting(f"while {self._doing(y)}", self._does(x), None)
                for x, y in self._directions(one, other)
            ]
        return self.choice.of(pick, forms)

    def _directions(self, one: Event, other: Event) -> list[tuple[Event, Event]]:
        """(main action, what goes on meanwhile): the longer one is what goes on."""
        return [(other, one)] if one.total >= other.total else [(one, other)]

    def _does(self, event: Event, *, lasting: bool = True) -> str:
        return self.who.verb(self._phrase(event, lasting=lasting), self.subject)

    def _doing(self, event: Event) -> str:
        return gerund(self._phrase(event, lasting=False).replace("{p}", self.who.possessive))

    def _phrase(self, event: Event, *, lasting: bool) -> str:
        """lasting: whether it may be called "throughout"; beside words of time that would be one too many."""
        often = "throughout" if lasting and throughout(event, self.duration_s) else self._often(event)
        if often:
            return f"{VERBS[event.name][0]} {often}"
        return self.choice.of(f"verb {event.name}", VERBS[event.name])

    def _often(self, event: Event) -> str:
        times = len(event.spans)
        if event.name not in COUNTED or times < 2:
            return ""
        return (
            "twice" if times == 2 else self.choice.of(f"often {event.name}", ("several times", "repeatedly"))
        )
