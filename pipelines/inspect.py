"""Commands that only look or tidy: plan, show, diff, runs, gc, recipes."""

from __future__ import annotations

import time

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cluster.workflow.gc import gc
from cluster.workflow.history import diff, find_run
from cluster.workflow.keys import object_name
from cluster.workflow.plan import plan
from cluster.workflow.store import Store
from components.corpora.quarantine import FILE as QUARANTINE
from components.encoders.registry import list_encoders
from components.errors import UserError
from components.files import Folder
from pipelines.home import Home
from pipelines.recipe import Recipe, built_in, load_any_recipe, to_yaml
from pipelines.registry import graph_of

SHOWN = 20
STYLES = {"hit": "green", "stale": "yellow", "miss": "cyan"}


def print_plan(recipe: Recipe, home: Home, console: Console, *, verify: bool = False) -> None:
    """One line a step: hit, miss or stale, and why."""
    found = plan(graph_of(recipe, home)(cache_dir=home.cache, engine="ray"), Store(home.store), verify=verify)
    table = Table("step", "state", "why", box=None)
    for step in found.steps.values():
        why = "; ".join([*step.reasons, *step.warnings])
        state = step.status if step.needed or step.status == "hit" else f"{step.status} (not needed)"
        table.add_row(step.name, f"[{STYLES[step.status]}]{state}[/]", why)
    console.print(table)
    console.print(f"{len(found.to_run)} of {len(found.steps)} steps would run")


def print_step(step: str, home: Home, console: Console, *, run_id: str | None = None) -> None:
    """What a run recorded of a step, and the files of its output."""
    store = Store(home.store)
    record = store.read_run(find_run(store, run_id or "last"))
    if step not in record["steps"]:
        raise UserError(f"run {record['run']} has no step {step!r}", do=f"its steps: {', '.join(record['steps'])}")
    entry = record["steps"][step]
    manifest = store.read(object_name(step, entry["key"]))
    for name in ("state", "reason", "error", "seconds", "key", "version", "origin_run", "log"):
        if entry.get(name) not in (None, ""):
            console.print(f"{name:<11} {entry[name]}", markup=False, soft_wrap=True)
    for group in ("config", "inputs", "locations", "externals", "facts"):
        if entry.get(group):
            console.print(group, style="bold")
            console.print_json(data=entry[group])
    if manifest:
        if nodes := manifest.made.get("nodes"):
            parts = ", ".join(f"{count} on {node[:12]}" for node, count in sorted(nodes.items()))
            console.print(f"{'pieces':<11} {parts}", markup=False, soft_wrap=True)
        files = Table("file", "bytes", "rows", box=None, title="files", title_justify="left")
        for file in manifest.files:
            files.add_row(file.name, f"{file.bytes:,}", "" if file.rows is None else f"{file.rows:,}")
        console.print(files)
        folder = store.folder_of(object_name(step, entry["key"]))
        if folder and QUARANTINE in {file.name for file in manifest.files}:
            _print_quarantine(folder, console)
        console.print(f"folder      {folder.path if folder else ''}", markup=False, soft_wrap=True)


def _print_quarantine(folder: Folder, console: Console) -> None:
    """The first rows that could not be used: file, id and reason."""
    rows = folder.read_table(QUARANTINE)
    if not len(rows):
        return
    table = Table("file", "row", "reason", "detail", box=None, title="rows left out", title_justify="left")
    for row in rows.slice(0, SHOWN).to_pylist():
        table.add_row(*(Text(row[name] or "") for name in ("source", "row", "reason", "detail")))
    console.print(table)
    if len(rows) > SHOWN:
        console.print(f"{len(rows) - SHOWN:,} more in {QUARANTINE}")


def print_diff(run_a: str, run_b: str, home: Home, console: Console) -> None:
    """Settings, inputs and numbers that differ."""
    found = diff(Store(home.store), run_a, run_b)
    console.print(f"{found.run_a} -> {found.run_b}", style="bold")
    for line in found.recipe:
        console.print(f"  recipe: {line}", markup=False)
    for name, step in found.steps.items():
        for line in [*step.config, *step.externals, *(str(f) for f in step.facts)]:
            console.print(f"  {name}: {line}", markup=False)
        if step.states:
            console.print(f"  {name}: {step.states[0]} -> {step.states[1]}", markup=False)
    for names, which in ((found.only_a, found.run_a), (found.only_b, found.run_b)):
        if names:
            console.print(f"  only in {which}: {', '.join(names)}", markup=False)
    if not (found.recipe or found.steps or found.only_a or found.only_b):
        console.print("  no difference")


def print_runs(home: Home, console: Console) -> None:
    """Newest first."""
    store = Store(home.store)
    table = Table("run", "recipe", "state", "started", "seconds", "steps run", box=None)
    for run_id in reversed(store.run_ids()):
        record = store.read_run(run_id)
        ran = sum(step["state"] == "RAN" for step in record["steps"].values())
        started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record["started"]))
        table.add_row(run_id, record["pipeline"], record["state"], started, f"{record.get('seconds', 0):.1f}", str(ran))
    console.print(table)


def collect_garbage(home: Home, console: Console, *, keep_runs: int, dry_run: bool) -> None:
    """Remove what no recent run uses, and say how much that was."""
    done = gc(Store(home.store), keep_runs=keep_runs, dry_run=dry_run)
    for name in done.outputs:
        console.print(f"  {name}", markup=False)
    verb = "would be removed" if dry_run else "removed"
    console.print(
        f"{len(done.outputs)} outputs, {done.drafts} drafts, {done.works} work folders, {done.leases} leases, "
        f"{done.records} run records {verb}: {done.num_bytes / 1e6:,.1f} MB"
    )


def print_recipes(console: Console, name: str | None) -> None:
    """Names and first lines of the built-in recipes, or one of them with all its defaults."""
    if name:
        console.print(to_yaml(load_any_recipe(name)), markup=False, soft_wrap=True)
        return
    for recipe, line in built_in().items():
        console.print(f"[bold]{recipe:<14}[/bold] {line}")
    console.print("\nyour own: isthmus recipes --show emoji > mine.yaml; edit; isthmus run mine.yaml")


def print_encoders(console: Console) -> None:
    """What a recipe's ``encoder`` can be."""
    table = Table("encoder", "for", "dim", "licence", "about", box=None)
    for entry in list_encoders():
        name = f"{entry.name}MODEL" if entry.is_family else entry.name
        table.add_row(name, entry.modality, str(entry.dim or ""), entry.licence, entry.about)
    console.print(table)
    console.print(
        "\nseveral at once: encoder: [efficientnet-lite0, hog-color]; several texts of an item: text: [name, keywords];"
        " each text through each encoder is a view, and the views are fused (recipe emoji-all)",
        markup=False,
        soft_wrap=True,
    )
