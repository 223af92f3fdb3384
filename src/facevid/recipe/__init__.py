"""The recipe: one YAML file with every threshold, backend and size that a build uses.

A recipe is validated when it is read; every mistake is named with its field, its value and what is
allowed. `Recipe.subset` gives a step exactly the fields it reads, which is what its ledger entry hashes.
"""

from facevid.recipe.fields import (
    REASONS,
    SCORES,
    Analyze,
    Backends,
    Crop,
    Needs,
    People,
    Recipe,
    Rule,
    Shots,
    StepNeeds,
)
from facevid.recipe.needs import read_needs
from facevid.recipe.reading import (
    DEFAULT_RECIPE,
    RecipeError,
    load_recipe,
    recipe_text,
    shipped_recipes,
    with_people,
)

__all__ = [
    "DEFAULT_RECIPE",
    "REASONS",
    "SCORES",
    "Analyze",
    "Backends",
    "Crop",
    "Needs",
    "People",
    "Recipe",
    "RecipeError",
    "Rule",
    "Shots",
    "StepNeeds",
    "load_recipe",
    "read_needs",
    "recipe_text",
    "shipped_recipes",
    "with_people",
]
