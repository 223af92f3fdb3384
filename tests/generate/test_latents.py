"""`facevid latents`, as a library call and as a command: what is made, found again, left out and told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import facevid
from facevid.cli import main
from facevid.dataset import DatasetError
from facevid.generate.errors import GenerateError

torch = pytest.importorskip("torch", reason="needs torch, which is an extra")
pytest.importorskip("diffusers", reason="needs diffusers, which is an extra")

from facevid.generate.data import latents as module  # noqa: E402
from facevid.generate.families import loading  # noqa: E402

from . import fakes  # noqa: E402
from .fakes import FakeFamily  # noqa: E402

torch.set_num_threads(1)
RECIPE: dict[str, Any] = {
    "name": "small",
    "data": {"fps": 25.0, "windows": 2, "buckets": [{"frames": 4, "height": 32, "width": 32}]},
    "model": {"family": "ltx", "pretrained": "somewhere"},
    "optimisation": {"steps": 1, "batch": 1, "lr": 1e-3},
}


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """6 clips; the last has no caption."""
    folder = fakes.clips_in(tmp_path_factory.mktemp("latents"), 6)
    fakes.describe(folder, lambda k, _: () if k == 5 else ("short", "long"))
    return folder


@pytest.fixture
def family(monkeypatch: pytest.MonkeyPatch) -> FakeFamily:
    """The family that every recipe and model names."""
    made = FakeFamily()
    monkeypatch.setattr(loading, "build_family", lambda *_, **__: made)
    monkeypatch.setattr(loading, "load_family", lambda *_, **__: made)
    return made


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(json.dumps(RECIPE))
    return path


def test_a_dry_run_says_what_the_run_then_does(described: Path, family: FakeFamily, tmp_path: Path) -> None:
    planned = facevid.latents(described, recipe=RECIPE, output=tmp_path / "out", dry_run=True)
    assert not (tmp_path / "out").exists() and (planned.made, planned.missing) == (0, 10)
    seen: list[tuple[int, int]] = []
    made = facevid.latents(
        described,
        recipe=RECIPE,
        output=tmp_path / "out",
        on_progress=lambda p: seen.append((p.done, p.total)),
    )
    assert (made.windows, made.clips, made.made, made.reused, made.captions) == (10, 5, 10, 0, 10)
    assert (made.no_caption, made.too_short, made.unreadable) == (1, 0, {})
    assert seen[0] == (0, 10) and seen[-1] == (10, 10)
    # 10 windows of 3 x 4 x 8 x 8 latents and their first picture, 10 captions and the empty one, which a dry run lacks.
    assert planned.bytes == 10 * (3 * 5 * 8 * 8) * 2 + 10 * (3 * 8 + 6 * 2)
    assert planned.bytes < made.bytes < planned.bytes + 4000
    again = facevid.latents(described, recipe=RECIPE, output=tmp_path / "out", dry_run=True)
    assert (again.missing, again.captions, again.bytes, again.reused) == (0, 0, 0, 10)


def test_a_choice_of_clips_is_encoded_and_nothing_else(
    described: Path, family: FakeFamily, tmp_path: Path
) -> None:
    ids = facevid.open(described).ids.to_pylist()
    made = facevid.latents(
        described,
        recipe=RECIPE,
        output=tmp_path,
        where=f"clip_id in ('{ids[0]}', '{ids[1]}')",
        changes=["data.windows=1"],
    )
    assert (made.windows, family.encoded) == (2, 2)
    with pytest.raises(DatasetError):
        facevid.latents(described, recipe=RECIPE, output=tmp_path, where="frames > 1000")


def test_without_text_clips_without_captions_are_used(
    described: Path, family: FakeFamily, tmp_path: Path
) -> None:
    made = facevid.latents(described, recipe=RECIPE, output=tmp_path, changes=["conditioning.drop_prompt=1"])
    assert (made.clips, made.no_caption, made.captions) == (6, 0, 0)
    assert family.told == ["", ""]  # its shape, and its features


def test_what_a_training_makes_is_found(described: Path, family: FakeFamily, tmp_path: Path) -> None:
    from facevid.generate.data.windows import windows_of
    from facevid.generate.recipe import read_recipe

    facevid.latents(described, recipe=RECIPE, output=tmp_path)
    data = read_recipe(RECIPE).data
    some = facevid.open(described).take([1, 3])
    store = module.latent_store(some, windows_of(some, data), family, data, folder=tmp_path)
    assert (store.made, store.captions) == (0, 0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "Name a recipe"),
        ({"model": "m", "recipe": RECIPE, "autoencoder": "a"}, "has its own autoencoder"),
        ({"model": "m", "recipe": RECIPE, "text": "t"}, "has its own text encoder"),
        ({"recipe": RECIPE, "precision": "int8"}, "no precision 'int8'; allowed: float16, bfloat16, float32"),
        ({"recipe": RECIPE, "device": "toaster"}, "no device 'toaster'"),
        (
            {"recipe": RECIPE, "changes": ["data.buckets=[{frames: 4, height: 30, width: 30}]"]},
            "multiples of 4",
        ),
        ({"recipe": "autoencoder"}, "trains no model of videos"),
    ],
)
def test_what_cannot_be_is_said(
    described: Path, family: FakeFamily, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(GenerateError, match=said):
        facevid.latents(described, output=tmp_path, **options)


def test_the_command_tells_and_ends_with_1_where_a_clip_cannot_be_read(
    tmp_path: Path, family: FakeFamily, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = fakes.clips_in(tmp_path, 4)
    fakes.describe(folder, lambda k, _: ("short",))
    command = ["latents", str(folder), "--recipe", str(recipe)]
    assert main([*command, "--dry-run"]) == 0
    assert "8 of 8 windows of 4 clips and 4 captions would be encoded on cpu" in capsys.readouterr().out
    gone = facevid.open(folder).ids[1].as_py()
    fakes.damage(folder, gone)
    assert main([*command, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["made"] == 6 and list(told["unreadable"]) == [gone]
    assert main(command) == 1
    out = capsys.readouterr().out
    assert f"{folder / '.work' / 'latents'}" in out and f"Clip {gone} cannot be read" in out


def test_a_dataset_that_nobody_described_is_refused_with_what_to_do(
    tmp_path: Path, family: FakeFamily, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = fakes.clips_in(tmp_path, 2)
    assert main(["latents", str(folder), "--recipe", str(recipe)]) == 2
    assert f"facevid annotate {folder}" in capsys.readouterr().err


def test_our_own_family_keeps_latents_and_leaves_the_text_to_training(
    described: Path, tmp_path: Path
) -> None:
    from diffusers import AutoencoderKLLTXVideo

    from . import test_family_ltx

    AutoencoderKLLTXVideo(**test_family_ltx.CONFIG["vae"]).save_pretrained(tmp_path / "vae")
    own = {"family": "facevid", "config": {"width": 64, "depth": 1}}
    bucket = {"frames": 5, "height": 64, "width": 64}
    recipe = {**RECIPE, "model": own, "data": {**RECIPE["data"], "windows": 1, "buckets": [bucket]}}
    options = {"recipe": recipe, "autoencoder": tmp_path / "vae", "output": tmp_path / "out"}
    made = facevid.latents(described, **options)
    assert (made.made, made.captions, made.text_folder) == (5, 0, None)
    assert facevid.latents(described, **options).reused == 5
    (index,) = (tmp_path / "out").glob("*/index.json")
    assert fakes.index_of(index.parent)["shards"][0]["tensors"] == {
        "first": ["float16", 8, 1, 8, 8],
        "latents": ["float16", 8, 2, 8, 8],
    }
