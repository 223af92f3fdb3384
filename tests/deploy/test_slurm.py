"""The script for SLURM builds on two "nodes" of one machine, is cut short, queues itself again, and goes on."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import facevid
from facevid.engine import EngineError, Ledger
from facevid.synth import synthesize

pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "slurm" / "facevid-build.sbatch"
RECIPE = {
    "select": {"min_s": 0.6, "rules": []},
    "cut": {"size": 128, "preset": "ultrafast"},
    "identify": {"faces_per_clip": 1},
}
PATIENCE_S = 1200.0


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    folder = tmp_path / "footage"
    synthesize(folder, people=3, videos=3, seed=3, seconds=1.4, kinds=("clean",), size=(320, 240), workers=1)
    return folder


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    made = Job(tmp_path)
    yield made
    made.end()


class Job:
    """Runs the script as SLURM would on two nodes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.id = str(os.getpid())
        self.log = folder / "job.log"
        self.requeued = folder / "requeued"
        self._process: subprocess.Popen[bytes] | None = None
        tools = folder / "bin"
        tools.mkdir()
        srun = Path(__file__).with_name("srun.py")
        self._tool(tools / "srun", f'exec "{sys.executable}" "{srun}" "$@"')
        self._tool(
            tools / "scontrol",
            f'if [ "$1" = show ]; then echo "$3" | tr , "\\n"; else echo "$@" >> "{self.requeued}"; fi',
        )
        self._tool(tools / "facevid", f'exec "{sys.executable}" -m facevid "$@"')
        path = os.pathsep.join(entry for entry in sys.path if entry)
        self._environment = {
            **os.environ, "PATH": f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": path,
            "SLURM_JOB_ID": self.id, "SLURM_JOB_NODELIST": "alpha,beta", "FACEVID_WAIT_S": "300",
        }  # fmt: skip

    @staticmethod
    def _tool(path: Path, line: str) -> None:
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def start(self, *arguments: str) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["bash", str(SCRIPT), *arguments], env=self._environment, stdout=log, stderr=log
            )

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> int:
        assert self._process is not None
        return self._process.wait(timeout=PATIENCE_S)

    def processes(self) -> list[int]:
        """What of the job still lives, known by the job's number in its environment."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                mine = f"SLURM_JOB_ID={self.id}".encode() in (place / "environ").read_bytes().split(b"\0")
                if mine and "State:\tZ" not in (place / "status").read_text():
                    found.append(int(place.name))
            except OSError:
                continue
        return found

    def end(self) -> None:
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)


def published(dataset: Path) -> dict[str, bytes]:
    files = (p for p in dataset.rglob("*") if p.is_file() and ".work" not in p.relative_to(dataset).parts)
    return {str(p.relative_to(dataset)): p.read_bytes() for p in files}


def test_a_job_that_is_cut_short_queues_itself_again_and_ends_in_the_local_dataset(
    tmp_path: Path, footage: Path, job: Job
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(RECIPE))
    here, there = tmp_path / "here" / "dataset", tmp_path / "there" / "dataset"
    asked = (str(footage), "-o", str(there), "--recipe", str(recipe))
    job.start(*asked)
    until = time.monotonic() + PATIENCE_S
    while not analysed(there):
        assert time.monotonic() < until, job.log.read_text()
        time.sleep(0.2)
    job.signal(signal.SIGUSR1)
    assert job.wait() == 130, job.log.read_text()
    assert "2 of 2 nodes are there" in job.log.read_text()
    assert job.requeued.read_text() == f"requeue {job.id}\n"
    assert not (there / "dataset.json").exists()
    gone(job)

    job.start(*asked)
    assert job.wait() == 0, job.log.read_text()
    assert job.requeued.read_text() == f"requeue {job.id}\n"
    gone(job)
    with Ledger(there / ".work" / "ledger.sqlite", read_only=True) as ledger:
        endings = [run.ending for run in ledger.runs("analyze")]
    assert endings == ["interrupted", "done"]
    facevid.build(footage, here, recipe=recipe, workers=2)
    assert published(here) == published(there)


def test_a_build_that_is_refused_ends_the_job_with_its_exit_code(tmp_path: Path, job: Job) -> None:
    job.start(str(tmp_path / "nothing"), "-o", str(tmp_path / "dataset"))
    assert job.wait() == 2, job.log.read_text()
    assert not job.requeued.exists()
    gone(job)


def analysed(dataset: Path) -> bool:
    """Whether one source is analysed."""
    try:
        with Ledger(dataset / ".work" / "ledger.sqlite", read_only=True) as ledger:
            return bool(ledger.counts().get("analyze"))
    except EngineError:
        return False


def gone(job: Job) -> None:
    """Nothing of the job is left."""
    until = time.monotonic() + 60
    while job.processes() and time.monotonic() < until:
        time.sleep(0.2)
    left = [Path(f"/proc/{pid}/cmdline").read_bytes()[:200] for pid in job.processes()]
    assert not left
    assert not Path(f"/tmp/facevid-ray-{job.id}").exists()
