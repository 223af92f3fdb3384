"""Places behind an address (`s3://`, `gs://`, `https://`, any of fsspec's): opening, reading, asking again."""

from facevid.storage.address import (
    Place,
    canonical,
    check_address,
    file_name,
    folder_name,
    is_address,
    local_path,
)
from facevid.storage.errors import UNREACHABLE, PlaceError
from facevid.storage.listing import Entry, files_below, heads, kind_of, matches
from facevid.storage.range_file import RangeFile, Seekable
from facevid.storage.ranges import Head
from facevid.storage.retrying import BadBody, attempts, on_the_way, passes, reason, retried, timeout_s
from facevid.storage.scratch import Scratch, scratch_bytes, scratch_folder

__all__ = [
    "UNREACHABLE",
    "BadBody",
    "Entry",
    "Head",
    "Place",
    "PlaceError",
    "RangeFile",
    "Scratch",
    "Seekable",
    "attempts",
    "canonical",
    "check_address",
    "file_name",
    "files_below",
    "folder_name",
    "heads",
    "is_address",
    "kind_of",
    "local_path",
    "matches",
    "on_the_way",
    "passes",
    "reason",
    "retried",
    "scratch_bytes",
    "scratch_folder",
    "timeout_s",
]
