"""The windows of a training: which clips they are of, where they begin, and what a source shows of them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import facevid
from facevid.generate.errors import GenerateError
from facevid.generate.recipe import Bucket, Data

torch = pytest.importorskip("torch", reason="needs torch, which is an extra")

from facevid.dataset.loading import DamagedClip  # noqa: E402
from facevid.generate.data.order import FixedOrder, TrainingOrder  # noqa: E402
from facevid.generate.data.sources import PixelSource  # noqa: E402
from facevid.generate.data.windows import windows_of  # noqa: E402

from . import fakes  # noqa: E402

torch.set_num_threads(1)
ALL = ("short", "medium", "long")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> facevid.Dataset:
    """12 clips of 8 or 20 frames, of 64 or 48 pixels; the first has no caption, the second a short one only."""
    folder = fakes.clips_in(tmp_path_factory.mktemp("mixed"), 12, frames=(8, 20), sides=(64, 48, 48))
    return fakes.describe(folder, lambda k, _: () if k == 0 else ("short",) if k == 1 else ALL)


def data(*buckets: Bucket, **options: object) -> Data:
    return Data.model_validate({"buckets": list(buckets), "fps": 25.0, **options})


def starts(ds: facevid.Dataset, wanted: Data) -> dict[str, list[int]]:
    table = windows_of(ds, wanted, captions=False).table()
    found: dict[str, list[int]] = {}
    for clip_id, start in zip(table["clip_id"].to_pylist(), table["start"].to_pylist(), strict=True):
        found.setdefault(clip_id, []).append(start)
    return found


def test_windows_are_spread_over_a_clip_and_a_short_clip_has_fewer(mixed: facevid.Dataset) -> None:
    found = starts(mixed, data(Bucket(frames=6, height=32, width=32), windows=4))
    frames = dict(zip(mixed.ids.to_pylist(), mixed.rows(["frames"])["frames"].to_pylist(), strict=True))
    assert {frames[c]: s for c, s in found.items()} == {8: [0, 1, 2], 20: [0, 4, 9, 14]}


def test_a_single_window_lies_in_the_middle(mixed: facevid.Dataset) -> None:
    found = starts(mixed, data(Bucket(frames=6, height=32, width=32), windows=1))
    assert set(map(tuple, found.values())) == {(1,), (7,)}


def test_a_window_at_half_the_rate_reaches_over_twice_the_frames_and_starts_differ_by_one_shown(
    mixed: facevid.Dataset,
) -> None:
    found = starts(mixed, data(Bucket(frames=3, height=32, width=32), windows=9, fps=12.5))
    assert set(map(tuple, found.values())) == {(0, 3), tuple(k * 15 // 7 for k in range(8))}


def test_clips_that_are_too_short_are_left_out_and_counted(mixed: facevid.Dataset) -> None:
    found = windows_of(mixed, data(Bucket(frames=9, height=32, width=32)), captions=False)
    assert (len(found.clips), found.too_short) == (6, 6)
    with pytest.raises(
        GenerateError, match=r"None of the 12 clips .* 21 frames at 25 .* longest clip gives 20"
    ):
        windows_of(mixed, data(Bucket(frames=21, height=32, width=32)), captions=False)


def test_a_clip_goes_to_the_buckets_whose_aspect_ratio_is_nearest(mixed: facevid.Dataset) -> None:
    wide, square, longer = (Bucket(frames=f, height=32, width=w) for f, w in ((4, 64), (4, 32), (16, 32)))
    found = windows_of(mixed, data(wide, square, longer, windows=1), captions=False)
    assert np.bincount(found.bucket).tolist() == [0, 12, 6]
    assert found.bounds.tolist() == [0, 0, 12, 18]


def test_a_clip_without_a_caption_of_the_lengths_asked_for_is_left_out_and_counted(
    mixed: facevid.Dataset,
) -> None:
    bucket = Bucket(frames=4, height=32, width=32)
    both = windows_of(mixed, data(bucket))
    assert (both.no_caption, len(both.clips)) == (1, 11)
    long = windows_of(mixed, data(bucket, captions={"long": 1.0}))
    assert (long.no_caption, len(long.clips)) == (2, 10)


def test_lengths_are_drawn_by_their_weights_among_those_that_a_clip_has(mixed: facevid.Dataset) -> None:
    said = windows_of(
        mixed,
        data(Bucket(frames=4, height=32, width=32), captions={"short": 1.0, "medium": 2.0, "long": 1.0}),
    ).captions
    assert said is not None
    draws = np.linspace(0, 1, 400, endpoint=False)
    all_three = said.chosen(np.full(400, 5), draws)
    assert np.bincount(all_three).tolist() == [100, 200, 100]
    assert not said.chosen(np.full(400, 1), draws).any()
    assert said.said(np.array([5, 1]), np.array([2, 0])) == ["long of 5", "short of 1"]


def test_nobody_described_any_clip(mixed: facevid.Dataset) -> None:
    bare = mixed.take([0])
    with pytest.raises(GenerateError, match=r"No clip .* has a caption.*facevid annotate .*drop_prompt=1"):
        windows_of(bare, data(Bucket(frames=4, height=32, width=32)))


def test_270043_clips_take_a_second(mixed: facevid.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    many = np.tile(np.arange(12), 270_043 // 12 + 1)[:270_043]
    tables = {
        name: mixed.rows([name])[name].take(pa.array(many)) for name in ("frames", "fps", "width", "height")
    }
    monkeypatch.setattr(type(mixed), "rows", lambda _, names: pa.table({n: tables[n] for n in names}))
    began = time.process_time()
    buckets = (Bucket(frames=4, height=32, width=32), Bucket(frames=9, height=64, width=64))
    found = windows_of(mixed, data(*buckets), captions=False)
    assert len(found) > 1_000_000
    assert time.process_time() - began < 2


def test_pictures_are_those_of_the_loader_at_the_same_frames(mixed: facevid.Dataset) -> None:
    found = windows_of(mixed, data(Bucket(frames=8, height=32, width=32), windows=1), captions=False)
    short = mixed.where("frames = 8")
    expected = next(iter(short.loader(frames=8, fps=25, size=32, batch_size=len(short))))
    by_id = dict(zip(expected["clip_id"], expected["video"], strict=True))
    compared = 0
    for batch in PixelSource(TrainingOrder(found, 0)).iterate(0, 3, batch=4):
        for clip_id, video in zip(batch["clip_id"], batch["video"], strict=True):
            if clip_id in by_id:
                shown = ((video + 1) * 127.5).round().to(torch.uint8).transpose(0, 1)
                assert torch.equal(shown, by_id[clip_id])
                compared += 1
    assert compared == 6


def test_a_wide_bucket_shows_the_centre_of_a_square_clip(mixed: facevid.Dataset) -> None:
    wide = windows_of(mixed, data(Bucket(frames=2, height=24, width=48), windows=1), captions=False)
    square = windows_of(mixed, data(Bucket(frames=2, height=48, width=48), windows=1), captions=False)
    one, other = (next(PixelSource(FixedOrder(w, 4)).iterate(0, 1, batch=4)) for w in (wide, square))
    assert one["clip_id"] == other["clip_id"]
    assert torch.equal(one["video"], other["video"][:, :, :, 12:36])


def test_workers_ranks_and_accumulation_change_only_who_computes(mixed: facevid.Dataset) -> None:
    order = TrainingOrder(windows_of(mixed, data(Bucket(frames=4, height=32, width=32))), 3)
    whole = list(PixelSource(order).iterate(5, 8, batch=8))
    by_workers = list(PixelSource(order, workers=2).iterate(5, 10, batch=8))[:3]
    parts = [
        list(PixelSource(order).iterate(5, 8, batch=8, accumulate=2, rank=r, world_size=2)) for r in range(2)
    ]
    for k, batch in enumerate(whole):
        assert torch.equal(batch["video"], by_workers[k]["video"])
        pieces = [parts[rank][2 * k + part] for part in range(2) for rank in range(2)]
        assert torch.equal(batch["video"], torch.cat([p["video"] for p in pieces]))
        assert torch.equal(batch["seed"], torch.cat([p["seed"] for p in pieces]))
        for name in ("caption", "clip_id"):
            assert batch[name] == by_workers[k][name] == [x for p in pieces for x in p[name]]
    with pytest.raises(GenerateError, match="multiple of 6"):
        next(PixelSource(order).iterate(0, 1, batch=8, accumulate=3, world_size=2))


def test_a_damaged_clip_is_named_and_another_of_the_step_takes_its_place_on_every_rank(
    tmp_path: Path,
) -> None:
    folder = fakes.clips_in(tmp_path, 6)
    gone = facevid.open(folder).ids[2].as_py()
    fakes.damage(folder, gone)
    order = TrainingOrder(
        windows_of(facevid.open(folder), data(Bucket(frames=8, height=32, width=32)), captions=False), 0
    )
    source = PixelSource(order)
    with pytest.warns(DamagedClip, match=gone):
        (batch,) = source.iterate(0, 1, batch=6)
    assert set(source.damaged) == {gone} and gone not in batch["clip_id"]
    sound = order.at(0, 6)
    assert (
        sum(a != b for a, b in zip(order.windows.clip_ids(sound.windows), batch["clip_id"], strict=True)) == 1
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamagedClip)
        ranks = [next(PixelSource(order).iterate(0, 1, batch=6, rank=r, world_size=3)) for r in range(3)]
    assert [c for r in ranks for c in r["clip_id"]] == batch["clip_id"]
