"""TalkVid: 1,244 hours in 15 languages, published as a list of JSON records with times, people and scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from facevid.dataset.ages import is_range
from facevid.dataset.corpora.entry import (
    Corpus,
    CorpusError,
    Entry,
    Footage,
    Label,
    Problems,
    RowError,
    stretch,
)
from facevid.dataset.corpora.reading import file_name, id_of_page, must, read_json, span
from facevid.dataset.corpora.steps import CorpusSteps
from facevid.dataset.corpora.words import plain

ABOUT = Corpus(
    name="talkvid",
    title="TalkVid",
    licence="CC BY-NC 4.0",
    removal="none stated",
    home="https://huggingface.co/datasets/FreedomIntelligence/TalkVid",
    reads="a JSON list of records",
)
ETHNICITIES = {
    "white": "white", "caucasian": "white", "black": "black", "african": "african", "african_american": "black",
    "asian": "asian", "east_asian": "east_asian", "southeast_asian": "southeast_asian", "indian": "indian",
    "hispanic": "latino", "latino": "latino", "latino_hispanic": "latino", "hispanic_latino": "latino",
    "middle_eastern": "middle_eastern", "arab": "arab", "other": "other", "others": "other",
}  # fmt: skip
GENDERS = {"male": "male", "female": "female", "other": "other"}
LANGUAGES = {
    "english": "en", "chinese": "zh", "mandarin": "zh", "arabic": "ar", "polish": "pl", "german": "de",
    "russian": "ru", "french": "fr", "korean": "ko", "portuguese": "pt", "japanese": "ja", "thai": "th",
    "spanish": "es", "italian": "it", "hindi": "hi", "dutch": "nl", "turkish": "tr", "vietnamese": "vi",
}  # fmt: skip
_SCORES = ("dover_scores", "cotracker_ratio", "head_detail", "height", "width", "fps")
_LONG_FROM_WORDS, _MEDIUM_FROM_WORDS = 40, 15


def read(annotations: Path, problems: Problems) -> Iterator[Entry]:
    """The records of one JSON list."""
    data = read_json(annotations)
    if not isinstance(data, list):
        raise CorpusError(f"{annotations} is no list of records; give TalkVid's own JSON.")
    for count, record in enumerate(data):
        name = record.get("id") if isinstance(record, Mapping) else None
        row = f"record {count}" + (f" ({name})" if isinstance(name, str) else "")
        try:
            yield _entry(row, record, problems)
        except RowError as error:
            problems.add(row, error.kind, str(error))


def _entry(row: str, record: Any, problems: Problems) -> Entry:
    name = file_name(must(record, "id"))
    address = must(record, "info", "Video Link")
    identifier = id_of_page(address) if isinstance(address, str) else None
    if identifier is None:
        raise RowError("row", f"info.Video Link {address!r} is not the page of a video.")
    start_s, end_s = span(must(record, "start-time"), must(record, "end-time"))
    info: Mapping[str, Any] = record["info"]
    spoken = info.get("Language")
    language = LANGUAGES.get(plain(spoken)) if spoken else None
    if spoken and language is None:
        problems.add(row, "label", f"The language {spoken!r} has no code here; it is kept as a detail.")
    person = info.get("Person ID")
    kept = {plain(key): info[key] for key in ("Age Group", "Video Category", "Language") if key in info}
    return Entry(
        row=row,
        name=name,
        source=identifier,
        footage=(Footage(identifier, stretch(start_s, end_s)), Footage(name, starts_s=start_s)),
        address=f"https://www.youtube.com/watch?v={identifier}",
        by_site=True,
        labels=tuple(_labels(row, record, info, problems)),
        person=f"talkvid:{person}" if person not in (None, "") else None,
        language=language,
        detail={**kept, **{key: record[key] for key in _SCORES if key in record}},
    )


def _labels(
    row: str, record: Mapping[str, Any], info: Mapping[str, Any], problems: Problems
) -> Iterator[Label]:
    for key, attribute, known in (("Ethnicity", "ethnicity", ETHNICITIES), ("Gender", "gender", GENDERS)):
        word = info.get(key)
        if word in (None, "") or plain(word) in ("unknown", "n_a", "none"):
            continue
        if plain(word) in known:
            yield Label("attribute", attribute, known[plain(word)], "annotator", ABOUT.title)
        else:
            problems.add(row, "label", f"{key} {word!r} is no word of the vocabulary's {attribute}.")
    ages = info.get("Age Group")
    if isinstance(ages, str) and is_range(ages):
        # No age that could be shown, but one by which a minimum age judges.
        yield Label("attribute", "age", ages, "annotator", ABOUT.title)
    elif ages not in (None, "") and plain(ages) not in ("unknown", "n_a", "none"):
        problems.add(row, "label", f"Age Group {ages!r} is no range of years, such as 31-45 or 60+.")
    text = record.get("description")
    if isinstance(text, str) and text.strip():
        words = len(text.split())
        length = "long" if words >= _LONG_FROM_WORDS else "medium" if words >= _MEDIUM_FROM_WORDS else "short"
        yield Label("caption", length, " ".join(text.split()), "model:talkvid-captioner")
    elif text is not None and not isinstance(text, str):
        problems.add(row, "row", "description is no text.")


_STEPS = CorpusSteps(ABOUT, read)
fetch = _STEPS.fetch
prepare = _STEPS.prepare
