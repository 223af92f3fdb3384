"""What every room's tests may ask for."""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
ROOT = Path(__file__).resolve().parent.parent
if "PYTEST_XDIST_WORKER" in os.environ:
    # One process a core: with a thread a core in each, they would wait for each other, and spin while they do.
    for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(_name, "1")


def pytest_collection_finish() -> None:
    """Leaves all modules out of collections of garbage: a training ends with one, which took longer than a toy's."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Gives them back, as libraries count at the end what is left of them."""
    gc.unfreeze()


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


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Gives the folder of a name, filled by the first process of this run that asks for it; no test changes it."""
    base = tmp_path_factory.getbasetemp()
    place = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "built"

    def built(name: str, make: Callable[[Path], object]) -> Path:
        folder, done = place / name, place / f"{name}.done"
        place.mkdir(exist_ok=True)
        with (place / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of a process whose build failed
                folder.mkdir()
                make(folder)
                done.touch()
        return folder

    return built


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


@pytest.fixture
def untroubled(chromium: Any) -> Iterator[Callable[[int, int], Any]]:
    """Opens a page of a width and height; errors of scripts and refused resources fail the test."""
    troubles: list[str] = []
    contexts = []

    def opened(width: int, height: int) -> Any:
        contexts.append(chromium.new_context(viewport={"width": width, "height": height}))
        page = contexts[-1].new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert troubles == []
