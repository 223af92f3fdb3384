"""Latents made by the workers of an executor: the same files however many there are, and whatever happened before."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import facevid
from facevid.engine import SetupError
from facevid.generate.errors import GenerateError
from facevid.recipe import RecipeError

torch = pytest.importorskip("torch", reason="needs torch, which is an extra")
pytest.importorskip("diffusers", reason="needs diffusers, which is an extra")

from facevid.generate.data import encoding, workers  # noqa: E402
from facevid.generate.families import loading  # noqa: E402

from . import fakes  # noqa: E402
from .fakes import FakeFamily  # noqa: E402

torch.set_num_threads(1)
RECIPE: dict[str, Any] = {
    "name": "small",
    "data": {
        "fps": 25.0,
        "windows": 2,
        "buckets": [{"frames": 4, "height": 32, "width": 32}, {"frames": 1, "height": 32, "width": 32}],
    },
    "model": {"family": "ltx", "pretrained": "somewhere"},
    "optimisation": {"steps": 1, "batch": 1, "lr": 1e-3},
}


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """6 clips with captions; not to be changed."""
    folder = fakes.clips_in(tmp_path_factory.mktemp("latents"), 6)
    fakes.describe(folder, lambda k, _: ("short", "long"))
    return folder


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five windows of the first bucket, eight captions."""
    monkeypatch.setattr(workers, "STRETCH_PIXELS", 5 * 4 * 32 * 32)
    monkeypatch.setattr(workers, "_MOST_CAPTIONS", 8)
    encoding._encoder.cache_clear()


@pytest.fixture
def family(monkeypatch: pytest.MonkeyPatch) -> FakeFamily:
    made = FakeFamily()
    monkeypatch.setattr(loading, "build_family", lambda *_, **__: made)
    return made


def files_of(folder: Path) -> dict[str, bytes]:
    """Shards and indexes by their paths, without what tells of runs."""
    kept = (p for p in folder.rglob("*") if p.suffix in (".safetensors", ".json"))
    return {str(p.relative_to(folder)): p.read_bytes() for p in kept}


def rows_of(folder: Path) -> dict[str, dict[str, Any]]:
    """Every row of the shards below a folder by its name."""
    from safetensors import safe_open

    found = {}
    for path in folder.rglob("*.safetensors"):
        with safe_open(path, "pt") as shard:
            names = shard.metadata()["rows"].split("\n")
            tensors = {key: shard.get_tensor(key) for key in shard.keys()}  # noqa: SIM118 - no dictionary
        found |= {f"{name} {k}": t[n] for n, name in enumerate(names) for k, t in tensors.items()}
    return found


def test_rows_are_those_that_this_process_makes_in_shards_of_a_stretch_each(
    described: Path, family: FakeFamily, tmp_path: Path
) -> None:
    plain = facevid.latents(described, recipe=RECIPE, output=tmp_path / "plain")
    seen: list[tuple[int, int]] = []
    made = facevid.latents(
        described, recipe=RECIPE, output=tmp_path / "made", workers=0,
        on_progress=lambda p: seen.append((p.done, p.total)),
    )  # fmt: skip
    assert (made.made, made.reused, made.captions) == (plain.made, 0, plain.captions) == (24, 0, 12)
    assert seen == [(0, 24), (0, 24), (0, 24), (0, 24), (5, 24), (10, 24), (12, 24), (24, 24)]
    one, other = rows_of(tmp_path / "plain"), rows_of(tmp_path / "made")
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    index = fakes.index_of(Path(made.folder))
    assert [(s["file"], s["bucket"], s["rows"]) for s in index["shards"]] == [
        ("00000.safetensors", 0, 5), ("00001.safetensors", 0, 5), ("00002.safetensors", 0, 2),
        ("00003.safetensors", 1, 12),
    ]  # fmt: skip
    assert made.bytes == sum(p.stat().st_size for p in (tmp_path / "made").rglob("*.safetensors"))
    for again in (
        facevid.latents(described, recipe=RECIPE, output=tmp_path / "made"),
        facevid.latents(described, recipe=RECIPE, output=tmp_path / "made", workers=0),
    ):
        assert (again.made, again.reused, again.captions) == (0, 24, 0)


def test_after_a_kill_or_damage_the_files_are_those_of_one_run(
    described: Path, family: FakeFamily, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = facevid.latents(described, recipe=RECIPE, output=tmp_path / "whole", workers=0)
    encode = family.encode

    def killed(video: Any) -> Any:
        if family.encoded >= 24 + 12:
            raise KeyboardInterrupt
        return encode(video)

    assert family.encoded == 12  # windows of more than one frame
    family.encoded = 24
    monkeypatch.setattr(family, "encode", killed)
    with pytest.raises(KeyboardInterrupt):
        facevid.latents(described, recipe=RECIPE, output=tmp_path / "killed", workers=0)
    folder = tmp_path / "killed" / Path(whole.folder).name
    assert [s["rows"] for s in fakes.index_of(folder)["shards"]] == [5, 5]
    monkeypatch.setattr(family, "encode", encode)
    again = facevid.latents(described, recipe=RECIPE, output=tmp_path / "killed", workers=0)
    assert (again.made, again.reused) == (14, 10)
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "whole")
    (folder / "00001.safetensors").write_bytes(b"half")
    mended = facevid.latents(described, recipe=RECIPE, output=tmp_path / "killed", workers=0)
    assert mended.damaged == ["00001.safetensors has 4 bytes and should have " + str(_size(whole.folder, 1))]
    assert mended.made == 5 and files_of(tmp_path / "killed") == files_of(tmp_path / "whole")


