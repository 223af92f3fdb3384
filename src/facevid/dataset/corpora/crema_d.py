"""CREMA-D: 7,442 clips of 91 actors, published as video files that say it all in their names and a table of actors."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from facevid.dataset.corpora.entry import Corpus, CorpusError, Entry, Footage, Label, Problems, RowError
from facevid.dataset.corpora.reading import number
from facevid.dataset.corpora.steps import CorpusSteps

ABOUT = Corpus(
    name="crema-d",
    title="CREMA-D",
    licence="ODbL 1.0",
    removal="none stated",
    home="https://github.com/CheyneyComputerScience/CREMA-D",
    reads="VideoDemographics.csv",
)
VIDEOS = "https://media.githubusercontent.com/media/CheyneyComputerScience/CREMA-D/master/VideoFlash"
"""Where the corpus keeps its videos, one file a clip."""
SENTENCES = ("IEO", "TIE", "IOM", "IWW", "TAI", "MTI", "IWL", "ITH", "DFA", "ITS", "TSI", "WSI")
EMOTIONS = {"ANG": "angry", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
LEVELS = {"LO": "low", "MD": "medium", "HI": "high", "XX": "unspecified"}
RACES = {"caucasian": "white", "african american": "black", "asian": "asian"}
SEXES = {"male": "male", "female": "female"}
UNSTATED = ("", "unknown", "unspecified")
ACTED = "CREMA-D (acted)"
"""Who says the emotion: the actor was told to show it, and nobody says that it shows."""
_COLUMNS = ("ActorID", "Age", "Sex", "Race", "Ethnicity")


def read(annotations: Path, problems: Problems) -> Iterator[Entry]:
    """Every clip that the design of the corpus foresees for the actors of the table, by actor.

    Each actor speaks the first sentence with five emotions at three levels and neutrally, the others with each emotion
    at an unspecified level; 20 of these clips were never published.
    """
    for row, actor in _actors(annotations):
        try:
            stated = _stated(row, actor, problems)
            identifier = str(actor["ActorID"]).strip()
            if not identifier.isdecimal():
                raise RowError("row", f"ActorID {identifier!r} is no number.")
        except RowError as error:
            problems.add(row, error.kind, str(error))
            continue
        for sentence, emotion, level in _design():
            name = f"{identifier}_{sentence}_{emotion}_{level}"
            yield Entry(
                row=f"{row} ({name})",
                name=name,
                source=name,
                footage=(Footage(name),),
                address=f"{VIDEOS}/{name}.flv",
                labels=(Label("attribute", "emotion", EMOTIONS[emotion], "annotator", ACTED),),
                person=f"crema-d:{identifier}",
                language="en",
                self_reported=stated,
                detail={
                    "sentence": sentence,
                    "acted_emotion": emotion,
                    "level": LEVELS[level],
                    "race": actor.get("Race"),
                    "ethnicity": actor.get("Ethnicity"),
                },
            )


def _design() -> Iterator[tuple[str, str, str]]:
    first, *others = SENTENCES
    for emotion, level in product(EMOTIONS, ("LO", "MD", "HI")):
        if emotion != "NEU":
            yield first, emotion, level
    yield first, "NEU", "XX"
    for sentence, emotion in product(others, EMOTIONS):
        yield sentence, emotion, "XX"


def _actors(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            lacking = [name for name in _COLUMNS if name not in (table.fieldnames or ())]
            if lacking:
                raise CorpusError(
                    f"{path} has no column {', '.join(lacking)}; give CREMA-D's VideoDemographics.csv."
                )
            for actor in table:
                yield f"{path.name} line {table.line_num}", actor
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{path} cannot be read ({error}); give CREMA-D's VideoDemographics.csv.") from None


def _stated(row: str, actor: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    """What the actor states, in our words. Hispanic of whatever race is our "latino"; the race stays in the details."""
    stated: dict[str, Any] = {}
    words = {name: str(actor.get(name) or "").strip() for name in _COLUMNS}
    if words["Age"].lower() not in UNSTATED:
        age = number(words["Age"], "Age")
        if not 0 <= age <= 120:
            raise RowError("row", f"Age cannot be {age:g}; it runs from 0 to 120.")
        stated["age"] = int(age) if age.is_integer() else age
    for column, attribute, known in (("Sex", "gender", SEXES), ("Race", "ethnicity", RACES)):
        word = words[column].lower()
        if word in known:
            stated[attribute] = known[word]
        elif word not in UNSTATED:
            problems.add(
                row, "label", f"{column} {words[column]!r} is no word of the vocabulary's {attribute}."
            )
    if words["Ethnicity"].lower() == "hispanic":
        stated["ethnicity"] = "latino"
    elif words["Ethnicity"].lower() not in ("not hispanic", *UNSTATED):
        problems.add(row, "label", f"Ethnicity {words['Ethnicity']!r} is neither Hispanic nor Not Hispanic.")
    return stated


_STEPS = CorpusSteps(ABOUT, read)
fetch = _STEPS.fetch
prepare = _STEPS.prepare
