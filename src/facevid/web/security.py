"""Who may ask: the holder of the token, from a page of this server, at an address that it is bound to.

The token keeps other users of the machine out, the `Host` check stops pages that let their own name point here (DNS
rebinding), the `Origin` check stops other sites' pages from changing anything (cross-site request forgery).
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import socket
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facevid.web.errors import error_response

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """ASGI middleware: 403 for a foreign Host or Origin, 401 without the token, security headers on every answer.

    token: given once as `?token=`, which is answered by a cookie (HttpOnly, SameSite=Strict) and the same address
    without it, or as `Authorization: Bearer`. host: the address that the server is bound to; where that is a
    wildcard (0.0.0.0 or ::), any IP address and this machine's own names may be asked for.
    """

    def __init__(self, app: ASGIApp, *, token: str, host: str) -> None:
        self._app = app
        self._token = token.encode()
        # Cookies are shared by all ports of a host, so each token has a cookie of its own.
        self._cookie = "facevid_" + hashlib.sha256(b"cookie " + self._token).hexdigest()[:12]
        self._hosts = _LOOPBACK | {host.strip("[]").lower()}
        self._any_address = host.strip("[]") in ("0.0.0.0", "::", "")
        if self._any_address:
            self._hosts |= {socket.gethostname().lower(), socket.getfqdn().lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        answer = self._refusal(scope)
        await (answer or self._app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_ours(host):
            return error_response(
                403, f"This server does not answer to the host {host!r}; use the address that it printed."
            )
        origin = headers.get("origin")
        if scope["method"] not in _READING and origin is not None and not _same_site(origin, host):
            return error_response(403, f"A page of {origin!r} may not change anything here.")
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = next((value for name, value in query if name == "token"), None)
        if given is not None and self._matches(given):
            rest = [(name, value) for name, value in query if name != "token"]
            return self._welcome(scope, rest)
        if given is None and (self._matches(_bearer(headers)) or self._matches(self._from_cookie(headers))):
            return None
        wrong = "The token is not this server's" if given is not None else "The token is missing"
        return error_response(
            401,
            f"{wrong}; open the whole address that facevid explore printed, or send it as "
            "'Authorization: Bearer TOKEN'.",
            {"WWW-Authenticate": "Bearer"},
        )

    def _welcome(self, scope: Scope, rest: list[tuple[str, str]]) -> Response:
        # One slash only: "//name" would lead to another host.
        path = "/" + quote(str(scope["path"]).lstrip("/\\"), safe="/")
        answer = RedirectResponse(path + (f"?{urlencode(rest)}" if rest else ""), status_code=303)
        answer.set_cookie(self._cookie, self._token.decode(), httponly=True, samesite="strict", path="/")
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def _matches(self, given: str | None) -> bool:
        return given is not None and secrets.compare_digest(given.encode(), self._token)

    def _from_cookie(self, headers: Headers) -> str | None:
        return cookie_parser(headers.get("cookie", "")).get(self._cookie)

    def _is_ours(self, host: str) -> bool:
        name = _name_of(host)
        return name in self._hosts or (self._any_address and _is_address(name))


def _name_of(host: str) -> str:
    """The Host header's name without its port: "127.0.0.1:8765" -> "127.0.0.1", "[::1]:8765" -> "::1"."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _same_site(origin: str, host: str) -> bool:
    scheme, separator, rest = origin.partition("://")
    return bool(separator) and scheme in ("http", "https") and rest.lower() == host.lower()


def _bearer(headers: Headers) -> str | None:
    kind, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None
