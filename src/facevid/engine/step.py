"""What a step is and what comes out of it: the words the executors, the ledger and the rooms above share."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from facevid.errors import FacevidError
from facevid.storage import UNREACHABLE

Payload = dict[str, Any]
Value = dict[str, Any]


class RecipeLike(Protocol):
    """Anything that can name the fields a step reads; `facevid.recipe.Recipe` is one."""

    def subset(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Return the named dotted fields as JSON-able values."""
        ...


@dataclass(frozen=True)
class Item:
    """One unit of work.

    key: unique within a step, the same on every machine (a source_id, a clip_id).
    payload: JSON-able; what the step gets. It enters the step's hash, except keys that begin with "_"
        (paths, which may differ between machines without changing the answer).
    """

    key: str
    payload: Payload


@dataclass(frozen=True)
class Resources:
    """What one worker of a step takes up; of all this, workers of one machine alone mind only the memory.

    cpus: cores, which are also its threads (at least 1). gpus: whole or a share of one. custom: what else machines were
    given, by name. A share below 1 lets several workers have one core or GPU. memory_gb: 10^9 bytes; a worker that
    grows beyond is ended; None for what the machine has room for (`facevid.engine.memory`). Raises ValueError.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    memory_gb: float | None = None
    custom: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.cpus <= 0:
            raise ValueError(f"cpus must be above 0, not {self.cpus:g}")
        if self.memory_gb is not None and self.memory_gb <= 0:
            raise ValueError(f"memory_gb must be above 0, not {self.memory_gb:g}")
        for name, amount in {"cpus": self.cpus, "gpus": self.gpus, **self.custom}.items():
            if amount < 0 or (amount > 1 and amount != int(amount)):
                raise ValueError(f"{name} must be a share below 1 or a whole number, not {amount:g}")

    @property
    def threads(self) -> int:
        """Threads of the worker: one for each of its cores."""
        return max(1, int(self.cpus))

    @property
    def memory_bytes(self) -> int | None:
        """The limit in bytes."""
        return None if self.memory_gb is None else round(self.memory_gb * 1e9)


@dataclass(frozen=True)
class Step:
    """A plain function with what the engine must know about it.

    name, version: raise the version whenever the function would give another answer to the same input.
    function: `function(payload, recipe) -> JSON-able dict`, at the top level of a module. It raises
        `Rejected` for a normal no and `StepError` for bad input; anything else is recorded as a bug.
    reads: dotted recipe fields the function looks at; changing any other field does not run the step again.
    timeout_s: seconds one item may take, or a function of the payload.
    setup: `setup(recipe)`, run once in each worker before its first item (loads models).
    inputs: `inputs(payload) -> paths` that it reads; workers on other machines must see those that the driver sees.
        Addresses (`s3://...`) among them are left to whoever opens them.
    outputs: `outputs(payload, value) -> (path, bytes or None)`; when given, an item counts as finished only while all
        are there, and as long as that where bytes are given.
    makes: `makes(payload) -> paths` of the files and folders that it writes, each whole. Where the dataset lies behind
        an address they are sent there, and `outputs` is not looked at; paths in `inputs` and `makes` are then values
        of payload keys that begin with "_", or lists of paths there.
    resources: what a worker takes up; no result depends on it.
    """

    name: str
    version: int
    function: Callable[[Payload, Any], Value]
    reads: tuple[str, ...] = ()
    timeout_s: float | Callable[[Payload], float] = 3600.0
    setup: Callable[[Any], object] | None = None
    inputs: Callable[[Payload], Iterable[Any]] | None = None
    outputs: Callable[[Payload, Value], Iterable[tuple[Path, int | None]]] | None = None
    makes: Callable[[Payload], Iterable[Any]] | None = None
    resources: Resources = field(default_factory=Resources)

    def timeout_for(self, payload: Payload) -> float:
        """Seconds this item may take."""
        return float(self.timeout_s(payload) if callable(self.timeout_s) else self.timeout_s)


@dataclass(frozen=True)
class Outcome:
    """How one item ended.

    status: "ok", "rejected" (a normal answer) or "failed".
    kind: the reason of a rejection; for a failure the kind given to `StepError`, or "bug", "crash",
        "timeout", "memory", "unreadable"; None when ok.
    message: the user's sentence, None when ok.
    value: what the function returned, or the values given to `Rejected`; as read back from JSON.
    seconds: wall time in the step; of the last attempt when there were two.
    reused: True when the answer came from the ledger.
    """

    key: str
    step: str
    status: str
    kind: str | None = None
    message: str | None = None
    value: Value = field(default_factory=dict)
    seconds: float = 0.0
    reused: bool = False


PASSING = frozenset({UNREACHABLE})
"""Kinds of failures that may pass: a store that did not answer, however often it was asked."""


class Rejected(Exception):
    """Raised by a step: the item is sound but not wanted. Not an error."""

    def __init__(self, reason: str, **values: Any) -> None:
        super().__init__(reason)
        self.reason = reason
        self.values = values


class StepError(Exception):
    """Raised by a step: this item cannot be processed, and it is the item's fault.

    kind: one word for tables ("unreadable", "empty", ...). message: the user's sentence. A kind of `PASSING` says that
    it is nobody's fault for good: the item fails in this run alone, and the next run tries it again.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class EngineError(FacevidError):
    """The run cannot go on, whatever the item; str() is the user's sentence."""


