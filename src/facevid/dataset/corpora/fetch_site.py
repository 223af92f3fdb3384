"""Fetches one video from the page of a video site, through yt-dlp."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from facevid.dataset.corpora.fetching import FetchError, FetchSettings, LinkDead, LinkFailed, Refused
from facevid.dataset.corpora.footage import VIDEO_SUFFIXES

# yt-dlp tells its errors apart by their text alone.
_ROBOT = re.compile(r"not a bot|captcha|HTTP Error 429|too many requests|unusual traffic", re.IGNORECASE)
_GONE = re.compile(
    r"HTTP Error (401|404|410|451)|private video|video unavailable|not available|no longer available|removed|"
    r"deleted|terminated|does not exist|members.only|sign in|login required|age.restricted|copyright|"
    r"unsupported url|is not a valid url|drm protected|incomplete youtube id",
    re.IGNORECASE,
)


class _Listener:
    """Takes yt-dlp's output, so that nothing goes to the terminal behind our back."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def debug(self, message: str) -> None:
        """Progress and chatter; nobody asked for it."""

    def warning(self, message: str) -> None:
        """A warning comes with an error where it matters."""

    def error(self, message: str) -> None:
        self.errors.append(message)


def fetch_from_site(address: str, folder: Path, name: str, settings: FetchSettings) -> Path:
    """Fetch the one video that the page at `address` shows into `folder` as `name`; returns its path.

    Without an ffmpeg program only formats that carry picture and sound in one file can be had, which on many sites are
    small. Raises LinkDead, LinkFailed, Refused, and FetchError where yt-dlp is not installed.
    """
    try:
        import yt_dlp
    except ImportError:
        raise FetchError(
            'Fetching from video sites needs yt-dlp; install it with: pip install "facevid[fetch]".'
        ) from None
    listener = _Listener()
    try:
        with yt_dlp.YoutubeDL(_options(folder, name, settings, listener)) as site:
            found = site.extract_info(address, download=False)
            if found is None or "entries" in found:
                raise LinkDead("the address names a list of videos, not one; none was fetched")
            site.process_ie_result(found, download=True)
    except yt_dlp.utils.DownloadError as error:
        raise error_of(str(error)) from None
    except yt_dlp.utils.YoutubeDLError as error:
        raise LinkFailed(_clean(str(error) or type(error).__name__)) from None
    except OSError as error:
        raise LinkFailed(f"the file could not be written ({error.strerror or error})") from None
    files = sorted(p for p in folder.glob(f"{name}.*") if p.stem == name and p.suffix in VIDEO_SUFFIXES)
    if not files:
        raise LinkFailed(_clean(listener.errors[-1]) if listener.errors else "the site gave no video file")
    return files[0]


def _options(folder: Path, name: str, settings: FetchSettings, listener: _Listener) -> dict[str, Any]:
    merges = shutil.which("ffmpeg") is not None
    limit = f"[height<={settings.height}]" if settings.height else ""
    return {
        "format": f"bv*{limit}+ba/b{limit}" if merges else f"b{limit}",
        "outtmpl": {"default": str(folder / f"{name.replace('%', '%%')}.%(ext)s")},
        "logger": listener, "quiet": True, "no_warnings": True, "noprogress": True, "cachedir": False,
        "noplaylist": True, "playlist_items": "1", "extract_flat": "in_playlist",
        "continuedl": True, "overwrites": False, "skip_unavailable_fragments": False,
        "retries": 0, "fragment_retries": 2, "extractor_retries": 0, "file_access_retries": 0,
        "socket_timeout": settings.timeout_s, "ratelimit": settings.bytes_per_s,
    }  # fmt: skip


def error_of(message: str) -> Exception:
    """What yt-dlp's error means: LinkDead, LinkFailed, or Refused."""
    said = _clean(message)
    if _ROBOT.search(message):
        return Refused(
            f"The site takes this program for a robot ({said}). Nothing more was asked of it; wait some hours, or "
            "ask for fewer a minute."
        )
    if "requested format is not available" in message.lower():
        return LinkFailed("the site offers it in no such size; ask for another height")
    if _GONE.search(message):
        return LinkDead(said)
    return LinkFailed(said)


def _clean(message: str) -> str:
    """One sentence without colours, yt-dlp's prefixes, and its advice on cookies and bug reports."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", message).replace("ERROR:", "").strip()
    text = re.split(r"\. Use --|; please report|\(caused by|\. See +http", text)[0]
    return re.sub(r"^\[[^]]*\] (\S+: )?", "", " ".join(text.split()))[:300]
