"""Builds as processes of their own, which tests disturb, and what must hold afterwards whatever the disturbance."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

import facevid
from facevid.engine import Ledger, folder_lock

RECIPE: dict[str, Any] = {
    "select": {"min_s": 0.6, "rules": []},
    "cut": {"size": 128, "preset": "ultrafast"},
    "identify": {"faces_per_clip": 1},
    "backends": {"face_detector": "faulty"},
}
"""Small clips, no rules, and the face detector that can fail."""
_OF_CLIPS = ("clips/", "media/", "keypoints/", "rejected/", "annotations/")
STEPS = ("scan", "analyze", "cut", "identify")
PATIENCE_S = 1800.0


@dataclass(frozen=True)
class Place:
    """A folder for one test: what is built, where, and by what.

    executor: its options on the command line. environment: added to that of the command. before: words before the
    command, such as those of `unshare`.
    """

    folder: Path
    footage: Path
    dataset: Path
    executor: Sequence[str] = ("--workers", "2")
    environment: Mapping[str, str] = field(default_factory=dict)
    before: Sequence[str] = ()

    @property
    def scratch(self) -> Path:
        """Where the command keeps temporary files."""
        return self.folder / "tmp"

    @property
    def recipe(self) -> Path:
        return self.folder / "recipe.yaml"

    def prepare(self, **changes: Any) -> None:
        """Make scratch, recipe and the faulty backend's metadata."""
        from faulty_backend import register

        self.scratch.mkdir(parents=True)
        register(self.folder / "plugins")
        self.recipe.write_text(yaml.safe_dump({**RECIPE, **changes}))

    def command(self) -> list[str]:
        build = ["build", str(self.footage), "-o", str(self.dataset), "--recipe", str(self.recipe), "--json"]
        return [*self.before, sys.executable, "-m", "facevid", *build, *self.executor]

    def start(self) -> subprocess.Popen[str]:
        """The build as a process, with a session of its own."""
        path = [str(self.folder / "plugins"), str(Path(__file__).parent), *filter(None, sys.path)]
        return subprocess.Popen(
            self.command(),
            env={
                **os.environ, "PYTHONPATH": os.pathsep.join(path), "TMPDIR": str(self.scratch), **self.environment
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=_heed_interrupts,
        )  # fmt: skip

    def build(self) -> Ended:
        """The build to its end."""
        return ended(self.start())


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, what it printed as JSON, and its sentence where it failed."""

    code: int
    document: dict[str, Any]
    stderr: str

    @property
    def sentence(self) -> str:
        return str(self.document.get("error", ""))

    @property
    def notes(self) -> str:
        return "\n".join(self.document.get("notes", []))


def _heed_interrupts() -> None:
    # A shell lets what it starts in the background ignore Ctrl-C, and so would everything below.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait for a command."""
    try:
        out, err = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        kill_session(process)
        raise
    return Ended(process.returncode, json.loads(out) if out.strip() else {}, err)


def kill_session(process: subprocess.Popen[str]) -> None:
    """SIGKILL to the command alone: what it started has to notice by itself."""
    process.send_signal(signal.SIGKILL)
    process.communicate()


def until(
    true: Callable[[], Any],
    what: str,
    *,
    within_s: float = PATIENCE_S,
    of: subprocess.Popen[str] | None = None,
) -> Any:
    """Wait until something holds, and return it. of: the command that should bring it about before it ends."""
    end = time.monotonic() + within_s
    while not (found := true()):
        if of is not None and of.poll() is not None:
            raise AssertionError(f"the command ended before {what} was seen: {ended(of)}")
        assert time.monotonic() < end, f"{what} did not happen within {within_s:.0f} s"
        time.sleep(0.01)
    return found


def new(place: Place, pattern: str) -> Callable[[], bool]:
    """Whether something in the dataset's folder matches that did not when this was called: a kill leaves some."""
    before = set(place.dataset.glob(pattern))
    return lambda: bool(set(place.dataset.glob(pattern)) - before)


def workers_of(folder: Path) -> list[int]:
    """Process numbers of workers that import from a test's folder, on this machine, whoever started them."""
    return [pid for pid in processes_of(folder) if "facevid.engine.worker" in _read(pid, "cmdline")]


def processes_of(folder: Path) -> list[int]:
    """Process numbers of everything that runs with a test's folder in its environment, zombies left out."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [
        pid
        for pid in pids
        if pid != os.getpid()
        and f"{folder}/" in _read(pid, "environ")
        and "State:\tZ" not in _read(pid, "status")
    ]


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes().decode(errors="replace").replace("\0", "\n")
    except OSError:
        return ""


def published(dataset: Path) -> dict[str, bytes]:
    """Every file outside the work folder."""
    files = (p for p in dataset.rglob("*") if p.is_file() and ".work" not in p.relative_to(dataset).parts)
    return {str(p.relative_to(dataset)): p.read_bytes() for p in files}


def check(place: Place, undisturbed: Path, *, also_failed: Mapping[str, int] | None = None) -> None:
    """What must hold after any fault: the same dataset, nothing lost or twice, nothing left behind, the lock free.

    also_failed: step -> items that the undisturbed build does not know; with them the dataset is compared without
    its tables of sources and failures and what counts them.
    """
    until(lambda: not processes_of(place.folder), "the end of all processes", within_s=120)
    ours, theirs = published(place.dataset), published(undisturbed)
    assert ours.keys() == theirs.keys()
    same = _OF_CLIPS if also_failed else ("",)
    assert [name for name in ours if name.startswith(same) and ours[name] != theirs[name]] == []
    clips = [clip.clip_id for clip in facevid.open(place.dataset)]
    assert len(clips) == len(set(clips)) == len(facevid.open(undisturbed))
    work = place.dataset / ".work"
    assert sorted(p.name for p in (work / "clips").iterdir()) == sorted(clips)
    assert sorted(p.stem for p in (work / "embeddings").iterdir()) == sorted(clips)
    for step, found in outcomes(place.dataset).items():
        more = found.keys() - outcomes(undisturbed)[step].keys()
        assert len(more) == (also_failed or {}).get(step, 0), more
        assert {k: v for k, v in found.items() if k not in more} == outcomes(undisturbed)[step]
    assert leftovers(place, undisturbed) == []
    with folder_lock(work):
        pass


def outcomes(dataset: Path) -> dict[str, dict[str, str]]:
    """Step -> item -> status, as the ledger has it; files by their names."""
    with Ledger(dataset / ".work" / "ledger.sqlite", read_only=True) as ledger:
        return {step: {Path(o.key).name: o.status for o in ledger.outcomes(step)} for step in STEPS}


def leftovers(place: Place, undisturbed: Path) -> list[str]:
    """Temporary files of the dataset, and what the command's own temporary folder holds more than without a fault."""
    stale = [p for p in place.dataset.rglob("*") if ".tmp-" in p.name or p.name.endswith(".partial")]
    building = place.dataset.glob(".work/publish-*")
    usual = {p.name for p in (undisturbed.parent / "tmp").iterdir()}
    scratch = (p for p in place.scratch.iterdir() if p.name not in usual)
    return sorted(map(str, (*stale, *building, *scratch)))
