"""The videos of a benchmark's page: best, median and worst of each metric, made beside real, playing together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from facevid.bench.errors import BenchError
from facevid.bench.page.document import small
from facevid.bench.page.words import better_of, in_order, number, side, title_of, unit_of
from facevid.bench.result import Shown

_SIDE = 176
_PLACES = ("best", "median", "worst")


def samples(shown: Sequence[Shown], folder: Path, shape: Mapping[str, Any]) -> str:
    """The videos of each metric, or a sentence that there are none.

    folder: of the report, below which the files lie; one that is not there is said in its place. shape: of the videos,
    of which small ones are enlarged by a whole factor. Raises BenchError where a path leads out of the folder.
    """
    if not shown:
        return "<p>No videos are shown: none has a metric, or none was to be shown.</p>"
    size = _size(shape)
    text = (
        '<p class="note">Of each metric the video with the best, the median and the worst value, beside the real video '
        "that it is held against, where there is one.</p>"
    )
    for name in in_order(one.metric for one in shown):
        of = sorted((one for one in shown if one.metric == name), key=_place)
        figures = "".join(_figure(one, folder, size) for one in of)
        text += (
            f'<div class="row"><h3>{escape(title_of(name))} {small(side(better_of(name)))}</h3>'
            f'<button type="button" class="play" hidden>Play together</button>'
            f'<div class="shown">{figures}</div></div>'
        )
    return text


def link(path: str) -> str:
    """A path below the report's folder as the address of a link; raises BenchError where it leads out of the folder."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path:
        raise BenchError(f"the path {path!r} of a shown video does not lie below the report's folder.")
    # A first part with a colon would be read as a scheme.
    return "./" + quote("/".join(parts))


def _figure(one: Shown, folder: Path, size: tuple[int, int | None, bool]) -> str:
    unit = f" {unit_of(one.metric)}" if unit_of(one.metric) else ""
    label = f"{one.place}: {number(one.value)}{unit}"
    pair = _video(one.made, "made", f"made, {title_of(one.metric)}, {label}", folder, size)
    if one.real is not None:
        pair += _video(one.real, "real", f"real beside it, {title_of(one.metric)}, {one.place}", folder, size)
    prompt = f'<p class="prompt">{escape(one.prompt)}</p>' if one.prompt else ""
    return (
        f'<figure><figcaption><b>{escape(label)}</b> <span class="id">{escape(one.video)}</span></figcaption>'
        f'<div class="pair">{pair}</div>{prompt}</figure>'
    )


def _video(path: str, kind: str, label: str, folder: Path, size: tuple[int, int | None, bool]) -> str:
    address = link(path)
    if not (folder / path).is_file():
        return f'<div><p class="gone">{escape(path)} is not there.</p><span>{kind}</span></div>'
    width, height, enlarged = size
    tall = "" if height is None else f' height="{height}"'
    named = ' class="pixels"' if enlarged else ""
    return (
        f'<div><video{named} src="{escape(address)}" width="{width}"{tall} muted loop controls playsinline '
        f'preload="metadata" aria-label="{escape(label)}"></video><span>{kind}</span></div>'
    )


def _size(shape: Mapping[str, Any]) -> tuple[int, int | None, bool]:
    """Width and height on the page, and whether that is an enlargement."""
    if not shape.get("width") or not shape.get("height"):
        return _SIDE, None, False
    width, height = int(shape["width"]), int(shape["height"])
    factor = max(1, round(_SIDE / width)) if width < _SIDE else _SIDE / width
    return round(width * factor), round(height * factor), factor > 1


def _place(one: Shown) -> int:
    return _PLACES.index(one.place) if one.place in _PLACES else len(_PLACES)
