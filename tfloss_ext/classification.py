# SPDX-License-Identifier: Apache-2.0
"""Losses over classes, `y_pred` being `(B, ..., C)`."""

from __future__ import annotations

from typing import Any

from tfloss_ext import crossentropy, labels
from tfloss_ext.labels import ClassLoss
from tfloss_ext.parameters import flag, number, numbers, whole


class Focal(ClassLoss, key="focal", aliases=("binary_focal",)):
    """Binary crossentropy that easy examples hardly enter, for rare positives.

    Every element is a binary decision of its own: `a_t * (1 - p_t)**gamma * crossentropy`, averaged over the last axis,
    with `p_t = y p + (1 - y)(1 - p)` and `a_t = y alpha + (1 - y)(1 - alpha)`, also for soft targets y.

    Args:
        gamma: >= 0; how much easy examples are turned down, 0 being plain crossentropy.
        alpha: In [0, 1], the weight of positives, negatives having 1 - alpha; None weighs neither.
        from_logits: Whether `y_pred` holds logits, which keeps the gradient of wrong saturated predictions.
        label_smoothing: s in [0, 1): targets become `y(1 - s) + s/2`.
        reduction: As in `keras.losses.Loss`.
        name: Name of the instance; None means `"focal"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: `(B, ..., C)` or `(B,)`. y_true: the same shape, or ids `(B, ...)`. Values: `(B, ...)`, in nats.
        Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range or the shapes do not fit.

    Reference:
        Lin et al., Focal Loss for Dense Object Detection, arXiv:1708.02002.

    Example:
        >>> loss = Focal(gamma=2.0, from_logits=True)
        >>> print(f"{loss([[1.0], [0.0]], [[-3.0], [-3.0]]):.4f}")
        0.3458
    """

    gamma: float = number(default=2.0, at_least=0)
    alpha: float | None = number(default=0.25, at_least=0, at_most=1, optional=True)
    from_logits: bool = flag(default=False)
    label_smoothing: float = number(default=0.0, at_least=0, below=1)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        target = labels.smooth(labels.one_hot(y_true, y_pred), self.label_smoothing, 2, y_pred.dtype)
        binary_focal = crossentropy.binary_from_logits if self.from_logits else crossentropy.binary_from_probabilities
        return binary_focal(target, y_pred, self.gamma, self.alpha)


class CategoricalFocal(ClassLoss, key="categorical_focal", aliases=("sparse_categorical_focal",)):
    """Crossentropy over exclusive classes that easy examples hardly enter.

    `sum_c alpha_c y_c (1 - p_c)**gamma (-log p_c)` at each position.

    Args:
        gamma: >= 0; how much easy examples are turned down, 0 being plain crossentropy.
        alpha: >= 0, a number or a list with one weight per class; None weighs all the same.
        from_logits: Whether `y_pred` holds logits, which keeps the gradient of wrong saturated predictions.
        label_smoothing: s in [0, 1): targets become `y(1 - s) + s/C`.
        ignore_class: An id, of a class or not, whose positions are left out.
        reduction: As in `keras.losses.Loss`.
        name: Name of the instance; None means `"categorical_focal"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: `(B, ..., C)`; with C == 1 it is the probability (or logit) of the second of two classes.
        y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`. Values: `(B, ...)`, in nats.
        Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range, if the shapes do not fit, or if there are not C alphas.

    Reference:
        Lin et al., Focal Loss for Dense Object Detection, arXiv:1708.02002.

    Example:
        >>> loss = CategoricalFocal()
        >>> print(f"{loss([0, 2], [[0.9, 0.05, 0.05], [0.2, 0.6, 0.2]]):.4f}")
        0.5155
    """

    gamma: float = number(default=2.0, at_least=0)
    alpha: float | list[float] | None = numbers(default=None, at_least=0, optional=True)
    from_logits: bool = flag(default=False)
    label_smoothing: float = number(default=0.0, at_least=0, below=1)
    ignore_class: int | None = whole(default=None, optional=True)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true, y_pred = labels.two_classes(y_true, y_pred, from_logits=self.from_logits)
        classes = y_pred.shape[-1]
        alpha = self.per_output("alpha", classes)
        if self.label_smoothing:
            y_true = labels.smooth(labels.one_hot(y_true, y_pred), self.label_smoothing, classes, y_pred.dtype)
        categorical_focal = (
            crossentropy.categorical_from_logits if self.from_logits else crossentropy.categorical_from_probabilities
        )
        return categorical_focal(y_true, y_pred, self.gamma, alpha)
