"""Training of SpectralNet on edges of the global neighbour graph; data-parallel with an exact global batch.

The batch of (epoch, step) is drawn from the seed alone and every worker takes its share of it, so that one worker with
2B rows and two with B compute the same Gram matrix, the same gradient and the same weights, up to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from components.graphs.walk import WalkSampler
from components.spectral.config import SpectralNetConfig
from components.spectral.spectralnet import SpectralNet, edge_loss, make_net, orthogonaliser, outputs, rotate
from components.training import Checkpoint, Session, mean_gradients, pack, run_to_end, share, unpack

VALIDATION_EDGES = 4096
# Small corpora would otherwise see one step per epoch.
MIN_STEPS = 10


@dataclass(frozen=True)
class SpectralNetFit:
    """A trained SpectralNet.

    Attributes:
        net: the map.
        eigenvalues: of P within the learned span, descending. [K]
        trivial: |mean| of the dropped column; near 1 if the constant function was learned.
        losses: validation loss of every epoch, an estimate of sum (1 - lambda) over the K + 1 outputs.
    """

    net: SpectralNet
    eigenvalues: np.ndarray
    trivial: float
    losses: tuple[float, ...]


def fit_spectralnet(
    rows: np.ndarray, weights: sp.csr_matrix, config: SpectralNetConfig, session: Session, *, seed: int = 0
) -> SpectralNetFit:
    """Train on ``rows`` [N, D] with the graph ``weights`` [N, N]; resumes from the session's newest checkpoint."""
    training = _Training(rows, weights, config, session, seed)
    run_to_end(training, session)
    return training.result()


