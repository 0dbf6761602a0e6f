# SPDX-License-Identifier: Apache-2.0
"""References of the classification losses."""

from __future__ import annotations

import numpy as np

from oracles.common import log_of, log_softmax, one_hot, oracle, sigmoid


@oracle("focal")
def focal(y, p, *, gamma=2.0, alpha=0.25, from_logits=False, label_smoothing=0.0):
    p = np.asarray(p, "float64")
    p = p[:, None] if p.ndim == 1 else p
    y = one_hot(y, p.shape[-1]) * (1 - label_smoothing) + label_smoothing / 2
    if from_logits:
        log_p, log_not_p, p = -np.logaddexp(0, -p), -np.logaddexp(0, p), sigmoid(p)
    else:
        log_p, log_not_p = log_of(p), np.log(1 - np.clip(p, 1e-7, 1 - 1e-7))
    p_t = y * p + (1 - y) * (1 - p)
    weight = 1.0 if alpha is None else y * alpha + (1 - y) * (1 - alpha)
    return (weight * (1 - p_t) ** gamma * -(y * log_p + (1 - y) * log_not_p)).mean(-1)


@oracle("categorical_focal")
def categorical_focal(y, p, *, gamma=2.0, alpha=None, from_logits=False, label_smoothing=0.0, ignore_class=None):
    p = np.asarray(p, "float64")
    p = p[:, None] if p.ndim == 1 else p
    y = one_hot(y, p.shape[-1])
    if p.shape[-1] == 1:
        p = np.concatenate([np.zeros_like(p), p] if from_logits else [1 - p, p], -1)
        y = np.concatenate([1 - y, y], -1)
    known = np.ones(y.shape[:-1]) if ignore_class is None else y.argmax(-1) != ignore_class
    known = np.where(y.sum(-1) == 0, ignore_class is None, known)
    y = y * (1 - label_smoothing) + label_smoothing / p.shape[-1]
    logs = log_softmax(p) if from_logits else log_of(p)
    p = np.exp(logs) if from_logits else p
    return known * (np.asarray(1.0 if alpha is None else alpha) * y * (1 - p) ** gamma * -logs).sum(-1)
