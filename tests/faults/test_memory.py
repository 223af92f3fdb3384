"""A source whose picture makes a worker eat all memory is set aside, here and on Ray, and nothing else is touched."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from building import Place, check

LIMIT_GB = 1.5


def with_eater(place: Place, small: Any) -> Place:
    """The small footage and a film that eats memory, with a limit for the workers of analyze."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "curate"))
    from faulty_backend import EATS
    from hostile import film, plain

    footage = Path(shutil.copytree(small.footage, place.folder / "footage"))
    film(footage / "eats.mp4", plain(EATS))
    text = place.recipe.read_text()
    place.recipe.write_text(f"{text}resources: {{analyze: {{memory_gb: {LIMIT_GB}}}}}\n")
    return replace(place, footage=footage)


def build_with_eater(place: Place, small: Any) -> None:
    ended = place.build()
    assert ended.code == 1, ended
    [eats] = [f for f in ended.document["failures"] if f["item"] == "eats.mp4"]
    assert (eats["step"], eats["kind"]) == ("analyze", "memory")
    assert f"needed more than its {LIMIT_GB:g} GB of memory and was ended, tried 2 times" in eats["message"]
    check(place, small.dataset, also_failed={"scan": 1, "analyze": 1})


def test_a_source_that_eats_memory_is_set_aside(place: Place, small: Any) -> None:
    build_with_eater(with_eater(place, small), small)