class SetupError(EngineError):
    """A worker could not be made ready (a model is missing, a module does not import)."""


class StorageError(EngineError):
    """The output cannot be written: disk full, over quota, read-only or forbidden."""


def step_hash(step: Step, recipe: RecipeLike | None, payload: Payload) -> str:
    """SHA-256 (hex) of everything that decides the step's answer for this payload.

    Canonical JSON (sorted keys, no spaces, ASCII) of the step's name and version, the recipe fields it reads,
    and the payload without keys that begin with "_".
    """
    return PayloadHasher(step, recipe)(payload)


class PayloadHasher:
    """`step_hash` with the recipe's share computed once for many payloads."""

    def __init__(self, step: Step, recipe: RecipeLike | None) -> None:
        self.step = step
        fields = recipe.subset(step.reads) if recipe is not None and step.reads else {}
        head = _canonical([step.name, step.version, fields], f"the recipe fields of step {step.name!r}")
        self._head = hashlib.sha256(head)

    def __call__(self, payload: Payload) -> str:
        """Return the hash for one payload; TypeError with a sentence when it is not JSON-able."""
        public = {key: value for key, value in payload.items() if not key.startswith("_")}
        digest = self._head.copy()
        digest.update(_canonical(public, f"the payload of an item of step {self.step.name!r}"))
        return digest.hexdigest()


def reference(function: Callable[..., Any]) -> str:
    """Name a function so that another process can import it: "module:qualname".

    Raises TypeError for lambdas, nested functions and functions of `__main__`, which no worker can import.
    """
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", None)
    if module == "__main__":
        spec = getattr(sys.modules["__main__"], "__spec__", None)
        module = spec.name if spec is not None and not spec.name.endswith("__main__") else None
    if not module or not name or "<" in name:
        raise TypeError(
            f"step function {name or function!r} cannot be imported by a worker process: "
            "it must be defined at the top level of a module, not in a script, a notebook or another function"
        )
    return f"{module}:{name}"


def to_json(value: Any) -> str:
    """JSON text of a step's value; numpy scalars become numbers, anything else unknown is a TypeError."""
    return json.dumps(value, default=_plain, separators=(",", ":"))


def _canonical(value: Any, what: str) -> bytes:
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=_plain)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{what} must be JSON-able (text, numbers, lists, dicts): {error}") from error
    return text.encode("ascii")


def _plain(value: Any) -> Any:
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", None) == 0:
        return item()
    raise TypeError(f"a {type(value).__name__} cannot be stored as JSON")
