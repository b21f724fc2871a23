"""Scores of pairs from modalities that never met, through a third one (LUCL).

``estimate(name, queries [N, D1], candidates [K, D2], bridge: Bridge, critics: CriticPair(ab, bc, same_space),
options: BridgeOptions(memory_budget, bandwidth, top, ess_floor, seed)) -> BridgeScores`` in ``estimators.py``.
"""
