"""What comes when in a suite, by chance or in turn. All of it is the beginning of an endless sequence: a longer suite
of the same seed begins with the shorter one."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator, Sequence

import numpy as np

from facevid.bench.errors import BenchError

# Keys that keep what is drawn for one purpose apart from what is drawn for another.
_DECKS, _SEEDS = 9201, 9202


def dealt(values: Sequence[str], seed: int, *names: str) -> Iterator[str]:
    """The values without end, from one shuffled deck after the other, so that any beginning has each as often as any
    other but for one. names: what they are dealt for; decks of different names are shuffled apart."""
    dice = dice_for(seed, "deck", *names)
    while True:
        for k in dice.permutation(len(values)):
            yield values[int(k)]


def sampling_seed(seed: int, kind: str, number: int, repeat: int) -> int:
    """The seed, 0 to 2^31 - 1, of the `repeat`-th video of the `number`-th prompt or picture."""
    dice = np.random.default_rng([seed, _SEEDS, zlib.crc32(kind.encode()), number, repeat])
    return int(dice.integers(2**31))


def dice_for(seed: int, *names: str) -> np.random.Generator:
    """A generator for one purpose, named."""
    return np.random.default_rng([seed, _DECKS, zlib.crc32("\0".join(names).encode())])


def in_turn(people: dict[str, list[int]], seed: int) -> Iterator[str]:
    """Whose turn it is: rounds in which each person comes once, in an order of its own; without end.

    The caller takes people who have nothing left out of `people`; it ends where there is nobody.
    """
    for number in itertools.count():
        names = sorted(people)
        if not names:
            return
        for k in dice_for(seed, "round", str(number)).permutation(len(names)):
            if names[int(k)] in people:
                yield names[int(k)]


def partners(people: Sequence[str]) -> list[int]:
    """For each place the nearest one before it of another person; where there is none, the first after it.

    Raises BenchError where there is one person only.
    """
    found = []
    for k, person in enumerate(people):
        places = [*range(k - 1, -1, -1), *range(k + 1, len(people))]
        other = next((place for place in places if people[place] != person), None)
        if other is None:
            raise BenchError(
                f"the pictures found show {len(set(people))} people, and two or more are needed: each picture is held "
                "against somebody else's."
            )
        found.append(other)
    return found
