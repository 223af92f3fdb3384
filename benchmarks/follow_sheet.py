"""Contact sheets of samples: some frames of each, with what it was asked to show."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from follow_prompts import Prompt
from PIL import Image, ImageDraw, ImageFont

Picture = npt.NDArray[np.uint8]
_SIDE, _GAP, _LINE = 112, 4, 14
_MOST, _COLUMNS = 24, 2


def write_text_sheet(
    path: Path, videos: Sequence[Picture], prompts: Sequence[Prompt], read: Mapping[str, Sequence[str]]
) -> None:
    """Four frames of each video, its prompt, and what was read otherwise than asked."""
    cells = []
    for k, (video, prompt) in enumerate(zip(videos[:_MOST], prompts, strict=False)):
        frames = [video[i] for i in np.linspace(0, len(video) - 1, 4).round().astype(int)]
        wrong = [f"{name} {read[name][k]}, not {v}" for name, v in prompt.asked.items() if read[name][k] != v]
        cells.append(_cell(frames, prompt.text, "read: " + ("; ".join(wrong) or "all as asked"), lines=5))
    _write(path, cells)


def write_image_sheet(
    path: Path,
    given: Sequence[Picture],
    videos: Sequence[Picture],
    others: Sequence[Picture],
    follows: Sequence[bool],
) -> None:
    """The picture given, first, middle and last frame of the video, and the other person's picture."""
    cells = []
    for picture, video, other, good in list(zip(given, videos, others, follows, strict=True))[:_MOST]:
        frames = [picture, video[0], video[len(video) // 2], video[-1], other]
        told = "given | first, middle, last frame | another person"
        cells.append(
            _cell(frames, told, "follows its picture" if good else "does not follow its picture", lines=1)
        )
    _write(path, cells)


def _cell(frames: Sequence[Picture], text: str, note: str, *, lines: int) -> Image.Image:
    width = len(frames) * (_SIDE + _GAP)
    cell = Image.new("RGB", (width, _SIDE + (lines + 1) * _LINE + 10), "white")
    for k, frame in enumerate(frames):
        shrinks = frame.shape[0] > _SIDE
        shown = cv2.resize(
            frame, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        )
        cell.paste(Image.fromarray(np.asarray(shown, np.uint8)), (k * (_SIDE + _GAP), 0))
    font = ImageFont.load_default(size=11)
    drawing = ImageDraw.Draw(cell)
    told = textwrap.wrap(text, width // 6)[:lines]
    for k, line in enumerate(told):
        drawing.text((0, _SIDE + 2 + k * _LINE), line, fill="black", font=font)
    drawing.text((0, _SIDE + 2 + len(told) * _LINE), note[: width // 5], fill=(150, 60, 0), font=font)
    return cell


def _write(path: Path, cells: Sequence[Image.Image]) -> None:
    width, height = cells[0].size
    rows = -(-len(cells) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * (width + 3 * _GAP), rows * height), "white")
    for k, cell in enumerate(cells):
        sheet.paste(cell, ((k % _COLUMNS) * (width + 3 * _GAP), (k // _COLUMNS) * height))
    sheet.save(path)
