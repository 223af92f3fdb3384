"""Steps are a function of seed and number; windows come once an epoch, buckets by their share."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from facevid.generate.data.order import FixedOrder, TrainingOrder
from facevid.generate.data.sources import requests
from facevid.generate.data.windows import Windows
from facevid.generate.recipe import Bucket


def windows(
    *counts: int, shares: tuple[float, ...] = (1.0, 1.0), people: int = 10, batches: tuple[int, ...] = (1, 1)
) -> Windows:
    """So many windows in each bucket; window k is of clip k, and clip k of person k modulo `people`."""
    total = sum(counts)
    table = pa.table(
        {"source_id": [str(k) for k in range(total)], "identity": [f"p{k % people}" for k in range(total)]}
    )
    dataset: Any = SimpleNamespace(columns=table.column_names, rows=lambda names: table.select(names))
    return Windows(
        dataset, 25.0,
        tuple(
            Bucket(frames=4 + k, height=8, width=8, share=shares[k], batches=batches[k]) for k in range(len(counts))
        ),
        np.arange(total), np.zeros(total, np.int64), np.repeat(np.arange(len(counts)), counts), None, 0, 0,
    )  # fmt: skip


def test_every_window_comes_once_in_an_epoch_and_in_another_order_in_the_next() -> None:
    order = TrainingOrder(windows(30), seed=1)
    seen = np.concatenate([order.at(step, 4).windows for step in range(15)])
    first, second = seen[:30], seen[30:]
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(30))
    assert first.tolist() != second.tolist()


def test_a_step_is_the_same_whenever_it_is_asked_for() -> None:
    table = windows(50, 70)
    order = TrainingOrder(table, seed=2)
    forwards = [order.at(step, 8) for step in range(40)]
    for step in (39, 0, 17):
        again = TrainingOrder(table, seed=2).at(step, 8)
        assert again.bucket == forwards[step].bucket
        for name in ("windows", "seeds", "draws"):
            assert getattr(again, name).tolist() == getattr(forwards[step], name).tolist()
    other = TrainingOrder(table, seed=3).at(17, 8)
    assert set(other.seeds.tolist()).isdisjoint(forwards[17].seeds.tolist())


def test_a_place_keeps_its_seed_whatever_the_size_of_the_batch() -> None:
    order = TrainingOrder(windows(50), seed=2)
    assert order.at(3, 8).seeds.tolist() == order.at(3, 16).seeds[:8].tolist()
    assert (order.at(3, 16).seeds >= 0).all()


def test_a_step_holds_one_bucket_and_buckets_come_by_share_times_windows() -> None:
    order = TrainingOrder(windows(100, 300, shares=(3.0, 1.0)), seed=0)
    steps = [order.at(step, 5) for step in range(6000)]
    counts = np.bincount([s.bucket for s in steps])
    assert abs(counts[0] - 3000) < 3 * np.sqrt(6000) / 2
    seen = np.concatenate([s.windows for s in steps if s.bucket == 1])
    assert seen.min() == 100
    whole = len(seen) // 300
    times = np.bincount(seen[: whole * 300] - 100)
    assert (times == whole).all()


def test_a_bucket_may_have_larger_batches_which_ranks_and_parts_share_evenly() -> None:
    table = windows(40, 60, batches=(1, 3))
    order = TrainingOrder(table, seed=4)
    steps = [order.at(step, 8) for step in range(60)]
    assert {(s.bucket, len(s)) for s in steps} == {(0, 8), (1, 24)}
    seen = np.concatenate([s.windows for s in steps if s.bucket == 1])[:60]
    assert sorted(seen.tolist()) == list(range(40, 100))  # each once in an epoch still
    shared = [list(requests(order, 0, 60, 8, 2, rank, 2)) for rank in range(2)]
    assert len(shared[0]) == len(shared[1]) == 120
    for step, whole in enumerate(steps):
        parts = [shared[rank][2 * step + part] for part in range(2) for rank in range(2)]
        assert [p.stop - p.start for p in parts] == [len(whole) // 4] * 4
        assert [k for p in parts for k in range(p.start, p.stop)] == list(range(len(whole)))


def test_a_far_step_is_quick_to_find() -> None:
    order = TrainingOrder(windows(100_000, 100_000), seed=0)
    began = time.process_time()
    order.at(1_000_000, 64)
    assert time.process_time() - began < 2
    began = time.process_time()
    for step in range(1_000_001, 1_000_101):
        order.at(step, 64)
    assert time.process_time() - began < 0.5


def test_validation_gives_everybody_a_turn_before_anybody_has_the_next() -> None:
    table = windows(100, people=20)
    order = FixedOrder(table, 30)
    assert order.samples == 30
    chosen = np.concatenate([order.at(step, 8).windows for step in range(4)])
    assert order.at(4, 8) is None
    people = chosen % 20
    assert sorted(people[:20].tolist()) == list(range(20))
    assert len(set(people[20:].tolist())) == 10


def test_validation_draws_the_same_whatever_the_batch() -> None:
    table = windows(60, 40)
    small, large = ([FixedOrder(table, 25).at(s, b) for s in range(13)] for b in (2, 8))
    drawn = [
        {w: (s, d) for x in found if x for w, s, d in zip(x.windows, x.seeds, x.draws, strict=True)}
        for found in (small, large)
    ]
    assert drawn[0] == drawn[1] and len(drawn[0]) == 25
    assert {x.bucket for x in large if x} == {0, 1}


@pytest.mark.parametrize("count", [1, 2, 7])
def test_whoever_takes_a_place_is_another_of_the_step_and_each_is_tried_once(count: int) -> None:
    samples = TrainingOrder(windows(50), seed=0).at(0, count)
    for place in range(count):
        found = samples.candidates(place)
        assert found[0] == samples.windows[place]
        assert sorted(found) == sorted(samples.windows.tolist())
