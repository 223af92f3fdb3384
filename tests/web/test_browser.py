"""The pages in a real Chromium: the grid, its filters, and a clip whose overlay keeps step with the picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import numpy as np
import pytest
from talking import CLIPS, FPS, FRAMES, HAIR, bar_at, served

import facevid

TOKEN = "a-token-for-tests"

# Where the bar of the picture on the screen begins: the video itself is drawn and looked at.
BAR_SEEN = """() => {
  const video = document.querySelector("#video");
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0);
  const line = context.getImageData(0, 20, canvas.width, 1).data;
  const bright = [...Array(canvas.width).keys()].filter((x) => line[4 * x + 1] > 190);
  return { bar: bright[0], wide: bright.length, frame: facevid.frame(), drawn: facevid.drawn };
}"""


@pytest.fixture(scope="module")
def address(talking: Path) -> Iterator[str]:
    """A live server over the dataset."""
    with served(talking, TOKEN) as address:
        yield address


@pytest.fixture
def page(untroubled: Callable[[int, int], Any]) -> Any:
    """A page of its own; errors of its scripts and refused resources fail the test."""
    return untroubled(1280, 800)


@pytest.fixture
def grid(page: Any, address: str) -> Any:
    """The explore page, let in by its token."""
    page.goto(f"{address}/?token={TOKEN}")
    page.wait_for_selector(".tile a")
    return page


def tiles(page: Any) -> int:
    return int(page.locator(".tile a").count())


def wait_for_count(page: Any, text: str) -> None:
    page.wait_for_function("text => document.querySelector('#count').textContent === text", arg=text)


def open_clip(page: Any, address: str, clip_id: str) -> None:
    page.goto(f"{address}/clip/{clip_id}?token={TOKEN}")
    page.wait_for_selector(".timeline .lanes")
    page.wait_for_function(
        "() => document.querySelector('#video').readyState >= 2 && facevid.drawn.points.length"
    )


def test_the_grid_shows_every_clip_and_the_token_leaves_the_address(grid: Any) -> None:
    wait_for_count(grid, f"{CLIPS} clips")
    assert tiles(grid) == CLIPS
    assert "token" not in grid.url
    grid.wait_for_function(
        "() => [...document.querySelectorAll('.tile img')].every(image => image.naturalWidth > 0)"
    )


def test_270043_clips_scroll_to_the_last_one_with_few_tiles(page: Any, address: str) -> None:
    asked: list[int] = []

    def many(route: Any, request: Any) -> None:
        """The server's own clips over and over, as if there were 270,043."""
        query = {k: int(v[0]) for k, v in parse_qs(urlparse(request.url).query).items()}
        asked.append(query["offset"])
        real = route.fetch(url=f"{address}/api/clips").json()["rows"]
        numbers = range(query["offset"], min(query["offset"] + query["limit"], 270_043))
        rows = [{**real[k % len(real)], "caption": f"clip {k + 1}"} for k in numbers]
        route.fulfill(json={"total": 270_043, "rows": rows})

    page.route(lambda url: "/api/clips?" in url, many)
    page.goto(f"{address}/?token={TOKEN}")
    page.wait_for_selector("text=270,043 clips")
    page.evaluate(
        "() => { const grid = document.querySelector('#grid'); grid.scrollTop = grid.scrollHeight; }"
    )
    page.wait_for_selector(".tile .line:text-is('clip 270043')")
    assert page.locator(".tile").count() < 80
    last = page.locator(".tile", has_text="clip 270043").bounding_box()
    assert last["y"] + last["height"] <= 801
    page.evaluate("() => { const g = document.querySelector('#grid'); g.scrollTop = g.scrollHeight * 0.5; }")
    page.wait_for_selector(".tile .line:text-matches('clip 13[45]')")
    assert len(asked) < 10


