"""The review page in a real Chromium: five clips by keyboard, an undo, a killed server, two annotators at once."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from talking import CLIPS, HAIR, talking_dataset
from test_browser import ARGUMENTS

from facevid.web.review_store import ReviewStore

pytestmark = pytest.mark.slow

TOKEN = "a-token-for-tests"
SERVE = "import sys, facevid; facevid.explore(sys.argv[1], port=int(sys.argv[2]), token=sys.argv[3])"
SAVED = "() => document.querySelector('#saved').dataset.waiting === '0'"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return talking_dataset(tmp_path_factory.mktemp("talking"))


@pytest.fixture
def dataset(published: Path, tmp_path: Path) -> Path:
    """A copy that nobody has reviewed."""
    return Path(
        shutil.copytree(published, tmp_path / "dataset", ignore=shutil.ignore_patterns("review", ".work"))
    )


class Server:
    """`facevid explore` in a process of its own, at one port, to be killed and started again."""

    def __init__(self, dataset: Path) -> None:
        self._dataset = dataset
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def page(self) -> str:
        return f"http://127.0.0.1:{self._port}/review?token={TOKEN}"

    def start(self) -> None:
        arguments = [sys.executable, "-c", SERVE, str(self._dataset), str(self._port), TOKEN]
        self._process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 5):
                return
            time.sleep(0.1)
        raise AssertionError("the server did not start")

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()


@pytest.fixture
def server(dataset: Path) -> Iterator[Server]:
    running = Server(dataset)
    yield running
    running.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium: neither chromium nor chromium-browser is on the path")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def enter(browser: Any, server: Server) -> Iterator[Callable[..., Any]]:
    """Opens the review page as an annotator in a browser of its own; an error of its scripts fails the test."""
    contexts: list[Any] = []
    troubles: list[str] = []

    def opened(annotator: str, task: str = "attributes") -> Any:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto(f"{server.page}&task={task}")
        page.fill("#who input", annotator)
        page.keyboard.press("Enter")
        page.wait_for_selector("#form[data-clip]")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert troubles == []


def clip_on(page: Any) -> str:
    return str(page.get_attribute("#form", "data-clip"))


def press(page: Any, key: str) -> None:
    """Press a key that leads to another clip, and wait for it."""
    before = clip_on(page)
    page.keyboard.press(key)
    page.wait_for_function("before => document.querySelector('#form').dataset.clip !== before", arg=before)


def standing(dataset: Path, task: str = "attributes") -> dict[tuple[str, str], str]:
    held = ReviewStore(dataset).standing(task)
    return {(v.clip_id, v.annotator): v.verdict for verdicts in held.values() for v in verdicts}


def test_five_clips_by_keyboard_an_undo_and_a_killed_server(
    enter: Callable[..., Any], server: Server, dataset: Path
) -> None:
    page = enter("ann")
    said = {}
    for key, verdict in (("a", "accept"), ("r", "reject"), ("s", "skip"), ("a", "accept"), ("a", "accept")):
        said[clip_on(page)] = verdict
        press(page, key)
    fifth = list(said)[-1]
    page.keyboard.press("Control+z")
    page.wait_for_function("clip => document.querySelector('#form').dataset.clip === clip", arg=fifth)
    page.wait_for_function(SAVED)
    del said[fifth]
    assert standing(dataset) == {(clip_id, "ann"): verdict for clip_id, verdict in said.items()}

    server.kill()
    press(page, "r")  # goes on with the clip that was fetched ahead, while nothing can be saved
    said[fifth] = "reject"
    page.wait_for_function(
        "() => document.querySelector('#saved').textContent.includes('the server is away')"
    )
    assert (fifth, "ann") not in standing(dataset)
    server.start()
    page.wait_for_function(SAVED)
    assert standing(dataset) == {(clip_id, "ann"): verdict for clip_id, verdict in said.items()}
    page.reload()
    page.wait_for_selector("#form[data-clip]")
    assert clip_on(page) not in said
    page.wait_for_function("() => document.querySelector('#done').textContent.includes('ann')")


def test_a_verdict_waits_in_the_browser_even_if_its_page_is_closed(
    enter: Callable[..., Any], server: Server, dataset: Path
) -> None:
    page = enter("ann")
    clip_id = clip_on(page)
    server.kill()
    page.keyboard.press("a")
    page.wait_for_function("() => document.querySelector('#saved').dataset.waiting === '1'")
    context = page.context
    page.close()
    server.start()
    again = context.new_page()
    again.goto(server.page)
    again.wait_for_function(SAVED)
    assert standing(dataset) == {(clip_id, "ann"): "accept"}


def test_two_browsers_at_once_lose_no_verdict_and_share_the_clips(
    enter: Callable[..., Any], dataset: Path
) -> None:
    pages = {"ann": enter("ann", "keep"), "bob": enter("bob", "keep")}
    said: dict[tuple[str, str], str] = {}
    for _ in range(3):
        for annotator, page in pages.items():
            said[clip_on(page), annotator] = "accept" if annotator == "ann" else "reject"
        for annotator, page in pages.items():
            page.keyboard.press("a" if annotator == "ann" else "r")
        for annotator, page in pages.items():
            page.wait_for_function(
                "seen => !seen.includes(document.querySelector('#form').dataset.clip)",
                arg=[clip_id for clip_id, who in said if who == annotator],
            )
    for page in pages.values():
        page.wait_for_function(SAVED)
    assert len(said) == 6
    assert standing(dataset, "keep") == said


def test_digits_choose_values_and_arrows_move_between_attributes(
    enter: Callable[..., Any], dataset: Path
) -> None:
    page = enter("ann")
    clip_id = clip_on(page)
    assert "middle eastern" in page.locator(".row-item[data-name=ethnicity] .values").inner_text()
    row = page.locator(".row-item[data-name=hair_colour]")
    while "focused" not in (row.get_attribute("class") or ""):
        page.keyboard.press("ArrowDown")
    assert row.locator(".value").inner_text() == HAIR[0]
    page.keyboard.press("2")
    chosen = row.locator(".value").inner_text()
    assert chosen != HAIR[0] and "changed" in (row.locator(".value").get_attribute("class") or "")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("0")
    unknown = page.locator(".row-item.focused").get_attribute("data-name")
    press(page, "a")
    page.wait_for_function(SAVED)
    (verdict,) = ReviewStore(dataset).standing("attributes")[clip_id]
    assert verdict.said["attributes"]["hair_colour"] == chosen
    assert verdict.said["attributes"][unknown] is None
    assert "hair_colour" in verdict.said["changed"]
    assert [a["name"] for a in verdict.said["actions"]] == ["talk"]
    press(page, "ArrowLeft")
    assert clip_on(page) == clip_id
    assert page.locator(".row-item[data-name=hair_colour] .value").inner_text() == chosen


def test_space_plays_and_comma_and_period_step_a_frame(enter: Callable[..., Any]) -> None:
    page = enter("ann", "keep")
    page.wait_for_function("() => document.querySelector('#video').readyState >= 2")
    page.keyboard.press(".")
    page.wait_for_function("() => document.querySelector('#video').paused")
    page.wait_for_timeout(300)
    before = int(page.get_attribute("#clock", "data-frame"))
    page.keyboard.press(".")
    page.wait_for_function(
        "frame => Number(document.querySelector('#clock').dataset.frame) === frame", arg=before + 1
    )
    page.keyboard.press(",")
    page.wait_for_function(
        "frame => Number(document.querySelector('#clock').dataset.frame) === frame", arg=before
    )
    page.keyboard.press(" ")
    page.wait_for_function("() => !document.querySelector('#video').paused")


def test_a_caption_is_edited_and_its_keys_do_not_judge_the_clip(
    enter: Callable[..., Any], dataset: Path
) -> None:
    page = enter("ann", "captions")
    clip_id = clip_on(page)
    page.keyboard.press("e")
    page.keyboard.press("Control+a")
    page.keyboard.type("A star says a word.")
    page.keyboard.press("Escape")
    assert clip_on(page) == clip_id
    press(page, "a")
    page.wait_for_function(SAVED)
    (verdict,) = ReviewStore(dataset).standing("captions")[clip_id]
    assert verdict.said == {"length": "medium", "text": "A star says a word.", "changed": ["caption"]}


def test_a_third_annotator_settles_a_disagreement(enter: Callable[..., Any], dataset: Path) -> None:
    store = ReviewStore(dataset)
    first = enter("cy")
    clip_id = clip_on(first)
    for annotator, colour in (("ann", "black"), ("bob", "brown")):
        store.record(
            task="attributes", clip_id=clip_id, annotator=annotator, verdict="accept",
            said={"attributes": {"hair_colour": colour}}, client_id=f"browser-of-{annotator}",
        )  # fmt: skip
    first.keyboard.press("d")
    first.wait_for_selector(".row-item.disputed[data-name=hair_colour]")
    assert "ann: black · bob: brown" in first.locator(".row-item.disputed").inner_text()
    first.keyboard.press("a")  # not before one is chosen
    first.wait_for_selector(".toast.error")
    first.keyboard.press("1")
    first.keyboard.press("a")
    first.wait_for_selector("text=No disagreements")
    ruling = store.standing("attributes")[clip_id][-1]
    assert (ruling.annotator, ruling.role) == ("cy", "adjudicate")
    assert ruling.said["attributes"]["hair_colour"] in HAIR


def test_after_the_last_clip_the_page_says_so(enter: Callable[..., Any], dataset: Path) -> None:
    page = enter("ann", "keep")
    for k in range(CLIPS):
        if k < CLIPS - 1:
            press(page, "a")
        else:
            page.keyboard.press("a")
    page.wait_for_selector("text=Nothing left for you")
    page.wait_for_function(SAVED)
    assert len(standing(dataset, "keep")) == CLIPS
