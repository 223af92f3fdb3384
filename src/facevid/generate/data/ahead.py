"""Does the work of an iterator in a thread, a few items ahead of whoever takes them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
_POLL_S = 0.2


@dataclass(frozen=True)
class _Item(Generic[T]):
    value: T


@dataclass(frozen=True)
class _End:
    error: BaseException | None


def ahead(items: Iterator[T], depth: int) -> Iterator[T]:
    """The same items; up to `depth` of them wait. An error comes where it would have come. Ends with its taker."""
    waiting: queue.Queue[_Item[T] | _End] = queue.Queue(depth)
    stopped = threading.Event()
    thread = threading.Thread(target=_fill, args=(items, waiting, stopped), daemon=True, name="facevid-ahead")
    thread.start()
    try:
        while True:
            item = waiting.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item.value
    finally:
        stopped.set()
        thread.join()


def _fill(items: Iterator[T], waiting: queue.Queue[_Item[T] | _End], stopped: threading.Event) -> None:
    end = _End(None)
    try:
        for item in items:
            if not _put(_Item(item), waiting, stopped):
                return
    except BaseException as error:  # noqa: BLE001  # it is raised again in the taker's thread
        end = _End(error)
    _put(end, waiting, stopped)


def _put(item: _Item[T] | _End, waiting: queue.Queue[_Item[T] | _End], stopped: threading.Event) -> bool:
    while not stopped.is_set():
        try:
            waiting.put(item, timeout=_POLL_S)
            return True
        except queue.Full:
            continue
    return False
