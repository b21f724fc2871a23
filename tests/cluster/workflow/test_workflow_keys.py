"""Identity: equal definitions have equal keys, and everything that decides the result changes it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from workflow_bodies import make

from cluster.workflow.keys import canonical, changes, flatten, step_key
from cluster.workflow.step import Resources
from components.errors import UserError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_canonical_json_round_trips_and_ignores_the_order_of_keys(value: object) -> None:
    text = canonical(value)
    assert json.loads(text) == value
    assert canonical(_reversed(value)) == text


def _reversed(value: object) -> object:
    if isinstance(value, dict):
        return {k: _reversed(v) for k, v in reversed(list(value.items()))}
    return [_reversed(v) for v in value] if isinstance(value, list) else value


def test_the_key_is_the_same_on_every_machine() -> None:
    """A constant: if this changes, every store that users have turns stale."""
    step = make("encode", dim=8, text="größer 🙂")
    assert step_key(step, {"shards": "00ff"}) == "b4f361d35c4d5ad861dcb6d2dcce6384c10af760465dcc18f4484b44996d76a0"


@pytest.mark.parametrize(
    "other",
    [
        {"name": "encode-2"},
        {"version": "2"},
        {"config": {"dim": 9}},
        {"config": {"dim": 8.0}},
        {"config": {"dim": "8"}},
        {"config": {}},
        {"externals": {"pairs": "ab"}},
    ],
)
def test_what_decides_the_result_changes_the_key(other: dict[str, object]) -> None:
    step = make("encode", dim=8)
    assert step_key(replace(step, **other), {}) != step_key(step, {})


def test_the_inputs_keys_and_names_are_hashed() -> None:
    step = make("encode", dim=8)
    keys = {step_key(step, i) for i in ({}, {"a": "1"}, {"a": "2"}, {"b": "1"})}
    assert len(keys) == 4


def test_what_only_says_how_and_where_does_not_change_the_key() -> None:
    step = make("encode", dim=8)
    other = replace(
        step, resources=Resources(cpus=8, gpus=1), options={"workers": 4}, locations={"p": "/b"}, run="other:body"
    )
    assert step_key(other, {}) == step_key(step, {})


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"a": {"b": float("nan")}}, "config.a.b"),
        ({"a": [1, np.int64(3)]}, r"config.a\[1\]: a numpy.int64"),
        ({"a": {1: 2}}, "config.a: the key 1"),
        ({"a": object()}, "config.a"),
        ({"a": b"x"}, "config.a"),
    ],
)
def test_what_is_not_json_is_refused_with_its_path(config: dict[str, object], told: str) -> None:
    with pytest.raises(UserError, match=told):
        step_key(replace(make("encode"), config=config), {})


def test_changes_name_the_path_and_both_values() -> None:
    old = {"alignment": {"dim": 8, "method": "cca", "gone": True}, "seed": 0, "list": [1, 2]}
    new = {"alignment": {"dim": 16, "method": "csa", "fresh": None}, "seed": 0, "list": [1, 3]}
    assert changes(old, new) == [
        "alignment.dim 8 -> 16",
        "alignment.fresh is new: null",
        "alignment.gone true is gone",
        "alignment.method cca -> csa",
        "list [1, 2] -> [1, 3]",
    ]


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_nothing_changes_between_equal_configs(config: dict[str, object]) -> None:
    assert changes(config, json.loads(json.dumps(config))) == []
    assert all(not isinstance(v, dict) or not v for v in flatten(config).values())
