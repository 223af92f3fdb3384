"""Workers on the machines of a Ray cluster, as the driver sees them: actors, each with one message under way."""

from __future__ import annotations

import math
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import ray
from ray.exceptions import OutOfMemoryError, RayActorError, RayError, RayTaskError

from facevid.engine.crew import Ending
from facevid.engine.ray_host import Host, Order
from facevid.engine.step import Payload, Resources, SetupError, Step
from facevid.engine.travel import Travel, Trip
from facevid.engine.worker import Reply
from facevid.storage import is_address

LOST = Ending("was lost with its machine", lost=True)
_LOOK_S = 5.0
# A head may come back. Where it has not answered for 60 s (gcs_rpc_server_reconnect_timeout_s), Ray ends the driver's
# process itself.
_HEADLESS_S = 15.0
_CONNECT_S = 2.0
_GO_ON = "what is finished is kept: start the cluster and run the same command again"


class Lifelines:
    """What a driver cannot do without: the head of its cluster and the Ray node of its own machine.

    Ray ends the process of a driver that calls on either when it is gone, with exit code 1 and no word of ours. So both
    are asked without Ray, whether they still listen, before anything is asked of it. To be made while they do.
    """

    def __init__(self) -> None:
        here = ray.get_runtime_context()
        self.head = str(here.gcs_address)
        own = next((n for n in ray.nodes() if n["NodeID"] == here.get_node_id()), None)
        if own is None:
            raise SetupError(
                f"the Ray cluster at {self.head} does not list the node of this machine; {_GO_ON}"
            )
        self._node = f"{own['NodeManagerAddress']}:{own['NodeManagerPort']}"
        self._headless_since: float | None = None

    def hold(self) -> bool:
        """Whether the head answers now. Raises SetupError where the node is gone, or the head for too long."""
        has_head, now = listens(self.head), time.monotonic()
        if not listens(self._node):
            head = "" if has_head else f"the head of the Ray cluster at {self.head} is gone, and "
            raise SetupError(f"{head}the Ray node of this machine at {self._node} is gone; {_GO_ON}")
        if has_head:
            self._headless_since = None
            return True
        if self._headless_since is None:
            self._headless_since = now
        if now - self._headless_since > _HEADLESS_S:
            raise SetupError(
                f"the head of the Ray cluster at {self.head} has not answered for {_HEADLESS_S:.0f} s; {_GO_ON}"
            )
        return False

    def wait(self) -> None:
        """Return once the head answers. Raises SetupError as `hold` does."""
        self._headless_since = None
        while not self.hold():
            time.sleep(1.0)

    def cut(self) -> bool:
        """Whether one of them is gone now."""
        return not (listens(self.head) and listens(self._node))


class RayWorker:
    """One actor; owed: the answer that it has not given yet, None while it is idle."""

    def __init__(
        self, actor: Any, step: Step, travel: Travel | None, on_end: Callable[[RayWorker], None]
    ) -> None:
        self._actor = actor
        self._step = step
        self._travel = travel
        self._on_end = on_end
        self.owed: Any = actor.here.remote()
        self.began: float | None = None
        self.ending = LOST

    @property
    def answered(self) -> bool:
        """Whether the answer has arrived, even if nobody has looked at it yet."""
        return self.owed is None or bool(ray.wait([self.owed], timeout=0)[0])

    def prepare(self, order: Any) -> None:
        """Let it load the step, now that it has a place."""
        self.began = time.monotonic()
        self.owed = self._actor.prepare.remote(order)

    def send(self, payload: Payload | Trip) -> None:
        """Hand over a payload, and what of its inputs is there to be seen."""
        known = payload.payload if isinstance(payload, Trip) else payload
        inputs = () if self._step.inputs is None else self._step.inputs(known)
        paths = [
            Path(path)
            for path in inputs
            if not is_address(str(path))
            # What lies in the home of a dataset behind an address is brought, not seen.
            and (self._travel is None or self._travel.name(path) is None)
        ]
        seen = [str(path) for path in paths if path.exists()]
        self.owed = self._actor.work.remote(payload, seen)

    def end(self, *, kill: bool = False) -> Ending:
        """End the actor, whose worker process then ends itself; how it had ended, if it was gone."""
        self.owed = None
        self._on_end(self)
        ray.kill(self._actor)
        return self.ending


