"""The page of a benchmark: whole, escaped, without anything from outside, and saying what its figures say."""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from page_results import Page, distance, full, metric, parsed, result, rows

from facevid.bench.errors import BenchError
from facevid.bench.measures.metric import METRICS
from facevid.bench.page import write_page
from facevid.bench.page.document import save
from facevid.bench.page.judge import beside_floor, beside_real, measured, off_interval
from facevid.bench.page.plots import Span, back_to_back, spans
from facevid.bench.page.words import chance, in_order, number, shape_text, spread
from facevid.bench.result import Figure, GroupResult, GroupValue, Result, Shown

INJECTED = '<script>alert("x")</script>&<b>'


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """The full example, with its files beside it."""
    folder = tmp_path_factory.mktemp("run")
    found, table = full(folder)
    for one in found.shown:
        for path in (one.made, one.real):
            if path is not None:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(b"")
    for name in ("bench.json", "videos.parquet"):
        (folder / name).write_bytes(b"")
    return write_page(found, folder, table), found


def written_text(found: Result, folder: Path, table: pa.Table | None = None) -> str:
    return write_page(found, folder, pa.table({}) if table is None else table).read_text(encoding="utf-8")


def test_the_page_is_well_formed_and_every_link_is_a_file_below_its_folder(
    written: tuple[Path, Result],
) -> None:
    path, found = written
    page = parsed(path)
    assert path.name == "index.html"
    assert len(page.links) == 2 + sum(1 + (one.real is not None) for one in found.shown)
    for link in page.links:
        assert link.startswith("./")
        assert (path.parent / unquote(link)).is_file()


