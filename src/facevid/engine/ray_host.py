"""The far side of the executor ray: an actor that keeps one worker process on its machine and minds it.

The step runs in a process of its own, as on one machine, and the actor only hands on. So a crash is told from the loss
of a machine: where the process dies, the actor says how; where the actor is gone, no item did that.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import ray

from facevid.engine.crew import Ending
from facevid.engine.memory import allowance
from facevid.engine.pool import Pool
from facevid.engine.step import EngineError, Payload, StorageError
from facevid.engine.travel import Trip
from facevid.engine.worker import Reply, Start

_LISTEN_S = 60.0
# A file that another machine has just written may take a moment to appear (NFS: acdirmin, acdirmax in nfs(5)).
_APPEARS_S = 5.0
_SHARED = "the footage and the folder of the dataset must lie on a file system that every machine has at the same path"


@dataclass(frozen=True)
class Order:
    """What a host is told once.

    memory_bytes: limit of the worker. log: each machine appends its own name to it. folder: the driver's working
    folder. path: where the driver imports from. lock, held: a file, and what stands in it; no file where the dataset
    lies behind an address. versions: of what results depend on, on the driver.
    """

    start: Start
    title: str
    threads: int
    memory_bytes: int | None
    log: str
    folder: str
    path: tuple[str, ...]
    lock: str | None
    held: str
    versions: dict[str, str]


class Host:
    """One worker on one machine. Its methods answer with a Reply, or with the Ending of a worker that is gone."""

    def here(self) -> None:
        """Answers as soon as the host has its place."""

    def prepare(self, order: Order) -> Reply | Ending:
        """Start the worker and load the step."""
        reason = _stranger(order)
        if reason is not None:
            return Reply("setup", message=f"machine {socket.gethostname()} {reason}")
        with contextlib.suppress(OSError):
            os.chdir(order.folder)
        self._travel = order.start.travel
        machine = socket.gethostname()
        self._log = Path(f"{order.log}.{machine}") if self._travel is None else self._travel.log(machine)
        try:
            self._pool = Pool(
                order.start,
                size=1,
                threads=order.threads,
                log=self._log,
                title=order.title,
                path=_import_path(order.path, order.folder),
                # Where nothing is asked for, Ray's own monitor minds the memory of the machine.
                memory=None if order.memory_bytes is None else allowance(order.memory_bytes, 1),
            )
            self._worker = self._pool.start()
        except StorageError as error:
            return Reply("storage", message=str(error))
        except EngineError as error:
            return Reply("setup", message=str(error))
        return self._answer()

    def work(self, payload: Payload | Trip, inputs: Sequence[str]) -> Reply | Ending:
        """Run the step on one item; inputs: paths that the driver sees."""
        unseen = _unseen(inputs)
        if unseen is not None:
            return Reply(
                "setup",
                message=f"machine {socket.gethostname()} does not see {unseen}, which is there for the machine that "
                f"began this run; {_SHARED}",
            )
        self._worker.send(payload)
        return self._answer()

    def _answer(self) -> Reply | Ending:
        while True:
            found = self._pool.report(_LISTEN_S)
            if found is not None:
                _, reply = found
                return self._ended() if reply is None else reply

    def _ended(self) -> Ending:
        ending = self._worker.end()
        if self._travel is not None:
            self._travel.ship_log(self._log, socket.gethostname())
        return ending


def own_versions() -> dict[str, str]:
    """Versions of facevid and of every library that it asks for, on which a result may depend."""
    found = {"facevid": metadata.version("facevid")}
    for wanted in metadata.requires("facevid") or ():
        name = re.match(r"[\w.-]+", wanted)
        if name is not None and "extra ==" not in wanted:
            with contextlib.suppress(metadata.PackageNotFoundError):
                found[name.group()] = metadata.version(name.group())
    return found


def _stranger(order: Order) -> str | None:
    """Why a worker on this machine would not do what one on the driver's does; None where it would."""
    lock = order.lock
    if lock is not None and not _within(_APPEARS_S, lambda: _text(lock) == order.held):
        return f"does not see {lock} as the machine that began this run does; {_SHARED}"
    own = own_versions()
    for name, version in order.versions.items():
        if own.get(name) != version:
            return (
                f"has {name} {own.get(name, 'not at all')}, and the machine that began this run has {version}, by "
                "which results could differ; install facevid and its libraries in the same versions on every machine"
            )
    return None


def _unseen(paths: Sequence[str]) -> str | None:
    """The first path that is not there."""
    return next((path for path in paths if not _within(_APPEARS_S, Path(path).exists)), None)


def _within(seconds: float, holds: Callable[[], bool]) -> bool:
    """Whether something holds within so many seconds."""
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return True


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return None


def _import_path(driver: Sequence[str], folder: str) -> list[str]:
    """Where the worker imports from: as the driver does, and first from where this machine has its own libraries.

    Left out is what Ray adds for itself: its copies of other libraries, and the driver's working folder.
    """
    ours = str(Path(ray.__file__).parent)
    own = [entry for entry in sys.path if entry not in (*driver, folder) and not entry.startswith(ours)]
    return own + [entry for entry in driver if Path(entry).exists()]
