"""Where the weights of these networks are looked for, and the SHA-256 that names them."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from facevid.backends.weights import cache_folder, sha256_of
from facevid.bench.errors import BenchError

_PARTS = (".bin", ".json", ".safetensors", ".txt")


@dataclass(frozen=True)
class Needed:
    """Weights that a network needs. name: of the file, or of the folder where `is_folder`. home: where they are had.

    Their makers publish no SHA-256, so none is pinned; that of the file found goes into the network's version.
    """

    name: str
    home: str
    is_folder: bool = False


def find(needed: Needed) -> Path:
    """The file or folder of that name, in FACEVID_MODELS or else in facevid/models of the user's cache.

    Raises BenchError where it is in neither, with where it is had and where it goes.
    """
    named = os.environ.get("FACEVID_MODELS")
    for folder in (*([Path(named)] if named else []), cache_folder()):
        path = folder / needed.name
        if (path / "config.json").is_file() if needed.is_folder else path.is_file():
            return path
    what = "a folder of that name with all files" if needed.is_folder else "a file of that name"
    raise BenchError(
        f"the weights {needed.name} are missing; put {what} from {needed.home} into a folder and set FACEVID_MODELS "
        f"to that folder, or put it into {cache_folder()}."
    )


def weights_sha256(*paths: Path) -> str:
    """SHA-256 in hexadecimal of a file; of several, or of a folder's model and tokenizer files, that of theirs."""
    files = [
        file
        for path in paths
        for file in (sorted(f for f in path.iterdir() if f.suffix in _PARTS) if path.is_dir() else [path])
    ]
    if len(files) == 1:
        return sha256_of(files[0])
    listed = "".join(f"{sha256_of(file)}  {file.name}\n" for file in files)
    return hashlib.sha256(listed.encode()).hexdigest()
