# SPDX-License-Identifier: Apache-2.0
"""References of the overlap losses: probabilities, targets and weights of every position first, then each formula."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from oracles.common import log_of, log_softmax, one_hot, oracle, sigmoid


@dataclass
class Regions:
    """What the shared options leave: p, y `(images, positions, C)`, weights `(images, positions, 1)`, and log p."""

    p: np.ndarray
    y: np.ndarray
    w: np.ndarray
    log_p: np.ndarray
    log_not_p: np.ndarray
    batch: int
    include_background: bool
    class_weights: np.ndarray | None
    binary: bool

    def sums(self):
        return ((self.w * part).sum(1) for part in (self.p * self.y, self.p, self.y))

    def over_classes(self, costs, present=None):
        """The weighted mean over the classes that count, for each image of the batch."""
        costs = costs if self.include_background else costs[:, 1:]
        weights = np.ones_like(costs) if self.class_weights is None else self.class_weights + np.zeros_like(costs)
        if present is not None:
            weights = weights * (present if self.include_background else present[:, 1:])
        total = weights.sum(-1)
        means = np.where(total > 0, (costs * weights).sum(-1) / np.where(total > 0, total, 1), 0.0)
        return np.broadcast_to(means, (self.batch,))

    def over_positions(self, values):
        """The weighted mean of `(images, positions)`."""
        w = self.w[..., 0]
        total = w.sum(1)
        return np.where(total > 0, (w * values).sum(1) / np.where(total > 0, total, 1), 0.0)


def regions(
    y,
    p,
    *,
    from_logits=False,
    multilabel=False,
    per_image=True,
    include_background=True,
    class_weights=None,
    ignore_class=None,
    weight=None,
    dense=None,
):
    p = np.asarray(p, "float64")
    batch, classes = len(p), p.shape[-1]
    dense = one_hot(y, classes) if dense is None else dense
    known = np.ones(dense.shape[:-1])
    if ignore_class is not None:
        ids = dense[..., 0].round() if classes == 1 else np.where(dense.sum(-1) > 0, dense.argmax(-1), ignore_class)
        known = (ids != ignore_class).astype("float64")
    binary = multilabel or classes == 1
    if from_logits and binary:
        log_p, log_not_p = -np.logaddexp(0, -p), -np.logaddexp(0, p)
        p = sigmoid(p)
    elif from_logits:
        log_p = log_softmax(p)
        p = np.exp(log_p)
        log_not_p = np.zeros_like(p)
    else:
        log_p, log_not_p = log_of(p), log_of(1 - p)
    if weight is not None:
        known = known * np.asarray(weight)
    images = batch if per_image else 1
    parts = [part.reshape(images, -1, classes) for part in (p, dense, log_p, log_not_p)]
    return Regions(
        parts[0],
        parts[1],
        known.reshape(images, -1, 1),
        *parts[2:],
        batch,
        include_background,
        None if class_weights is None else np.asarray(class_weights, "float64"),
        binary,
    )


def quotient(top, bottom, otherwise):
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1), otherwise)


def dice_costs(r, s, power=1):
    top = 2 * (r.w * r.p * r.y).sum(1) + s
    bottom = (r.w * r.p**power).sum(1) + (r.w * r.y**power).sum(1) + s
    return 1 - quotient(top, bottom, 1)


@oracle("dice_loss")
def dice_loss(y, p, *, squared=False, smooth=1e-6, **shared):
    r = regions(y, p, **shared)
    return r.over_classes(dice_costs(r, smooth, 2 if squared else 1))


@oracle("jaccard")
def jaccard(y, p, *, smooth=1e-6, **shared):
    r = regions(y, p, **shared)
    i, predicted, actual = r.sums()
    return r.over_classes(1 - quotient(i + smooth, predicted + actual - i + smooth, 1))


def tversky_costs(r, alpha, beta, smooth):
    i, predicted, actual = r.sums()
    index = quotient(i + smooth, i + alpha * (predicted - i) + beta * (actual - i) + smooth, 1)
    return np.maximum(1 - index, 0)


@oracle("tversky_loss")
def tversky_loss(y, p, *, alpha=0.3, beta=0.7, smooth=1e-6, **shared):
    r = regions(y, p, **shared)
    return r.over_classes(tversky_costs(r, alpha, beta, smooth))


@oracle("focal_tversky")
def focal_tversky(y, p, *, alpha=0.3, beta=0.7, gamma=4 / 3, smooth=1e-6, **shared):
    r = regions(y, p, **shared)
    return r.over_classes(tversky_costs(r, alpha, beta, smooth) ** (1 / gamma))


@oracle("generalized_dice")
def generalized_dice(y, p, *, weighting="square", smooth=1e-6, **shared):
    r = regions(y, p, **shared)
    i, predicted, actual = (part if r.include_background else part[:, 1:] for part in r.sums())
    values = []
    for image in range(len(i)):
        sizes = actual[image]
        weights = []
        for size in sizes:
            found = [one for one in sizes if one > 0]
            size = size or (min(found) if found else 1.0)
            known = found or weighting == "uniform"
            weights.append({"square": 1 / size**2, "simple": 1 / size, "uniform": 1.0}[weighting] if known else 1.0)
        weights = np.array(weights)
        top = 2 * (weights * i[image]).sum() + smooth
        bottom = (weights * (predicted[image] + sizes)).sum() + smooth
        values.append(1 - (top / bottom if bottom else 1.0))
    return np.broadcast_to(values, (r.batch,))


@oracle("mcc")
def mcc(y, p, *, smooth=1e-6, **shared):
    r = regions(y, p, **shared)
    tp = (r.w * r.p * r.y).sum(1) + smooth
    tn = (r.w * (1 - r.p) * (1 - r.y)).sum(1) + smooth
    fp = (r.w * r.p * (1 - r.y)).sum(1)
    fn = (r.w * (1 - r.p) * r.y).sum(1)
    return r.over_classes(1 - (tp * tn - fp * fn) / np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))


def jaccard_of_sets(wrong, region):
    """The Jaccard loss of a region whose wrong positions are these."""
    union = len(wrong | region)
    return len(wrong) / union if union else 0.0


def lovasz_extension(errors, region):
    """Errors in decreasing order, each times what the loss grows by as its position joins the wrong ones."""
    wrong, total = set(), 0.0
    for position in np.argsort(-errors, kind="stable"):
        before = jaccard_of_sets(wrong, region)
        wrong = wrong | {position}
        total += errors[position] * (jaccard_of_sets(wrong, region) - before)
    return total


@oracle("lovasz")
def lovasz(y, p, **shared):
    r = regions(y, p, **shared)
    hits = r.y > 0.5
    hinges = np.maximum(1 - np.where(hits, 1, -1) * (r.log_p - r.log_not_p), 0)
    errors = hinges if r.binary else np.abs(hits - r.p)
    costs, present = np.zeros((2, len(r.p), r.p.shape[-1]))
    for image, c in np.ndindex(costs.shape):
        kept = np.flatnonzero(r.w[image, :, 0])
        region = set(np.flatnonzero(hits[image, kept, c]))
        costs[image, c] = lovasz_extension((r.w * errors)[image, kept, c], region)
        present[image, c] = bool(region)
    return r.over_classes(costs, None if r.binary else present)


def bones(x, iterations):
    """The soft skeleton of one map, as in the paper: minima over a cross, maxima over a full window."""
    cross, window = ndimage.generate_binary_structure(x.ndim, 1), np.ones((3,) * x.ndim)

    def eroded(x):
        return ndimage.grey_erosion(x, footprint=cross, mode="nearest")

    def opened(x):
        return ndimage.grey_dilation(eroded(x), footprint=window, mode="nearest")

    found = np.maximum(x - opened(x), 0)
    for _ in range(iterations):
        x = eroded(x)
        delta = np.maximum(x - opened(x), 0)
        found = found + np.maximum(delta - found * delta, 0)
    return found


@oracle("cl_dice")
def cl_dice(y, p, *, iterations=3, alpha=0.5, smooth=1e-6, **shared):
    spatial = np.shape(p)[1:-1]
    r = regions(y, p, **shared)
    images, classes = len(r.p), r.p.shape[-1]
    costs = np.zeros((images, classes))
    for image, c in np.ndindex(costs.shape):
        of_p = (r.w[image, :, 0] * r.p[image, :, c]).reshape(-1, *spatial)
        of_y = (r.w[image, :, 0] * r.y[image, :, c]).reshape(-1, *spatial)
        s_p, s_y = (np.stack([bones(one, iterations) for one in maps]) for maps in (of_p, of_y))
        precision = ((s_p * of_y).sum() + smooth) / (s_p.sum() + smooth)
        sensitivity = ((s_y * of_p).sum() + smooth) / (s_y.sum() + smooth)
        topology = 1 - 2 * precision * sensitivity / (precision + sensitivity)
        overlap = 1 - (2 * (of_p * of_y).sum() + smooth) / (of_p.sum() + of_y.sum() + smooth)
        costs[image, c] = (1 - alpha) * overlap + alpha * topology
    return r.over_classes(costs)


@oracle("boundary")
def boundary(y, p, **shared):
    maps = np.asarray(y, "float64").reshape(np.shape(p))
    ignored = shared.pop("ignore_class", None)
    if ignored is not None:
        shared["weight"] = (maps.argmin(-1) != ignored) * shared.get("weight", 1.0)
    r = regions(None, p, dense=maps, **shared)
    return r.over_classes(np.stack([r.over_positions((r.p * r.y)[..., c]) for c in range(r.p.shape[-1])], -1))


@oracle("dice_crossentropy")
def dice_crossentropy(y, p, *, dice_weight=1.0, crossentropy_weight=1.0, smooth=1e-6, **shared):
    r = regions(y, p, **shared)
    weights = np.ones(r.p.shape[-1])
    if r.class_weights is not None:
        weights[0 if r.include_background else 1 :] = r.class_weights
    if r.binary:
        terms = -(weights * (r.y * r.log_p + (1 - r.y) * r.log_not_p)).mean(-1)
    else:
        terms = -(weights * r.y * r.log_p).sum(-1)
    return dice_weight * r.over_classes(dice_costs(r, smooth)) + crossentropy_weight * r.over_positions(terms)


@oracle("dice_focal")
def dice_focal(y, p, *, dice_weight=1.0, focal_weight=1.0, gamma=2.0, alpha=None, smooth=1e-6, **shared):
    r = regions(y, p, **shared)
    if r.binary:
        p_t = r.y * r.p + (1 - r.y) * (1 - r.p)
        weight = 1.0 if alpha is None else r.y * alpha + (1 - r.y) * (1 - alpha)
        terms = (weight * (1 - p_t) ** gamma * -(r.y * r.log_p + (1 - r.y) * r.log_not_p)).mean(-1)
    else:
        terms = (np.asarray(1.0 if alpha is None else alpha) * r.y * (1 - r.p) ** gamma * -r.log_p).sum(-1)
    return dice_weight * r.over_classes(dice_costs(r, smooth)) + focal_weight * r.over_positions(terms)


@oracle("unified_focal")
def unified_focal(y, p, *, weight=0.5, delta=0.6, gamma=0.5, smooth=1e-6, position_weight=None, **shared):
    p, classes = np.asarray(p, "float64"), np.shape(p)[-1]
    if classes == 1:
        y = one_hot(y, 1)
        y = np.concatenate([1 - y, y], -1)
        p = np.concatenate([np.zeros_like(p), p] if shared.get("from_logits") else [1 - p, p], -1)
        shared = {**shared, "multilabel": False}
    r = regions(y, p, **shared, weight=position_weight)
    focal = (1 - delta) * (1 - r.p[..., 0]) ** gamma * r.y[..., 0] * -r.log_p[..., 0]
    focal = focal + delta * r.y[..., 1] * -r.log_p[..., 1]
    costs = tversky_costs(r, 1 - delta, delta, smooth) ** np.array([1, 1 - gamma])
    return weight * r.over_positions(focal) + (1 - weight) * r.over_classes(costs)
