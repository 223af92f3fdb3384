"""A model's folder: where it lies, what its facevid.json says, and how many weights it has, which hash to what."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facevid.engine.files import file_sha256
from facevid.generate.errors import GenerateError

FACTS = "facevid.json"
INDEX = "model_index.json"
_FORMAT, _VERSION = "facevid-model", 1
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_HUB_FILES = [INDEX, FACTS, "*/*.json", "*/*.safetensors", "*/*.txt", "*/*.model"]
"""What is fetched from a hub: whole repositories hold every model again in other formats."""


@dataclass(frozen=True)
class ModelFolder:
    """A pipeline of diffusers on this machine.

    name: the folder's, or the hub id. facts: its facevid.json; empty for a model that facevid did not train.
    """

    path: Path
    name: str
    facts: Mapping[str, Any]


def open_model(model: str | Path) -> ModelFolder:
    """The folder of a model, or of a hub id such as Lightricks/LTX-Video, which is fetched if it is not there yet.

    Raises GenerateError where there is none, or it is no model that makes videos.
    """
    path, name = _located(model)
    if not path.is_dir():
        raise GenerateError(f"{path} is no folder. Give the folder of a model, as `facevid train` makes one.")
    facts = read_facts(path)
    if facts.get("kind") == "autoencoder":
        raise GenerateError(
            f"{path} is an autoencoder, which makes no videos by itself. Name it as model.autoencoder of a recipe, "
            "train with that, and generate with the model that comes of it."
        )
    if facts.get("kind") == "text":
        raise GenerateError(
            f"{path} is a text encoder, which makes no videos by itself. Train a model with it (facevid train RECIPE "
            "--text), and generate with that."
        )
    if not (path / INDEX).is_file():
        if (path / ".train").is_dir():
            raise GenerateError(
                f"The training in {path} has saved no model yet. Let it run on to its end, with the same command."
            )
        raise GenerateError(
            f"{path} is no model: it has no {INDEX}. Give a folder that `facevid train` or diffusers' "
            "save_pretrained made."
        )
    return ModelFolder(path, name, facts)


def read_facts(folder: Path) -> dict[str, Any]:
    """facevid.json of a model's folder; empty where there is none. Raises GenerateError for one that is not ours."""
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise GenerateError(f"{folder / FACTS} cannot be read ({error}). Train or fetch it again.") from None
    if not isinstance(facts, dict) or facts.get("format") != _FORMAT:
        raise GenerateError(f"{folder / FACTS} does not describe a model: its format is not {_FORMAT!r}.")
    if facts.get("version") != _VERSION:
        raise GenerateError(
            f"{folder / FACTS} has version {facts.get('version')!r}; this facevid reads {_VERSION}. Update facevid."
        )
    return facts


def weights_sha256(folder: Path) -> str:
    """One SHA-256 over all that decides what a model makes: names and content of the files of its parts."""
    digest = hashlib.sha256()
    for path in _files(folder):
        digest.update(f"{path.relative_to(folder).as_posix()} {file_sha256(path)}\n".encode())
    return digest.hexdigest()


def check_weights(folder: Path) -> None:
    """Raises GenerateError for a file of weights that is cut off or damaged, by what its header promises."""
    for path in _files(folder):
        if path.suffix == ".safetensors":
            _header(path)


def parameters(folder: Path) -> dict[str, int]:
    """Weights of each part that has any, counted in the headers of its safetensors files."""
    counts: dict[str, int] = {}
    for path in _files(folder):
        # A name such as model.fp16.safetensors is a second copy of the same weights.
        if path.suffix == ".safetensors" and path.name.count(".") == 1:
            tensors = _header(path).values()
            count = sum(math.prod(t["shape"]) for t in tensors if "shape" in t)
            part = "autoencoder" if path.parent == folder else path.parent.name
            counts[part] = counts.get(part, 0) + count
    return counts


def _located(model: str | Path) -> tuple[Path, str]:
    path = Path(model).expanduser()
    if path.exists():
        return path, path.resolve().name
    asked = str(model)
    if not isinstance(model, str) or not _HUB_ID.fullmatch(asked) or path.parent.is_dir():
        raise GenerateError(
            f"There is no model {asked}. Give a folder that `facevid train` made, a folder of diffusers, or a hub id "
            "such as Lightricks/LTX-Video."
        )
    return _fetched(asked), asked


def _fetched(hub_id: str) -> Path:
    import huggingface_hub
    from huggingface_hub import errors

    try:
        return Path(huggingface_hub.snapshot_download(hub_id, allow_patterns=_HUB_FILES))
    except errors.RepositoryNotFoundError:
        raise GenerateError(
            f"There is no folder {hub_id}, and the hub has no model of that name that you may read. Check it, or "
            "log in: hf auth login."
        ) from None
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, OSError) as error:
        raise GenerateError(
            f"There is no folder {hub_id}, and it cannot be fetched from the hub ({_first_line(error)}). On a machine "
            f"without internet fetch it elsewhere (hf download {hub_id} --local-dir FOLDER) and give its folder."
        ) from None


def _header(path: Path) -> dict[str, Any]:
    """The header of a safetensors file: its length in 8 bytes, then JSON. Raises GenerateError where bytes lack."""
    size = path.stat().st_size
    broken = GenerateError(
        f"The weights {path} are cut off or damaged ({size:,} bytes). Make or fetch them again."
    )
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > size - 8:
            raise broken
        try:
            header = json.loads(file.read(length))
            end = max((t["data_offsets"][1] for n, t in header.items() if n != "__metadata__"), default=0)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise broken from None
    if size != 8 + length + end:
        raise broken
    return dict(header)


def _files(folder: Path) -> Iterator[Path]:
    """The files of a model's parts, in the order of their names; not what is said about it or left of training."""
    parted = (
        folder / INDEX
    ).is_file()  # an autoencoder alone has no parts: its files lie in the folder itself
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        told = inside.name == FACTS or (parted and len(inside.parts) == 1 and inside.name != INDEX)
        if path.is_file() and not hidden and not told and path.suffix != ".md":
            yield path


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
