"""What a floor of further clips is worth, simulated: beside videos of new people, of nobody twice, of the same people.

Run `python benchmarks/bench_floor.py`: 80 times 12 people with 5 clips each against 100 made ones; features are 16
normal numbers, of which people's deviation is 1 and that of clips of one person 0.5.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facevid.bench.distances import frechet_from_features, real_floor
from facevid.bench.distances.floor import further_apart

RUNS, PEOPLE, CLIPS, FURTHER, MADE = 80, 12, 5, 22, 100
Doubles = NDArray[np.float64]


def clips(dice: np.random.Generator, people: Doubles, each: int) -> Doubles:
    """Clips (people x each, 16), those of one person side by side."""
    return np.repeat(people, each, axis=0) + 0.5 * dice.normal(size=(len(people) * each, people.shape[1]))


def main() -> None:
    """Prints each distance as a part of the floor, how often it is not above every draw, and what the check says."""
    ratios: dict[str, list[tuple[float, bool]]] = {}
    flagged: dict[str, list[bool]] = {}
    crowds = []
    for run in range(RUNS):
        dice = np.random.default_rng(run)

        def new(count: int, dice: np.random.Generator = dice) -> Doubles:
            return dice.normal(size=(count, 16))

        known = new(PEOPLE)
        real, further = clips(dice, known, CLIPS), clips(dice, new(FURTHER), CLIPS)
        whose = np.repeat(np.arange(PEOPLE + FURTHER), CLIPS)
        sizes = len(real), MADE
        floor = real_floor(
            frechet_from_features, np.concatenate([real, further]), *sizes, groups=whose, seed=run
        )
        for name, made in (
            ("new people, 5 clips each", clips(dice, new(MADE // CLIPS), CLIPS)),
            ("new people, a clip each", clips(dice, new(MADE), 1)),
            ("the same people", clips(dice, known, 9)[:MADE]),
        ):
            value = frechet_from_features(real, made)
            ratios.setdefault(name, []).append((value / floor.value, value <= floor.highest))
        for name, shift in (("alike", 0.0), ("shifted by 0.5", 0.5)):
            other = further + shift
            both = np.concatenate([real, other])
            top = real_floor(frechet_from_features, both, *sizes, groups=whose, seed=run).highest
            apart = further_apart(
                frechet_from_features, real, other, MADE, groups=whose[len(real) :], seed=run
            )
            flagged.setdefault(name, []).append(apart > top)
        crowd = clips(dice, new(FURTHER * CLIPS), 1)
        alone = np.concatenate([whose[: len(real)], PEOPLE + np.arange(len(crowd))])
        lower = real_floor(
            frechet_from_features, np.concatenate([real, crowd]), *sizes, groups=alone, seed=run
        )
        crowds.append(lower.value / floor.value)
    for name, found in ratios.items():
        ratio, within = np.mean(np.array(found, np.float64), axis=0)
        print(f"made of {name}: {ratio:.2f} of the floor, {within:.0%} not above every draw")
    for name, said in flagged.items():
        print(f"further clips {name}: {np.mean(said):.0%} above every draw")
    print(f"further clips of one person each: a floor of {np.mean(crowds):.2f} times")


if __name__ == "__main__":
    main()
