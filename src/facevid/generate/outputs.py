"""Where generated videos go: an MP4, and beside it a JSON that says how to make it again."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from facevid.engine.files import file_sha256, storage_sentence, write_json_atomic
from facevid.engine.step import StorageError
from facevid.generate.errors import GenerateError
from facevid.generate.families.family import Video
from facevid.media import EncodeOptions, VideoWriter

# Above what clips are written with: what is measured on a model should be the model, not the encoder.
_ENCODE = EncodeOptions(crf=12, preset="medium")
_OTHER = {".gif", ".webm", ".mov", ".mkv", ".avi", ".m4v", ".png", ".jpg", ".jpeg", ".webp", ".npy"}
_FORMAT = "facevid-generated"
_TOOLS = ("facevid", "torch", "diffusers", "transformers", "tokenizers", "numpy", "av")


def output_paths(output: Path, count: int) -> list[Path]:
    """The MP4s of `count` videos: `output` itself where it ends in .mp4, else 0000.mp4 and on in that folder.

    Raises GenerateError for another kind of file, or one file for several videos.
    """
    suffix = output.suffix.lower()
    if suffix == ".mp4":
        if count > 1:
            raise GenerateError(
                f"{count} videos do not go into one file, {output}. Name a folder: -o {output.with_suffix('')}."
            )
        if output.is_dir():
            raise GenerateError(f"{output} is a folder. Name a file that ends in .mp4, or another folder.")
        return [output]
    if suffix in _OTHER:
        raise GenerateError(
            f"{output}: videos are written as .mp4. Name such a file, or a folder; a picture of them is --sheet PNG."
        )
    if output.is_file():
        raise GenerateError(f"{output} is a file. Name a file that ends in .mp4, or a folder.")
    return [output / f"{k:04d}.mp4" for k in range(count)]


def check_writable(path: Path) -> None:
    """Raises StorageError where no file can be made at `path`: better before hours of sampling than after.

    Missing folders are not made yet, so that a request that is refused leaves nothing behind.
    """
    place = path.absolute().parent
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        plain = f"cannot write in the folder {path.parent}: {error.strerror}; choose another output"
        raise StorageError(storage_sentence(error, path.parent) or plain) from error


def is_there(path: Path, record: Mapping[str, Any], *, overwrite: bool) -> bool:
    """Whether this very video was made before and is whole.

    A record whose video is gone counts for nothing. Raises GenerateError where something else stands at `path`, or in
    the place of its record, and may not be overwritten.
    """
    if not path.exists():
        if not (overwrite or _is_free(_beside(path))):
            raise GenerateError(
                f"{_beside(path)} is there already, and is no record of a video: that of {path.name} would replace it. "
                "Name another output, or say --overwrite."
            )
        return False
    try:
        before = json.loads(_beside(path).read_text(encoding="utf-8"))
        same = all(before[key] == json.loads(json.dumps(record[key])) for key in ("request", "model"))
        if same and file_sha256(path) == before["video"]["sha256"]:
            return True
    except (OSError, ValueError, KeyError, TypeError):
        pass  # no record that can be read: somebody else's file
    if not overwrite:
        raise GenerateError(
            f"{path} is there already, and was not made by this request. Name another output, or say --overwrite."
        )
    return False


def write_video(path: Path, video: Video, fps: float, record: Mapping[str, Any]) -> dict[str, Any]:
    """Write the MP4 and then, beside it, the record with what was written; returns that."""
    frames, height, width, _ = video.shape
    path.parent.mkdir(parents=True, exist_ok=True)
    _beside(path).unlink(missing_ok=True)  # never a record beside a video that it does not describe
    with VideoWriter(path, width=width, height=height, fps=fps, options=_ENCODE) as writer:
        for picture in video:
            writer.write(picture)
    written = {
        "file": path.name,
        "sha256": file_sha256(path),
        "frames": frames,
        "width": width,
        "height": height,
        "fps": fps,
    }
    whole = {"format": _FORMAT, "version": 1, "video": written, **record}
    write_json_atomic(whole, _beside(path))
    return whole


def tools() -> dict[str, str]:
    """Versions of what a video depends on."""
    found = {}
    for name in _TOOLS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def check_sheet(path: Path) -> None:
    """Raises GenerateError for a sheet that is no .png, StorageError where it cannot be written."""
    if path.suffix.lower() != ".png":
        raise GenerateError(f"{path}: a sheet is a .png file.")
    check_writable(path)


def _is_free(record: Path) -> bool:
    """Whether no file stands in the place of a record, or one that some video had."""
    if not record.exists():
        return True
    try:
        held = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(held, dict) and held.get("format") == _FORMAT


def _beside(path: Path) -> Path:
    return path.with_suffix(".json")
