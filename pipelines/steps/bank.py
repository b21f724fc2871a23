"""The hubness correction of a method's step: a second table and second maps in the step's folder ``bank``.

``<method>+bank`` is in the table beside ``<method>``. Banks are unpaired rows, so the gallery is never looked at as a
whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from components.alignment.hubness import HubnessConfig
from components.evaluation.trials import TrialResult, World, correct_trials, ranks_table
from components.files import Folder
from components.transforms import Transform, save_transform

SUFFIX, FOLDER = "+bank", "bank"
Whole = Callable[[str, Transform], Transform]


def hubness(config: Mapping[str, Any]) -> HubnessConfig | None:
    """What a step's config asks for."""
    return HubnessConfig(kind=config["hubness"], seed=int(config["seed"])) if config.get("hubness") else None


def write_bank(
    out: Folder, config: Mapping[str, Any], results: Sequence[TrialResult], world: World, whole: Whole
) -> None:
    """If the config asks for it: ranks of the corrected trials, and the primary one's maps. ``whole`` completes a
    side's map of features to one of the encoder's rows."""
    wanted = hubness(config)
    if wanted is None:
        return
    corrected = correct_trials(results, world, wanted)
    folder = out.sub(FOLDER).make()
    folder.write_table("ranks.parquet", ranks_table(corrected))
    primary = corrected[0].alignment
    for side, aligned in (("left", primary.left), ("right", primary.right)):
        save_transform(folder, side, whole(side, aligned))


def folders_of(inputs: Mapping[str, Folder], prefix: str) -> dict[str, Folder]:
    """The folder with ranks and maps of every method, the corrected ones under their own names."""
    found: dict[str, Folder] = {}
    for name in sorted(n for n in inputs if n.startswith(prefix)):
        method, folder = name.removeprefix(prefix), inputs[name]
        found[method] = folder
        if folder.exists(f"{FOLDER}/ranks.parquet"):
            found[method + SUFFIX] = folder.sub(FOLDER)
    return found
