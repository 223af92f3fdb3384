"""Words for light and background, the last of a caption."""

from __future__ import annotations

from collections.abc import Mapping

from facevid.annotate import lexicon as words
from facevid.annotate.caption_person import Person
from facevid.annotate.grammar import Choice, listed


def scene_sentence(
    values: Mapping[str, str], who: Person, choice: Choice, *, full: bool, clip_named: bool
) -> str:
    """One sentence of light and place, "" where neither is known or worth a word.

    full: also light that is nothing special. clip_named: "the clip" was said before and is not said again.
    """
    said, light, place = _said(values, choice, full)
    face = f"{who.possessive} face"
    be = "are" if who.pronoun == "they" else "is"
    if light and place:
        forms = [
            f"the scene is set {place}, in {light}",
            f"the clip was filmed {place} in {light}",
            f"{who.pronoun} {be} {place}, in {light}",
            f"{place}, {light} falls on {face}",
            f"the scene is set {place}, with {light} on {face}",
            f"the clip was filmed {place}, and {light} illuminates {face}",
        ]
    elif place:
        forms = [f"the scene is set {place}", f"the clip was filmed {place}", f"{who.pronoun} {be} {place}"]
    elif light and (side := _only_side(said)):
        forms = [
            f"light falls on {face} from the {side}",
            f"light from the {side} illuminates {face}",
            f"the light comes from the {side}",
            f"{face} is lit from the {side}",
            f"the scene is lit from the {side}",
        ]
    elif light:
        forms = [
            f"{light} falls on {face}",
            f"{light} illuminates {face}",
            f"the scene is lit by {light}",
            f"{face} is lit by {light}",
            *_predicate(said),
        ]
    else:
        return ""
    return choice.of("scene", [f for f in forms if not (clip_named and f.startswith("the clip"))])


def scene_behind(values: Mapping[str, str], who: Person, choice: Choice, *, full: bool) -> str:
    """The same as the end of a sentence about the person: ", in dim light", ", lit from the left"; or ""."""
    said, light, place = _said(values, choice, full)
    face = f"{who.possessive} face"
    if place:
        return f", {place}{f' in {light}' if light else ''}"
    if light and (side := _only_side(said)):
        return choice.of("scene behind", (f", lit from the {side}", f", {face} lit from the {side}"))
    if light:
        return choice.of(
            "scene behind", (f", in {light}", f", with {light} on {face}", f", {face} lit by {light}")
        )
    return ""


def tail(values: Mapping[str, str], choice: Choice, *, light: bool) -> str:
    """Place, or else light, as the end of a sentence: " indoors", " in dim light"; "" where neither is known."""
    if place := _place(values, choice):
        return f" {place}"
    kind = _light(_remarkable(values)) if light else ""
    return f" in {kind}" if kind else ""


def _said(values: Mapping[str, str], choice: Choice, full: bool) -> tuple[Mapping[str, str], str, str]:
    """The labels of light that are said, the light and the place as words."""
    said = values if full else _remarkable(values)
    light = _light(said)
    if light == "even light" and not full and choice.number("even") % 2:
        light = ""  # as most light is
    return (
        said,
        light,
        choice.of("place", words.PLACE[values["environment"]]) if "environment" in values else "",
    )


def _only_side(values: Mapping[str, str]) -> str:
    """ "left" or "right" where nothing else is known of the light, else ""."""
    side = values.get("light_direction", "even")
    return "" if side == "even" or _qualities(values) or "light_source" in values else side


def _remarkable(values: Mapping[str, str]) -> dict[str, str]:
    """The labels without light of normal brightness and neutral tone."""
    plain = {("light", "normal"), ("light_tone", "neutral")}
    return {name: value for name, value in values.items() if (name, value) not in plain}


def _place(values: Mapping[str, str], choice: Choice) -> str:
    return choice.of("place", words.PLACE[values["environment"]]) if "environment" in values else ""


def _qualities(values: Mapping[str, str]) -> list[str]:
    qualities = [words.BRIGHTNESS[values["light"]]] if "light" in values else []
    qualities += [values["light_tone"]] if "light_tone" in values else []
    return qualities + (["even"] if values.get("light_direction") == "even" else [])


def _light(values: Mapping[str, str]) -> str:
    """The light as a noun phrase: "bright, warm artificial light from the left"."""
    side = values.get("light_direction", "even")
    qualities = ", ".join(_qualities(values))
    kind = words.LIGHT_KIND[values["light_source"]] if "light_source" in values else "light"
    if kind == "light" and side == "even" and not qualities:
        return ""
    return " ".join(filter(None, [qualities, kind, f"from the {side}" if side != "even" else ""]))


def _predicate(values: Mapping[str, str]) -> list[str]:
    """ "The light is bright and warm", where it has qualities."""
    qualities = _qualities(values)
    if not qualities:
        return []
    kind = words.LIGHT_KIND.get(values.get("light_source", ""), "light")
    side = values.get("light_direction", "even")
    comes = f" and comes from the {side}" if side != "even" else ""
    return [f"the {kind} is {listed(qualities)}{comes}"]
