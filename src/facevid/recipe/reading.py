"""Reads recipes: what a file gives laid over what its base has, and every mistake in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from facevid.errors import FacevidError
from facevid.recipe.fields import Recipe, Rule

DEFAULT_RECIPE = "dh-facevid"


class RecipeError(FacevidError):
    """A recipe that cannot be used; the message names each field, its value and what is allowed."""


def load_recipe(recipe: Recipe | str | Path | Mapping[str, Any] | None = None) -> Recipe:
    """The recipe of that name or file, or the default one.

    A file or a mapping may give only the fields it changes; the rest comes from the default recipe, or
    from the recipe named by its `base`. `select.rules` as a list replaces all rules; as a mapping of scores it
    changes these alone: `{sharpness: {min: 1.0}}` sets a bound, `{pose_extreme: null}` drops the rule. A file
    that gives no `name` is named after itself. Raises `RecipeError` with one line a mistake.
    """
    if isinstance(recipe, Recipe):
        return recipe
    if recipe is None:
        recipe = DEFAULT_RECIPE
    if isinstance(recipe, Mapping):
        where, given = "the recipe given", dict(recipe)
    else:
        where, given = _read(recipe)
    base = given.pop("base", DEFAULT_RECIPE)
    if not isinstance(base, str) or base not in shipped_recipes():
        raise RecipeError(f"{where}: base {base!r} is no recipe; allowed: {', '.join(shipped_recipes())}.")
    if given and "name" not in given:
        given["name"] = f"{base}, changed" if isinstance(recipe, Mapping) else Path(recipe).stem
    merged = _merge(yaml.safe_load(_shipped(base)), given)
    try:
        return Recipe.model_validate(merged)
    except ValidationError as error:
        raise RecipeError(f"{where} cannot be used:\n" + "\n".join(_sentences(error, merged))) from None


def with_people(
    recipe: Recipe,
    *,
    require_consent: bool | None = None,
    licences: Sequence[str] | None = None,
    minimum_age: int | None = None,
) -> Recipe:
    """The recipe with these rules of people changed; what is None stays. Raises `RecipeError` as `load_recipe`."""
    given = {
        "require_consent": require_consent,
        "licences": None if licences is None else list(licences),
        "minimum_age": minimum_age,
    }
    change = {name: value for name, value in given.items() if value is not None}
    return load_recipe(
        {**recipe.model_dump(mode="json"), "people": {**recipe.people.model_dump(mode="json"), **change}}
    )


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with facevid."""
    folder = resources.files("facevid") / "recipes"
    return sorted(f.name[: -len(".yaml")] for f in folder.iterdir() if f.name.endswith(".yaml"))


def recipe_text(name: str = DEFAULT_RECIPE) -> str:
    """The shipped recipe's own file with its comments, which name the source of each default."""
    if name not in shipped_recipes():
        raise RecipeError(f"There is no recipe {name!r}; allowed: {', '.join(shipped_recipes())}.")
    return _shipped(name)


def _shipped(name: str) -> str:
    return (resources.files("facevid") / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")


def _read(recipe: str | Path) -> tuple[str, dict[str, Any]]:
    path = Path(recipe)
    if str(recipe) in shipped_recipes() and not path.is_file():
        return f"recipe {recipe}", {"base": str(recipe)}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        names = ", ".join(shipped_recipes())
        raise RecipeError(
            f"Recipe {path} cannot be read ({error}); give a YAML file or one of: {names}."
        ) from None
    try:
        given = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"Recipe {path} is not YAML: {' '.join(str(error).split())}.") from None
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise RecipeError(f"Recipe {path} must be a mapping of fields, not a {type(given).__name__}.")
    return f"Recipe {path}", given


def _merge(base: dict[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for key, value in change.items():
        old = out.get(key)
        if key == "rules" and isinstance(old, list) and isinstance(value, Mapping):
            out[key] = _merge_rules(old, value)
        else:
            out[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return out


def _merge_rules(rules: list[dict[str, Any]], change: Mapping[str, Any]) -> list[Any]:
    """Rules with those of the named scores changed (by a mapping), dropped (by null) or added at the end."""
    out: list[Any] = []
    for rule in rules:
        value = change.get(rule["score"], {})
        if value is not None:
            out.append({**rule, **value} if isinstance(value, Mapping) else value)
    known = {rule["score"] for rule in rules}
    for name in (n for n, value in change.items() if value is None and n not in known):
        meant = [rule["score"] for rule in rules if rule["reason"] == name] or sorted(known)
        raise RecipeError(
            f"select.rules.{name}: there is no rule on a score {name!r} to drop; rules are named by their scores, such "
            f"as {', '.join(meant)}."
        )
    added = {score: value for score, value in change.items() if score not in known and value is not None}
    return out + [{"score": s, **v} if isinstance(v, Mapping) else v for s, v in added.items()]


def _sentences(error: ValidationError, given: Mapping[str, Any]) -> list[str]:
    lines = []
    for problem in error.errors():
        field = ".".join(str(p) for p in problem["loc"])
        value = problem["input"]
        shown = repr(value) if not isinstance(value, (dict, list)) else "this part"
        if problem["type"] == "extra_forbidden":
            parent: Any = given
            for part in problem["loc"][:-1]:
                parent = parent[part]
            model = _model_at(problem["loc"][:-1])
            lines.append(
                f"  {field}: unknown field (value {value!r}); allowed here: {', '.join(model.model_fields)}."
            )
        elif problem["type"] == "missing":
            lines.append(f"  {field}: is missing.")
        else:
            lines.append(
                f"  {field}: {shown} is not allowed: {problem['msg'].removeprefix('Value error, ')}."
            )
    return lines


def _model_at(location: Sequence[Any]) -> type[BaseModel]:
    model: type[BaseModel] = Recipe
    for part in location:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[str(part)].annotation
        if str(part) == "rules":
            annotation = Rule
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            model = annotation
    return model
