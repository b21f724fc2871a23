"""A whole run whose store is a bucket: the same outputs as on a disk, the results on the disk all the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from worlds import World, write_world

from cluster.workflow.store import Store
from components.files import Folder
from components.model import SharedSpace
from pipelines.home import Home
from pipelines.recipe import load_recipe
from pipelines.runner import RunOptions, run_recipe


def run(world: World, home: Home) -> tuple[dict[str, str], str]:
    """How each step ended, and what was printed."""
    console = Console(record=True, width=160, file=open("/dev/null", "w"))
    recipe = load_recipe(str(world.recipe), ["compare=[]", "splits.draws=2"])
    assert run_recipe(recipe, home, RunOptions(use_ray=False), console) == 0, console.export_text()
    store = Store(home.store)
    record = store.read_run(store.run_ids()[-1])
    return {name: step["state"] for name, step in record["steps"].items()}, console.export_text()


def digests(store: Store) -> dict[str, Any]:
    """Of the contents of every step but the two that hold times."""
    found = [store.read(name) for name in store.outputs()]
    return {m.step: m.digest for m in found if m is not None and m.step not in {"report", "export"}}


@pytest.mark.slow
def test_a_whole_run_with_its_store_in_a_bucket(tmp_path: Path, s3_uri: str, make_home: Callable[[Path], Path]) -> None:
    world = write_world(tmp_path / "world")
    disk, bucket = Home.open(make_home(tmp_path / "disk")), Home.open(make_home(tmp_path / "bucket"), s3_uri)
    run(world, disk)
    states, printed = run(world, bucket)
    assert set(states.values()) == {"RAN"}
    assert not (bucket.path / "store").exists()
    assert digests(Store(bucket.store)) == digests(Store(disk.store))
    assert set(run(world, bucket)[0].values()) == {"HIT"}
    results = bucket.results("recipe")
    assert "<html" in (results / "report.html").read_text()
    assert SharedSpace.load(Folder.at(results / "model")).search(world.left["L700"].tolist(), side="left", k=3)
    kept = [p for p in bucket.path.rglob("*") if p.is_file() and b"the-key-of-a-test" in p.read_bytes()]
    assert kept == [] and "the-key-of-a-test" not in printed
