"""One run at a time for a dataset behind an address: an object says who, and a counter in it that he is still there.

Clocks are never compared. Who finds the object watches its counter for `GONE_S`: where it moves, the dataset is busy;
where it does not, its writer is gone and the watcher takes its place. A holder looks before each beat, and before he
publishes, whether the object is still his.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import time
from typing import Any

from facevid.engine.archive import named
from facevid.engine.files import FolderBusy
from facevid.storage import Place
from facevid.storage.objects import create, read, remove, write

BEAT_S = 10.0
"""How often a holder counts on."""
GONE_S = 60.0
"""Whose counter stands still for so long is gone: six beats, or one that had to be tried again for most of a minute."""
_LOOK_S = 1.0
LOCK = ".work/lock"
_LOG = logging.getLogger("facevid")


class RemoteLock:
    """The lock of the dataset at `place`.

    home: a mark of the folder in which this run keeps the dataset; only one process at a time has that folder, so a
    lock with the same mark was left by one that is gone.
    """

    def __init__(self, place: Place, home: str) -> None:
        self._place = place
        self._mine: dict[str, Any] = {
            "token": secrets.token_hex(16), "host": socket.gethostname(), "pid": os.getpid(),
            "started": time.strftime("%Y-%m-%d %H:%M:%S %Z"), "home": home, "beat": 0,
        }  # fmt: skip

    def take(self) -> None:
        """Hold the lock. Raises FolderBusy, which says who holds it; StorageError where the place refuses."""
        with named():
            found = self._read()
            if found is not None and found.get("home") != self._mine["home"]:
                found = self._watched(found)
            if found is None:
                create(self._place, LOCK, self._text())
            else:
                write(self._place, LOCK, self._text())
            # Of two who came at the same moment one has written last, and both read the same.
            found = self._read()
            if not self._is_mine(found):
                raise FolderBusy(self._sentence(found))

    def beat(self) -> None:
        """Count on. Raises FolderBusy where another has taken the lock."""
        self.check()
        self._mine["beat"] += 1
        with named():
            write(self._place, LOCK, self._text())

    def check(self) -> None:
        """Raise FolderBusy where another has taken the lock."""
        with named():
            found = self._read()
        if not self._is_mine(found):
            raise FolderBusy(
                f"{self._sentence(found)}; this run was away for more than {GONE_S:.0f} s and has ended, nothing of it "
                "is lost"
            )

    def release(self) -> None:
        """Give the lock back, if it is still ours."""
        with named():
            if self._is_mine(self._read()):
                remove(self._place, [LOCK])

    def _watched(self, found: dict[str, Any]) -> dict[str, Any] | None:
        """What is there once it has stood still for `GONE_S`, or is gone. Raises FolderBusy where it moves."""
        _LOG.warning(
            "%s has the lock of %s; waiting for up to %.0f s to see whether it is still at work.",
            holder(found).rstrip(","), self._place.location, GONE_S,
        )  # fmt: skip
        until = time.monotonic() + GONE_S
        while time.monotonic() < until:
            time.sleep(min(_LOOK_S, GONE_S / 4))
            now = self._read()
            if now is None:
                return None
            if now != found:
                raise FolderBusy(self._sentence(now))
        return found

    def _is_mine(self, found: dict[str, Any] | None) -> bool:
        return found is not None and found.get("token") == self._mine["token"]

    def _read(self) -> dict[str, Any] | None:
        return lock_of(self._place)

    def _text(self) -> bytes:
        return json.dumps(self._mine).encode()

    def _sentence(self, found: dict[str, Any] | None) -> str:
        return f"{holder(found)} is working on {self._place.location}: wait until it has finished, or stop it"


def lock_of(place: Place) -> dict[str, Any] | None:
    """What the lock of a dataset says; None where nobody holds it. Raises PlaceError."""
    data = read(place, LOCK)
    try:
        found = None if data is None else json.loads(data)
    except ValueError:
        return {}
    return found if found is None or isinstance(found, dict) else {}


def holder(found: dict[str, Any] | None) -> str:
    """Who holds a lock, in words."""
    if not found or "host" not in found:
        return "another process"
    return f"process {found.get('pid')} on {found['host']}, running since {found.get('started')},"
