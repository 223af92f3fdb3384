"""The responsible-AI properties of a dataset (Croissant RAI 1.0), said from its tables."""

from __future__ import annotations

from typing import Any

from facevid.dataset.describing.figures import GROUPED, Figures, Share, percent, words
from facevid.dataset.describing.labels import known_limits
from facevid.dataset.describing.options import CardOptions
from facevid.dataset.describing.sections import left_out_words, rule_words


def responsible_ai(figures: Figures, options: CardOptions) -> dict[str, Any]:
    """Properties `rai:*`: what is not known is left out."""
    totals = figures.totals()
    properties: dict[str, Any] = {
        "rai:dataCollection": (
            f"{totals['sources']:,} videos, {_stated(figures, 'collected_by', 'collector')}; "
            f"{_stated(figures, 'licence', 'licence')}; {_stated(figures, 'consent', 'consent')}. From them "
            f"{figures.clips:,} clips of one face each were cut; {totals['rejected']:,} stretches were left out."
        ),
        "rai:dataCollectionType": ["Others: secondary data, videos cut into clips"],
        "rai:dataCollectionMissingData": _missing(figures),
        "rai:dataCollectionRawData": (
            "Videos of talking people; `sources` lists each with its SHA-256, and they are not part of the dataset."
        ),
        "rai:dataPreprocessingProtocol": rule_words(figures) + left_out_words(figures),
        "rai:dataManipulationProtocol": (
            "Clips are square crops around one face at a constant frame rate, re-encoded; speech is kept lossless at "
            "16 kHz. Pictures and sound are not changed otherwise."
        ),
        "rai:dataImputationProtocol": "Nothing is imputed: what nobody knows is null.",
        "rai:dataAnnotationProtocol": _protocol(figures),
        "rai:annotationsPerItem": _per_item(figures),
        "rai:machineAnnotationTools": sorted(
            {by for by, _, _, _ in figures.statements() if by.startswith(("model:", "measured:"))}
        ),
        "rai:dataAnnotationAnalysis": [
            f"{maker} says the same of {words(name)} as a person in {percent(share)} of {share.total:,} clips"
            for name, maker, share in figures.agreement()
        ],
        "rai:dataUseCases": [
            "Training and evaluation of models that generate talking faces from text or a picture.",
            "Not for telling who somebody is, and not for making anybody say what they did not.",
        ],
        "rai:dataBiases": [
            f"{words(name)}: {shares}" for name in GROUPED if (shares := _shares(figures, name))
        ],
        "rai:dataLimitations": known_limits(figures),
        "rai:dataSocialImpact": (
            "Models of talking faces can be used to deceive and to impersonate. The dataset names nobody; person ids "
            "are clusters of similar faces."
        ),
        "rai:personalSensitiveInformation": _sensitive(figures),
        "rai:dataReleaseMaintenancePlan": (
            "Who is in it can ask to be taken out"
            + (f", at {options.contact}" if options.contact else "")
            + "; tables, media and subsets are then published anew without them. This is version "
            f"{options.version}; whoever uses the dataset should renew their copy with each version."
        ),
    }
    return {name: said for name, said in properties.items() if said}


def _stated(figures: Figures, column: str, word: str) -> str:
    found = figures.by_source(column)
    known = sum(p.sources for p in found if p.word)
    return f"{word} stated for {percent(Share(known, sum(p.sources for p in found)))} of them"


def _missing(figures: Figures) -> str:
    gaps = [f"{words(n)} {percent(Share(figures.values(n)[1], figures.clips))}" for n in GROUPED]
    return f"Unknown, as a share of the clips: {', '.join(gaps)}; null in the tables."


def _protocol(figures: Figures) -> list[str]:
    return [f"{by}: {n:,} {kind}s of {clips:,} clips" for by, kind, n, clips in figures.statements()]


def _per_item(figures: Figures) -> str:
    total = sum(n for _, _, n, _ in figures.statements())
    return f"{total / figures.clips:.1f} statements a clip on average" if total and figures.clips else ""


def _shares(figures: Figures, name: str) -> str:
    values, unknown = figures.values(name)
    known = figures.clips - unknown
    return ", ".join(f"{words(v)} {percent(Share(n, known))}" for v, n in values)


def _sensitive(figures: Figures) -> list[str]:
    """Which of the kinds that the specification names are there, and how they came to be known."""
    known = [
        "Faces and voices of real or synthetic people in every clip; person ids that link the clips of one."
    ]
    for name in ("ethnicity", "gender", "age"):
        if name in figures.names:
            makers = ", ".join(by for by, _, _ in figures.makers(name))
            known.append(f"{name.capitalize()}, said by {makers}")
    if spoken := sum(p.clips for p in figures.by_source("language") if p.word):
        known.append(f"Language of {spoken:,} clips")
    return known
