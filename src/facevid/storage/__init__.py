"""Places behind an address (`s3://`, `gs://`, `https://`, any of fsspec's): opening, reading, asking again."""

from facevid.storage.address import (
    Place,
    check_address,
    file_name,
    folder_name,
    is_address,
    local_path,
)
from facevid.storage.errors import UNREACHABLE, PlaceError
from facevid.storage.retrying import BadBody, attempts, on_the_way, passes, reason, retried, timeout_s

__all__ = [
    "UNREACHABLE",
    "BadBody",
    "Place",
    "PlaceError",
    "attempts",
    "check_address",
    "file_name",
    "folder_name",
    "is_address",
    "local_path",
    "on_the_way",
    "passes",
    "reason",
    "retried",
    "timeout_s",
]
