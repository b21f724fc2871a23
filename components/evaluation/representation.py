"""What a set of embeddings looks like and what can be read off it, before anything is aligned.

Effective rank: Roy & Vetterli, "The effective rank" (EUSIPCO 2007). Alignment and uniformity: Wang & Isola (ICML 2020).
"""

from __future__ import annotations

import numpy as np

MOST_PAIRED = 4096  # rows for the uniformity, which compares all with all


def singular_spectrum(rows: np.ndarray) -> np.ndarray:
    """Singular values of the centred rows [N, D], descending, with a sum of one (all zero if the rows are equal)."""
    centred = np.asarray(rows, np.float64) - np.mean(rows, axis=0, dtype=np.float64)
    values = np.linalg.svd(centred, compute_uv=False)
    total = values.sum()
    return values / total if total > 0 else values


def effective_rank(rows: np.ndarray) -> float:
    """exp of the entropy of the singular spectrum: how many dimensions the rows fill. 0 if all are equal."""
    spectrum = singular_spectrum(rows)
    kept = spectrum[spectrum > 0]
    return float(np.exp(-np.sum(kept * np.log(kept)))) if len(kept) else 0.0


def alignment_of(first: np.ndarray, second: np.ndarray) -> float:
    """Mean squared distance of two views of each row at unit length: 0 is perfect, 2 is no relation."""
    return float(np.mean(np.sum((_unit(first) - _unit(second)) ** 2, axis=1)))


def uniformity_of(rows: np.ndarray) -> float:
    """log of the mean of exp(-2 d^2) over all pairs at unit length: lower is more uniform, 0 is one point."""
    unit = _unit(rows[:MOST_PAIRED])
    if len(unit) < 2:
        return 0.0
    squared = np.clip(2 - 2 * unit @ unit.T, 0, None)[np.triu_indices(len(unit), 1)]
    return float(np.log(np.mean(np.exp(-2 * squared))))


def knn_hits(
    gallery: np.ndarray, gallery_classes: np.ndarray, queries: np.ndarray, query_classes: np.ndarray, *, k: int = 10
) -> np.ndarray:
    """Whether the cosine-weighted vote of the ``k`` nearest gallery rows is right for each query. [Q] bool.

    Wu et al., "Unsupervised feature learning via non-parametric instance discrimination" (CVPR 2018); ties go to the
    smaller class number.
    """
    scores = _unit(queries) @ _unit(gallery).T
    k = min(k, len(gallery))
    near = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    votes = np.zeros((len(queries), int(gallery_classes.max()) + 1))
    weights = np.exp(np.take_along_axis(scores, near, axis=1) / 0.1 - 10.0)
    np.add.at(votes, (np.arange(len(queries))[:, None], gallery_classes[near]), weights)
    return votes.argmax(axis=1) == query_classes


def linear_hits(
    rows: np.ndarray, classes: np.ndarray, queries: np.ndarray, query_classes: np.ndarray, *, strength: float = 1.0
) -> np.ndarray:
    """Whether a logistic regression on the standardised ``rows`` is right for each query. [Q] bool.

    Args:
        strength: inverse of the ridge penalty (``C`` of scikit-learn).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), LogisticRegression(C=strength, tol=1e-3, max_iter=1000))
    probe.fit(rows, classes)
    return np.asarray(probe.predict(queries) == query_classes)


def majority_hits(classes: np.ndarray, query_classes: np.ndarray) -> np.ndarray:
    """Whether the commonest class is right for each query: what a probe has to beat. [Q] bool."""
    values, counts = np.unique(classes, return_counts=True)
    return np.asarray(query_classes == values[counts.argmax()])


def _unit(rows: np.ndarray) -> np.ndarray:
    wide = np.asarray(rows, np.float64)
    return wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)
