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


def over_classes(y, p, *, from_logits=False, ignore_class=None, label_smoothing=0.0):
    """Targets and probabilities over two classes or more, log p, and which positions count."""
    p = np.asarray(p, "float64")
    p = p[:, None] if p.ndim == 1 else p
    y = one_hot(y, p.shape[-1])
    if p.shape[-1] == 1:
        p = np.concatenate([np.zeros_like(p), p] if from_logits else [1 - p, p], -1)
        y = np.concatenate([1 - y, y], -1)
    known = y.sum(-1) > 0
    if ignore_class is not None:
        known = known & (y.argmax(-1) != ignore_class)
    y = y * (1 - label_smoothing) + label_smoothing / p.shape[-1]
    logs = log_softmax(p) if from_logits else log_of(p)
    return y, np.exp(logs) if from_logits else p, logs, known


@oracle("categorical_focal")
def categorical_focal(y, p, *, gamma=2.0, alpha=None, **options):
    y, p, logs, known = over_classes(y, p, **options)
    return known * (np.asarray(1.0 if alpha is None else alpha) * y * (1 - p) ** gamma * -logs).sum(-1)


@oracle("poly1")
def poly1(y, p, *, epsilon=1.0, **options):
    y, p, logs, known = over_classes(y, p, **options)
    return known * (-(y * logs).sum(-1) + epsilon * (1 - (y * p).sum(-1)))


@oracle("logit_adjusted")
def logit_adjusted(y, z, *, class_priors, tau=1.0, ignore_class=None):
    y, _, z, known = over_classes(y, z, from_logits=True, ignore_class=ignore_class)
    return known * -(y * log_softmax(z + tau * np.log(class_priors))).sum(-1)


@oracle("ldam")
def ldam(y, z, *, samples_per_class, max_margin=0.5, scale=30.0):
    y, _, z, known = over_classes(y, z, from_logits=True)
    n = np.array(samples_per_class, "float64")
    margin = max_margin * n.min() ** 0.25 / n**0.25
    return known * -(y * log_softmax(scale * (z - y * margin))).sum(-1)


@oracle("symmetric_crossentropy")
def symmetric_crossentropy(y, p, *, alpha=0.1, beta=1.0, from_logits=False):
    y, p, logs, known = over_classes(y, p, from_logits=from_logits)
    log_y = np.full(y.shape, -4.0)
    log_y[y > 0] = np.maximum(np.log(y[y > 0]), -4.0)
    return known * (-alpha * (y * logs).sum(-1) - beta * (p * log_y).sum(-1))


@oracle("generalized_crossentropy")
def generalized_crossentropy(y, p, *, q=0.7, from_logits=False):
    y, p, _, known = over_classes(y, p, from_logits=from_logits)
    return known * (1 - (y * p).sum(-1) ** q) / q
