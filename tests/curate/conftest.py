"""Makes the helpers beside these tests importable, and one build of messy footage that they share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def messy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A dataset built from every kind of footage (`messy.Messy`); tests that change it work on a copy."""
    from hostile_backend import register
    from messy import build_messy

    folder = tmp_path_factory.mktemp("messy")
    register(folder / "plugins")
    sys.path.append(str(folder / "plugins"))
    try:
        yield build_messy(folder)
    finally:
        sys.path.remove(str(folder / "plugins"))
