"""Graphs: order, names, refusals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from workflow_bodies import make
from workflow_strategies import random_steps

from cluster.workflow.graph import Graph
from cluster.workflow.step import Step
from components.errors import UserError


@given(random_steps())
def test_every_step_comes_after_its_inputs(steps: list[Step]) -> None:
    graph = Graph.of(*steps)
    order = list(graph.steps)
    assert sorted(order) == sorted(s.name for s in steps)
    for name in order:
        assert all(order.index(i) < order.index(name) for i in graph.inputs_of(name))


@given(random_steps(), st.integers(0, 8))
def test_a_change_reaches_exactly_what_is_downstream(steps: list[Step], which: int) -> None:
    name = steps[which % len(steps)].name
    changed: dict[str, Step] = {}
    for step in steps:
        inputs = [changed[i.name] for i in step.inputs.values()]
        value = -1 if step.name == name else step.config["value"]
        changed[step.name] = make(step.name, *inputs, value=value)
    before, after = Graph.of(*steps), Graph.of(*changed.values())
    differing = {n for n in before.keys if before.keys[n] != after.keys[n]}
    assert differing == before.downstream([name])


def test_a_deep_diamond_is_not_walked_exponentially() -> None:
    left = right = make("bottom")
    for level in range(60):  # 2**60 paths
        left, right = make(f"left-{level}", left, right), make(f"right-{level}", left, right)
    assert len(Graph.of(left, right)) == 121


def test_two_different_steps_of_one_name_are_refused() -> None:
    with pytest.raises(UserError, match="two different steps are called a"):
        Graph.of(make("b", make("a", value=1)), make("a", value=2))


def test_one_step_made_twice_alike_is_one_step() -> None:
    assert list(Graph.of(make("b", make("a", value=1)), make("a", value=1)).steps) == ["a", "b"]


@pytest.mark.parametrize("name", ["", "A", "a_b", "a--b", "-a", "a/b", "../a", "a.b", "1a", "ä"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="no name for a step"):
        Graph.of(make(name))


def test_a_cycle_is_refused() -> None:
    inputs: dict[str, Step] = {}
    first = Step(name="a", version="1", run="x:y", inputs=inputs)
    inputs["b"] = make("b", first)
    with pytest.raises(UserError, match="a -> b -> a"):
        Graph.of(first)


def test_options_must_be_json_too() -> None:
    with pytest.raises(UserError, match="options of step a"):
        Graph.of(Step(name="a", version="1", run="x:y", options={"f": print}))


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match="there is no step x; the steps are: a, b"):
        Graph.of(make("b", make("a"))).downstream(["x"])
