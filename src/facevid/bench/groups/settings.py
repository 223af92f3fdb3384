"""How groups are compared: numbers that decide, and the bounds within which they make sense."""

from __future__ import annotations

from dataclasses import dataclass

from facevid.bench.errors import BenchError


@dataclass(frozen=True)
class GroupSettings:
    """Numbers that decide; raises BenchError where one is outside its bounds.

    resamples: of people, for the intervals, 100 or more. permutations: times that labels are dealt out to people, 19 or
    more; `report_groups` deals more often where so many cannot tell. least_people, least_videos: what a group needs to
    have a number, 2 and 1 or more. level: of the intervals, between 0 and 1. seed: 0 or more.
    """

    resamples: int = 1000
    permutations: int = 2000
    least_people: int = 5
    least_videos: int = 10
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        bounds = {
            "resamples": 100,
            "permutations": 19,
            "least_people": 2,
            "least_videos": 1,
            "seed": 0,
        }
        for name, least in bounds.items():
            if getattr(self, name) < least:
                raise BenchError(
                    f"{name} of the groups is {getattr(self, name)}; give a whole number from {least} on."
                )
        if not 0 < self.level < 1:
            raise BenchError(
                f"level of the groups is {self.level}; it must lie between 0 and 1, such as 0.95."
            )


DEFAULT = GroupSettings()