def test_a_value_clicked_filters_and_going_back_undoes_it(grid: Any) -> None:
    black = HAIR.count("black")
    facet = grid.locator('details[data-field="a.hair_colour"]')
    assert facet.locator('[data-value="black"] .count').inner_text() == str(black)
    facet.locator('[data-value="black"]').click()
    wait_for_count(grid, f"{black} clips")
    assert grid.url.endswith("?a.hair_colour=black")
    facet.locator('[data-value="red"]').click()
    wait_for_count(grid, f"{black + 1} clips")
    assert grid.locator(".chip").all_inner_texts() == ["hair colour: black or red\n×"]
    grid.go_back()
    wait_for_count(grid, f"{black} clips")
    grid.go_back()
    wait_for_count(grid, f"{CLIPS} clips")


def test_captions_are_searched(grid: Any) -> None:
    grid.keyboard.press("/")
    grid.keyboard.type("grey hair")
    wait_for_count(grid, "1 clip")
    grid.fill("#search", "zebra")
    grid.wait_for_selector("text=Nothing fits")
    grid.click("text=Clear all >> nth=-1")
    wait_for_count(grid, f"{CLIPS} clips")


def test_a_range_dragged_over_a_histogram_becomes_the_filter(grid: Any, talking: Path) -> None:
    chart = grid.locator('details[data-field="s.sharpness"] svg')
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    grid.mouse.move(box["x"] + 2, box["y"] + 20)
    grid.mouse.down()
    grid.mouse.move(box["x"] + box["width"] * 0.45, box["y"] + 20, steps=4)
    grid.mouse.up()
    grid.wait_for_function("() => location.search.includes('s.sharpness=')")
    low, high = grid.evaluate("new URLSearchParams(location.search).get('s.sharpness')").split("..")
    query = f"select count(*) from clips where sharpness between {low} and {high}"
    (inside,) = facevid.open(talking).sql(query).fetchall()[0]
    assert 0 < inside < CLIPS
    wait_for_count(grid, f"{inside} clips")


def test_a_clip_plays_under_the_pointer_and_stops_when_it_leaves(grid: Any) -> None:
    grid.locator(".tile a").nth(1).hover()
    grid.wait_for_function("() => document.querySelector('.tile video.preview.on')?.currentTime > 0.1")
    assert grid.evaluate("document.querySelector('.tile video.preview').muted")
    grid.locator("#search").hover()
    grid.wait_for_function("() => !document.querySelector('video.preview')")


def test_rejected_stretches_have_their_threshold_and_a_what_if(grid: Any) -> None:
    grid.click("#rejected")
    wait_for_count(grid, "1 stretch")
    assert grid.locator(".stretch").inner_text().split("\n")[0] == "sharpness"
    grid.wait_for_selector("#whatif line.threshold", state="attached")
    grid.wait_for_selector(f"text={CLIPS - 1} of {CLIPS} clips would stay")
    slider = grid.locator("#whatif input[type=range]")
    slider.fill(slider.get_attribute("min"))
    grid.wait_for_selector("text=1 of 1 stretches that this rule rejected would pass")


def test_a_click_opens_the_clip_and_arrows_stay_within_the_filter(grid: Any) -> None:
    grid.locator('details[data-field="a.hair_colour"] [data-value="brown"]').click()
    wait_for_count(grid, "2 clips")
    first, second = (grid.locator(".tile a").nth(k).get_attribute("data-clip") for k in range(2))
    grid.locator(".tile a").first.click()
    grid.wait_for_selector(".timeline .lanes")
    assert grid.locator("#title").inner_text() == first
    assert grid.locator("#captions p").first.inner_text() == "A person with brown hair talks."
    row = grid.locator("#attributes tr", has_text="hair colour").inner_text()
    assert row.split() == ["hair", "colour", "brown", "0.80", "measured:hair"]
    grid.keyboard.press("ArrowRight")
    grid.wait_for_function("id => document.querySelector('#title').textContent === id", arg=second)
    grid.wait_for_selector("#previous:not([hidden])")
    assert grid.locator("#next").is_hidden()


def test_arrows_move_in_the_grid_and_enter_opens(grid: Any) -> None:
    wanted = grid.locator(".tile a").nth(2).get_attribute("data-clip")
    for key in ("ArrowDown", "ArrowRight", "ArrowRight"):
        grid.keyboard.press(key)
    assert grid.evaluate("document.activeElement.dataset.clip") == wanted
    grid.keyboard.press("Enter")
    grid.wait_for_function("id => document.querySelector('#title')?.textContent === id", arg=wanted)


