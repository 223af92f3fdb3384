"""Batches of the loader hold what the clips hold at the same moments, and go on exactly where they stopped."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

import facevid
from facevid.dataset import DatasetError
from facevid.dataset.annotating import update_annotations
from facevid.dataset.statements import Statement

torch = pytest.importorskip("torch", reason="needs torch, which is an extra")

from facevid.dataset.loading import DamagedClip, Loader, Stream  # noqa: E402

SMALL = {"frames": 4, "size": 32, "batch_size": 4}


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(v, other[k]) if isinstance(v, torch.Tensor) else v == other[k] for k, v in one.items()
    )


def _damage(folder: Path, row: dict[str, Any]) -> None:
    with (folder / "media" / row["shard"]).open("r+b") as shard:
        shard.seek(row["mp4_offset"] + row["mp4_size"] // 2)
        shard.write(bytes(64))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> facevid.Dataset:
    """30 clips: ten each of 8 frames and 64 pixels, 12 frames and 48 pixels, 20 frames and 48 pixels."""
    import packing

    from facevid.curate.pack import pack_dataset

    folder = tmp_path_factory.mktemp("mixed")
    for k, name in enumerate([packing.clip_name(k) for k in range(30)]):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(packing, "FRAMES", (8, 12, 20)[k % 3])
            patch.setattr(packing, "SIDE", (64, 48, 48)[k % 3])
            packing.cut_clip(folder / "clips", name, seed=k)
    tables = packing.work(folder / "clips", 30)
    pack_dataset(
        folder / "dataset", tables=tables, clip_folder=folder / "clips", recipe={"fps": 25.0}, name="mixed",
        shard_bytes=200_000,
    )  # fmt: skip
    return facevid.open(folder / "dataset")


def test_a_batch_has_the_shapes_and_types_that_are_documented(forty_clips: facevid.Dataset) -> None:
    loader = forty_clips.loader(**SMALL, audio=True, mesh=True, pose=True, columns=["identity", "sharpness"])
    assert isinstance(loader, Loader) and len(loader) == 10
    batch = next(iter(loader))
    shapes = {k: (tuple(v.shape), str(v.dtype)) for k, v in batch.items() if isinstance(v, torch.Tensor)}
    assert shapes == {
        "video": ((4, 4, 3, 32, 32), "torch.uint8"),
        "audio": ((4, 2560), "torch.float32"),
        "has_audio": ((4,), "torch.bool"),
        "mesh": ((4, 4, 478, 3), "torch.float32"),
        "pose": ((4, 4, 3), "torch.float32"),
        "start": ((4,), "torch.int64"),
        "fps": ((4,), "torch.float32"),
    }
    assert [len(batch[k]) for k in ("clip_id", "identity", "sharpness")] == [4, 4, 4]
    assert batch["video"].is_contiguous()


def test_pictures_sound_mesh_and_labels_are_those_of_the_clip_at_that_moment(
    forty_clips: facevid.Dataset,
) -> None:
    options = {**SMALL, "size": None, "audio": True, "mesh": True, "pose": True, "columns": ["identity"]}
    seen = 0
    for batch in forty_clips.loader(**options):
        for k, clip_id in enumerate(batch["clip_id"]):
            clip, start = forty_clips[clip_id], int(batch["start"][k])
            window = slice(start, start + 4)
            assert np.array_equal(
                batch["video"][k].permute(0, 2, 3, 1).numpy(), clip.frames(start, start + 4)
            )
            assert np.array_equal(batch["mesh"][k].numpy(), clip.mesh[window].astype(np.float32))
            assert np.array_equal(batch["pose"][k].numpy(), clip.pose[window])
            assert batch["identity"][k] == clip["identity"]
            assert bool(batch["has_audio"][k]) == clip.has_audio
            sound = clip.speech()[start * 640 : start * 640 + 2560] if clip.has_audio else np.zeros(2560)
            assert np.array_equal(batch["audio"][k].numpy(), sound)
            seen += 1
    assert seen == 40


def test_mesh_points_lie_on_the_resized_picture(forty_clips: facevid.Dataset) -> None:
    batch = next(iter(forty_clips.loader(**SMALL, mesh=True)))
    clip, start = forty_clips[batch["clip_id"][0]], int(batch["start"][0])
    assert batch["mesh"][0].numpy() == pytest.approx(clip.mesh[start : start + 4].astype(np.float32) / 2)


def test_pictures_may_be_floats_from_minus_one_to_one(forty_clips: facevid.Dataset) -> None:
    bytes_, floats = (next(iter(forty_clips.loader(**SMALL, dtype=d)))["video"] for d in ("uint8", "float32"))
    assert floats.dtype == torch.float32 and floats.min() >= -1 and floats.max() <= 1
    assert torch.allclose((floats + 1) * 127.5, bytes_.float(), atol=1e-4)


def test_epochs_differ_and_a_seed_gives_the_same_ones_again(forty_clips: facevid.Dataset) -> None:
    loader = forty_clips.loader(**SMALL)
    first, second = list(loader), list(loader)
    assert loader.epoch == 2
    assert [b["clip_id"] for b in first] != [b["clip_id"] for b in second]
    starts = [
        {c: int(s) for b in epoch for c, s in zip(b["clip_id"], b["start"], strict=True)}
        for epoch in (first, second)
    ]
    assert starts[0].keys() == starts[1].keys() and starts[0] != starts[1]
    again = forty_clips.loader(**SMALL, epoch=1)
    assert all(_same(a, b) for a, b in zip(again, second, strict=True))
    assert not all(_same(a, b) for a, b in zip(forty_clips.loader(**SMALL, seed=1), first, strict=True))


@pytest.mark.parametrize("kind", ["loader", "stream"])
def test_an_iteration_that_was_left_is_followed_by_the_next_epoch(
    forty_clips: facevid.Dataset, kind: str
) -> None:
    make = getattr(forty_clips, kind)
    loader = make(**SMALL)
    assert _same(next(iter(loader)), next(iter(make(**SMALL))))
    assert _same(next(iter(loader)), next(iter(make(**SMALL, epoch=1))))
    old = iter(loader)
    next(old)
    next(iter(loader))
    with pytest.raises(DatasetError, match=f"iteration of this {kind} has begun; one can run at a time"):
        next(old)


@pytest.mark.parametrize("context", ["fork", pytest.param("forkserver", marks=pytest.mark.slow)])
def test_it_goes_on_in_the_middle_of_an_epoch_with_another_number_of_workers(
    forty_clips: facevid.Dataset, context: str
) -> None:
    options = {**SMALL, "audio": True, "mesh": True}
    whole = list(forty_clips.loader(**options))
    first = forty_clips.loader(**options, num_workers=2, context=context)
    batches = iter(first)
    head = [next(batches) for _ in range(3)]
    state = json.loads(json.dumps(first.state_dict()))
    second = forty_clips.loader(**options)
    second.load_state_dict(state)
    tail = list(second)
    assert len(head) + len(tail) == len(whole) == 10
    assert all(_same(a, b) for a, b in zip([*head, *tail], whole, strict=True))
    assert second.epoch == 1
    following = forty_clips.loader(**options)
    following.load_state_dict(second.state_dict())
    assert _same(next(iter(following)), next(iter(forty_clips.loader(**options, epoch=1))))


def test_workers_stay_for_the_next_epoch_and_give_what_one_process_gives(
    forty_clips: facevid.Dataset,
) -> None:
    alone, together = forty_clips.loader(**SMALL), forty_clips.loader(**SMALL, num_workers=2)
    for _ in range(2):
        assert all(_same(a, b) for a, b in zip(alone, together, strict=True))
    assert together.stats.samples == 80 and together.stats.batches == 20


def test_ranks_take_different_clips_and_resume_on_another_number_of_ranks(
    forty_clips: facevid.Dataset,
) -> None:
    two = [forty_clips.loader(**SMALL, rank=r, world_size=2, drop_last=False) for r in range(2)]
    assert len(two[0]) == len(two[1]) == 5
    runs = [iter(loader) for loader in two]
    seen = [c for run in runs for _ in range(2) for c in next(run)["clip_id"]]
    state = two[0].state_dict()
    assert state == two[1].state_dict()
    four = [forty_clips.loader(**SMALL, rank=r, world_size=4, drop_last=False) for r in range(4)]
    for loader in four:
        loader.load_state_dict(state)
        seen += [c for batch in loader for c in batch["clip_id"]]
    assert sorted(seen) == forty_clips.ids.to_pylist()


def test_a_state_of_other_clips_or_options_is_refused_and_says_what_differs(
    forty_clips: facevid.Dataset,
) -> None:
    state = forty_clips.loader(**SMALL).state_dict()
    with pytest.raises(DatasetError, match=r"saved with frames = 4 and this loader has 5"):
        forty_clips.loader(**{**SMALL, "frames": 5}).load_state_dict(state)
    with pytest.raises(DatasetError, match="other clips"):
        forty_clips.where("sharpness > 3").loader(**SMALL).load_state_dict(state)
    with pytest.raises(DatasetError, match="no state of such a loader"):
        forty_clips.loader(**SMALL).load_state_dict({"epoch": 3})


def test_a_choice_of_clips_is_all_that_comes(forty_clips: facevid.Dataset) -> None:
    chosen = forty_clips.where("identity = 'p1' and audio")
    seen = [c for batch in chosen.loader(**SMALL, drop_last=False) for c in batch["clip_id"]]
    assert sorted(seen) == sorted(chosen.ids.to_pylist()) and 0 < len(seen) < 40


def test_balance_makes_rare_cells_as_common_as_others(forty_clips: facevid.Dataset) -> None:
    rare = forty_clips.select(
        [
            *forty_clips.where("identity = 'p0'").ids.to_pylist()[:4],
            *forty_clips.where("identity = 'p1'").ids.to_pylist(),
        ]
    )
    seen = [
        i
        for batch in rare.loader(**SMALL, balance=["identity"], columns=["identity"])
        for i in batch["identity"]
    ]
    assert len(seen) == 24 and seen.count("p0") == seen.count("p1") == 12


def test_weights_are_a_column_or_numbers_and_wrong_ones_are_refused(forty_clips: facevid.Dataset) -> None:
    numbers = np.zeros(40)
    numbers[[3, 7]] = 1
    ids = {c for batch in forty_clips.loader(**SMALL, weights=numbers) for c in batch["clip_id"]}
    assert ids == {forty_clips.ids[3].as_py(), forty_clips.ids[7].as_py()}
    assert next(iter(forty_clips.loader(**SMALL, weights="sharpness")))["video"].shape[0] == 4
    with pytest.raises(ValueError, match=r"shape \(3,\); one for each of 40 clips"):
        forty_clips.loader(**SMALL, weights=[1, 2, 3])
    with pytest.raises(ValueError, match="1 weights are negative"):
        forty_clips.loader(**SMALL, weights=[1.0] * 39 + [-1.0])


def test_clips_shorter_than_a_window_are_left_out_or_padded(mixed: facevid.Dataset) -> None:
    options = {"frames": 10, "size": 32, "batch_size": 5, "audio": True}
    dropped = mixed.loader(**options)
    assert (dropped.stats.clips, dropped.stats.too_short) == (20, 10)
    assert {c for b in dropped for c in b["clip_id"]} == set(mixed.where("frames >= 10").ids.to_pylist())
    padded = list(mixed.loader(**options, short="pad"))
    assert sum(len(b["clip_id"]) for b in padded) == 30
    for batch in padded:
        for k, clip_id in enumerate(batch["clip_id"]):
            real = int(batch["mask"][k].sum())
            assert real == min(10, mixed[clip_id]["frames"])
            assert (batch["video"][k, real:] == batch["video"][k, real - 1]).all()
            assert not batch["audio"][k, real * 640 :].any() and batch["audio"][k, : real * 640].any()
    with pytest.raises(
        DatasetError, match=r"None of the 30 clips .* has 21 frames at 25 a second; the longest has 20"
    ):
        mixed.loader(frames=21)


def test_whole_clips_of_one_batch_are_about_as_long(mixed: facevid.Dataset) -> None:
    options = {"frames": None, "size": 32, "batch_size": 2, "mesh": True}
    batches = list(mixed.loader(**options, bucket="duration"))
    assert sum(len(b["clip_id"]) for b in batches) >= 24
    for batch in batches:
        lengths = [mixed[c]["frames"] for c in batch["clip_id"]]
        assert batch["video"].shape[1] == max(lengths) == batch["mesh"].shape[1]
        assert batch["mask"].sum(dim=1).tolist() == lengths
    padding = [
        float((~b["mask"]).float().mean())
        for kind in ("duration", None)
        for b in [
            {"mask": torch.cat([x["mask"].flatten() for x in mixed.loader(**options, bucket=kind)])},
        ]
    ]
    assert padding[0] < padding[1]


def test_batches_of_one_size_keep_the_size_of_the_clips(mixed: facevid.Dataset) -> None:
    with pytest.raises(DatasetError, match=r"different sizes \(48x48, 64x64\)"):
        mixed.loader(frames=4, size=None)
    sizes = set()
    for batch in mixed.loader(frames=4, size=None, bucket="size", batch_size=3, drop_last=False):
        assert {mixed[c]["width"] for c in batch["clip_id"]} == {batch["video"].shape[-1]}
        sizes.add(batch["video"].shape[-1])
    assert sizes == {48, 64}


def test_windows_at_half_the_rate_take_every_other_frame(forty_clips: facevid.Dataset) -> None:
    batch = next(iter(forty_clips.loader(frames=4, fps=12.5, size=None, batch_size=4, audio=True)))
    clip, start = forty_clips[batch["clip_id"][1]], int(batch["start"][1])
    assert np.array_equal(batch["video"][1].permute(0, 2, 3, 1).numpy(), clip.frames()[start : start + 7 : 2])
    assert batch["audio"].shape == (4, 5120) and start <= 1


def test_a_damaged_clip_is_named_counted_and_replaced_the_same_way_every_time(published: Path) -> None:
    ds = facevid.open(published)
    for k in (5, 6):
        _damage(published, ds[k].row)
    bad = {ds[5].clip_id, ds[6].clip_id}
    loader = ds.loader(**SMALL)
    with pytest.warns(DamagedClip, match="damaged in .*shard") as told:
        batches = list(loader)
    assert loader.stats.damaged.keys() == bad and {w for t in told for w in bad if w in str(t.message)} == bad
    assert {Path(t.filename).name for t in told} == {Path(__file__).name}, "the warning names the user's line"
    assert loader.stats.replaced >= 2
    assert sum(len(b["clip_id"]) for b in batches) == 40
    assert not bad & {c for b in batches for c in b["clip_id"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamagedClip)
        again = list(ds.loader(**SMALL, num_workers=2))
    assert all(_same(a, b) for a, b in zip(batches, again, strict=True))
    with pytest.raises(DatasetError, match=f"Clip ({'|'.join(bad)}) cannot be read"):
        list(ds.loader(**SMALL, on_error="raise"))


def test_a_dataset_without_a_readable_clip_is_an_error_that_names_some(published: Path) -> None:
    ds = facevid.open(published)
    few = ds.select(ds.ids[:4])
    for clip in few:
        _damage(published, clip.row)
    with pytest.raises(DatasetError, match=f"None of these clips can be read.*{ds[0].clip_id}"):
        list(few.loader(**SMALL))


def test_options_that_cannot_be_are_named(forty_clips: facevid.Dataset) -> None:
    for options, said in (
        ({"frames": 0}, "frames is 0; give at least 1"),
        ({"size": 0}, "size is 0"),
        ({"fps": -1}, "fps is -1"),
        ({"dtype": "float64"}, "dtype cannot be 'float64'; allowed: 'uint8', 'float32'"),
        ({"short": "cut"}, "short cannot be 'cut'"),
        ({"bucket": "colour", "frames": 4}, "bucket cannot be 'colour'"),
        ({"batch_size": 0, "frames": 4}, "batch_size is 0"),
        ({"rank": 2, "world_size": 2}, "rank is 2 of 2"),
        ({"attributes": ["mood"]}, "an attribute cannot be 'mood'"),
        ({"caption": "tiny"}, "caption cannot be 'tiny'"),
        ({"num_workers": -1, "frames": 4}, "num_workers is -1"),
        ({"size": "big"}, "size is 'big'; give pixels a side"),
        ({"attributes": "gender"}, r"attributes is a list of names; give \['gender'\]"),
        ({"balance": "audio", "frames": 4}, r"balance is a list of names; give \['audio'\]"),
    ):
        with pytest.raises(ValueError, match=said):
            forty_clips.loader(**options)
    with pytest.raises(DatasetError, match="facevid annotate"):
        forty_clips.loader(frames=4, caption=True)
    with pytest.raises(KeyError, match="no column 'mood'"):
        forty_clips.loader(frames=4, columns=["mood"])


def test_an_epoch_without_a_batch_is_an_error_and_not_a_loop_that_does_nothing(
    forty_clips: facevid.Dataset,
) -> None:
    for loader in (forty_clips.loader, forty_clips.stream):
        with pytest.raises(
            DatasetError, match=r"40 clips of enough frames do not fill one batch of 64: .*drop_last"
        ):
            loader(frames=4, batch_size=64)
        assert len(next(iter(loader(frames=4, size=32, batch_size=64, drop_last=False)))["clip_id"]) == 40
    with pytest.raises(DatasetError, match="batch of 8 on each of 6 ranks"):
        forty_clips.loader(frames=4, batch_size=8, rank=0, world_size=6)
    with pytest.raises(DatasetError, match=r"no clip in Dataset.*where false"):
        forty_clips.where("false").loader(frames=4)


def test_the_dataset_room_does_not_import_torch_and_says_how_to_install_it(
    forty_clips: facevid.Dataset,
) -> None:
    program = f"""
