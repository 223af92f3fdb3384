"""Fetches the sources of a corpus: each once, no faster than allowed, never again what is there or known to be gone."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from facevid import media
from facevid.dataset.corpora.entry import Entry, Problems
from facevid.dataset.corpora.footage import FootageFolders
from facevid.dataset.corpora.links import Link, Links
from facevid.engine import folder_lock
from facevid.errors import FacevidError

FIRST_WAIT_S = 2.0
LONGEST_WAIT_S = 300.0
MOST_FAILURES = 5
"""Sources that may fail one after the other before the rest is left for another day: the fault is then elsewhere."""


class FetchError(FacevidError):
    """Fetching cannot begin or must stop: a part is not installed, or a server refuses programs."""


class LinkDead(Exception):
    """The source is not to be had; the text says why."""


class LinkFailed(Exception):
    """This try failed, a later one may not. after_s: how long the server asks to wait, None where it does not say."""

    def __init__(self, reason: str, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Refused(Exception):
    """The server takes us for a robot and will refuse the next source as well."""


@dataclass(frozen=True)
class FetchSettings:
    """How hard a server is asked.

    per_minute: sources begun a minute at most. bytes_per_s: None for no limit. retries: further tries of one source.
    first_wait_s: before the first of them, doubled each time up to five minutes. timeout_s: how long a server may be
    silent. height: of the picture at most, where a site offers several; None for the largest. retry_dead: try again
    what was dead.
    """

    per_minute: float = 10.0
    bytes_per_s: float | None = None
    retries: int = 4
    first_wait_s: float = FIRST_WAIT_S
    timeout_s: float = 60.0
    height: int | None = None
    retry_dead: bool = False

    def __post_init__(self) -> None:
        if (
            self.per_minute <= 0
            or self.timeout_s <= 0
            or (self.bytes_per_s is not None and self.bytes_per_s <= 0)
        ):
            raise FetchError("Sources a minute, bytes a second and the time-out must be more than 0.")
        if self.retries < 0 or self.first_wait_s < 0 or (self.height is not None and self.height < 1):
            raise FetchError("Retries and waits are 0 or more, and a height is 1 or more.")


@dataclass
class Fetched:
    """How a fetch ended: sources by what became of them, and why it stopped early, if it did."""

    fetched: int = 0
    already_there: int = 0
    dead: int = 0
    failed: int = 0
    not_tried: int = 0
    stopped: str | None = None


def fetch_entries(
    entries: Iterable[Entry],
    folder: Path,
    settings: FetchSettings,
    problems: Problems,
    *,
    elsewhere: Sequence[Path] = (),
    say: Callable[[str], None] | None = None,
) -> Fetched:
    """Fetch the sources of the entries into `folder` as <source>.<suffix>, each once; the ledger lies beside them.

    What is there, or in one of the folders `elsewhere`, is not asked for again, a partial file goes on where it broke
    off, and what is dead is left alone unless settings.retry_dead. Every source that is not to be had is added to
    `problems`. Where a server takes us for a robot, or one source after the other fails, the rest is not tried:
    `stopped` says so. Raises FolderBusy while another fetch works in the folder.
    """
    result = Fetched()
    with folder_lock(folder, name=".fetch.lock"):
        links = Links(folder)
        there = FootageFolders([folder, *elsewhere])
        wanted: dict[str, Entry] = {}
        for entry in entries:
            if entry.address is not None:
                wanted.setdefault(entry.source, entry)
        next_start, failures = 0.0, 0
        for count, (source, entry) in enumerate(wanted.items()):
            known = links.get(source)
            if there.holds(entry):
                result.already_there += 1
            elif known is not None and known.state == "dead" and not settings.retry_dead:
                result.dead += 1
                problems.add(
                    entry.row, "dead", f"{entry.address}: {known.reason} (found on {known.when[:10]})"
                )
            else:
                time.sleep(max(0.0, next_start - time.monotonic()))
                next_start = time.monotonic() + 60.0 / settings.per_minute
                try:
                    link = _fetch_one(entry, folder, settings, links, problems, result)
                except Refused as refused:
                    result.stopped, result.not_tried = str(refused), len(wanted) - count
                    break
                if say is not None:
                    say(f"{count + 1}/{len(wanted)} {source}: {link.state}")
                failures = failures + 1 if link.state == "failed" else 0
                if failures == MOST_FAILURES and count + 1 < len(wanted):
                    result.not_tried = len(wanted) - count - 1
                    result.stopped = (
                        f"{failures} videos in a row could not be fetched, the last because {link.reason}. "
                        "Nothing more was asked for; look at the network and run the same command again."
                    )
                    break
    return result


def _fetch_one(
    entry: Entry, folder: Path, settings: FetchSettings, links: Links, problems: Problems, result: Fetched
) -> Link:
    address = entry.address or ""
    try:
        path = _tried(entry, folder, settings)
        try:
            media.probe(path)
        except media.MediaError as error:
            path.unlink()
            raise LinkDead(f"what came is no video: {error}") from None
    except LinkDead as dead:
        problems.add(entry.row, "dead", f"{address}: {dead}")
        result.dead += 1
        return links.add(entry.source, address, "dead", reason=str(dead))
    except LinkFailed as failed:
        problems.add(entry.row, "fetch", f"{address}: {failed}; the next run tries again.")
        result.failed += 1
        return links.add(entry.source, address, "failed", reason=str(failed))
    result.fetched += 1
    return links.add(entry.source, address, "fetched", file=path.name, size_bytes=path.stat().st_size)


def _tried(entry: Entry, folder: Path, settings: FetchSettings) -> Path:
    """The fetched file, after 1 + retries tries; waits as long as the server asks, else longer each time."""
    from facevid.dataset.corpora.fetch_direct import fetch_direct
    from facevid.dataset.corpora.fetch_site import fetch_from_site

    get = fetch_from_site if entry.by_site else fetch_direct
    for attempt in range(settings.retries + 1):
        try:
            return get(entry.address or "", folder, entry.source, settings)
        except LinkFailed as failed:
            if attempt == settings.retries:
                raise
            wait = min(settings.first_wait_s * 2**attempt, LONGEST_WAIT_S) * random.uniform(0.75, 1.25)
            time.sleep(wait if failed.after_s is None else min(failed.after_s, LONGEST_WAIT_S))
    raise AssertionError("the last try returns or raises")
