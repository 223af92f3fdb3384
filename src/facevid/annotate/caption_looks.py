"""How a caption introduces its person: the looks as a sentence of their own, or as what follows a noun."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from facevid.annotate.caption_person import Person, carried, eyewear, features, garments, ornaments
from facevid.annotate.grammar import Choice, listed
from facevid.annotate.lexicon import ORNAMENTS

_MAKE_UP = frozenset({*ORNAMENTS["lipstick"], *ORNAMENTS["heavy_makeup"]})
"""Never what somebody is introduced by: hair and face come first."""


@dataclass(frozen=True)
class Looks:
    """What the person has (hair and face first) and wears, as noun phrases; dressed: how many of those are clothes,
    which come first; glassed: how many are glasses, which come next."""

    has: tuple[str, ...]
    wears: tuple[str, ...]
    dressed: int
    glassed: int
    clothed: bool
    """Whether the first of those is a garment of the upper body, so that it can follow "in"."""

    @classmethod
    def of(cls, values: Mapping[str, str], choice: Choice, *, full: bool) -> Looks:
        """All that is known; full: also what is said to be absent."""
        clothes, glasses = garments(values, choice), eyewear(values, choice)
        worn = (*clothes, *glasses, *ornaments(values, choice))
        has = tuple(features(values, choice, full=full))
        return cls(has, worn, len(clothes), len(glasses), "clothing" in values)

    def first(self, has: int, wears: int) -> Looks:
        """The first so many of each."""
        dressed = min(self.dressed, wears)
        glassed = min(self.glassed, max(0, wears - self.dressed))
        return Looks(self.has[:has], self.wears[:wears], dressed, glassed, self.clothed)

    def brief(self) -> Looks:
        """The first of each, and glasses: they change a face as hair does, so who reads nothing of them takes it that
        there are none."""
        clothes = self.wears[: min(self.dressed, 1)]
        glasses = self.wears[self.dressed : self.dressed + self.glassed]
        worn = (*clothes, *glasses) or self.wears[:1]
        return Looks(self.has[:1], worn, len(clothes), len(glasses), self.clothed)

    @property
    def count(self) -> int:
        """How many things that is."""
        return len(self.has) + len(self.wears)

    def sentence(self, subject: str, who: Person, choice: Choice) -> str:
        """A sentence of its own."""
        h, w = listed(self.has) if self.has else "", listed(self.wears) if self.wears else ""
        shown = [f"{subject} with {h}" if h else f"{subject} wearing {w}" if w else subject]
        the = [] if who.behind or subject == "someone" else [f"the {who.noun} in the clip"]
        if h and w:
            pause = "," * (len(self.has) > 1)
            forms = [
                f"{subject} with {h} wears {w}",
                f"the clip shows {subject} with {h}, wearing {w}",
                f"the clip shows {subject} with {h} who wears {w}",
                f"{subject} has {h}{pause} and wears {w}",
                f"{subject} with {h} is shown wearing {w}",
                f"this is {subject} with {h}, wearing {w}",
                *(f"{t} has {h}{pause} and wears {w}" for t in the),
            ]
            if self.wears[0] not in _MAKE_UP:
                forms += [
                    f"{subject} wearing {w} has {h}",
                    f"wearing {w}, {subject} with {h} appears in the clip",
                ]
        elif h:
            forms = [f"{subject} has {h}", f"{subject} with {h} appears in the clip"]
            forms += [f"{t} has {h}" for t in the]
        elif w:
            forms = [f"{subject} wears {w}", f"{subject} is shown wearing {w}"]
            forms += [f"{t} wears {w}" for t in the]
        else:
            forms = [f"{subject} appears in the clip"]
        if not (h and w):
            forms += [f"{before} {shown[0]}" for before in ("the clip shows", "this is", "we see")]
        return choice.of("static", forms)

    def behind(self, choice: Choice) -> str:
        """What follows a noun: " with short hair in a suit", " with glasses and curly hair", or ""."""
        has, wears = list(self.has), list(self.wears)
        if has and wears:
            if self.count > 2:
                return f" with {listed(has)}, wearing {listed(wears)}"
            if self.dressed and self.clothed:
                plain = has[0].endswith("hair")  # "hair in braids in a suit" would be clumsy
                return f" with {has[0]}{' in' if plain else ', wearing'} {wears[0]}"
            turn = wears[0] not in _MAKE_UP and choice.number("worn first") % 2
            return f" with {listed([*wears, *has] if turn else [*has, *wears])}"
        if has:
            return f" with {listed(has)}"
        if wears:
            dressed = self.dressed == len(wears)
            return f" {'in' if dressed and choice.number('in') % 2 else 'wearing'} {listed(wears)}"
        return ""

    def introduced(self, subject: str, choice: Choice) -> str:
        """The subject with its looks, up to its verb."""
        look = self.behind(choice)
        return f"{subject}{look}{',' * (', wearing' in look)}"


def further(looks: Looks, who: Person, choice: Choice, subject: str, *, from_: int, most: int) -> list[str]:
    """Sentences of what was not said in the first; from_: how many of each were."""
    made = []
    for kind, verb, items in (("has", "have", looks.has[from_:]), ("wears", "wear", looks.wears[from_:])):
        for number, start in enumerate(range(0, len(items), most)):
            forms = (f"also {verb} {{}}", f"{verb} {{}} as well")
            phrase = choice.of(f"{kind} {number}", forms).format(listed(items[start : start + most]))
            made.append(f"{subject} {who.verb(phrase, subject)}")
    return made


def apart(values: Mapping[str, str], who: Person, choice: Choice) -> list[str]:
    """Sentences of what is carried and of a bare head."""
    made = []
    if things := carried(values, choice):
        made.append(f"{who.pronoun} {who.verb(f'carry {listed(things)}', who.pronoun)}")
    if values.get("headwear") == "none":
        made.append(f"{who.possessive} head is uncovered")
    return made
