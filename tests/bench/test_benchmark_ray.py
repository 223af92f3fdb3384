"""A benchmark whose videos are looked at on a Ray cluster comes to the figures of this machine alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import facevid

from . import faces

pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = pytest.mark.slow


def test_figures_and_what_is_seen_are_those_of_the_executor_local(tmp_path: Path) -> None:
    dataset = faces.people_dataset(tmp_path)
    videos = tmp_path / "videos"
    videos.mkdir()
    for k in range(4):
        faces.write_video(videos / f"v{k}.mp4", faces.blurred(faces.talking(k, 8, 1)[0], 1.5))
    (videos / "w_text.mp4").write_text("no video")
    here = facevid.benchmark(
        videos, dataset, output=tmp_path / "here", resamples=20, workers=1, cache=tmp_path / "a"
    )
    there = facevid.benchmark(
        videos, dataset, output=tmp_path / "there", resamples=20, workers=2, cache=tmp_path / "b",
        executor="ray", address="local", resources=["memory_gb=3"],
    )  # fmt: skip
    assert [one["video"] for one in there.result.videos["failed"]] == ["w_text.mp4"]
    plain = [{**made.result.to_dict(), "date": "", "settings": ""} for made in (here, there)]
    assert plain[0] == plain[1]
    seen = sorted(p.name for p in (tmp_path / "a" / "seen").iterdir())
    assert len(seen) > 4 and seen == sorted(p.name for p in (tmp_path / "b" / "seen").iterdir())
    for name in seen:
        with np.load(tmp_path / "a" / "seen" / name) as one, np.load(tmp_path / "b" / "seen" / name) as other:
            assert one.files == other.files
            assert all(
                np.array_equal(one[f], other[f], equal_nan=one[f].dtype.kind == "f") for f in one.files
            )
    assert list((tmp_path / "b").glob("worker.log.*"))
