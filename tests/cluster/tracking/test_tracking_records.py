from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.tracking.records import (
    MAX_PARAM,
    MAX_TAG,
    clean_name,
    cut,
    facts_record,
    input_of,
    metric_record,
    output_uri,
    params_of,
    tags_of,
)


def test_configuration_becomes_dotted_parameters() -> None:
    params = params_of({"spectral": {"dim": 8, "solver": "eigen"}, "layers": [64, 32], "empty": {}, "none": None})
    assert params == {
        "spectral.dim": "8",
        "spectral.solver": "eigen",
        "layers": "[64, 32]",
        "empty": "{}",
        "none": "null",
    }


@pytest.mark.parametrize(
    ("place", "store", "uri"),
    [
        ("/data/store/objects/cca-1", "/data/store", "/data/store/objects/cca-1"),
        ("bucket/objects/cca-1", "s3://key:secret@bucket?region=eu", "s3://bucket/objects/cca-1?region=eu"),
        ("bucket/objects/cca-1", "", ""),
        ("", "s3://bucket", ""),
    ],
)
def test_where_an_output_lies(place: str, store: str, uri: str) -> None:
    assert output_uri(place, store) == uri


def test_long_parameters_are_cut_and_say_how_long_they_were() -> None:
    (value,) = params_of({"text": "x" * 10_000}).values()
    assert len(value) == MAX_PARAM
    assert value.endswith("[cut: 10000 characters in all]")
    assert cut("y" * MAX_PARAM, MAX_PARAM) == "y" * MAX_PARAM


def test_passwords_of_a_recipe_never_become_parameters() -> None:
    params = params_of({"left": {"source": "s3://me:pa55word@host/x", "password": "pa55word"}})
    assert "pa55word" not in str(params)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=400))
def test_every_name_is_one_that_mlflow_accepts(name: str) -> None:
    from mlflow.utils.validation import _validate_metric_name, _validate_param_name, _validate_tag_name

    for check in (_validate_metric_name, _validate_param_name, _validate_tag_name):
        check(clean_name(name))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_a_tag_and_no_metric(value: float) -> None:
    record = metric_record("uid", "loss", value, 1, index=7)
    assert record["metrics"] == []
    assert record["tags"] == {"nonfinite.loss": f"{value} at index 7"}


def test_facts_become_metrics_curves_and_tags() -> None:
    facts: dict[str, Any] = {
        "rows": 5,
        "gauge": {"cka": 0.5},
        "eigenvalues": [0.0, 0.5, math.nan],
        "name": "x",
        "ok": True,
    }
    record = facts_record("uid", facts, 9)
    points = {(name, index): value for name, value, _, index in record["metrics"]}
    assert points == {("rows", 0): 5.0, ("gauge.cka", 0): 0.5, ("eigenvalues", 0): 0.0, ("eigenvalues", 1): 0.5}
    assert record["tags"]["fact.name"] == "x"
    assert record["tags"]["fact.ok"] == "true"
    assert record["tags"]["nonfinite.eigenvalues"] == "nan at index 2 (1 of 3 values)"


def test_a_fact_does_not_fall_into_a_curve_of_its_name() -> None:
    record = facts_record("uid", {"loss": 0.1}, 9, taken=frozenset({"loss"}))
    assert [m[0] for m in record["metrics"]] == ["final.loss"]


def test_digests_fit_mlflow_and_are_kept_whole_in_a_tag() -> None:
    item = input_of("left", "sha256:" + "a" * 64, context="input")
    assert item["digest"] == "a" * 36
    assert item["tags"]["digest"] == "sha256:" + "a" * 64


def test_tags_leave_out_what_is_empty_and_cut_what_is_long() -> None:
    tags = tags_of({"a": None, "b": "", "c": "x" * 9000})
    assert list(tags) == ["c"]
    assert len(tags["c"]) == MAX_TAG
