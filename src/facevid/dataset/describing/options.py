"""What the makers of a dataset say of it beside what can be counted: licence text, contact, citation, gate."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from facevid.dataset.published import DatasetError

ABOUT = "card"
"""Where `dataset.json` keeps them, so that every later publication writes the same."""

# Identifiers of the SPDX list that hubs know under the same name in lower case.
SPDX = (
    "CC0-1.0", "CC-BY-2.0", "CC-BY-2.5", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "CC-BY-NC-2.0",
    "CC-BY-NC-3.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-2.0", "CC-BY-NC-SA-3.0", "CC-BY-NC-SA-4.0", "CC-BY-NC-ND-3.0",
    "CC-BY-NC-ND-4.0", "CC-BY-ND-4.0", "CDLA-Permissive-1.0", "CDLA-Permissive-2.0", "CDLA-Sharing-1.0", "ODbL-1.0",
    "ODC-By-1.0", "PDDL-1.0", "Apache-2.0", "MIT",
)  # fmt: skip
_HUB_NAMES = {"odbl-1.0": "odbl", "odc-by-1.0": "odc-by", "pddl-1.0": "pddl"}
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
FIELD_KINDS = ("text", "checkbox", "country", "date_picker")

GATE_PROMPT = (
    "This dataset shows the faces and voices of real people. By asking for access you agree to use it under its "
    "licence, not to try to find out who anybody in it is, not to make anybody in it say or do what they did not, and "
    "to delete what the makers take down."
)
GATE_FIELDS = (
    ("Name", "text"),
    ("Affiliation", "text"),
    ("Country", "country"),
    ("What I will use it for", "text"),
    ("I agree to the terms above", "checkbox"),
)
"""What is asked of those who want access, where a dataset is gated and nothing else was given."""


@dataclass(frozen=True)
class CardOptions:
    """What cannot be counted.

    version: of the dataset, MAJOR.MINOR.PATCH. published: ISO date. licence_link: an address, or LICENSE where the
    text lies beside. gate_prompt: what one agrees to before one gets access; None: not gated. gate_fields: (question,
    kind) with a kind of `FIELD_KINDS`.
    """

    version: str = "1.0.0"
    published: str | None = None
    creators: tuple[str, ...] = ()
    contact: str | None = None
    url: str | None = None
    cite: str | None = None
    licence_link: str | None = None
    gate_prompt: str | None = None
    gate_fields: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not _VERSION.fullmatch(self.version):
            raise DatasetError(
                f"A dataset's version is MAJOR.MINOR.PATCH, such as 1.0.0, not {self.version!r}."
            )
        if self.published is not None:
            try:
                date.fromisoformat(self.published)
            except ValueError:
                raise DatasetError(
                    f"The date of publication is YYYY-MM-DD, such as 2026-11-25, not {self.published!r}."
                ) from None
        for question, kind in self.gate_fields:
            if kind not in FIELD_KINDS:
                raise DatasetError(
                    f"The question {question!r} cannot be answered with {kind!r}; allowed: {', '.join(FIELD_KINDS)}."
                )

    def to_json(self) -> dict[str, Any]:
        """As `dataset.json` keeps them: what was given, and nothing else."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}

    @classmethod
    def of(cls, about: Mapping[str, Any]) -> CardOptions:
        """Those in the free part of a manifest. Raises DatasetError for what is none."""
        given = about.get(ABOUT) or {}
        try:
            known = {f.name: given[f.name] for f in fields(cls) if f.name in given}
            known["creators"] = tuple(str(c) for c in known.get("creators", ()))
            known["gate_fields"] = tuple((str(q), str(k)) for q, k in known.get("gate_fields", ()))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DatasetError(
                f'"{ABOUT}" in dataset.json is damaged ({error!r}); give it anew: facevid card.'
            ) from error
        return cls(**known)


def spdx(licence: str | None) -> str | None:
    """The SPDX identifier that a licence's text is, such as "CC-BY-4.0" for "cc by 4.0"; None for any other text."""
    plain = re.sub(r"[\s_]+", "-", (licence or "").strip()).lower()
    return next((name for name in SPDX if name.lower() == plain), None)


def hub_licence(licence: str) -> str | None:
    """The name under which the Hugging Face hub knows a licence, or None."""
    known = spdx(licence)
    return _HUB_NAMES.get(known.lower(), known.lower()) if known else None


def licence_address(licence: str) -> str | None:
    """Where the text of a known licence stands, or None."""
    known = spdx(licence)
    return f"https://spdx.org/licenses/{known}.html" if known else None
