"""A report over many metrics and attributes: the same as one by one, with p values for the whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from facevid.bench.errors import BenchError
from facevid.bench.groups import GroupSettings, adjusted, compare_groups, crossed, holm, report_groups
from facevid.bench.measures.metric import Metric

QUICK = GroupSettings(resamples=100, permutations=199)
METRICS = [
    Metric("face", "face", "", "higher", "."),
    Metric("motion", "motion", "", "as real", "."),
    Metric("mouth", "mouth", "", "lower", "."),
    Metric("rejected", "rejected", "", "lower", "."),
]
SETS = [["gender"], ["light"], ["gender", "light"]]


def videos(effect: float = 0.0, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng([3, seed])
    n = 160
    person = rng.integers(50, size=n)
    woman = person % 2 == 0
    mouth = rng.normal(size=n)
    return pa.table(
        {
            "video": [f"v{i}" for i in range(n)],
            "person": [None if i >= 45 else f"p{i}" for i in person],
            "group_gender": ["unknown" if i == 7 else "female" if i % 2 == 0 else "male" for i in person],
            "group_light": pa.array(rng.choice(["dark", "light"], n)).dictionary_encode(),
            "face": rng.normal(size=n) + effect * woman,
            "motion": rng.normal(5, 1, size=n),
            "mouth": [None if i % 5 == 0 else float(v) for i, v in enumerate(mouth)],
            "rejected": rng.random(n) < 0.3,
        }
    )


def test_holm_by_hand() -> None:
    # Smallest first: 4 x .005, 3 x .01, 2 x .03, and .04 that may not be below the one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
    with pytest.raises(BenchError, match="p value 1"):
        holm([0.5, float("nan")])


def test_a_report_is_what_one_comparison_after_the_other_gives() -> None:
    table = videos()
    reported = report_groups(
        table, attributes=SETS, metrics=METRICS, real_means={"motion": 4.5}, settings=QUICK
    )
    assert [(one.attributes, one.metric) for one in reported] == [
        (names, metric.name) for names in SETS for metric in METRICS
    ]
    single = [
        compare_groups(
            table[metric.name].cast(pa.float64()).to_numpy(),
            crossed([table[f"group_{name}"].to_pylist() for name in names]),
            table["person"].to_pylist(),
            attributes=names,
            metric=metric.name,
            better=metric.better,
            real_mean=4.5 if metric.name == "motion" else None,
            settings=QUICK,
        )
        for names in SETS
        for metric in METRICS
    ]
    for one, other in zip(reported, adjusted(single), strict=True):
        assert one.gap == pytest.approx(other.gap, rel=1e-9)
        assert one.gap_interval == pytest.approx(other.gap_interval, rel=1e-9)
        assert (one.best, one.worst, one.unknown) == (other.best, other.worst, other.unknown)
        assert [(g.group, g.n, g.people, g.note) for g in one.groups] == [
            (g.group, g.n, g.people, g.note) for g in other.groups
        ]
        if other.p is not None and other.p > 10 / 200:
            assert one.p == other.p
    assert [one.p_adjusted for one in reported] == holm([one.p for one in reported if one.p is not None])


def test_sums_of_groups_and_unknown_are_the_videos_that_have_the_metric() -> None:
    table = videos()
    for one in report_groups(table, attributes=SETS, metrics=METRICS, real_means={}, settings=QUICK):
        has = len(table) - table[one.metric].null_count
        assert sum(group.n for group in one.groups) + one.unknown == has
    assert {group.group for group in one.groups} == {
        f"{a} × {b}" for a in ("female", "male") for b in ("dark", "light")
    }


def test_a_strong_gap_is_told_from_chance_however_many_results_there_are() -> None:
    metrics = [METRICS[0], *(replace(METRICS[1], name=f"noise{i}") for i in range(30))]
    table = videos(effect=3.0)
    rng = np.random.default_rng(0)
    for metric in metrics[1:]:
        table = table.append_column(metric.name, pa.array(rng.normal(size=len(table))))
    reported = report_groups(table, attributes=[["gender"]], metrics=metrics, real_means={}, settings=QUICK)
    # 199 deals alone would leave it at 31 / 200.
    strong = reported[0]
    assert strong.p is not None and strong.p == pytest.approx(1 / 1241)
    assert strong.p_adjusted is not None and strong.p_adjusted < 0.026
    assert all(one.p_adjusted is not None and one.p_adjusted > 0.05 for one in reported[1:])


def test_p_of_two_stages_is_that_of_all_deals_at_once() -> None:
    metrics = METRICS[:1]
    for effect in (0.8, 1.0, 1.2):
        table = videos(effect)
        staged = report_groups(
            table,
            attributes=[["gender"]],
            metrics=metrics,
            real_means={},
            settings=replace(QUICK, permutations=39),
        )[0]
        whole = report_groups(
            table,
            attributes=[["gender"]],
            metrics=metrics,
            real_means={},
            settings=replace(QUICK, permutations=40),
        )[0]
        assert staged.p == whole.p


def test_the_order_of_rows_does_not_matter() -> None:
    table = videos(effect=0.5)
    order = np.random.default_rng(1).permutation(len(table))
    asked = {"attributes": SETS, "metrics": METRICS, "real_means": {"motion": 4.5}, "settings": QUICK}
    assert report_groups(table, **asked) == report_groups(table.take(order), **asked)


@pytest.mark.parametrize(
    ("attributes", "change", "said"),
    [
        ([["age"]], {}, "0 columns called group_age"),
        ([[]], {}, "no set of attributes"),
        ([["gender", "gender"]], {}, "no set of attributes"),
        (["gender"], {}, "no set of attributes"),
        ([["gender"]], {"group_gender": pa.array(range(160))}, "must hold texts"),
        ([["gender"]], {"face": pa.array(["x"] * 160)}, "column of numbers"),
        ([["gender"]], {"face": pa.array([np.inf] * 160)}, "face is inf in row 0"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(
    attributes: list[list[str]], change: dict[str, pa.Array], said: str
) -> None:
    table = videos()
    for name, column in change.items():
        table = table.set_column(table.column_names.index(name), name, column)
    with pytest.raises(BenchError, match=said):
        report_groups(table, attributes=attributes, metrics=METRICS, real_means={}, settings=QUICK)
