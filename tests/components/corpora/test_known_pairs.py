"""Pairs files are refused before anything is fitted, with the file and an example."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.corpora.pairs import Known, KnownPairs, known_pairs, refuse_leakage
from components.errors import UserError

LEFT = Known(ids=["1", "2", "3", "007"], quarantined={"9"})
RIGHT = Known(ids=["a", "b", "c", "d"])


def read(folder: Path, rows: str, header: str = "left_id,right_id") -> KnownPairs:
    (folder / "pairs.csv").write_text(f"{header}\n{rows}\n")
    return known_pairs(str(folder / "pairs.csv"), LEFT, RIGHT)


def test_ids_stay_text_and_order_does_not_matter(tmp_path: Path) -> None:
    found = read(tmp_path, "007,d\n1,a\n2,b")
    assert found.pairs == [("007", "d"), ("1", "a"), ("2", "b")]
    assert read(tmp_path, "b,2\na,1\nd,007", header="right_id,left_id").pairs == found.pairs


def test_parquet_with_whole_numbers(tmp_path: Path) -> None:
    pq.write_table(pa.table({"left_id": [1, 2], "right_id": ["a", "b"]}), tmp_path / "pairs.parquet")
    assert known_pairs(str(tmp_path / "pairs.parquet"), LEFT, RIGHT).pairs == [("1", "a"), ("2", "b")]


def test_builtin_pairs_are_equal_ids() -> None:
    found = known_pairs("builtin:emoji", Known(ids=["x", "y", "z"]), Known(ids=["z", "x"]))
    assert found.pairs == [("x", "x"), ("z", "z")]


def test_repeated_pair_counts_once_and_quarantined_row_is_told(tmp_path: Path) -> None:
    found = read(tmp_path, "1,a\n1,a\n9,b")
    assert found.pairs == [("1", "a")]
    assert "1 rows repeat a pair, which counts once" in found.warnings[0]
    assert "1 pairs are left out, their rows are in quarantine" in found.warnings[1]


def test_a_list_that_is_filled_in_partly_counts_as_far_as_it_is_filled_in(tmp_path: Path) -> None:
    found = read(tmp_path, '1,a,one\n2,,two\n3, ,"three, or so"\n,b,\n,,', header="left_id,right_id,title")
    assert found.pairs == [("1", "a")]
    assert [w.rpartition(": ")[2] for w in found.warnings] == ["4 rows are left out, without a partner"]
    assert read(tmp_path, "1,\n2,").pairs == []


def test_a_row_that_does_not_fit_the_header_is_left_out_and_named(tmp_path: Path) -> None:
    found = read(tmp_path, "1,a\n2\n3,c,d")
    assert found.pairs == [("1", "a")]
    assert "2 rows are left out, e.g. row 2: row does not fit the header" in found.warnings[0]


def test_an_id_that_is_not_utf8_is_left_out_and_named(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_bytes("left_id,right_id\n1,a\n2,größe\n".encode("latin-1"))
    found = known_pairs(str(tmp_path / "pairs.csv"), LEFT, RIGHT)
    assert found.pairs == [("1", "a")]
    assert "1 row is left out, e.g. row 2: an id is not UTF-8" in found.warnings[0]


def test_partners_that_are_null_in_parquet_are_not_filled_in(tmp_path: Path) -> None:
    pq.write_table(pa.table({"left_id": ["1", "2"], "right_id": ["a", None]}), tmp_path / "pairs.parquet")
    found = known_pairs(str(tmp_path / "pairs.parquet"), LEFT, RIGHT)
    assert found.pairs == [("1", "a")] and "1 row is left out" in found.warnings[0]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("1,a\n8,b", r"pairs\.csv: 1 id \('8'\) of column left_id is not in the left corpus \(its ids look like '007'"),
        ("1,x\n2,y", r"2 ids \('x', 'y'\) of column right_id are not in the right corpus"),
        ("1,a\n1,b", r"1 id \('1'\) of column left_id is in several pairs \('1' with 'a', 'b'\)"),
        ("1,a\n2,a", r"'a' with '1', '2'\); pairs must be one to one"),
        ("1,a\n1,b\n1,c\n1,d", r"\('1' with 'a', 'b', 'c', …\)"),
        ("a,1\nb,2", "the other corpus has them: swap left_id and right_id"),
    ],
)
def test_refused(tmp_path: Path, rows: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        read(tmp_path, rows)


def test_columns_and_forms(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="need the columns left_id and right_id; the columns are left, right"):
        read(tmp_path, "1,a", header="left,right")
    with pytest.raises(UserError, match=r"none\.csv: no such file"):
        known_pairs(str(tmp_path / "none.csv"), LEFT, RIGHT)
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(UserError, match="these are pictures"):
        known_pairs(str(tmp_path / "a.png"), LEFT, RIGHT)


@pytest.mark.parametrize(("pair", "column"), [(("1", "b"), "left_id"), (("2", "a"), "right_id")])
def test_leakage_is_refused(pair: tuple[str, str], column: str) -> None:
    pairs = KnownPairs(pairs=[("1", "a")], where="pairs.csv")
    with pytest.raises(UserError, match=rf"heldout\.csv: 1 id .* of column {column} is in pairs\.csv too"):
        refuse_leakage(pairs, KnownPairs(pairs=[pair], where="heldout.csv"))
    refuse_leakage(pairs, KnownPairs(pairs=[("2", "b")], where="heldout.csv"))
