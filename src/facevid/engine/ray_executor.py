"""Runs a step on the machines of a Ray cluster: Ray places the workers, the driver keeps ledger, order and retries."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib import util
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from facevid.engine.crew import Crew
from facevid.engine.ledger import Ledger
from facevid.engine.local import available_cores
from facevid.engine.step import Item, Outcome, RecipeLike, Resources, SetupError, Step
from facevid.engine.travel import Travel
from facevid.engine.work import Work, recorded
from facevid.engine.worker import Start

if TYPE_CHECKING:
    from facevid.engine.ray_pool import Lifelines

# Payloads and answers are small and travel inside messages; Ray would take a third of the memory for its store.
_STORE_BYTES = 100 << 20
_ANSWER_S = 10.0
# How Ray 2.60 says it (ray/_private/utils.py, check_version_info).
_VERSIONS = re.compile(r"Ray: (\S+)\s+Python: (\S+).*?Ray: (\S+)\s+Python: (\S+)", re.DOTALL)


class RayExecutor:
    """Runs steps in actors of a Ray cluster; joins it when the first item has to run.

    Arguments as in `facevid.engine.executor.open_executor`. setup_timeout_s: how long a worker that has its place may
    take to load its models. room_timeout_s: how long to wait for a machine large enough for one worker.
    """

    def __init__(
        self,
        workers: int | None,
        *,
        address: str | None,
        lock: Path,
        log: Path,
        resources: Mapping[str, Mapping[str, Any]] | None = None,
        setup_timeout_s: float = 900.0,
        room_timeout_s: float = 600.0,
        travel: Travel | None = None,
    ) -> None:
        if workers is not None and workers < 1:
            raise ValueError(f"workers must be 1 or more, not {workers}")
        self.workers = workers
        self.address = address
        self.lock = lock.absolute()
        self.log = log.absolute()
        self.resources = resources or {}
        self.setup_timeout_s = setup_timeout_s
        self.room_timeout_s = room_timeout_s
        self.travel = travel
        self._joined = contextlib.ExitStack()
        self._lifelines: Lifelines | None = None
        _require_ray()

    def __enter__(self) -> RayExecutor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._joined.close()
        self._lifelines = None

    def needs(self, step: Step) -> Resources:
        """What a worker of the step takes up, with what was asked for in place of what the step declares."""
        return replace(step.resources, **self.resources.get(step.name, {}))

    def run(
        self,
        step: Step,
        items: Iterable[Item],
        recipe: RecipeLike | None,
        ledger: Ledger,
        *,
        retry_failed: bool = False,
    ) -> Iterator[Outcome]:
        """Yield one outcome per item, as `facevid.engine.executor.Executor.run` says."""
        start, needs = Start.of(step, recipe, self.travel), self.needs(step)
        with recorded(
            step, items, recipe, ledger,
            workers=self.workers or 0, retry_failed=retry_failed, travel=self.travel,
        ) as work:  # fmt: skip
            yield from work.refill(1)
            if work.pending:
                yield from self._in_cluster(work, start, needs)

    def _in_cluster(self, work: Work, start: Start, needs: Resources) -> Iterator[Outcome]:
        from facevid.engine.ray_host import Order, own_versions
        from facevid.engine.ray_pool import Lifelines, RayPool

        if self._lifelines is None:
            self._joined.enter_context(joined(self.address))
            self._lifelines = Lifelines()

        order = Order(
            start=start,
            title=work.step.name,
            threads=needs.threads,
            memory_bytes=needs.memory_bytes,
            log=str(self.log),
            folder=str(Path.cwd()),
            path=tuple(entry or str(Path.cwd()) for entry in sys.path),
            lock=None if self.travel is not None else str(self.lock),
            held=self.lock.read_text(encoding="utf-8"),
            versions=own_versions(),
        )
        with RayPool(
            work.step,
            order,
            needs,
            lifelines=self._lifelines,
            workers=self.workers,
            room_timeout_s=self.room_timeout_s,
        ) as pool:
            yield from Crew(work, pool, setup_timeout_s=self.setup_timeout_s, log=self.log).run()


@contextlib.contextmanager
def joined(address: str | None) -> Iterator[None]:
    """Be a driver of a Ray cluster: the one at an address, or the one `cluster_address` finds, or a new one here.

    Where this process is a driver already, it stays one. Raises SetupError with a sentence where it cannot be one.
    """
    _require_ray()
    import ray

    if ray.is_initialized():
        current = ray.get_runtime_context().gcs_address
        if address not in (None, "auto", "local", current):
            raise SetupError(f"this process is a driver of the Ray cluster at {current}, not of {address}")
        yield
        return
    given = cluster_address(address)
    with _own_signals():
        _quieten()
        _init(given)
    try:
        yield
    finally:
        ray.shutdown()


def cluster_address(address: str | None) -> str | None:
    """HOST:PORT of the cluster to join, at which something answers; None where a new one is to be started here.

    address: HOST:PORT; "auto", the cluster that `ray start` made this machine part of; "local", a new one; None, what
    the variable RAY_ADDRESS names in these words, else as "auto" and where there is none as "local". What another
    program started for itself alone (`ray.init`) is never joined unasked: it ends with that program. Raises SetupError.
    """
    given = address or os.environ.get("RAY_ADDRESS") or None
    if given is not None and given.startswith("ray://"):
        raise SetupError(
            f"{given} is an address for Ray's client; run facevid on a machine of the cluster and give HOST:PORT, or "
            "no address there"
        )
    if given == "local":
        return None
    if given is None or given == "auto":
        found = _started_here()
        if found is None and given == "auto":
            raise SetupError(
                "this machine is part of no Ray cluster that `ray start` made and that still answers; start one with "
                "`ray start --head`, or give its address as HOST:PORT"
            )
        return found
    _require_listener(given)
    return given


def _started_here() -> str | None:
    """Where `ray start` left the address of the cluster of this machine, if that still answers."""
    from ray._private.utils import read_ray_address

    found: str | None = read_ray_address()
    try:
        if found:
            _require_listener(found)
    except SetupError:
        return None
    return found or None


def _init(given: str | None) -> None:
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    alone = {
        "num_cpus": available_cores(),
        "include_dashboard": False,
        "object_store_memory": _STORE_BYTES,
    }
    try:
        ray.init(address=given or "local", **({} if given else alone), **quiet)
    except (
        Exception
    ) as error:  # Ray raises whatever it meets, a bare Exception where it took too long to start
        raise SetupError(_no_driver(given, error)) from error


def _no_driver(given: str | None, error: BaseException) -> str:
    """The sentence for a cluster that Ray did not start, or did not join."""
    if given is not None and (found := _VERSIONS.search(str(error))):
        theirs, their_python, own, own_python = found.groups()
        return (
            f"the Ray cluster at {given} has Ray {theirs} and Python {their_python}, and this process has Ray {own} "
            f"and Python {own_python}; install facevid with the same versions on every machine of a cluster"
        )
    if given is None:
        return (
            f"Ray could not be started on this machine ({_first_line(error)}); on a machine that is busy it gives up "
            "after 15 to 30 s: try again, or start it yourself with `ray start --head`"
        )
    token = ""
    if os.environ.get("RAY_AUTH_MODE") != "token" and (Path.home() / ".ray" / "auth_token").exists():
        token = "; a token lies in ~/.ray/auth_token: where the cluster was started with it, set RAY_AUTH_MODE=token"
    return (
        f"cannot be a driver of the Ray cluster at {given} ({_first_line(error)}); run facevid on a machine that is "
        f"part of it, with the cluster's versions of Ray and Python{token}"
    )


def _require_listener(address: str) -> None:
    """Raise SetupError where nothing answers at HOST:PORT; Ray itself tries for minutes."""
    from facevid.engine.ray_pool import reach

    try:
        reach(address, _ANSWER_S)
    except ValueError as error:
        raise SetupError(
            f"{address!r} is no address of a Ray cluster; give HOST:PORT of its head, as `ray start --head` prints it"
        ) from error
    except OSError as error:
        raise SetupError(
            f"no Ray cluster answers at {address} ({error}); the address is HOST:PORT of its head, as `ray start "
            "--head` prints it"
        ) from error


def _require_ray() -> None:
    if util.find_spec("ray") is None:
        raise SetupError(
            "the executor ray needs Ray, which is not installed; install it with: pip install 'facevid[ray]'"
        )
    # Ray tells its makers how it is used unless it is told not to before it is imported.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


def _quieten() -> None:
    """Keep what Ray prints about its machines off stdout, which may be a JSON document; its own logs have it."""
    from ray._private import worker

    worker.print_to_stdstream = _print_nothing


def _print_nothing(data: Any, ignore_prefix: bool = False) -> None:
    return


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep the handler of SIGTERM, in whose place Ray sets one that exits at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
