"""Commands that only look: plan, show, diff, runs, gc, recipes."""

from __future__ import annotations

from rich.console import Console

from pipelines.home import Home
from pipelines.recipe import AlignRecipe, built_in, load_recipe, to_yaml


def print_recipes(console: Console, name: str | None) -> None:
    """Names and first lines of the built-in recipes, or one of them with all its defaults."""
    if name:
        console.print(to_yaml(load_recipe(name)), markup=False, soft_wrap=True)
        return
    for recipe, line in built_in().items():
        console.print(f"[bold]{recipe:<10}[/bold] {line}")
    console.print("\nyour own: isthmus recipes --show emoji > mine.yaml; edit; isthmus run mine.yaml")
