# SPDX-License-Identifier: Apache-2.0
"""Distributions over classes other than softmax, each with the loss made for it and the gradient in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from keras import ops

from tfloss_ext import labels
from tfloss_ext.numerics import by_slices, over_slices


def _axis(z: Any) -> int:
    """Where the classes are put: in front if they are few, as sums over a short last axis are slow."""
    return 0 if z.shape[-1] <= labels.FEW_CLASSES else -1


def _laid_out(tensor: Any, axis: int) -> Any:
    """The last axis moved to `axis`."""
    return tensor if axis else ops.transpose(tensor, (len(tensor.shape) - 1, *range(len(tensor.shape) - 1)))


def _laid_back(tensor: Any, axis: int) -> Any:
    return tensor if axis else ops.transpose(tensor, (*range(1, len(tensor.shape)), 0))


def _loss(y: Any, z: Any, terms: Callable[..., Any], *rows: Any) -> Any:
    """The loss of each position, from ids or dense targets y of `(..., C)` and logits z.

    Args:
        terms: `terms(y, z, axis, *rows)` gives value and derivative, each when called, for dense targets and for
            logits whose classes are on `axis`.
        rows: What there is beside, one number per position.
    """
    axis, classes = _axis(z), z.shape[-1]
    ids = labels.are_ids(y, z)
    y = y if ids else ops.cast(y, z.dtype)

    def prepared(z: Any, y: Any, *rows: Any) -> Any:
        dense = ops.cast(labels.one_hot(y, z), z.dtype)
        rows = tuple(ops.expand_dims(row, axis) for row in rows)
        return terms(_laid_out(dense, axis), _laid_out(z, axis), axis, *rows)

    def of_classes(tensor: Any, y: Any) -> Any:
        """The tensor, 0 where the id is that of no class."""
        if not ids:
            return tensor
        known = ops.logical_and(ops.greater_equal(y, 0), ops.less(y, classes))
        return ops.where(known, tensor, ops.zeros((), z.dtype))

    def value(z: Any, y: Any, *rows: Any) -> Any:
        return of_classes(prepared(z, y, *rows)[0](), y)

    def slope(upstream: Any, z: Any, y: Any, *rows: Any) -> Any:
        upstream = ops.expand_dims(of_classes(upstream, y), axis)
        return _laid_back(prepared(z, y, *rows)[1]() * upstream, axis)

    return by_slices(value, slope, z, y, *rows)


def _sum(tensor: Any, axis: int) -> Any:
    return ops.sum(tensor, axis=axis, keepdims=True)


def _below_largest(z: Any, axis: int) -> Any:
    """Logits relative to the largest: all that the distributions depend on, and small where it matters."""
    return z - ops.max(z, axis=axis, keepdims=True)


# Sparsemax


def sparsemax_loss(y: Any, z: Any) -> Any:
    """-y.z + sum over the support of (z_c**2 - tau**2) / 2 + y.y / 2, tau being the threshold of sparsemax(z).

    With p = sparsemax(z) = max(z - tau, 0) and targets that add up to 1 this is
    (y - p).(y - p) / 2 + y.max(tau - z, 0): a sum of what is wrong, from which nothing large is taken.
    """
    axis = _axis(z)

    def threshold(z: Any) -> Any:
        return ops.squeeze(_threshold(_below_largest(_laid_out(z, axis), axis), axis), axis)

    def terms(y: Any, z: Any, axis: int, tau: Any) -> Any:
        z = _below_largest(z, axis)
        # Once more, so that the derivative of the threshold is there for derivatives of the gradient.
        above = z - _raised(z, tau, axis)[0]
        p = ops.relu(above)
        return (
            lambda: ops.sum(0.5 * ops.square(y - p) + y * ops.relu(-above), axis=axis),
            lambda: p - y,
        )

    return _loss(y, z, terms, over_slices(threshold, z, like=z))


def _raised(z: Any, tau: Any, axis: int) -> tuple[Any, Any]:
    """The threshold for the support that another one gives, and how many classes that is."""
    inside = ops.greater(z, tau)
    count = _sum(ops.cast(inside, z.dtype), axis)
    return (_sum(ops.where(inside, z, ops.zeros((), z.dtype)), axis) - 1.0) / count, count


def _threshold(z: Any, axis: int) -> Any:
    """tau such that max(z - tau, 0) adds up to 1 over `axis`, for logits of which the largest is 0.

    Newton's method from below, where the sum is convex and falls: it ends with the exact support, in a number of steps
    that grows as log C, and needs no sorting, which is slow on the last axis.
    """
    z = ops.stop_gradient(z)

    def body(tau: Any, count: Any, changes: Any) -> tuple[Any, Any, Any]:
        higher, fewer = _raised(z, tau, axis)
        return ops.maximum(tau, higher), fewer, ops.any(ops.less(fewer, count))

    tau = ops.zeros_like(ops.max(z, axis=axis, keepdims=True)) - 1.0
    count = ops.zeros_like(tau) + (z.shape[axis] + 1.0)
    return ops.while_loop(lambda tau, count, changes: changes, body, (tau, count, ops.any(ops.greater(count, 0))))[0]


# Tempered


def bi_tempered(y: Any, z: Any, t1: float, t2: float) -> Any:
    """sum_c y_c (log_t1 y_c - log_t1 p_c) - (y_c**(2-t1) - p_c**(2-t1)) / (2-t1), p the softmax tempered by t2."""
    rest, hard = 1.0 - t1, labels.are_ids(y, z) or labels.hard(y)

    def log_t1(logs: Any) -> Any:
        return ops.expm1(rest * logs) / rest if rest else logs

    def constant(y: Any, axis: int) -> Any:
        """What the targets alone say; 0 where they are one-hot."""
        parts = -y if hard else y * (log_t1(ops.log(ops.maximum(y, 1e-37))) - 1.0)
        return (1.0 + ops.sum(parts, axis=axis)) / (1.0 + rest)

    def terms(y: Any, z: Any, axis: int) -> Any:
        logs, escort = _tempered(_below_largest(z, axis), t2, axis)
        p = ops.exp(logs)

        def value() -> Any:
            # p**(2 - t1) by its logarithm, and p adds up to 1: no difference of numbers near 1 is left.
            weight = (rest / (1.0 + rest)) * p - y
            return ops.sum(weight * log_t1(logs), axis=axis) + constant(y, axis)

        def slope() -> Any:
            direct = p - y
            if t1 == t2:
                return direct
            direct = direct * ops.exp((t2 - t1) * logs)
            return direct - escort() * _sum(direct, axis)

        return value, slope

    return _loss(y, z, terms)


def _tempered(z: Any, t: float, axis: int) -> tuple[Any, Any]:
    """The logarithm of the softmax tempered by t >= 1, and its escort distribution p**t / sum p**t when called.

    For logits of which the largest is 0. p_c = x_c**(-1/s), s = t - 1, x_c = exp(s k) - s z_c, and k = -log p of the
    largest is what makes p add up to 1. With d_c = -s z_c exp(-s k), p_c = exp(-k) (1 + d_c)**(-1/s).
    """
    s = t - 1.0
    if s == 0:
        logs = z - ops.log(_sum(ops.exp(z), axis))
        return logs, lambda: ops.exp(logs)
    k = ops.zeros_like(ops.max(z, axis=axis, keepdims=True))

    def at(k: Any) -> tuple[Any, Any]:
        deeper = (-s * z) * ops.exp(-s * k)
        return ops.log1p(deeper) * (-1.0 / s), 1.0 + deeper

    for _ in range(_steps(s)):
        logs, depth = at(k)
        p = ops.exp(logs)
        total = _sum(p, axis)
        log_total = ops.log(total)
        # Newton's method for the power mean (sum p)**-s = 1, which is concave in exp(s k) and linear where all logits
        # are equal: it comes from below, without the many small steps that the sum itself would take.
        curvature = total / _sum(p / depth, axis) - 1.0
        k = log_total + ops.log1p(curvature * -ops.expm1(s * (k - log_total))) * (1.0 / s)
    logs, depth = at(k)
    logs = logs - k

    def escort() -> Any:
        weight = ops.exp(logs) / depth
        return weight / _sum(weight, axis)

    return logs, escort


def _steps(s: float) -> int:
    """How many steps reach float64's precision, whatever up to 1e5 logits within 2e4 of each other are."""
    return min(12, 4 + math.ceil(8.0 * s))
