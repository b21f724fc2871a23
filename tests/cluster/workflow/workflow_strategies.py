"""Random graphs for property tests."""

from __future__ import annotations

from hypothesis import strategies as st
from workflow_bodies import make

from cluster.workflow.step import Step


@st.composite
def random_steps(draw: st.DrawFn) -> list[Step]:
    """One to nine steps ``s0``, ``s1``, …; each reads any of those before it."""
    steps: list[Step] = []
    for number in range(draw(st.integers(1, 9))):
        picked = draw(st.lists(st.sampled_from(steps), unique_by=lambda s: s.name)) if steps else []
        steps.append(make(f"s{number}", *picked, value=number))
    return steps
