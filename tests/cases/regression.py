# SPDX-License-Identifier: Apache-2.0
"""Cases of the regression losses."""

from __future__ import annotations

import numpy as np

from cases.common import Case, cases_of


@cases_of("log_cosh_loss")
def _log_cosh(rng):
    y, p = rng.normal(size=(2, 4, 3)) * 3
    holes = np.where(rng.random((4, 3)) < 0.4, np.nan, y)
    holes[2] = np.nan
    return [
        Case("log_cosh_loss", y, p),
        Case("log_cosh_loss", y[None] * 1e-3, p[None] * 1e-3),
        Case("log_cosh_loss", holes, p, {"ignore_nan": True}),
    ]


@cases_of("weighted_mse")
def _weighted_mse(rng):
    y, p = rng.normal(size=(2, 4, 3))
    holes = np.where(rng.random((4, 3)) < 0.4, np.nan, y)
    holes[1] = np.nan
    return [
        Case("weighted_mse", y, p),
        Case("weighted_mse", y, p, {"weight": [1.0, 0.0, 2.5]}),
        Case("weighted_mse", y.reshape(2, 2, 3), p.reshape(2, 2, 3), {"weight": 3.0}),
        Case("weighted_mse", holes, p, {"weight": [1.0, 0.5, 2.5], "ignore_nan": True}),
    ]
