# SPDX-License-Identifier: Apache-2.0
"""Losses over two views of each sample that need no other sample to be told apart from."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from tfloss_ext import numerics, replicas
from tfloss_ext.base import BatchLoss
from tfloss_ext.declaration import hook
from tfloss_ext.pairing import ViewsLoss
from tfloss_ext.parameters import number


class NegativeCosine(ViewsLoss, key="negative_cosine"):
    """Turns predictions toward their targets, which do not follow: `-cos(prediction, stop_gradient(target))`.

    The symmetric loss of the paper is two outputs of this: the prediction of each view with the projection of the other
    one as its target.

    Shapes:
        y_pred: `(B, 2, D)`, prediction and target, or a pair of tensors `(B, D)`; y_true: unused, of any shape.
        Values: `(B,)`, from -1 (one direction) to 1 (opposite ones); 0 where one of the two is zero.

    Reference:
        Chen & He, Exploring Simple Siamese Representation Learning, arXiv:2011.10566.

    Example:
        >>> loss = NegativeCosine()
        >>> print(f"{loss(None, [[[1.0, 0.0], [3.0, 4.0]]]):.4f}")
        -0.6000
    """

    predictions = "predictions and their targets `(B, 2, D)`"
    use = "a network that predicts one view of a sample from another"
    holds = True

    def call(self, y_true: Any, y_pred: Any) -> Any:
        prediction, target = numerics.normalize(y_pred[:, 0]), numerics.normalize(ops.stop_gradient(y_pred[:, 1]))
        return -ops.sum(prediction * target, axis=-1)


class MomentsLoss(BatchLoss, ViewsLoss):
    """The family of losses of the means, variances and correlations over a batch, and over that of every replica.

    A subclass gives `cost(views, centred, squares, count)`: what the batch costs, a number, or what each sample does.
    What is of the batch is credited to the samples that are kept in equal shares. Outputs that are the same for all of
    them, whatever their rounding, have a variance of exactly 0.
    """

    asks_replicas = True

    @hook
    def cost(self, views: Any, centred: Any, squares: Any, count: Any) -> Any:
        """What the batch costs, a number, or each sample, (B,).

        Args:
            views: (B, 2, D), zeros for samples that are not kept.
            centred: The same less the mean over all that are kept, of every replica; zeros for the others.
            squares: The sum of the squares of that over the samples of every replica, (2, D).
            count: The number of samples that are kept, of every replica.
        """

    def call(self, y_true: Any, y_pred: Any, kept: Any = None) -> Any:
        batch, dtype = ops.shape(y_pred)[0], y_pred.dtype
        kept = ops.ones((batch,), dtype=dtype) if kept is None else ops.cast(kept, dtype)
        count = replicas.total(ops.sum(kept))
        mask = ops.reshape(kept, (-1, 1, 1))

        def mean(x: Any) -> Any:
            return numerics.ratio(sum_over_all(x * mask), count)

        middle = mean(y_pred)
        centred = y_pred - middle
        # A mean is rounded, and off by as much as embeddings far from the origin vary.
        centred = (centred - ops.stop_gradient(mean(centred))) * mask
        squares = sum_over_all(ops.square(centred))
        rounding = 4.0 * float(np.finfo(self.compute_dtype).eps) * middle
        varies = squares > count * ops.square(rounding)
        centred, squares = ops.where(varies, centred, 0.0), ops.where(varies, squares, 0.0)
        share = numerics.ratio(ops.cast(batch * replicas.count(), dtype), count)
        return kept * share * self.cost(y_pred, centred, squares, count)


class BarlowTwins(MomentsLoss, key="barlow_twins"):
    """Makes each output of the two views the same, and no two outputs alike.

    `sum_i (1 - C_ii)**2 + redundancy * sum_{i != j} C_ij**2`, C_ij being the correlation over the batch of output i of
    the first views with output j of the second ones.

    Shapes:
        y_pred: two views `(B, 2, D)`, or a pair of tensors `(B, D)`; y_true: unused, of any shape.
        Values: `(B,)`, equal shares of what the batch, of all replicas, costs; their mean is that. An output that is
        the same for all samples correlates with nothing, C_ij = 0; a sample alone costs 0. A sample of weight 0 takes
        part in no correlation.

    Reference:
        Zbontar et al., Barlow Twins: Self-Supervised Learning via Redundancy Reduction, arXiv:2103.03230.

    Example:
        >>> loss = BarlowTwins(redundancy=0.5)
        >>> views = [[[1.0, 1.0], [1.0, 2.0]], [[-1.0, 1.0], [-1.0, 2.0]], [[1.0, -1.0], [1.0, -3.0]]]
        >>> print(f"{loss(None, views):.4f}")
        0.2500
    """

    use = "embeddings without negatives, wide ones"

    redundancy: float = number(
        default=5e-3, at_least=0, doc="The weight of the correlations between different outputs."
    )

    def cost(self, views: Any, centred: Any, squares: Any, count: Any) -> Any:
        units = numerics.ratio(centred, numerics.root(squares))
        one, other = units[:, 0], units[:, 1]
        # Not the diagonal of what follows: products of matrices have few digits on some GPUs.
        same = sum_over_all(one * other)
        across = replicas.total(ops.transpose(one) @ other)
        cost = ops.sum(ops.square(1.0 - same)) + self.redundancy * ops.sum(squares_off_the_diagonal(across))
        return ops.where(count > 1, cost, 0.0)


class VICReg(MomentsLoss, key="vicreg"):
    """Brings two views of a sample together, and keeps the outputs spread out and uncorrelated.

    `invariance * mean (z - z')**2 + variance * (v + v') / 2 + covariance * (c + c')`, v being the mean over the outputs
    of `max(0, 1 - sqrt(var + 1e-4))` and c the sum of the squared covariances of different outputs, divided by D; both
    over the batch, and unbiased.

    Shapes:
        y_pred: two views `(B, 2, D)`, or a pair of tensors `(B, D)`; y_true: unused, of any shape.
        Values: `(B,)`, each sample's invariance term, and equal shares of what the other terms cost the batch, of all
        replicas. A sample alone, of which there is no variance, costs its invariance term. A sample of weight 0 takes
        part in no variance.

    Reference:
        Bardes, Ponce & LeCun, VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised Learning,
        arXiv:2105.04906.

    Example:
        >>> loss = VICReg()
        >>> print(f"{loss(None, [[[0.0, 0.1], [0.1, 0.1]], [[0.2, 0.3], [0.2, 0.2]]]):.2f}")
        22.46
    """

    use = "embeddings without negatives, from branches that may differ"

    invariance: float = number(
        default=25.0, at_least=0, doc="The weight of the distance between the views of a sample."
    )
    variance: float = number(default=25.0, at_least=0, doc="The weight of what outputs lack to a deviation of 1.")
    covariance: float = number(default=1.0, at_least=0, doc="The weight of the covariances between different outputs.")

    def cost(self, views: Any, centred: Any, squares: Any, count: Any) -> Any:
        distance = numerics.mean(ops.square(views[:, 0] - views[:, 1]))
        spread = sum(self.spread(centred[:, i], squares[i], numerics.at_least(count - 1.0, 1.0)) for i in range(2))
        return self.invariance * distance + ops.where(count > 1, spread, 0.0)

    def spread(self, centred: Any, squares: Any, freedom: Any) -> Any:
        """What the outputs of one of the views lack in variance and have in covariance."""
        v = numerics.mean(ops.relu(1.0 - ops.sqrt(squares / freedom + 1e-4)))
        covariances = replicas.total(ops.transpose(centred) @ centred) / freedom
        c = numerics.mean(squares_off_the_diagonal(covariances))
        return 0.5 * self.variance * v + self.covariance * c


def sum_over_all(x: Any) -> Any:
    """The sum over the samples of every replica."""
    return replicas.total(ops.squeeze(numerics.long_sum(ops.expand_dims(x, 0)), 0))


def squares_off_the_diagonal(matrix: Any) -> Any:
    """The sum over each column of the squares of a matrix, without its diagonal."""
    places = ops.arange(ops.shape(matrix)[0], dtype="int32")
    # Not all less the diagonal, of which nothing is left where that is by far the larger part.
    return ops.sum(ops.square(ops.where(ops.equal(ops.expand_dims(places, 1), places), 0.0, matrix)), axis=0)
