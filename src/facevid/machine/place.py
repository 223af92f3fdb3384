"""Checks of where a dataset goes: what is there, whether it can be locked and renamed, and how much room it has."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from facevid.dataset.published import DatasetError, check_output
from facevid.dataset.sharing.remote import RemoteDataset
from facevid.engine import EngineError, FolderBusy, Ledger, atomic_path, folder_lock
from facevid.machine.check import Check, gigabytes
from facevid.storage import PlaceError
from facevid.storage.objects import create, remove

_PROBE = ".work/doctor"
_LEAST = 100_000_000
"""Bytes without which not even a small build ends: its ledger, the pieces in work and the tables."""


def remote_output_check(address: str) -> Check:
    """Whether a build may write its dataset to an address, and the store does what a build asks of it."""
    other = "Name another address with --output, or a folder."
    try:
        remote = RemoteDataset.at(address)
        place, there = remote.place, remote.published()
        if not create(place, _PROBE, b"facevid doctor"):
            remove(place, [_PROBE])
            create(place, _PROBE, b"facevid doctor")
        try:
            alone = not create(place, _PROBE, b"another")
        finally:
            remove(place, [_PROBE])
    except (DatasetError, EngineError, PlaceError) as error:
        return Check("output", "fault", str(error), other)
    found = f"{address} can be written, and holds {'a dataset' if there else 'none yet'}"
    if not alone:
        return Check(
            "output", "warning", f"{found}; it does not refuse to create what is there, which keeps builds apart",
            "Let one build at a time write there.",
        )  # fmt: skip
    return Check("output", "ok", found)


def output_check(output: Path | None) -> Check:
    """Whether a build may write into a folder, and its file system does what a build asks of it.

    None: no folder is named yet, so the file system of the current one is looked at, whatever lies in it.
    """
    try:
        if output is not None:
            check_output(output)
    except DatasetError as error:
        return Check("output", "fault", str(error), "Name another folder with --output.")
    place = standing(output or Path())
    try:
        with tempfile.TemporaryDirectory(prefix=".facevid-doctor-", dir=place) as folder:
            lacking = _lacking(Path(folder))
    except (EngineError, OSError) as error:
        return Check(
            "output", "fault", f"{place} cannot be written as a build needs it ({error})",
            "Make it writable, or name another folder with --output.",
        )  # fmt: skip
    if lacking:
        return Check("output", "fault", f"{place}: {lacking}", "Name a folder on a disk of this machine.")
    return Check("output", "ok", f"{place} can be written, locked and renamed in, and takes the ledger")


def room_check(name: str, folder: Path, wanted: int, why: str) -> Check:
    """Whether a place has the bytes that are wanted there; too few for any build is a fault."""
    free = shutil.disk_usage(folder).free
    said = f"{gigabytes(free)} free at {folder}"
    if free < _LEAST:
        return Check(name, "fault", said, "Free some space, or name another folder.")
    if free < wanted:
        return Check(name, "warning", f"{said}; {why}", "Free some space, or name another folder.")
    return Check(name, "ok", said)


def standing(path: Path) -> Path:
    """The folder that is there already: `path`, or the nearest one above it."""
    place = path.absolute()
    while not place.is_dir() and place != place.parent:
        place = place.parent
    return place


def _lacking(folder: Path) -> str | None:
    """What a file system fails at, in words; raises what it says of itself."""
    with folder_lock(folder):
        try:
            with folder_lock(folder):
                return "its file system gives one lock to two holders, so two builds would ruin each other"
        except FolderBusy:
            pass
    for text in ("old", "new"):
        with atomic_path(folder / "renamed") as partial:
            partial.write_text(text)
    if (folder / "renamed").read_text() != "new":
        return "its file system does not put a renamed file in the place of another"
    with Ledger(folder / "ledger.sqlite") as ledger:
        ledger.end_run(ledger.start_run("try", workers=1), "done")
    return None
