"""What the tests of the web room share: its helpers, one dataset of each kind, and one Chromium."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

sys.path.insert(0, str(Path(__file__).parent))

CHROMIUM = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The annotated dataset of `exploring`, which no test changes."""
    from exploring import annotate, publish

    base = tmp_path_factory.mktemp("small")
    publish(base / "dataset", base / "clips")
    annotate(base / "dataset")
    return base / "dataset"


@pytest.fixture(scope="module")
def client(folder: Path) -> TestClient:
    """A client, with the token, of a server over `folder`."""
    from exploring import browser

    return browser(folder)


@pytest.fixture(scope="session")
def talking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset of `talking`, which no test changes; a server over it may make its empty review."""
    from talking import talking_dataset

    return talking_dataset(tmp_path_factory.mktemp("talking"))


@pytest.fixture(scope="module")
def published(talking: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of `talking` for the tests of one file, which nobody has reviewed."""
    from talking import unreviewed

    return unreviewed(talking, tmp_path_factory.mktemp("published") / "dataset")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A running Chromium, in which every test opens pages of its own; without one the test is skipped."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("no Chromium: neither chromium nor chromium-browser is on the path")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=found, args=CHROMIUM)
        yield started
        started.close()