def test_nothing_comes_from_outside_and_the_policy_names_the_one_style_and_script(
    written: tuple[Path, Result],
) -> None:
    text = written[0].read_text(encoding="utf-8")
    assert not re.search(r"(https?:)?//[\w.]+\.\w", re.sub(r"<script>.*?</script>", "", text, flags=re.S))
    assert "default-src 'none'" in text and "media-src 'self'" in text and "unsafe" not in text
    for tag in ("style", "script"):
        inside = re.findall(rf"<{tag}>(.*?)</{tag}>", text, flags=re.S)
        assert len(inside) == 1
        digest = base64.b64encode(hashlib.sha256(inside[0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in text
    assert not re.search(r'<[^>]+\s(style|onclick|onload)="', text)


def test_all_that_was_found_is_shown(written: tuple[Path, Result]) -> None:
    path, found = written
    page = parsed(path)
    for one in found.distances:
        assert one.title in page.text
        shown = measured(one)
        text = str(one.why) if shown is None else spread(shown.value, shown.interval)[1]
        assert text in page.text
    for one in found.metrics:
        assert one.made.mean is not None
        assert all(part in page.text for part in spread(one.made.mean, one.made.interval))
    assert all(one.about in page.text for one in METRICS)
    assert all(note in page.text for note in found.notes)
    assert "no face in any frame." in page.text
    assert found.data["dataset_sha256"] in page.text
    assert "facevid-xs, step 4000" in page.text
    assert "face_mesh.mediapipe" in page.text
    assert page.count("video") == sum(1 + (one.real is not None) for one in found.shown)


def test_videos_are_muted_loops_that_load_no_more_than_they_must(written: tuple[Path, Result]) -> None:
    for tag, attributes in parsed(written[0]).attributes:
        if tag == "video":
            assert {"muted", "loop", "controls", "playsinline"} <= set(attributes)
            assert attributes["preload"] == "metadata"
            assert (attributes["width"], attributes["height"], attributes["class"]) == (
                "192",
                "192",
                "pixels",
            )


def test_the_same_result_gives_the_same_bytes(written: tuple[Path, Result]) -> None:
    path, _ = written
    found, table = full(path.parent)
    before = path.read_bytes()
    assert write_page(found, path.parent, table).read_bytes() == before


def test_texts_of_others_are_escaped(tmp_path: Path) -> None:
    (tmp_path / "a#b.mp4").write_bytes(b"")
    found = result(
        INJECTED,
        videos={
            "folder": INJECTED,
            "count": 1,
            "failed": [{"video": INJECTED, "message": INJECTED}],
            "model": {"family": INJECTED, "step": 1},
        },
        data={
            "name": INJECTED,
            "location": INJECTED,
            "dataset_sha256": INJECTED,
            "chosen_by": [INJECTED],
            "clips": 1,
        },
        settings={INJECTED: INJECTED},
        readers={INJECTED: INJECTED},
        notes=[INJECTED],
        distances=[replace(distance(), title=INJECTED, about=INJECTED)],
        metrics=[metric(INJECTED, 0.5, 0.4)],
        groups=[
            GroupResult(
                [INJECTED],
                INJECTED,
                [
                    GroupValue(INJECTED, 20, 10, 0.5, (0.4, 0.6)),
                    GroupValue("b", 3, 3, None, None, INJECTED),
                ],
                1,
                INJECTED,
                "b",
                0.1,
                (0.0, 0.2),
                0.01,
                0.01,
            )
        ],
        shown=[Shown(INJECTED, INJECTED, INJECTED, 0.5, "a#b.mp4", None, INJECTED)],
    )
    text = written_text(found, tmp_path, rows(**{INJECTED: [0.5, 0.4]}))
    assert "alert(" in text
    assert '<script>alert("x")' not in text
    page = Page(text)
    assert page.count("script") == 1
    assert page.text.count(INJECTED) > 20
    assert "./a%23b.mp4" in page.links


def test_a_result_without_anything_says_so_in_sentences(tmp_path: Path) -> None:
    page = Page(written_text(result(), tmp_path))
    for sentence in (
        "No distance was computed.",
        "No metric of single videos was measured.",
        "No groups were compared",
        "No videos are shown",
    ):
        assert sentence in page.text
    assert page.count("svg") == 0


def test_a_shown_file_that_is_not_there_is_said_and_one_outside_is_refused(tmp_path: Path) -> None:
    shown = Shown("sharpness", "best", "a.mp4", 0.5, "shown/a.mp4", None, None)
    page = Page(written_text(result(shown=[shown]), tmp_path))
    assert "shown/a.mp4 is not there." in page.text
    assert page.count("video") == 0
    for bad in ("../a.mp4", "/etc/a.mp4", "a/../../b.mp4", "", "a\\b.mp4"):
        with pytest.raises(BenchError, match="below the report's folder"):
            write_page(result(shown=[replace(shown, made=bad)]), tmp_path, pa.table({}))
    (tmp_path / "javascript:alert(1)").write_bytes(b"")
    links = Page(written_text(result(shown=[replace(shown, made="javascript:alert(1)")]), tmp_path)).links
    assert "./javascript%3Aalert%281%29" in links


def test_best_median_and_worst_come_in_this_order_and_large_videos_are_not_enlarged(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    shown = [
        Shown("sharpness", place, f"{place}.mp4", 0.5, "a.mp4", None, None)
        for place in ("worst", "best", "median")
    ]
    shape = {"frames": 16, "width": 512, "height": 384, "fps": 25.0}
    page = Page(written_text(result(shown=shown, shape=shape), tmp_path))
    places = [page.text.index(f"{place}: 0.500") for place in ("best", "median", "worst")]
    assert places == sorted(places)
    videos = [attributes for tag, attributes in page.attributes if tag == "video"]
    assert {(one["width"], one["height"], one.get("class")) for one in videos} == {("176", "132", None)}


def test_a_table_without_a_column_that_the_result_speaks_of_is_refused(tmp_path: Path) -> None:
    found = result(metrics=[metric("sharpness", 0.5, 0.4)])
    with pytest.raises(BenchError, match="no column sharpness"):
        write_page(found, tmp_path, rows(motion=[0.5, 0.4]))
    with pytest.raises(BenchError, match="no column kind"):
        write_page(found, tmp_path, pa.table({"sharpness": [0.5]}))


def test_a_distance_that_lacks_a_figure_or_is_not_finite_is_refused(tmp_path: Path) -> None:
    whole = distance()
    assert whole.found is not None
    for wrong in (
        {k: v for k, v in whole.found.items() if k != "interval"},
        {**whole.found, "value": float("nan")},
    ):
        with pytest.raises(BenchError, match="appearance_frechet cannot be read"):
            write_page(result(distances=[replace(whole, found=wrong)]), tmp_path, pa.table({}))


@pytest.mark.parametrize(
    ("value", "half", "same_n", "said"),
    [
        (12.0, 1.0, True, "above"),
        (4.6, 1.0, True, "reaching"),
        (4.2, 1.0, True, "within"),
        (12.0, 1.0, False, "above"),
        (4.6, 1.0, False, "unknown"),
        (3.0, 1.0, False, "unknown"),
    ],
)
def test_a_distance_is_told_from_its_floor(value: float, half: float, same_n: bool, said: str) -> None:
    found = measured(distance(value=value, half=half, floor=4.0, same_n=same_n))
    assert found is not None
    assert beside_floor(found) == said


def test_without_a_floor_nothing_is_told(tmp_path: Path) -> None:
    found = measured(distance(floor=None))
    assert found is not None and beside_floor(found) == "unknown"
    assert "no floor" in Page(written_text(result(distances=[distance(floor=None)]), tmp_path)).text


def test_a_floor_of_fewer_videos_is_named(tmp_path: Path) -> None:
    text = Page(written_text(result(distances=[distance(n=60, same_n=False)]), tmp_path)).text
    assert "of only 30 against 60" in text


def test_what_a_floor_was_drawn_from_is_said_and_unlike_clips_are_no_floor(tmp_path: Path) -> None:
    one = distance(value=4.2, floor=4.0)
    assert one.found is not None
    one.found.update(floor={**one.found["floor"], "groups": 48}, n_further=180, further_apart=4.1)
    found = measured(one)
    assert found is not None and beside_floor(found) == "within"
    text = Page(written_text(result(distances=[one]), tmp_path)).text
    assert "from 240 clips of 48 people, 180 of them not compared" in text and "another kind" not in text
    one.found["further_apart"] = 9.0
    found = measured(one)
    assert found is not None and beside_floor(found) == "unknown"
    text = Page(written_text(result(distances=[one]), tmp_path / "b")).text
    assert "These are 9.00 from those compared, more than any draw" in text


def test_made_is_told_from_real_by_intervals_that_lie_apart() -> None:
    def figure(low: float, high: float) -> Figure:
        return Figure(20, 0, (low + high) / 2, None, (low, high))

    above, below, real = figure(0.6, 0.7), figure(0.1, 0.2), figure(0.3, 0.4)
    assert beside_real("higher", above, real) == "better"
    assert beside_real("lower", above, real) == "worse"
    assert beside_real("lower", below, real) == "better"
    assert beside_real("as real", above, real) == "higher"
    assert beside_real(None, below, real) == "lower"
    assert beside_real("higher", figure(0.35, 0.5), real) == "not clear"
    assert beside_real("higher", above, replace(real, interval=None)) is None
    assert beside_real("higher", above, None) is None


def test_how_far_a_mean_is_from_real_has_an_interval_that_reaches_0_only_across_it() -> None:
    assert off_interval((1.0, 3.0), "as real", 2.5) == (0.0, 1.5)
    assert off_interval((1.0, 2.0), "as real", 2.5) == (0.5, 1.5)
    assert off_interval((3.0, 4.0), "as real", 2.5) == (0.5, 1.5)
    assert off_interval((1.0, 2.0), "higher", None) == (-2.0, -1.0)
    assert off_interval((1.0, 2.0), "as real", None) is None


def test_gaps_are_marked_in_words_and_small_groups_have_no_number(tmp_path: Path) -> None:
    values = [
        GroupValue("female", 40, 20, 0.31, (0.29, 0.33)),
        GroupValue("male", 30, 15, 0.52, (0.5, 0.54)),
        GroupValue("other", 4, 2, None, None, "too few: 2 people"),
    ]
    sure = GroupResult(
        ["gender"], "identity_first", values, 7, "female", "male", 0.21, (0.18, 0.24), 0.0002, 0.0008
    )
    unsure = GroupResult(["gender"], "flicker", values, 7, "female", "male", 0.21, (0.18, 0.24), 0.05, 0.2)
    none = GroupResult(["gender", "skin_tone"], "flicker", values[2:], 0)
    text = Page(written_text(result(groups=[sure, unsure, none]), tmp_path)).text
    assert text.count("▲ hardly") == 1
    assert "Chance hardly explains 1 of 2 gaps between groups" in text
    assert "best for “female”, worst for “male”, 0.210 distance (0.180 to 0.240) apart, p < .001." in text
    assert "p = .200" in text
    assert "too few: 2 people" in text
    assert "fewer than two groups are large enough" in text
    assert "Of 7 videos it is not known." in text
    assert "Gender and skin tone" in text


def test_where_no_gap_could_be_tested_that_is_said(tmp_path: Path) -> None:
    none = GroupResult(["gender"], "flicker", [GroupValue("a", 3, 3, None, None, "too few")], 0)
    assert "No gap could be tested" in Page(written_text(result(groups=[none]), tmp_path)).text


def test_a_metric_this_facevid_does_not_know_is_shown_by_its_name(tmp_path: Path) -> None:
    found = result(metrics=[metric("newer", 0.5, 0.4, half=0.01)])
    text = Page(written_text(found, tmp_path, rows(newer=[0.5, 0.4]))).text
    assert "newer" in text and "higher than real" in text


def test_the_command_that_makes_it_again_is_quoted_for_a_shell(tmp_path: Path) -> None:
    plain = Page(written_text(result("a b"), tmp_path)).text
    assert "facevid bench 'made/a b' --data data/faces" in plain
    given = result(
        settings={"command": ["facevid", "bench", "x y", "--seed", "3"], "call": "bench('x y', seed=3)"}
    )
    text = Page(written_text(given, tmp_path)).text
    assert "facevid bench 'x y' --seed 3" in text and "bench('x y', seed=3)" in text
    assert "No settings are recorded." in text


def test_histograms_stand_on_the_bins_of_numpy() -> None:
    rng = np.random.default_rng([3])
    made, real = rng.normal(0, 1, 200), rng.normal(1, 1, 100)
    text = back_to_back(np.append(made, np.nan), real, "t")
    ends = float(min(made.min(), real.min())), float(max(made.max(), real.max()))
    for values, name in ((made, "made"), (real, "real")):
        counts = np.histogram(values, bins=24, range=ends)[0]
        heights = [float(x) for x in re.findall(rf'class="{name}"[^>]* height="([\d.]+)"', text)]
        assert heights == pytest.approx((counts / counts.max() * 26)[counts > 0], abs=0.05)
    assert back_to_back(np.array([]), np.array([np.nan]), "t") == ""
    assert 'class="made"' in back_to_back(np.array([2.0, 2.0]), np.array([]), "t")


def test_an_interval_is_drawn_to_scale_beside_its_floor() -> None:
    text = spans([Span("", 10.0, (5.0, 20.0))], "t", (1.0, 2.0, 4.0))
    left, wide = 8, 224
    at = re.search(r'circle class="value" cx="([\d.]+)"', text)
    assert at and float(at[1]) == pytest.approx(left + wide * 10 / 20, abs=0.06)
    field = re.search(r'class="floor" x="([\d.]+)" y="1" width="([\d.]+)"', text)
    assert field and float(field[1]) == pytest.approx(left + wide / 20, abs=0.06)
    assert float(field[2]) == pytest.approx(wide * 3 / 20, abs=0.06)
    assert spans([], "t") == ""


def test_numbers_have_the_digits_that_their_interval_is_worth() -> None:
    assert spread(0.51234, (0.4921, 0.5328)) == ("0.512", "0.492 to 0.533")
    assert spread(1312.4, (1202.0, 1422.9)) == ("1,312", "1,202 to 1,423")
    assert spread(0.5, None) == ("0.500", "")
    assert spread(1.0, (1.0, 1.0)) == ("1.00", "1.00 to 1.00")
    assert (number(0.0), number(12.0), number(123.4), number(12345.6)) == ("0.00", "12.0", "123", "12,346")
    assert (chance(0.0002), chance(0.05), chance(1.0)) == ("p < .001", "p = .050", "p = 1.000")
    assert shape_text({"width": 64, "height": 48, "frames": 8, "fps": 12.5}) == (
        "64 x 48 pixels, 8 frames, 12.5 frames a second"
    )
    assert in_order(["newer", "sharpness", "face_found", "sharpness"]) == ["face_found", "sharpness", "newer"]


def test_a_page_that_is_no_html_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"ends in \.html"):
        save(tmp_path / "page.txt", "")
