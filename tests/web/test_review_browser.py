"""The review page in a real Chromium: five clips by keyboard, an undo, a killed server, two annotators at once."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from talking import CLIPS, FPS, HAIR, served, unreviewed

import facevid
from facevid.dataset.annotating import update_annotations
from facevid.dataset.statements import Statement
from facevid.web.review_apply import apply
from facevid.web.review_store import ReviewStore

TOKEN = "a-token-for-tests"
SERVE = "import sys, facevid; facevid.explore(sys.argv[1], port=int(sys.argv[2]), token=sys.argv[3])"
SAVED = "() => document.querySelector('#saved').dataset.waiting === '0'"


@pytest.fixture
def dataset(talking: Path, tmp_path: Path) -> Path:
    """A copy that nobody has reviewed."""
    return unreviewed(talking, tmp_path / "dataset")


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


@pytest.fixture
def review(dataset: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of the review page: of `server`, where a test asks for it, else of one in this process."""
    if "server" in request.fixturenames:
        yield request.getfixturevalue("server").page
    else:
        with served(dataset, TOKEN) as address:
            yield f"{address}/review?token={TOKEN}"


@pytest.fixture
def enter(chromium: Any, review: str) -> Iterator[Callable[..., Any]]:
    """Opens the review page as an annotator in a browser of its own; an error of its scripts fails the test."""
    contexts: list[Any] = []
    troubles: list[str] = []

    def opened(annotator: str, task: str = "attributes") -> Any:
        context = chromium.new_context(viewport={"width": 1440, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto(f"{review}&task={task}")
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


def to_frame(page: Any, frame: int) -> None:
    """Stop, and step to a frame."""
    page.wait_for_function("() => document.querySelector('#video').readyState >= 2")
    page.keyboard.press(",")
    # A picture still on its way when the video stops would be counted from otherwise.
    page.wait_for_function(
        """fps => {
            const video = document.querySelector('#video');
            const shown = Number(document.querySelector('#clock').dataset.frame);
            return video.paused && !video.seeking && shown === Math.floor(video.currentTime * fps);
        }""",
        arg=FPS,
    )
    steps = frame - int(page.get_attribute("#clock", "data-frame"))
    for _ in range(abs(steps)):
        page.keyboard.press("." if steps > 0 else ",")
    page.wait_for_function(
        "frame => Number(document.querySelector('#clock').dataset.frame) === frame", arg=frame
    )


def test_an_action_is_added_moved_and_removed_at_the_playhead(
    enter: Callable[..., Any], dataset: Path
) -> None:
    page = enter("ann")
    clip_id = clip_on(page)
    to_frame(page, 10)
    page.keyboard.press("i")
    page.keyboard.type("shake")
    page.keyboard.press("Enter")
    row = page.locator(".row-item.action.focused")
    assert row.locator(".value").inner_text() == "0.40–1.40 s"
    assert row.get_attribute("data-action") == "shake head"
    to_frame(page, 24)
    page.keyboard.press("]")
    to_frame(page, 15)
    page.keyboard.press("[")
    assert row.locator(".value").inner_text() == "0.60–1.00 s"
    page.keyboard.press("i")  # and one too many
    page.keyboard.press("Escape")
    page.keyboard.press("a")  # not before it has a name
    page.wait_for_selector(".toast.error")
    page.keyboard.press("0")
    page.keyboard.press("ArrowUp")
    assert page.locator(".row-item.action.focused").get_attribute("data-action") == "talk"
    page.keyboard.press("0")
    press(page, "a")
    page.wait_for_function(SAVED)
    (verdict,) = ReviewStore(dataset).standing("attributes")[clip_id]
    assert verdict.said["actions"] == [{"name": "shake head", "start_s": 0.6, "end_s": 1.0}]
    assert verdict.said["changed"] == ["actions"]
    press(page, "ArrowLeft")
    assert page.locator(".row-item.action").count() == 1  # what was said stands there again


def test_accepting_confirms_no_number_that_nobody_judges_by_eye(
    enter: Callable[..., Any], dataset: Path
) -> None:
    measures = {"ita": "31.5", "blinks_per_minute": "12", "skin_tone": "5", "hair_length": "short"}
    clip_ids = [clip.clip_id for clip in facevid.open(dataset)]
    update_annotations(
        dataset,
        add=[
            Statement(c, "attribute", n, v, "measured:x", 0.9) for c in clip_ids for n, v in measures.items()
        ],
    )
    page = enter("ann")
    first = clip_on(page)
    assert page.locator(".row-item[data-name=ita]").count() == 0
    assert "only if chosen" in page.locator(".row-item[data-name=skin_tone]").inner_text()
    press(page, "a")
    second = clip_on(page)
    page.locator(".row-item[data-name=skin_tone]").click()
    page.keyboard.press("5")
    press(page, "a")
    page.wait_for_function(SAVED)
    said = {c: ReviewStore(dataset).standing("attributes")[c][0].said for c in (first, second)}
    assert said[first]["attributes"]["hair_length"] == "short"
    assert not {"ita", "blinks_per_minute", "skin_tone"} & set(said[first]["attributes"])
    assert said[second]["attributes"]["skin_tone"] == "5" and "changed" not in said[second]


def test_a_dataset_without_annotations_says_how_to_get_them(
    enter: Callable[..., Any], review: str, dataset: Path
) -> None:
    update_annotations(dataset, add=[], drop=lambda table: pa.array([True] * len(table)))
    page = enter("ann", "captions")
    assert f"facevid annotate {dataset}" in page.locator("#form .hint").inner_text()
    page.goto(review.replace("/review", "/"))
    page.wait_for_selector("#hint:not([hidden])")
    assert f"facevid annotate {dataset}" in page.locator("#hint").inner_text()
    page.fill("#search", "hair")
    page.wait_for_selector("text=No captions yet")
    told = page.locator("#message").inner_text()
    assert told.index("No captions yet") < told.index(f"facevid annotate {dataset}") < told.index("Clear all")


def test_a_rejected_caption_and_what_cannot_be_told_are_said_on_the_page_of_the_clip(
    enter: Callable[..., Any], review: str, dataset: Path
) -> None:
    page = enter("ann", "captions")
    clip_id = clip_on(page)
    press(page, "r")
    page.wait_for_function(SAVED)
    ReviewStore(dataset).record(
        task="attributes", clip_id=clip_id, annotator="ann", verdict="accept",
        said={"attributes": {"hair_colour": None}}, client_id="browser-of-ann",
    )  # fmt: skip
    apply(dataset)
    press(page, "ArrowLeft")  # a better one may still be written
    assert page.locator(".lengths").inner_text().split() == ["1", "medium"]
    page.goto(review.replace("/review", f"/clip/{clip_id}"))
    page.wait_for_selector("#captions .hidden-by-review")
    assert "The medium caption was rejected." in page.locator("#captions").inner_text()
    row = page.locator("#attributes tr.shown-row", has_text="hair colour")
    assert row.inner_text().split("\t")[1] == "cannot be told"
    assert row.locator(".shown").count() == 0  # it is not a value


def test_space_plays_and_comma_and_period_step_a_frame(enter: Callable[..., Any]) -> None:
    page = enter("ann", "keep")
    to_frame(page, 20)
    page.keyboard.press(".")
    page.wait_for_function("() => document.querySelector('#clock').dataset.frame === '21'")
    page.keyboard.press(",")
    page.wait_for_function("() => document.querySelector('#clock').dataset.frame === '20'")
    page.keyboard.press(" ")
    page.wait_for_function("() => !document.querySelector('#video').paused")


def test_a_caption_is_edited_and_its_keys_do_not_judge_the_clip(
    enter: Callable[..., Any], dataset: Path
) -> None:
    page = enter("ann", "captions")
    clip_id = clip_on(page)
    assert page.locator("#form").inner_text().strip().endswith("a accepts what stands here; r hides it.")
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
