"""Statements are checked, all kept, and one of them is shown by the stated order."""

from __future__ import annotations

import pyarrow as pa
import pytest

from facevid.dataset.statements import (
    LABEL_COLUMNS,
    Statement,
    combined,
    from_table,
    shown,
    to_table,
    with_labels,
)
from facevid.dataset.vocabulary import (
    ACTIONS,
    ATTRIBUTES,
    DH_APPEARANCE,
    DH_LIGHT,
    VocabularyError,
    attribute,
)


def hair(value: str, by: str, confidence: float | None = 0.9, **more: str) -> Statement:
    return Statement("c", "attribute", "hair_colour", value, by, confidence, **more)


def test_what_people_say_of_themselves_goes_before_annotators_models_and_measures() -> None:
    said = [
        hair("grey", "measured:hair", 1.0),
        hair("red", "model:uniface", 0.9),
        hair("brown", "annotator", None, who="ana"),
        hair("black", "self", None),
    ]
    for k, value in enumerate(("grey", "red", "brown", "black")):
        assert shown(said[: k + 1])["attributes"]["hair_colour"]["value"] == value


def test_of_two_equal_sources_the_surer_one_is_shown() -> None:
    both = [hair("red", "model:a", 0.6), hair("black", "model:b", 0.8)]
    assert shown(both)["attributes"]["hair_colour"]["value"] == "black"
    assert shown(both[::-1]) == shown(both)


def test_unknown_is_not_shown_and_not_a_value() -> None:
    assert shown([])["attributes"] is None
    with pytest.raises(VocabularyError, match="unknown"):
        hair("unknown", "measured:hair")


def test_a_person_who_says_unknown_hides_what_models_and_measures_say() -> None:
    said = [hair("red", "model:a"), hair("black", "measured:hair"), hair("unknown", "annotator", who="ana")]
    assert shown(said)["attributes"] is None
    assert shown([*said, hair("brown", "self")])["attributes"]["hair_colour"]["value"] == "brown"


def caption(
    text: str, by: str, confidence: float | None = None, length: str = "medium", **more: str
) -> Statement:
    return Statement("c", "caption", length, text, by, confidence, **more)


GRAMMAR = [caption("A man.", "measured:grammar", length="short"), caption("A man nods.", "measured:grammar")]


def test_a_rejected_caption_hides_what_models_and_measures_wrote_at_that_length() -> None:
    rejected = caption("unknown", "annotator", 1.0, who="ana")
    labels = shown([*GRAMMAR, caption("A tall man nods.", "model:vlm"), rejected])
    assert [(c["length"], c["text"]) for c in labels["captions"]] == [("short", "A man.")]
    assert labels["caption"] is None  # the short one does not stand in for one that was found wrong
    both = shown([*GRAMMAR, rejected, caption("unknown", "annotator", 1.0, "short", who="ana")])
    assert (both["captions"], both["caption"]) == (None, None)
    assert shown([GRAMMAR[0]])["caption"] == "A man."


def test_a_better_caption_of_another_person_is_shown_beside_a_rejection_unless_it_is_surer() -> None:
    better, rejected = (
        caption("A man winks.", "annotator", 0.5, who="bob"),
        caption("unknown", "annotator", 0.5, who="ana"),
    )
    assert shown([*GRAMMAR, rejected, better])["caption"] == "A man winks."
    assert [c["text"] for c in shown([*GRAMMAR, rejected, better])["captions"]] == ["A man.", "A man winks."]
    ruling = caption("unknown", "annotator", 1.0, who="cy")
    assert shown([*GRAMMAR, better, ruling])["caption"] is None
    assert shown([*GRAMMAR, ruling, caption("I nod.", "self")])["caption"] == "I nod."


def test_actions_of_one_source_are_shown_in_time_order() -> None:
    acts = [
        Statement("c", "action", name, "", by, 0.8, start, start + 1)
        for name, by, start in (
            ("nod", "measured:mesh", 3.0),
            ("smile", "measured:mesh", 1.0),
            ("smile", "model:vlm", 0.0),
        )
    ]
    assert [a["name"] for a in shown(acts[:2])["actions"]] == ["smile", "nod"]
    assert [a["by"] for a in shown(acts)["actions"]] == ["model:vlm"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "attribute", "name": "hair_color", "value": "black"},
        {"kind": "attribute", "name": "age", "value": "young"},
        {"kind": "attribute", "name": "age", "value": "-3"},
        {"kind": "action", "name": "smile", "value": ""},
        {"kind": "action", "name": "fly", "value": "", "start_s": 0.0, "end_s": 1.0},
        {"kind": "caption", "name": "huge", "value": "A man."},
        {"kind": "caption", "name": "short", "value": "unknown", "by": "model:vlm"},
        {"kind": "review", "name": "keep", "value": "maybe"},
        {"kind": "opinion", "name": "x", "value": "y"},
        {"kind": "attribute", "name": "bangs", "value": "yes", "confidence": 1.5},
        {"kind": "attribute", "name": "bangs", "value": "yes", "by": "somebody"},
    ],
)
def test_what_the_vocabulary_lacks_is_refused_with_what_is_allowed(wrong: dict[str, object]) -> None:
    with pytest.raises(VocabularyError, match=r"allowed|there are|needs|lies|and says|caption is"):
        Statement("c", **{"by": "self", **wrong})  # type: ignore[arg-type]


def test_the_table_holds_every_statement_once_and_gives_it_back() -> None:
    one = Statement("c", "attribute", "age", "34", "self", None, detail={"asked": "form"})
    two = Statement("b", "action", "smile", "", "measured:mesh", 0.5, 1.0, 2.0)
    table = to_table([one, two, one])
    assert from_table(table) == [two, one]
    assert combined(table, table, to_table([])).equals(table)


def test_labels_are_joined_to_their_clips_and_replaced() -> None:
    clips = pa.table({"clip_id": ["a", "b", "c"], "sharpness": [1.0, 2.0, 3.0]})
    labelled = with_labels(clips, to_table([hair("red", "self")]))
    assert [bool(a) for a in labelled["attributes"].to_pylist()] == [False, False, True]
    assert labelled["attributes"][2].as_py()["hair_colour"]["value"] == "red"
    unsaid = with_labels(labelled, to_table([]))
    assert unsaid.schema == labelled.schema and unsaid["sharpness"].equals(clips["sharpness"])
    assert all(unsaid[name].null_count == 3 for name in LABEL_COLUMNS)


def test_every_word_of_the_published_list_has_its_attribute_and_value() -> None:
    for name, value in (*DH_APPEARANCE.values(), *DH_LIGHT.values()):
        assert attribute(name).check(value) == value
    assert len(DH_APPEARANCE) == 72 and len(DH_LIGHT) == 8
    assert len(set(ACTIONS)) == len(ACTIONS)
    assert all(a.kind == "number" or a.choices for a in ATTRIBUTES.values())


def test_of_an_emotion_that_changes_the_longest_is_shown() -> None:
    said = [
        Statement("c", "attribute", "emotion", "happy", "annotator", start_s=0.0, end_s=0.5, who="CelebV-HQ"),
        Statement("c", "attribute", "emotion", "sad", "annotator", start_s=0.5, end_s=3.0, who="CelebV-HQ"),
    ]
    assert shown(said)["attributes"]["emotion"]["value"] == "sad"
    said.append(Statement("c", "attribute", "emotion", "neutral", "annotator", who="CelebV-HQ"))
    assert shown(said)["attributes"]["emotion"]["value"] == "neutral", (
        "what holds for the whole clip comes first"
    )
