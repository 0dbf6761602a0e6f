# SPDX-License-Identifier: Apache-2.0
"""Crossentropies, and the curves that losses make of them, as plain formulas. Targets are data and get no gradient."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from keras import ops

from tfloss_ext import decisions, labels
from tfloss_ext.classes import Classes
from tfloss_ext.gradients import mapped, with_gradient
from tfloss_ext.numerics import EPSILON, at_least, at_most, certain, is_fixed_at, log, logsumexp, mean, raised, softly

# Farther apart than any two logits.
_BEYOND = 1e30


def focus(base: Any, exponent: Any) -> Any:
    """base**exponent for a base >= 0, finite at 0; pow costs a CPU twenty multiplications."""
    if is_fixed_at(exponent, 0):
        return 1.0
    if is_fixed_at(exponent, 1, 2, 3, 4):
        return functools.reduce(ops.multiply, [base] * int(exponent))
    # Where the base is 0 all that it is multiplied with is 0 as well. What comes from above vanishes there faster than
    # the derivative grows, if it is multiplied first.
    return with_gradient(
        lambda base: raised(base, exponent),
        lambda upstream, base: (upstream * exponent) * focus(base, exponent) / base,
    )(at_least(base, 1e-37))


def scaled(one: Any, other: Any) -> Any:
    """The product, of which a 1 is no part."""
    if isinstance(other, float) and other == 1.0:
        return one
    return other if isinstance(one, float) and one == 1.0 else one * other


# Binary


def binary(
    y: Any, x: Any, gamma: float = 0.0, alpha: float | None = None, *, from_logits: bool, weights: Any = 1.0
) -> Any:
    """The mean over the last axis of weights * a_t (1 - p_t)**gamma * crossentropy(y, p), for dense targets y.

    p is x, or from logits its sigmoid.
    """
    hard = from_logits and labels.are_hard(y)

    def value(x: Any, y: Any) -> Any:
        found: Any = decisions.HardDecisions(y, x) if hard else decisions.of(y, x, from_logits=from_logits)
        factor = 1.0 if alpha is None else (1.0 - alpha) + y * (2.0 * alpha - 1.0)
        return scaled(scaled(scaled(focus(found.wrong, gamma), factor), found.crossentropy), weights)

    return _mean(value, y, x)


def quality_focal(y: Any, x: Any, beta: float, *, from_logits: bool) -> Any:
    """The mean over the last axis of abs(y - p)**beta * crossentropy(y, p), for dense targets y."""
    if from_logits and labels.are_hard(y):
        return binary(y, x, beta, from_logits=True)

    def value(x: Any, y: Any) -> Any:
        found = decisions.of(y, x, from_logits=from_logits)
        return scaled(found.crossentropy, focus(found.error if is_fixed_at(beta, 2) else ops.abs(found.error), beta))

    return _mean(value, y, x)


def varifocal(y: Any, x: Any, alpha: float, gamma: float, *, from_logits: bool) -> Any:
    """The mean over the last axis of w * crossentropy(y, p), w = y where y > 0, alpha p**gamma elsewhere."""

    def value(x: Any, y: Any) -> Any:
        found = decisions.of(y, x, from_logits=from_logits)
        return found.crossentropy * ops.where(y > 0, y, alpha * focus(found.p, gamma))

    return _mean(value, y, x)


def asymmetric(y: Any, x: Any, gamma_neg: float, gamma_pos: float, clip: float, *, from_logits: bool) -> Any:
    """The mean over the last axis of y (1 - p)**gamma_pos (-log p) + (1 - y) q**gamma_neg (-log(1 - q)).

    q = max(p - clip, 0).
    """

    def value(x: Any, y: Any) -> Any:
        found = decisions.of(y, x, from_logits=from_logits)
        q, nll_of_rest = found.p, found.nll_of_rest
        if not is_fixed_at(clip, 0):
            q = ops.relu(found.p - clip)
            nll_of_rest = softly(at_most(found.rest + clip, 1.0), q) if from_logits else -log(1.0 - q)
        positive = scaled(found.nll, focus(found.rest, gamma_pos))
        return y * positive + (1.0 - y) * scaled(nll_of_rest, focus(q, gamma_neg))

    return _mean(value, y, x)


def ordinal_from_logits(ranks: Any, z: Any) -> Any:
    """The sum over the last axis of crossentropy(1[rank > k], sigmoid(z_k))."""
    axis, rank = labels.class_axis(z), len(z.shape)
    thresholds = ops.arange(z.shape[-1], dtype=ranks.dtype)
    thresholds = ops.reshape(thresholds, (-1, *[1] * (rank - 1))) if axis == 0 else thresholds

    def value(z: Any, ranks: Any) -> Any:
        above = ops.cast(ops.greater(ops.expand_dims(ranks, axis), thresholds), z.dtype)
        return ops.sum(decisions.HardDecisions(above, labels.with_classes_at(z, axis)).crossentropy, axis=axis)

    return mapped(value, z, ranks)


def _mean(value: Callable[[Any, Any], Any], y: Any, x: Any) -> Any:
    """The mean over the last axis of what `value(x, y)` gives for each element."""
    return mapped(lambda x, y: mean(value(x, y)), x, ops.cast(y, x.dtype))


# Categorical


# What a position costs: of nll = -log p_t, and of what gives 1 - p_t, p_t being the probability of its target.
Curve = Callable[[Any, Callable[[], Any]], Any]


def plain(nll: Any, wrong: Callable[[], Any]) -> Any:
    """-log p_t."""
    return nll


def focal(gamma: float) -> Curve:
    """(1 - p_t)**gamma (-log p_t)."""
    return plain if is_fixed_at(gamma, 0) else lambda nll, wrong: nll * focus(wrong(), gamma)


def categorical(classes: Classes, curve: Curve = plain, *, alpha: Any = 1.0, smoothing: float = 0.0) -> Any:
    """sum_c alpha_c y_c curve(p_c), `(B, ...)`, for targets moved by `smoothing` to the uniform distribution."""
    alphas, share = classes.numbers(alpha), smoothing / classes.count
    smoothed = not is_fixed_at(smoothing, 0)

    def of_class(c: int, y: Any) -> Any:
        return scaled(curve(classes.nll[c], lambda: classes.wrong[c]), scaled(y, alphas[c]))

    def of_dense(targets: list[Any]) -> Any:
        return classes.of_positions(classes.sum([of_class(c, y) for c, y in enumerate(targets)]))

    if classes.ids is None:
        return of_dense([y * (1.0 - smoothing) + share if smoothed else y for y in classes.targets])
    values = curve(classes.nll_of_target, lambda: classes.wrong_of_target)
    values = scaled(values, alpha if isinstance(alpha, float) else classes.of_target(alphas))
    values = classes.of_positions(values)
    # Linear in the targets: the smoothed part of ids needs no one-hot targets.
    return (1.0 - smoothing) * values + of_dense([share] * len(alphas)) if smoothed else values


def generalized(classes: Classes, q: float) -> Any:
    """(1 - p_t**q) / q with p_t = sum_c y_c p_c."""
    if classes.activation:
        # Not by the power: as q goes to 0 nothing would be left of the difference.
        nll = _nll_of_mixture(classes) if classes.ids is None else classes.of_positions(classes.nll_of_target)
        return -ops.expm1(-q * nll) / q

    # The value has no clip, as it has no logarithm; its slope, infinite at 0, has.
    def forward(p: Any) -> Any:
        positive = p > 0
        logs = ops.log(ops.where(positive, p, 1.0))
        return ops.where(positive, -ops.expm1(q * logs), 1.0) / q

    def backward(upstream: Any, p: Any) -> Any:
        return -upstream * ops.exp((q - 1.0) * ops.log(at_least(p, EPSILON)))

    return with_gradient(forward, backward)(mixture(classes))


def mixture(classes: Classes) -> Any:
    """sum_c y_c p_c."""
    if classes.ids is not None:
        return classes.of_positions(classes.p_of_target)
    return classes.of_positions(classes.sum([y * p for y, p in zip(classes.targets, classes.p, strict=True)]))


def _nll_of_mixture(classes: Classes) -> Any:
    """-log sum_c y_c p_c of logits and dense targets."""
    y, z = ops.cast(classes.y_true, classes.y_pred.dtype), certain(classes.y_pred)
    # So that a class without a share in the target stays without.
    shares = ops.where(y > 0, ops.log(ops.where(y > 0, y, 1.0)), -_BEYOND)
    return -ops.logsumexp(ops.log_softmax(z, axis=-1) + shares, axis=-1)


# Many positives


def of_equal_shares(z: Any, targets: Any, among: Any) -> tuple[Any, Any]:
    """The mean of -log softmax(z) over the targets of each row, the softmax being over `among`, and their number.

    Both masks are of the shape of z, `(B, n)`; a row without a target costs 0.
    """
    count = ops.sum(ops.cast(targets, z.dtype), axis=1)
    largest, rest = logsumexp(z, among)
    # By how far the targets are below the largest: a single one that leads by much costs nothing.
    below = ops.sum(ops.where(targets, ops.expand_dims(largest, 1) - z, 0.0), axis=1) / at_least(count, 1.0)
    return ops.where(count > 0, rest + below, 0.0), count
