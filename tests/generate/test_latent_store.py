"""Latents on disk: those of encoding on the fly, made once, gone on with after a kill, gone with a takedown."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import facevid
from facevid.generate.errors import GenerateError
from facevid.generate.recipe import Bucket, Data

torch = pytest.importorskip("torch", reason="needs torch, which is an extra")
pytest.importorskip("safetensors", reason="needs safetensors, which is an extra")

from facevid.dataset.loading import DamagedClip  # noqa: E402
from facevid.generate.data import making, shards, store  # noqa: E402
from facevid.generate.data.order import FixedOrder, TrainingOrder  # noqa: E402
from facevid.generate.data.sources import LatentSource, PixelSource, text_in  # noqa: E402
from facevid.generate.data.store import LatentStore, Precision  # noqa: E402
from facevid.generate.data.windows import Windows, windows_of  # noqa: E402

from . import fakes  # noqa: E402
from .fakes import FakeFamily  # noqa: E402

torch.set_num_threads(1)
ALL = ("short", "medium", "long")
DATA = Data(
    fps=25.0,
    windows=2,
    buckets=[Bucket(frames=4, height=32, width=32), Bucket(frames=2, height=64, width=64, share=0.5)],
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 described clips, the second with a short caption only; not to be changed."""
    folder = fakes.clips_in(tmp_path_factory.mktemp("latents"), 12)
    fakes.describe(folder, lambda k, _: ("short",) if k == 1 else ALL)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(made, tmp_path / "dataset"))


def _windows(folder: Path, **options: Any) -> Windows:
    return windows_of(facevid.open(folder), DATA, **options)


def _latents(folder: Path) -> list[Path]:
    """The shards of windows."""
    indexes = sorted((folder / ".work" / "latents").glob("*/index.json"))
    (place,) = [i.parent for i in indexes if fakes.index_of(i.parent)["made_of"]["what"] == "latents"]
    return sorted(place.glob("*.safetensors"))


def latent_store(windows: Windows, family: Any, **options: Any) -> LatentStore:
    return store.latent_store(windows.dataset, windows, family, DATA, **options)


def _fresh(order: Any, family: Any) -> list[dict[str, Any]]:
    """The batches of a LatentSource, encoded on the fly."""
    found = []
    for batch in _batches(PixelSource(order)):
        text = {f"text.{k}": v for k, v in family.text_features(batch.pop("caption")).items()}
        found.append({**making.encoded(family, batch.pop("video")), **text, **batch})
    return found


def _batches(source: Any, **options: Any) -> list[dict[str, Any]]:
    return list(source.iterate(0, 12, batch=8, **options))


@pytest.mark.parametrize(
    ("precision", "rounding"), [("float32", 0.0), ("float16", 2.0**-11), ("bfloat16", 2.0**-8)]
)
def test_latents_from_disk_are_those_made_on_the_fly_up_to_rounding(
    made: Path, tmp_path: Path, precision: Precision, rounding: float
) -> None:
    family = FakeFamily(scale=2.5)
    windows = _windows(made)
    kept = latent_store(windows, family, folder=tmp_path, precision=precision)
    for order in (TrainingOrder(windows, 5), FixedOrder(windows, 20)):
        stored = _batches(LatentSource(order, kept))
        fresh = _fresh(order, family)
        assert len(stored) == len(fresh) and {tuple(b["latents"].shape[1:]) for b in stored} == {
            (3, 4, 8, 8),
            (3, 2, 16, 16),
        }
        for one, other in zip(stored, fresh, strict=True):
            assert one.keys() == other.keys()
            for name in ("clip_id", "batch_id"):
                assert one[name] == other[name]
            for name in ("seed", "fps", "text.ids"):
                assert torch.equal(one[name], other[name])
            for name in ("latents", "first", "text.embeddings"):
                assert one[name].shape == other[name].shape
                off = (one[name].float() - other[name].float()).abs()
                smallest = 2.0**-25 if rounding else 0.0
                assert (off <= torch.clamp(rounding * other[name].float().abs(), min=smallest)).all()


def test_first_is_the_first_picture_encoded_alone_and_left_out_where_the_family_takes_none(
    made: Path, tmp_path: Path
) -> None:
    windows = _windows(made)
    order = FixedOrder(windows, 8)
    (batch, *_) = _batches(LatentSource(order, latent_store(windows, FakeFamily(), folder=tmp_path)))
    assert torch.equal(batch["first"][:, :, 0], batch["latents"][:, :, 0])
    plain = latent_store(windows, FakeFamily(pictures=False), folder=tmp_path)
    assert "first" not in _batches(LatentSource(order, plain))[0]


