"""The pages in a real Chromium: the policy lets through what the page needs, videos play together, tables sort."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from page_results import distance, metric, result

from facevid.bench.page import compare, write_comparison, write_leaderboard, write_page
from facevid.bench.result import Shown
from facevid.media import VideoWriter


@pytest.fixture
def page(untroubled: Callable[[int, int], Any]) -> Any:
    """A page as wide as a telephone; errors of scripts and refused resources fail the test."""
    return untroubled(400, 800)


def fits(page: Any) -> bool:
    """Whether the page itself does not scroll sideways and its style was let through."""
    styled = page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") == "1240px"
    return styled and bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def test_videos_of_a_metric_play_together(page: Any, tmp_path: Path) -> None:
    for name in ("made.mp4", "real.mp4"):
        with VideoWriter(tmp_path / name, width=32, height=32, fps=8) as video:
            for k in range(16):
                video.write(np.full((32, 32, 3), 8 * k, np.uint8))
    shown = [Shown("sharpness", "best", "made.mp4", 0.5, "made.mp4", "real.mp4", "a prompt")]
    found = result(shown=shown, distances=[distance()], metrics=[metric("sharpness", 0.5, 0.4)])
    kinds = {"kind": ["made", "real"], "sharpness": [0.5, 0.4]}
    page.goto(write_page(found, tmp_path, pa.table(kinds)).as_uri())
    assert fits(page)
    playing = "[...document.querySelectorAll('video')].map((v) => !v.paused && v.currentTime > 0)"
    page.get_by_role("button", name="Play together").click()
    page.wait_for_function(f"{playing}.join() === 'true,true'")
    page.get_by_role("button", name="Pause").click()
    assert page.evaluate(playing) == [False, False]
    # The name follows the videos' own events, which come a moment after the click.
    page.get_by_role("button", name="Play together").wait_for()


def test_a_leaderboard_sorts_by_a_click_with_missing_values_last(page: Any, tmp_path: Path) -> None:
    folders = []
    for name, value, seen in (("a", 3.0, 0.5), ("b", 12.0, 0.9), ("c", None, 0.7)):
        folder = tmp_path / name
        folder.mkdir()
        held = result(
            name,
            distances=[] if value is None else [distance(value=value)],
            metrics=[metric("face_found", seen)],
        )
        (folder / "bench.json").write_text(json.dumps(held.to_dict()), encoding="utf-8")
        folders.append(folder)
    page.goto(write_leaderboard(folders, tmp_path / "board.html").as_uri())
    assert fits(page)

    def order() -> str:
        return "".join(page.locator("tbody th").evaluate_all("all => all.map((one) => one.dataset.v)"))

    assert order() == "abc"
    page.get_by_role("button", name="face found").click()
    assert order() == "bca"
    page.get_by_role("button", name="appearance, frechet").click()
    assert order() == "abc"
    page.get_by_role("button", name="appearance, frechet").click()
    assert order() == "bac"
    page.get_by_role("button", name="result").click()
    assert order() == "abc"


def test_a_comparison_stands_in_the_width_of_a_telephone(page: Any, tmp_path: Path) -> None:
    held = [result(name, distances=[distance()], metrics=[metric("motion", 0.5, 0.4)]) for name in "ab"]
    page.goto(write_comparison(compare(held), held, tmp_path / "compare.html").as_uri())
    assert fits(page)
