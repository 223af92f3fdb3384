"""Worker processes as the driver sees them: started, spoken to over pipes, ended with all their children."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from facevid.engine.crew import Ending
from facevid.engine.memory import LOOK_S, Allowance, held_bytes
from facevid.engine.step import SetupError, StorageError
from facevid.engine.worker import BOOT, PATH_VARIABLE, THREADS_VARIABLE, Reply, Start, receive, send

_LOG_LIMIT = 8 << 20
_STOP_S = 2.0
# With several workers, libraries that each start a thread per core would fight for the cores.
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
    "RAYON_NUM_THREADS",
    THREADS_VARIABLE,
)
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "GLOG_minloglevel": "2", "OPENCV_LOG_LEVEL": "ERROR"}


class WorkerProcess:
    """One worker process; a thread of the driver passes its replies on to `reports`, None when it is gone."""

    def __init__(
        self,
        start: Start,
        environment: dict[str, str],
        log: IO[bytes] | None,
        reports: queue.Queue[tuple[WorkerProcess, Reply | None]],
    ) -> None:
        self.ended = False
        self.answered = False
        self.began: float | None = time.monotonic()
        self._reports = reports
        self._outgrew: Ending | None = None
        self._ending = threading.Lock()
        # Not the multiprocessing module: it would import the user's script again in every worker. A session
        # of its own keeps Ctrl-C for the driver and lets us end the worker with all its children.
        self._process = subprocess.Popen(
            [sys.executable, "-c", BOOT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
            start_new_session=True,
        )
        threading.Thread(target=self._listen, name="facevid-worker-pipe", daemon=True).start()
        self.send(start)

    def send(self, message: object) -> None:
        """Hand over a message; when the worker is gone, its closed pipe is reported soon enough."""
        assert self._process.stdin is not None
        self.answered = False
        with contextlib.suppress(BrokenPipeError):
            send(self._process.stdin, message)  # type: ignore[arg-type]

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def end(self, *, kill: bool = False, wait_s: float = _STOP_S) -> Ending:
        """See the process to its end, with all its children.

        kill: at once; otherwise it has `wait_s` seconds to end by itself.
        """
        with self._ending:
            self.ended = True
        if not kill:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=wait_s)
        self._kill_group()
        code = self._process.wait()
        with contextlib.suppress(BrokenPipeError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        return self._outgrew or Ending(_how(code))

    def outgrow(self, ending: Ending) -> None:
        """End it because it holds too much memory; that it is gone is reported as of any other."""
        # Not once its end has begun: its number may then be that of another process.
        with self._ending:
            if not self.ended:
                self._outgrew = ending
                self._kill_group()

    def _kill_group(self) -> None:
        if sys.platform == "win32":
            self._process.kill()
            return
        # The guard process keeps the group's number taken until it is killed itself, here.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _listen(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        with stream:
            try:
                while True:
                    reply = receive(stream)  # type: ignore[arg-type]
                    self.answered = True
                    self._reports.put((self, reply))
            except (EOFError, OSError, ValueError):
                self.answered = True
                self._reports.put((self, None))


class Pool:
    """Starts workers for one run and makes sure that none outlives it.

    path: where workers import from; None as this process does. memory: what each may hold; None for no limit.
    """

    def __init__(
        self,
        start: Start,
        *,
        size: int,
        threads: int,
        log: Path | None,
        title: str,
        path: Sequence[str] | None = None,
        memory: Allowance | None = None,
    ) -> None:
        self._reports: queue.Queue[tuple[WorkerProcess, Reply | None]] = queue.Queue()
        self._start = start
        self._size = size
        self._environment = _environment(threads, sys.path if path is None else path)
        self._log = _open_log(log, title) if log is not None else None
        self._workers: list[WorkerProcess] = []
        self._closed = threading.Event()
        if memory is not None:
            # A thread of its own, since whoever uses the pool may be long at other work between two reports.
            watch = threading.Thread(
                target=self._watch, args=[memory], name="facevid-worker-memory", daemon=True
            )
            watch.start()

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        # What a worker finished is on disk before it says so; its libraries' own clean-up takes half a second.
        self._forget_ended()
        for worker in self._workers:
            worker.end(kill=True)
        if self._log is not None:
            self._log.close()

    def size(self) -> int:
        """How many workers there may be."""
        return self._size

    def report(self, timeout_s: float) -> tuple[WorkerProcess, Reply | None] | None:
        """What a worker said, None in place of a reply where it is gone; None after so many seconds of silence."""
        try:
            return self._reports.get(block=timeout_s > 0, timeout=timeout_s)
        except queue.Empty:
            return None

    def start(self) -> WorkerProcess:
        """Start one more worker."""
        self._forget_ended()
        try:
            worker = WorkerProcess(self._start, self._environment, self._log, self._reports)
        except OSError as error:
            raise SetupError(f"cannot start a worker process: {error}") from error
        self._workers.append(worker)
        return worker

    def _watch(self, memory: Allowance) -> None:
        """End workers that hold more than they may."""
        while not self._closed.wait(LOOK_S):
            for worker in memory.outgrown(list(self._workers), lambda worker: held_bytes(worker.pid)):
                worker.outgrow(Ending(memory.ending, "memory"))

    def _forget_ended(self) -> None:
        self._workers = [worker for worker in self._workers if not worker.ended]


def _environment(threads: int, path: Sequence[str]) -> dict[str, str]:
    environment: dict[str, Any] = {**_QUIET, **os.environ}
    environment.update({name: str(threads) for name in _THREAD_VARIABLES})
    environment[PATH_VARIABLE] = os.pathsep.join(entry or str(Path.cwd()) for entry in path)
    return environment


def _open_log(path: Path, title: str) -> IO[bytes]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.exists() and path.stat().st_size > _LOG_LIMIT
        log = path.open("wb" if fresh else "ab")
        log.write(f"--- {title} {time.strftime('%Y-%m-%d %H:%M:%S')}\n".encode())
        log.flush()
    except OSError as error:
        raise StorageError(f"cannot write the worker log {path}: {error.strerror}") from error
    return log


def _how(code: int) -> str:
    if code >= 0:
        return f"ended by itself with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = " (the system does this when memory runs out)" if -code == getattr(signal, "SIGKILL", None) else ""
    return f"was killed by {name}{hint}"
