"""Builds of real footage on two Ray nodes that lose a node, a cable or the driver, against that of one machine.

    python benchmarks/two_nodes.py FOOTAGE... [--places nodes hosts] [--cases none killed cable driver] [--keep DIR]

First the footage is built by the executor local; then, in each place, on Ray by two nodes of one core: undisturbed,
with the second node lost in the middle of `analyze`, and with the driver killed there and the command given again.
Places:

- nodes: two nodes of Ray's own cluster utility, each with processes of its own, on this machine.
- hosts: two network namespaces with addresses of their own (see `two_hosts`), Ray started by `ray start`. Here the
  second node is lost in two ways: its power is cut, or its cable pulled. Skipped, with the reason, where not permitted.

Every published file must have the bytes of the local build; nothing is excepted. No worker may be left (one that is cut
off ends itself when its node gives up; the time is printed). Exit code 1 where one of that is not so. Keep the footage
to a few minutes. Linux only.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from kill import LEFTOVERS, MARK, finished_before, processes, published
from two_hosts import Hosts, two_hosts, why_not

from facevid.engine import EngineError, Ledger

CASES = ("none", "killed", "cable", "driver")
_PATIENCE_S = 1800.0
_ENDS_S = 180.0


class Place(Protocol):
    """Two nodes, and how to reach and to lose them."""

    environment: dict[str, str]

    @property
    def address(self) -> str: ...

    def on_head(self, command: Sequence[str]) -> list[str]:
        """What runs a command where the head is."""

    def restore(self) -> None:
        """Have both nodes again."""


class Nodes:
    """Two nodes of Ray's cluster utility."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self._second: Any = None
        self.environment = dict(os.environ)

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def on_head(self, command: Sequence[str]) -> list[str]:
        return list(command)

    def restore(self) -> None:
        if self._second is None:
            self._second = self._cluster.add_node(num_cpus=1)
            self._cluster.wait_for_nodes()

    def kill_node(self) -> None:
        """SIGKILL of the second node's raylet, agents and workers at once, and of nothing else."""
        for kind in self._second.all_processes.values():
            for info in kind:
                kill_tree(info.process.pid)
        self._cluster.remove_node(self._second, allow_graceful=False)
        self._second = None


