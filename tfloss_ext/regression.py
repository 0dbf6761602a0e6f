# SPDX-License-Identifier: Apache-2.0
"""Losses of regression: a penalty for each output, averaged over the last axis."""

from __future__ import annotations

from typing import Any

from keras import ops

from tfloss_ext import numerics
from tfloss_ext.base import Loss
from tfloss_ext.parameters import flag, numbers


class RegressionLoss(Loss):
    """The family of losses that average a penalty over the outputs.

    A subclass defines `penalty(y_true, y_pred)`, one value per output.
    """

    ignore_nan: bool = flag(default=False, kw_only=True)

    def penalty(self, y_true: Any, y_pred: Any) -> Any:
        """The value per output."""
        raise NotImplementedError(f"{type(self).__name__} defines no penalty(y_true, y_pred)")

    def known(self, y_true: Any, y_pred: Any) -> Any:
        return ops.any(ops.logical_not(ops.isnan(y_true)), axis=-1) if self.ignore_nan else None

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if not self.ignore_nan:
            return ops.mean(self.penalty(y_true, y_pred), axis=-1)
        missing = ops.isnan(y_true)
        zero = ops.zeros((), dtype=y_pred.dtype)
        penalty = self.penalty(ops.where(missing, zero, y_true), ops.where(missing, zero, y_pred))
        count = ops.sum(ops.cast(ops.logical_not(missing), y_pred.dtype), axis=-1)
        return numerics.ratio(ops.sum(ops.where(missing, zero, penalty), axis=-1), count)


class LogCosh(RegressionLoss, key="log_cosh_loss", aliases=("logcosh",)):
    """Logarithm of the hyperbolic cosine of the error: squared for small errors, absolute for large ones.

    `log(cosh(y_pred - y_true))`, with a relative error below 1e-6 for errors from 1e-12 to 1e30, where the usual
    `softplus` form returns 0 below 1e-4.

    Args:
        ignore_nan: Leave NaN targets out of the mean over the last axis; a row with none left weighs nothing.
        reduction: As in `keras.losses.Loss`.
        name: Name of the instance; None means `"log_cosh_loss"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_true, y_pred: `(B, ..., C)` in any unit, or `(B,)`. Values: `(B, ...)`, the mean over C.

    Raises:
        ValueError: If the shapes of `y_true` and `y_pred` differ.

    Reference:
        Saleh & Saleh, Statistical Properties of the log-cosh Loss Function, arXiv:2208.04564.

    Example:
        >>> loss = LogCosh()
        >>> print(f"{loss([[0.0, 0.0]], [[0.0, 2.0]]):.4f}")
        0.6625
    """

    def penalty(self, y_true: Any, y_pred: Any) -> Any:
        return numerics.log_cosh(y_pred - y_true)


class WeightedMSE(RegressionLoss, key="weighted_mse"):
    """Mean squared error with a weight for each output.

    `mean(weight * (y_pred - y_true)**2)` over the last axis; the weights are not normalised.

    Args:
        weight: A number >= 0, or a list with one for each of the C outputs.
        ignore_nan: Leave NaN targets out of the mean over the last axis; a row with none left weighs nothing.
        reduction: As in `keras.losses.Loss`.
        name: Name of the instance; None means `"weighted_mse"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_true, y_pred: `(B, ..., C)` in any unit, or `(B,)`. Values: `(B, ...)`, the mean over C, in that unit squared.

    Raises:
        ValueError: If a weight is negative, if the shapes differ, or if there are not C weights.

    Reference:
        Weighted least squares: Aitken, On Least Squares and Linear Combination of Observations, 1936.

    Example:
        >>> loss = WeightedMSE(weight=[1.0, 3.0])
        >>> print(f"{loss([[0.0, 0.0]], [[1.0, 2.0]]):.4f}")
        6.5000
    """

    weight: float | list[float] = numbers(default=1.0, at_least=0)

    def penalty(self, y_true: Any, y_pred: Any) -> Any:
        return self.per_output("weight", y_pred.shape[-1]) * ops.square(y_pred - y_true)
