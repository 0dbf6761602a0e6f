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
