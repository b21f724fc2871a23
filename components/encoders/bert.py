"""A BERT encoder's forward pass, from a flat dictionary of weights. Imports torch: import it where it runs.

Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers" (NAACL 2019): post-norm layers, exact GELU.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.nn import functional as F

_EPS = 1e-12
_MASKED = -1e9


class Bert(torch.nn.Module):
    """Mean of the last layer's tokens at unit length: (ids [B, T], mask [B, T]) int64 -> [B, D] float32.

    ``weights`` are named as in the published checkpoints (``encoder.layer.0.attention.self.query.weight`` …).
    """

    def __init__(self, weights: Mapping[str, torch.Tensor], *, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.scale = (len(weights["embeddings.LayerNorm.weight"]) // num_heads) ** -0.5
        self.layers = sorted({int(name.split(".")[2]) for name in weights if name.startswith("encoder.layer.")})
        for name, value in weights.items():
            if value.is_floating_point():  # the file also holds the row of position numbers
                self.register_buffer(name.replace(".", "/"), value)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        seen = mask.float()
        bias = (1 - seen)[:, None, None, :] * _MASKED
        x = self._embed(ids)
        for layer in self.layers:
            x = self._layer(f"encoder.layer.{layer}", x, bias)
        mean = (x * seen[..., None]).sum(1) / seen.sum(1, keepdim=True)
        return F.normalize(mean, dim=-1)

    def _embed(self, ids: torch.Tensor) -> torch.Tensor:
        words = self._at("embeddings.word_embeddings.weight")[ids]
        places = self._at("embeddings.position_embeddings.weight")[: ids.shape[1]]
        segment = self._at("embeddings.token_type_embeddings.weight")[0]
        return self._norm("embeddings.LayerNorm", words + places + segment)

    def _layer(self, at: str, x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        x = self._attend(f"{at}.attention", x, bias)
        wide = F.gelu(self._linear(f"{at}.intermediate.dense", x))
        return self._norm(f"{at}.output.LayerNorm", self._linear(f"{at}.output.dense", wide) + x)

    def _attend(self, at: str, x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        q, k, v = (self._heads(self._linear(f"{at}.self.{name}", x)) for name in ("query", "key", "value"))
        scores = q @ k.transpose(-1, -2) * self.scale + bias
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        return self._norm(f"{at}.output.LayerNorm", self._linear(f"{at}.output.dense", mixed) + x)

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        """[B, T, D] -> [B, heads, T, D / heads]."""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def _linear(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self._at(f"{name}.weight"), self._at(f"{name}.bias"))

    def _norm(self, name: str, x: torch.Tensor) -> torch.Tensor:
        weight = self._at(f"{name}.weight")  # its shape is a constant of the graph, that of x is not
        return F.layer_norm(x, weight.shape, weight, self._at(f"{name}.bias"), _EPS)

    def _at(self, name: str) -> torch.Tensor:
        return self.get_buffer(name.replace(".", "/"))
