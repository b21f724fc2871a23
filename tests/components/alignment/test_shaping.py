"""Scale and Columns: what they compute, and that they survive saving inside a chain."""

import numpy as np

from components.alignment.shaping import Columns, Scale
from components.files import Folder
from components.transforms import Chain, Concat, load_transform, save_transform

X = np.arange(12, dtype=np.float32).reshape(3, 4)


def test_columns_are_cut_and_weighted() -> None:
    np.testing.assert_array_equal(Columns(1, 3, np.array([2.0, -1.0]))(X), X[:, 1:3] * [2, -1])
    np.testing.assert_array_equal(Columns(2)(X), X[:, 2:])


def test_chain_of_both_survives_saving(tmp_path) -> None:  # type: ignore[no-untyped-def]
    chain = Concat([Chain([Columns(0, 2), Scale(0.5)]), Columns(1, None, np.ones(3) * 3)])
    folder = Folder.at(tmp_path).make()
    save_transform(folder, "t", chain)
    np.testing.assert_array_equal(load_transform(folder, "t")(X), np.hstack([X[:, :2] / 2, X[:, 1:] * 3]))
