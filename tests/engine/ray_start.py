"""Starts Ray for tests on a machine that may be busy with others."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
_PORTS = (
    "metrics_agent_port",
    "metrics_export_port",
    "dashboard_agent_listen_port",
    "runtime_env_agent_port",
)


def with_patience(start: Callable[[], T], *, tries: int = 3) -> T:
    """What `start` gives, tried several times: Ray gives up by itself after 30 s, little on a busy machine."""
    import ray

    for _ in range(tries - 1):
        before = _children()
        try:
            return start()
        except Exception as error:  # noqa: BLE001 - Ray raises a bare Exception
            logging.warning("Ray did not start (%s); it is started again.", error)
            ray.shutdown()
            for pid in _children() - before:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    return start()


def ports() -> dict[str, int]:
    """Free ports for a node's agents: those that choose their own must tell it within 30 s."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in _PORTS]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return {name: one.getsockname()[1] for name, one in zip(_PORTS, sockets, strict=True)}


def _children() -> set[int]:
    return {
        int(pid)
        for task in Path("/proc/self/task").iterdir()
        for pid in (task / "children").read_text().split()
    }
