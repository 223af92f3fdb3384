"""A build over a hostile corpus, and what is to be known of each file afterwards: outcome, seconds, memory."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from processes import child_processes, memory_of

import facevid
from facevid.curate.manifest import printable
from facevid.curate.summary import Summary
from facevid.engine import Ledger

RECIPE: dict[str, Any] = {
    "select": {"min_s": 0.3, "rules": []},
    "cut": {"size": 128, "preset": "ultrafast"},
    "identify": {"faces_per_clip": 1},
}
"""Whatever shows a face is cut, so that hostile files meet every step that opens them; limits are the default's."""
_STEPS = ("scan", "analyze", "cut")
_LOOK_S = 0.02


@dataclass
class Fate:
    """What became of one file: `ending` of its last step, as "ok", "copy" or the kind of its failure, and the step.

    seconds: in all steps together. peak: largest resident set in bytes of a worker while it had the file open, or 0
    where that was too short to be seen.
    """

    kind: str
    ending: str = "none"
    step: str = ""
    message: str = ""
    seconds: float = 0.0
    peak: int = 0


@dataclass
class Report:
    """A finished run."""

    summary: Summary
    fates: dict[Path, Fate]
    seconds: float
    peak: int
    """Largest resident set of any worker, in bytes."""
    outcomes: Counter[str] = field(default_factory=Counter)


def build_hostile(
    folder: Path,
    dataset: Path,
    kinds: Mapping[Path, str],
    *,
    workers: int = 2,
    recipe: Mapping[str, Any] | None = None,
) -> Report:
    """Build a dataset from the corpus as a user does, and look at the workers meanwhile."""
    began = time.monotonic()
    with _watched({os.path.realpath(p) for p in kinds}) as watch:
        summary = facevid.build(folder, dataset, recipe={**RECIPE, **(recipe or {})}, workers=workers)
    seconds = time.monotonic() - began
    fates = {path: Fate(kind) for path, kind in kinds.items()}
    _read_ledger(dataset, fates)
    for path, peak in watch.of_file.items():
        fates[Path(path)].peak = peak
    return Report(summary, fates, seconds, watch.peak, Counter(f.ending for f in fates.values()))


def table(report: Report) -> list[dict[str, Any]]:
    """One row a kind: files, how they ended, seconds (mean, most), and the largest memory of a worker in MiB."""
    rows = []
    for kind in dict.fromkeys(f.kind for f in report.fates.values()):
        of_kind = [f for f in report.fates.values() if f.kind == kind]
        endings = Counter(f.ending for f in of_kind)
        rows.append(
            {
                "kind": kind, "files": len(of_kind), "endings": dict(endings.most_common()),
                "seconds_mean": sum(f.seconds for f in of_kind) / len(of_kind),
                "seconds_most": max(f.seconds for f in of_kind),
                "peak_mib": max(f.peak for f in of_kind) / 2**20,
            }
        )  # fmt: skip
    return rows


def miscounted(report: Report) -> str | None:
    """What to say where the summary's failures of scan and analyze are not the files that ended there; else None."""
    counted = sum(s["failed"] for s in report.summary.steps if s["step"] in _STEPS[:2])
    ended = [f for f in report.fates.values() if f.step in _STEPS[:2] and f.ending not in ("ok", "copy")]
    return (
        None
        if counted == len(ended)
        else f"{counted} failures in the summary, {len(ended)} files that failed"
    )


def _read_ledger(dataset: Path, fates: dict[Path, Fate]) -> None:
    """Follow every file through the steps; a source stands for the first file of its bytes."""
    by_key = {printable(str(path)): fate for path, fate in fates.items()}
    first: dict[str, Fate] = {}
    with Ledger(dataset / ".work" / "ledger.sqlite", read_only=True) as ledger:
        for step in _STEPS:
            for outcome in sorted(ledger.outcomes(step), key=lambda o: o.key):
                if step == "scan":
                    fate = by_key[outcome.key]
                    source = str(outcome.value.get("source_id", outcome.key))
                    if first.setdefault(source, fate) is not fate:
                        fate.ending, fate.step = "copy", step
                        continue
                else:
                    fate = first[outcome.key[:16]]
                fate.seconds += outcome.seconds
                fate.step, fate.message = step, outcome.message or ""
                fate.ending = outcome.status if outcome.status == "ok" else outcome.kind or "none"


@dataclass
class _Watch:
    of_file: dict[str, int] = field(default_factory=dict)
    peak: int = 0


@contextmanager
def _watched(paths: set[str]) -> Iterator[_Watch]:
    """Measure the children of this process, and which file of the corpus each has open."""
    watch, done, own = _Watch(), threading.Event(), _command(os.getpid())

    def look() -> None:
        while not done.wait(_LOOK_S):
            for pid in child_processes():
                if _command(pid) == own:
                    continue  # a copy of this process, with all it holds, until it becomes another program
                high = memory_of(pid, "VmHWM")
                watch.peak = max(watch.peak, high)
                for path in _open_files(pid) & paths:
                    watch.of_file[path] = max(watch.of_file.get(path, 0), high)
                with suppress(OSError):  # proc_pid_clear_refs(5): the peak begins anew
                    Path(f"/proc/{pid}/clear_refs").write_text("5")

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        done.set()
        thread.join()


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _open_files(pid: int) -> set[str]:
    found: set[str] = set()
    with suppress(OSError):  # it has ended, or closed the file just now
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            found.add(str(entry.readlink()))
    return found
