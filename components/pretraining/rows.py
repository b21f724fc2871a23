"""What a network trains on, made once: squares of pixels or token ids, one safetensors file per shard.

Folder: ``rows/part-*.safetensors``, ``items.parquet`` (id, label, split of every row, in the order of the rows) and
``rows.json``. On a local filesystem the files are mapped, not read: a corpus may be larger than the memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import torch

from components.checks import check_range
from components.errors import UserError
from components.files import Folder

ROWS, ITEMS, ABOUT = "rows", "items.parquet", "rows.json"
TRAIN, VALID, TEST = "train", "valid", "test"


@dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """Which rows are kept back.

    Attributes:
        valid_fraction: rows that choose the epoch; never trained on.
        test_fraction: rows for the final probes; neither trained on nor used to choose anything.
        most: rows of each of the two at most.
    """

    valid_fraction: float = 0.1
    test_fraction: float = 0.15
    most: int = 5000

    def __post_init__(self) -> None:
        for name in ("valid_fraction", "test_fraction"):
            check_range(name, getattr(self, name), 0, 0.5, above=True, below=True)

    def assign(self, ids: Sequence[str], seed: int) -> np.ndarray:
        """``train``, ``valid`` or ``test`` for each id; decided by the ids and the seed, not by their order.

        Raises:
            UserError: fewer than 4 rows.
        """
        if len(ids) < 4:
            raise UserError(f"{len(ids)} rows are too few to train an encoder", do="give at least 4, better 1,000")
        order = np.argsort(np.array(ids, dtype=object), kind="stable")
        order = order[np.random.default_rng([seed, 0]).permutation(len(ids))]
        valid, test = (self._count(f, len(ids)) for f in (self.valid_fraction, self.test_fraction))
        split = np.full(len(ids), TRAIN, dtype=object)
        split[order[:valid]] = VALID
        split[order[valid : valid + test]] = TEST
        return split

    def _count(self, fraction: float, rows: int) -> int:
        return min(self.most, max(1, round(fraction * rows)))


class RowsWriter:
    """Writes the folder. Parts are written in any order, by any process; then ``finish`` is called once."""

    def __init__(self, folder: Folder, modality: str) -> None:
        self._folder, self._modality = folder, modality

    def pictures(self, part: int, squares: np.ndarray) -> None:
        """Part number ``part``: [n, side, side, 3] uint8."""
        self._write(part, {"pictures": squares})

    def tokens(self, part: int, rows: Sequence[np.ndarray]) -> None:
        """Part number ``part``: token ids of n texts."""
        offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        self._write(part, {"tokens": np.concatenate(rows).astype(np.int32), "offsets": offsets})

    def finish(self, ids: Sequence[str], labels: Sequence[str | None], split: np.ndarray, sizes: Sequence[int]) -> None:
        """Ids, labels and split of all rows, and how many each part has; ``rows.json`` is written last."""
        columns = {"id": pa.array(ids, pa.string()), "label": pa.array(labels, pa.string())}
        self._folder.write_table(ITEMS, pa.table(columns | {"split": pa.array(split.tolist(), pa.string())}))
        self._folder.write_json(ABOUT, {"modality": self._modality, "sizes": list(sizes)})

    def _write(self, part: int, arrays: dict[str, np.ndarray]) -> None:
        self._folder.sub(ROWS).make()
        self._folder.write_tensors(_name(part), arrays)


class Rows:
    """The folder, opened. ``ids``, ``labels`` (None where there is none) and ``split`` are in the order of the rows."""

    def __init__(self, folder: Folder) -> None:
        about = folder.read_json(ABOUT)
        items = folder.read_table(ITEMS)
        self.modality: str = about["modality"]
        self.ids: list[str] = items["id"].to_pylist()
        self.labels: list[str | None] = items["label"].to_pylist()
        self.split = np.array(items["split"].to_pylist(), dtype=object)
        self._folder, self._num_parts = folder, len(about["sizes"])
        self._starts = np.cumsum([0, *about["sizes"]])

    def __len__(self) -> int:
        return len(self.ids)

    def of(self, split: str) -> np.ndarray:
        """Numbers of the rows of one split, ascending."""
        return np.flatnonzero(self.split == split)

    def picture(self, row: int) -> np.ndarray:
        """[side, side, 3] uint8."""
        part, place = self._place(row)
        return part["pictures"][place].numpy()

    def tokens(self, row: int) -> np.ndarray:
        """[T] int32."""
        part, place = self._place(row)
        start, stop = part["offsets"][place : place + 2].tolist()
        return part["tokens"][start:stop].numpy()

    def _place(self, row: int) -> tuple[dict[str, torch.Tensor], int]:
        number = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self._parts[number], int(row - self._starts[number])

    @cached_property
    def _parts(self) -> list[dict[str, torch.Tensor]]:
        return [_open(self._folder, _name(number)) for number in range(self._num_parts)]


def _name(part: int) -> str:
    return f"{ROWS}/part-{part:05d}.safetensors"


def _open(folder: Folder, name: str) -> dict[str, torch.Tensor]:
    if not folder.is_local:
        return {k: torch.from_numpy(v) for k, v in folder.read_tensors(name).items()}
    from safetensors import safe_open

    with safe_open(folder.local / name, framework="pt") as file:  # maps the file
        return {key: file.get_tensor(key) for key in file.keys()}
