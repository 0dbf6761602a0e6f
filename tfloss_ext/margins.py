# SPDX-License-Identifier: Apache-2.0
"""Losses over the cosines between embeddings and learned centres of classes, as `layers.CosineHead` gives them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from keras import ops

from tfloss_ext import crossentropy, labels, numerics, replicas, shapes
from tfloss_ext.base import BatchLoss, ClassLoss
from tfloss_ext.classes import Classes
from tfloss_ext.declaration import hook
from tfloss_ext.parameters import number, whole

# The exponent of what has no share in a sum of exponentials: below any other.
_ABSENT = -1e36


class MarginLoss(ClassLoss):
    """The family of softmax crossentropies of scaled cosines, that of the true class lowered by a margin.

    Of soft targets each class goes its share of the way from its cosine to what the margin makes of it.
    """

    task = "embeddings"
    predictions = "cosines"
    takes_ids = True

    if TYPE_CHECKING:
        scale: float

    ignore_class: int | None = whole(
        default=None, optional=True, kw_only=True, doc="An id, of a class or not, whose positions are left out."
    )

    @hook
    def with_margin(self, cosine: Any) -> Any:
        """What stands in place of the cosine of the true class."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true, cosine = labels.two_classes(y_true, numerics.certain(y_pred), from_logits=True)
        share, own = ops.cast(labels.one_hot(y_true, cosine), cosine.dtype), cosine
        if labels.are_ids(y_true, cosine):
            # Of one class instead of perhaps a hundred thousand. A target of which it is yet to be said that it is no
            # class has none.
            own = ops.sum(share * cosine, axis=-1, keepdims=True)
        logits = self.scale * (cosine + share * (self.with_margin(own) - own))
        return crossentropy.categorical(Classes(y_true, logits, "softmax"))


class ArcFace(MarginLoss, key="arcface"):
    """Softmax crossentropy with a margin that is added to the angle of the true class.

    `crossentropy(y, softmax(scale * z))` with `z_c = cos(theta_c + margin)` of the true class and `cos(theta_c)` of the
    others. Where `theta + margin > pi` the margin is one of the cosine: `cos(theta) - margin * sin(margin)`. Of soft
    targets `z` is `(1 - y) cos(theta) + y cos(theta + margin)`.

    Shapes:
        y_pred: cosines `(B, C)`, as `CosineHead` gives them, or `(B, ..., C)`; with C == 1 it is the cosine of the
        second of two classes, the first having 0. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or
        `(B, ..., 1)`. Values: `(B,)` or `(B, ...)`, in nats. Targets are data: no gradient flows to `y_true`. Cosines
        beyond [-1, 1], as rounding leaves them, do no harm.

    Reference:
        Deng et al., ArcFace: Additive Angular Margin Loss for Deep Face Recognition, arXiv:1801.07698.

    Example:
        >>> loss = ArcFace(margin=0.5, scale=4.0)
        >>> print(f"{loss([0, 1], [[0.8, 0.1], [0.8, 0.1]]):.4f}")
        2.5079
    """

    use = "recognition of many ids, by a margin of the angle"

    margin: float = number(default=0.5, at_least=0, at_most=math.pi / 2, doc="In radians.")
    scale: float = number(default=64.0, above=0, doc="What the cosines are multiplied with.")

    def with_margin(self, cosine: Any) -> Any:
        of = math if isinstance(self.margin, float) else ops
        cos, sin = of.cos(self.margin), of.sin(self.margin)
        # By the sum of angles: the arccosine has an infinite gradient at 1 and none beyond.
        turned = cosine * cos - numerics.root((1.0 - cosine) * (1.0 + cosine)) * sin
        return ops.where(cosine >= -cos, turned, cosine - self.margin * sin)


