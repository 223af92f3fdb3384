"""Names of people and sources that stay apart when datasets are put together."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence


def prefixes(names: Sequence[str]) -> list[str]:
    """A prefix for each dataset, made of its name; with a number where two are called alike."""
    made: list[str] = []
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or "dataset"
        number, prefix = 1, plain
        while prefix in made:
            number += 1
            prefix = f"{plain}{number}"
        made.append(prefix)
    return made


def renamed(values: Iterable[str], taken: set[str], prefix: str) -> dict[str, str]:
    """What each value is called from now on: itself, or `PREFIX-value` where another has that name already."""
    own = set(values)
    out: dict[str, str] = {}
    for value in sorted(own):
        name, number = value, 1
        while name in taken or (name != value and name in own):
            name = f"{prefix}{number if number > 1 else ''}-{value}"
            number += 1
        out[value] = name
    return out


def same_people(pairs: Iterable[tuple[str | None, str | None]]) -> dict[str, str]:
    """Who is who, from clips that two datasets share: pairs (person here, person there) -> person there -> here.

    A clip in both shows one person, so its two names mean the same one. Where clips disagree, most of them count, then
    the name that sorts first.
    """
    votes: Mapping[str, Counter[str]] = defaultdict(Counter)
    for here, there in pairs:
        if here is not None and there is not None:
            votes[there][here] += 1
    return {there: min(found, key=lambda name: (-found[name], name)) for there, found in votes.items()}
