# SPDX-License-Identifier: Apache-2.0
"""References of the losses over two views."""

from __future__ import annotations

import numpy as np

from oracles.common import oracle


def moments(a, b):
    """Means, and the sum of the products of the deviations from them."""
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    return sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))


@oracle("barlow_twins")
def barlow_twins(y, p, *, redundancy=5e-3):
    p = np.asarray(p, "float64")
    n, _, width = p.shape
    cost = 0.0
    for i in range(width):
        for j in range(width):
            a, b = p[:, 0, i], p[:, 1, j]
            deviations = np.sqrt(moments(a, a) / n) * np.sqrt(moments(b, b) / n)
            constant = np.ptp(a) == 0 or np.ptp(b) == 0
            correlation = 0.0 if constant else moments(a, b) / n / deviations
            cost += (1 - correlation) ** 2 if i == j else redundancy * correlation**2
    return np.full(n, cost if n > 1 else 0.0)


@oracle("vicreg")
def vicreg(y, p, *, invariance=25.0, variance=25.0, covariance=1.0):
    p = np.asarray(p, "float64")
    n, _, width = p.shape
    cost = 0.0
    for view in (p[:, 0], p[:, 1]) if n > 1 else ():
        lacking = [max(0.0, 1 - np.sqrt(moments(a, a) / (n - 1) + 1e-4)) for a in view.T]
        together = [moments(view[:, i], view[:, j]) / (n - 1) for i in range(width) for j in range(width) if i != j]
        cost += variance * sum(lacking) / width / 2 + covariance * sum(c**2 for c in together) / width
    return np.array([invariance * sum((one - other) ** 2) / width + cost for one, other in p])


@oracle("negative_cosine")
def negative_cosine(y, p, *, held):
    values = []
    for prediction, target in zip(np.asarray(p, "float64")[:, 0], np.asarray(held, "float64")[:, 1], strict=True):
        length = np.sqrt(sum(prediction**2)) * np.sqrt(sum(target**2))
        values.append(-sum(prediction * target) / length if length else 0.0)
    return np.array(values)
