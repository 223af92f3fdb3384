"""CelebV-Text: 70,000 clips with 20 sentences each, published as JSON, a pickle of timed labels, and text files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
    of_size,
    stretch,
)
from facevid.dataset.corpora.plain_pickle import read_pickle
from facevid.dataset.corpora.reading import (
    Pairs,
    file_name,
    must,
    number,
    ordered,
    read_json,
    read_lines,
    seconds,
    span,
    video_id,
    watch_page,
)
from facevid.dataset.corpora.steps import CorpusSteps
from facevid.dataset.corpora.words import action_labels

ABOUT = Corpus(
    name="celebv-text",
    title="CelebV-Text",
    licence="CelebV-Text agreement: non-commercial research only",
    removal="the videos belong to their uploaders; no copies may be passed on outside one organisation",
    home="https://celebv-text.github.io",
    reads="celebvtext_info.json, or a folder with it, annotations.pkl and texts/<kind>/<clip>.txt",
)
FRAMES = ((640, 360), (854, 480), (1280, 720), (1920, 1080), (2560, 1440), (3840, 2160), (7680, 4320))
"""Sizes in which video sites offer a video; the boxes are pixels of one of them, which the corpus does not name."""
_MARKS = {"scar": ("scars", "yes"), "mole": ("mole", "yes"), "freckle": ("freckles", "yes")}
_WRITER = "model:celebv-text-templates"
_LONG_FROM_WORDS, _MEDIUM_FROM_WORDS = 40, 15


def read(annotations: Path, problems: Problems) -> Iterator[Entry]:
    """The clips of every JSON file given, with the labels and sentences that lie beside it."""
    folder = annotations if annotations.is_dir() else annotations.parent
    files = sorted(annotations.glob("*.json")) if annotations.is_dir() else [annotations]
    if not files:
        raise CorpusError(f"{annotations} holds no JSON file; give CelebV-Text's celebvtext_info.json.")
    clips = [(f"{path.name} {name}", name, clip) for path in files for name, clip in _clips(path)]
    names: dict[str, int] = {}
    reach: dict[str, tuple[float, float]] = {}
    for _, name, clip in clips:
        names[name] = names.get(name, 0) + 1
        _stretch_reach(reach, clip)
    pickled = folder / "annotations.pkl"
    timed = read_pickle(pickled) if pickled.is_file() else {}
    if not isinstance(timed, Mapping):
        raise CorpusError(f"{pickled} holds no dictionary with `act` and `app`.")
    count: dict[str, int] = {}
    for row, name, clip in clips:
        count[name] = count.get(name, 0) + 1
        where = row if names[name] == 1 else f"{row} #{count[name]}"
        try:
            yield _entry(where, file_name(name), clip, reach, timed, folder, names[name] > 1, problems)
        except RowError as error:
            problems.add(where, error.kind, str(error))


def _clips(path: Path) -> list[tuple[str, Any]]:
    data = read_json(path)
    clips = data.get("clips") if isinstance(data, Pairs) else None
    if not isinstance(clips, Pairs):
        raise CorpusError(f"{path} has no object `clips`; give CelebV-Text's celebvtext_info.json.")
    return clips.pairs


def _stretch_reach(reach: dict[str, tuple[float, float]], clip: Any) -> None:
    """How far right and down the boxes of a video reach: its picture was at least as large."""
    try:
        identifier = video_id(must(clip, "ytb_id"))
        right, bottom = (
            number(must(clip, "bbox", "right"), "right"),
            number(must(clip, "bbox", "bottom"), "bottom"),
        )
    except RowError:
        return  # reported when its row is read
    if not _holding((right, bottom)):
        return  # likewise; its fault must not move the boxes of others
    known = reach.get(identifier, (0.0, 0.0))
    reach[identifier] = (max(known[0], right), max(known[1], bottom))


def in_unstated_frame(box: Pixels, reach: tuple[float, float]) -> Placement:
    """A box in pixels of a picture whose size nobody states, only that it holds all boxes of the video (`reach`).

    The corpus was cut from the best quality of its day, so a file that holds them all is taken to have that size; a
    smaller one was scaled down from the smallest usual size that does. Raises RowError where no usual size does.
    """
    holding = _holding(reach)
    if not holding:
        raise RowError(
            "box", f"The boxes of its video reach to ({reach[0]:g}, {reach[1]:g}), beyond any picture."
        )

    def place(width: int, height: int) -> Pixels:
        if reach[0] <= width and reach[1] <= height:
            return box
        usual = [size for size in holding if (size[0] >= size[1]) == (width >= height)]
        if not usual:
            raise RowError("box", "The box was drawn in a picture of another shape, upright or lying.")
        return of_size(box, *usual[0])(width, height)

    return place


def _holding(reach: tuple[float, float]) -> list[tuple[int, int]]:
    """The usual sizes that can hold such boxes, the smallest first; pictures that stand upright have them turned."""
    turned = [size for wide, high in FRAMES for size in ((wide, high), (high, wide))]
    return [size for size in turned if reach[0] <= size[0] and reach[1] <= size[1]]


def _entry(
    row: str,
    name: str,
    clip: Any,
    reach: Mapping[str, tuple[float, float]],
    timed: Mapping[str, Any],
    folder: Path,
    shared: bool,
    problems: Problems,
) -> Entry:
    identifier = video_id(must(clip, "ytb_id"))
    # Some entries say start_frame and end_frame and mean seconds all the same.
    times = must(clip, "duration")
    unit = "frame" if isinstance(times, Mapping) and "start_frame" in times else "sec"
    start_s, end_s = span(must(clip, "duration", f"start_{unit}"), must(clip, "duration", f"end_{unit}"))
    box = ordered(*(number(must(clip, "bbox", s), f"bbox.{s}") for s in ("left", "top", "right", "bottom")))
    if box[0] < 0 or box[1] < 0:
        raise RowError("box", f"The box begins at ({box[0]:g}, {box[1]:g}), outside of any picture.")
    actions, left = _actions(row, name, timed, start_s, end_s, shared, problems)
    labels = [*actions, *_looks(row, name, timed, shared, problems)]
    sentences = list(_sentences(folder, name))
    if shared and sentences:
        problems.add(
            row, "name", f"Several clips are called {name}; whose sentences these are cannot be told."
        )
    elif not shared:
        labels += sentences
    # The cut clips that the corpus hands out have the shared name too, so only the whole video will do.
    cut = () if shared else (Footage(name, starts_s=start_s),)
    place = in_unstated_frame(box, reach.get(identifier, (box[2], box[3])))
    return Entry(
        row=row,
        name=name,
        source=identifier,
        footage=(Footage(identifier, stretch(start_s, end_s), place), *cut),
        address=watch_page(identifier),
        by_site=True,
        labels=tuple(labels),
        detail={"without_equal": left} if left else {},
    )


def _actions(
    row: str,
    name: str,
    timed: Mapping[str, Any],
    start_s: float,
    end_s: float,
    shared: bool,
    problems: Problems,
) -> tuple[list[Label], list[str]]:
    """Timed actions; their times run in the source, so that of clips with one name each gets its own."""
    found: list[tuple[str, float | None, float | None]] = []
    for action in _listed(row, _said(timed, "act", name), "act", problems):
        try:
            word, begins, ends = _timed(action)
            if begins > end_s or ends < start_s:
                if not shared:
                    raise RowError(
                        "time", f"{word} from {begins:g} s to {ends:g} s does not lie in the clip."
                    )
                continue
            # Published in whole seconds: what begins in the clip's first second may seem to begin before it.
            found.append((word, max(begins, start_s), min(max(ends, begins), end_s)))
        except RowError as error:
            problems.add(row, error.kind, str(error))
    return action_labels(found, ABOUT.title, row, problems)


def _timed(action: Any) -> tuple[str, float, float]:
    """Word, start and end in seconds of the source, of [word, [start, end, seconds, order]]."""
    if not isinstance(action, (list, tuple)) or len(action) != 2 or not isinstance(action[0], str):
        raise RowError("row", f"{action!r} is no timed label; [word, [start, end, seconds, order]] is.")
    times = action[1]
    if not isinstance(times, (list, tuple)) or len(times) < 2:
        raise RowError("row", f"{action[0]} has no start and end.")
    begins, ends = seconds(times[0], "The start"), seconds(times[1], "The end")
    if ends < begins:
        raise RowError("time", f"{action[0]} ends at {ends:g} s, before it starts at {begins:g} s.")
    return action[0], begins, ends


def _looks(
    row: str, name: str, timed: Mapping[str, Any], shared: bool, problems: Problems
) -> Iterator[Label]:
    """Marks that a clip's face bears, and light from the front, which is ours "even"; other directions have no equal
    in ours, since the corpus does not say whose left is meant."""
    looks = _said(timed, "app", name)
    if looks is None:
        return
    if not isinstance(looks, Mapping):
        problems.add(row, "row", f"app is no dictionary but {looks!r:.80}.")
        return
    if shared:
        problems.add(row, "name", f"Several clips are called {name}; whose looks these are cannot be told.")
        return
    for word, (attribute, value) in _MARKS.items():
        if looks.get(word):
            yield Label("attribute", attribute, value, "annotator", ABOUT.title)
    for part in _listed(row, looks.get("lighting"), "lighting", problems):
        try:
            word, begins, ends = _timed(part)
        except RowError as error:
            problems.add(row, error.kind, str(error))
            continue
        if word == "frontal":
            yield Label("attribute", "light_direction", "even", "annotator", ABOUT.title, begins, ends)


def _said(timed: Mapping[str, Any], kind: str, name: str) -> Any:
    """What the pickle says of a clip, None where it says nothing."""
    table = timed.get(kind)
    return table.get(name) if isinstance(table, Mapping) else None


def _listed(row: str, said: Any, what: str, problems: Problems) -> Sequence[Any]:
    """The list, empty for None; anything else is added to `problems`."""
    if said is None or isinstance(said, (list, tuple)):
        return said or ()
    problems.add(row, "row", f"{what} is no list but {said!r:.80}.")
    return ()


def _sentences(folder: Path, name: str) -> Iterator[Label]:
    """The sentences about a clip, a line each, from texts/<kind>/<clip>.txt; they were written by templates."""
    seen = set()
    for kind in sorted(p for p in (folder / "texts").glob("*") if p.is_dir()):
        path = kind / f"{name}.txt"
        for _, text in read_lines(path) if path.is_file() else ():
            if text not in seen:
                seen.add(text)
                words = len(text.split())
                length = (
                    "long"
                    if words >= _LONG_FROM_WORDS
                    else "medium"
                    if words >= _MEDIUM_FROM_WORDS
                    else "short"
                )
                yield Label("caption", length, text, _WRITER)


_STEPS = CorpusSteps(ABOUT, read)
fetch = _STEPS.fetch
prepare = _STEPS.prepare
