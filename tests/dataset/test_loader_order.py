"""The order of an epoch: every clip once, no clip on two ranks, weighted and bucketed as asked, the same everywhere."""

from __future__ import annotations

import numpy as np
import pytest

from facevid.dataset.loading.order import epoch_order, random_below, random_words, shuffled, steps
from facevid.dataset.loading.windows import random_window, samples_of, span, whole, window_frames


def test_chance_is_the_same_on_every_machine() -> None:
    # Philox4x64-10 keyed with the first 16 bytes, little-endian, of SHA-256("facevid order 0 0").
    assert shuffled(8, "order", 0, 0).tolist() == [1, 7, 5, 4, 0, 2, 3, 6]
    assert random_words(3, "a").tolist() == random_words(100, "a")[:3].tolist()
    assert len({random_below(10, "x", k) for k in range(200)}) == 10


def test_every_clip_comes_once_in_an_epoch_and_in_another_order_in_the_next() -> None:
    first, second = (epoch_order(1000, seed=3, epoch=e) for e in (0, 1))
    assert sorted(first.rows) == sorted(second.rows) == list(range(1000))
    assert (first.rows == second.rows).sum() < 20
    assert not first.repeat.any()
    assert (epoch_order(1000, seed=4, epoch=0).rows == first.rows).sum() < 20


@pytest.mark.parametrize(("world_size", "size"), [(1, 8), (3, 4), (7, 5)])
@pytest.mark.parametrize("drop_last", [True, False])
def test_ranks_share_nothing_and_have_the_same_number_of_batches(
    world_size: int, size: int, drop_last: bool
) -> None:
    order = epoch_order(103, seed=0, epoch=0)
    found = steps(order, size=size, world_size=world_size, drop_last=drop_last)
    batches = [[s.of_rank(rank, world_size) for s in found] for rank in range(world_size)]
    places = [place for rank in batches for batch in rank for place in batch]
    assert len(places) == len(set(places))
    assert all(1 <= len(batch) <= size for rank in batches for batch in rank)
    left_out = 103 - len(places)
    assert left_out == 103 % (size * world_size) if drop_last else left_out < world_size


def test_an_epoch_goes_on_where_it_stood_with_another_number_of_ranks() -> None:
    order = epoch_order(200, seed=0, epoch=0)
    before = steps(order, size=4, world_size=3, drop_last=False)[:5]
    after = steps(order, size=6, world_size=2, drop_last=False, position=before[-1].stop)
    seen = [p for s in before for rank in range(3) for p in s.of_rank(rank, 3)]
    seen += [p for s in after for rank in range(2) for p in s.of_rank(rank, 2)]
    assert sorted(seen) == list(range(200))


def test_a_clip_of_twice_the_weight_comes_twice_as_often() -> None:
    weights = np.ones(300)
    weights[:100], weights[100:110] = 2.0, 0.0
    rows = np.concatenate([epoch_order(300, seed=1, epoch=e, weights=weights).rows for e in range(40)])
    often = np.bincount(rows, minlength=300) / 40
    share = 300 / weights.sum()
    assert not often[100:110].any()
    assert often[:100] == pytest.approx(2 * share, abs=0.35)
    assert often[110:] == pytest.approx(share, abs=0.35)
    one = epoch_order(300, seed=1, epoch=0, weights=weights)
    assert np.bincount(one.rows, minlength=300).max() <= np.ceil(2 * share)


def test_a_clip_that_comes_again_is_counted_so_that_its_window_is_another() -> None:
    order = epoch_order(50, seed=1, epoch=0, weights=np.r_[np.full(5, 10.0), np.ones(45)])
    for row in range(5):
        assert order.repeat[order.rows == row].tolist() == list(range((order.rows == row).sum()))


def test_batches_of_a_bucket_hold_nothing_else_and_no_clip_is_lost() -> None:
    bucket = np.arange(100) % 3
    order = epoch_order(100, seed=0, epoch=0, bucket=bucket, step=8)
    found = steps(order, size=4, world_size=2, drop_last=False)
    assert all(len(set(bucket[order.rows[s.start : s.stop]])) == 1 for s in found)
    assert sorted(order.rows) == list(range(100))
    assert len({int(bucket[order.rows[s.start]]) for s in found[:6]}) > 1
    whole_steps = steps(order, size=4, world_size=2, drop_last=True)
    assert all(s.stop - s.start == 8 for s in whole_steps) and len(whole_steps) == 12
    stood = found[6].stop
    alone = steps(order, size=8, world_size=1, drop_last=False, position=stood)
    assert [s for s in alone if s.stop - s.start >= 2] == found[7:]  # one clip was too few for two ranks


def test_frames_at_another_rate_are_those_that_a_player_shows() -> None:
    assert window_frames(5, 25, 25, 10).tolist() == [10, 11, 12, 13, 14]
    assert window_frames(5, 12.5, 25).tolist() == [0, 2, 4, 6, 8]
    assert window_frames(6, 25, 30).tolist() == [0, 1, 2, 3, 4, 6]
    assert window_frames(5, 30, 15).tolist() == [0, 0, 1, 1, 2]
    ones = np.ones(1)
    assert span(5, 12.5 * ones, 25 * ones).tolist() == [9]
    assert whole(np.array([9]), 12.5 * ones, 25 * ones).tolist() == [5]
    assert whole(np.array([10]), 30000 / 1001 * ones, 30000 / 1001 * ones).tolist() == [10]


def test_windows_begin_anywhere_they_fit_equally_often() -> None:
    starts = [random_window(20, 25, 16, 25, "window", k).start for k in range(1000)]
    assert np.bincount(starts).min() > 150 and max(starts) == 4
    short = random_window(5, 25, 8, 25, "window")
    assert short.frames.tolist() == [0, 1, 2, 3, 4, 4, 4, 4] and (short.padding, short.real) == (3, 5)


def test_sound_of_a_window_lasts_as_long_as_its_frames() -> None:
    assert samples_of(16, 25) == 10240
    assert samples_of(10, 30000 / 1001) == 5339
