"""A small Transformer over token ids, with the mean of its last layer's tokens as the text's features.

Vaswani et al., "Attention is all you need" (NeurIPS 2017), with the norms in front (Xiong et al., ICML 2020).
"""

from __future__ import annotations

import torch
from torch import nn

from components.pretraining.spec import TextSpec
from components.pretraining.tokenizer import PAD


class TextBackbone(nn.Module):
    """Token ids [B, T], padded with 0 -> features [B, D]; a text's features do not depend on its padding."""

    def __init__(self, spec: TextSpec) -> None:
        super().__init__()
        self.dim = spec.width
        self.tokens = nn.Embedding(spec.vocabulary, spec.width, padding_idx=PAD)
        self.positions = nn.Parameter(torch.randn(spec.max_tokens, spec.width) * 0.02)
        nn.init.normal_(self.tokens.weight, std=0.02 * spec.width**0.5)
        layer = nn.TransformerEncoderLayer(
            spec.width, spec.heads, 4 * spec.width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        # deep copies of one layer would start alike: each gets its own weights
        self.layers = nn.TransformerEncoder(layer, spec.layers, nn.LayerNorm(spec.width), enable_nested_tensor=False)
        for parameter in self.layers.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        padding = ids == PAD
        hidden = self.tokens(ids) + self.positions[: ids.shape[1]]
        hidden = self.layers(hidden, src_key_padding_mask=padding)
        kept = (~padding).unsqueeze(-1).to(hidden.dtype)
        return (hidden * kept).sum(1) / kept.sum(1).clamp(min=1)
