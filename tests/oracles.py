# SPDX-License-Identifier: Apache-2.0
"""What each loss should be: float64 NumPy written from the papers, slow and plain, sharing nothing with the package."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np

ORACLES: dict[str, Callable[..., np.ndarray]] = {}


def oracle(key: str) -> Callable[[Callable[..., np.ndarray]], Callable[..., np.ndarray]]:
    """Put a function down as the reference of the loss with this key."""

    def put(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        ORACLES[key] = function
        return function

    return put


def sigmoid(z: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -z))


def log_softmax(z: np.ndarray) -> np.ndarray:
    z = z - z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def one_hot(y: np.ndarray, classes: int) -> np.ndarray:
    """Targets with a class axis, from ids or from targets that have it."""
    y = np.asarray(y)
    if classes == 1:
        return y.reshape(*y.shape, 1) if y.shape[-1:] != (1,) else y.astype("float64")
    if y.shape[-1:] == (classes,) and y.ndim > 1:
        return y.astype("float64")
    if y.shape[-1:] == (1,) and y.ndim > 1:
        y = y[..., 0]
    return np.stack([y == c for c in range(classes)], -1).astype("float64")


def log_of(p: np.ndarray) -> np.ndarray:
    return np.log(np.clip(p, 1e-7, 1 - 1e-7))


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


def region_sums(y, p, weight, *, from_logits, multilabel, per_image, ignore_class):
    """p, y and weights per image, position and class; per_image=False makes one image of the batch."""
    p = np.asarray(p, "float64")
    classes = p.shape[-1]
    dense = one_hot(y, classes)
    known = np.ones(dense.shape[:-1])
    if ignore_class is not None:
        ids = dense[..., 0].round() if classes == 1 else np.where(dense.sum(-1) > 0, dense.argmax(-1), ignore_class)
        known = (ids != ignore_class).astype("float64")
    if from_logits:
        p = sigmoid(p) if multilabel or classes == 1 else np.exp(log_softmax(p))
    if weight is not None:
        known = known * np.asarray(weight)
    images = len(p) if per_image else 1
    return dense.reshape(images, -1, classes), p.reshape(images, -1, classes), known.reshape(images, -1, 1)


def over_classes(costs, batch, include_background, class_weights):
    if not include_background:
        costs = costs[:, 1:]
    weights = np.ones(costs.shape[1]) if class_weights is None else np.asarray(class_weights, "float64")
    return np.broadcast_to((costs * weights).sum(-1) / weights.sum(), (batch,))


@oracle("dice_loss")
def dice_loss(
    y,
    p,
    *,
    squared=False,
    from_logits=False,
    multilabel=False,
    smooth=1e-6,
    per_image=True,
    include_background=True,
    class_weights=None,
    ignore_class=None,
    weight=None,
):
    batch = len(p)
    y, p, w = region_sums(
        y, p, weight, from_logits=from_logits, multilabel=multilabel, per_image=per_image, ignore_class=ignore_class
    )
    power = 2 if squared else 1
    top = 2 * (w * p * y).sum(1) + smooth
    bottom = (w * p**power).sum(1) + (w * y**power).sum(1) + smooth
    costs = 1 - np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1), 1)
    return over_classes(costs, batch, include_background, class_weights)


def between(a, b, kind):
    if kind == "cosine":
        length = np.linalg.norm(a) * np.linalg.norm(b)
        return 1 - (a @ b / length if length else 0.0)
    return np.linalg.norm(a - b) ** (2 if kind == "squared_l2" else 1)


@oracle("contrastive")
def contrastive(y, p, *, margin=1.0, distance="l2"):
    p, y = np.asarray(p, "float64"), np.asarray(y, "float64").reshape(-1)
    d = np.array([between(a, b, distance) for a, b in p]) if p.ndim == 3 else p.reshape(-1)
    return y * d**2 + (1 - y) * np.maximum(margin - d, 0) ** 2


@oracle("triplet")
def triplet(
    y,
    p,
    *,
    margin=1.0,
    mining="semi_hard",
    distance="l2",
    soft_margin=False,
    swap=False,
    cross_replica=True,
    block_size=None,
):
    """Every rule spelt out with loops over anchors, positives and negatives."""

    def hinge(near, far):
        return np.logaddexp(0, near - far) if soft_margin else max(near - far + margin, 0.0)

    p = np.asarray(p, "float64")
    if p.ndim == 3:
        values = []
        for anchor, positive, negative in p:
            far = between(anchor, negative, distance)
            if swap:
                far = min(far, between(positive, negative, distance))
            values.append(hinge(between(anchor, positive, distance), far))
        return np.array(values)
    ids = np.asarray(y).reshape(-1)
    n = len(p)
    d = np.array([[between(a, b, distance) for b in p] for a in p])
    totals, count = np.zeros(n), 0
    for a in range(n):
        positives = [j for j in range(n) if j != a and ids[j] == ids[a]]
        negatives = [j for j in range(n) if ids[j] != ids[a]]
        if not positives or not negatives:
            continue
        if mining == "hard":
            terms = [hinge(max(d[a, positives]), min(d[a, negatives]))]
            count += 1
        elif mining == "all":
            terms = [hinge(d[a, i], d[a, j]) for i, j in product(positives, negatives)]
            count += sum(term > 0 for term in terms)
        else:
            terms = []
            for i in positives:
                farther = [d[a, j] for j in negatives if d[a, j] > d[a, i]]
                terms.append(hinge(d[a, i], min(farther) if farther else max(d[a, negatives])))
            count += len(terms)
        totals[a] = sum(terms)
    return totals * n / max(count, 1)