def test_steps_move_the_overlay_with_the_picture(page: Any, address: str, talking: Path) -> None:
    clip = facevid.open(talking)[0]
    open_clip(page, address, clip.clip_id)
    seen: list[float] = []
    for key, frame in [
        (".", 1),
        (".", 2),
        (".", 3),
        (",", 2),
        ("End", FRAMES - 1),
        (",", FRAMES - 2),
        ("Home", 0),
    ]:
        page.keyboard.press(key)
        page.wait_for_function("frame => facevid.frame() === frame", arg=frame)
        shown = page.evaluate(BAR_SEEN)
        assert shown["drawn"]["frame"] == frame
        assert abs(shown["bar"] - bar_at(frame)) <= 1 and 6 <= shown["wide"] <= 10
        points = np.array(shown["drawn"]["points"])
        np.testing.assert_array_equal(points, clip.mesh[frame, :3, :2].astype(float))
        seen.append(points[0, 0])
    assert len(set(seen)) == 6


def test_playing_keeps_the_overlay_in_step(page: Any, address: str, talking: Path) -> None:
    clip = facevid.open(talking)[3]
    open_clip(page, address, clip.clip_id)
    # Every callback for a picture on the screen: which frame it was, and what the overlay had drawn by then.
    page.evaluate(
        """() => { window.pairs = []; const video = document.querySelector("#video");
        const look = (_, { mediaTime }) => {
          pairs.push([mediaTime, facevid.drawn]);
          video.requestVideoFrameCallback(look);
        };
        video.requestVideoFrameCallback(look); }"""
    )
    page.keyboard.press(" ")
    page.wait_for_function("() => document.querySelector('#video').ended")
    pairs = page.evaluate("pairs")
    assert len(pairs) > 10
    for media_time, drawn in pairs:
        frame = round(media_time * FPS)
        assert drawn["frame"] == frame
        np.testing.assert_array_equal(drawn["points"], clip.mesh[frame, :3, :2].astype(float))


def test_the_mesh_goes_and_comes_with_m_and_help_with_a_question_mark(
    page: Any, address: str, talking: Path
) -> None:
    open_clip(page, address, facevid.open(talking)[1].clip_id)
    page.keyboard.press("m")
    assert page.evaluate("facevid.drawn.points") == []
    page.keyboard.press("m")
    assert len(page.evaluate("facevid.drawn.points")) == 3
    page.keyboard.press("?")
    assert page.locator("dialog[open] h2").inner_text() == "Keys"
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0


def test_a_click_on_the_timeline_seeks(page: Any, address: str, talking: Path) -> None:
    open_clip(page, address, facevid.open(talking)[2].clip_id)
    box = page.locator(".scrub").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + 20)
    page.wait_for_function("frame => facevid.drawn.frame === frame", arg=FRAMES // 2)
    act = page.locator(".act").get_attribute("aria-label")
    assert act == "talk 0.20 to 1.60 s, confidence 0.90, measured:mouth"


def test_a_clip_that_is_not_there_is_said_in_a_sentence(chromium: Any, address: str) -> None:
    page = chromium.new_context().new_page()
    page.goto(f"{address}/?token={TOKEN}")
    page.goto(f"{address}/clip/nothing")
    page.wait_for_selector("text=The dataset has no clip 'nothing'")
    page.context.close()


def test_a_video_that_is_gone_is_said_in_the_words_of_the_server(
    chromium: Any, address: str, talking: Path
) -> None:
    page = chromium.new_context().new_page()
    page.route(
        "**/media/*.mp4", lambda route: route.fulfill(status=410, json={"error": "The shard is gone."})
    )
    page.goto(f"{address}/clip/{facevid.open(talking)[0].clip_id}?token={TOKEN}")
    page.wait_for_selector("#trouble:text-is('The shard is gone.')")
    page.context.close()


def test_without_the_token_nothing_is_shown(chromium: Any, address: str) -> None:
    page = chromium.new_context().new_page()
    answer = page.goto(address)
    assert answer.status == 401 and "token is missing" in page.inner_text("body")
    page.context.close()
