"""Executors by name: what runs a step over items, on this machine or on many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from facevid.engine.ledger import Ledger
from facevid.engine.local import LocalExecutor, available_cores
from facevid.engine.step import EngineError, Item, Outcome, RecipeLike, Step
from facevid.engine.travel import Travel

EXECUTORS = ("local", "ray")


class Executor(Protocol):
    """Runs steps over items."""

    def run(
        self,
        step: Step,
        items: Iterable[Item],
        recipe: RecipeLike | None,
        ledger: Ledger,
        *,
        retry_failed: bool = False,
    ) -> Iterator[Outcome]:
        """Yield one outcome per item, in the order they finish; finished ones come from the ledger at once.

        items may be an endless-looking iterator: at most 256 are held. Keys must be unique.
        retry_failed: run items again that failed earlier under the same hash.
        Raises SetupError (a worker cannot start), StorageError (output cannot be written), and
        KeyboardInterrupt on Ctrl-C or SIGTERM; what was finished until then is in the ledger, the rest runs
        next time.
        """
        ...


def check_executor(name: str, address: str | None) -> None:
    """Raise EngineError where there is no executor of this name, or an address means nothing to it."""
    if name not in EXECUTORS:
        raise EngineError(f"there is no executor {name!r}; allowed: {', '.join(EXECUTORS)}")
    if address is not None and name != "ray":
        raise EngineError(f"the address {address} is that of a Ray cluster: it goes with the executor ray")


@contextmanager
def open_executor(
    name: str = "local",
    *,
    workers: int | None = None,
    address: str | None = None,
    lock: Path,
    log: Path,
    threads: int = 1,
    resources: Mapping[str, Mapping[str, Any]] | None = None,
    travel: Travel | None = None,
) -> Iterator[Executor]:
    """The executor of this name; whatever it started is ended afterwards.

    workers: processes; None for one a core, or for as many as the cluster has room for. address: of a Ray cluster that
    runs; None for the one that `ray start` made this machine part of, else a new one on this machine alone. lock: the
    lock file that this process holds on the folder of the run, by which workers elsewhere know the folder. log: takes
    what workers print. threads: of a worker on this machine; on a cluster they follow from what it takes up. resources:
    step -> fields of `Resources` that differ from those that the step declares. travel: where the dataset lies behind
    an address; workers elsewhere then need to see nothing of the driver's.
    Raises EngineError as `check_executor`.
    """
    check_executor(name, address)
    if name == "local":
        count = available_cores() if workers is None else workers
        yield LocalExecutor(count, threads, log=log, resources=resources, travel=travel)
        return
    from facevid.engine.ray_executor import RayExecutor

    with RayExecutor(
        workers, address=address, lock=lock, log=log, resources=resources, travel=travel
    ) as executor:
        yield executor
