"""A corpus of hostile files, grown from small valid ones; the same for the same seed and number.

The tests of hostile files and `benchmarks/hostile_files.py` share it. Kinds come in turn; each damage by bytes goes
through all seeds.
"""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

from fuzz_bytes import KINDS
from fuzz_claims import CLAIMS
from fuzz_places import Trap, reference, special
from fuzz_seeds import Seed

REFERENCES, SPECIAL = "references", "special files and names"
ORDER = (*KINDS, *CLAIMS, *KINDS, REFERENCES, *KINDS, SPECIAL)
"""The kinds in turn: damage is endless, so that it comes three times as often as what is made by hand."""


def make_corpus(folder: Path, seeds: list[Seed], count: int, *, seed: int, set_up: Trap) -> dict[Path, str]:
    """Write `count` files into a folder; path as a scan names it -> name of the kind. No two have the same bytes."""
    by_name = {s.name: s for s in seeds}
    found: dict[Path, str] = {}
    for number in range(count):
        kind = ORDER[number % len(ORDER)]
        r = Random(f"{seed} {number}")
        stem = f"{number:05d}"
        if kind == SPECIAL:
            path = special(r, folder, stem, by_name)
            # Not resolve(): it raises for a link to itself.
            found[Path(os.path.realpath(path))] = kind
            continue
        if kind == REFERENCES:
            suffix, data = ".mp4", reference(r, by_name, set_up)
        elif kind in CLAIMS:
            suffix, data = CLAIMS[kind](r, by_name)
        else:
            chosen = seeds[r.randrange(len(seeds))]
            suffix, data = chosen.suffix, KINDS[kind](r, chosen.data)
        path = folder / f"{stem}{suffix}"
        path.write_bytes(data + stem.encode())
        found[path] = kind
    return found
