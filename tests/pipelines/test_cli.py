"""The commands that look, search and tidy, on one finished run."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click import Command, Parameter
from PIL import Image
from rich.console import Console
from rich.text import Text
from typer.main import get_command
from typer.testing import CliRunner, Result
from worlds import World, write_world

from components.errors import UserError
from components.model import Match
from pipelines.cli import app, main
from pipelines.search import write_sheet

MakeHome = Callable[[Path], Path]


def isthmus(*args: str) -> Result:
    return CliRunner().invoke(app, list(args), env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, make_home: MakeHome) -> tuple[World, Path]:
    root = tmp_path_factory.mktemp("cli")
    world, home = write_world(root / "world", unpaired=220, pairs=40, heldout=30), make_home(root / "home")
    for dim in ("16", "8"):
        settings = ("--set", "pairs_budget=30", "--set", "splits.draws=2", "--set", f"preprocess.pca_dim={dim}")
        result = isthmus("run", str(world.recipe), "--no-ray", "--home", str(home), *settings)
        assert result.exit_code == 0, result.output
    return world, home


SETTINGS = ("--set", "pairs_budget=30", "--set", "splits.draws=2")


def test_plan_names_the_reason_of_each_miss_and_starts_nothing(done: tuple[World, Path]) -> None:
    world, home = done
    result = isthmus("plan", str(world.recipe), "--home", str(home), *SETTINGS, "--set", "preprocess.pca_dim=9")
    told = " ".join(result.output.split())
    assert "fit-procrustes stale preprocess.pca_dim 8 -> 9" in told
    assert "shard-left hit" in told
    assert "input fit-procrustes changed" in told
    result = isthmus("plan", str(world.recipe), "--home", str(home), *SETTINGS, "--set", "preprocess.pca_dim=8")
    assert "0 of 14 steps would run" in result.output


def test_plan_of_a_new_home_says_never_made(done: tuple[World, Path], tmp_path: Path) -> None:
    result = isthmus("plan", str(done[0].recipe), "--home", str(tmp_path / "new"))
    assert result.output.count("never made") == 14


def test_show_tells_config_files_and_facts(done: tuple[World, Path]) -> None:
    result = isthmus("show", "fit-kernel-ridge", "--home", str(done[1]))
    for part in ("ranks.parquet", '"method": "kernel-ridge"', "R@10", "pca_dim"):
        assert part in result.output
    unknown = isthmus("show", "nothing", "--home", str(done[1]))
    assert unknown.exit_code != 0 and "fit-kernel-ridge" in str(unknown.exception)


def test_diff_names_settings_and_numbers(done: tuple[World, Path]) -> None:
    result = isthmus("diff", "last~1", "last", "--home", str(done[1]))
    assert "preprocess.pca_dim 16 -> 8" in result.output
    assert "fit-procrustes: " in result.output
    assert "no difference" in isthmus("diff", "last", "last", "--home", str(done[1])).output


def test_runs_are_listed(done: tuple[World, Path]) -> None:
    assert isthmus("runs", "--home", str(done[1])).output.count("DONE") == 2


def test_search_takes_an_embedding_and_refuses_what_the_model_has_not(done: tuple[World, Path]) -> None:
    world, home = done
    query = json.dumps(world.left["L470"].tolist())
    result = isthmus("search", query, "--home", str(home), "--top", "3")
    assert result.exit_code == 0
    assert len([line for line in result.output.splitlines() if line.strip().startswith(("0.", "-0.", "1."))]) == 3
    text = isthmus("search", "a text", "--home", str(home))
    assert text.exit_code != 0 and "there is no text side" in str(text.exception)
    assert "no such image" in str(isthmus("search", "gone.png", "--home", str(home)).exception)
    (home / "broken.png").write_bytes(b"\x89PNG")
    broken = isthmus("search", str(home / "broken.png"), "--home", str(home))
    assert "broken.png: undecodable image" in str(broken.exception)
    assert "the query is empty" in str(isthmus("search", " ", "--home", str(home)).exception)


def test_search_by_the_id_of_a_row_is_search_by_its_vector(done: tuple[World, Path]) -> None:
    world, home = done
    by_id = isthmus("search", "L470", "--id", "--home", str(home), "--top", "3")
    by_vector = isthmus(
        "search", json.dumps(world.left["L470"].tolist()), "--from", "left", "--home", str(home), "-k", "3"
    )
    assert by_id.exit_code == 0 and "left -> right" in by_id.output
    found, same = (re.findall(r"^ *(\S+) .*(R\d+) *$", told.output, re.M) for told in (by_id, by_vector))
    assert found == same and len(found) == 3
    assert "yes" in by_vector.output and "yes" not in by_id.output  # its partner is known: nothing to be sure of
    assert "no row has this id" in str(isthmus("search", "../L1", "--id", "--home", str(home)).exception)
    there = isthmus("search", "L470", "--id", "--from", "right", "--home", str(home))
    assert "no row of the right side has this id" in str(there.exception)


def test_a_contact_sheet_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    match = Match(id="a", title="a", score=1.0, thumbnail=picture.getvalue())
    with pytest.raises(UserError, match=r"contact sheet cannot be written .* choose another file with --sheet"):
        write_sheet([match], tmp_path, Console())


def test_gc_keeps_what_the_last_runs_use(done: tuple[World, Path]) -> None:
    world, home = done
    result = isthmus("gc", "--home", str(home), "--keep-runs", "1", "--dry-run")
    assert result.exit_code == 0 and "would be removed" in result.output
    again = isthmus("plan", str(world.recipe), "--home", str(home), *SETTINGS, "--set", "preprocess.pca_dim=8")
    assert "0 of 14 steps would run" in again.output


@pytest.mark.parametrize(
    "command", ["run", "plan", "show", "diff", "gc", "search", "suggest", "ui", "recipes", "sync", "runs"]
)
def test_every_command_explains_itself(command: str) -> None:
    result = isthmus(command, "--help")
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 5


def _params(command: Command) -> Iterator[Parameter]:
    yield from command.params
    for part in getattr(command, "commands", {}).values():
        yield from _params(part)


def test_no_help_text_is_taken_for_markup() -> None:
    helps = [text for p in _params(get_command(app)) if (text := getattr(p, "help", None))]
    assert len(helps) > 80
    assert [text for text in helps if Text.from_markup(text).plain != text] == []
    assert "(default: the last run)" in isthmus("show", "--help").output


def test_recipes_are_listed_and_printed() -> None:
    assert "emoji" in isthmus("recipes").output and "sue" in isthmus("recipes").output
    assert "pairs_budget: 100" in isthmus("recipes", "--show", "emoji").output
    told = isthmus("recipes", "--encoders").output
    assert "efficientnet-lite0" in told and "encoder: [efficientnet-lite0, hog-color]" in told
    assert "use-multilingual" in isthmus("recipes", "--show", "emoji-all").output


def test_plan_and_help_import_no_heavy_library(tmp_path: Path) -> None:
    code = (
        "import sys; from pipelines.cli import app; from pipelines.inspect import print_plan; import pipelines.align\n"
        "heavy = {'ray', 'mlflow', 'torch', 'sklearn', 'faiss', 'matplotlib', 'onnxruntime'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_ctrl_c_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipelines.inspect.print_runs", interrupted)
    monkeypatch.setattr("sys.argv", ["isthmus", "runs", "--home", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    assert "stopped; the same command goes on where it stopped" in " ".join(capsys.readouterr().err.split())


def test_a_mistake_is_one_sentence_on_stderr_and_exit_code_two(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pipelines.cli",
        "plan",
        "emoji",
        "--set",
        "spectral.dim=0",
        "--home",
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "'spectral.dim'" in done.stderr and len(done.stderr.strip().splitlines()) == 1
