# SPDX-License-Identifier: Apache-2.0
"""Losses over embeddings, whose ids or pairs say which belong together."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from tfloss_ext import blocks, crossentropy, mining, numerics, screening, shapes
from tfloss_ext.base import BatchLoss
from tfloss_ext.pairing import EmbeddingLoss, PairLoss
from tfloss_ext.parameters import choice, flag, number


class Contrastive(EmbeddingLoss, key="contrastive"):
    """Pulls similar pairs together and pushes dissimilar ones apart, up to a margin.

    `y d**2 + (1 - y) max(margin - d, 0)**2` for a pair at distance d, y being 1 where the two are similar.

    Shapes:
        y_pred: distances `(B,)` or `(B, 1)`, or pairs of embeddings `(B, 2, D)`.
        y_true: `(B,)` or `(B, 1)`, 1 similar, 0 dissimilar. Values: `(B,)`, in the distance's unit squared.

    Reference:
        Hadsell, Chopra & LeCun, Dimensionality Reduction by Learning an Invariant Mapping, CVPR 2006,
        doi:10.1109/CVPR.2006.100.

    Example:
        >>> loss = Contrastive(margin=1.0)
        >>> print(f"{loss([1, 0, 0], [0.5, 0.4, 2.0]):.4f}")
        0.2033
    """

    predictions = "distances, or pairs `(B, 2, D)`"
    targets = "1 similar, 0 not"
    use = "pairs that are alike or not"

    margin: float = number(default=1.0, at_least=0, doc="The distance beyond which dissimilar pairs cost nothing.")
    distance: str = choice(
        options=("l2", "cosine"),
        default="l2",
        doc='Of pairs of embeddings, `"cosine"` being 1 - cosine; given distances are taken as they are.',
    )

    def align(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        shape = tuple(y_pred.shape)
        if len(shape) == 2 and shape[1] == 1:
            y_pred = ops.squeeze(y_pred, -1)
        elif not (len(shape) == 1 or (len(shape) == 3 and shape[1] == 2)):
            raise shapes.mismatch("distances (B,) or (B, 1), or pairs (B, 2, D)", y_true, y_pred)
        return shapes.flat_ids(y_true, y_pred), y_pred

    def screen(self, y_true: Any, y_pred: Any) -> tuple[Any, screening.Mark | None]:
        return screening.shares(y_true, 1)

    def fault(self, targets: np.ndarray, classes: int | None) -> screening.Fault | None:
        return screening.fault_of_shares(targets)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if len(y_pred.shape) == 3:
            y_pred = blocks.distance(y_pred[:, 0], y_pred[:, 1], self.distance)
        return y_true * ops.square(y_pred) + (1.0 - y_true) * ops.square(ops.relu(self.margin - y_pred))


class Triplet(
    PairLoss,
    key="triplet",
    presets={
        "triplet_semi_hard": {"mining": "semi_hard"},
        "triplet_hard": {"mining": "hard"},
        "triplet_all": {"mining": "all"},
    },
):
    """Brings samples of one id closer to each other than to samples of other ids, by a margin.

    `max(d(anchor, positive) - d(anchor, negative) + margin, 0)`, for triplets mined in the batch or given.

    Shapes:
        y_pred: embeddings `(B, D)`, or given triplets `(B, 3, D)`: anchor, positive, negative.
        y_true: ids `(B,)` or `(B, 1)`, of any type that can be equal or not; unused for given triplets.
        Values: `(B,)`, each anchor's share, in the unit of the distance; their mean is the loss of the batch. An anchor
        with nothing to compare costs 0. A sample of weight 0 takes part in no triplet.

    Reference:
        Schroff, Kalenichenko & Philbin, FaceNet, arXiv:1503.03832 (semi-hard); Hermans, Beyer & Leibe, In Defense of
        the Triplet Loss, arXiv:1703.07737 (hard, all, soft margin); Balntas et al., Learning local feature descriptors
        with triplets and shallow convolutional neural networks, BMVC 2016 (swap).

    Example:
        >>> loss = Triplet(margin=1.0)
        >>> print(f"{loss([0, 0, 1, 1], [[0.0], [1.0], [1.5], [4.0]]):.4f}")
        0.7500
    """

    predictions = "embeddings, or triplets `(B, 3, D)`"
    targets = "ids"
    use = "embeddings in which one id lies together"

    margin: float = number(default=1.0, at_least=0, doc="In the unit of the distance; unused with `soft_margin`.")
    mining: str = choice(
        options=("semi_hard", "hard", "all"),
        default="semi_hard",
        doc='Which triplets of the batch count. `"semi_hard"`: each positive pair with the nearest negative '
        'farther than the positive, else the farthest negative; mean over positive pairs. `"hard"`: the '
        "farthest positive and the nearest negative of each anchor; mean over anchors that have both. "
        '`"all"`: every triplet; mean over those above 0.',
    )
    distance: str = choice(options=("l2", "squared_l2", "cosine"), default="l2", doc='`"cosine"` is 1 - cosine.')
    soft_margin: bool = flag(default=False, doc="`log(1 + exp(d(a, p) - d(a, n)))` in place of the hinge.")
    swap: bool = flag(
        default=False, doc="For given triplets, use d(positive, negative) where it is less than d(anchor, negative)."
    )

    def kernel(self) -> blocks.Kernel:
        kernels = {"semi_hard": mining.semi_hard, "hard": mining.hard, "all": mining.all_triplets}
        return kernels[self.mining](self.margin, self.soft_margin)

    def align(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        if len(y_pred.shape) == 3 and y_pred.shape[1] == 3:
            return None, y_pred
        return super().align(y_true, y_pred)

    def evaluate(self, y_true: Any, y_pred: Any, weight: Any, mask: Any) -> tuple[Any, Any, Any]:
        given = len(y_pred.shape) == 3
        family = EmbeddingLoss if given else PairLoss
        return family.evaluate(self, y_true, y_pred, weight, mask)

    def call(self, y_true: Any, y_pred: Any, kept: Any = None) -> Any:
        if len(y_pred.shape) == 2:
            return super().call(y_true, y_pred, kept)
        anchor, positive, negative = (y_pred[:, i] for i in range(3))
        near, far = blocks.distance(anchor, positive, self.distance), blocks.distance(anchor, negative, self.distance)
        if self.swap:
            far = numerics.smaller(far, blocks.distance(positive, negative, self.distance))
        return ops.softplus(near - far) if self.soft_margin else ops.relu(near - far + self.margin)


class SupCon(PairLoss, key="sup_con"):
    """Each sample, by its softmax over the others, should pick those of its own id, all of them to the same extent.

    `-1/|P| sum_{p in P} log(exp(s_p / T) / sum_{a in A} exp(s_a / T))` for an anchor whose cosines with all others A
    are s, P being those of its id and T the temperature: the paper's L_out.

    Shapes:
        y_pred: embeddings `(B, D)`, or several views of each sample `(B, V, D)`, which are all anchors of its id.
        y_true: ids `(B,)` or `(B, 1)`, of any type that can be equal or not.
        Values: `(B,)`, each sample's share, without a unit; their mean is the mean over the anchors that have a
        positive. Others cost 0. A sample of weight 0 takes part in no pair.

    Reference:
        Khosla et al., Supervised Contrastive Learning, arXiv:2004.11362.

    Example:
        >>> loss = SupCon(temperature=1.0)
        >>> print(f"{loss([0, 0, 1], [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]):.4f}")
        0.5032
    """

    predictions = "embeddings `(B, D)` or views `(B, V, D)`"
    targets = "ids"
    use = "embeddings for a classifier to come, in large batches"

    temperature: float = number(default=0.1, above=0, doc="What cosines are divided by.")

    takes_views = True

    @property
    def scale(self) -> float:
        return 1.0 / self.temperature

    def kernel(self) -> blocks.Kernel:
        def kernel(s: Any, positive: Any, negative: Any) -> Any:
            cost, count = crossentropy.of_equal_shares(s, positive, positive | negative)
            return ops.stack([cost, ops.cast(count > 0, s.dtype)], axis=1)

        return kernel


class MultiSimilarity(PairLoss, key="multi_similarity"):
    """Pairs weighed by how similar they are, and by how they compare with the other pairs of their anchor.

    `log(1 + sum_p exp(-alpha (s_p - base))) / alpha + log(1 + sum_n exp(beta (s_n - base))) / beta` for an anchor, over
    the cosines s_p of its positives below the largest negative + epsilon and s_n of its negatives above the least
    positive - epsilon.

    Shapes:
        y_pred: embeddings `(B, D)`.
        y_true: ids `(B,)` or `(B, 1)`, of any type that can be equal or not.
        Values: `(B,)`, without a unit; their mean is the mean over all anchors. One without positives or without
        negatives costs 0. A sample of weight 0 takes part in no pair.

    Reference:
        Wang et al., Multi-Similarity Loss with General Pair Weighting, arXiv:1904.06627.

    Example:
        >>> loss = MultiSimilarity()
        >>> print(f"{loss([0, 0, 1, 1], [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [-1.0, 0.0]]):.4f}")
        1.1121
    """

    predictions = "embeddings"
    targets = "ids"
    use = "retrieval, where a few pairs say more than the many"

    alpha: float = number(default=2.0, above=0, doc="How much the least similar positives count beyond the others.")
    beta: float = number(default=50.0, above=0, doc="How much the most similar negatives count beyond the others.")
    base: float = number(default=0.5, doc="The cosine from which on a pair counts in full.")
    epsilon: float | None = number(
        default=0.1,
        above=0,
        optional=True,
        doc="How far from the hardest of the others a pair may be and still count; None: any.",
    )

    def kernel(self) -> blocks.Kernel:
        def kernel(s: Any, positive: Any, negative: Any) -> Any:
            both = ops.any(positive, axis=1) & ops.any(negative, axis=1)
            # Whoever is left out has no pair at all; an anchor all by itself costs 0 whether it counts or not.
            counts = ops.any(positive | negative, axis=1)
            if self.epsilon is not None:
                nearest = ops.max(ops.where(negative, s, -2.0), axis=1, keepdims=True)
                farthest = -ops.max(ops.where(positive, -s, -2.0), axis=1, keepdims=True)
                positive, negative = (
                    positive & (s < nearest + self.epsilon),
                    negative & (s > farthest - self.epsilon),
                )
            pull = ops.softplus(sum(numerics.logsumexp(self.alpha * (self.base - s), positive))) / self.alpha
            push = ops.softplus(sum(numerics.logsumexp(self.beta * (s - self.base), negative))) / self.beta
            return ops.stack([ops.where(both, pull + push, 0.0), ops.cast(counts, s.dtype)], axis=1)

        return kernel


class Circle(PairLoss, key="circle_loss"):
    """Similarities within an id and between ids, each pulled as hard as it is far from where it should be.

    `log(1 + sum_n exp(gamma a_n (s_n - margin)) sum_p exp(-gamma a_p (s_p - 1 + margin)))` for an anchor with cosines
    s_p to its positives and s_n to its negatives. The weights `a_p = max(1 + margin - s_p, 0)` and
    `a_n = max(s_n + margin, 0)` carry no gradient.

    Shapes:
        y_pred: embeddings `(B, D)`.
        y_true: ids `(B,)` or `(B, 1)`, of any type that can be equal or not.
        Values: `(B,)`, each anchor's share, without a unit; their mean is the mean over the anchors that have both a
        positive and a negative. Others cost 0. A sample of weight 0 takes part in no pair.

    Reference:
        Sun et al., Circle Loss: A Unified Perspective of Pair Similarity Optimization, arXiv:2002.10857.

    Example:
        >>> loss = Circle(gamma=2.0)
        >>> print(f"{loss([0, 0, 1], [[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]):.4f}")
        0.7400
    """

    predictions = "embeddings"
    targets = "ids"
    use = "recognition of faces and people"
    holds = True

    gamma: float = number(default=80.0, at_least=0, doc="How steep it is.")
    margin: float = number(
        default=0.4, at_least=0, doc="Negatives are to be below it, positives above 1 - margin: less is stricter."
    )

    def kernel(self) -> blocks.Kernel:
        def kernel(s: Any, positive: Any, negative: Any) -> Any:
            both = ops.any(positive, axis=1) & ops.any(negative, axis=1)
            of_positive = ops.stop_gradient(ops.relu(1.0 + self.margin - s))
            of_negative = ops.stop_gradient(ops.relu(s + self.margin))
            near = sum(numerics.logsumexp(-self.gamma * of_positive * (s - (1.0 - self.margin)), positive))
            far = sum(numerics.logsumexp(self.gamma * of_negative * (s - self.margin), negative))
            return ops.stack([ops.where(both, ops.softplus(near + far), 0.0), ops.cast(both, s.dtype)], axis=1)

        return kernel


class LiftedStructure(PairLoss, key="lifted_structure"):
    """Brings each pair of one id closer together than the negatives of either of the two are to them.

    `max(J, 0)**2 / 2` with `J = log(sum_k exp(margin - d_ik) + sum_l exp(margin - d_jl)) + d_ij` for a positive pair
    (i, j) at distance d_ij, k and l being the negatives of i and of j.

    Shapes:
        y_pred: embeddings `(B, D)`.
        y_true: ids `(B,)` or `(B, 1)`, of any type that can be equal or not.
        Values: `(B,)`, each anchor's share, in the unit of the distance squared; their mean is the mean over the
        positive pairs. An anchor without positives or without negatives costs 0. A sample of weight 0 takes part in no
        pair.

    Reference:
        Oh Song et al., Deep Metric Learning via Lifted Structured Feature Embedding, arXiv:1511.06452.

    Example:
        >>> loss = LiftedStructure(margin=1.0)
        >>> print(f"{loss([0, 0, 1], [[0.0], [1.0], [3.0]]):.4f}")
        0.0491
    """

    predictions = "embeddings"
    targets = "ids"
    use = "retrieval; every pair of the batch counts"

    margin: float = number(default=1.0, at_least=0, doc="In the unit of the distance.")
    distance: str = choice(options=("l2", "squared_l2", "cosine"), default="l2", doc='`"cosine"` is 1 - cosine.')

    passes = 2

    def totals(self, pairs: blocks.PairMatrix) -> Any:
        def reach(d: Any, positive: Any, negative: Any) -> Any:
            return sum(numerics.logsumexp(self.margin - d, negative))

        near = pairs.rows(reach)
        (of_columns,), _ = self.gathered(near)
        return pairs.rows(self.kernel(), of_anchors=[near], of_columns=[of_columns])

    def kernel(self) -> blocks.Kernel:
        def kernel(d: Any, positive: Any, negative: Any, of_anchor: Any, of_column: Any) -> Any:
            largest = ops.stop_gradient(numerics.larger(of_anchor, of_column))
            either = largest + ops.log(ops.exp(of_anchor - largest) + ops.exp(of_column - largest))
            cost = ops.where(positive, 0.5 * ops.square(ops.relu(either + d)), 0.0)
            return ops.stack([ops.sum(cost, axis=1), ops.sum(ops.cast(positive, d.dtype), axis=1)], axis=1)

        return kernel


class NPairs(BatchLoss, EmbeddingLoss, key="n_pairs"):
    """Each sample, by the softmax of its similarities to all of a batch, should pick those of its own id.

    `-1/|P| sum_{p in P} log(exp(s_p) / sum_j exp(s_j))` for a sample with similarities s to the B samples that it is
    compared with, P being those of its id, its own partner among them.

    Shapes:
        y_pred: similarities `(B, B)`, such as the products of the embeddings of anchors with those of positives.
        y_true: ids `(B,)` or `(B, 1)`, of any type that can be equal or not.
        Values: `(B,)`, without a unit; their mean is the mean over the samples. One of weight 0 is in no row and in no
        column. Replicas compare what each of them is given.

    Reference:
        Sohn, Improved Deep Metric Learning with Multi-class N-pair Loss Objective, NeurIPS 2016.

    Example:
        >>> loss = NPairs()
        >>> print(f"{loss([0, 0, 1], [[2.0, 1.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, 2.0]]):.4f}")
        0.6849
    """

    predictions = "similarities `(B, B)`"
    targets = "ids"
    use = "pairs of one id, two by two"

    def read_targets(self, y_true: Any) -> Any:
        return None if y_true is None else blocks.comparable(y_true)

    def fault(self, targets: np.ndarray, classes: int | None) -> screening.Fault | None:
        return None

    def align(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        shape = tuple(y_pred.shape)
        if len(shape) != 2 or not shapes.fits(shape, shape[::-1]) or y_true is None:
            raise shapes.mismatch("ids (B,) or (B, 1) and similarities (B, B)", y_true, y_pred)
        return shapes.flat_ids(y_true, y_pred), y_pred

    def call(self, y_true: Any, y_pred: Any, kept: Any = None) -> Any:
        kept = ops.ones((ops.shape(y_pred)[0],), dtype="bool") if kept is None else kept
        same = shapes.with_axes_of(ops.equal(ops.expand_dims(y_true, 1), y_true), y_pred, 2)
        both = ops.expand_dims(kept, 1) & kept
        values, _ = crossentropy.of_equal_shares(numerics.certain(y_pred), same & both, both)
        # One that is left out has no target; the mean is over the others.
        return numerics.ratio(values, numerics.mean(ops.cast(kept, values.dtype)))