class RayPool:
    """Starts actors for one run and makes sure that none outlives it.

    workers: at most so many; None for as many as the cluster's machines have room for, which is looked at again while
    the run goes on. room_timeout_s: how long to wait for a machine that is large enough for one.
    """

    def __init__(
        self,
        step: Step,
        order: Order,
        needs: Resources,
        *,
        lifelines: Lifelines,
        workers: int | None,
        room_timeout_s: float,
    ) -> None:
        lifelines.wait()
        self._lifelines = lifelines
        self._step = step
        self._order = ray.put(order)
        self._travel = order.start.travel
        self._needs = needs
        self._limit = workers
        self._room_timeout_s = room_timeout_s
        self._workers: set[RayWorker] = set()
        self._heard: deque[tuple[RayWorker, Reply | None]] = deque()
        self._size = 0
        self._looked = -math.inf
        self._roomless_since: float | None = None
        self._host = ray.remote(Host).options(**actor_options(needs))

    def __enter__(self) -> RayPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lifelines.cut():
            return  # without its head Ray ends no actor, and the workers end with this process
        for worker in list(self._workers):
            worker.end(kill=True)

    def size(self) -> int:
        """How many workers there may be now; one waits for a machine where there is room for none.

        Raises SetupError where no machine was large enough for too long, and as `Lifelines.hold` does.
        """
        now = time.monotonic()
        if now - self._looked >= _LOOK_S and self._lifelines.hold():
            self._looked = now
            room = capacity(ray.nodes(), self._needs)
            self._size = room if self._limit is None else min(room, self._limit)
            if room:
                self._roomless_since = None
            elif self._roomless_since is None:
                self._roomless_since = now
            elif now - self._roomless_since > self._room_timeout_s:
                raise SetupError(
                    f"a worker of step {self._step.name!r} needs {wanted_words(self._needs)}, and for "
                    f"{self._room_timeout_s:.0f} s no machine of the Ray cluster has had as much; add such a machine, "
                    f"or ask for less under resources.{self._step.name} in the recipe"
                )
        return max(1, self._size)

    def start(self) -> RayWorker:
        """Ask for one more actor; it starts as soon as a machine has room."""
        worker = RayWorker(self._host.remote(), self._step, self._travel, self._workers.discard)
        self._workers.add(worker)
        return worker

    def report(self, timeout_s: float) -> tuple[RayWorker, Reply | None] | None:
        """What a worker said, None in place of a reply where it is gone; None after so many seconds of silence."""
        if not self._heard:
            self._listen(timeout_s)
        return self._heard.popleft() if self._heard else None

    def _listen(self, timeout_s: float) -> None:
        """Wait for any of the answers that are owed, then take all that have arrived."""
        owed = {worker.owed: worker for worker in self._workers if worker.owed is not None}
        if not owed:
            time.sleep(timeout_s)
            return
        refs = list(owed)
        if not ray.wait(refs, num_returns=1, timeout=timeout_s)[0]:
            return
        arrived, _ = ray.wait(refs, num_returns=len(refs), timeout=0)
        for ref in arrived:
            self._take(owed[ref], ref)

    def _take(self, worker: RayWorker, ref: Any) -> None:
        worker.owed = None
        answer = heard_from(ref, placed=worker.began is not None)
        if answer is None:
            worker.prepare(self._order)
        elif isinstance(answer, Reply):
            self._heard.append((worker, answer))
        else:
            worker.ending = answer
            self._heard.append((worker, None))


def heard_from(ref: Any, *, placed: bool) -> Reply | Ending | None:
    """What an actor answered; what Ray raises in its place is an ending, or stops the run.

    placed: whether the actor has answered before. Raises SetupError where no actor can start, and what a fault of our
    own in an actor raised there.
    """
    try:
        answer: Reply | Ending | None = ray.get(ref)
    except OutOfMemoryError:
        return Ending("was ended by Ray because its machine ran out of memory", "memory")
    except RayTaskError as error:
        if not placed:
            raise SetupError(_no_host(error)) from error
        raise
    except RayError as error:
        if isinstance(error, RayActorError) and error.actor_init_failed:
            raise SetupError(_no_host(error)) from error
        return LOST
    return answer


def listens(address: str) -> bool:
    """Whether anything answers at HOST:PORT."""
    try:
        reach(address, _CONNECT_S)
    except OSError:
        return False
    return True


def reach(address: str, timeout_s: float) -> None:
    """Connect to HOST:PORT, and no more. Raises OSError where nothing answers, ValueError for no such address."""
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_s).close()


def capacity(nodes: Iterable[Mapping[str, Any]], needs: Resources) -> int:
    """How many workers of these needs the living machines can hold, were they free of all else.

    nodes: as `ray.nodes()` gives them.
    """
    wanted = _amounts(needs)
    return sum(
        int(min(node["Resources"].get(name, 0.0) / amount + 1e-9 for name, amount in wanted.items()))
        for node in nodes
        if node["Alive"]
    )


def actor_options(needs: Resources) -> dict[str, Any]:
    """The needs as Ray takes them; an actor is never started again by Ray itself, which knows of no attempts."""
    return {
        "num_cpus": needs.cpus,
        "num_gpus": needs.gpus,
        "memory": needs.memory_bytes,
        "resources": dict(needs.custom),
        "max_restarts": 0,
        "max_task_retries": 0,
        "max_concurrency": 1,
        "enable_task_events": False,
    }


def wanted_words(needs: Resources) -> str:
    """The needs in words: 2 CPUs, 1 GPU, 4 GB of memory."""
    words = [f"{needs.cpus:g} CPU{'s' * (needs.cpus > 1)}"]
    if needs.gpus:
        words.append(f"{needs.gpus:g} GPU{'s' * (needs.gpus > 1)}")
    if needs.memory_gb is not None:
        words.append(f"{needs.memory_gb:g} GB of memory")
    return ", ".join([*words, *(f"{amount:g} {name}" for name, amount in needs.custom.items())])


def _amounts(needs: Resources) -> dict[str, float]:
    amounts = {"CPU": needs.cpus, "GPU": needs.gpus, "memory": float(needs.memory_bytes or 0), **needs.custom}
    return {name: amount for name, amount in amounts.items() if amount}


def _no_host(error: RayError) -> str:
    last = str(error).strip().splitlines()[-1].strip()
    return f"no worker could start on a machine of the Ray cluster ({last}); facevid must be installed on every machine"
