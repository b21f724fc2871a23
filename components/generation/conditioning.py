"""What a generator is told of a picture or a text: principal components of its place in the shared space.

Pictures and texts do not lie in the same region of a shared space. A text is therefore put among the pictures first:
its condition is that of the training pictures' mean, each weighted by exp(sharpness · score / spread of the scores).
A generator trained with such blends of a picture's neighbours in place of its own coordinates knows what they mean.
The sharpness is chosen on the training pictures: the one whose blends of all others are most often recognised as the
picture that was left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from components.files import Folder
from components.transforms import unit_rows

CHUNK = 1024
SHARPNESS = (2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0)
RECOGNISED = 10  # among so many nearest pictures


@dataclass(frozen=True)
class Conditioner:
    """Fitted on the coordinates of the training pictures, and holding them.

    Attributes:
        bank: coordinates of the training pictures [M, K].
        mean, basis: of their principal components, [K] and [K, d]; the components' mean square is 1 on average.
        sharpness: see the module; ``spread`` is the standard deviation of the pictures' scores among each other.
    """

    bank: np.ndarray
    mean: np.ndarray
    basis: np.ndarray
    sharpness: float
    spread: float

    @classmethod
    def fit(cls, pictures: np.ndarray, *, dim: int, sharpness: float | None = None) -> Conditioner:
        """From coordinates ``pictures`` [M, K], M >= 2. At most ``dim`` components; without ``sharpness`` it is chosen.
        O(M K min(M, K))."""
        rows = np.asarray(pictures, np.float32)
        mean = rows.mean(axis=0)
        _, size, axes = np.linalg.svd(rows - mean, full_matrices=False)
        kept = min(dim, int((size > 1e-5 * size[0]).sum()) or 1)
        scale = np.sqrt((size[:kept] ** 2).sum() / (len(rows) * kept)) or 1.0
        spread = float((rows[:CHUNK] @ rows.T).std()) or 1.0
        found = cls(rows, mean, np.ascontiguousarray(axes[:kept].T / scale, np.float32), sharpness or 1.0, spread)
        return found if sharpness else replace(found, sharpness=found._most_recognised())

    @property
    def dim(self) -> int:
        return int(self.basis.shape[1])

    def of(self, coordinates: np.ndarray) -> np.ndarray:
        """Conditions of places in the shared space as they are. [N, K] -> [N, d]"""
        return np.asarray((coordinates - self.mean) @ self.basis, np.float32)

    def blended(self, queries: np.ndarray) -> np.ndarray:
        """Conditions of texts [N, K]: of the training pictures, weighted by their scores. [N, d]"""
        blocks = (self._blend(queries[s : s + CHUNK]) for s in range(0, len(queries), CHUNK))
        return self.of(np.concatenate([*blocks, np.zeros((0, self.bank.shape[1]), np.float32)]))

    def neighbours(self) -> np.ndarray:
        """For each training picture the blend of all others. [M, d]"""
        starts = range(0, len(self.bank), CHUNK)
        return self.of(np.concatenate([self._blend(self.bank[s : s + CHUNK], own=s) for s in starts]))

    def _most_recognised(self) -> float:
        """The sharpness under which most pictures are among the nearest to the blend of all others."""
        own = self.of(self.bank)
        left_out = np.arange(0, len(own), -(-len(own) // CHUNK))
        at = np.arange(len(left_out)), left_out
        logits = self.bank[left_out] @ self.bank.T / self.spread
        logits[at] = -np.inf
        logits -= logits.max(axis=1, keepdims=True)

        def recognised(sharpness: float) -> float:
            scores = unit_rows(np.exp(sharpness * logits) @ own) @ unit_rows(own).T
            return float(np.mean((scores > scores[at][:, None]).sum(axis=1) < RECOGNISED))

        return max(SHARPNESS, key=recognised)

    def _blend(self, queries: np.ndarray, own: int | None = None) -> np.ndarray:
        logits = (queries @ self.bank.T) * (self.sharpness / self.spread)
        if own is not None:
            logits[np.arange(len(queries)), own + np.arange(len(queries))] = -np.inf
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray((weights / weights.sum(axis=1, keepdims=True)) @ self.bank, np.float32)

    def save(self, folder: Folder, name: str) -> None:
        folder.write_tensors(f"{name}.safetensors", {"bank": self.bank, "mean": self.mean, "basis": self.basis})
        folder.write_json(f"{name}.json", {"sharpness": self.sharpness, "spread": self.spread})

    @classmethod
    def load(cls, folder: Folder, name: str) -> Conditioner:
        rows, scalars = folder.read_tensors(f"{name}.safetensors"), folder.read_json(f"{name}.json")
        return cls(rows["bank"], rows["mean"], rows["basis"], scalars["sharpness"], scalars["spread"])