class HostsPlace:
    """Two hosts with addresses of their own."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self.environment = hosts.environment
        self._second_is_lost = False

    @property
    def address(self) -> str:
        return self._hosts.address

    def on_head(self, command: Sequence[str]) -> list[str]:
        return self._hosts.first.command(command)

    def restore(self) -> None:
        if self._second_is_lost:
            self._hosts.second.kill()
            self._hosts.join()
            self._second_is_lost = False

    def kill_node(self) -> None:
        self._hosts.second.kill()
        self._second_is_lost = True

    def pull_cable(self) -> None:
        self._hosts.second.cable(False)
        self._second_is_lost = True


@dataclass(frozen=True)
class Built:
    """What became of one build. hit: outcomes of analyze when it was disturbed."""

    seconds: float
    hit: str
    reused: str
    alive: str
    verdict: str
    good: bool


class Trial:
    """Builds of the same footage, each compared with the first."""

    def __init__(self, footage: Sequence[Path], folder: Path, mark: str) -> None:
        self._footage = [str(path.absolute()) for path in footage]
        self._folder = folder
        self._mark = mark
        self.wanted: dict[str, bytes] = {}

    def build(self, name: str, place: Place | None, disturb: Callable[[], None] | None = None,
              *, again: bool = False) -> Built:  # fmt: skip
        """Build once; `disturb` is called in the middle of analyze. again: the driver ends there, and starts again."""
        output = self._folder / name / "dataset"
        began, hit = time.monotonic(), "-"
        driver = self._start(output, place)
        if disturb is not None or again:
            hit = in_the_middle(output, driver)
            if again:
                kill_tree(driver.pid)
                driver.wait()
                driver = self._start(output, place)
            elif disturb is not None:
                disturb()
        code = driver.wait(timeout=_PATIENCE_S)
        seconds = time.monotonic() - began
        if code:
            said = (self._folder / f"{name}.txt").read_text().strip().splitlines()
            return Built(seconds, hit, "-", "-", f"ENDED WITH {code}: {said[-1] if said else ''}", False)
        return self._judged(output, seconds, hit)

    def _start(self, output: Path, place: Place | None) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "facevid", "build", *self._footage, "-o", str(output)]
        environment = dict(os.environ)
        if place is None:
            command += ["--workers", "2"]
        else:
            command += ["--executor", "ray", "--address", place.address]
            command, environment = place.on_head(command), place.environment
        output.parent.mkdir(parents=True, exist_ok=True)
        path = os.pathsep.join(p for p in sys.path if p)
        with (self._folder / f"{output.parent.name}.txt").open("ab") as said:
            return subprocess.Popen(
                command, env={**environment, "PYTHONPATH": path}, stdout=said, stderr=said
            )

    def _judged(self, output: Path, seconds: float, hit: str) -> Built:
        got = published(output)
        self.wanted = self.wanted or got
        differing = sorted(n for n in self.wanted.keys() | got.keys() if self.wanted.get(n) != got.get(n))
        began = time.monotonic()
        while workers_left(self._mark) and time.monotonic() - began < _ENDS_S:
            time.sleep(0.2)
        left, waited = workers_left(self._mark), time.monotonic() - began
        stale = [path for pattern in LEFTOVERS for path in output.rglob(pattern)]
        reused, total = finished_before(output)
        verdict = "equal" if not differing else f"DIFFERS: {', '.join(differing[:3])}"
        if stale:
            verdict += f", LEFT BEHIND: {stale[0].name}"
        alive = f"{left} after {waited:.0f} s"
        return Built(seconds, hit, f"{reused}/{total}", alive, verdict, not (differing or stale or left))


def in_the_middle(output: Path, driver: subprocess.Popen[bytes]) -> str:
    """Return when a third of the sources is analysed and workers are at the next ones; how many of how many."""
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until and driver.poll() is None:
        with suppress(EngineError), Ledger(output / ".work" / "ledger.sqlite", read_only=True) as ledger:
            counts = ledger.counts()
            done, total = (counts.get(step, {}).get("ok", 0) for step in ("analyze", "scan"))
            if done and done >= total // 3:
                if done >= total - 1:
                    raise SystemExit("The footage is too little: nothing was left to disturb.")
                time.sleep(1.0)
                return f"{done}/{total}"
        time.sleep(0.1)
    raise SystemExit(f"The build of {output} ended, or took too long, before the middle of analyze.")


def workers_left(mark: str) -> int:
    """Living worker processes of the engine that this program, or a Ray that it started, has begotten."""
    found = 0
    for pid in processes(mark):
        with suppress(OSError):
            found += b"facevid.engine.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return found


def kill_tree(pid: int) -> None:
    """SIGKILL of a process and all that it has begotten."""
    found = [pid]
    for one in found:
        with suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    for one in found:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


@contextmanager
def two_nodes() -> Iterator[Nodes]:
    """A cluster of two nodes with a core each."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        nodes = Nodes(cluster)
        nodes.restore()
        yield nodes
    finally:
        cluster.shutdown()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("footage", type=Path, nargs="+")
    parser.add_argument("--places", nargs="+", choices=["nodes", "hosts"], default=["nodes", "hosts"])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--keep", type=Path, help="folder for the datasets (default: a temporary one)")
    given = parser.parse_args()
    mark = os.environ[MARK] = uuid.uuid4().hex
    # Ray makes workers 15 nicer than itself; on a machine that others use at the same time they would starve.
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    with tempfile.TemporaryDirectory(prefix="facevid-nodes-") as scratch:
        return run(
            Trial(given.footage, given.keep or Path(scratch), mark), given, given.keep or Path(scratch)
        )


def run(trial: Trial, given: argparse.Namespace, folder: Path) -> int:
    """All builds, one line each; 0 where all are as they must be."""
    print("place  disturbed by         at analyze  seconds  reused   workers left   dataset", flush=True)
    good = [show("local", "-", trial.build("local", None))]
    print(f"       {len(trial.wanted)} published files, {sum(map(len, trial.wanted.values())):,} bytes")
    for name in given.places:
        if name == "nodes":
            with two_nodes() as nodes:
                good += disturbed(trial, name, nodes, {"node killed": nodes.kill_node}, given.cases)
            continue
        reason = why_not()
        if reason is not None:
            print(f"hosts  SKIPPED: {reason}")
            continue
        with two_hosts(folder / "hosts-logs", cores=1) as hosts:
            place = HostsPlace(hosts)
            faults = {"host killed": place.kill_node, "cable pulled": place.pull_cable}
            good += disturbed(trial, name, place, faults, given.cases)
    print(f"{sum(good)} of {len(good)} builds as they must be.")
    return int(not all(good))


def disturbed(
    trial: Trial, name: str, place: Place, faults: dict[str, Callable[[], None]], cases: Sequence[str]
) -> list[bool]:
    """Undisturbed, then each fault, then the driver killed, as far as they are asked for."""
    good = []
    if "none" in cases:
        good.append(show(name, "-", trial.build(f"{name}-undisturbed", place)))
    for what, disturb in faults.items():
        if ("cable" if what == "cable pulled" else "killed") in cases:
            place.restore()
            good.append(show(name, what, trial.build(f"{name}-{what.replace(' ', '-')}", place, disturb)))
    if "driver" in cases:
        place.restore()
        good.append(show(name, "driver killed", trial.build(f"{name}-driver-killed", place, again=True)))
    return good


def show(place: str, what: str, built: Built) -> bool:
    print(
        f"{place:5}  {what:19}  {built.hit:>10}  {built.seconds:7.1f}  {built.reused:>6}  {built.alive:>13}   "
        f"{built.verdict}",
        flush=True,
    )
    return built.good


if __name__ == "__main__":
    sys.exit(main())
