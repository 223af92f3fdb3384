"""A stream gives every clip once, reads its shards with few reads, and goes on exactly where it stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import facevid
from facevid.dataset import DatasetError

torch = pytest.importorskip("torch", reason="needs torch, which is an extra")

from facevid.dataset.loading import DamagedClip  # noqa: E402
from facevid.dataset.loading.pieces import shares, through_buffer  # noqa: E402

SMALL = {"frames": 4, "size": 32, "batch_size": 4, "buffer": 6, "drop_last": False}


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(v, other[k]) if isinstance(v, torch.Tensor) else v == other[k] for k, v in one.items()
    )


def test_every_clip_comes_once_and_each_epoch_has_another_order(forty_clips: facevid.Dataset) -> None:
    stream = forty_clips.stream(**SMALL, audio=True)
    epochs = [[c for batch in stream for c in batch["clip_id"]] for _ in range(2)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == forty_clips.ids.to_pylist()
    assert epochs[0] != epochs[1] and stream.epoch == 2 and len(stream) == 10


def test_windows_are_those_of_the_clips(forty_clips: facevid.Dataset) -> None:
    batch = next(iter(forty_clips.stream(**{**SMALL, "size": None}, audio=True, mesh=True)))
    for k, clip_id in enumerate(batch["clip_id"]):
        clip, start = forty_clips[clip_id], int(batch["start"][k])
        assert np.array_equal(batch["video"][k].permute(0, 2, 3, 1).numpy(), clip.frames(start, start + 4))
        assert np.array_equal(batch["mesh"][k].numpy(), clip.mesh[start : start + 4].astype(np.float32))
        sound = clip.speech()[start * 640 : start * 640 + 2560] if clip.has_audio else np.zeros(2560)
        assert np.array_equal(batch["audio"][k].numpy(), sound)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("stop", [1, 5])
def test_it_goes_on_in_the_middle_of_an_epoch(forty_clips: facevid.Dataset, workers: int, stop: int) -> None:
    whole = list(forty_clips.stream(**SMALL, num_workers=workers))
    first = forty_clips.stream(**SMALL, num_workers=workers)
    batches = iter(first)
    head = [next(batches) for _ in range(stop)]
    second = forty_clips.stream(**SMALL, num_workers=workers)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    tail = list(second)
    assert all(_same(a, b) for a, b in zip([*head, *tail], whole, strict=True))
    assert second.epoch == 1
    assert sorted(c for b in whole for c in b["clip_id"]) == forty_clips.ids.to_pylist()


def test_another_number_of_workers_or_ranks_is_refused(forty_clips: facevid.Dataset) -> None:
    state = forty_clips.stream(**SMALL, num_workers=2).state_dict()
    with pytest.raises(DatasetError, match="saved with num_workers = 2 and this loader has 1"):
        forty_clips.stream(**SMALL).load_state_dict(state)


@pytest.mark.parametrize("drop_last", [True, False])
def test_ranks_and_workers_share_nothing_and_ranks_have_as_many_batches(drop_last: bool) -> None:
    rows = np.arange(103)
    seen: list[int] = []
    lengths = set()
    for rank in range(4):
        mine = shares(rows, rank=rank, world_size=4, workers=3, batch_size=4, drop_last=drop_last)
        counts = [len(s) for s in mine]
        assert counts == sorted(counts, reverse=True) and counts[0] - counts[-1] <= 1
        lengths.add(sum(counts))
        seen += [r for s in mine for r in s.rows.tolist()]
    assert len(seen) == len(set(seen)) == (96 if drop_last else 100)
    assert lengths == {6 if drop_last else 7}


def test_a_buffer_loses_nothing_and_holds_a_clip_no_longer_than_it_must() -> None:
    rows = np.arange(100, 300)
    out = through_buffer(rows, 20, "x")
    assert sorted(out) == rows.tolist() and out.tolist() != rows.tolist()
    assert all(row - 100 <= place + 20 for place, row in enumerate(out.tolist()))
    assert through_buffer(rows, 1, "x").tolist() == rows.tolist()


def test_shards_are_read_with_few_reads(
    forty_clips: facevid.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []
    read = type(forty_clips.storage).read
    monkeypatch.setattr(type(forty_clips.storage), "read", lambda *a: reads.append(a[3]) or read(*a))
    assert len(list(forty_clips.stream(**SMALL, audio=True))) == 10
    assert len(reads) <= 2 * len(forty_clips.shards()) + 2


def test_a_damaged_clip_is_named_and_one_of_its_batch_takes_its_place(published: Path) -> None:
    ds = facevid.open(published)
    row = ds[7].row
    with (published / "media" / row["shard"]).open("r+b") as shard:
        shard.seek(row["mp4_offset"] + row["mp4_size"] // 2)
        shard.write(bytes(64))
    stream = ds.stream(**SMALL)
    with pytest.warns(DamagedClip, match=ds[7].clip_id):
        seen = [c for batch in stream for c in batch["clip_id"]]
    assert len(seen) == 40 and ds[7].clip_id not in seen and stream.stats.damaged.keys() == {ds[7].clip_id}
    with pytest.raises(DatasetError, match=f"Clip {ds[7].clip_id} cannot be read"):
        list(ds.stream(**SMALL, on_error="raise"))


def test_a_choice_of_clips_is_all_that_is_streamed(forty_clips: facevid.Dataset) -> None:
    chosen = forty_clips.where("identity = 'p1'")
    assert sorted(c for b in chosen.stream(**SMALL) for c in b["clip_id"]) == sorted(chosen.ids.to_pylist())
