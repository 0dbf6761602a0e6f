# SPDX-License-Identifier: Apache-2.0
"""Losses over classes, `y_pred` being `(B, ..., C)`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from keras import ops

from tfloss_ext import crossentropy, gradients, labels, numerics, screening, shapes, simplex
from tfloss_ext.base import BatchLoss, ClassLoss
from tfloss_ext.classes import Classes
from tfloss_ext.parameters import choice, flag, number, numbers, whole

# What the reverse crossentropy takes for the logarithm of a target of 0.
LOG_OF_ZERO = -4.0


def _classes(y_true: Any, y_pred: Any, *, from_logits: bool) -> Classes:
    """Exclusive classes, two where one probability or logit is given."""
    return Classes(
        *labels.two_classes(y_true, y_pred, from_logits=from_logits), activation="softmax" if from_logits else None
    )


class ClassificationLoss(ClassLoss):
    """The family of losses over classes that pick what they need of ids."""

    takes_ids = True


class Focal(ClassificationLoss, key="focal", aliases=("binary_focal",)):
    """Binary crossentropy that easy examples hardly enter, for rare positives.

    Every element is a binary decision of its own: `a_t * (1 - p_t)**gamma * crossentropy`, averaged over the last axis,
    with `p_t = y p + (1 - y)(1 - p)` and `a_t = y alpha + (1 - y)(1 - alpha)`, also for soft targets y.

    Shapes:
        y_pred: `(B, ..., C)` or `(B,)`. y_true: the same shape, or ids `(B, ...)`. Values: `(B, ...)`, in nats.
        Targets are data: no gradient flows to `y_true`.

    Reference:
        Lin et al., Focal Loss for Dense Object Detection, arXiv:1708.02002.

    Example:
        >>> loss = Focal(gamma=2.0, from_logits=True)
        >>> print(f"{loss([[1.0], [0.0]], [[-3.0], [-3.0]]):.4f}")
        0.3458
        >>> for alpha in (0.25, None, 0.75):  # A miss and a false alarm that are equally wrong.
        ...     loss = Focal(alpha=alpha)
        ...     print(f"{loss([1.0], [0.1]):.3f}, {loss([0.0], [0.9]):.3f}")
        0.466, 1.399
        1.865, 1.865
        1.399, 0.466
    """

    use = "rare positives, many easy negatives; one or several binary decisions"
    independent = True

    gamma: float = number(
        default=2.0, at_least=0, doc="How much easy examples are turned down, 0 being plain crossentropy."
    )
    alpha: float | None = number(
        default=0.25,
        at_least=0,
        at_most=1,
        optional=True,
        doc="The weight of positives, negatives having 1 - alpha; None weighs neither. The default weighs "
        "positives *down*, to a third of a negative: it is the paper's, for detectors that see a hundred "
        "thousand easy negatives in an image. For a rare class begin with None, which is what Keras's "
        "`BinaryFocalCrossentropy` does unless told otherwise, or with 0.75, which weighs it up.",
    )
    from_logits: bool = flag(
        default=False, doc="Whether `y_pred` holds logits, which keeps the gradient of wrong saturated predictions."
    )
    label_smoothing: float = number(default=0.0, at_least=0, below=1, doc="The s of targets `y(1 - s) + s/2`.")

    def call(self, y_true: Any, y_pred: Any) -> Any:
        target = labels.smooth(labels.one_hot(y_true, y_pred), self.label_smoothing, 2, y_pred.dtype)
        return crossentropy.binary(target, y_pred, self.gamma, self.alpha, from_logits=self.from_logits)


class CategoricalFocal(ClassificationLoss, key="categorical_focal", aliases=("sparse_categorical_focal",)):
    """Crossentropy over exclusive classes that easy examples hardly enter.

    `sum_c alpha_c y_c (1 - p_c)**gamma (-log p_c)` at each position.

    Shapes:
        y_pred: `(B, ..., C)`; with C == 1 it is the probability (or logit) of the second of two classes.
        y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`. Values: `(B, ...)`, in nats.
        Targets are data: no gradient flows to `y_true`.

    Reference:
        Lin et al., Focal Loss for Dense Object Detection, arXiv:1708.02002.

    Example:
        >>> loss = CategoricalFocal()
        >>> print(f"{loss([0, 2], [[0.9, 0.05, 0.05], [0.2, 0.6, 0.2]]):.4f}")
        0.5155
    """

    use = "exclusive classes of which some are easy or frequent"

    gamma: float = number(
        default=2.0, at_least=0, doc="How much easy examples are turned down, 0 being plain crossentropy."
    )
    alpha: float | list[float] | None = numbers(
        default=None, at_least=0, optional=True, doc="One weight per class; None weighs all the same."
    )
    from_logits: bool = flag(
        default=False, doc="Whether `y_pred` holds logits, which keeps the gradient of wrong saturated predictions."
    )
    label_smoothing: float = number(
        default=0.0,
        at_least=0,
        below=1,
        doc="The s of targets `y(1 - s) + s/C`. A class ruled out by a logit of -inf then costs without bound.",
    )
    ignore_class: int | None = whole(
        default=None, optional=True, doc="An id, of a class or not, whose positions are left out."
    )

    def call(self, y_true: Any, y_pred: Any) -> Any:
        classes = _classes(y_true, y_pred, from_logits=self.from_logits)
        alpha = self.per_output("alpha", classes.count)
        return crossentropy.categorical(
            classes,
            crossentropy.focal(self.gamma),
            alpha=1.0 if alpha is None else alpha,
            smoothing=self.label_smoothing,
        )


class Poly1(ClassificationLoss, key="poly1"):
    """Crossentropy over exclusive classes whose first polynomial term counts for more.

    `crossentropy + epsilon * (1 - p_t)`, with `p_t = sum_c y_c p_c`: of the expansion of -log p_t in powers of
    1 - p_t, the first coefficient is 1 + epsilon.

    Shapes:
        y_pred: `(B, ..., C)`; with C == 1 it is the probability (or logit) of the second of two classes.
        y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`. Values: `(B, ...)`, in nats.
        Targets are data: no gradient flows to `y_true`.

    Reference:
        Leng et al., PolyLoss: A Polynomial Expansion Perspective of Classification Loss Functions, arXiv:2204.12511.

    Example:
        >>> loss = Poly1(epsilon=1.0)
        >>> print(f"{loss([0, 2], [[0.9, 0.05, 0.05], [0.2, 0.6, 0.2]]):.4f}")
        1.3074
    """

    use = "crossentropy, a little more to gain on what is nearly right"

    epsilon: float = number(
        default=1.0, at_least=-1, doc="How much the first coefficient grows, 0 being plain crossentropy."
    )
    from_logits: bool = flag(
        default=False, doc="Whether `y_pred` holds logits, which keeps the gradient of wrong saturated predictions."
    )
    label_smoothing: float = number(
        default=0.0,
        at_least=0,
        below=1,
        doc="The s of targets `y(1 - s) + s/C`. A class ruled out by a logit of -inf then costs without bound.",
    )
    ignore_class: int | None = whole(
        default=None, optional=True, doc="An id, of a class or not, whose positions are left out."
    )

    def call(self, y_true: Any, y_pred: Any) -> Any:
        classes = _classes(y_true, y_pred, from_logits=self.from_logits)
        values = crossentropy.categorical(
            classes, lambda nll, wrong: nll + self.epsilon * wrong(), smoothing=self.label_smoothing
        )
        if classes.ids is not None:
            return values
        # Summed over the classes the curve has 1 - p_t for targets that add up to 1; of others this is the rest.
        rest = 1.0 - classes.of_positions(classes.sum(classes.targets))
        return values + self.epsilon * (1.0 - self.label_smoothing) * rest


class LogitAdjusted(ClassificationLoss, key="logit_adjusted"):
    """Softmax crossentropy that asks of a frequent class a lead in proportion to its frequency, for long tails.

    `crossentropy(y, softmax(y_pred + tau * log(class_priors)))`: a classifier trained so is balanced over the classes
    when the plain logits are used.

    Shapes:
        y_pred: logits `(B, ..., C)`; with C == 1 it is the logit of the second of two classes, which then have two
        priors. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`. Values: `(B, ...)`,
        in nats. Targets are data: no gradient flows to `y_true`.

    Reference:
        Menon et al., Long-tail learning via logit adjustment, arXiv:2007.07314.

    Example:
        >>> loss = LogitAdjusted([0.9, 0.1])
        >>> print(f"{loss([1, 0], [[0.0, 0.0], [0.0, 0.0]]):.4f}")
        1.2040
    """

    predictions = "logits"
    use = "long tails, by the frequency of the classes"

    class_priors: list[float] = numbers(
        above=0, single=False, doc="The frequency of each class; shares or counts, they need not sum to 1."
    )
    tau: float = number(default=1.0, at_least=0, doc="How much of the prior is asked for, 0 being plain crossentropy.")
    ignore_class: int | None = whole(
        default=None, optional=True, doc="An id, of a class or not, whose positions are left out."
    )

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true, y_pred = labels.two_classes(y_true, y_pred, from_logits=True)
        self.per_output("class_priors", y_pred.shape[-1])
        shift = ops.convert_to_tensor(self.tau * np.log(self.class_priors), dtype=y_pred.dtype)
        return crossentropy.categorical(Classes(y_true, y_pred + shift, "softmax"))


class LDAM(ClassificationLoss, key="ldam"):
    """Softmax crossentropy with a margin that is the larger the rarer the class, for long tails.

    `crossentropy(y, softmax(scale * (y_pred - y * m)))` with `m_c = max_margin * (min(n) / n_c)**(1/4)`: the margin is
    subtracted from the logit of the true class, and of soft targets each class has its share of its margin.

    Shapes:
        y_pred: logits `(B, ..., C)`; with C == 1 it is the logit of the second of two classes, which then have two
        numbers of samples. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`. Values:
        `(B, ...)`, in nats. Targets are data: no gradient flows to `y_true`.

    Reference:
        Cao et al., Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss, arXiv:1906.07413.

    Example:
        >>> loss = LDAM([1600, 100])
        >>> print(f"{loss([0, 1], [[1.0, 0.0], [0.0, 1.0]]):.2e}")
        1.53e-07
    """

    predictions = "logits"
    use = "long tails, by a margin for rare classes"

    samples_per_class: list[float] = numbers(
        above=0, single=False, doc="The number n_c of training samples of each class."
    )
    max_margin: float = number(default=0.5, above=0, doc="The margin of the rarest class, in units of `y_pred`.")
    scale: float = number(default=30.0, above=0, doc="What the logits, cosines as a rule, are multiplied with.")
    ignore_class: int | None = whole(
        default=None, optional=True, kw_only=True, doc="An id, of a class or not, whose positions are left out."
    )

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true, y_pred = labels.two_classes(y_true, y_pred, from_logits=True)
        self.per_output("samples_per_class", y_pred.shape[-1])
        counts = np.asarray(self.samples_per_class)
        margins = ops.convert_to_tensor(self.max_margin * (counts.min() / counts) ** 0.25, dtype=y_pred.dtype)
        shares = ops.cast(labels.one_hot(y_true, y_pred), y_pred.dtype)
        return crossentropy.categorical(Classes(y_true, self.scale * (y_pred - shares * margins), "softmax"))


class SymmetricCrossentropy(ClassificationLoss, key="symmetric_crossentropy"):
    """Crossentropy plus its reverse, in which the labels are what is uncertain, for noisy labels.

    `alpha * CE + beta * RCE` with `RCE = -sum_c p_c max(log y_c, -4)`, which for hard targets is 4 times the
    probability of the other classes.

    Shapes:
        y_pred: `(B, ..., C)`; with C == 1 it is the probability (or logit) of the second of two classes.
        y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`. Values: `(B, ...)`, in nats.
        Targets are data: no gradient flows to `y_true`.

    Reference:
        Wang et al., Symmetric Cross Entropy for Robust Learning with Noisy Labels, arXiv:1908.06112.

    Example:
        >>> loss = SymmetricCrossentropy()
        >>> print(f"{loss([1], [[0.5, 0.5]]):.4f}")
        2.0693
    """

    use = "noisy labels"

    alpha: float = number(default=0.1, at_least=0, doc="The weight of the crossentropy, which converges.")
    beta: float = number(
        default=1.0, at_least=0, doc="The weight of the reverse crossentropy, which does not overfit wrong labels."
    )
    from_logits: bool = flag(
        default=False, doc="Whether `y_pred` holds logits, which keeps the gradient of wrong saturated predictions."
    )
    ignore_class: int | None = whole(
        default=None, optional=True, kw_only=True, doc="An id, of a class or not, whose positions are left out."
    )

    def call(self, y_true: Any, y_pred: Any) -> Any:
        classes = _classes(y_true, y_pred, from_logits=self.from_logits)
        beta = self.beta * -LOG_OF_ZERO
        if classes.ids is not None and self.from_logits:
            return crossentropy.categorical(classes, lambda nll, wrong: self.alpha * nll + beta * wrong())
        crossentropies = self.alpha * crossentropy.categorical(classes)
        if classes.ids is not None:
            return crossentropies + beta * classes.of_positions(classes.sum(classes.p) - classes.p_of_target)
        certain = [ops.log(numerics.at_least(y, math.exp(LOG_OF_ZERO))) for y in classes.targets]
        reverse = classes.sum([p * y for p, y in zip(classes.p, certain, strict=True)])
        return crossentropies - self.beta * classes.of_positions(reverse)


class GeneralizedCrossentropy(ClassificationLoss, key="generalized_crossentropy"):
    """Between crossentropy, which learns fast, and the mean absolute error, which forgives noisy labels.

    `(1 - p_t**q) / q` with `p_t = sum_c y_c p_c`: crossentropy as q goes to 0, and `1 - p_t` at q = 1, half the
    absolute error summed over the classes.

    Shapes:
        y_pred: `(B, ..., C)`; with C == 1 it is the probability (or logit) of the second of two classes.
        y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`. Values: `(B, ...)`,
        up to 1/q. Targets are data: no gradient flows to `y_true`.

    Reference:
        Zhang & Sabuncu, Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels,
        arXiv:1805.07836.

    Example:
        >>> loss = GeneralizedCrossentropy(q=0.5)
        >>> print(f"{loss([0], [[0.25, 0.75]]):.4f}")
        1.0000
    """

    use = "noisy labels, with one parameter from crossentropy to absolute error"
    saturates = True

    q: float = number(default=0.7, above=0, at_most=1)
    from_logits: bool = flag(default=False, doc="Whether `y_pred` holds logits.")
    ignore_class: int | None = whole(
        default=None, optional=True, kw_only=True, doc="An id, of a class or not, whose positions are left out."
    )

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return crossentropy.generalized(_classes(y_true, y_pred, from_logits=self.from_logits), self.q)


class Asymmetric(ClassificationLoss, key="asymmetric"):
    """Binary crossentropy of many labels at once, in which easy negatives count less than easy positives, or nothing.

    Every element is a binary decision of its own: `y (1-p)**gamma_pos (-log p) + (1-y) q**gamma_neg (-log(1-q))` with
    `q = max(p - clip, 0)`, averaged over the last axis. The whole of it is differentiated, the powers included.

    Shapes:
        y_pred: `(B, ..., C)` or `(B,)`. y_true: the same shape, or ids `(B, ...)`. Values: `(B, ...)`, in nats.
        Targets are data: no gradient flows to `y_true`.

    Reference:
        Ben-Baruch et al., Asymmetric Loss For Multi-Label Classification, arXiv:2009.14119.

    Example:
        >>> loss = Asymmetric()
        >>> print(f"{loss([[1.0, 0.0]], [[0.6, 0.3]]):.4f}")
        0.1027
    """

    use = "many labels at once, each mostly absent, some of them missing"
    independent = True

    gamma_neg: float = number(default=4.0, at_least=0, doc="How much easy negatives are turned down.")
    gamma_pos: float = number(default=1.0, at_least=0, doc="How much easy positives are turned down.")
    clip: float = number(
        default=0.05,
        at_least=0,
        at_most=1,
        doc="What is taken off the probability of negatives: one below it costs nothing. Above 0 the gradient "
        "of a negative that is surely predicted positive fades, as it may be a wrong label.",
    )
    from_logits: bool = flag(
        default=False,
        doc="Whether `y_pred` holds logits, which keeps the gradient of wrong saturated predictions, of "
        "negatives where clip is 0.",
    )

    @property
    def saturates(self) -> bool:  # type: ignore[override]
        return self.clip > 0

    def call(self, y_true: Any, y_pred: Any) -> Any:
        target = labels.one_hot(y_true, y_pred)
        return crossentropy.asymmetric(
            target, y_pred, self.gamma_neg, self.gamma_pos, self.clip, from_logits=self.from_logits
        )


class QualityFocal(ClassificationLoss, key="quality_focal"):
    """Crossentropy with a soft quality as its target, turned down where the prediction is close to it.

    Every element is a binary decision of its own: `abs(y - p)**beta * crossentropy(y, p)`, averaged over the last axis.
    The whole of it is differentiated, the power included.

    Shapes:
        y_pred: `(B, ..., C)` or `(B,)`. y_true: qualities in [0, 1] of the same shape (say the IoU at the true class, 0
        elsewhere), or ids `(B, ...)` for quality 1. Values: `(B, ...)`, in nats.
        Targets are data: no gradient flows to `y_true`.

    Reference:
        Li et al., Generalized Focal Loss, arXiv:2006.04388.

    Example:
        >>> loss = QualityFocal()
        >>> print(f"{loss([[0.8, 0.0]], [[0.5, 0.2]]):.4f}")
        0.0357
    """

    targets = "qualities in [0, 1]"
    use = "dense detection: one score for class and quality of the box"
    independent = True

    beta: float = number(
        default=2.0, at_least=0, doc="How much good estimates are turned down, 0 being plain crossentropy."
    )
    from_logits: bool = flag(
        default=False, doc="Whether `y_pred` holds logits, which keeps the gradient of wrong saturated predictions."
    )

    def call(self, y_true: Any, y_pred: Any) -> Any:
        target = labels.one_hot(y_true, y_pred)
        return crossentropy.quality_focal(target, y_pred, self.beta, from_logits=self.from_logits)


class Varifocal(ClassificationLoss, key="varifocal"):
    """Crossentropy with a soft quality as its target: positives weighed by their quality, easy negatives turned down.

    Every element is a binary decision of its own: `q * crossentropy(q, p)` for a quality `q > 0` and
    `alpha * p**gamma * (-log(1 - p))` for q = 0, averaged over the last axis. The whole of it is differentiated, the
    power included.

    Shapes:
        y_pred: `(B, ..., C)` or `(B,)`. y_true: qualities in [0, 1] of the same shape (say the IoU at the true class, 0
        elsewhere), or ids `(B, ...)` for quality 1. Values: `(B, ...)`, in nats.
        Targets are data: no gradient flows to `y_true`.

    Reference:
        Zhang et al., VarifocalNet, arXiv:2008.13367.

    Example:
        >>> loss = Varifocal()
        >>> print(f"{loss([[0.8, 0.0]], [[0.5, 0.2]]):.4f}")
        0.2806
    """

    targets = "qualities in [0, 1]"
    use = "dense detection, good boxes counting more"
    independent = True

    alpha: float = number(default=0.75, at_least=0, at_most=1, doc="The weight of negatives.")
    gamma: float = number(default=2.0, at_least=0, doc="How much easy negatives are turned down.")
    from_logits: bool = flag(
        default=False, doc="Whether `y_pred` holds logits, which keeps the gradient of wrong saturated predictions."
    )

    def call(self, y_true: Any, y_pred: Any) -> Any:
        target = labels.one_hot(y_true, y_pred)
        return crossentropy.varifocal(target, y_pred, self.alpha, self.gamma, from_logits=self.from_logits)


class Coral(ClassificationLoss, key="coral"):
    """Crossentropy for ranks: each logit says whether the rank lies above one of the thresholds.

    `sum_k crossentropy(1[rank > k], sigmoid(z_k))` over the thresholds k = 0, ..., K-2 between K ranks. The ranks come
    out consistent where the logits share their weights and differ by a bias each, as in the paper.

    Shapes:
        y_pred: logits `(B, ..., K-1)`, or `(B,)` for two ranks. y_true: ranks 0, ..., K-1, whole numbers of shape
        `(B, ...)` or `(B, ..., 1)`. Values: `(B, ...)`, in nats.

    Raises:
        ValueError: If the shapes do not fit, as where there is a target for each threshold.

    Reference:
        Cao, Mirjalili & Raschka, Rank consistent ordinal regression for neural networks, arXiv:1901.07884.

    Example:
        >>> loss = Coral()
        >>> print(f"{loss([2, 0], [[3.0, 1.0, -1.0], [-2.0, -3.0, -4.0]]):.4f}")
        0.4344
    """

    predictions = "logits, one per threshold"
    targets = "ranks"
    use = "ordered classes, one logit per threshold"

    ignore_class: int | None = whole(
        default=None, optional=True, kw_only=True, doc="A rank, of the scale or not, whose positions are left out."
    )

    def align(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        pred, ranks = shapes.with_last_axis(y_pred), shapes.with_last_axis(y_true)
        if len(ranks.shape) < len(pred.shape):
            ranks = ops.expand_dims(ranks, -1)
        if not shapes.fits(ranks.shape, (*tuple(pred.shape)[:-1], 1)):
            raise shapes.mismatch("ranks (B,) or (B, 1) for y_pred of shape (B, K-1)", y_true, y_pred)
        if pred.shape[-1] is None:
            raise shapes.mismatch("y_pred of shape (B, K-1) with a known number of ranks", y_true, y_pred)
        ranks = ops.reshape(ranks, ops.shape(ranks)[:-1])
        return shapes.with_axes_of(ranks, pred, len(pred.shape) - 1), pred

    def classes(self, y_pred: Any) -> int:
        return int(y_pred.shape[-1]) + 1

    def fault(self, targets: np.ndarray, classes: int | None) -> screening.Fault | None:
        ranks = int(targets.max(initial=0)) if classes is None else classes
        return screening.fault_of_ids(targets, ranks + 1)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return crossentropy.ordinal_from_logits(y_true, y_pred)


class WeightedKappa(BatchLoss, ClassificationLoss, key="weighted_kappa"):
    """The logarithm of one minus Cohen's weighted kappa, for ordered classes: confusions cost by their distance.

    `log(O / E + epsilon)`: O the sum over the batch of `w_tj p_j`, t the true class, and E what O would be on average
    were the predictions dealt out to the samples at random.

    Shapes:
        y_pred: probabilities `(B, C)`, the classes in their order; with C == 1 that of the second of two classes.
        y_true: one-hot or soft targets of that shape, or ids `(B,)` or `(B, 1)`.
        Values: `(B,)`, each the loss of the batch, of a replica its own, log(epsilon) at the least;
        0/0, one class that is predicted perfectly, counts as 0. A sample of weight 0 takes part in no sum.
        Targets are data: no gradient flows to `y_true`.

    Reference:
        de la Torre, Puig & Valls, Weighted kappa loss function for multi-class classification of ordinal data in deep
        learning, Pattern Recognition Letters 105, 2018, doi:10.1016/j.patrec.2017.05.018.

    Example:
        >>> loss = WeightedKappa()
        >>> print(f"{loss([0, 2], [[0.8, 0.1, 0.1], [0.1, 0.3, 0.6]]):.4f}")
        -1.0986
    """

    use = "ordered classes judged by weighted kappa, large batches"
    fuses = False  # Matrix products are what its time is.

    weighting: str = choice(
        options=("quadratic", "linear"), default="quadratic", doc="w_ij is (i - j)**2, or abs(i - j)."
    )
    epsilon: float = number(default=1e-6, above=0, doc="Keeps the logarithm of a perfect prediction finite.")

    def align(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        if len(y_pred.shape) > 2:
            raise shapes.mismatch("y_pred of shape (B, C)", y_true, y_pred)
        return super().align(y_true, y_pred)

    def call(self, y_true: Any, y_pred: Any, kept: Any = None) -> Any:
        dtype, batch = y_pred.dtype, ops.shape(y_pred)[0]
        kept = ops.ones((batch,), dtype="bool") if kept is None else kept
        y_true, y_pred = labels.two_classes(y_true, y_pred, from_logits=False)
        ranks = ops.arange(y_pred.shape[-1], dtype=dtype)
        distance = ops.abs(ops.expand_dims(ranks, -1) - ranks)
        weight = ops.square(distance) if self.weighting == "quadratic" else distance
        kept = ops.cast(kept, dtype)
        share, count = ops.expand_dims(kept, -1), ops.sum(kept)
        penalty = (share * ops.cast(labels.one_hot(y_true, y_pred), dtype)) @ weight
        mean = numerics.ratio(ops.sum(penalty, axis=0), count)
        loss = _log_ratio(penalty, mean, share * y_pred, self.epsilon)
        return loss * kept * numerics.ratio(ops.cast(batch, dtype), count)


def _log_ratio(penalty: Any, mean: Any, p: Any, epsilon: float) -> Any:
    """log(sum(penalty * p) / sum(mean * p) + epsilon), `mean` being that of `penalty` over its rows."""

    # In a batch of one class each row of `penalty` is `mean`: the ratio is then exactly 1 and its derivative exactly 0,
    # which would otherwise be a rounding error divided by a sum that may be tiny.
    def ratio_and_expected(p: Any) -> tuple[Any, Any]:
        """The ratio and its denominator."""
        expected = ops.sum(mean * p)
        return numerics.ratio(ops.sum(penalty * p), expected), expected

    def backward(upstream: Any, p: Any) -> Any:
        ratio, expected = ratio_and_expected(p)
        return upstream * numerics.ratio(penalty - ratio * mean, expected * (ratio + epsilon))

    return gradients.with_gradient(lambda p: ops.log(ratio_and_expected(p)[0] + epsilon), backward)(p)


class Sparsemax(ClassificationLoss, key="sparsemax_loss"):
    """The loss whose gradient is sparsemax minus target: 0 as soon as the true class leads by 1.

    `-y.z + sum_{c in S} (z_c**2 - tau**2) / 2 + y.y / 2`, with S and tau the support and the threshold of
    `sparsemax(z) = max(z - tau, 0)`, the distribution that is nearest to z.

    Shapes:
        y_pred: logits `(B, ..., C)`; with C == 1 that of the second of two classes, the first having 0.
        y_true: one-hot or soft targets of that shape, which add up to 1, or ids `(B, ...)` or `(B, ..., 1)`. Values:
        `(B, ...)`, in the unit of the logits.
        Targets are data: no gradient flows to `y_true`.

    Reference:
        Martins & Astudillo, From Softmax to Sparsemax, arXiv:1602.02068.

    Example:
        >>> loss = Sparsemax()
        >>> print(f"{loss([0, 1], [[2.0, 0.5, -1.0], [2.0, 0.5, -1.0]]):.4f}")
        0.7500
    """

    predictions = "logits"
    use = "probabilities of exactly 0; enough is enough beyond a margin of 1"

    ignore_class: int | None = whole(
        default=None, optional=True, kw_only=True, doc="An id, of a class or not, whose positions are left out."
    )

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return simplex.sparsemax_loss(*labels.two_classes(y_true, y_pred, from_logits=True))


class BiTempered(ClassificationLoss, key="bi_tempered"):
    """Crossentropy with a bounded loss and a heavy-tailed softmax, for labels of which some are wrong.

    `sum_c y_c (log_t1 y_c - log_t1 p_c) - (y_c**(2 - t1) - p_c**(2 - t1)) / (2 - t1)`, with
    `log_t x = (x**(1 - t) - 1) / (1 - t)` and p the softmax of temperature t2, `p_c = exp_t2(z_c - lambda)`. It is a
    divergence, 0 where p is y; at t1 = t2 = 1 the crossentropy less the entropy of the targets, which is 0 of one-hot.

    Shapes:
        y_pred: logits `(B, ..., C)`; with C == 1 that of the second of two classes, the first having 0.
        y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`. Values: `(B, ...)`, in nats.
        Targets are data: no gradient flows to `y_true`.

    Reference:
        Amid et al., Robust Bi-Tempered Logistic Loss Based on Bregman Divergences, arXiv:1906.03361.

    Example:
        >>> loss = BiTempered()
        >>> print(f"{loss([0, 1], [[3.0, 0.5, -1.0], [3.0, 0.5, -1.0]]):.4f}")
        0.8846
    """

    predictions = "logits"
    use = "wrong labels, near the boundary or far off"

    t1: float = number(
        default=0.8,
        at_least=0,
        at_most=1,
        doc="Below 1 the loss is bounded by 1 / (1 - t1), so that outliers far off do not rule.",
    )
    t2: float = number(
        default=1.2, at_least=1, doc="Above 1 the tails are heavy, so that outliers near the boundary do not bend it."
    )
    label_smoothing: float = number(default=0.0, at_least=0, below=1, doc="The s of targets `y(1 - s) + s/C`.")
    ignore_class: int | None = whole(
        default=None, optional=True, kw_only=True, doc="An id, of a class or not, whose positions are left out."
    )

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true, y_pred = labels.two_classes(y_true, y_pred, from_logits=True)
        if not numerics.is_fixed_at(self.label_smoothing, 0):
            y_true = labels.smooth(labels.one_hot(y_true, y_pred), self.label_smoothing, y_pred.shape[-1], y_pred.dtype)
        return simplex.bi_tempered(y_true, y_pred, self.t1, self.t2)
