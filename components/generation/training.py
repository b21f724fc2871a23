"""Training of a generator on pictures and their coordinates alone; no text and no pair is seen."""

from __future__ import annotations

import copy
import math
import threading
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import torch

from components.errors import UserError
from components.generation.batches import Batches
from components.generation.conditioning import Conditioner
from components.generation.config import GeneratorConfig
from components.generation.gan import ConditionalGAN
from components.generation.generator import Generator
from components.generation.nets import GenerativeModel
from components.generation.vae import ConditionalVAE
from components.training import Checkpoint, Session, mean_gradients, pack, run_to_end, unpack

FEWEST = 32
_SEEDING = threading.Lock()
MODELS: dict[str, type[GenerativeModel]] = {"vae": ConditionalVAE, "gan": ConditionalGAN}


@dataclass(frozen=True)
class GeneratorFit:
    """``history``: means of the losses' parts, one dict per epoch (of epochs that this session ran)."""

    generator: Generator
    history: tuple[dict[str, float], ...]


def fit_generator(
    pictures: np.ndarray, coordinates: np.ndarray, config: GeneratorConfig, session: Session, *, seed: int
) -> GeneratorFit:
    """Train; resumes from the session's newest checkpoint. The same for any number of workers, within rounding.

    Args:
        pictures: [M, S, S, 3] uint8, S = ``config.side``.
        coordinates: [M, K], of the same pictures in the shared space.

    Raises:
        UserError: fewer than 32 pictures.
        ValueError: pictures of another size, or not one row of coordinates each.
    """
    if len(pictures) < FEWEST:
        raise UserError(f"{len(pictures)} pictures are too few", where="generator", do=f"give at least {FEWEST}")
    if pictures.shape[1:] != (config.side, config.side, 3) or len(coordinates) != len(pictures):
        raise ValueError(f"pictures {pictures.shape} and coordinates {coordinates.shape} for side {config.side}")
    conditioner = Conditioner.fit(coordinates, dim=config.condition_dim, sharpness=config.sharpness)
    training = _Training(Batches(pictures, conditioner, config, seed), conditioner, session, seed)
    run_to_end(training, session)
    decoder = {n: v.detach().cpu().numpy().copy() for n, v in training.average.state_dict().items()}
    return GeneratorFit(Generator(config, conditioner, decoder), tuple(training.history))


class _Training:
    def __init__(self, batches: Batches, conditioner: Conditioner, session: Session, seed: int) -> None:
        self.batches, self.config, self.session = batches, batches.config, session
        with _SEEDING:  # the initial weights; nothing else draws from torch's own generator
            torch.manual_seed(seed)
            self.model = MODELS[self.config.kind](self.config, conditioner.dim).to(session.device)
        betas = (0.9, 0.99) if self.config.kind == "vae" else (0.0, 0.9)
        self.optimizers = {
            p: torch.optim.Adam(self.model.parameters_of(p), lr=self.config.learning_rate, betas=betas)
            for p in self.model.players
        }
        self.average = copy.deepcopy(self.model.decoder).requires_grad_(False)
        self.epoch = 0
        self.history: list[dict[str, float]] = []

    @property
    def finished(self) -> bool:
        return self.epoch >= self.config.epochs

    def run_epoch(self) -> None:
        sums: dict[str, list[float]] = defaultdict(list)
        for step, batch in enumerate(self.batches.epoch(self.epoch, self.session)):
            self._set_rate(self.epoch + step / len(self.batches))
            for player, optimizer in self.optimizers.items():
                loss, parts = self.model.loss(player, batch)
                self.model.zero_grad(set_to_none=True)
                (loss * batch.weight).backward()
                mean_gradients(self.model.parameters_of(player), self.session)
                optimizer.step()
                for name, value in parts.items():
                    sums[name].append(value)
            self._follow()
        self.epoch += 1
        metrics = {name: float(np.mean(values)) for name, values in sums.items()}
        self.history.append(metrics)
        self.session.save(self._checkpoint(), metrics)

    def _set_rate(self, epochs: float) -> None:
        rate = self.config.learning_rate * 0.5 * (1 + math.cos(math.pi * epochs / self.config.epochs))
        for optimizer in self.optimizers.values():
            optimizer.param_groups[0]["lr"] = rate

    @torch.no_grad()
    def _follow(self) -> None:
        for mean, value in zip(self.average.parameters(), self.model.decoder.parameters(), strict=True):
            mean.lerp_(value, 1 - self.config.average)

    def _checkpoint(self) -> Checkpoint:
        arrays = {f"average.{n}": v.cpu().numpy().copy() for n, v in self.average.state_dict().items()}
        for player, optimizer in self.optimizers.items():
            kept = "" if player == self.model.players[0] else "optimizer."  # the weights once
            packed = pack(self.model, optimizer).items()
            arrays |= {f"{player}.{n}": v for n, v in packed if n.startswith(kept)}
        return Checkpoint(self.epoch, arrays, {"history": self.history})

    def restore(self, found: Checkpoint) -> None:
        parts: dict[str, dict[str, np.ndarray]] = defaultdict(dict)
        for name, value in found.arrays.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = value
        self.average.load_state_dict({n: torch.from_numpy(v.copy()) for n, v in parts["average"].items()})
        weights = {n: v for n, v in parts[self.model.players[0]].items() if n.startswith("model.")}
        for player, optimizer in self.optimizers.items():
            unpack(weights | parts[player], self.model, optimizer)
        self.epoch, self.history = found.epoch, list(found.facts["history"])
