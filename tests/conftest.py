"""What every room's tests may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_footage() -> Path:
    """The folder of real footage material (make_footage.py, clips/, speech/); without it a test is skipped.

    Looked for in the folder named by FACEVID_SHARED, then in `shared` beside the checkout.
    """
    given = os.environ.get("FACEVID_SHARED")
    shared = Path(given) if given else ROOT.parent / "shared"
    footage = shared / "footage"
    if not (footage / "make_footage.py").is_file():
        pytest.skip(f"no real footage in {shared}; name its folder in FACEVID_SHARED to run this test")
    return footage
