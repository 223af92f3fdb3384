"""What a worker takes up on a machine, given beside a command where there is no recipe of a dataset to say it in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from pydantic import ValidationError

from facevid.recipe.fields import Needs
from facevid.recipe.reading import RecipeError

_CUSTOM = "custom."
_ALLOWED = "cpus, gpus, memory_gb, custom.NAME"


def read_needs(given: Mapping[str, Any] | Sequence[str]) -> dict[str, Any]:
    """The fields of `Needs` that are given, as a mapping or as words: "cpus=2", "gpus=0.5", "custom.fast_disk=1".

    Raises RecipeError with what is wrong and what is allowed.
    """
    fields = dict(given) if isinstance(given, Mapping) else _of_words(given)
    try:
        return Needs.model_validate(fields).model_dump(exclude_none=True)
    except ValidationError as error:
        fault = error.errors()[0]
        name = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            raise RecipeError(
                f"resources: a worker takes up no {name}; allowed: {_ALLOWED}, such as gpus=0.5."
            ) from None
        said = fault["msg"].removeprefix("Value error, ")
        raise RecipeError(f"resources: {name} is {fault['input']!r}: {said}.") from None


def _of_words(words: Sequence[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for word in words:
        name, sign, text = word.partition("=")
        if not sign or not name:
            raise RecipeError(
                f"resources: {word!r} is no FIELD=AMOUNT; allowed: {_ALLOWED}, such as gpus=0.5."
            )
        amount = yaml.safe_load(text)
        if name.startswith(_CUSTOM):
            fields.setdefault("custom", {})[name.removeprefix(_CUSTOM)] = amount
        else:
            fields[name] = amount
    return fields
