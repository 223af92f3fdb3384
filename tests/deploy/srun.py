#!/usr/bin/env python3
"""Stands in for SLURM's srun in tests: every "node" of the job is a session of processes on this machine.

As srun does, it hands its environment on, says on each node how many cores it has, passes SIGTERM on to all processes
of all nodes, and ends with the largest exit code.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from types import FrameType

FLAGS = ("overlap", "nodes", "ntasks", "ntasks-per-node", "nodelist", "exclude", "kill-on-bad-exit")
_END_S = 30.0


def main() -> int:
    options: dict[str, str] = {}
    arguments = sys.argv[1:]
    while arguments and arguments[0].startswith("--"):
        name, _, value = arguments.pop(0)[2:].partition("=")
        if name not in FLAGS:
            print(f"srun: unrecognized option '--{name}'", file=sys.stderr)
            return 1
        options[name] = value
    nodes = options.get("nodelist", os.environ["SLURM_JOB_NODELIST"]).split(",")
    nodes = [node for node in nodes if node not in options.get("exclude", "").split(",")]
    if len(nodes) != int(options["nodes"]) or int(options["ntasks"]) != len(nodes):
        print(f"srun: {options} does not fit the nodes {nodes}", file=sys.stderr)
        return 1
    tasks = [
        subprocess.Popen(
            arguments,
            env={**os.environ, "SLURM_CPUS_ON_NODE": "2", "SLURMD_NODENAME": node},
            start_new_session=True,
        )
        for node in nodes
    ]

    def tell(number: int, frame: FrameType | None) -> None:
        for task in tasks:
            send(task, signal.SIGTERM)
        timer = threading.Timer(_END_S, lambda: [send(task, signal.SIGKILL) for task in tasks])
        timer.daemon = True
        timer.start()

    signal.signal(signal.SIGTERM, tell)
    return max(abs(task.wait()) for task in tasks)


def send(task: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """A signal to all processes of a task."""
    try:
        os.killpg(task.pid, number)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    sys.exit(main())
