"""A look at an encoder after an epoch: the objective on validation rows, and what the features are like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from components.devices import to_device
from components.errors import UserError
from components.evaluation.representation import effective_rank, knn_hits
from components.objectives.protocol import GlobalBatch
from components.pretraining.inputs import Inputs
from components.pretraining.labels import NONE
from components.pretraining.learner import Learner
from components.pretraining.rows import TRAIN, VALID
from components.training import Session, gather, own_columns

PROBE_ROWS = 2000
"""Training rows among which validation rows look for their neighbours, and validation rows that look, at most."""
PLAIN_BATCH = 256


class Look:
    """The same rows and the same views after every epoch.

    Args:
        batch: validation rows of the objective, at most: the loss of a contrastive one depends on their number.
    """

    def __init__(self, learner: Learner, inputs: Inputs, session: Session, *, batch: int, seed: int) -> None:
        self.learner, self.inputs, self.session, self.seed = learner, inputs, session, seed
        rows = self._known(inputs.rows.of(VALID)) if learner.criterion.labelled else inputs.rows.of(VALID)
        self.valid = np.random.default_rng([seed, 3]).permutation(rows)[:batch]
        self.gallery, self.queries = (self._probe_rows(split) for split in (TRAIN, VALID))

    @torch.no_grad()
    def metrics(self) -> dict[str, float]:
        """Effective rank of features and head; the loss, if there are validation rows; the probe, if there are labels.

        Raises UserError if the weights have overflowed.
        """
        self.learner.both.eval()
        h, z = self._plain_outputs(np.concatenate([self.gallery, self.queries]))
        if not (np.isfinite(h).all() and np.isfinite(z).all()):
            raise UserError("the features are not finite any more", do="lower the learning rate")
        found = {"effective_rank": effective_rank(h), "effective_rank_head": effective_rank(z)}
        if len(self.valid) > 1:
            scored = self.learner.score(*self._valid_outputs(), self.valid, [self.seed, 6])
            found["validation_loss"] = float(scored.loss)
        of_row, cut = self.learner.classes.of_row, len(self.gallery)
        if len(self.learner.classes) > 1 and len(self.queries):
            hits = knn_hits(h[:cut], of_row[self.gallery], h[cut:], of_row[self.queries])
            found["probe_accuracy"] = float(hits.mean())
        return found

    @torch.no_grad()
    def diagnosis(self) -> dict[str, Any]:
        """The objective's arrays for figures, of the validation rows in the order of their classes."""
        if len(self.valid) < 2:
            return {}
        self.learner.both.eval()
        self.valid = self.valid[np.argsort(self.learner.classes.of_row[self.valid], kind="stable")]
        z, target = self._valid_outputs()
        classes = self.learner.classes_of(self.valid)
        found = self.learner.criterion.diagnose(GlobalBatch(z=z, target=target, classes=classes, seed=0))
        return {**found, "classes": self.learner.classes.of_row[self.valid]} if found else {}

    def _known(self, rows: np.ndarray) -> np.ndarray:
        return rows[self.learner.classes.of_row[rows] != NONE]

    def _probe_rows(self, split: str) -> np.ndarray:
        """Rows of a split, drawn evenly; with labels, if there are any."""
        rows = np.random.default_rng([self.seed, 5]).permutation(self.inputs.rows.of(split))
        rows = self._known(rows) if len(self.learner.classes) > 1 else rows
        return np.sort(rows[:PROBE_ROWS])

    def _plain_outputs(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features [N, D] and outputs of the head [N, K] of plain rows; each worker makes its share."""
        columns = own_columns(len(numbers), self.session)
        h, z = [], []
        for start in range(columns.start, columns.stop, PLAIN_BATCH):
            chunk = numbers[start : min(start + PLAIN_BATCH, columns.stop)].tolist()
            with self.learner.autocast():
                x = self.learner.network.features(to_device(self.inputs.plain(chunk), self.learner.device))
                h.append(x.float())
                z.append(self.learner.network.head(x).float())
        return self._together(h, columns, len(numbers)), self._together(z, columns, len(numbers))

    def _together(self, parts: list[torch.Tensor], columns: range, total: int) -> np.ndarray:
        return gather(torch.cat(parts)[None], columns, total, self.session)[0].cpu().numpy()

    def _valid_outputs(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Outputs [V, B, K] for random views of validation rows, also of the target network. Every worker makes all."""
        draw = np.random.default_rng([self.seed, 7])
        seeds = draw.integers(2**62, size=(self.learner.views, len(self.valid)))
        views = [to_device(self.inputs.random(self.valid.tolist(), s.tolist()), self.learner.device) for s in seeds]

        def through(forward: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
            return torch.stack([forward(view).float() for view in views])

        return through(self.learner.forward), through(self.learner.forward_target) if self.learner.target else None
