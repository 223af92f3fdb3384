"""A dataset that is built and annotated on a Ray cluster is the one that this machine alone would have made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hostile import SIZE

import facevid
from facevid.annotate import annotate
from facevid.synth import synthesize

pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = pytest.mark.slow
RECIPE: dict[str, Any] = {
    "select": {"min_s": 0.6, "rules": []},
    "cut": {"size": 128, "preset": "ultrafast"},
    "identify": {"faces_per_clip": 1},
}


def published(dataset: Path) -> dict[str, bytes]:
    files = (p for p in dataset.rglob("*") if p.is_file() and ".work" not in p.relative_to(dataset).parts)
    return {str(p.relative_to(dataset)): p.read_bytes() for p in files}


def test_every_published_file_is_byte_for_byte_the_same(tmp_path: Path) -> None:
    footage = tmp_path / "footage"
    synthesize(footage, people=2, videos=2, seed=3, seconds=1.4, kinds=("clean",), size=SIZE, workers=1)
    (footage / "broken.mp4").write_bytes(b"no video at all" * 100)
    here, there = tmp_path / "here" / "dataset", tmp_path / "there" / "dataset"
    local = facevid.build(footage, here, recipe=RECIPE, workers=2)
    needs = {"resources": {"analyze": {"cpus": 1, "memory_gb": 3}, "cut": {"cpus": 0.5}}}
    ray = facevid.build(footage, there, recipe={**RECIPE, **needs}, executor="ray", address="local")
    assert (local.clips, ray.clips, ray.failed) == (2, 2, 1)
    assert published(here) == published(there)
    assert list((there / ".work").glob("worker.log.*")), "no worker of the cluster wrote its log"

    annotate(here, workers=2)
    annotate(there, executor="ray", address="local")
    assert published(here) == published(there)
