"""Trainings in processes of their own: killed at any moment, and as one of two ranks, whole or in shards."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs torch, which is an extra")
pytest.importorskip("accelerate", reason="needs accelerate, which is an extra")

from safetensors.torch import load_file  # noqa: E402

from facevid.generate.training.trainer import Trainer  # noqa: E402

from .toy_task import ToyTask, toy_recipe  # noqa: E402

torch.set_num_threads(1)
ROOT = Path(__file__).resolve().parents[2]
TIMES = ("seconds", "waited_s")


def start(*jobs: str, **environment: str) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(ROOT), *(p for p in sys.path if p)])
    return subprocess.Popen(
        [sys.executable, "-m", "tests.generate.toy_run", *jobs],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def train(folder: Path, *changes: str, dropout: float = 0.1) -> None:
    Trainer(ToyTask(dropout=dropout), toy_recipe(*changes), folder, peak=1e9).run()


def finish(process: subprocess.Popen[str]) -> str:
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 0, text
    return text


def on_two_ranks(*jobs: str) -> list[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "ACCELERATE_USE_CPU": "true",
    }
    ranks = [start(*jobs, RANK=str(r), LOCAL_RANK=str(r), **shared) for r in range(2)]
    try:
        return [finish(rank) for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()


def curve(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / ".train/log.jsonl").read_text().splitlines()
    return [{n: v for n, v in json.loads(line).items() if n not in TIMES} for line in lines]


def weights(folder: Path, step: int, name: str) -> dict[str, torch.Tensor]:
    return load_file(folder / f".train/checkpoints/step-{step:08d}/{name}.safetensors")


@pytest.mark.parametrize("moments", [(30,), pytest.param((12, 25, 47), marks=pytest.mark.slow)])
def test_killed_at_any_moment_it_goes_on_bitwise(tmp_path: Path, moments: tuple[int, ...]) -> None:
    changes = ("optimisation.steps=60", "checkpoints.every=9", "validation.every=15")
    train(tmp_path / "undisturbed", *changes)
    killed = tmp_path / "killed"
    log = killed / ".train/log.jsonl"
    for lines in moments:
        process = start(",".join([str(killed), *changes]))
        while not log.exists() or log.read_bytes().count(b"\n") < lines:
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    train(killed, *changes)
    assert curve(killed) == curve(tmp_path / "undisturbed")
    for name in ("weights", "ema", "optimizer"):
        one, other = weights(killed, 60, name), weights(tmp_path / "undisturbed", 60, name)
        assert one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)
    assert not [p for p in (killed / ".train/checkpoints").iterdir() if not p.name.startswith("step-")]


@pytest.mark.slow
def test_two_ranks_whole_or_in_shards_train_as_one_and_go_on_from_each_other(tmp_path: Path) -> None:
    one, two, shards, mixed = (tmp_path / name for name in ("one", "two", "shards", "mixed"))
    alone, muon = tmp_path / "alone", tmp_path / "muon"
    changes = ("optimisation.decay=constant", "optimisation.accumulate=2")
    train(one, *changes, dropout=0.0)
    train(mixed, *changes, "optimisation.steps=5", dropout=0.0)
    train(alone, *changes, "optimisation.optimizer=muon", dropout=0.0)
    options = ",".join(["no-dropout", *changes])
    said = on_two_ranks(
        f"{two},{options}",
        f"{shards},{options},optimisation.distributed=fsdp",
        f"{mixed},{options},optimisation.distributed=fsdp,optimisation.steps=9",
        f"{muon},{options},optimisation.distributed=fsdp,optimisation.optimizer=muon",
    )
    for text in said:
        assert [line.split()[0] for line in text.splitlines() if str(tmp_path) in line] == ["whole"] + 3 * [
            "sharded"
        ]
    train(mixed, *changes, dropout=0.0)  # 5 steps by one rank, 4 by two in shards, 3 by one
    for other, whole in ((two, one), (shards, one), (mixed, one), (muon, alone)):
        for line, expected in zip(curve(other), _without(curve(whole), curve(other)), strict=True):
            assert line == pytest.approx(expected, rel=1e-4, abs=1e-7)
        for name in ("weights", "ema"):
            ours, theirs = weights(other, 12, name), weights(whole, 12, name)
            assert all(torch.allclose(ours[k], theirs[k], rtol=0, atol=1e-5) for k in theirs)


def _without(curve: list[dict[str, Any]], other: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines of a curve, with a validation more at the steps where the other one ended for a while."""
    here = {(line["step"], "held_out" in line): line for line in curve}
    return [here.get((line["step"], "held_out" in line), line) for line in other]
