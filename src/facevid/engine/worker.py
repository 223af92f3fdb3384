"""The worker's side: a process that loads a step once then answers one item after the other over a pipe."""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import json
import os
import pickle
import select
import signal
import struct
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from facevid.engine.files import storage_sentence
from facevid.engine.step import RecipeLike, Rejected, Step, StepError, reference, to_json
from facevid.engine.travel import Travel, carry

_LENGTH = struct.Struct("<Q")

# The driver hands its import path on through the environment, before anything of facevid can be imported.
PATH_VARIABLE = "FACEVID_WORKER_PATH"
THREADS_VARIABLE = "FACEVID_WORKER_THREADS"
BOOT = (
    f"import os, sys; sys.path[:] = os.environ.pop('{PATH_VARIABLE}').split(os.pathsep); "
    "from facevid.engine.worker import main; main()"
)


@dataclass(frozen=True)
class Start:
    """First message to a worker: functions as "module:qualname", the recipe pickled, and how items travel."""

    function: str
    setup: str | None
    recipe: bytes
    travel: Travel | None = None

    @classmethod
    def of(cls, step: Step, recipe: RecipeLike | None, travel: Travel | None = None) -> Start:
        """What a worker of this step begins with. Raises TypeError for a function that no other process can import."""
        return cls(
            reference(step.function),
            reference(step.setup) if step.setup is not None else None,
            pickle.dumps(recipe, protocol=pickle.HIGHEST_PROTOCOL),
            travel,
        )


@dataclass(frozen=True)
class Reply:
    """A worker's answer.

    status: an outcome's status, or "ready", "setup" or "storage". value: JSON text.
    """

    status: str
    kind: str | None = None
    message: str | None = None
    value: str = "{}"
    seconds: float = 0.0
    traceback: str | None = None

    def parsed_value(self) -> dict[str, Any]:
        """The value as it will also be read back from the ledger."""
        value: dict[str, Any] = json.loads(self.value)
        return value


def worker_threads() -> int:
    """How many threads a step may use in this process (1 outside a worker)."""
    return int(os.environ.get(THREADS_VARIABLE, "1"))


def performer(function: Callable[[Any, Any], Any], travel: Travel | None) -> Callable[[Any, Any], Any]:
    """The function for messages as `Work.message` makes them."""
    return function if travel is None else partial(carry, travel, function)


def perform(function: Callable[[Any, Any], Any], payload: Any, recipe: Any) -> Reply:
    """Run a step function on one item and turn whatever happens into a Reply."""
    begin = time.perf_counter()

    def reply(status: str, **fields: Any) -> Reply:
        return Reply(status, seconds=time.perf_counter() - begin, **fields)

    try:
        value = function(payload, recipe)
        if not isinstance(value, dict):
            raise TypeError(f"the step returned a {type(value).__name__} instead of a dict")
        return reply("ok", value=to_json(value))
    except Rejected as no:
        return reply("rejected", kind=no.reason, message=f"rejected: {no.reason}", value=to_json(no.values))
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a step raises is its item's outcome
        sentence = storage_sentence(error)
        if sentence is not None:
            return reply("storage", message=sentence)
        if isinstance(error, StepError):
            return reply("failed", kind=error.kind, message=error.message)
        trace = traceback.format_exc()
        text = f"{type(error).__name__}: {error}"
        if isinstance(error, MemoryError):
            return reply(
                "failed", kind="memory", message=f"There was not enough memory ({text}).", traceback=trace
            )
        if isinstance(error, PermissionError):
            return reply(
                "failed", kind="unreadable", message=f"It may not be read ({text}).", traceback=trace
            )
        message = f"facevid or a library of it failed ({text}); the ledger keeps the traceback."
        return reply("failed", kind="bug", message=message, traceback=trace)


def send(stream: BinaryIO, message: object) -> None:
    """Write one length-prefixed pickle."""
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def receive(stream: BinaryIO) -> Any:
    """Read one message; EOFError when the other side is gone."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    size = _LENGTH.unpack(head)[0]
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return pickle.loads(data)


def resolve(reference: str) -> Callable[..., Any]:
    """Import what "module:qualname" names."""
    module, _, name = reference.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return cast("Callable[..., Any]", found)


def main() -> None:
    """Serve items until told to stop or the driver is gone."""
    _guard()
    _offer()
    inbox, outbox = _take_pipes()
    faulthandler.enable()
    try:
        start: Start = receive(inbox)
        try:
            recipe = pickle.loads(start.recipe)
            function = performer(resolve(start.function), start.travel)
            if start.setup is not None:
                resolve(start.setup)(recipe)
        except Exception as error:  # noqa: BLE001 - told to the driver, which stops the run with it
            trace = traceback.format_exc()
            send(outbox, Reply("setup", message=f"{type(error).__name__}: {error}", traceback=trace))
            return
        send(outbox, Reply("ready"))
        while (payload := receive(inbox)) is not None:
            send(outbox, perform(function, payload, recipe))
    except (EOFError, BrokenPipeError):
        return


def _offer() -> None:
    """Have the system end this process and its children before the driver where memory runs out (Linux)."""
    score = Path("/proc/self/oom_score_adj")
    with contextlib.suppress(OSError):
        score.write_text(str(max(500, int(score.read_text()))))  # Ray may have raised it further


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep the pipes for ourselves, so that a stray print or a child process cannot disturb them."""
    inbox = os.fdopen(os.dup(0), "rb")
    outbox = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return inbox, outbox


def _guard() -> None:
    """Fork a small process that kills this worker and all its children when the driver is gone.

    The kernel's parent-death signal would end the worker alone, and already when the thread that started it
    ends; a thread in here could not act while a C library holds the interpreter.
    """
    if not hasattr(os, "fork") or not hasattr(select, "poll") or os.fork() != 0:
        return
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.closerange(1, 256)
    waiting = select.poll()
    waiting.register(0, 0)
    while not any(event & (select.POLLHUP | select.POLLERR) for _, event in waiting.poll()):
        time.sleep(0.1)
    os.killpg(0, signal.SIGKILL)
