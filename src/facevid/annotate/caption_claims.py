"""What a caption claims, and how its words of time are read: the claims of one sentence after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise, product

from facevid.annotate.caption_reading import FOLLOWS


@dataclass
class Claims:
    """What a caption claims.

    attributes: name -> the values of which it claims one. ages: the range of years that it claims, (from, to), to
    exclusive, or None. actions: their names in the order of mention. often: (action, at least, at most) times.
    mostly: attributes that hold most of the time, not always. throughout: actions that fill the clip. relations:
    (kind, one, other) with kind "before" (one is over when other begins), "during" (they overlap) or "starts_by" (one
    begins no later). errors: sentences or parts that could not
    be read, and claims that contradict each other. shape: the text with every word of the vocabulary replaced by the
    slot of its kind, lists of one kind by one slot, "has" and "have" by one form: two captions of one shape differ
    in their labels alone.
    """

    attributes: dict[str, frozenset[str]] = field(default_factory=dict)
    ages: tuple[float, float] | None = None
    actions: list[str] = field(default_factory=list)
    often: list[tuple[str, int, int]] = field(default_factory=list)
    mostly: set[str] = field(default_factory=set)
    throughout: list[str] = field(default_factory=list)
    relations: list[tuple[str, str, str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    shape: str = ""

    def claim(self, name: str, values: frozenset[str]) -> None:
        """Adds that the attribute has one of the values."""
        both = self.attributes.get(name, values) & values
        if not both:
            self.errors.append(
                f"the caption calls {name} both {either(self.attributes[name])} and {either(values)}."
            )
        self.attributes[name] = both or values

    def claim_age(self, low: float, high: float) -> None:
        """Adds that the person is from low to below high years old."""
        old = self.ages or (low, high)
        self.ages = (max(low, old[0]), min(high, old[1]))
        if self.ages[0] >= self.ages[1]:
            self.errors.append("the caption gives two ages that exclude each other.")


@dataclass(frozen=True)
class Token:
    """A phrase that was read: its kind, words, slot in the shape, and (attribute, value) pairs or ("", action)."""

    kind: str
    text: str
    shape: str
    pairs: tuple[tuple[str, str], ...] = ()


@dataclass
class Times:
    """Reads how the actions of one sentence lie in time."""

    claims: Claims
    earlier: Sequence[str]
    """The actions of the sentence before."""
    follows: bool = False
    groups: list[list[str]] = field(default_factory=lambda: [[]])
    meanwhile: list[str] = field(default_factory=list)

    def read(self, tokens: Sequence[Token]) -> list[str]:
        """Adds the sentence's actions and relations to the claims; gives the actions said in the order of time."""
        beside = ""  # "front": while ... before the subject; "last" or "all": after it
        for token in tokens:
            if token.kind == "time":
                beside = self._word(token.text, beside)
            elif token.kind == "person" and beside == "front":
                beside = "over"
            elif token.kind == "person" and beside == "after":
                self.groups.append([])
                beside = ""
            elif token.kind in ("does", "doing"):
                self._act(token.pairs[0][1], beside)
        self._relate()
        return [name for group in self.groups for name in group]

    def _word(self, word: str, beside: str) -> str:
        said = any(self.groups)
        if word == "while":
            return "last" if said else "front"
        if word == "all while":
            return "all"
        if word == "after":
            return "after"
        if word in FOLLOWS and not said:
            self.follows = True
            return beside
        if word in ("then", "finally", "before"):
            self.groups.append([])
            return "" if beside == "last" else beside
        if word == "at the same time":
            self._during(list(combinations(self.groups[-1], 2)))
        return beside

    def _act(self, name: str, beside: str) -> None:
        self.claims.actions.append(name)
        if beside == "front":
            self.meanwhile.append(name)
        elif beside == "last":
            self._during([(name, self.groups[-1][-1])])
        elif beside == "all":
            self._during([(name, other) for group in self.groups for other in group])
        else:
            self.groups[-1].append(name)

    def _relate(self) -> None:
        groups = [g for g in self.groups if g]
        if self.follows and not self.earlier:
            self.claims.errors.append("a sentence says then, but nothing happened before it.")
        for first in groups[:1] if self.follows else ():
            self.claims.relations += [("before", x, y) for x, y in product(self.earlier, first)]
        self._during(list(product(self.meanwhile, (name for g in groups for name in g))))
        for one, other in pairwise(groups):
            self.claims.relations += [("before", x, y) for x, y in product(one, other)]
        for group in groups:
            self.claims.relations += [("starts_by", x, y) for x, y in pairwise(group)]

    def _during(self, pairs: list[tuple[str, str]]) -> None:
        self.claims.relations += [("during", x, y) for x, y in pairs]


def either(values: frozenset[str]) -> str:
    """ "black or brown"."""
    return " or ".join(sorted(values))
