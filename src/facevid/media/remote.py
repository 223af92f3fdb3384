"""A source behind an address as a file that FFmpeg reads; what it cannot read becomes the sentence of a source."""

from __future__ import annotations

from typing import Any

from facevid.media.errors import MediaError
from facevid.storage import PlaceError, RangeFile


class SourceFile(RangeFile):
    """`RangeFile` whose faults are MediaErrors, so that readers of sources know one kind of error.

    They are no OSErrors: readers pass over those as damage of the file, and a store that did not answer is none.
    """

    def __init__(self, address: str) -> None:
        try:
            super().__init__(address)
        except PlaceError as error:
            raise media_error(error) from error

    def readinto(self, buffer: Any) -> int:
        try:
            return super().readinto(buffer)
        except PlaceError as error:
            raise media_error(error) from error


def media_error(error: PlaceError) -> MediaError:
    """The MediaError for a place that cannot be read: of kind "unreachable", "missing" or "unreadable"."""
    if error.kind in ("unreachable", "missing"):
        return MediaError(error.kind, str(error))
    return MediaError("unreadable", str(error))
