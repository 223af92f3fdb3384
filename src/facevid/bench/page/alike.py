"""Whether results were measured alike: the same real videos, shape, settings and readers; each difference in words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facevid.bench.page.words import listed, setting
from facevid.bench.result import Result

_DATA = {
    "dataset_sha256": "the hash of the dataset",
    "clips": "the number of its clips",
    "chosen_by": "how its clips were chosen",
}
_SHAPE = {
    "width": "the width",
    "height": "the height",
    "frames": "the number of frames",
    "fps": "the frame rate",
}
_FREE = ("command", "call")
"""Settings that name files and so differ always, and change no figure."""


@dataclass(frozen=True)
class Difference:
    """Something that was not the same.

    of: "data", "shape", "settings", "readers" or "facevid"; distances are incomparable where data or shape differ.
    key: what of it. said: a sentence that names every value and whose it is.
    """

    of: str
    key: str
    said: str

    @property
    def parts_distances(self) -> bool:
        """Whether distances cannot be compared for it."""
        return self.of in ("data", "shape")


def labels(n: int) -> list[str]:
    """What n results are called side by side: A, B, C ... then 27, 28 ..."""
    return [chr(ord("A") + k) if k < 26 else str(k + 1) for k in range(n)]


def differences(results: Sequence[Result], names: Sequence[str] | None = None) -> list[Difference]:
    """All in which results differ that must be alike to be compared. names: of the results, else A, B, C ..."""
    called = names or labels(len(results))
    found: list[Difference] = []
    for of, titles in (("data", _DATA), ("shape", _SHAPE)):
        held = [getattr(one, of) for one in results]
        found += _differing(of, held, titles, called)
    for of in ("settings", "readers"):
        held = [getattr(one, of) for one in results]
        keys = sorted({key for one in held for key in one if not (of == "settings" and key in _FREE)})
        what = "the setting" if of == "settings" else "the version of the reader"
        found += _differing(of, held, {key: f"{what} {key}" for key in keys}, called)
    found += _differing(
        "facevid", [{"facevid": one.facevid} for one in results], {"facevid": "facevid"}, called
    )
    return found


def _differing(
    of: str, held: Sequence[Mapping[str, Any]], titles: Mapping[str, str], called: Sequence[str]
) -> list[Difference]:
    found = []
    for key, title in titles.items():
        whose: dict[str, list[str]] = {}
        shown: dict[str, str] = {}
        for one, name in zip(held, called, strict=True):
            at = json.dumps(one[key], sort_keys=True) if key in one else ""
            whose.setdefault(at, []).append(name)
            shown[at] = setting(one[key]) if key in one else "not there"
        if len(whose) > 1:
            parts = listed(f"{shown[at]} in {listed(names)}" for at, names in whose.items())
            found.append(Difference(of, key, f"{title} differs: {parts}"))
    return found
