"""Makes the helpers beside these tests importable, and one build of messy footage that they share."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
# A store of S3 on this machine, with its fixtures.
sys.path.append(str(Path(__file__).parents[1] / "storage"))


@pytest.fixture(scope="session")
def messy(built_once: Callable[[str, Callable[[Path], object]], Path]) -> Iterator[Any]:
    """A dataset built from every kind of footage (`messy.Messy`); tests that change it work on a copy."""
    from hostile_backend import register
    from messy import build_messy

    def make(folder: Path) -> None:
        register(folder / "plugins")
        sys.path.append(str(folder / "plugins"))
        try:
            (folder / "messy.pickle").write_bytes(pickle.dumps(build_messy(folder)))
        finally:
            sys.path.remove(str(folder / "plugins"))

    folder = built_once("messy-footage", make)
    sys.path.append(str(folder / "plugins"))
    try:
        yield pickle.loads((folder / "messy.pickle").read_bytes())
    finally:
        sys.path.remove(str(folder / "plugins"))
