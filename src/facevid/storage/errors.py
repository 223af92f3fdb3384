"""The one exception that tells a user why a place behind an address cannot be used."""

from __future__ import annotations

from typing import Literal

from facevid.errors import FacevidError

PlaceErrorKind = Literal["address", "package", "missing", "forbidden", "changed", "refused", "unreachable"]

UNREACHABLE = "unreachable"
"""The kind that may pass: the place did not answer rightly, however often it was asked."""


class PlaceError(FacevidError):
    """A place cannot be used; `str(error)` is one sentence for the user that names the address.

    `kind` is "address" (no address, or one that holds a secret), "package" (its file system is not installed),
    "missing" (nothing is there), "forbidden" (no or wrong credentials), "changed" (the object was replaced while it was
    read), "refused" (any other lasting answer) or "unreachable" (faults that may pass, after all retries).
    """

    def __init__(self, kind: PlaceErrorKind, message: str) -> None:
        super().__init__(message)
        self.kind: PlaceErrorKind = kind
        self.message = message

    def __reduce__(self) -> tuple[type[PlaceError], tuple[PlaceErrorKind, str]]:
        # Exceptions with two arguments do not survive the way back from a worker process otherwise.
        return (PlaceError, (self.kind, self.message))
