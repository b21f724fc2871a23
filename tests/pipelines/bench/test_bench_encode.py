from __future__ import annotations

import pytest

from pipelines.bench.encode import _summary


def test_ratio_leaves_the_start_out_and_the_other_one_does_not() -> None:
    """A start of 3 s and 100 pictures a second on Ray, against 100 in the bare loop."""
    found = _summary(1000, [(100.0, 3 + 2.5, 3 + 10.0)] * 3)
    assert found["ratio"] == pytest.approx(1.0)
    assert found["ratio_end_to_end"] == pytest.approx(10 / 13)
    assert found["ray_images_per_s"] == pytest.approx(100)
    assert found["ray_end_to_end_images_per_s"] == pytest.approx(1000 / 13)


def test_medians_ignore_one_bad_repetition() -> None:
    found = _summary(1000, [(100.0, 2.5, 10.0), (100.0, 2.5, 10.0), (10.0, 9.0, 300.0)])
    assert found["ratio"] == pytest.approx(1.0)
    assert len(found["ratios"]) == 3
