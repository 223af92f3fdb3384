"""What the routes share: the dataset as it is published now."""

from __future__ import annotations

import threading
from pathlib import Path

from facevid.dataset.published import MANIFEST
from facevid.web.data import Tables


class Context:
    """The dataset of a server. `tables` are read anew once the dataset has been published anew."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._signature = _signature(folder)
        self._tables = Tables.load(folder)

    @property
    def tables(self) -> Tables:
        signature = _signature(self.folder)
        if signature != self._signature:
            with self._lock:
                if signature != self._signature:
                    self._tables = Tables.load(self.folder)
                    self._signature = signature
        return self._tables


def _signature(folder: Path) -> tuple[int, int, int] | None:
    """What changes whenever `dataset.json` is replaced; None while it is away."""
    try:
        stat = (folder / MANIFEST).stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size
