"""Two hosts on one machine, for `two_nodes.py`: network namespaces with addresses of their own, joined by one cable.

A host has its own network, process numbers, name, `/tmp/ray` and `/dev/shm`, so that nothing of Ray passes but by its
address; the file system is shared, as a cluster's is. Killing its first process kills all of it, as a power cut does.
Needs root on Linux, and iproute2 and util-linux.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

TOOLS = ("ip", "unshare", "nsenter", "mount", "hostname")
PORT = 6399
# Ray's helpers need not look for a port, and tell it, in a network of their own.
_PORTS = {"metrics-export-port": 7101, "dashboard-agent-listen-port": 7102, "runtime-env-agent-port": 7103}
_START_S = 300.0


class Host:
    """A namespace of network, and in it, from `start` to `kill`, a machine that runs Ray."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, ray: Sequence[str], environment: dict[str, str], log: Path) -> None:
        """Boot it: mount what is its own and run `ray` as its only service."""
        # On a busy machine Ray gives up before its helpers are there; it is started again.
        inside = (
            f"mount -t tmpfs tmpfs /tmp/ray && mount -t tmpfs tmpfs /dev/shm && hostname {self.name} && "
            'for try in 1 2 3 4 5; do "$@" && exit; sleep 2; done'
        )
        Path("/tmp/ray").mkdir(exist_ok=True)
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                ["ip", "netns", "exec", self.name, "unshare", "--mount", "--uts", "--ipc", "--pid", "--fork",
                 "--kill-child", "--mount-proc", "sh", "-c", inside, "sh", *ray],
                env=environment, stdout=out, stderr=out,
            )  # fmt: skip

    @property
    def init(self) -> int:
        """The number, as seen from outside, of the host's first process."""
        assert self._process is not None
        until = time.monotonic() + _START_S
        while time.monotonic() < until:
            below = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
            if below:
                return int(below[0])
            time.sleep(0.05)
        raise SystemExit(f"Host {self.name} did not start.")

    def command(self, command: Sequence[str]) -> list[str]:
        """What runs a command on this host."""
        return [
            "nsenter",
            "--target",
            str(self.init),
            "--mount",
            "--uts",
            "--ipc",
            "--net",
            "--pid",
            "--",
            *command,
        ]

    def kill(self) -> None:
        """Cut its power: every process of it dies at once."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self.init, signal.SIGKILL)
            self._process.wait()

    def cable(self, plugged: bool) -> None:
        """Plug its cable in, or pull it."""
        ip("-n", self.name, "link", "set", "cable", "up" if plugged else "down")

    @property
    def running(self) -> int:
        """Processes in its namespace of network."""
        return len(
            subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, check=True).stdout.split()
        )


class Hosts:
    """A first host, which has Ray's head, and a second one; cores of each."""

    def __init__(self, first: Host, second: Host, folder: Path, cores: int) -> None:
        self.first, self.second = first, second
        self._folder = folder
        self._cores = cores
        # A token as docs/ray.md has it: who does not have it cannot join.
        self.environment = {
            **os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
        }  # fmt: skip

    @property
    def address(self) -> str:
        return f"{self.first.address}:{PORT}"

    def boot(self) -> None:
        """Start what does not run; return when Ray knows both."""
        if self.first._process is None or self.first._process.poll() is not None:
            self.first.start(self._ray("--head", "--port", str(PORT), "--include-dashboard=false", of=self.first),
                             self.environment, self._folder / "first.log")  # fmt: skip
            self._wait_for(1)
        self.join()

    def join(self) -> None:
        """Start the second host, cable plugged in."""
        self.second.cable(True)
        self.second.start(self._ray("--address", self.address, of=self.second),
                          self.environment, self._folder / "second.log")  # fmt: skip
        self._wait_for(2)

    def _ray(self, *options: str, of: Host) -> list[str]:
        ray = str(Path(sys.executable).with_name("ray"))
        return [ray, "start", "--block", "--node-ip-address", of.address, "--num-cpus", str(self._cores),
                "--object-store-memory", str(100 << 20), "--disable-usage-stats",
                *(f"--{name}={port}" for name, port in _PORTS.items()), *options]  # fmt: skip

    def _wait_for(self, nodes: int) -> None:
        ask = (
            "import ray, sys; ray.init(sys.argv[1], log_to_driver=False, logging_level='ERROR'); "
            "sys.exit(sum(n['Alive'] for n in ray.nodes()) != int(sys.argv[2]))"
        )
        until = time.monotonic() + _START_S
        while time.monotonic() < until:
            asked = self.first.command([sys.executable, "-c", ask, self.address, str(nodes)])
            if (
                subprocess.run(asked, env=self.environment, capture_output=True, timeout=_START_S).returncode
                == 0
            ):
                return
            time.sleep(1.0)
        raise SystemExit(f"Ray did not have {nodes} nodes after {_START_S:.0f} s; see {self._folder}/*.log")


def why_not() -> str | None:
    """Why there cannot be such hosts here; None where there can."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} is not installed"
    name = f"fv-try-{os.getpid()}"
    tried = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if tried.returncode:
        return f"no network namespace may be made ({tried.stderr.strip()})"
    try:
        link = ["ip", "-n", name, "link", "add", "cable0", "type", "veth", "peer", "name", "cable1"]
        tried = subprocess.run(link, capture_output=True, text=True)
        return f"no cable may be made ({tried.stderr.strip()})" if tried.returncode else None
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


@contextmanager
def two_hosts(folder: Path, *, cores: int) -> Iterator[Hosts]:
    """Both hosts, booted; gone afterwards."""
    mark = secrets.token_hex(3)
    first, second = Host(f"fv-a-{mark}", "10.77.0.1"), Host(f"fv-b-{mark}", "10.77.0.2")
    folder.mkdir(parents=True, exist_ok=True)
    hosts = Hosts(first, second, folder, cores)
    try:
        for host in (first, second):
            ip("netns", "add", host.name)
            ip("-n", host.name, "link", "set", "lo", "up")
        ip(
            "-n",
            first.name,
            "link",
            "add",
            "cable",
            "type",
            "veth",
            "peer",
            "name",
            "cable",
            "netns",
            second.name,
        )
        for host in (first, second):
            ip("-n", host.name, "address", "add", f"{host.address}/24", "dev", "cable")
            ip("-n", host.name, "link", "set", "cable", "up")
        hosts.boot()
        yield hosts
    finally:
        for host in (second, first):
            host.kill()
            subprocess.run(["ip", "netns", "delete", host.name], capture_output=True)


def ip(*arguments: str) -> None:
    """One command of iproute2."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
