"""The MMD net: brings a moved cloud back, leaves an aligned one alone, resumes, saves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from two_workers import run_two

from components.alignment.mmd_config import MMDConfig
from components.alignment.mmd_net import MMDFit, ResidualMLP, SharedRows, fit_mmd
from components.errors import UserError
from components.files import Folder
from components.training import Checkpoint, LocalSession
from components.transforms import load_transform, save_transform

SHIFT = np.array([2.0, -1.0, 0.0, 0.5])


def _rows(shift: float = 1.0, fits: int = 2, pairs: int = 20) -> SharedRows:
    """Sides of different size; the left one is the right one's distribution, moved."""
    rng = np.random.default_rng(0)
    known = rng.standard_normal((fits, pairs, 4))
    return SharedRows(
        left=(rng.standard_normal((fits, 500, 4)) + shift * SHIFT).astype(np.float32),
        right=rng.standard_normal((fits, 300, 4)).astype(np.float32),
        left_pairs=(known + shift * SHIFT).astype(np.float32),
        right_pairs=known.astype(np.float32),
    )


def _fit(rows: SharedRows, session: LocalSession | None = None, **settings: object) -> MMDFit:
    config = MMDConfig(**{"widths": (32, 32), "batch": 100, "epochs": 25, "learning_rate": 5e-3, **settings})  # type: ignore[arg-type]
    return fit_mmd(rows, config, session or LocalSession())


def test_moved_cloud_is_brought_back_in_every_fit() -> None:
    rows = _rows()
    fit = _fit(rows)
    assert (fit.before > 0.2).all() and (fit.after < 0.1 * fit.before).all() and (fit.best_epoch > 0).all()
    for n, net in enumerate(fit.nets):
        gap = np.abs((net(rows.left[n]) - rows.right[n].mean(0)).mean(0))
        assert gap.max() < 0.3 < np.abs(SHIFT).max()


def test_aligned_clouds_are_hardly_moved() -> None:
    """The untouched space is a candidate, so what is reported can be worse only by the noise of other rows."""
    fit = _fit(_rows(shift=0.0), epochs=4)
    assert (fit.after < 0.03).all()


def test_pair_term_keeps_pairs_together() -> None:
    """Left and right have one distribution but partners are mirrored: only the pair term can see it."""
    rng = np.random.default_rng(1)
    left, right, known = (rng.standard_normal((1, n, 4)).astype(np.float32) for n in (400, 400, 200))
    rows = SharedRows(left, right, left_pairs=-known, right_pairs=known)

    def distance(fit: MMDFit) -> float:
        new = rng.standard_normal((300, 4)).astype(np.float32)
        return float(np.square(fit.nets[0](-new) - new).sum(1).mean())

    assert distance(_fit(rows, pair_weight=1.0, epochs=15)) < 0.5 * distance(_fit(rows, epochs=15))


def test_one_seed_one_result_and_resumption_changes_nothing(tmp_path: Path) -> None:
    class Cut(LocalSession):
        def save(self, checkpoint: Checkpoint, metrics: object) -> None:
            super().save(checkpoint, {})
            if checkpoint.epoch == 2:
                raise KeyboardInterrupt

    rows, folder = _rows(), Folder.at(tmp_path)
    whole = _fit(rows, epochs=4)
    with pytest.raises(KeyboardInterrupt):
        _fit(rows, Cut(folder), epochs=4)
    epochs: list[int] = []
    resumed = _fit(rows, LocalSession(folder, lambda epoch, _: epochs.append(epoch)), epochs=4)
    assert epochs == [3, 4]
    assert (resumed.after == whole.after).all() and (resumed.nets[1](rows.left[1]) == whole.nets[1](rows.left[1])).all()


def test_two_workers_end_like_one() -> None:
    rows, config = _rows(pairs=21), MMDConfig(widths=(16,), batch=101, epochs=2, pair_weight=0.5)
    alone = fit_mmd(rows, config, LocalSession())
    for together in run_two(lambda session: fit_mmd(rows, config, session)):
        np.testing.assert_allclose(together.after, alone.after, atol=1e-4)
        for one, two in zip(alone.nets, together.nets, strict=True):
            np.testing.assert_allclose(two(rows.left[0]), one(rows.left[0]), atol=1e-3)


def test_residual_mlp_is_saved_and_zero_last_layer_is_the_identity(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sizes = [(3, 5), (5, 3)]
    net = ResidualMLP([rng.standard_normal(s) for s in sizes], [rng.standard_normal(s[1]) for s in sizes])
    x = rng.standard_normal((7, 3)).astype(np.float32)
    hidden = np.maximum(x @ net.weights[0] + net.biases[0], 0)
    np.testing.assert_allclose(net(x), x + hidden @ net.weights[1] + net.biases[1], rtol=1e-6)
    save_transform(Folder.at(tmp_path), "net", net)
    assert (load_transform(Folder.at(tmp_path), "net")(x) == net(x)).all()
    still = ResidualMLP([net.weights[0], 0 * net.weights[1]], [net.biases[0], 0 * net.biases[1]])
    assert (still(x) == x).all()


def test_too_few_or_broken_rows_are_refused() -> None:
    rows = _rows()
    with pytest.raises(UserError, match="at least"):
        SharedRows(rows.left[:, :3], rows.right, rows.left_pairs, rows.right_pairs)
    with pytest.raises(UserError, match="NaN"):
        SharedRows(rows.left * np.nan, rows.right, rows.left_pairs, rows.right_pairs)
    with pytest.raises(UserError, match=r"mmd\.widths.*give"):
        MMDConfig(widths=())
