"""The page of a study: whole HTML, every picture with its runs, sentences said, and a browser finds nothing amiss."""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from study_runs import QUICK, found_in, made_up

from facevid.bench.errors import BenchError
from facevid.bench.scaling import Runs
from facevid.bench.study import PageFacts, find, write_scaling_page
from facevid.bench.study.axes import apart, even_ticks, log_ticks

VOID = {"meta", "br"}


class Checked(HTMLParser):
    """Which elements there are; every one that is opened is closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.counts: dict[str, int] = {}
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        assert "style" not in dict(attrs), "the policy forbids style attributes"
        self.counts[tag] = self.counts.get(tag, 0) + 1
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    facts = PageFacts(
        about=[("Grid", "12 <runs>")],
        rows=[
            {
                "run": f"xs-{p}-s0", "size_name": "xs", "size": 1.3e6, "data": 30 * p, "unit": "clips", "people": 3 * p,
                "seed": 0, "status": "finished", "sentence": None, "metric": "held-out loss", "best": 0.8, "last": 0.9,
                "best_step": 20, "step": 30, "steps": 30, "samples_seen": 960, "epochs": 2.5, "wall_s": 71.0,
                "curve_steps": [10, 20, 30], "curve": [1.0, 0.8, 0.9],
            }
            for p in (1, 2)
        ] + [
            {
                "run": "xs-4-s0", "size_name": "xs", "size": 1.3e6, "data": 120, "unit": "clips", "status": "failed",
                "sentence": "The loss is no <number>.", "best": None, "last": None, "curve": [], "curve_steps": [],
                "metric": "held-out loss", "seed": 0,
            }
        ],
        loss="best",
        names={1.3e6: "xs"},
        notes=["xs-4-s0 failed: The loss is no <number>."],
        command="facevid scale s.yaml -o 'a b'",
        files=("study.json",),
    )  # fmt: skip
    few = find(
        Runs(*(made_up().where(made_up().size < 3e5).__dict__[n] for n in ("size", "data", "loss"))), QUICK
    )
    return {
        "study": write_scaling_page(found_in("made up"), folder / "a.html", title="Study", facts=facts),
        "paper": write_scaling_page(found_in("paper"), folder / "b.html", title="Scaling of CogVideoX"),
        "few": write_scaling_page(few, folder / "d.html", title="One size"),
        "none": write_scaling_page(None, folder / "c.html", title="Nothing", why="no run is <finished>"),
    }


def test_the_pages_are_whole_and_what_was_given_is_escaped(pages: dict[str, Path]) -> None:
    for page in pages.values():
        Checked(page.read_text())
    text = pages["study"].read_text()
    assert "12 &lt;runs&gt;" in text and "no &lt;number&gt;" in text and "<number>" not in text
    assert "no run is &lt;finished&gt;" in pages["none"].read_text()


def test_a_mark_for_every_run_in_the_curves_and_in_the_residuals(pages: dict[str, Path]) -> None:
    text = pages["study"].read_text()
    counts = Checked(text).counts
    # curves, residuals, predictions of the largest run, and the one training picture
    assert counts["svg"] == 4
    assert text.count("clips: 0.") + text.count("clips: 1.") == 2 * 16
    assert text.count('fill-opacity="0.13"') == 4 and text.count('stroke-dasharray="5 4"') == 4
    assert "xs (1.3M)" in text and "3M" in text
    assert text.count("held-out loss over training") == 1 and "1 clips" not in text


def test_the_papers_page_says_what_fails_and_where_the_sizes_cross(pages: dict[str, Path]) -> None:
    text = pages["paper"].read_text()
    assert "beta[2B] 0.1685" in text and "beta[5B] 0.3602" in text
    assert "driven to 0 at 5B" in text and "5B overtakes 2B at about 273 hours" in text
    assert "two sizes (2B and 5B) cannot give an exponent of size" in text
    assert "FVD" in text and "hours to learn from" in text


def test_the_same_findings_give_the_same_bytes(tmp_path: Path) -> None:
    found = found_in("paper")
    one, other = (write_scaling_page(found, tmp_path / f"{k}.html", title="Scaling") for k in range(2))
    assert one.read_bytes() == other.read_bytes()
    with pytest.raises(BenchError, match=r"give a name that ends in \.html"):
        write_scaling_page(None, tmp_path / "x.txt", title="x")


def test_ticks_are_round_and_labels_keep_apart() -> None:
    assert log_ticks(90, 2100, 6) == [100, 200, 500, 1000, 2000]
    assert log_ticks(0.78, 0.97, 6) == pytest.approx([0.8, 0.85, 0.9, 0.95])
    assert even_ticks(-1.1, 1.1, 6) == pytest.approx([-1.0, -0.5, 0.0, 0.5, 1.0])
    placed = apart([100, 101, 50])
    assert placed[2] == 50 and placed[1] - placed[0] == pytest.approx(13)
    assert max(apart([400.0, 399.0])) <= 356


@pytest.mark.parametrize("width", [400, 1300])
def test_a_browser_shows_the_page_without_complaint_in_any_width(
    chromium: Any, pages: dict[str, Path], width: int
) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 900})
    opened = context.new_page()
    troubles: list[str] = []
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    for page in pages.values():
        opened.goto(page.as_uri())
        assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert opened.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") == "1240px"
        outside = """[...document.querySelectorAll('svg')].flatMap((svg) => {
            const box = svg.getBoundingClientRect();
            return [...svg.querySelectorAll('circle, polygon, text')].filter((one) => {
                const b = one.getBoundingClientRect();
                return b.left < box.left - 1 || b.right > box.right + 1
                    || b.top < box.top - 1 || b.bottom > box.bottom + 1;
            }).map((one) => one.outerHTML);
        })"""
        assert opened.evaluate(outside) == []
    context.close()
    assert troubles == []