class CosFace(MarginLoss, key="cosface"):
    """Softmax crossentropy with a margin that is taken off the cosine of the true class.

    `crossentropy(y, softmax(scale * (cos(theta) - y * margin)))`, theta being the angles whose cosines are predicted.

    Shapes:
        y_pred: cosines `(B, C)`, as `CosineHead` gives them, or `(B, ..., C)`; with C == 1 it is the cosine of the
        second of two classes, the first having 0. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or
        `(B, ..., 1)`. Values: `(B,)` or `(B, ...)`, in nats. Targets are data: no gradient flows to `y_true`.

    Reference:
        Wang et al., CosFace: Large Margin Cosine Loss for Deep Face Recognition, arXiv:1801.09414.

    Example:
        >>> loss = CosFace(margin=0.35, scale=4.0)
        >>> print(f"{loss([0, 1], [[0.8, 0.1], [0.8, 0.1]]):.4f}")
        2.2177
    """

    use = "recognition of many ids, by a margin of the cosine"

    margin: float = number(default=0.35, at_least=0, doc="In units of the cosine.")
    scale: float = number(default=64.0, above=0, doc="What the cosines are multiplied with.")

    def with_margin(self, cosine: Any) -> Any:
        return cosine - self.margin


class SoftTriple(MarginLoss, key="soft_triple"):
    """Softmax crossentropy with a margin, of the cosines to classes of several centres each.

    `-log(exp(scale (S_y - margin)) / (exp(scale (S_y - margin)) + sum_{c != y} exp(scale S_c)))`, with
    `S_c = sum_k softmax_k(s_ck / gamma) s_ck` of the cosines s to the K centres of class c: the nearest centres count
    most. The regularizer of the paper, which merges centres, is no part of it.

    Shapes:
        y_pred: cosines `(B, C, K)`, as `CosineHead(..., pool=False)` gives them; with C == 1 they are those of the
        second of two classes, the first having 0. y_true: one-hot or soft targets `(B, C)`, of which each class has its
        share of the margin, or ids `(B,)` or `(B, 1)`. Values: `(B,)`, in nats. Targets are data: no gradient flows to
        `y_true`.

    Reference:
        Qian et al., SoftTriple Loss: Deep Metric Learning Without Triplet Sampling, arXiv:1909.05235.

    Example:
        >>> loss = SoftTriple(scale=4.0)
        >>> print(f"{loss([0, 1], [[[0.8, 0.2], [0.1, 0.0]], [[0.8, 0.2], [0.1, 0.0]]]):.4f}")
        1.5243
    """

    predictions = "cosines `(B, C, K)`"
    targets = "ids, one-hot or soft `(B, C)`"
    use = "ids that look different from case to case, by several centres each"

    scale: float = number(default=20.0, above=0, doc="What the cosines are multiplied with.")
    gamma: float = number(
        default=0.1, above=0, doc="How much other centres of a class than the nearest count; toward 0 nothing."
    )
    margin: float = number(default=0.01, at_least=0, doc="In units of the cosine.")

    def align(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        if len(y_pred.shape) != 3:
            raise shapes.mismatch("y_pred of shape (B, C, K)", y_true, y_pred)
        y_true, _ = super().align(y_true, y_pred[..., 0])
        # The classes last, where all that is said of targets looks for them.
        return ops.expand_dims(y_true, 1), ops.transpose(y_pred, (0, 2, 1))

    def value_shape(self, y_pred: Any) -> tuple[int | None, ...]:
        return tuple(y_pred.shape)[:1]

    def known(self, y_true: Any, y_pred: Any) -> Any:
        found = super().known(y_true, y_pred)
        return found if found is None else ops.squeeze(found, 1)

    def with_margin(self, cosine: Any) -> Any:
        return cosine - self.margin

    def call(self, y_true: Any, y_pred: Any) -> Any:
        cosine = numerics.certain(y_pred)
        largest = ops.stop_gradient(ops.max(cosine, axis=1, keepdims=True))
        weight = ops.exp((cosine - largest) / self.gamma)
        similarity = ops.sum(weight * cosine, axis=1) / ops.sum(weight, axis=1)
        return super().call(ops.squeeze(y_true, 1), similarity)


class ProxyAnchor(BatchLoss, ClassLoss, key="proxy_anchor"):
    """Draws far samples of each class to its centre, a proxy, and pushes near samples of other classes off.

    `1/|P+| sum_{p in P+} log(1 + sum_{x in X_p+} exp(-alpha (s_xp - margin)))
    + 1/|P| sum_{p in P} log(1 + sum_{x in X_p-} exp(alpha (s_xp + margin)))` of the cosines s between samples x and
    proxies p, one for each class: P are all, P+ those of classes that are in the batch, X_p+ the samples of that class
    and X_p- the others. Each logarithm is credited to its samples in proportion to their exponentials, of which shares
    there is no gradient: a weight of samples weighs the terms in which they matter.

    Shapes:
        y_pred: cosines `(B, C)`, as `CosineHead` gives them; with C == 1 there is one proxy, and y_true is 1 or 0.
        y_true: ids `(B,)` or `(B, 1)`, or one-hot targets `(B, C)`; a sample may be of several classes, and of soft
        targets it is in both sums, with shares y and 1 - y. Values: `(B,)`, what is credited to each sample; their mean
        is the loss of the batch, which is that of all replicas. A sample of weight 0 or of an ignored class is in no
        sum. Targets are data: no gradient flows to `y_true`.

    Reference:
        Kim et al., Proxy Anchor Loss for Deep Metric Learning, arXiv:2003.13911.

    Example:
        >>> loss = ProxyAnchor(margin=0.1, alpha=4.0)
        >>> print(f"{loss([0, 1], [[0.8, 0.1], [0.8, 0.1]]):.4f}")
        2.7751
    """

    task = "embeddings"
    predictions = "cosines"
    use = "metric learning that converges fast, in large batches"
    holds = True
    takes_ids = True
    asks_replicas = True

    margin: float = number(default=0.1, at_least=0, doc="In units of the cosine.")
    alpha: float = number(default=32.0, at_least=0, doc="What the cosines are multiplied with.")
    ignore_class: int | None = whole(
        default=None, optional=True, kw_only=True, doc="An id, of a class or not, whose samples are left out."
    )

    def align(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        if len(y_pred.shape) > 2:
            raise shapes.mismatch("y_pred of shape (B, C)", y_true, y_pred)
        return super().align(y_true, y_pred)

    def call(self, y_true: Any, y_pred: Any, kept: Any = None) -> Any:
        s = numerics.certain(y_pred)
        positive = ops.cast(labels.one_hot(y_true, s), s.dtype)
        negative = 1.0 - positive
        if kept is not None:
            kept = ops.expand_dims(ops.cast(kept, s.dtype), -1)
            positive, negative = positive * kept, negative * kept
        drawn, present = _log_one_plus_sum(positive, -self.alpha * (s - self.margin))
        pushed, _ = _log_one_plus_sum(negative, self.alpha * (s + self.margin))
        values = numerics.ratio(ops.sum(drawn, axis=-1), ops.sum(present)) + numerics.mean(pushed)
        return values * ops.cast(ops.shape(s)[0] * replicas.count(), s.dtype)


def _log_one_plus_sum(shares: Any, exponents: Any) -> tuple[Any, Any]:
    """What each sample has in log(1 + sum_x shares * exp(exponents)), a sum for each class over all replicas.

    And 1 for each class of which there is a share, 0 for the others.
    """
    absent = shares <= 0
    exponents = ops.where(absent, _ABSENT, exponents + ops.log(ops.where(absent, 1.0, shares)))
    log_sum = ops.logsumexp(replicas.gather(exponents)[0], axis=0)
    credit = ops.stop_gradient(ops.exp(exponents - log_sum))
    return credit * ops.softplus(log_sum), ops.cast(log_sum > 0.1 * _ABSENT, exponents.dtype)
