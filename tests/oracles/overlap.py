# SPDX-License-Identifier: Apache-2.0
"""References of the overlap losses."""

from __future__ import annotations

import numpy as np

from oracles.common import log_softmax, one_hot, oracle, sigmoid


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
