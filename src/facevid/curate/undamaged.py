"""Files of the work folder that were written whole and are read back: where one is damaged, no item is to blame."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from facevid.engine import StorageError


@contextmanager
def undamaged(path: Path, *, delete: Path) -> Iterator[None]:
    """Read `path` in the `with` block; StorageError where it is damaged, with what to delete to have it made again."""
    try:
        yield
    except (
        ValueError,
        KeyError,
        EOFError,
        FileNotFoundError,
        zipfile.BadZipFile,
        pa.ArrowException,
    ) as error:
        why = " ".join(str(error).split()).rstrip(".")
        raise StorageError(
            f"{path} is damaged ({why}); delete {delete}, and the same command makes it again"
        ) from error
