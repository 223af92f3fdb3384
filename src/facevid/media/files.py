"""Files that appear under their name only when they are complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facevid.media.source import PathLike


@contextmanager
def renamed_when_done(path: PathLike) -> Iterator[Path]:
    """Give a temporary path in the same folder; flushed to disk and renamed on success, removed on
    failure."""
    target = Path(path)
    part = part_path(target)
    try:
        yield part
        finish(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def part_path(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.part")


def finish(part: Path, target: Path) -> None:
    """Flush `part` to disk and rename it to `target`."""
    handle = os.open(part, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    part.replace(target)