def test_ranks_read_what_one_reads(made: Path, tmp_path: Path) -> None:
    windows = _windows(made)
    source = LatentSource(TrainingOrder(windows, 1), latent_store(windows, FakeFamily(), folder=tmp_path))
    whole = _batches(source)
    ranks = [_batches(source, rank=r, world_size=2) for r in range(2)]
    for k, batch in enumerate(whole):
        assert torch.equal(batch["latents"], torch.cat([r[k]["latents"] for r in ranks]))


def test_a_second_time_nothing_is_encoded_and_a_part_of_the_clips_finds_its_latents(folder: Path) -> None:
    first = latent_store(_windows(folder), FakeFamily())
    assert (first.made, first.reused) == (48, 0)
    family = FakeFamily()
    again = latent_store(windows_of(facevid.open(folder).take([3, 5, 7]), DATA), family)
    assert (again.made, again.reused, family.encoded) == (0, 12, 0)
    assert family.told == [""]
    assert again.text(np.array([0]), np.array([2]))["ids"].tolist() == [
        FakeFamily().text_features(["long of 3"])["ids"][0].tolist()
    ]


def test_more_windows_are_added_to_those_there_and_other_encoders_or_rates_have_another_folder(
    folder: Path,
) -> None:
    few = DATA.model_copy(update={"windows": 1})
    latent_store(windows_of(facevid.open(folder), few), FakeFamily())
    family = FakeFamily()
    more = latent_store(_windows(folder), family)
    assert more.latents.folder == latent_store(_windows(folder), FakeFamily()).latents.folder
    assert more.made == family.encoded == 48 - more.reused
    other = [
        latent_store(_windows(folder), FakeFamily(scale=2.0)),
        latent_store(_windows(folder), FakeFamily(), precision="float32"),
        latent_store(windows_of(facevid.open(folder), DATA.model_copy(update={"fps": 12.5})), FakeFamily()),
    ]
    assert len({s.latents.folder for s in (more, *other)}) == 4
    assert len({s.texts.folder for s in (more, *other)}) == 2


def test_the_index_tells_what_it_was_made_of(folder: Path) -> None:
    kept = latent_store(_windows(folder), FakeFamily())
    index = fakes.index_of(kept.latents.folder)
    assert index["made_of"]["buckets"] == [[4, 32, 32], [2, 64, 64]] and index["made_of"]["fps"] == 25.0
    assert set(index["made_of"]["autoencoder"]) == {"vae"}
    import hashlib

    manifest = hashlib.sha256((folder / "dataset.json").read_bytes()).hexdigest()
    assert [(s["rows"], s["dataset_sha256"]) for s in index["shards"]] == [(24, manifest), (24, manifest)]
    assert index["shards"][0]["tensors"] == {
        "first": ["float16", 3, 1, 8, 8],
        "latents": ["float16", 3, 4, 8, 8],
    }


def test_new_captions_are_told_and_nothing_else_is_made(folder: Path) -> None:
    latent_store(_windows(folder), FakeFamily())
    fakes.describe(folder, lambda k, _: ALL if k == 1 else ())
    family = FakeFamily()
    kept = latent_store(_windows(folder), family)
    assert (kept.made, family.told) == (0, ["", "medium of 1", "long of 1"])


def test_without_captions_every_sample_has_the_empty_prompt(made: Path, tmp_path: Path) -> None:
    family = FakeFamily()
    windows = _windows(made, captions=False)
    kept = latent_store(windows, family, folder=tmp_path)
    (batch, *_) = _batches(LatentSource(FixedOrder(windows, 4), kept))
    expected = family.text_features([""] * len(batch["clip_id"]))
    assert torch.equal(text_in(batch)["ids"], expected["ids"])


def test_a_damaged_or_missing_shard_is_named_and_made_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "SHARD_BYTES", 1)
    monkeypatch.setattr(making, "_LARGEST_BATCH", 4)
    before = latent_store(_windows(folder), FakeFamily())
    assert before.latents.shards > 4
    whole = before.read(np.arange(24))["latents"].clone()
    first, second, *_ = _latents(folder)
    data = bytearray(first.read_bytes())
    data[-1] ^= 1
    first.write_bytes(data)
    second.unlink()
    after = latent_store(_windows(folder), FakeFamily())
    assert after.damaged == (f"{first.name} does not have its SHA-256", f"{second.name} is missing")
    assert 0 < after.made < 48
    assert torch.equal(after.read(np.arange(24))["latents"], whole)
    assert latent_store(_windows(folder), FakeFamily()).damaged == ()


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import torch
from facevid.generate.data import making
import importlib.util
spec = importlib.util.spec_from_file_location("fakes", sys.argv[2] + "/fakes.py")
fakes = importlib.util.module_from_spec(spec); spec.loader.exec_module(fakes)
import facevid
from facevid.generate.recipe import Bucket, Data
from facevid.generate.data.store import latent_store
from facevid.generate.data.windows import windows_of
making.SHARD_BYTES, making._LARGEST_BATCH = 1, 4
family = fakes.FakeFamily()
encode = family.encode
def killed(video):
    if family.encoded >= 20 and video.shape[2] > 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return encode(video)