def _size(folder: str, number: int) -> int:
    return int(fakes.index_of(Path(folder))["shards"][number]["bytes"])


def test_a_clip_that_cannot_be_read_is_named_and_tried_again(
    described: Path, family: FakeFamily, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(described, tmp_path / "dataset"))
    gone = facevid.open(folder).ids[1].as_py()
    sound = (folder / "media" / facevid.open(folder)[gone].row["shard"]).read_bytes()
    fakes.damage(folder, gone)
    made = facevid.latents(folder, recipe=RECIPE, workers=0)
    assert (made.made, made.missing, list(made.unreadable)) == (20, 4, [gone])
    (folder / "media" / facevid.open(folder)[gone].row["shard"]).write_bytes(sound)
    assert facevid.latents(folder, recipe=RECIPE, workers=0).made == 4


def test_numbers_too_large_and_other_weights_end_the_run_with_one_sentence(
    described: Path, family: FakeFamily, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    family.vae.weight.data.fill_(1e6)
    with pytest.raises(GenerateError, match=r"cannot be kept as float16 .*bfloat16"):
        facevid.latents(described, recipe=RECIPE, output=tmp_path, workers=0)
    built = iter([FakeFamily(), FakeFamily(scale=2.0)])
    monkeypatch.setattr(loading, "build_family", lambda *_, **__: next(built))
    with pytest.raises(SetupError, match=r"could not be set up.*has other weights for small"):
        facevid.latents(described, recipe=RECIPE, output=tmp_path, workers=0)
    monkeypatch.setattr(loading, "build_family", lambda *_, **__: FakeFamily())
    asked = encoding.Encoding("{}", None, None, "float16", "", "", (("torch", "0.1"),))
    with pytest.raises(
        GenerateError, match=r"has torch .*, and the machine that began this run has torch 0\.1"
    ):
        encoding.load_encoder(asked)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"resources": ["gpus=1"]}, "this process encodes by itself"),
        (
            {"workers": 1, "resources": ["gpu=1"]},
            "takes up no gpu; allowed: cpus, gpus, memory_gb, custom.NAME",
        ),
        ({"workers": 1, "resources": ["gpus"]}, "'gpus' is no FIELD=AMOUNT"),
        ({"workers": 1, "resources": ["gpus=1.5"]}, "gpus is 1.5: must be a share below 1 or a whole number"),
        (
            {"workers": 1, "resources": ["custom.fast=1.5"]},
            "custom.*must be a share below 1 or a whole number",
        ),
        ({"workers": 2, "resources": {"gpus": 1}}, "local does not share out GPUs"),
        ({"workers": 0, "executor": "ray"}, "workers must be 1 or more"),
        ({"address": "a:1"}, "goes with the executor ray"),
    ],
)
def test_what_cannot_be_is_said(
    described: Path, family: FakeFamily, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises((GenerateError, RecipeError, facevid.engine.EngineError), match=said):
        facevid.latents(described, recipe=RECIPE, output=tmp_path, **options)


def test_stretches_stay_few_in_a_large_dataset_and_their_shards_small(
    described: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facevid.generate.data.windows import windows_of
    from facevid.generate.recipe import read_recipe

    monkeypatch.undo()
    windows = windows_of(facevid.open(described), read_recipe(RECIPE).data)
    least, most = workers.STRETCH_PIXELS // 4096, workers._MOST_PIXELS // 4096
    assert workers.stretch_size(windows, 0, 10) == least
    assert workers.stretch_size(windows, 0, 256 * 100_000) == 100_000
    assert workers.stretch_size(windows, 0, 10**10) == most


def _tiny_encoder(folder: Path) -> dict[str, Any]:
    """Options of `latents` that name a real autoencoder of a few weights."""
    from diffusers import AutoencoderKLLTXVideo

    from . import test_family_ltx

    torch.manual_seed(0)
    AutoencoderKLLTXVideo(**test_family_ltx.CONFIG["vae"]).save_pretrained(folder / "vae")
    bucket = {"frames": 5, "height": 64, "width": 64}
    recipe = {
        **RECIPE,
        "model": {"family": "facevid", "config": {"width": 64, "depth": 1}},
        "data": {**RECIPE["data"], "buckets": [bucket]},
    }
    return {"recipe": recipe, "autoencoder": folder / "vae"}


@pytest.mark.slow
def test_files_are_the_same_byte_for_byte_whatever_the_number_of_workers_and_on_ray(
    described: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    monkeypatch.setattr(workers, "STRETCH_PIXELS", 5 * 5 * 64 * 64)
    options = _tiny_encoder(tmp_path)
    ways = {
        "none": {"workers": 0},  # in this process, by the same stretches
        "one": {"workers": 1},
        "two": {"workers": 2},
        "ray": {"executor": "ray", "address": "local", "resources": ["cpus=1", "memory_gb=4"]},
    }
    found = {}
    for name, way in ways.items():
        made = facevid.latents(described, output=tmp_path / name, **options, **way)
        assert (made.made, made.device) == (12, "cpu")
        print(f"{name}: {made.seconds} s")
        found[name] = files_of(tmp_path / name)
    assert len(found["one"]) == 4  # three shards and their index
    assert all(files == found["none"] for files in found.values())
    logs = list((tmp_path / "ray").rglob("worker.log.*"))
    assert logs and json.loads(next((tmp_path / "ray").rglob("index.json")).read_text())["shards"]
