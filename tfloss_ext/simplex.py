# SPDX-License-Identifier: Apache-2.0
"""Distributions over classes other than softmax, each with the loss made for it and the gradient in closed form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops

from tfloss_ext import labels
from tfloss_ext.gradients import by_slices, over_slices
from tfloss_ext.numerics import CERTAIN, at_least, away_from_zero, is_fixed_at, larger


def _loss(y: Any, z: Any, value_and_slope: Callable[..., Any], *rows: Any) -> Any:
    """The loss of each position, from ids or dense targets y of `(..., C)` and logits z.

    Args:
        value_and_slope: `value_and_slope(y, z, axis, *rows)` gives value and derivative, each when called, for dense
            targets and for logits whose classes are on `axis`.
        rows: What there is beside, one number per position.
    """
    axis, classes = labels.class_axis(z), z.shape[-1]
    ids = labels.are_ids(y, z)
    y = y if ids else ops.cast(y, z.dtype)

    def on_axis(z: Any, y: Any, *rows: Any) -> Any:
        dense = ops.cast(labels.one_hot(y, z), z.dtype)
        rows = tuple(ops.expand_dims(row, axis) for row in rows)
        return value_and_slope(labels.with_classes_at(dense, axis), labels.with_classes_at(z, axis), axis, *rows)

    def of_classes(tensor: Any, y: Any) -> Any:
        """The tensor, 0 where the id is that of no class."""
        if not ids:
            return tensor
        known = ops.logical_and(ops.greater_equal(y, 0), ops.less(y, classes))
        return ops.where(known, tensor, ops.zeros((), z.dtype))

    def value(z: Any, y: Any, *rows: Any) -> Any:
        return of_classes(on_axis(z, y, *rows)[0](), y)

    def slope(upstream: Any, z: Any, y: Any, *rows: Any) -> Any:
        upstream = ops.expand_dims(of_classes(upstream, y), axis)
        return labels.with_classes_last(on_axis(z, y, *rows)[1]() * upstream, axis)

    return by_slices(value, slope, z, y, *rows)


def _sum(tensor: Any, axis: int) -> Any:
    return ops.sum(tensor, axis=axis, keepdims=True)


def _below_largest(z: Any, axis: int) -> Any:
    """Logits relative to the largest: all that the distributions depend on, and small where it matters."""
    z = at_least(z, -CERTAIN)
    return z - ops.max(z, axis=axis, keepdims=True)


def _per_row(function: Callable[[Any, int], Any], z: Any) -> Any:
    """`function(z, axis)`, which leaves one number per position, of logits of which the largest is 0."""
    axis = labels.class_axis(z)

    def of_rows(z: Any) -> Any:
        return ops.squeeze(function(_below_largest(labels.with_classes_at(z, axis), axis), axis), axis)

    return over_slices(of_rows, ops.stop_gradient(z), like=z)


def _settled(step: Callable[[Any], Any], start: Any, tolerance: float) -> Any:
    """Where steps that only ever rise come to rest, all rows within the tolerance."""

    def body(x: Any, rises: Any) -> tuple[Any, Any]:
        higher = larger(x, step(x))
        return higher, ops.any(ops.greater(higher - x, tolerance))

    return ops.while_loop(lambda x, rises: rises, body, (start, ops.ones((), dtype="bool")))[0]


# Sparsemax


def sparsemax_loss(y: Any, z: Any) -> Any:
    """-y.z + sum over the support of (z_c**2 - tau**2) / 2 + y.y / 2, tau being the threshold of sparsemax(z).

    With p = sparsemax(z) = max(z - tau, 0) and targets that add up to 1 this is
    (y - p).(y - p) / 2 + y.max(tau - z, 0): a sum of what is wrong, from which nothing large is taken.
    """

    def value_and_slope(y: Any, z: Any, axis: int, tau: Any) -> Any:
        # The step that changes nothing more gives the derivative of tau to whoever differentiates the gradient.
        z = _below_largest(z, axis)
        above = z - _raised(tau, z, axis)
        p = ops.relu(above)
        wrong = p - y
        # p - above is max(tau - z, 0).
        return lambda: 0.5 * ops.sum(ops.square(wrong), axis=axis) + ops.sum(y * (p - above), axis=axis), lambda: wrong

    return _loss(y, z, value_and_slope, _per_row(_threshold, z))


def _threshold(z: Any, axis: int) -> Any:
    """tau such that max(z - tau, 0) adds up to 1.

    Newton's method from below, where the sum is convex and falls, ends with the exact support. Its steps grow as log C
    at most, and none of them sorts, which is slow on every backend. Where there are many classes it begins with few of
    them, the largest of each eight: leaving some out only lowers the threshold, and seldom by much.
    """
    few = z
    if axis and z.shape[axis] >= 64:
        for _ in range(3):
            half = few.shape[axis] // 2
            few = larger(few[..., :half], few[..., -half:])
    tau = _settled(lambda tau: _raised(tau, few, axis), ops.zeros_like(_sum(few, axis)) - 1.0, 0.0)
    return tau if few is z else _settled(lambda tau: _raised(tau, z, axis), tau, 0.0)


def _raised(tau: Any, z: Any, axis: int) -> Any:
    """The threshold for the support that another one gives."""
    supported = ops.greater(z, tau)
    total = _sum(ops.where(supported, z, ops.zeros((), z.dtype)), axis)
    return (total - 1.0) / _sum(ops.cast(supported, z.dtype), axis)


# Tempered

# How near to 1 temperatures come that move: formulas divide by what they differ by.
_APART = 1e-6


def bi_tempered(y: Any, z: Any, t1: float, t2: float) -> Any:
    """sum_c y_c (log_t1 y_c - log_t1 p_c) - (y_c**(2-t1) - p_c**(2-t1)) / (2-t1), p the softmax tempered by t2."""
    rest, hard = away_from_zero(1.0 - t1, _APART), labels.are_ids(y, z) or labels.are_hard(y)

    def log_t1(logs: Any) -> Any:
        return logs if is_fixed_at(rest, 0) else ops.expm1(rest * logs) / rest

    def constant(y: Any, axis: int) -> Any:
        """What the targets alone say; 0 where they are one-hot."""
        parts = -y if hard else y * (log_t1(ops.log(at_least(y, 1e-37))) - 1.0)
        return (1.0 + ops.sum(parts, axis=axis)) / (1.0 + rest)

    def value_and_slope(y: Any, z: Any, axis: int, *k: Any) -> Any:
        logs, escort = _tempered(_below_largest(z, axis), t2, axis, *k)
        p = ops.exp(logs)

        def value() -> Any:
            # p**(2 - t1) by its logarithm, and p adds up to 1: no difference of numbers near 1 is left.
            weight = (rest / (1.0 + rest)) * p - y
            return ops.sum(weight * log_t1(logs), axis=axis) + constant(y, axis)

        def slope() -> Any:
            direct = p - y
            if is_fixed_at(t1, 1) and is_fixed_at(t2, 1):
                return direct
            direct = direct * ops.exp((t2 - t1) * logs)
            return direct - escort() * _sum(direct, axis)

        return value, slope

    normaliser = [] if is_fixed_at(t2, 1) else [_per_row(lambda z, axis: _normaliser(z, t2, axis), z)]
    return _loss(y, z, value_and_slope, *normaliser)


# The softmax tempered by t > 1 of logits z of which the largest is 0: p_c = x_c**(-1/s), s = t - 1, with
# x_c = exp(s k) - s z_c, and k = -log p of the largest such that p adds up to 1. With d_c = 1 - s z_c exp(-s k),
# x_c is exp(s k) d_c and log p_c is -k - log(d_c) / s, exact for s next to 0 as well.


def _tempered(z: Any, t: float, axis: int, k: Any = None) -> tuple[Any, Any]:
    """The logarithm of the tempered softmax p, and its escort distribution p**t / sum p**t when called.

    k is what `_normaliser` gives, unused for t = 1.
    """
    s = away_from_zero(t - 1.0, _APART)
    if is_fixed_at(s, 0):
        logs = z - ops.log(_sum(ops.exp(z), axis))
        return logs, lambda: ops.exp(logs)
    # The last step, as it squares the error, and gives the derivative of k to whoever differentiates the gradient.
    k = _nearer(k, z, s, axis)
    logs, depth = _relative(k, z, s)
    logs = logs - k

    def escort() -> Any:
        weight = ops.exp(logs) / depth
        return weight / _sum(weight, axis)

    return logs, escort


def _normaliser(z: Any, t: float, axis: int) -> Any:
    """k, but for a step that makes it exact: two to ten steps bring it within the tolerance."""
    s = away_from_zero(t - 1.0, _APART)
    return _settled(lambda k: _nearer(k, z, s, axis), ops.zeros_like(_sum(z, axis)), 1e-4)


def _relative(k: Any, z: Any, s: float) -> tuple[Any, Any]:
    """log p_c + k, and d_c."""
    deeper = (-s * z) * ops.exp(-s * k)
    # The tails are so heavy that a class which is ruled out would keep a share.
    logs = ops.where(z < -0.5 * CERTAIN, -CERTAIN, ops.log1p(deeper) * (-1.0 / s))
    return logs, 1.0 + deeper


def _nearer(k: Any, z: Any, s: float, axis: int) -> Any:
    """A step of Newton's method for the power mean, (sum p)**-s = 1.

    That is concave in exp(s k) and linear where all logits are equal, so that k comes from below without the many small
    steps that it takes for sum p = 1.
    """
    logs, depth = _relative(k, z, s)
    p = ops.exp(logs)
    total = _sum(p, axis)
    log_total = ops.log(total)
    curvature = total / _sum(p / depth, axis) - 1.0
    return log_total + ops.log1p(curvature * -ops.expm1(s * (k - log_total))) * (1.0 / s)
