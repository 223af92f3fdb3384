"""How items travel where the dataset is behind an address: a worker brings what its step reads, sends what it makes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from facevid.engine.shelf import SUFFIX, Shelf
from facevid.engine.step import Payload, Step, StorageError, Value
from facevid.storage import Place, PlaceError, Scratch, scratch_folder
from facevid.storage.objects import sizes, write

_LOG_BYTES = 1 << 16


@dataclass(frozen=True)
class Travel:
    """A dataset behind an address, and the folder in which each machine keeps what it needs of it.

    home: the driver's folder of the dataset, absolute, which paths in payloads lie in. place: the address. inside:
    the folder of a machine's scratch for what else it keeps of the dataset.
    """

    home: str
    place: Place
    inside: str

    def log(self, machine: str) -> Path:
        """What the workers of a machine print."""
        return scratch_folder() / self.inside / f"worker.log.{machine}"

    def name(self, path: str | Path) -> str | None:
        """The name of the unit at a path of the driver's home; None for a path elsewhere."""
        text, above = str(path), f"{self.home}/"
        return text[len(above) :] if text.startswith(above) else None

    def at_home(self, name: str) -> str:
        """The path of a unit in the driver's home, as payloads name it."""
        return f"{self.home}/{name}"

    def shelf(self) -> Shelf:
        """The units on this machine."""
        return _shelf(self)

    def trip(self, step: Step, payload: Payload) -> Trip:
        """An item with the names of what it reads and makes. Raises TypeError for other paths in the home."""
        brings = self._names(step.inputs(payload) if step.inputs is not None else ())
        makes = self._names(step.makes(payload) if step.makes is not None else ())
        known = {*brings, *makes}
        for key, value in payload.items():
            for path in _texts(key, value):
                name = self.name(path)
                if name is not None and name not in known:
                    raise TypeError(f"step {step.name!r} declares {key} neither in inputs nor in makes")
        return Trip(payload, brings, makes)

    def _names(self, paths: Iterable[Any]) -> tuple[str, ...]:
        return tuple(name for name in map(self.name, paths) if name is not None)

    def ship_log(self, log: Path, machine: str) -> None:
        """Put the end of a worker's log beside the dataset, where a failure's sentence sends people."""
        try:
            with log.open("rb") as file:
                file.seek(max(0, log.stat().st_size - _LOG_BYTES))
                write(self.place, f".work/worker.log.{machine}", file.read())
        except (OSError, PlaceError):
            return  # the item's ending counts, and it is told without the log too


@dataclass(frozen=True)
class Trip:
    """One item for a worker: its payload as at home, and the names of the units that it reads and makes."""

    payload: Payload
    brings: tuple[str, ...]
    makes: tuple[str, ...]


@lru_cache(maxsize=4)
def _shelf(travel: Travel) -> Shelf:
    return Shelf(travel.place, Scratch())


def carry(travel: Travel, function: Callable[[Payload, Any], Value], trip: Trip, recipe: Any) -> Value:
    """Run a step function on paths of this machine, and send what it made once it has ended well."""
    shelf = travel.shelf()
    with contextlib.ExitStack() as stack:
        here = {travel.at_home(name): stack.enter_context(shelf.held(name)) for name in trip.brings}
        room = stack.enter_context(shelf.making())
        made = {name: room / name for name in trip.makes}
        here |= {travel.at_home(name): path for name, path in made.items()}
        for path in made.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        value = function(_moved(trip.payload, here), recipe)
        for name, path in made.items():
            shelf.add(name, path)
    return value


def _moved(payload: Payload, here: Mapping[str, Path]) -> Payload:
    def path(text: str) -> str:
        return str(here.get(text, text))

    moved = dict(payload)
    for key, value in payload.items():
        if _texts(key, value):
            moved[key] = path(value) if isinstance(value, str) else [path(text) for text in value]
    return moved


def _texts(key: str, value: Any) -> list[str]:
    """What a payload's value holds that may be paths: only keys that begin with "_" hold some."""
    if not key.startswith("_"):
        return []
    return (
        [value]
        if isinstance(value, str)
        else [v for v in value if isinstance(v, str)]
        if isinstance(value, list)
        else []
    )


@dataclass
class There:
    """Which units are at the address, as one listing a folder and run has it."""

    travel: Travel
    _seen: dict[str, set[str]] = field(default_factory=dict)

    def has(self, names: Iterable[str]) -> bool:
        """Whether all of these units are there."""
        return all(name in self._folder(name.rpartition("/")[0]) for name in names)

    def _folder(self, folder: str) -> set[str]:
        if folder not in self._seen:
            try:
                found = sizes(self.travel.place, folder)
            except PlaceError as error:
                raise StorageError(f"{error} What is finished is kept.") from error
            self._seen[folder] = {n.removesuffix(SUFFIX) for n in found if n.endswith(SUFFIX)}
        return self._seen[folder]
