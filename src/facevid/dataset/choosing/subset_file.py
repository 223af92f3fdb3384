"""Subsets and splits saved as small files of clip ids, with a hash by which a changed one is noticed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facevid.dataset.documents import document
from facevid.dataset.published import DatasetError
from facevid.engine import atomic_path

FORMAT = "facevid-subset"
VERSION = 1
SUBSETS = "subsets"
"""The folder of a dataset in which its saved subsets lie."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True)
class SubsetFile:
    """What a file of a subset says.

    name: of the subset. dataset: the name of the dataset that the clips are of. made: how it was chosen (JSON-able).
    ids: the clips, in order; parts: the clips of each part of a split. One of both is None.
    """

    name: str
    dataset: str
    made: Mapping[str, Any] = field(default_factory=dict)
    ids: tuple[str, ...] | None = None
    parts: Mapping[str, tuple[str, ...]] | None = None

    def to_json(self) -> dict[str, Any]:
        """What is written; `sha256` last."""
        content: dict[str, Any] = {
            "format": FORMAT, "version": VERSION, "name": self.name, "dataset": self.dataset, "made": dict(self.made),
        }  # fmt: skip
        if self.parts is not None:
            content["parts"] = {name: list(ids) for name, ids in self.parts.items()}
        else:
            content["ids"] = list(self.ids or ())
        return content | {"sha256": subset_hash(content)}

    def write(self, path: Path, *, replace: bool = False) -> None:
        """Write the file, whole or not at all.

        Raises DatasetError where a file of other clips is there, unless it is to be replaced: what was published or
        trained on would silently mean something else.
        """
        if (
            not replace
            and path.exists()
            and subset_hash(read_subset(path).to_json()) != subset_hash(self.to_json())
        ):
            raise DatasetError(
                f"{path} holds other clips already; choose another name, or say that it is to be replaced (--replace, "
                "replace=True)."
            )
        text = json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n"
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as partial:
            Path(partial).write_text(text, encoding="utf-8")


def subset_hash(content: Mapping[str, Any]) -> str:
    """The SHA-256 of the ids of a subset's JSON: of each id in order and a newline, in a split after "# PART"."""
    digest = hashlib.sha256()
    for line in _lines(content):
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()


def read_subset(path: Path) -> SubsetFile:
    """Read a file. Raises DatasetError, with what to do, if it is missing, no subset, or not what its hash says."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise DatasetError(f"There is no subset {path}{_beside(path)}.") from None
    except OSError as error:
        raise DatasetError(f"The subset {path} cannot be read ({error}).") from error
    return parse_subset(data, str(path))


def parse_subset(data: bytes, path: str) -> SubsetFile:
    """What a file says; `path` is where it was read, for errors."""
    content = document(
        data, path, FORMAT, VERSION,
        unreadable="make the subset again",
        foreign="it is no subset: name a file that `facevid subset` or `facevid split` saved",
        other_version="use the facevid release that wrote the subset, or make it again",
    )  # fmt: skip
    _check(content, path)
    parts, ids = content.get("parts"), content.get("ids")
    return SubsetFile(
        name=content["name"],
        dataset=content["dataset"],
        made=content.get("made") or {},
        ids=None if ids is None else tuple(ids),
        parts=None if parts is None else {name: tuple(of) for name, of in parts.items()},
    )


def is_path(name: str) -> bool:
    """Whether a subset is given by the path of its file, not by its name in the dataset's folder."""
    return name.endswith(".json") or "/" in name or "\\" in name


def check_name(name: str) -> str:
    """The name, if a subset can have it. Raises DatasetError otherwise."""
    if not _NAME.fullmatch(name):
        raise DatasetError(
            f"A subset cannot be called {name!r}; allowed: letters, digits, dots, dashes and underscores, or the path "
            "of a file that ends in .json."
        )
    return name


def _check(content: Mapping[str, Any], path: str) -> None:
    parts, ids = content.get("parts"), content.get("ids")
    lists = [ids] if parts is None else list(parts.values()) if isinstance(parts, dict) else [None]
    sound = (
        (parts is None) != (ids is None)
        and all(isinstance(content.get(word), str) for word in ("name", "dataset"))
        and isinstance(content.get("made") or {}, dict)
        and all(isinstance(of, list) and all(isinstance(i, str) for i in of) for of in lists)
    )
    if not sound:
        raise DatasetError(
            f"The subset {path} is damaged: it needs name, dataset, and either a list of ids or parts with lists of "
            "ids; make it again."
        )
    if content.get("sha256") != subset_hash(content):
        raise DatasetError(
            f"The subset {path} was changed: its ids do not have the SHA-256 that it gives; fetch or make it again."
        )


def _lines(content: Mapping[str, Any]) -> Iterator[str]:
    parts: Mapping[str, Sequence[str]] | None = content.get("parts")
    if parts is None:
        yield from content.get("ids") or ()
        return
    for name, ids in parts.items():
        yield f"# {name}"
        yield from ids


def _beside(path: Path) -> str:
    there = sorted(p.stem for p in path.parent.glob("*.json")) if path.parent.is_dir() else []
    return (
        f"; there are {', '.join(there)}" if there else "; make it with `facevid subset` or `facevid split`"
    )
