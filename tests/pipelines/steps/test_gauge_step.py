"""The gauge is written, its verdict is told at once, and it knows strangers."""

from pathlib import Path

from align_world import BASE, make_world


def test_related_corpora_are_told_from_strangers(tmp_path: Path) -> None:
    for name, related in (("kin", True), ("strangers", False)):
        world = make_world(tmp_path / name, related=related)
        facts = world.run("gauge", "gauge", world.inputs("left", "right", "splits"), BASE)
        written = world.root.sub("gauge").read_json("gauge.json")
        assert world.notes == [written["verdict"]] and facts["cka"] == written["cka"]
        assert written["pairs"] == 40 and set(written["null"]) == {"cka", "mutual_knn"}
        assert (written["level"] != "none") is related
