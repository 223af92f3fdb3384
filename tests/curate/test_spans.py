"""Spans of windows: reductions and moving averages against plain Python."""

from __future__ import annotations

import numpy as np
import pytest

from facevid.curate.spans import Neighbours, Spans, ranges

VALUES = np.array([3, 1, 4, 1, 5, 9, 2, 6], np.float32)


def spans(*pairs: tuple[int, int], length: int = len(VALUES)) -> Spans:
    a, b = np.array(pairs, np.int64).reshape(-1, 2).T
    return Spans.of(a, b, length)


@pytest.mark.parametrize(
    "pairs",
    [
        [(0, 3), (3, 5), (5, 8)],
        [(1, 3), (5, 6)],
        [(0, 4), (2, 6), (5, 8)],
        [(0, 8), (7, 8)],
        [(6, 8), (0, 2)],
    ],
    ids=["side by side", "with gaps", "overlapping", "both to the end", "out of order"],
)
def test_spans_reduce_their_own_values_only(pairs: list[tuple[int, int]]) -> None:
    one = spans(*pairs)
    assert one.reduce(np.add, VALUES).tolist() == [sum(VALUES[a:b].tolist()) for a, b in pairs]
    assert one.reduce(np.maximum, VALUES).tolist() == [max(VALUES[a:b].tolist()) for a, b in pairs]
    assert one.reduce(np.minimum, -VALUES).tolist() == [min((-VALUES[a:b]).tolist()) for a, b in pairs]


def test_means_leave_out_what_is_unknown() -> None:
    values = VALUES.copy()
    values[[1, 6, 7]] = np.nan
    np.testing.assert_allclose(spans((0, 3), (2, 4), (5, 7), (6, 8)).mean(values), [3.5, 2.5, 9, np.nan])


def test_no_spans_reduce_to_nothing() -> None:
    assert spans().reduce(np.add, VALUES).tolist() == []
    assert spans(length=0).mean(np.zeros(0, np.float32)).tolist() == []


@pytest.mark.parametrize("pair", [(2, 2), (3, 2), (-1, 2), (4, 9)])
def test_a_span_that_is_empty_or_outside_is_refused(pair: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="must lie in 0 to 8"):
        spans(pair)


def test_ranges_follow_each_other() -> None:
    assert ranges(np.array([5, 0, 7]), np.array([8, 1, 9])).tolist() == [5, 6, 7, 0, 7, 8]
    assert ranges(np.zeros(0, np.int64), np.zeros(0, np.int64)).tolist() == []


@pytest.mark.parametrize("reach", [1, 2, 7])
def test_a_moving_mean_stays_in_its_group_and_leaves_out_what_is_unknown(reach: int) -> None:
    values = np.array([1, np.nan, 4, 2, 8, 5, np.nan, np.nan], np.float32)
    group = np.array([0, 0, 0, 1, 1, 1, 3, 3])
    expected = []
    for i in range(len(values)):
        near = [
            v
            for j, v in enumerate(values.tolist())
            if abs(i - j) <= reach and group[i] == group[j] and v == v
        ]
        expected.append(sum(near) / len(near) if near else np.nan)
    np.testing.assert_allclose(Neighbours(group, reach).mean(values), expected, rtol=1e-6)


def test_a_moving_mean_of_nothing_is_nothing() -> None:
    assert Neighbours(np.zeros(0, np.int64), 3).mean(np.zeros(0, np.float32)).tolist() == []
