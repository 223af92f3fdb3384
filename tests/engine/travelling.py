"""Steps whose outputs travel, for test_travel: a folder is made of a number, and a file of that folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from facevid.engine import Item, Rejected, Step, atomic_dir, atomic_path


def make_folder(payload: dict[str, Any], recipe: object) -> dict[str, Any]:
    if payload["number"] < 0:
        raise Rejected("negative")
    with atomic_dir(payload["_out"]) as folder:
        (folder / "large.bin").write_bytes(bytes(range(256)) * 400)
        (folder / "number.txt").write_text(str(payload["number"]))
    return {"number": payload["number"]}


def make_file(payload: dict[str, Any], recipe: object) -> dict[str, Any]:
    number = int((Path(payload["_folder"]) / "number.txt").read_text())
    with atomic_path(payload["_file"]) as partial:
        partial.write_text(str(number + 1))
    return {"seen": number}


FOLDER = Step(
    "folder",
    1,
    make_folder,
    outputs=lambda payload, value: [Path(payload["_out"]) / "number.txt"],
    makes=lambda payload: [payload["_out"]],
)
FILE = Step(
    "file",
    1,
    make_file,
    inputs=lambda payload: [payload["_folder"]],
    outputs=lambda payload, value: [payload["_file"]],
    makes=lambda payload: [payload["_file"]],
)


def items(home: Path, count: int) -> tuple[list[Item], list[Item]]:
    """Items of both steps for a home."""
    folders = [
        Item(str(k), {"number": k, "_out": str(home / ".work" / "folders" / f"{k}-h")}) for k in range(count)
    ]
    files = [
        Item(
            str(k),
            {"of": k, "_folder": i.payload["_out"], "_file": str(home / ".work" / "files" / f"{k}-h")},
        )
        for k, i in enumerate(folders)
    ]
    return folders, files
