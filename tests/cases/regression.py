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


@cases_of("quantile")
def _quantile(rng):
    y, p = rng.normal(size=(2, 4, 3))
    holes = np.where(rng.random((4, 3)) < 0.4, np.nan, y)
    holes[1] = np.nan
    missing = np.array([0.3, np.nan, -1.0, 0.7])
    return [
        Case("quantile", y, p),
        Case("quantile", y.reshape(2, 2, 3), p.reshape(2, 2, 3), {"quantiles": 0.9}),
        Case("quantile", holes, p, {"quantiles": 0.2, "ignore_nan": True}),
        Case("quantile", y[:, 0], p, {"quantiles": [0.1, 0.5, 0.9]}),
        Case("quantile", y[:, :1], p, {"quantiles": [0.05, 0.3, 0.6]}),
        Case("quantile", missing, p, {"quantiles": [0.1, 0.5, 0.9], "ignore_nan": True}),
        Case("quantile", y[:, :2], rng.normal(size=(4, 2, 3)), {"quantiles": [0.25, 0.5, 0.75]}),
        Case("quantile", y[:, :2, None], rng.normal(size=(4, 2, 1)), {"quantiles": [0.7]}),
    ]


@cases_of("expectile")
def _expectile(rng):
    y, p = rng.normal(size=(2, 4, 3))
    holes = np.where(rng.random((4, 3)) < 0.4, np.nan, y)
    holes[0] = np.nan
    return [
        Case("expectile", y, p),
        Case("expectile", y, p, {"tau": 0.9}),
        Case("expectile", y.reshape(2, 2, 3), p.reshape(2, 2, 3), {"tau": 0.01}),
        Case("expectile", holes, p, {"tau": 0.3, "ignore_nan": True}),
    ]


@cases_of("charbonnier")
def _charbonnier(rng):
    y, p = rng.normal(size=(2, 4, 3))
    holes = np.where(rng.random((4, 3)) < 0.4, np.nan, y)
    holes[3] = np.nan
    return [
        Case("charbonnier", y, p),
        Case("charbonnier", y, p, {"epsilon": 2.0}),
        Case("charbonnier", y.reshape(2, 2, 3), p.reshape(2, 2, 3), {"epsilon": 0.1}),
        Case("charbonnier", holes, p, {"ignore_nan": True}),
    ]


@cases_of("general_robust")
def _general_robust(rng):
    y, p = rng.normal(size=(2, 4, 3)) * 2
    holes = np.where(rng.random((4, 3)) < 0.4, np.nan, y)
    holes[2] = np.nan
    return [
        Case("general_robust", y, p),
        Case("general_robust", y, p, {"alpha": 2.0, "scale": 0.7}),
        Case("general_robust", y, p, {"alpha": 0.0, "scale": 0.3}),
        Case("general_robust", y.reshape(2, 2, 3), p.reshape(2, 2, 3), {"alpha": -2.0, "scale": 1.5}),
        Case("general_robust", y, p, {"alpha": "-inf"}),
        Case("general_robust", y, p, {"alpha": 1.3, "scale": 0.5}),
        Case("general_robust", y, p, {"alpha": -0.7}),
        Case("general_robust", y, p, {"alpha": 3.5, "scale": 2.0}),
        Case("general_robust", holes, p, {"alpha": "-inf", "ignore_nan": True}),
        Case("general_robust", holes, p, {"alpha": 0.5, "scale": 0.1, "ignore_nan": True}),
    ]


@cases_of("gaussian_nll")
def _gaussian_nll(rng):
    y, p = rng.normal(size=(4, 3)), rng.normal(size=(4, 6)) * 1.5
    holes = np.where(rng.random((4, 3)) < 0.4, np.nan, y)
    holes[1] = np.nan
    clipped = p.copy()
    clipped[:, 3:] = [[40.0, -1.0, -35.0], [0.0, 33.0, 2.0], [29.0, 1.0, 0.5], [-31.0, -1.0, 31.0]]
    # Where the variance is clipped at exp(-30) a common error would cost so much that nothing else is seen. These are
    # exact in float32.
    coarse = np.round(y * 64) / 64
    clipped[:, :3] = np.where(clipped[:, 3:] < -30, coarse + 2**-20, p[:, :3])
    return [
        Case("gaussian_nll", y, p),
        Case("gaussian_nll", y[:, 0], p[:, [0, 3]], {"beta": 0.5}),
        Case("gaussian_nll", y, p, {"beta": 1.0, "full": True}),
        Case("gaussian_nll", y.reshape(2, 2, 3), p.reshape(2, 2, 6), {"full": True}),
        Case("gaussian_nll", coarse, clipped),
        Case("gaussian_nll", holes, p, {"beta": 0.3, "full": True, "ignore_nan": True}),
        Case("gaussian_nll", holes[:, :1], p[:, [0, 3]], {"ignore_nan": True}),
    ]


@cases_of("tweedie")
def _tweedie(rng):
    y = np.maximum(rng.normal(size=(4, 3)), 0) * 3
    p = rng.gamma(2.0, size=(4, 3)) + 0.05
    holes = np.where(rng.random((4, 3)) < 0.4, np.nan, y)
    holes[2] = np.nan
    return [
        Case("tweedie", y, p),
        Case("tweedie", y, p, {"power": 1.1}),
        Case("tweedie", y.reshape(2, 2, 3), p.reshape(2, 2, 3), {"power": 1.9}),
        Case("tweedie", y, np.where(rng.random((4, 3)) < 0.5, -p, p)),
        Case("tweedie", y * 1e3, p * 1e3, {"power": 1.4}),
        Case("tweedie", holes, p, {"power": 1.2, "ignore_nan": True}),
    ]
