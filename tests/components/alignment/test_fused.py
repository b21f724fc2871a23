"""Fused rows: their cosine mixes two cosines; both methods use the graph where it helps."""

import numpy as np
import pytest
from few_pair_worlds import SmallWorld

from components.alignment.fused import DIFFUSION_TIME, FusedCSA, FusedKernelRidge, fused_rows
from components.alignment.kernel_ridge import KernelRidge
from components.alignment.ridge_cca import RidgeCCA
from components.alignment.views import ViewConfig, spectral_view
from components.errors import UserError
from components.transforms import unit_rows

WORLD = SmallWorld("clusters", pairs=25)


def test_dot_product_of_fused_rows_is_a_weighted_sum_of_cosines() -> None:
    view = spectral_view(WORLD.left, ViewConfig(dim=10))
    mapped = view.map(WORLD.new.left)
    rows = fused_rows(view, 0.5)(mapped)
    raw, spectral = unit_rows(mapped[:, : view.raw]), unit_rows(view.diffusion_columns(DIFFUSION_TIME)(mapped))
    np.testing.assert_allclose(rows @ rows.T, raw @ raw.T + 0.25 * spectral @ spectral.T, atol=1e-4)


@pytest.mark.parametrize(("fused", "raw"), [(FusedKernelRidge(), KernelRidge()), (FusedCSA(), RidgeCCA())])
def test_unpaired_rows_help_where_clusters_hide_in_noise(fused, raw) -> None:  # type: ignore[no-untyped-def]
    gains = []
    for seed in range(2):
        world = SmallWorld("clusters", unpaired=600, pairs=25, seed=seed)
        with_graph, without = (m.fit(world.left, world.right, world.pairs) for m in (fused, raw))
        gains.append(world.foscttm(without) - world.foscttm(with_graph))
    assert np.mean(gains) > 0.02


def test_too_few_unpaired_rows_and_wrong_weights_are_refused() -> None:
    with pytest.raises(UserError, match="too few for a graph"):
        FusedCSA().fit(WORLD.left[:10], WORLD.right[:10], WORLD.pairs)
    with pytest.raises(UserError, match="weights"):
        FusedKernelRidge(weights=(0.0,))
