"""A study with a real, tiny model: two sizes, two amounts, a page at the end."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs torch, which is an extra")
pytest.importorskip("diffusers", reason="needs diffusers, which is an extra")

GENERATE = Path(__file__).parents[1] / "generate"
sys.path.append(str(GENERATE))

import fakes  # noqa: E402

import facevid  # noqa: E402
from facevid.bench.study import findings, foretold  # noqa: E402

torch.set_num_threads(1)
CODER = {
    "name": "tiny",
    "data": {"fps": 25.0, "windows": 1, "buckets": [{"frames": 5, "height": 32, "width": 32}]},
    "autoencoder": {
        "config": {
            "latent_channels": 8, "block_out_channels": [8, 8], "decoder_block_out_channels": [8, 8],
            "layers_per_block": [1, 1, 1], "decoder_layers_per_block": [1, 1, 1], "patch_size": 4,
            "spatio_temporal_scaling": [True, True], "decoder_spatio_temporal_scaling": [True, True],
            "decoder_inject_noise": [False, False, False], "upsample_residual": [False, False],
            "upsample_factor": [1, 1], "timestep_conditioning": False,
            "down_block_types": ["LTXVideoDownBlock3D", "LTXVideoDownBlock3D"], "downsample_type": ["conv", "conv"],
        },
        "perceptual": 0.0,
    },
    "optimisation": {"steps": 1, "batch": 2, "lr": 1e-3, "warmup": 0, "ema": 0.0},
    "validation": {"every": 1, "samples": 2, "grid_seconds": 0},
    "tracking": [],
}  # fmt: skip
STUDY = {
    "name": "tiny",
    "recipe": "facevid-xs",
    "changes": [
        "data.buckets=[{frames: 5, height: 32, width: 32}]", "data.crop=null", "data.windows=2",
        "optimisation.warmup=1",
        "conditioning.drop_prompt=1", "conditioning.image=0", "validation.samples=4",
    ],
    "data": {"test": 0.34, "fractions": [0.5, 1.0]},
    "sizes": [
        {"name": "one", "width": 64, "depth": 1, "changes": ["optimisation.batch=4"]},
        {"name": "two", "width": 64, "depth": 2, "changes": ["optimisation.batch=4"]},
    ],
    "steps": 4,
    "validations": 2,
    "fit": {"resamples": 10},
}  # fmt: skip


def test_a_tiny_study_of_a_real_model_from_clips_to_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (findings, foretold):
        monkeypatch.setattr(module, "LAWS", ("power", "slopes"))  # two whose fits take no time
    dataset = fakes.six_people(tmp_path)
    facevid.train(CODER, dataset, tmp_path / "coder")
    out = tmp_path / "study"
    done = facevid.scale(STUDY, dataset, out, autoencoder=tmp_path / "coder")
    assert len(done.trained) == 4 and not done.failed
    rows = [json.loads(line) for line in (out / "runs.jsonl").read_text().splitlines()]
    assert [row["people"] for row in rows] == [2, 4, 2, 4]
    sizes = sorted({row["size"] for row in rows})
    blocks = 16 * 64**2
    assert len(sizes) == 2 and blocks < sizes[1] - sizes[0] < 1.2 * blocks  # what one more block has
    assert all(0 < row["loss"] < 10 and row["curve_steps"] == [2, 4] for row in rows)
    assert all(row["compute"] > 3 * 2 * blocks * row["samples_seen"] for row in rows)
    assert done.cost is not None
    assert all(cost["step_s"] > 0 and cost["encode_s"] > 0 for cost in done.cost["sizes"].values())
    assert done.findings is not None and len(done.findings.runs) == 4
    page = (out / "index.html").read_text()
    assert page.count("over training") == 2 and "clips to learn from" in page
