"""Ridge CCA, then an MMD net on the left side before rows are scaled to unit length (SUE, §3), in one process."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.alignment.mmd_config import MMDConfig
from components.alignment.protocol import Alignment, Pairs
from components.alignment.ridge_cca import RidgeCCA, canonical_parts
from components.transforms import Chain, UnitRows


@dataclass(frozen=True, kw_only=True)
class MovedCCA:
    """Config: of the CCA, of the net, and the net's seed."""

    cca: RidgeCCA
    mmd: MMDConfig
    seed: int = 0

    def fit(self, left: np.ndarray, right: np.ndarray, pairs: Pairs) -> Alignment:
        """Fit on spectral coordinates [N1, D1], [N2, D2] and the pairs'.

        Raises:
            UserError: what the CCA or the net refuses, e.g. fewer than 8 unpaired rows on a side.
        """
        from components.alignment.mmd_net import SharedRows, fit_mmd
        from components.training import LocalSession

        fitted = self.cca.fit(left, right, pairs)
        a, b = canonical_parts(fitted)
        rows = SharedRows(*(v[None] for v in (a(left), b(right), a(pairs.left), b(pairs.right))))
        net = fit_mmd(rows, self.mmd, LocalSession(), seed=self.seed).nets[0]
        return Alignment(Chain([a, net, UnitRows()]), Chain([b, UnitRows()]), fitted.diagnostics)