class _Training:
    def __init__(
        self, rows: np.ndarray, weights: sp.csr_matrix, config: SpectralNetConfig, session: Session, seed: int
    ) -> None:
        self.rows, self.weights, self.config, self.session, self.seed = rows, weights, config, session, seed
        self.scale = 1.0 / max(float(np.sqrt(np.mean(np.square(rows, dtype=np.float64)))), 1e-12)
        self.x = torch.from_numpy(np.ascontiguousarray(rows, np.float32)).to(session.device) * self.scale
        self.net = make_net(rows.shape[1], config.widths, config.dim + 1, seed=seed).to(session.device)
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=config.learning_rate)
        self.plateau = ReduceLROnPlateau(self.optimizer, factor=config.factor, patience=config.patience)
        self.epoch = 0
        self.losses: list[float] = []
        self._split(np.random.default_rng([seed, 0]))

    def _split(self, rng: np.random.Generator) -> None:
        """Validation rows take no part in training, not even as neighbours."""
        num_rows = len(self.rows)
        order = rng.permutation(num_rows)
        num_held = max(1, round(self.config.validation_fraction * num_rows))
        held, self.train = np.sort(order[:num_held]), np.sort(order[num_held:])
        self.walk = WalkSampler(self.weights[self.train][:, self.train].tocsr())
        self.batch = min(self.config.batch, len(self.train))
        self.steps = max(MIN_STEPS, -(-len(self.train) // self.batch))
        everywhere = WalkSampler(self.weights)
        held_mass = np.asarray(self.weights[held].sum(axis=1)).ravel()
        anchors = rng.choice(held, min(VALIDATION_EDGES, 4 * num_held), p=held_mass / held_mass.sum())
        self.validation = anchors, everywhere.step(anchors, rng)
        self.reference = self.train[self.walk.anchors(VALIDATION_EDGES, rng)]

    @property
    def finished(self) -> bool:
        low = self.optimizer.param_groups[0]["lr"] <= self.config.min_learning_rate
        return self.epoch >= self.config.epochs or low

    def run_epoch(self) -> None:
        train_loss = float(np.mean([self._step(step) for step in range(self.steps)]))
        loss = self._validate()
        self.losses.append(loss)
        self.plateau.step(loss)
        self.epoch += 1
        rate = self.optimizer.param_groups[0]["lr"]
        self.session.save(self._checkpoint(), {"loss": train_loss, "validation_loss": loss, "learning_rate": rate})

    def _step(self, step: int) -> float:
        """Orthogonalisation on one batch, then a gradient on an independent one with V held constant."""
        rng = np.random.default_rng([self.seed, 1, self.epoch, step])
        other, anchors = self.train[self.walk.anchors(self.batch, rng)], self.walk.anchors(self.batch, rng)
        neighbours = self.train[self.walk.step(anchors, rng)]
        y_other, y_anchor, y_neighbour = self._outputs(other, self.train[anchors], neighbours)
        v = self._orthogonaliser(y_other)
        loss = edge_loss(y_anchor @ v, y_neighbour @ v) * (len(y_anchor) * self.session.world / self.batch)
        multiplier = self._multiplier(y_other, y_anchor, y_neighbour, v)
        self.optimizer.zero_grad()
        (loss - multiplier).backward()
        mean_gradients(list(self.net.parameters()), self.session)
        self.optimizer.step()
        return float(self.session.mean(loss.detach()))

    def _outputs(self, *batches: np.ndarray) -> tuple[torch.Tensor, ...]:
        """Net outputs of this worker's share of several global batches, in one pass."""
        mine = [share(batch, self.session) for batch in batches]
        y = self.net(self.x[np.concatenate(mine)])
        return y.split([len(m) for m in mine])

    @torch.no_grad()
    def _orthogonaliser(self, y: torch.Tensor) -> torch.Tensor:
        """V from the Gram matrix of the global batch of which ``y`` is this worker's share."""
        return orthogonaliser(self._global(y.double().T @ y.double())).to(y.dtype)

    def _global(self, total: torch.Tensor) -> torch.Tensor:
        """The workers' sums over their shares of a global batch as one mean over the batch."""
        return self.session.mean(total * (self.session.world / self.batch))

    def _multiplier(
        self, y_other: torch.Tensor, y_anchor: torch.Tensor, y_neighbour: torch.Tensor, v: torch.Tensor
    ) -> torch.Tensor:
        """tr(Lambda Y^T Pi Y): the Lagrange term of Y^T Pi Y = I, with Lambda = Y^T (D - W) Y / vol held constant.

        Without it, V held constant makes every step shrink the outputs, the smooth ones least: the Gram matrix loses
        its rank and training diverges. With it the step is the exact gradient of tr((Y^T Pi Y)^-1 Y^T (D - W) Y).
        """
        with torch.no_grad():
            difference = (y_anchor - y_neighbour) @ v
            lagrange = self._global(difference.T @ difference / 2)
        y = y_other @ v
        return ((y @ lagrange) * y).sum() * (self.session.world / self.batch)

    @torch.no_grad()
    def _validate(self) -> float:
        y_reference, y_anchor, y_neighbour = (self.net(self.x[rows]) for rows in (self.reference, *self.validation))
        v = orthogonaliser(y_reference.T @ y_reference / len(y_reference)).to(y_anchor.dtype)
        return float(self.session.mean(edge_loss(y_anchor @ v, y_neighbour @ v)))

    def _checkpoint(self) -> Checkpoint:
        facts = {
            "plateau": {k: v for k, v in self.plateau.state_dict().items() if k in _PLATEAU},
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "losses": self.losses,
        }
        return Checkpoint(self.epoch, pack(self.net, self.optimizer), facts)

    def restore(self, found: Checkpoint) -> None:
        unpack(found.arrays, self.net, self.optimizer)
        self.plateau.load_state_dict({**self.plateau.state_dict(), **found.facts["plateau"]})
        self.optimizer.param_groups[0]["lr"] = found.facts["learning_rate"]
        self.losses, self.epoch = list(found.facts["losses"]), found.epoch

    def result(self) -> SpectralNetFit:
        rotation = rotate(outputs(self.net, self.rows, self.scale), self.weights)
        net = SpectralNet(self.net.cpu(), self.scale, rotation.matrix)
        return SpectralNetFit(net, rotation.eigenvalues, rotation.trivial, tuple(self.losses))


_PLATEAU = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch")
