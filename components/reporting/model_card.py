"""The card of a model: what it was made from, how good it is, where it fails, how to load it.

One dict, which is ``card.json``, and the same as Markdown, which is ``README.md`` of the model's folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.reporting.data import LEFT_TO_RIGHT, RIGHT_TO_LEFT
from components.reporting.names import method_name, split_name

METRICS = ("R@1", "R@5", "R@10")
DIRECTIONS = (LEFT_TO_RIGHT, RIGHT_TO_LEFT)
_HUBS = 2.0  # times as many as at random
_ECE = 0.1
_GAP = 0.8  # of the recall on the main split

Card = dict[str, Any]


def make_card(
    *, name: str, aligner: str, sides: Mapping[str, Any], metrics: Mapping[str, Any], hubs: Mapping[str, Any]
) -> Card:
    """The card.

    Args:
        sides: by name: ``modality``, ``rows``, ``digest`` (of the corpus), ``licences``, ``encoders`` (``encoder``,
            ``column``, ``licence``, ``fingerprint``, ``missing``), ``quarantined``, ``index``.
        metrics: ``metrics.json`` of the run.
        hubs: by direction, as :class:`components.evaluation.hubs.Hubs`.
    """
    card: Card = {
        "name": name,
        "aligner": aligner,
        "sides": {side: dict(facts) for side, facts in sides.items()},
        "pairs": dict(metrics.get("pairs", {})),
        "recall": _recalls(metrics, aligner),
        "splits_absent": dict(metrics.get("splits_absent", {})),
        "alignability": metrics.get("alignability"),
        "confidence": _confidence(metrics.get("confidence")),
        "hubs": dict(hubs),
    }
    return {**card, "known_failures": known_failures(card), "load": _LOAD}


def _recalls(metrics: Mapping[str, Any], aligner: str) -> dict[str, Any]:
    """By split and direction: the recalls with their intervals, and chance."""
    primary = metrics.get("primary_split", "")
    others = {name: entry["retrieval"] for name, entry in metrics.get("splits", {}).items() if name != primary}
    found: dict[str, Any] = {}
    for split, retrieval in {primary: metrics.get("retrieval", {}), **others}.items():
        if aligner in retrieval:
            chance = retrieval.get("chance", {})
            found[split] = {d: _recall(retrieval[aligner][d], chance.get(d, {})) for d in DIRECTIONS}
    return found


def _recall(entry: Mapping[str, Any], chance: Mapping[str, Any]) -> dict[str, Any]:
    values = {
        m: {"value": entry[m], "ci95": (entry.get("ci95") or {}).get(m), "chance": chance.get(m)} for m in METRICS
    }
    return {**values, "gallery": entry.get("gallery"), "draws": entry.get("draws")}


def _confidence(entry: Mapping[str, Any] | None) -> dict[str, Any]:
    if not entry or "absent" in entry:
        return {"absent": (entry or {}).get("absent", "not measured")}
    calibration = entry["heldout"]["calibration"]
    return {
        "gallery": dict(entry["gallery"]),
        "estimated": {m: dict(entry["recall"][m]["now"]) for m in METRICS if m in entry["recall"]},
        "calibration": {n: calibration[n] for n in ("ece", "brier", "brier_base", "mean", "rate", "num")},
        "advice": entry.get("advice", ""),
    }


def known_failures(card: Mapping[str, Any]) -> list[str]:
    """Where this model is known to be wrong, one sentence each, from its own measurements."""
    return [*_misses(card), *_from_hubs(card), *_from_confidence(card["confidence"]), *_from_data(card)]


def _misses(card: Mapping[str, Any]) -> list[str]:
    told, first = [], None
    for directions in card["recall"].values():
        mean = sum(directions[d]["R@10"]["value"] for d in DIRECTIONS) / 2
        if first is None:
            first = mean
            gallery = directions[DIRECTIONS[0]]["gallery"]
            told.append(f"{100 - mean:.0f} of 100 queries do not find their partner among the first 10 of {gallery:,}.")
            told += [
                f"From {_words(d)} its interval over {directions[d]['draws']} draws reaches down to chance."
                for d in _at_chance(directions)
            ]
        elif mean < _GAP * first:
            told.append(f"Content unlike the known pairs is found less often: R@10 is {mean:.0f} %, not {first:.0f} %.")
    return told


def _at_chance(directions: Mapping[str, Any]) -> list[str]:
    scores = {d: directions[d]["R@10"] for d in DIRECTIONS}
    return [d for d, s in scores.items() if s["ci95"] and s["chance"] is not None and s["ci95"][0] <= s["chance"]]


def _from_hubs(card: Mapping[str, Any]) -> list[str]:
    return [
        f"Hubs from {_words(direction)}: {100 * found['share']:.0f} % of {found['queries']:,} queries have their"
        f" first match among the same 1 % of rows ({100 * found['even']:.0f} % if it were by chance)."
        for direction, found in card["hubs"].items()
        if found["share"] > _HUBS * found["even"]
    ]


def _from_confidence(confidence: Mapping[str, Any]) -> list[str]:
    if "absent" in confidence:
        return [f"Matches have no confidence: {confidence['absent']}."]
    calibration, told = confidence["calibration"], []
    if calibration["rate"] < 0.5:
        told.append(
            f"First matches are mostly wrong: of the held-out queries {100 * calibration['rate']:.0f} % were right, the"
            f" model said {100 * calibration['mean']:.0f} %. Look at the first ten, and at their confidence."
        )
    if calibration["ece"] > _ECE:
        told.append(f"Its confidence is off by {100 * calibration['ece']:.0f} points on average.")
    return told


def _from_data(card: Mapping[str, Any]) -> list[str]:
    told = []
    if (gauge := card["alignability"]) and gauge["level"] in {"weak", "none"}:
        told.append(f"The corpora share little geometry ({gauge['level']}).")
    for name, side in card["sides"].items():
        lost = sum(encoder.get("missing", 0) for encoder in side["encoders"])
        if lost:
            told.append(f"{lost:,} entries of the {name} side were missing; such rows are placed by what they have.")
        if side.get("quarantined"):
            told.append(f"{side['quarantined']:,} rows of the {name} corpus could not be used.")
        if side["index"]["kind"] != "exact":
            index = side["index"]
            lacks = 100 * (1 - index["recall"])
            told.append(f"The index of the {name} side misses {lacks:.1f} % of the true first {index['k']}.")
    return told


_LOAD = (
    "from components.files import Folder\n"
    "from components.model import SharedSpace\n\n"
    "space = SharedSpace.load(Folder.at('PATH OF THIS FOLDER'))\n"
    "space.encode_left([...]); space.encode_right([...]); space.search(item, side='right', k=10)\n"
    "# or: isthmus serve 'PATH OF THIS FOLDER'"
)


def card_markdown(card: Mapping[str, Any]) -> str:
    """The card for a reader."""
    parts = [
        f"# {_safe(card['name'])}",
        f"A shared space of two corpora, aligned by {method_name(card['aligner'])} on {_pairs(card['pairs'])}.",
        "## Known failures\n\n" + "\n".join(f"- {_safe(told)}" for told in card["known_failures"]),
        *(f"## Recall, {split_name(split)}\n\n{_recall_table(r)}" for split, r in card["recall"].items()),
        *(f"Not measured on the split `{split}`: {_safe(why)}." for split, why in card["splits_absent"].items()),
        f"## Can the two be joined?\n\n{_safe((card['alignability'] or {}).get('verdict', 'Not measured: no pairs.'))}",
        f"## Confidence\n\n{_confidence_text(card['confidence'])}",
        *(f"## The {name} side\n\n{_side_text(side)}" for name, side in card["sides"].items()),
        f"## How to load it\n\n```python\n{card['load']}\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _pairs(pairs: Mapping[str, Any]) -> str:
    how = pairs.get("selection", "random")
    chosen = "drawn at random" if how == "random" else f"chosen by {how}"
    return f"{pairs.get('pairs', 0):,} known pairs ({chosen}); {pairs.get('heldout', 0):,} others were held out"


def _recall_table(directions: Mapping[str, Any]) -> str:
    rows = [
        [_words(d), *(_cell(directions[d][m]) for m in METRICS), f"{directions[d]['gallery']:,}"] for d in DIRECTIONS
    ]
    return _table(["percent (95 % interval; chance)", *METRICS, "among"], rows)


def _cell(score: Mapping[str, Any]) -> str:
    ends = f"{score['ci95'][0]:.1f} to {score['ci95'][1]:.1f}" if score["ci95"] else "no interval"
    beside = f"; {score['chance']:.1f}" if score["chance"] is not None else ""
    return f"{score['value']:.1f} ({ends}{beside})"


def _confidence_text(confidence: Mapping[str, Any]) -> str:
    if "absent" in confidence:
        return f"None: {_safe(confidence['absent'])}."
    now = confidence["estimated"].get("R@10", {})
    among = confidence["gallery"]["left_to_right"]
    return (
        f"In the whole gallery of {among:,} rows about {now['value']:.0f} of 100 queries find their partner among the"
        f" first ten ({now['low']:.0f} to {now['high']:.0f}). Expected calibration error on"
        f" {confidence['calibration']['num']:,} held-out queries: {confidence['calibration']['ece']:.3f}."
        f" {_safe(confidence['advice'])}"
    )


def _side_text(side: Mapping[str, Any]) -> str:
    index = side["index"]
    rows = [["rows", f"{side['rows']:,} ({side['modality']})"], ["corpus", f"`{side['digest']}`"]]
    rows += [["licence of the corpus", licence] for licence in side["licences"]]
    for encoder in side["encoders"]:
        column = f" of {encoder['column']}" if encoder.get("column") else ""
        rows.append([f"encoder{column}", f"{encoder['encoder']} ({encoder.get('licence') or 'no licence told'})"])
        if encoder.get("fingerprint"):
            rows.append(["its version", encoder["fingerprint"]])
    recall = "all rows are compared" if index["kind"] == "exact" else f"recall {index['recall']:.4f} of {index['k']}"
    rows.append(["index", f"{index['kind']}: {recall}; {index['bytes'] / 2**20:.1f} MiB in memory"])
    return _table(["", ""], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_safe(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _words(direction: str) -> str:
    return direction.replace("_", " ")


def _safe(text: str) -> str:
    """One line, and nothing that Markdown viewers would take for HTML."""
    return " ".join(str(text).split()).replace("<", "&lt;")
