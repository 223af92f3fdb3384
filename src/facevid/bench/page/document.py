"""An HTML page that needs nothing from outside: style and script inside and named by hash, all else forbidden."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from importlib import resources
from pathlib import Path

from facevid.bench.errors import BenchError
from facevid.engine.files import atomic_path


def document(title: str, body: str, script: str | None = None) -> str:
    """The page as text. body: HTML. script: the name of a file beside this one, whose text goes into the page.

    Its Content-Security-Policy lets through this one style, this one script and videos of the page's own place; style
    attributes, other scripts, pictures, frames, forms and connections are forbidden.
    """
    style = _inside("bench.css")
    code = None if script is None else _inside(script)
    allowed = ["default-src 'none'", f"style-src {_hash(style)}", "media-src 'self'", "base-uri 'none'"]
    allowed += ["form-action 'none'"] + ([] if code is None else [f"script-src {_hash(code)}"])
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{"; ".join(allowed)}">'
        f"<title>{escape(title)}</title><style>{style}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main>"
        f"{'' if code is None else f'<script>{code}</script>'}</body></html>\n"
    )


def save(path: Path, text: str) -> Path:
    """Writes a page, whole or not at all; raises BenchError unless its name ends in .html, StorageError if it cannot.

    Returns the path.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise BenchError(f"{path}: a page is an .html file; give a name that ends in .html.")
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")
    return path


def section(title: str, body: str) -> str:
    """A part of the page under its heading. body: HTML."""
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "") -> str:
    """A table that scrolls sideways where it is wider than the screen; all cells are HTML, the first of each row its
    heading. kind: a class of the style sheet."""
    heads = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    lines = []
    for first, *others in rows:
        cells = "".join(f"<td>{cell}</td>" for cell in others)
        lines.append(f'<tr><th scope="row">{first}</th>{cells}</tr>')
    named = f' class="{kind}"' if kind else ""
    return (
        f'<div class="wide"><table{named}><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def explained(title: str, about: str) -> str:
    """A title that opens to an explanation, or the plain title where there is none."""
    if not about:
        return escape(title)
    return f"<details><summary>{escape(title)}</summary><p>{escape(about)}</p></details>"


def bullets(sentences: Sequence[str]) -> str:
    """A list of sentences, which are escaped here."""
    return f"<ul>{''.join(f'<li>{escape(one)}</li>' for one in sentences)}</ul>"


def small(text: str, *, wraps: bool = False) -> str:
    """A line in small letters below a value, escaped here; nothing for nothing. wraps: over several lines, if long."""
    named = ' class="said"' if wraps else ""
    return f"<small{named}>{escape(text)}</small>" if text else ""


def _inside(name: str) -> str:
    text = resources.files("facevid.bench.page").joinpath(name).read_text(encoding="utf-8")
    if "</" in text:
        raise AssertionError(f"{name} would end its element early")
    return text


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
