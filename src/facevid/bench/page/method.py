"""How a benchmark was computed: settings, readers, and what to run to have it again."""

from __future__ import annotations

import shlex
from html import escape

from facevid.bench.page.document import table
from facevid.bench.page.words import setting
from facevid.bench.result import RESULT, VIDEOS, Result


def method(result: Result) -> str:
    """Settings, readers with versions, files beside the page, and the command and the call that make it again."""
    settings = {k: v for k, v in result.settings.items() if k not in ("command", "call")}
    parts = [
        '<div class="two"><div><h3>Settings</h3>',
        _pairs(settings, "No settings are recorded."),
        "</div><div><h3>Readers</h3>",
        _pairs(result.readers, "No reader was needed."),
        "</div></div>",
        f'<p>All figures are in <a href="./{RESULT}">{RESULT}</a>, those of each video in '
        f'<a href="./{VIDEOS}">{VIDEOS}</a>.</p>',
    ]
    if result.facevid:
        parts.append(f"<p>With facevid {escape(result.facevid)}, to make it again:</p>")
    parts.append(f"<pre>{escape(command(result))}</pre>")
    if result.settings.get("call"):
        parts.append(f"<p>Or in Python:</p><pre>{escape(setting(result.settings['call']))}</pre>")
    return "".join(parts)


def command(result: Result) -> str:
    """The command that makes the report again: settings["command"] (a line, or its words), else the plainest one."""
    given = result.settings.get("command")
    if isinstance(given, list):
        return shlex.join(str(word) for word in given)
    if given:
        return str(given)
    data = result.data.get("location") or result.data.get("name") or "DATASET"
    return shlex.join(["facevid", "bench", str(result.videos.get("folder") or "FOLDER"), "--data", str(data)])


def _pairs(held: dict[str, object] | dict[str, str], otherwise: str) -> str:
    if not held:
        return f"<p>{escape(otherwise)}</p>"
    rows = [[escape(name), escape(setting(value))] for name, value in held.items()]
    return table(["name", "value"], rows, "plain")
