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
    y, logs, p, known = _classes(y, p, from_logits, label_smoothing, ignore_class)
    return known * (np.asarray(1.0 if alpha is None else alpha) * y * (1 - p) ** gamma * -logs).sum(-1)


def _binary_logs(p, from_logits):
    """p, log p and log(1 - p)."""
    if from_logits:
        return sigmoid(p), -np.logaddexp(0, -p), -np.logaddexp(0, p)
    return p, np.log(np.maximum(p, 1e-7)), np.log(np.maximum(1 - p, 1e-7))


def _dense(y, p):
    p = np.asarray(p, "float64")
    p = p[:, None] if p.ndim == 1 else p
    return one_hot(y, p.shape[-1]), p


@oracle("asymmetric")
def asymmetric(y, p, *, gamma_neg=4.0, gamma_pos=1.0, clip=0.05, from_logits=False):
    y, p = _dense(y, p)
    p, log_p, log_not_p = _binary_logs(p, from_logits)
    shifted = np.maximum(p - clip, 0)
    log_not_shifted = np.log(1 - shifted) if clip > 0 else log_not_p
    positive = (1 - p) ** gamma_pos * log_p
    negative = shifted**gamma_neg * log_not_shifted
    return -(y * positive + (1 - y) * negative).mean(-1)


@oracle("quality_focal")
def quality_focal(y, p, *, beta=2.0, from_logits=False):
    y, p = _dense(y, p)
    p, log_p, log_not_p = _binary_logs(p, from_logits)
    return -(np.abs(y - p) ** beta * ((1 - y) * log_not_p + y * log_p)).mean(-1)


@oracle("varifocal")
def varifocal(y, p, *, alpha=0.75, gamma=2.0, from_logits=False):
    q, p = _dense(y, p)
    p, log_p, log_not_p = _binary_logs(p, from_logits)
    return np.where(q > 0, -q * (q * log_p + (1 - q) * log_not_p), -alpha * p**gamma * log_not_p).mean(-1)


@oracle("coral")
def coral(y, z, *, ignore_class=None):
    z = np.asarray(z, "float64")
    z = z[:, None] if z.ndim == 1 else z
    ranks = np.asarray(y).reshape(z.shape[:-1])
    values = np.zeros(ranks.shape)
    for k in range(z.shape[-1]):
        values += np.where(ranks > k, np.logaddexp(0, -z[..., k]), np.logaddexp(0, z[..., k]))
    return values if ignore_class is None else values * (ranks != ignore_class)


@oracle("weighted_kappa")
def weighted_kappa(y, p, *, weighting="quadratic", epsilon=1e-6):
    y, p = _dense(y, p)
    if p.shape[-1] == 1:
        y, p = np.concatenate([1 - y, y], -1), np.concatenate([1 - p, p], -1)
    samples, classes = p.shape
    observed = expected = 0.0
    for i in range(classes):
        for j in range(classes):
            weight = (i - j) ** 2 if weighting == "quadratic" else abs(i - j)
            expected += weight * sum(y[n, i] for n in range(samples)) * sum(p[n, j] for n in range(samples)) / samples
            for n in range(samples):
                observed += weight * y[n, i] * p[n, j]
    return np.full(samples, np.log(observed / expected + epsilon))


def _two_classes(y, z):
    y, z = _dense(y, z)
    if z.shape[-1] == 1:
        return np.concatenate([1 - y, y], -1), np.concatenate([np.zeros_like(z), z], -1)
    return y, z


@oracle("sparsemax_loss")
def sparsemax_loss(y, z, *, ignore_class=None):
    known = _classes(y, z, True, 0.0, ignore_class)[-1]
    y, z = _two_classes(y, z)
    values = np.zeros(z.shape[:-1])
    for row in np.ndindex(values.shape):
        q, x = y[row], z[row]
        falling = np.sort(x)[::-1]
        size = max(k for k in range(1, len(x) + 1) if 1 + k * falling[k - 1] > falling[:k].sum())
        tau = (falling[:size].sum() - 1) / size
        values[row] = -q @ x + ((x**2 - tau**2) * (x > tau)).sum() / 2 + q @ q / 2
    return known * values


