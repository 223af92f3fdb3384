"""Addresses: `s3://bucket/key`, `https://host/file`, all that fsspec opens; `file://` is a path of this machine."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from facevid.storage.errors import PlaceError
from facevid.storage.retrying import timeout_s

# A link may stand in front of an address, as in "simplecache::s3://..." (fsspec's URL chaining).
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*::)*[A-Za-z][A-Za-z0-9+.-]*://")
_LOCAL = ("file://", "local://")
_ONE_SLASH = re.compile(r"(s3a?|gs|gcs|az|abfs|hf|https?):/*")
"""What can only be meant as an address, and is none."""
_HUB = {"hf": "huggingface_hub", "s3": "s3fs", "s3a": "s3fs", "http": "aiohttp", "https": "aiohttp"}
# The signed addresses of AWS (versions 2 and 4), Google Cloud Storage and Azure, and what web services call a token.
_SECRETS = frozenset(
    "x-amz-signature x-amz-security-token x-amz-credential x-goog-signature x-goog-credential signature sig "
    "token access_token auth_token api_key apikey".split()
)
_LISTER_ATTEMPTS = 3
"""Of one request of a listing: what fails one time in a hundred then fails one time in a million."""
_CONNECT_S = 10.0
"""A machine that does not take a connection in this time is not there or drowns in others."""


def is_address(text: str) -> bool:
    """Whether this names a place of a file system of fsspec; `file://` and `local://` name paths of this machine.

    Raises PlaceError for an address that lacks a slash: nobody has a folder called "s3:".
    """
    if (slip := _ONE_SLASH.match(text)) and not slip[0].endswith("://"):
        meant = f"{slip[1]}://{text[slip.end() :]}"
        raise PlaceError("address", f"{text} is no address; it must begin with {slip[1]}://, as in {meant}.")
    return bool(_ADDRESS.match(text)) and not text.startswith(_LOCAL)


def local_path(text: str) -> str:
    """A path of this machine without `file://` or `local://` in front; anything else as it is."""
    for scheme in _LOCAL:
        text = text.removeprefix(scheme)
    return text


def file_name(location: str) -> str:
    """The last part of a path or an address, without the query of a web address: what people call the file."""
    return _path(location).rstrip("/").rpartition("/")[2]


def folder_name(location: str) -> str:
    """The name of the folder that a file lies in; empty where there is none."""
    return _path(location).rstrip("/").rpartition("/")[0].rpartition("/")[2]


def _path(location: str) -> str:
    """The path of a location: of a chain the first that has one, since that names the file."""
    if not is_address(location):
        return local_path(location)
    link = next(part for part in location.split("::") if "://" in part)
    scheme, _, rest = link.partition("://")
    return unquote(urlsplit(f"//{rest}").path) if scheme in ("http", "https") else rest


def canonical(address: str) -> str:
    """The one spelling of an address, as listings give it. Raises PlaceError for one that cannot be opened."""
    place = Place(address)
    return place.location if place.chained else place.address_of(place.root)


def check_address(address: str) -> None:
    """Raise PlaceError for an address with a secret in it: addresses are kept in tables, logs and the ledger."""
    for link in address.split("::"):
        try:
            parts = urlsplit(link)
            found = {name.lower() for name, _ in parse_qsl(parts.query)} & _SECRETS
            password = parts.password
        except ValueError as error:
            raise PlaceError("address", f"{address} is no address ({error}).") from None
        shown = f"{link.partition('://')[0]}://{parts.hostname or ''}{parts.path}"
        if password is not None:
            raise PlaceError(
                "address",
                f"The address {shown} was given with a password in it, and addresses are kept in tables and logs; "
                "leave it out, and set credentials as fsspec takes them (the environment, ~/.config/fsspec).",
            )
        if found:
            raise PlaceError(
                "address",
                f"The address {shown} was given with {sorted(found)[0]!r} in its query, a secret that ends some day, "
                "and addresses are kept in tables and logs; name the object itself (s3://, gs://, https://) and set "
                "credentials as fsspec takes them (the environment, ~/.config/fsspec).",
            )


class Place:
    """An address opened: `fs`, fsspec's file system, and `root`, the path of the place in it.

    address: `s3://bucket/folder` and the like. options: for the file system, such as `key` and `secret`; fsspec also
    takes them from the environment and from ~/.config/fsspec. The file system does not ask again by itself: use
    `facevid.storage.retried`. Pickles as address and options, so a worker opens it anew. Raises PlaceError for what is
    no address, and for one whose file system is not installed; nothing is asked of the place itself.
    """

    def __init__(self, address: str, options: Mapping[str, Any] | None = None) -> None:
        check_address(address)
        self.location = address.rstrip("/")
        """The address, which holds no secret: for sentences, keys and tables."""
        self.options = dict(options or {})
        # `file://` opens too: a dataset may be pushed there.
        if "://" not in address or self.location.endswith(":"):
            raise PlaceError(
                "address", f"{address} is no address; it must begin like s3://bucket or https://host."
            )
        self.scheme = next(part for part in address.split("::") if "://" in part).partition("://")[0]
        self.chained = "::" in address
        self.fs, self.root = self._opened(attempts=1)
        if self.is_store:
            self.fs.retries = 1

    def lister(self) -> Any:
        """The file system for listings, which are many requests in one call: where it can, it asks again by itself."""
        fs = self._opened(attempts=_LISTER_ATTEMPTS)[0]
        if self.is_store:
            fs.retries = _LISTER_ATTEMPTS
        return fs

    @property
    def is_store(self) -> bool:
        """Whether this is S3 or what speaks like it."""
        return self.scheme in ("s3", "s3a") and not self.chained

    @property
    def is_web(self) -> bool:
        """Whether this is a place of a web server, which has no folders of its own."""
        return self.scheme in ("http", "https") and not self.chained

    @property
    def takes_objects(self) -> bool:
        """Whether a run can write there: web servers only give, and a hub takes commits, not object after object."""
        return self.scheme not in ("http", "https", "hf")

    def _opened(self, *, attempts: int) -> tuple[Any, str]:
        import fsspec  # here and below: every worker imports this room, and few open an address

        try:
            tuned = self.options if self.chained else _tuned(self.scheme, self.options, attempts=attempts)
            fs, root = fsspec.core.url_to_fs(self.location, **tuned)
        except ImportError as error:
            raise PlaceError("package", _missing_package(self.scheme)) from error
        except (ValueError, TypeError) as error:
            raise PlaceError("address", f"{self.location} cannot be used as an address: {error}.") from None
        return fs, str(root)

    def child(self, name: str) -> Place:
        """A place below this one, in the same file system."""
        found = object.__new__(Place)
        found.location, found.root = f"{self.location}/{name}", f"{self.root}/{name}"
        found.fs, found.options = self.fs, self.options
        found.scheme, found.chained = self.scheme, self.chained
        return found

    def address_of(self, path: str) -> str:
        """The address of a path of this file system, such as one that a listing gives."""
        head, chained, rest = self.location.partition("::")
        if not chained:
            return str(self.fs.unstrip_protocol(path))
        if "://" in head:  # an archive in another place
            return f"{head.partition('://')[0]}://{path}::{rest}"
        return f"{head}::{rest.partition('://')[0]}://{str(path).lstrip('/')}"

    def __repr__(self) -> str:
        return f"Place({self.location!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Place, (self.location, self.options)


def _tuned(scheme: str, options: Mapping[str, Any], *, attempts: int) -> dict[str, Any]:
    """The options with timeouts, and with `attempts` of the library's own: asking again is `retried`'s."""
    import fsspec

    tuned = dict(options)
    if scheme in ("s3", "s3a"):
        given = {
            **fsspec.config.conf.get("s3", {}).get("config_kwargs", {}),
            **options.get("config_kwargs", {}),
        }
        ours = {
            "connect_timeout": _CONNECT_S,
            "read_timeout": timeout_s(),
            "retries": {"total_max_attempts": attempts, "mode": "standard"},
        }
        tuned["config_kwargs"] = ours | given
    elif scheme in ("http", "https") and importlib.util.find_spec("aiohttp"):
        import aiohttp

        given = {
            **fsspec.config.conf.get(scheme, {}).get("client_kwargs", {}),
            **options.get("client_kwargs", {}),
        }
        limits = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=timeout_s())
        tuned["client_kwargs"] = {"timeout": limits} | given
    return tuned


def _missing_package(scheme: str) -> str:
    from fsspec.registry import known_implementations

    if scheme in _HUB:
        return f'{scheme}:// needs the package {_HUB[scheme]}, which is not installed: pip install "facevid[hub]".'
    known = known_implementations.get(scheme, {})
    package = str(known.get("class", scheme)).split(".")[0]
    if package == "fsspec":  # a file system of fsspec's own that needs another package
        return f"{scheme}:// cannot be opened: {known.get('err', 'a package is missing')}."
    return f"{scheme}:// needs the package {package}, which is not installed: pip install {package}."
