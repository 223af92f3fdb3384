"""Reads the JSON documents that lie in a dataset, each of which says what it is and in which version."""

from __future__ import annotations

import json
from typing import Any

from facevid.errors import FacevidError


class DatasetError(FacevidError):
    """The folder cannot be used as a facevid dataset; the message says why and what to do."""


def document(
    data: bytes,
    path: str,
    format: str,
    version: int,
    *,
    version_name: str = "version",
    unreadable: str,
    foreign: str,
    other_version: str,
) -> dict[str, Any]:
    """The JSON object in the bytes of a document.

    path: names it in errors. format, version: what its "format" and its field `version_name` must be. unreadable,
    foreign, other_version: what to do where it is no JSON, not ours, or of another version; the ends of the sentences.
    Raises DatasetError with them.
    """
    try:
        content = json.loads(data)
    except ValueError as error:
        raise DatasetError(f"{path} cannot be read as JSON ({error}); {unreadable}.") from error
    if not isinstance(content, dict) or content.get("format") != format:
        raise DatasetError(f'{path} was not written by facevid (it has no "format": "{format}"); {foreign}.')
    if content.get(version_name) != version:
        raise DatasetError(
            f"{path} has {version_name.replace('_', ' ')} {content.get(version_name)!r}; this facevid reads version "
            f"{version}; {other_version}."
        )
    return content