@oracle("bi_tempered")
def bi_tempered(y, z, *, t1=0.8, t2=1.2, label_smoothing=0.0, ignore_class=None):
    known = _classes(y, z, True, 0.0, ignore_class)[-1]
    y, z = _two_classes(y, z)
    y = y * (1 - label_smoothing) + label_smoothing / z.shape[-1]
    largest = z.max(-1, keepdims=True)
    if t2 == 1:
        p = np.exp(z - largest) / np.exp(z - largest).sum(-1, keepdims=True)
    else:

        def exp_t2(x):
            return (1 + (1 - t2) * x) ** (1 / (1 - t2))

        # Halving the interval in which the probabilities come to add up to 1.
        low, high = largest, largest + (z.shape[-1] ** (t2 - 1) - 1) / (t2 - 1)
        for _ in range(200):
            middle = (low + high) / 2
            above = exp_t2(z - middle).sum(-1, keepdims=True) > 1
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        p = exp_t2(z - low)

    def log_t1(x):
        return np.log(np.maximum(x, 1e-300)) if t1 == 1 else (x ** (1 - t1) - 1) / (1 - t1)

    of_targets = np.where(y > 0, y * log_t1(np.where(y > 0, y, 1)), 0)
    return known * (of_targets - y * log_t1(p) - (y ** (2 - t1) - p ** (2 - t1)) / (2 - t1)).sum(-1)


def _classes(y, p, from_logits, smoothing=0.0, ignored=None):
    """Smoothed targets, log p, p of both or of all classes, and which positions count."""
    p = np.asarray(p, "float64")
    p = p[:, None] if p.ndim == 1 else p
    y = one_hot(y, p.shape[-1])
    if p.shape[-1] == 1:
        p = np.concatenate([np.zeros_like(p), p] if from_logits else [1 - p, p], -1)
        y = np.concatenate([1 - y, y], -1)
    known = np.ones(y.shape[:-1])
    if ignored is not None:
        known = np.where(y.sum(-1) == 0, False, y.argmax(-1) != ignored)
    logs = log_softmax(p) if from_logits else log_of(p)
    return y * (1 - smoothing) + smoothing / p.shape[-1], logs, np.exp(logs) if from_logits else p, known


@oracle("poly1")
def poly1(y, p, *, epsilon=1.0, from_logits=False, label_smoothing=0.0, ignore_class=None):
    y, logs, p, known = _classes(y, p, from_logits, label_smoothing, ignore_class)
    return known * (-(y * logs).sum(-1) + epsilon * (1 - (y * p).sum(-1)))


@oracle("logit_adjusted")
def logit_adjusted(y, z, *, class_priors, tau=1.0, ignore_class=None):
    y, z, _, known = _classes(y, z, True, 0.0, ignore_class)
    return known * -(y * log_softmax(z + tau * np.log(class_priors))).sum(-1)


@oracle("ldam")
def ldam(y, z, *, samples_per_class, max_margin=0.5, scale=30.0, ignore_class=None):
    y, z, _, known = _classes(y, np.asarray(z, "float64"), True, 0.0, ignore_class)
    counts = np.asarray(samples_per_class, "float64")
    margins = max_margin * (counts.min() / counts) ** 0.25
    # The logits less what all have in common: LDAM scales them, so that the softmax of them would not do.
    return known * -(y * log_softmax(scale * (z - y * margins))).sum(-1)


@oracle("symmetric_crossentropy")
def symmetric_crossentropy(y, p, *, alpha=0.1, beta=1.0, from_logits=False, ignore_class=None):
    y, logs, p, known = _classes(y, p, from_logits, 0.0, ignore_class)
    reverse = -(p * np.maximum(np.log(np.where(y > 0, y, np.exp(-4))), -4)).sum(-1)
    return known * (alpha * -(y * logs).sum(-1) + beta * reverse)


@oracle("generalized_crossentropy")
def generalized_crossentropy(y, p, *, q=0.7, from_logits=False, ignore_class=None):
    y, _, p, known = _classes(y, p, from_logits, 0.0, ignore_class)
    return known * (1 - (y * p).sum(-1) ** q) / q
