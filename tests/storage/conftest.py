"""A store of S3 on this machine, with a server in front of it that can be told to fail."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent)]

from faulty_store import front, moto_port, no_waiting, scratch, store  # noqa: E402

__all__ = ["front", "moto_port", "no_waiting", "scratch", "store"]