import sys
import facevid.dataset
assert "torch" not in sys.modules
sys.modules["torch"] = None
ds = facevid.open({forty_clips.location!r})
try:
    ds.loader()
except facevid.dataset.DatasetError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert 'pip install "facevid[torch]"' in done.stdout


def test_the_caller_s_own_chance_is_not_touched(forty_clips: facevid.Dataset) -> None:
    torch.manual_seed(0)
    wanted = torch.rand(3)
    torch.manual_seed(0)
    next(iter(forty_clips.loader(**SMALL)))
    assert torch.equal(torch.rand(3), wanted)


def test_every_option_and_key_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "loader.md").read_text()
    for kind in (Loader, Stream):
        for name in inspect.signature(kind.__init__).parameters:
            assert (
                name in ("self", "dataset", "audio", "mesh", "pose", "caption")
                or f"`{name}`" in page
                or (f"{name}=" in page)
            ), name
    assert all(
        f"`{key}`" in page
        for key in ("video", "audio", "has_audio", "mesh", "pose", "caption", "mask", "start")
    )


def test_captions_and_attributes_come_along_and_balance_counts_unknown_as_a_cell(published: Path) -> None:
    bare = facevid.open(published)
    said: list[Statement] = []
    for k, clip in enumerate(bare):
        if k % 4 == 0:
            said.append(
                Statement(clip.clip_id, "attribute", "hair_colour", "black", "annotator", 0.9, who="ann")
            )
        said.append(Statement(clip.clip_id, "caption", "medium", f"Person {k}.", "measured:grammar"))
        if k == 0:
            said.append(Statement(clip.clip_id, "caption", "short", "Short.", "measured:grammar"))
    update_annotations(published, add=said)
    ds = facevid.open(published)
    options = {**SMALL, "attributes": ["hair_colour"], "balance": ["hair_colour"]}
    batches = list(ds.loader(**options, caption=True))
    hair = [h for b in batches for h in b["hair_colour"]]
    assert hair.count("black") == hair.count(None) == 20
    captions = {c: text for b in batches for c, text in zip(b["clip_id"], b["caption"], strict=True)}
    assert all(text == ds[c].caption for c, text in captions.items())
    short = {
        c: t
        for b in ds.loader(**SMALL, caption="short")
        for c, t in zip(b["clip_id"], b["caption"], strict=True)
    }
    assert short == {c: "Short." if c == ds[0].clip_id else None for c in ds.ids.to_pylist()}


def test_a_dataset_that_is_not_on_this_machine_gives_the_same_batches(
    forty_clips: facevid.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEVID_CACHE", str(tmp_path / "cache"))
    fsspec.filesystem("memory").put(forty_clips.location, "/loader/dataset", recursive=True)
    far = facevid.open("memory://loader/dataset")
    options = {**SMALL, "audio": True, "mesh": True}
    assert all(_same(a, b) for a, b in zip(far.loader(**options), forty_clips.loader(**options), strict=True))
    assert all(_same(a, b) for a, b in zip(far.stream(**options), forty_clips.stream(**options), strict=True))
