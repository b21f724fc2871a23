"""The section about auto: which rows are shown, the reason in the names of the tables, who was left out."""

from __future__ import annotations

import csv
import io

from report_samples import choice

from components.reporting.choice import choice_table, details, left_out, reason, shown
from components.reporting.data import Choice


def test_candidates_and_corrected_sums_are_shown_and_the_csv_has_all() -> None:
    assert [t.name for t in shown(choice())] == ["stack+bank", "kernel-ridge", "csa", "functional-map"]
    table = choice_table(choice())
    assert [(line.name, list(line.marks)) for line in table.lines] == [
        ("Weighted sum+bank", ["exported"]),
        ("Kernel ridge", []),
        ("CSA", []),
        ("Functional map", ["given up"]),
    ]
    assert [c.text for c in table.lines[1].cells] == ["12.0", "40.0", "−2.20", "+0.10", "1.2"]
    rows = list(csv.DictReader(io.StringIO(table.csv)))
    assert len(rows) == 6 and rows[5]["skipped"].startswith("far behind")


def test_a_chosen_row_is_shown_whatever_it_is() -> None:
    whole = choice()
    chosen = Choice(chosen="kernel-ridge+bank", reason="", tried=whole.tried)
    assert "kernel-ridge+bank" in [t.name for t in shown(chosen)]


def test_reason_speaks_the_names_of_the_tables_and_ends() -> None:
    told = reason(choice())
    assert told.startswith("Weighted sum+bank, as nothing") and told.endswith("against CSA.")


def test_details_name_shares_and_other_draws_but_no_single_draw() -> None:
    shares, draws = details(choice())
    assert shares == "Shares in its score: Kernel ridge 75 %, CSA 25 %."
    assert draws.startswith("5 draws,") and draws.endswith("Weighted sum+bank 4, CSA 1.")


def test_left_out_are_those_given_up_and_those_that_could_not_be_fitted() -> None:
    assert [name for name, _ in left_out(choice())] == ["Fused CSA", "Functional map"]
