# SPDX-License-Identifier: Apache-2.0
"""The hardest of a batch: a loss of a few of the values of another one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from tfloss_ext import gradients, numerics, registry, screening, shapes
from tfloss_ext.base import Loss
from tfloss_ext.compose import OfLoss
from tfloss_ext.parameters import flag, number

# How much of a share of a number is taken for rounding: 0.07 * 100 is 7.
_ROUNDING = 1e-6


@keras.saving.register_keras_serializable(package=registry.PACKAGE)
class HardExamples(OfLoss, Loss):
    """The mean over the hardest values of another loss, as online hard example mining takes it.

    Of N values that weights and masks keep, the `ceil(fraction * N)` largest before they are weighted. The others are
    0, and these are scaled so that the mean of all is theirs.

    Args:
        loss: A loss with a value for each position or sample, ours or another `keras.losses.Loss`, or what
            `tfloss_ext.get` finds by it. How it is reduced does not matter.
        fraction: A number > 0 and <= 1. How many are kept.
        per_sample: Whether they are the hardest within each sample, or within the batch, of each replica by itself.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"hard_examples"`.
        dtype: Precision of the computation; None means that of the loss.

    Shapes:
        What the loss takes. Values: those of the loss, `(B, ...)`, in its unit.

    Raises:
        ValueError: If `fraction` is out of its range, or if the values of the loss depend on each other.

    Reference:
        Shrivastava, Gupta & Girshick, Training Region-based Object Detectors with Online Hard Example Mining,
        arXiv:1604.03540.

    Example:
        >>> loss = HardExamples(keras.losses.MeanAbsoluteError(), fraction=0.5)
        >>> print(f"{loss([[0.0], [0.0], [0.0], [0.0]], [[1.0], [4.0], [2.0], [3.0]]):.1f}")
        3.5
    """

    fuses = False  # It sorts; the loss inside goes its own way.

    fraction: float = number(default=0.25, above=0, at_most=1)
    per_sample: bool = flag(default=False)

    def __init__(
        self,
        loss: Any,
        fraction: float = 0.25,
        per_sample: bool = False,
        *,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.loss = registry.instance(loss)
        self._inner = self.loss if isinstance(self.loss, Loss) else _Foreign(self.loss)
        if getattr(self.loss, "couples", False):
            raise ValueError(f"Expected a loss whose values do not depend on each other. Received: {self.loss!r}")
        super().__init__(name=name or "hard_examples", reduction=reduction, dtype=dtype)
        self.fraction, self.per_sample = fraction, per_sample

    @property
    def compute_dtype(self) -> str:
        return self._inner.compute_dtype if self._requested_dtype is None else super().compute_dtype

    @property
    def couples(self) -> bool:  # type: ignore[override]
        return not self.per_sample

    def knowing(self, handed: Mapping[str, Any]) -> Self:
        found: Self = gradients.altered(super().knowing(handed), {"_inner": self._inner.knowing(handed)})
        return found

    def unpacked(self, y_true: Any, y_pred: Any) -> tuple[Any, Any, Any]:
        return self._inner.unpacked(y_true, y_pred)

    def read_targets(self, y_true: Any) -> Any:
        return self._inner.read_targets(y_true)

    def align(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        return self._inner.align(y_true, y_pred)

    def value_shape(self, y_pred: Any) -> tuple[int | None, ...]:
        return self._inner.value_shape(y_pred)

    def fault(self, targets: np.ndarray, classes: int | None) -> screening.Fault | None:
        return self._inner.fault(targets, classes)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self._inner.call(y_true, y_pred)

    def evaluate(self, y_true: Any, y_pred: Any, weight: Any, mask: Any) -> tuple[Any, Any, Any]:
        values, weight, mask = self._inner.evaluate(y_true, y_pred, weight, mask)
        if not len(values.shape):
            raise shapes.RefusedError("Expected a loss with a value for each sample or position. Received: a scalar")
        counted = ops.broadcast_to(True if mask is None else mask, ops.shape(values))
        weighs = ops.broadcast_to(1.0 if weight is None else ops.cast(weight, values.dtype), ops.shape(values))
        kept = counted & ops.not_equal(weighs, 0)
        chosen = self._hardest(values, kept)
        # The reduction divides by what is counted, or by what that weighs: as if what is chosen were all there is.
        each = weighs if self.reduction == "mean_with_sample_weight" else ops.ones_like(values)
        scale = numerics.ratio(self._sums(ops.where(counted, each, 0.0)), self._sums(ops.where(chosen, each, 0.0)))
        return ops.where(chosen, values * ops.stop_gradient(scale), 0.0), weight, mask

    def _hardest(self, values: Any, kept: Any) -> Any:
        """Which values are chosen, of those that are kept: of equal ones the first."""
        # What is no number is not to be left out.
        hardness = ops.where(ops.isnan(values), float("inf"), ops.stop_gradient(values))
        hardness, kept = self._rows(hardness), self._rows(kept)
        count = ops.sum(ops.cast(kept, "int32"), axis=1, keepdims=True)
        share = self.fraction * (1.0 - _ROUNDING) * ops.cast(count, values.dtype)
        count = ops.cast(ops.ceil(share), "int32")
        # With one more in front, as there may be none.
        ascending = ops.pad(ops.sort(ops.where(kept, hardness, -float("inf")), axis=1), ((0, 0), (1, 0)))
        last = ops.take_along_axis(ascending, ops.shape(ascending)[1] - ops.maximum(count, 1), axis=1)
        above, level = kept & (hardness > last), kept & ops.equal(hardness, last)
        places = ops.cumsum(ops.cast(level, "int32"), axis=1)
        left = count - ops.sum(ops.cast(above, "int32"), axis=1, keepdims=True)
        return ops.reshape(above | (level & (places <= left)), ops.shape(values))

    def _rows(self, values: Any) -> Any:
        """Each sample as a row, or the whole batch."""
        rows = ops.shape(values)[0] if self.per_sample else 1
        return ops.reshape(values, (rows, -1))

    def _sums(self, values: Any) -> Any:
        """Of each sample, or of the whole batch, in a shape that broadcasts."""
        axes = tuple(range(1 if self.per_sample else 0, len(values.shape)))
        return ops.sum(values, axis=axes, keepdims=True) if axes else values


class _Foreign(Loss):
    """A loss that is not of this package, as one of it."""

    fuses = False  # Nobody knows what it does beside.

    def __init__(self, loss: keras.losses.Loss) -> None:
        super().__init__(dtype=loss.dtype)
        self.loss = loss

    def align(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        return y_true, y_pred  # It does that itself.

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.loss.call(y_true, y_pred)
