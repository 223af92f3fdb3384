"""CelebV-HQ: 35,666 clips with 83 attributes, published as one JSON file with video ids, times and boxes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from facevid.dataset.corpora.entry import (
    Corpus,
    CorpusError,
    Entry,
    Footage,
    Label,
    Pixels,
    Placement,
    Problems,
    RowError,
    stretch,
)
from facevid.dataset.corpora.reading import (
    Pairs,
    file_name,
    must,
    number,
    ordered,
    read_json,
    seconds,
    span,
    video_id,
    watch_page,
)
from facevid.dataset.corpora.steps import CorpusSteps
from facevid.dataset.corpora.words import action_labels, emotion_value, look_labels

ABOUT = Corpus(
    name="celebv-hq",
    title="CelebV-HQ",
    licence="CelebV-HQ agreement: non-commercial research only",
    removal="the videos belong to their uploaders; no copies may be passed on outside one organisation",
    home="https://celebv-hq.github.io",
    reads="celebvhq_info.json",
)
WIDENED_BY = 0.02
"""Part of width and height by which the corpus's own tool widens a box on each side before it makes it square."""


def read(annotations: Path, problems: Problems) -> Iterator[Entry]:
    """The clips of celebvhq_info.json; what is wrong with a row goes to `problems`."""
    data = read_json(annotations)
    clips = data.get("clips") if isinstance(data, Pairs) else None
    if not isinstance(clips, Pairs):
        raise CorpusError(f"{annotations} has no object `clips`; give CelebV-HQ's celebvhq_info.json.")
    info = data.get("meta_info")
    names = info if isinstance(info, Mapping) else {}
    words = {kind: names.get(f"{kind}_mapping") for kind in ("appearance", "action")}
    for name, clip in clips.pairs:
        row = f"clips.{name}"
        try:
            yield _entry(row, file_name(name), clip, words, problems)
        except RowError as error:
            problems.add(row, error.kind, str(error))


def _entry(row: str, name: str, clip: Any, words: Mapping[str, Any], problems: Problems) -> Entry:
    identifier = video_id(must(clip, "ytb_id"))
    start_s, end_s = span(must(clip, "duration", "start_sec"), must(clip, "duration", "end_sec"))
    sides = [number(must(clip, "bbox", side), f"bbox.{side}") for side in ("left", "top", "right", "bottom")]
    place = square_of(*ordered(*sides))
    labels, left = _labels(row, clip, words, start_s, end_s, problems)
    return Entry(
        row=row,
        name=name,
        source=identifier,
        footage=(
            Footage(identifier, stretch(start_s, end_s), place),
            Footage(name, starts_s=start_s),
        ),
        address=watch_page(identifier),
        by_site=True,
        labels=tuple(labels),
        detail={"without_equal": left} if left else {},
    )


def square_of(left: float, top: float, right: float, bottom: float) -> Placement:
    """The crop that the corpus's own tool makes of a box in fractions: widened, whole pixels, square in its middle.

    The square's side is the shorter side of the box, rounded down to an even number.
    """

    def place(width: int, height: int) -> Pixels:
        x0, x1 = (round(v * width) for v in (max(left - WIDENED_BY, 0), min(right + WIDENED_BY, 1)))
        y0, y1 = (round(v * height) for v in (max(top - WIDENED_BY, 0), min(bottom + WIDENED_BY, 1)))
        half = min(x1 - x0, y1 - y0) // 2
        middle_x, middle_y = (x0 + x1) / 2, (y0 + y1) / 2
        return middle_x - half, middle_y - half, middle_x + half, middle_y + half

    if min(left, top) < -WIDENED_BY or max(right, bottom) > 1 + WIDENED_BY:
        raise RowError(
            "box",
            f"The box reaches from {min(left, top):g} to {max(right, bottom):g}; fractions lie in 0..1.",
        )
    return place


def _labels(
    row: str, clip: Any, words: Mapping[str, Any], start_s: float, end_s: float, problems: Problems
) -> tuple[list[Label], list[str]]:
    looks, no_look = look_labels(
        _marked(row, clip, "appearance", words["appearance"], problems), ABOUT.title, row, problems
    )
    # The file says which actions a clip shows, not when.
    shown = [word for word, on in _marked(row, clip, "action", words["action"], problems) if on]
    actions, no_action = action_labels([(word, None, None) for word in shown], ABOUT.title, row, problems)
    return looks + actions + _emotions(row, clip, start_s, end_s, problems), no_look + no_action


def _marked(row: str, clip: Any, kind: str, names: Any, problems: Problems) -> list[tuple[str, bool]]:
    """(word, marked) of the looks or actions of a clip, by the names that the file itself gives."""
    try:
        flags = must(clip, "attributes", kind)
        if not isinstance(flags, list) or not isinstance(names, list) or len(flags) != len(names):
            raise RowError(
                "row", f"attributes.{kind} does not have one value for each name in meta_info.{kind}_mapping."
            )
        if any(flag not in (0, 1) for flag in flags):
            raise RowError("row", f"attributes.{kind} holds something else than 0 and 1.")
    except RowError as error:
        problems.add(row, error.kind, str(error))
        return []
    return [(str(name), flag == 1) for name, flag in zip(names, flags, strict=True)]


def _emotions(row: str, clip: Any, start_s: float, end_s: float, problems: Problems) -> list[Label]:
    """One emotion for the whole clip, or several with times from the clip's start and gaps between them."""
    try:
        said = must(clip, "attributes", "emotion", "labels")
    except RowError as error:
        problems.add(row, error.kind, str(error))
        return []
    found = []
    for part in said if isinstance(said, list) else [{"emotion": said}]:
        try:
            value = emotion_value(must(part, "emotion"), ABOUT.title)
            times: dict[str, float] = {}
            if isinstance(said, list):
                begins, ends = (
                    seconds(must(part, "start_sec"), "start_sec"),
                    seconds(must(part, "end_sec"), "end_sec"),
                )
                if not 0 <= begins < ends or start_s + begins >= end_s:
                    raise RowError(
                        "time",
                        f"The emotion {value} from {begins:g} s to {ends:g} s does not lie in the clip.",
                    )
                times = {"start_s": start_s + begins, "end_s": min(start_s + ends, end_s)}
            found.append(Label("attribute", "emotion", value, "annotator", ABOUT.title, **times))
        except RowError as error:
            problems.add(row, error.kind, str(error))
    return found


_STEPS = CorpusSteps(ABOUT, read)
fetch = _STEPS.fetch
prepare = _STEPS.prepare