family.encode = killed
data = Data(fps=25.0, windows=2, buckets=[Bucket(frames=4, height=32, width=32), Bucket(frames=2, height=64, width=64)])
ds = facevid.open(sys.argv[1])
latent_store(ds, windows_of(ds, data), family, data)
"""


def test_a_killed_run_goes_on_where_it_stopped(folder: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder), str(Path(__file__).parent)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert ended.returncode == -signal.SIGKILL
    stray = _latents(folder)[0].with_name("00099.safetensors")
    stray.write_bytes(b"half")
    family = FakeFamily()
    kept = latent_store(_windows(folder), family)
    assert (kept.reused, kept.made, family.encoded) == (20, 28, 28)
    assert not stray.exists() and kept.usable.all()


def test_clips_that_cannot_be_read_are_named_and_replaced_as_a_pixel_source_does(
    folder: Path, tmp_path: Path
) -> None:
    gone = facevid.open(folder).ids[4].as_py()
    fakes.damage(folder, gone)
    windows = _windows(folder)
    kept = latent_store(windows, FakeFamily())
    assert list(kept.unreadable) == [gone] and (~kept.usable).sum() == 4
    order = TrainingOrder(windows, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamagedClip)
        fresh = _fresh(order, FakeFamily())
    with pytest.warns(DamagedClip, match=gone):
        stored = _batches(LatentSource(order, kept))
    for one, other in zip(stored, fresh, strict=True):
        assert one["clip_id"] == other["clip_id"] and gone not in one["clip_id"]
        assert torch.equal(one["text.ids"], other["text.ids"])


def test_numbers_too_large_for_the_type_are_refused(made: Path, tmp_path: Path) -> None:
    with pytest.raises(GenerateError, match=r"cannot be kept as float16 .*bfloat16"):
        latent_store(_windows(made), FakeFamily(scale=1e6), folder=tmp_path)


def test_a_folder_of_something_else_is_refused(folder: Path) -> None:
    kept = latent_store(_windows(folder), FakeFamily())
    (kept.latents.folder / "index.json").write_text('{"format": "other"}')
    with pytest.raises(GenerateError, match="holds something else than latents"):
        latent_store(_windows(folder), FakeFamily())


def test_a_takedown_leaves_no_latent_and_no_id_of_what_goes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "SHARD_BYTES", 1)
    monkeypatch.setattr(making, "_LARGEST_BATCH", 4)
    kept = latent_store(_windows(folder), FakeFamily())
    gone = facevid.open(folder).ids[4].as_py()
    name = next(n for n in _names(kept) if n.startswith(gone))
    with_it = [p for p in _latents(folder) if name.encode() in p.read_bytes()]
    assert 0 < len(with_it) < kept.latents.shards
    facevid.takedown(folder, clip=gone)
    assert not [p for p in folder.rglob("*") if p.is_file() and gone.encode() in p.read_bytes()]
    assert not any(p.exists() for p in with_it)
    family = FakeFamily()
    after = latent_store(_windows(folder), family)
    assert after.usable.all() and 0 < after.made < 44
    assert facevid.verify(folder).sound


def _names(kept: LatentStore) -> list[str]:
    return [str(n) for n in store.window_names(kept.windows).to_pylist()]


def test_clean_removes_latents(folder: Path) -> None:
    latent_store(_windows(folder), FakeFamily())
    assert facevid.verify(folder).sound
    assert facevid.clean(folder) > 0
    assert not (folder / ".work").exists()


def test_a_full_disk_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from collections import namedtuple

    from facevid.engine import StorageError

    monkeypatch.setattr(shutil, "disk_usage", lambda _: namedtuple("Usage", "total used free")(1, 1, 0))
    with pytest.raises(StorageError, match="free some space"):
        latent_store(_windows(folder), FakeFamily())


def test_a_dataset_that_cannot_be_written_uses_the_cache(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEVID_CACHE", str(tmp_path))
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert latent_store(_windows(made), FakeFamily()).latents.folder.is_relative_to(tmp_path / "latents")
    assert not (made / ".work" / "latents").exists()


def test_shards_hold_the_types_that_features_have(tmp_path: Path) -> None:
    place = shards.Shards(tmp_path, {"what": "test"})
    tensors = {
        "mask": torch.tensor([[True, False], [False, True]]),
        "half": torch.tensor([[1.5], [2.5]], dtype=torch.bfloat16),
        "ids": torch.tensor([[1], [2]], dtype=torch.int32),
    }
    place.write(["a", "b"], tensors, {})
    again = shards.Shards(tmp_path, {"what": "test"})
    again.load(mend=False)
    found = again.read(np.array([0, 0]), np.array([1, 0]))
    for name, tensor in tensors.items():
        assert torch.equal(found[name], tensor.flip(0)) and found[name].dtype == tensor.dtype
