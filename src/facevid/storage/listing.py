"""What lies in a place: all files below it, those that a pattern names, and what tells one version from the next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from facevid.storage.address import Place
from facevid.storage.errors import PlaceError
from facevid.storage.ranges import Head, stamp_of
from facevid.storage.retrying import retried

T = TypeVar("T")
_TOGETHER = 32
"""Questions on the way at a time: 100,000 addresses at 50 ms each take 3 minutes."""


@dataclass(frozen=True)
class Entry:
    """A file that a listing gives. path: below the place that was listed. head: None where the listing does not say."""

    address: str
    path: str
    head: Head | None


def _listed(place: Place, ask: Callable[[], T]) -> T:
    return retried(ask, what=place.location, most=2 if place.is_store else None)


def kind_of(place: Place) -> str | None:
    """ "file", "directory", or None where nothing is there. Raises PlaceError for faults."""
    fs = place.lister()

    def ask() -> str | None:
        fs.invalidate_cache()
        try:
            return str(fs.info(place.root)["type"])
        except FileNotFoundError:
            return None

    return _listed(place, ask)


def files_below(place: Place) -> list[Entry]:
    """All files below a folder, sorted by path. Raises PlaceError."""
    found = _details(place, "find")
    top = place.root.rstrip("/") + "/"
    return [
        Entry(place.address_of(path), path.removeprefix(top), _head(info))
        for path, info in sorted(found.items())
        if info.get("type") != "directory" and not path.endswith("/")
    ]


def matches(place: Place) -> dict[str, str]:
    """Addresses that a pattern (`*`, `**`, `?`, `[...]`) names, each with its kind. Raises PlaceError."""
    found = _details(place, "glob")
    return {place.address_of(path): str(info.get("type", "file")) for path, info in sorted(found.items())}


def _details(place: Place, method: str) -> dict[str, Mapping[str, Any]]:
    """What `find` or `glob` of the file system tells of every path."""
    fs = place.lister()

    def ask() -> dict[str, Mapping[str, Any]]:
        fs.invalidate_cache()
        found: dict[str, Mapping[str, Any]] = getattr(fs, method)(place.root, detail=True)
        return found

    return _listed(place, ask)


def heads(addresses: Iterable[str]) -> dict[str, Head | None]:
    """Size and version of each address; None where it could not be told: whoever reads it is told why."""

    def look(address: str) -> Head | None:
        try:
            place = Place(address)
            return _head(retried(lambda: _info(place), what=address))
        except PlaceError:
            return None

    unique = list(dict.fromkeys(addresses))
    with ThreadPoolExecutor(_TOGETHER) as pool:
        return dict(zip(unique, pool.map(look, unique), strict=True))


def _info(place: Place) -> Mapping[str, Any]:
    place.fs.invalidate_cache()
    found: Mapping[str, Any] = place.fs.info(place.root)
    return found


def _head(info: Mapping[str, Any]) -> Head | None:
    return None if info.get("size") is None else Head(int(info["size"]), stamp_of(info))
