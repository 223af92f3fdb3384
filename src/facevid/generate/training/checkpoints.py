"""Checkpoints: folders that are whole or not there, each file with its hash, read back from the newest sound one."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from facevid.engine import StorageError, atomic_dir, clear_stale, file_sha256
from facevid.generate.errors import GenerateError

FORMAT = "facevid-checkpoint"
VERSION = 1
STATE = "state.json"
_NAME = re.compile(r"step-(\d{8})")
_SYSTEM_ERROR = re.compile(r"\(os error (\d+)\)")


@dataclass(frozen=True)
class Checkpoint:
    """What a training needs to go on. groups: tensors by name, in files of these names: weights, ema, optimizer.

    facts: samples_seen, ranks, recipe, and what else decides the result; plain values for JSON.
    """

    step: int
    groups: Mapping[str, Mapping[str, Tensor]]
    facts: Mapping[str, Any] = field(default_factory=dict)


class Checkpoints:
    """The checkpoints in a folder, of which the newest `keep` stay."""

    def __init__(self, folder: Path, keep: int = 2) -> None:
        self.folder = folder
        self._keep = keep

    def write(self, checkpoint: Checkpoint) -> Path:
        """Writes a checkpoint, and removes old ones once it is whole.

        Raises StorageError with a sentence where there is no room; then those that were there are still there.
        """
        place = self._place(checkpoint.step)
        try:
            with atomic_dir(place) as partial, _system_errors(place):
                self._fill(partial, checkpoint)
        except StorageError as error:
            before = self.steps()
            last = (
                f" The checkpoint of step {before[-1]} is whole; the training goes on from there."
                if before
                else ""
            )
            raise StorageError(
                f"The checkpoint of step {checkpoint.step} could not be written: {error}.{last}"
            ) from error
        for step in self.steps()[: -self._keep]:
            shutil.rmtree(self._place(step), ignore_errors=True)
        return place

    def steps(self) -> list[int]:
        """The steps of which there is a checkpoint, in order."""
        found = (_NAME.fullmatch(path.name) for path in _entries(self.folder))
        return sorted(int(name[1]) for name in found if name)

    def newest(self) -> tuple[Checkpoint | None, list[str]]:
        """The newest checkpoint that is whole, and a sentence for each newer one that is damaged.

        Raises GenerateError where there are some and all are damaged, or of another version.
        """
        damaged: list[str] = []
        for step in reversed(self.steps()):
            try:
                return self._read(self._place(step)), damaged
            except _Damaged as fault:
                damaged.append(f"The checkpoint {self._place(step)} is damaged ({fault}) and is not used.")
        if damaged:
            raise GenerateError(
                f"{' '.join(damaged)} There is no other. Remove {self.folder} to train from the beginning."
            )
        return None, []

    def newest_facts(self) -> Mapping[str, Any] | None:
        """Facts of the newest checkpoint whose state.json is whole, at once: its tensors are not looked at."""
        for step in reversed(self.steps()):
            try:
                return dict(self._state(self._place(step))["facts"])
            except _Damaged:
                continue
        return None

    def clear(self) -> None:
        """Removes what killed processes left; call it while holding the training's lock."""
        clear_stale(self.folder, recursive=False)

    def drop_after(self, step: int) -> None:
        """Removes checkpoints of later steps, which are damaged and would stand in the way."""
        for later in self.steps():
            if later > step:
                shutil.rmtree(self._place(later), ignore_errors=True)

    def _fill(self, partial: Path, checkpoint: Checkpoint) -> None:
        files = {}
        for name, tensors in checkpoint.groups.items():
            file = partial / f"{name}.safetensors"
            save_file(dict(tensors), file)
            files[file.name] = {"sha256": file_sha256(file), "bytes": file.stat().st_size}
        state = {
            "format": FORMAT,
            "version": VERSION,
            "step": checkpoint.step,
            "files": files,
            "facts": checkpoint.facts,
        }
        state["sha256"] = _hash(state)
        (partial / STATE).write_text(json.dumps(state, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    def _state(self, place: Path) -> dict[str, Any]:
        try:
            state = json.loads((place / STATE).read_text(encoding="utf-8"))
            told = state.pop("sha256")
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise _Damaged(f"{STATE} cannot be read: {error}") from None
        if told != _hash(state):
            raise _Damaged(f"{STATE} was changed")
        if state["version"] != VERSION:
            raise GenerateError(
                f"{place} has version {state['version']} of the format, and this facevid reads {VERSION}. "
                "Use the facevid that wrote it."
            )
        return dict(state)

    def _read(self, place: Path) -> Checkpoint:
        state = self._state(place)
        groups = {}
        for name, file in state["files"].items():
            path = place / name
            if not path.is_file():
                raise _Damaged(f"{name} is missing")
            if path.stat().st_size != file["bytes"] or file_sha256(path) != file["sha256"]:
                raise _Damaged(f"{name} does not have the bytes that were written")
            groups[path.stem] = load_file(path)
        return Checkpoint(state["step"], groups, state["facts"])

    def _place(self, step: int) -> Path:
        return self.folder / f"step-{step:08d}"


class _Damaged(Exception):
    """A checkpoint that does not hold what was written; the text says where."""


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _hash(state: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(state, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


@contextmanager
def _system_errors(place: Path) -> Iterator[None]:
    """safetensors tells a full disk in words only; here it becomes the system's error again."""
    try:
        yield
    except SafetensorError as error:
        number = _SYSTEM_ERROR.search(str(error))
        code = int(number[1]) if number else errno.EIO
        raise OSError(code, os.strerror(code), str(place)) from error
