"""Six people in twelve clips, described so that some values are rare and some groups unknown."""

from __future__ import annotations

from pathlib import Path

import facevid
from facevid.dataset.annotating import update_annotations
from facevid.dataset.statements import Statement

from ..generate import fakes

LOOKS: dict[str, dict[str, tuple[str, str]]] = {
    # person: attribute -> value, by
    f"p{k}": {
        "gender": ("female" if k > 3 else "male", "self"),
        "ethnicity": ("asian" if k in (0, 1, 4) else "black", "self"),
        "hair_colour": (("black", "blonde")[k % 2], "annotator"),
        "hair_length": ("bald" if k == 3 else "short", "annotator"),
        "eyeglasses": (("yes", "no")[k // 3], "annotator"),
        "skin_tone": (("2", "8")[k % 2], "self"),
        "light": (("dim", "bright")[k % 2], "measured:light"),
        "light_direction": (("left", "right")[k // 3], "measured:light"),
        "light_tone": ("warm", "measured:light"),
        **({"age": (str(20 + 10 * k), "self")} if k < 4 else {}),
        **({"sunglasses": ("yes", "annotator"), "pale_skin": ("yes", "annotator")} if k == 0 else {}),
    }
    for k in range(6)
}


def described(folder: Path, *, captions: bool = True) -> facevid.Dataset:
    """The dataset, in a new folder."""
    place = fakes.six_people(folder)
    ds = facevid.open(place)
    table = ds.rows(["clip_id", "identity"]).to_pylist()
    said = [
        Statement(row["clip_id"], "attribute", name, value, by)
        for row in table
        for name, (value, by) in LOOKS[row["identity"]].items()
    ]
    for number, row in enumerate(table):
        said.append(Statement(row["clip_id"], "action", "smile", "", "measured:mesh", start_s=0.0, end_s=0.3))
        said.append(Statement(row["clip_id"], "action", "nod", "", "measured:mesh", start_s=2.0, end_s=2.5))
        if captions and number:
            said.append(Statement(row["clip_id"], "caption", "medium", f"Clip {number} nods.", "annotator"))
    update_annotations(place, add=said)
    return facevid.open(place)
