"""The one exception that tells a user why a file cannot be used as footage."""

from __future__ import annotations

from typing import Literal

from facevid.errors import FacevidError

MediaErrorKind = Literal[
    "unreadable", "no_video", "empty", "not_media", "too_large", "seek", "missing", "unreachable"
]


class MediaError(FacevidError):
    """A file cannot be used; `str(error)` is one sentence for the user that names the file.

    `kind` is "empty" (zero bytes), "not_media" (no known video format), "no_video" (media without a moving
    picture), "too_large" (pictures beyond the limit, see `facevid.media.limits`), "unreadable" (a known format, but
    missing, forbidden, broken or not decodable) or "seek" (readable, but only from its begin). Of a source behind an
    address it is also "missing" (nothing is there) or "unreachable" (its store did not answer, which may pass).
    """

    def __init__(self, kind: MediaErrorKind, message: str) -> None:
        super().__init__(message)
        self.kind: MediaErrorKind = kind
        self.message = message

    def __reduce__(self) -> tuple[type[MediaError], tuple[MediaErrorKind, str]]:
        # Exceptions with two arguments do not survive the way back from a worker process otherwise.
        return (MediaError, (self.kind, self.message))
