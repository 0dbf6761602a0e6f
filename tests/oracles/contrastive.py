# SPDX-License-Identifier: Apache-2.0
"""References of the losses that tell the views of one sample from those of others."""

from __future__ import annotations

import numpy as np

from oracles.common import oracle


def cosine(a, b):
    length = np.linalg.norm(a) * np.linalg.norm(b)
    return a @ b / length if length else 0.0


def logits(y_pred, temperature):
    """Of every first view and every second one, or as they are given."""
    y_pred = np.asarray(y_pred, "float64")
    if y_pred.ndim == 2:
        return y_pred
    return np.array([[cosine(x, y) / temperature for y in y_pred[:, 1]] for x in y_pred[:, 0]])


def crossentropy(z, target):
    return np.log(np.exp(z - z.max()).sum()) + z.max() - z[target]


@oracle("nt_xent")
def nt_xent(y, p, *, temperature=0.5, cross_replica=True, block_size=None):
    values = []
    for i, views in enumerate(np.asarray(p, "float64")):
        costs = []
        for view, other in (views, views[::-1]):
            rest = [each for k, sample in enumerate(p) if k != i for each in sample]
            z = np.array([cosine(view, other), *(cosine(view, each) for each in rest)]) / temperature
            costs.append(crossentropy(z, 0))
        values.append(np.mean(costs))
    return np.array(values)


@oracle("info_nce")
def info_nce(y, p, *, temperature=0.07, symmetric=True, cross_replica=True, block_size=None):
    z = logits(p, temperature)
    rows = np.array([crossentropy(z[i], i) for i in range(len(z))])
    columns = np.array([crossentropy(z[:, i], i) for i in range(len(z))])
    return (rows + columns) / 2 if symmetric else rows


@oracle("siglip")
def siglip(y, p, *, temperature=0.1, bias=-10.0, cross_replica=True, block_size=None):
    z = logits(p, temperature)
    z = z if np.ndim(p) == 2 else z + bias
    signs = 2 * np.eye(len(z)) - 1
    return np.logaddexp(0, -signs * z).sum(1)
