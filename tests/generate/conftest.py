"""What the tests of training share."""

from __future__ import annotations

import gc
import importlib.util

import pytest


@pytest.fixture(scope="module", autouse=True)
def little_to_collect() -> None:
    """What was loaded since is left out of collections of garbage too (see `pytest_collection_finish`)."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def known_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings are told how fast the processor is: to measure it takes longer than a toy's whole training."""
    if all(importlib.util.find_spec(name) for name in ("torch", "accelerate")):
        for module in ("trainer", "estimate"):
            monkeypatch.setattr(f"facevid.generate.training.{module}.peak_flops", lambda *_: 1e11)
