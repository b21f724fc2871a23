"""A driver process for tests with several nodes: runs a recipe's graph up to one step, and prints every event as JSON.

    python nodes_driver.py RECIPE LAST_STEP HOME [--store URI] [--address HOST:PORT]

Without an address everything runs in this process.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from cluster.runtime import RaySession
from cluster.workflow.executor import execute
from cluster.workflow.graph import Graph
from cluster.workflow.inprocess import InProcess
from cluster.workflow.store import Store
from pipelines.home import Home
from pipelines.recipe import load_any_recipe
from pipelines.registry import graph_of


def tell(event: dict[str, Any]) -> None:
    """One line of JSON; what is not JSON (paths) as text."""
    print(json.dumps(event, default=str), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("recipe")
    parser.add_argument("last")
    parser.add_argument("home", type=Path)
    parser.add_argument("--store")
    parser.add_argument("--address")
    args = parser.parse_args()
    home, engine = Home.open(args.home, args.store), "ray" if args.address else "local"
    recipe = load_any_recipe(args.recipe)
    whole = graph_of(recipe, home)(cache_dir=home.cache, engine=engine)
    graph = Graph.of(whole.steps[args.last])
    if args.address is None:
        execute(graph, Store(home.store), InProcess, listener=tell, logs_dir=home.logs)
        return
    from cluster.workflow.ray_dispatch import RayDispatcher

    with RaySession(args.address, home=home.path):
        execute(graph, Store(home.store), RayDispatcher, listener=tell, logs_dir=home.logs)


if __name__ == "__main__":
    main()
