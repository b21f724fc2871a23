"""A trained generator: conditions of the shared space to pictures. Weights as safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from components.files import Folder
from components.generation.conditioning import Conditioner
from components.generation.config import GeneratorConfig

ABOUT, WEIGHTS, CONDITIONER = "generator.json", "decoder.safetensors", "conditioner"
CHUNK = 256
TEMPERATURE = 0.5


@dataclass(frozen=True)
class Generator:
    """``weights``: of :class:`components.generation.nets.Decoder`."""

    config: GeneratorConfig
    conditioner: Conditioner
    weights: Mapping[str, np.ndarray]

    def of_texts(self, coordinates: np.ndarray, *, seed: int, temperature: float = TEMPERATURE) -> np.ndarray:
        """Pictures of texts by their coordinates [N, K]. [N, S, S, 3] uint8"""
        return self.draw(self.conditioner.blended(coordinates), seed=seed, temperature=temperature)

    def of_pictures(self, coordinates: np.ndarray, *, seed: int, temperature: float = TEMPERATURE) -> np.ndarray:
        """Pictures of places that are pictures' own [N, K]. [N, S, S, 3] uint8"""
        return self.draw(self.conditioner.of(coordinates), seed=seed, temperature=temperature)

    def draw(self, conditions: np.ndarray, *, seed: int, temperature: float = TEMPERATURE) -> np.ndarray:
        """Pictures under conditions [N, d], the same for the same seed. ``temperature``: of the noise; 0: its mean."""
        import torch

        from components.generation.nets import Decoder

        decoder = Decoder(self.config, self.conditioner.dim).eval()
        decoder.load_state_dict({n: torch.from_numpy(np.array(v)) for n, v in self.weights.items()})
        noise = temperature * np.random.default_rng(seed).standard_normal((len(conditions), self.config.noise_dim))
        made = np.empty((len(conditions), self.config.side, self.config.side, 3), np.uint8)
        with torch.inference_mode():
            for start in range(0, len(conditions), CHUNK):
                part = slice(start, start + CHUNK)
                values = decoder(torch.from_numpy(conditions[part]), torch.from_numpy(noise[part].astype(np.float32)))
                pixels = ((values + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
                made[part] = pixels.permute(0, 2, 3, 1).numpy()
        return made

    def save(self, folder: Folder) -> None:
        folder.write_json(ABOUT, asdict(self.config))
        folder.write_tensors(WEIGHTS, self.weights)
        self.conditioner.save(folder, CONDITIONER)

    @classmethod
    def load(cls, folder: Folder) -> Generator:
        config = GeneratorConfig.of(folder.read_json(ABOUT))
        return cls(config, Conditioner.load(folder, CONDITIONER), folder.read_tensors(WEIGHTS))
