# SPDX-License-Identifier: Apache-2.0
"""References of the regression losses."""

from __future__ import annotations

import numpy as np

from oracles.common import oracle


@oracle("log_cosh_loss")
def log_cosh_loss(y, p, *, ignore_nan=False):
    e = _error(y, p)
    return _mean_of_outputs(np.logaddexp(e, -e) - np.log(2.0), y, ignore_nan)


@oracle("weighted_mse")
def weighted_mse(y, p, *, weight=1.0, ignore_nan=False):
    e = _error(y, p)
    return _mean_of_outputs(np.asarray(weight) * e**2, y, ignore_nan)


@oracle("quantile")
def quantile(y, p, *, quantiles=0.5, ignore_nan=False):
    if isinstance(quantiles, list):
        y = np.reshape(y, (*p.shape[:-1], 1)) + np.zeros(len(quantiles))
    u, q = -_error(y, p), np.asarray(quantiles)
    # Koenker & Bassett: the check function rho_q(u) = u (q - 1[u < 0]).
    return _mean_of_outputs(u * (q - (u < 0)), y, ignore_nan)


@oracle("expectile")
def expectile(y, p, *, tau=0.5, ignore_nan=False):
    e = _error(y, p)
    return _mean_of_outputs(np.abs(tau - (e > 0)) * e**2, y, ignore_nan)


@oracle("charbonnier")
def charbonnier(y, p, *, epsilon=1e-3, ignore_nan=False):
    return _mean_of_outputs(np.sqrt(_error(y, p) ** 2 + epsilon**2), y, ignore_nan)


@oracle("general_robust")
def general_robust(y, p, *, alpha=1.0, scale=1.0, ignore_nan=False):
    square = (_error(y, p) / scale) ** 2
    if alpha == 2:
        values = square / 2
    elif alpha == 0:
        values = np.log(square / 2 + 1)
    elif alpha == "-inf":
        values = 1 - np.exp(-square / 2)
    else:
        values = np.abs(alpha - 2) / alpha * ((square / np.abs(alpha - 2) + 1) ** (alpha / 2) - 1)
    return _mean_of_outputs(values, y, ignore_nan)


@oracle("gaussian_nll")
def gaussian_nll(y, p, *, held, beta=0.0, full=False, ignore_nan=False):
    outputs = p.shape[-1] // 2
    y = np.reshape(y, (*p.shape[:-1], outputs))
    variance = np.exp(np.clip(p[..., outputs:], -30, 30))
    values = np.log(variance) / 2 + _error(y, p[..., :outputs]) ** 2 / (2 * variance)
    if full:
        values = values + np.log(2 * np.pi) / 2
    factor = np.exp(np.clip(held[..., outputs:], -30, 30)) ** beta
    return _mean_of_outputs(factor * values, y, ignore_nan)


@oracle("tweedie")
def tweedie(y, p, *, power=1.5, ignore_nan=False):
    y_or_0, p = np.nan_to_num(np.asarray(y, "float64")), np.maximum(p, 1e-7)
    values = -y_or_0 * p ** (1 - power) / (1 - power) + p ** (2 - power) / (2 - power)
    return _mean_of_outputs(values, y, ignore_nan)


def _error(y, p):
    y = np.asarray(y, "float64")
    return np.asarray(p, "float64") - np.where(np.isnan(y), 0.0, y)


def _mean_of_outputs(values, y, ignore_nan):
    if not ignore_nan:
        return values.mean(-1)
    rows = values.reshape(-1, values.shape[-1])
    seen = ~np.isnan(np.asarray(y, "float64")).reshape(rows.shape)
    means = [row[ok].mean() if ok.any() else 0.0 for row, ok in zip(rows, seen, strict=True)]
    return np.reshape(means, values.shape[:-1])
