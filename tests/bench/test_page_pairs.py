"""Videos of two reports asked for alike: pairs tell what two means leave open, by people, without false alarms."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

sys.path.insert(0, str(Path(__file__).parent))

from page_results import metric, parsed, result

from facevid.bench.page import compare, write_comparison
from facevid.bench.page.pairs import pair_up, paired

LOWER: list[tuple[str, Any]] = [("flicker", "lower")]


def videos(flicker: Any, people: int | None = None, **columns: Any) -> pa.Table:
    """Made videos, each of a person of his own unless there are fewer people, and one real video beside them."""
    n = len(flicker)
    person = [None if people is None else f"p{k % people}" for k in range(n)]
    held = {
        "video": [f"{k}.mp4" for k in range(n)],
        "prompt": [f"prompt {k}" for k in range(n)],
        "person": person,
        "flicker": [float(x) for x in flicker],
        **columns,
    }
    return pa.table({"kind": ["made"] * n + ["real"]} | {k: [*v, v[0]] for k, v in held.items()})


def test_pairs_tell_what_two_means_leave_open_and_agree_with_scipy() -> None:
    rng = np.random.default_rng(1)
    hard = rng.normal(10, 3, 40)
    first, second = hard + rng.normal(0, 0.5, 40), hard - 0.5 + rng.normal(0, 0.5, 40)
    found = paired(videos(first), videos(second), LOWER, {})["flicker"]
    theirs = stats.permutation_test(
        (first, second), lambda a, b: (b - a).mean(), permutation_type="samples", n_resamples=5000
    )
    t = stats.ttest_rel(second, first).confidence_interval(0.95)
    assert (found.n, found.people, found.verdict) == (40, 40, "better")
    assert found.difference == pytest.approx((second - first).mean())
    assert found.p == pytest.approx(theirs.pvalue, abs=0.002) and found.p_adjusted == found.p
    assert found.interval == pytest.approx(t, abs=0.06)
    assert stats.ttest_ind(first, second).pvalue > 0.3


def test_chance_is_counted_by_people_and_not_by_their_videos() -> None:
    rng = np.random.default_rng(2)
    shift = np.tile(
        rng.normal(0.3, 1, 10), 30
    )  # 30 videos of each of 10 people, who differ in how they come out
    found = paired(videos(np.zeros(300), 10), videos(shift, 10), LOWER, {})["flicker"]
    signs = np.array(np.meshgrid(*[[1, -1]] * 10)).reshape(10, -1)
    means = signs.T @ shift[:10] / 10
    assert found.p == pytest.approx((np.abs(means) >= abs(shift[:10].mean()) - 1e-12).mean(), abs=0.04)
    assert found.people == 10 and found.n == 300


def test_equal_models_are_told_apart_no_more_often_than_p_says() -> None:
    rng = np.random.default_rng(3)
    wrong = 0
    for _ in range(200):
        person = rng.normal(0, 1, 15)
        first = np.tile(person + rng.normal(0, 1, 15), 4)
        second = np.tile(person + rng.normal(0, 1, 15), 4)
        wrong += paired(videos(first, 15), videos(second, 15), LOWER, {})["flicker"].p < 0.05
    assert wrong <= 18  # a rate of .05 exceeds this once in 100 times


def test_near_the_real_mean_is_better_and_without_one_there_is_no_verdict() -> None:
    rng = np.random.default_rng(4)
    first, second = rng.normal(5, 0.1, 30), rng.normal(2.2, 0.1, 30)
    asked: list[tuple[str, Any]] = [("flicker", "as real")]
    assert paired(videos(first), videos(second), asked, {"flicker": 3.0})["flicker"].verdict == "better"
    assert paired(videos(first), videos(second), asked, {"flicker": 4.9})["flicker"].verdict == "worse"
    assert paired(videos(first), videos(second), asked, {"flicker": None})["flicker"].verdict is None


def test_only_made_videos_asked_for_alike_are_pairs_whatever_their_order() -> None:
    first, second = videos(range(20)), videos(range(20))
    turned = second.take(list(reversed(range(len(second)))))
    one, other = pair_up(first, turned)
    assert one["video"].to_pylist() == other["video"].to_pylist() and len(one) == 20
    strangers = videos(range(20), prompt=[f"another {k}" for k in range(20)])
    assert len(pair_up(first, strangers)[0]) == 0 and paired(first, strangers, LOWER, {}) == {}
    assert paired(videos(range(9)), videos(range(9)), LOWER, {}) == {}


def test_a_number_that_one_lacks_is_left_out_and_missing_values_with_their_pair() -> None:
    gaps = [float("nan"), *range(1, 20)]
    found = paired(videos(range(20)), videos(gaps), [*LOWER, ("motion", "lower")], {})
    assert set(found) == {"flicker"} and found["flicker"].n == 19
    assert found["flicker"].difference == 0 and found["flicker"].verdict == "not clear"
    assert found["flicker"].interval is None


def test_a_comparison_is_judged_by_pairs_where_there_are_some(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    hard = rng.normal(10, 3, 40)
    tables = [videos(hard), videos(hard - 1 + rng.normal(0, 0.5, 40)), videos(hard + 2)]
    results = [
        result(name, metrics=[metric("flicker", float(np.mean(t["flicker"][:40].to_numpy())), half=1.5)])
        for name, t in zip("abc", tables, strict=True)
    ]
    alone = compare(results).metrics[0]
    assert [one.verdict for one in alone.values] == [None, "not clear", "not clear"] and not alone.clear
    found = compare(results, tables)
    judged = found.metrics[0]
    assert [one.verdict for one in judged.values] == [None, "better", "worse"]
    assert (judged.best, judged.clear) == (1, True)
    assert "better" in found.text() and "40 pairs: " in found.text()
    page = parsed(write_comparison(found, results, tmp_path / "compare.html"))
    assert "40 pairs: " in page.text
    half = compare(results, [tables[0], None, tables[2]]).metrics[0]
    assert [one.verdict for one in half.values] == [None, "not clear", "worse"]
