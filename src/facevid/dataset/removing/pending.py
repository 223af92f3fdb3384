"""The journal of a takedown that has begun and is not finished: `DATASET/takedown-pending.json`.

Unlike all that a takedown leaves, it names what goes, since after a kill it is all that still knows. Its removal is the
takedown's last move; until then nothing else may write to the dataset.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from facevid.dataset.published import JOURNAL, DatasetError
from facevid.engine import write_json_atomic

_FORMAT, _VERSION = "facevid-takedown", 1


def read_journal(folder: Path) -> dict[str, Any] | None:
    """The journal of a takedown that is not finished, None where there is none.

    Raises DatasetError for a damaged one.
    """
    path = folder / JOURNAL
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"{path} cannot be read ({error}); name again what is to be taken down."
        ) from error
    if not isinstance(content, dict) or (content.get("format"), content.get("version")) != (
        _FORMAT,
        _VERSION,
    ):
        raise DatasetError(
            f"{path} was not written by this facevid; finish the takedown with the one that began it."
        )
    return content


def write_journal(folder: Path, content: dict[str, Any]) -> None:
    """Note what is going to be taken down; on disk when this returns."""
    write_json_atomic({"format": _FORMAT, "version": _VERSION, **content}, folder / JOURNAL)


def remove_journal(folder: Path) -> None:
    """The takedown is finished."""
    (folder / JOURNAL).unlink(missing_ok=True)
