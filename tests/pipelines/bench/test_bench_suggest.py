import numpy as np

from pipelines.bench import suggest as bench


def test_numbers_are_of_a_choice_that_covers(monkeypatch) -> None:
    monkeypatch.setattr(bench, "BUDGET", 40)
    facts = bench.measure_one(3000)
    gained = facts["coverage_all_rows_one_round"] - facts["coverage_random"]
    assert gained > 0.02
    assert abs(facts["coverage_all_rows"] - facts["coverage_all_rows_one_round"]) < 0.2 * gained
    assert facts["peak_mib"] >= facts["corpus_mib"] > 10 and facts["seconds"] > 0


def test_sizes_run_in_processes_of_their_own(monkeypatch) -> None:
    monkeypatch.setattr(bench, "QUICK_ROWS", (300, 600))
    result = bench.measure(quick=True)
    assert set(result["rows"]) == {"300", "600"} and len(result["cpu_seconds_growth"]) == 1
    assert all(facts["coverage"] >= facts["coverage_random"] for facts in result["rows"].values())


def test_the_corpus_is_clustered_and_the_same_every_time() -> None:
    one, again = bench.clustered(500), bench.clustered(500)
    assert np.array_equal(one.vectors, again.vectors) and one.vectors.dtype == np.float16
    centred = one.vectors.astype(np.float32) - one.vectors.mean(axis=0, dtype=np.float32)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    cosines = (unit @ unit.T)[np.triu_indices(500, 1)]
    assert np.mean(cosines > 0.35) > 0.001 and np.median(np.abs(cosines)) < 0.1
