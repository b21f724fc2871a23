"""Step ``applications``: the sections of all applications on one self-contained page, and their numbers in one file."""

from __future__ import annotations

import yaml

from cluster.workflow.step import Facts, StepContext
from components.corpora.splits import Splits
from components.reporting.applications_page import render_applications
from components.reporting.section import Section
from pipelines.steps.application import RESULT


def run(ctx: StepContext) -> Facts:
    """Write ``applications.html`` and ``applications.json``.

    config: ``order`` of the sections, ``exported``. inputs: ``section:NAME``, ``splits``. options: ``recipe``, ``keys``
    of the numbers.
    """
    folders = {name: ctx.inputs[f"section:{name}"] for name in ctx.config["order"]}
    sections = {name: Section.read(folder) for name, folder in folders.items()}
    recipe, splits = ctx.options["recipe"], Splits.read(ctx.inputs["splits"])
    page = render_applications(
        f"Isthmus: {recipe['name']}, exported method {ctx.config['exported']}",
        sections,
        tiles=[
            (f"{len(splits.pairs()):,}", "known pairs per fit"),
            (f"{len(splits.draws['random'])}", "draws of them"),
            (f"{len(splits.heldout):,}", "held-out pairs"),
        ],
        recipe=yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True),
    )
    ctx.out.write_bytes("applications.html", page.encode())
    numbers = {ctx.options["keys"][name]: folder.read_json(RESULT) for name, folder in folders.items()}
    ctx.out.write_json("applications.json", numbers)
    return {"sections": len(sections), "absent": sum(s.absent for s in sections.values())}
