"""What a published dataset looks like: its format version, the columns of its tables, and the manifest
`dataset.json`.

Column names are a contract: other tools read these files. Every field carries its description in the Parquet
file itself (`pyarrow.parquet.read_schema(path).field("start_s").metadata`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from facevid.dataset.documents import DatasetError as DatasetError
from facevid.dataset.documents import document
from facevid.dataset.statements import ANNOTATIONS, LABELS

FORMAT = "facevid"
FORMAT_VERSION = 1
MANIFEST = "dataset.json"
TABLES = ("sources", "clips", "rejected", "failed", "keypoints", "annotations")
MEDIA = "media"
JOURNAL = "takedown-pending.json"
"""A file that is there while a takedown is not finished (see `pending`)."""
_INSIDE = re.compile(r"[a-z]+/[A-Za-z0-9_-][A-Za-z0-9._-]*")
MEMBERS = ("mp4", "flac", "json")  # the order of a clip's members in its shard

_S, _I, _L, _F, _D, _B = pa.string(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.bool_()

_SOURCES: tuple[tuple[str, pa.DataType, str], ...] = (
    ("source_id", _S, "first 16 hex digits of the source file's SHA-256"),
    ("source_name", _S, "file name, unique in the dataset"),
    ("sha256", _S, "SHA-256 of the source file, hex"),
    ("size_bytes", _L, "size of the source file"),
    ("url", _S, "where the source came from, if the manifest says"),
    ("licence", _S, "licence of the source, if the manifest says"),
    ("consent", _S, "consent of the people shown, if the manifest says"),
    ("collected_by", _S, "who collected the source, if the manifest says"),
    ("language", _S, "language spoken, if the manifest says"),
    ("self_reported", _S, "JSON of the attributes that people stated about themselves, or null"),
    ("spans", _S, "JSON list of the spans that a manifest names: times, box, person, labels; or null"),
    ("container", _S, "container format"),
    ("video_codec", _S, "video codec"),
    ("pix_fmt", _S, "pixel format"),
    ("bit_depth", _I, "bits per sample of the video"),
    ("width", _I, "displayed width in pixels, after rotation and sample aspect ratio"),
    ("height", _I, "displayed height in pixels"),
    ("duration_s", _D, "duration in seconds"),
    ("fps", _D, "average frames per second"),
    ("variable_fps", _B, "true if frames are not evenly spaced"),
    ("rotation", _I, "rotation in degrees stored in the file, already applied to width and height"),
    ("start_time_s", _D, "first timestamp of the file in seconds"),
    ("video_bit_rate", _D, "bits per second of the video stream, if known"),
    ("audio_streams", _I, "number of audio streams"),
    ("audio_codec", _S, "codec of the audio stream used, or null"),
    ("audio_rate", _I, "sample rate of the audio stream used in Hz, or null"),
    ("audio_channels", _I, "channels of the audio stream used, or null"),
)

_CLIPS: tuple[tuple[str, pa.DataType, str], ...] = (
    ("clip_id", _S, "<source_id>_<first frame>_<last frame>_<track>"),
    ("source_id", _S, "source that the clip was cut from"),
    ("source_name", _S, "file name of the source"),
    ("track", _I, "face track in the source"),
    ("shot", _I, "shot in the source"),
    ("start_s", _D, "start in the source in seconds; 0 is the first video frame"),
    ("end_s", _D, "end in the source in seconds (the end of the last frame)"),
    ("fps", _D, "frames per second of the clip"),
    ("frames", _I, "number of frames of the clip"),
    ("width", _I, "width of the clip in pixels"),
    ("height", _I, "height of the clip in pixels"),
    ("crop_x0", _I, "left edge of the crop in displayed source pixels"),
    ("crop_y0", _I, "top edge of the crop in displayed source pixels"),
    ("crop_x1", _I, "right edge of the crop (exclusive)"),
    ("crop_y1", _I, "bottom edge of the crop (exclusive)"),
    (
        "audio",
        _B,
        "true if the source has sound there: the mp4 has an audio track and the flac member exists",
    ),
    ("identity", _S, "person, the same across sources (clustered faces, not a name), or null"),
    ("split", _S, "train, validation or test once assigned, else null"),
    ("shard", _S, "tar file in media/ that holds the clip"),
    ("mp4_offset", _L, "byte offset of the mp4 in the shard"),
    ("mp4_size", _L, "bytes of the mp4"),
    ("mp4_sha256", _S, "SHA-256 of the mp4, hex"),
    ("flac_offset", _L, "byte offset of the flac (16 kHz mono) in the shard, or null without sound"),
    ("flac_size", _L, "bytes of the flac, or null"),
    ("flac_sha256", _S, "SHA-256 of the flac, or null"),
    ("json_offset", _L, "byte offset of the json in the shard"),
    ("json_size", _L, "bytes of the json"),
    ("json_sha256", _S, "SHA-256 of the json, hex"),
    ("url", _S, "where the source came from, if the manifest says"),
    ("licence", _S, "licence of the source, if the manifest says"),
    ("consent", _S, "consent of the people shown, if the manifest says"),
)

_REJECTED: tuple[tuple[str, pa.DataType, str], ...] = (
    ("source_id", _S, "source of the stretch"),
    ("source_name", _S, "file name of the source"),
    ("track", _I, "face track in the source, or null without a face"),
    ("start_s", _D, "start in the source in seconds"),
    ("end_s", _D, "end in the source in seconds"),
    ("reason", _S, "the rule that the stretch failed"),
    ("score", _S, "name of the score that the rule looked at"),
    ("value", _D, "value of that score"),
    ("threshold", _D, "threshold of the rule"),
    ("duplicate_of", _S, "for reason duplicate: the clip_id of the clip that was kept"),
)

_FAILED: tuple[tuple[str, pa.DataType, str], ...] = (
    ("item", _S, "source or clip that failed"),
    ("step", _S, "step in which it failed"),
    ("kind", _S, "kind of failure"),
    ("message", _S, "what went wrong, one sentence"),
)

_KEYPOINTS: tuple[tuple[str, pa.DataType, str], ...] = (
    ("clip_id", _S, "clip"),
    ("frames", _I, "number of frames n"),
    (
        "mesh",
        pa.list_(pa.float16()),
        "n x 478 x 3 mesh points, row by row: x, y in clip pixels, z in the same scale",
    ),
    ("pose", pa.list_(_F), "n x 3 head pose, row by row: yaw, pitch, roll in degrees"),
    ("box", pa.list_(_F), "n x 4 face box, row by row: x0, y0, x1, y1 in clip pixels"),
)

_COLUMNS = {
    "sources": _SOURCES,
    "clips": _CLIPS,
    "rejected": _REJECTED,
    "failed": _FAILED,
    "keypoints": _KEYPOINTS,
    "annotations": ANNOTATIONS,
}
STORAGE_COLUMNS = frozenset(
    {"shard", "split"} | {f"{m}_{what}" for m in MEMBERS for what in ("offset", "size", "sha256")}
)  # columns of `clips` that a clip's own json member leaves out


def schema(table: str, scores: Iterable[str] = ()) -> pa.Schema:
    """The Arrow schema of one published table; `scores` are appended as float32 columns (clips and rejected).

    The clips table ends with the label columns, which a dataset has once it is annotated.
    """
    fields = [pa.field(n, t, metadata={"description": d}) for n, t, d in _COLUMNS[table]]
    known = {f.name for f in fields}
    fields += [pa.field(s, _F, metadata={"description": f"score {s}"}) for s in scores if s not in known]
    if table == "clips":
        fields += [pa.field(n, t, metadata={"description": d}) for n, t, d in LABELS]
    return pa.schema(fields)


@dataclass(frozen=True)
class PublishedFile:
    """One file of a published dataset, as `dataset.json` lists it.

    `path` is its name in the dataset; `stored_as` differs from it only while a publication is being switched.
    """

    path: str
    bytes: int
    sha256: str
    rows: int
    stored_as: str
    key: str | None = (
        None  # shards only: digest of the members, so that an unchanged shard is not written again
    )

    def to_json(self) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "path": self.path,
            "bytes": self.bytes,
            "sha256": self.sha256,
            "rows": self.rows,
        }
        if self.key is not None:
            entry["members_sha256"] = self.key
        if self.stored_as != self.path:
            entry["stored_as"] = self.stored_as
        return entry

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> PublishedFile:
        path = str(entry["path"])
        stored_as = str(entry.get("stored_as", path))
        for name in (path, stored_as):
            # A dataset comes from others: it names files of its own folder and of no other.
            if not _INSIDE.fullmatch(name):
                raise ValueError(f"{name!r} is no file of a dataset")
        return cls(
            path=path,
            bytes=int(entry["bytes"]),
            sha256=str(entry["sha256"]),
            rows=int(entry["rows"]),
            stored_as=stored_as,
            key=entry.get("members_sha256"),
        )


@dataclass(frozen=True)
class Manifest:
    """`dataset.json`: `about` is its free part (name, licence, recipe, tools, counts), `files` lists
    everything published.
    """

    about: dict[str, Any]
    files: tuple[PublishedFile, ...]

    def of(self, folder: str) -> list[PublishedFile]:
        """The files of one table, or of `media`, in order."""
        return [f for f in self.files if f.path.split("/")[0] == folder]

    def dumps(self) -> str:
        head = {"format": FORMAT, "format_version": FORMAT_VERSION}
        tables = {t: [f.to_json() for f in self.of(t)] for t in TABLES}
        body = {**head, **self.about, "tables": tables, "shards": [f.to_json() for f in self.of(MEDIA)]}
        return json.dumps(body, indent=1, ensure_ascii=False) + "\n"


def read_manifest(folder: Path) -> Manifest:
    """Read `folder/dataset.json`. Raises DatasetError if it is missing, broken, not ours or of another
    version.
    """
    path = folder / MANIFEST
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise DatasetError(_why_no_manifest(folder)) from None
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}); make it readable.") from error
    return parse_manifest(data, str(path))


def parse_manifest(data: bytes, path: str) -> Manifest:
    """The manifest in the bytes of a `dataset.json`; `path` names it in errors (see `read_manifest`)."""
    content = document(
        data, path, FORMAT, FORMAT_VERSION, version_name="format_version",
        unreadable="restore it, or remove it and build again",
        foreign="choose another folder",
        other_version="use the facevid release that wrote it, or build into another folder",
    )  # fmt: skip
    try:
        tables, shards = content.pop("tables"), content.pop("shards")
        # A dataset from before there were annotations lists none.
        files = [PublishedFile.from_json(e) for t in TABLES for e in {"annotations": [], **tables}[t]]
        files += [PublishedFile.from_json(e) for e in shards]
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f"{path} is damaged ({error!r}); restore it, or remove it and build the dataset again."
        ) from error
    about = {k: v for k, v in content.items() if k not in ("format", "format_version")}
    return Manifest(about=about, files=tuple(files))


def check_output(folder: Path, *, taking_down: bool = False) -> Manifest | None:
    """Say whether a build may write into `folder`: None for a new, empty or unfinished one of ours, its
    manifest for ours.

    Raises DatasetError for a folder that holds anything else or another format version, and for one in which a takedown
    is not finished, unless this is it (`taking_down`): to publish on would undo or mix up its work.
    """
    if not taking_down:
        refuse_pending(folder)
    if folder.exists() and not folder.is_dir():
        raise DatasetError(f"{folder} is a file, not a folder; name a folder for the dataset.")
    if not folder.exists():
        return None
    if (folder / MANIFEST).exists():
        return read_manifest(folder)
    names = {p.name for p in folder.iterdir()}
    if names and ".work" not in names:
        shown = ", ".join(sorted(names)[:3])
        raise DatasetError(
            f"{folder} is not empty and not a facevid dataset (it holds {shown}); choose an empty or new one."
        )
    return None


def refuse_pending(folder: Path) -> None:
    """Raise DatasetError where a takedown is not finished."""
    if (folder / JOURNAL).exists():
        raise DatasetError(
            f"A takedown of {folder} was interrupted; finish it first with `facevid takedown {folder}`."
        )


def _why_no_manifest(folder: Path) -> str:
    if len(folder.parts) > 1 and re.fullmatch(r"[a-z][a-z0-9+.-]+:", folder.parts[0]):
        shown = str(folder).replace(":/", "://", 1)  # a path has no two slashes
        return f"{shown} is an address, and a folder of this machine is needed: fetch it with `facevid pull` first."
    if not folder.exists():
        return f"There is no folder {folder}; name a dataset built by facevid."
    if not folder.is_dir():
        return f"{folder} is a file; name the folder of a dataset built by facevid."
    if (folder / ".work").is_dir():
        return (
            f"{folder} holds an unfinished build and no dataset yet; run the same build again to finish it."
        )
    return f"{folder} is not a facevid dataset: it has no {MANIFEST}."
