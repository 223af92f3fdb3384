"""What the tests of the web room share: its helpers, and one dataset of each kind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from starlette.testclient import TestClient

sys.path.insert(0, str(Path(__file__).parent))


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
