"""`facevid recipe`: look at a recipe and check one of your own."""

from __future__ import annotations

import json
from typing import Annotated

import typer

app = typer.Typer(
    help="Show a recipe (every threshold, backend and size, with its source) or check one of your own.",
    no_args_is_help=True,
)

_RecipeName = Annotated[
    str, typer.Argument(metavar="RECIPE", help="Name of a shipped recipe, or a YAML file.", show_default=True)
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command()
def show(recipe: _RecipeName = "dh-facevid", *, as_json: _Json = False) -> None:
    """Print a recipe: a shipped one with its comments, your own with every field filled in."""
    from facevid.recipe import load_recipe, recipe_text, shipped_recipes

    loaded = load_recipe(recipe)
    if as_json:
        typer.echo(json.dumps(loaded.model_dump(mode="json"), ensure_ascii=False))
    else:
        typer.echo(recipe_text(recipe) if recipe in shipped_recipes() else loaded.to_yaml(), nl=False)


@app.command()
def check(recipe: _RecipeName = "dh-facevid", *, as_json: _Json = False) -> None:
    """Say whether a recipe can be used; a mistake is named with its field, its value and what is allowed."""
    from facevid.curate.session import check_backends
    from facevid.recipe import load_recipe

    loaded = load_recipe(recipe)
    check_backends(loaded)
    if as_json:
        typer.echo(json.dumps({"recipe": recipe, "name": loaded.name, "rules": len(loaded.select.rules)}))
    else:
        typer.echo(
            f"{recipe} can be used: {loaded.name}, {len(loaded.select.rules)} rules, {loaded.fps:g} frames/s."
        )
