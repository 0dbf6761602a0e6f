# SPDX-License-Identifier: Apache-2.0
"""Crossentropies under the focal factor (1 - p_t)**gamma, which is 1 at gamma = 0, with gradients in closed form.

Every backward function computes its terms anew: within one graph the compiler merges them with those of the forward
pass, and outside one nothing is kept alive between the two. Targets are data and get no gradient.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from keras import ops

from tfloss_ext import labels
from tfloss_ext.numerics import EPSILON, by_slices, with_gradient


def _power(base: Any, exponent: float) -> Any:
    """base**exponent for a base >= 0, finite at 0; pow costs a CPU twenty multiplications."""
    if exponent == 0:
        return 1.0
    if exponent in (1, 2, 3, 4):
        return functools.reduce(ops.multiply, [base] * int(exponent))
    # Where the base is 0 all that it is multiplied with is 0 as well.
    return ops.power(ops.maximum(base, 1e-37), exponent)


def _scaled(tensor: Any, factor: Any) -> Any:
    return tensor if isinstance(factor, float) and factor == 1.0 else tensor * factor


# Binary


def binary_from_logits(y: Any, z: Any, gamma: float, alpha: float | None) -> Any:
    """The mean over the last axis of a_t (1 - p_t)**gamma * crossentropy(y, sigmoid(z)), for dense targets y."""
    if labels.hard(y):
        return _mean(functools.partial(_hard_terms, gamma=gamma, alpha=alpha), y, z)
    return _mean(_weighted(_from_logits, _focal_weight(gamma, alpha)), y, z)


def binary_from_probabilities(y: Any, p: Any, gamma: float, alpha: float | None) -> Any:
    """The mean over the last axis of a_t (1 - p_t)**gamma * crossentropy(y, p), for dense targets y."""
    return _mean(_weighted(_from_probabilities, _focal_weight(gamma, alpha)), y, p)


def quality_focal(y: Any, x: Any, beta: float, *, from_logits: bool) -> Any:
    """The mean over the last axis of abs(y - p)**beta * crossentropy(y, p), for dense targets y."""
    if from_logits and labels.hard(y):
        return binary_from_logits(y, x, beta, None)
    return _mean(_weighted(_from_logits if from_logits else _from_probabilities, _error_weight(beta)), y, x)


def varifocal(y: Any, x: Any, alpha: float, gamma: float, *, from_logits: bool) -> Any:
    """The mean over the last axis of w * crossentropy(y, p), w = y where y > 0, alpha p**gamma elsewhere."""
    return _mean(_weighted(_from_logits if from_logits else _from_probabilities, _quality_weight(alpha, gamma)), y, x)


def asymmetric(y: Any, x: Any, gamma_neg: float, gamma_pos: float, clip: float, *, from_logits: bool) -> Any:
    """The mean over the last axis of y (1 - p)**gamma_pos (-log p) + (1 - y) q**gamma_neg (-log(1 - q)).

    q = max(p - clip, 0).
    """
    halves = _halves_from_logits if from_logits else _halves_from_probabilities

    def terms(y: Any, x: Any) -> Any:
        positive, (q, q_slope, nll, nll_slope) = halves(x, clip)
        if clip and gamma_neg == 0:
            nll_slope = ops.where(ops.greater(q, 0), nll_slope, ops.zeros((), x.dtype))
        of_positive = _focused(*positive, gamma=gamma_pos)
        of_negative = _focused(q, q_slope, nll, nll_slope, gamma=gamma_neg)
        return (
            lambda: y * of_positive[0]() + (1.0 - y) * of_negative[0](),
            lambda: y * of_positive[1]() + (1.0 - y) * of_negative[1](),
        )

    return _mean(terms, y, x)


def ordinal_from_logits(ranks: Any, z: Any) -> Any:
    """The sum over the last axis of crossentropy(1[rank > k], sigmoid(z_k))."""
    axis, rank = labels.class_axis(z), len(z.shape)
    thresholds = ops.arange(z.shape[-1], dtype=ranks.dtype)
    thresholds = ops.reshape(thresholds, (-1, *[1] * (rank - 1))) if axis == 0 else thresholds

    def terms(z: Any, ranks: Any) -> Any:
        above = ops.cast(ops.greater(ops.expand_dims(ranks, axis), thresholds), z.dtype)
        return _hard_terms(above, labels.laid_out(z, axis), gamma=0.0, alpha=None)

    def slope(upstream: Any, z: Any, ranks: Any) -> Any:
        return labels.laid_back(terms(z, ranks)[1]() * ops.expand_dims(upstream, axis), axis)

    return by_slices(lambda z, ranks: ops.sum(terms(z, ranks)[0](), axis=axis), slope, z, ranks)


def _mean(terms: Callable[[Any, Any], Any], y: Any, x: Any) -> Any:
    """The mean over the last axis of a value whose derivative is known: `terms` gives both, each when called."""

    def value(x: Any, y: Any) -> Any:
        return ops.mean(terms(y, x)[0](), axis=-1)

    def slope(upstream: Any, x: Any, y: Any) -> Any:
        return terms(y, x)[1]() * ops.expand_dims(upstream / x.shape[-1], -1)

    return by_slices(value, slope, x, ops.cast(y, x.dtype))


def _class_weight(y: Any, alpha: float | None) -> Any:
    return 1.0 if alpha is None else (1.0 - alpha) + y * (2.0 * alpha - 1.0)


def _hard_terms(y: Any, z: Any, gamma: float, alpha: float | None) -> Any:
    """Value and derivative for y of exactly 0 or 1, where 1 - p_t is the sigmoid of one signed logit."""
    sign = 1.0 - 2.0 * y
    v = sign * z
    wrong = ops.sigmoid(v)
    right = 1.0 - wrong
    crossentropy = ops.relu(v) - ops.log1p(-ops.minimum(wrong, right))
    weight = _class_weight(y, alpha)
    if gamma == 0:
        return lambda: _scaled(crossentropy, weight), lambda: _scaled(sign * wrong, weight)
    factor = _scaled(_scaled(wrong, _power(wrong, gamma - 1.0)), weight)
    return lambda: factor * crossentropy, lambda: (gamma * crossentropy * right + wrong) * (factor * sign)


def _weighted(elements: Callable[[Any, Any], Any], weight: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The terms of a crossentropy under a weight that depends on p.

    Args:
        elements: From y and the predictions p, its derivative, the crossentropy, its derivative.
        weight: From y and p a factor, what it multiplies, and what it multiplies in the derivative by p, None for 0.
    """

    def terms(y: Any, x: Any) -> Any:
        p, p_slope, crossentropy, crossentropy_slope = elements(y, x)
        factor, inner, inner_slope = weight(y, p)

        def slope() -> Any:
            total = _scaled(crossentropy_slope, inner)
            if inner_slope is not None:
                total = _scaled(inner_slope * crossentropy, p_slope) + total
            return _scaled(total, factor)

        return lambda: _scaled(_scaled(crossentropy, inner), factor), slope

    return terms


def _from_logits(y: Any, z: Any) -> Any:
    """p, its derivative, the crossentropy and its derivative for any y in [0, 1]."""
    p = ops.sigmoid(z)
    rest = 1.0 - p
    # -log max(p, 1 - p) is log(1 + exp(-|z|)): softplus is the slowest pointwise kernel of TensorFlow.
    return p, p * rest, (ops.relu(z) - y * z) - ops.log(ops.maximum(p, rest)), p - y


def _from_probabilities(y: Any, p: Any) -> Any:
    """The same with respect to p itself."""
    # Clipped from either side by itself: 1 - 1e-7 is not a float32, so 1 - p would end at 1.2e-7.
    clipped, rest = ops.maximum(p, EPSILON), ops.maximum(1.0 - p, EPSILON)
    crossentropy = -(y * ops.log(clipped) + (1.0 - y) * ops.log(rest))
    return p, 1.0, crossentropy, (1.0 - y) / rest - y / clipped


def _focal_weight(gamma: float, alpha: float | None) -> Callable[[Any, Any], Any]:
    """a_t (1 - p_t)**gamma, 1 - p_t being y + (1 - 2y) p."""

    def weight(y: Any, p: Any) -> Any:
        factor = _class_weight(y, alpha)
        if gamma == 0:
            return factor, 1.0, None
        sign = 1.0 - 2.0 * y
        wrong = y + sign * p
        return _scaled(_power(wrong, gamma - 1.0), factor), wrong, gamma * sign

    return weight


def _error_weight(beta: float) -> Callable[[Any, Any], Any]:
    """abs(y - p)**beta."""

    def weight(y: Any, p: Any) -> Any:
        if beta == 0:
            return 1.0, 1.0, None
        error = p - y
        return (error if beta == 2 else ops.sign(error) * _power(ops.abs(error), beta - 1.0)), error, beta

    return weight


def _quality_weight(alpha: float, gamma: float) -> Callable[[Any, Any], Any]:
    """y where it is above 0, alpha p**gamma where it is not."""

    def weight(y: Any, p: Any) -> Any:
        positive, zero = ops.greater(y, 0), ops.zeros((), y.dtype)
        if gamma == 0:
            return 1.0, ops.where(positive, y, zero + alpha), None
        factor = 1.0 if gamma == 1 else ops.where(positive, zero + 1.0, _power(p, gamma - 1.0))
        return factor, ops.where(positive, y, alpha * p), ops.where(positive, zero, zero + alpha * gamma)

    return weight


def _focused(wrong: Any, wrong_slope: Any, nll: Any, nll_slope: Any, *, gamma: float) -> tuple[Any, Any]:
    """Value and derivative of wrong**gamma * nll, each when called."""
    if gamma == 0:
        return lambda: nll, lambda: nll_slope
    factor = _power(wrong, gamma - 1.0)
    return (
        lambda: _scaled(wrong * nll, factor),
        lambda: _scaled(gamma * nll * wrong_slope + wrong * nll_slope, factor),
    )


def _halves_from_logits(z: Any, clip: float) -> tuple[Any, Any]:
    """1 - p and -log p, then q = max(p - clip, 0) and -log(1 - q), each followed by its derivative."""
    p = ops.sigmoid(z)
    rest = 1.0 - p
    log_larger, slope = ops.log(ops.maximum(p, rest)), p * rest
    positive = rest, -slope, ops.relu(-z) - log_larger, -rest
    if clip == 0:
        return positive, (p, slope, ops.relu(z) - log_larger, p)
    q, others = ops.relu(p - clip), ops.minimum(rest + clip, 1.0)
    return positive, (q, slope, -ops.log(others), slope / others)


def _halves_from_probabilities(p: Any, clip: float) -> tuple[Any, Any]:
    """The same with respect to p itself."""
    clipped, q = ops.maximum(p, EPSILON), ops.relu(p - clip)
    others = ops.maximum(1.0 - q, EPSILON)
    return (1.0 - p, -1.0, -ops.log(clipped), -1.0 / clipped), (q, 1.0, -ops.log(others), 1.0 / others)


# Categorical


def categorical_from_logits(y: Any, z: Any, gamma: float, alpha: Any) -> Any:
    """sum_c alpha_c y_c (1 - p_c)**gamma (-log p_c), p = softmax(z), for ids or dense targets y."""
    alpha = 1.0 if alpha is None else alpha
    if not labels.are_ids(y, z):
        return _dense_from_logits(ops.cast(y, z.dtype) * alpha, z, gamma)
    return (_few_from_logits if z.shape[-1] <= labels.FEW_CLASSES else _many_from_logits)(y, z, gamma, alpha)


def categorical_from_probabilities(y: Any, p: Any, gamma: float, alpha: Any) -> Any:
    """sum_c alpha_c y_c (1 - p_c)**gamma (-log p_c) for ids or dense targets y."""
    y = _scaled(ops.cast(labels.one_hot(y, p), p.dtype), 1.0 if alpha is None else alpha)

    def terms(p: Any) -> tuple[Any, Any]:
        clipped, wrong = ops.maximum(p, EPSILON), 1.0 - p
        nll = -ops.log(clipped)
        if gamma == 0:
            return nll, -1.0 / clipped
        return _power(wrong, gamma) * nll, -_power(wrong, gamma - 1.0) * (gamma * nll + wrong / clipped)

    def backward(upstream: Any, p: Any) -> Any:
        return ops.expand_dims(upstream, -1) * (y * terms(p)[1])

    return with_gradient(lambda p: ops.sum(y * terms(p)[0], axis=-1), backward)(p)


def _dense_from_logits(y: Any, z: Any, gamma: float) -> Any:
    """For targets of z's shape, already multiplied with alpha."""

    def terms(z: Any) -> tuple[Any, Any, Any]:
        """Values per class, p, and g such that the derivative is g - p sum(g)."""
        logs = ops.log_softmax(z, axis=-1)
        if gamma == 0:
            return -y * logs, ops.exp(logs), -y
        p, wrong = ops.exp(logs), -ops.expm1(logs)
        factor = y * _power(wrong, gamma - 1.0)
        return -factor * wrong * logs, p, factor * (gamma * p * logs - wrong)

    def backward(upstream: Any, z: Any) -> Any:
        _, p, g = terms(z)
        return ops.expand_dims(upstream, -1) * (g - p * ops.sum(g, axis=-1, keepdims=True))

    return with_gradient(lambda z: ops.sum(terms(z)[0], axis=-1), backward)(z)


def _of_target(others: Any, gap: Any, alpha: Any, gamma: float) -> tuple[Any, Any]:
    """The value, and what the derivative is a multiple of, from the classes other than the target's.

    With exponentials relative to the largest logit: `others` is their sum over the other classes, `gap` how far the
    target's logit lies below the largest. 1 - p_t is then a sum of probabilities, never a difference.
    """
    own = ops.exp(-gap)
    inverse = 1.0 / (others + own)
    nll = gap + ops.log1p(others + (own - 1.0))  # own - 1 is exactly 0 where the target is the largest.
    if gamma == 0:
        return _scaled(nll, alpha), _scaled(inverse, alpha)
    wrong = others * inverse
    factor = _scaled(_power(wrong, gamma - 1.0), alpha)
    return _scaled(wrong * nll, factor), _scaled((gamma * (own * inverse) * nll + wrong) * inverse, factor)


def _few_from_logits(ids: Any, z: Any, gamma: float, alpha: Any) -> Any:
    """For few classes: one array per class, no axis of classes."""
    classes = z.shape[-1]
    hits = [ops.equal(ids, c) for c in range(classes)]

    def of_target(values: Any, otherwise: Any) -> Any:
        picked = otherwise
        for hit, value in zip(hits, values, strict=True):
            picked = ops.where(hit, value, picked)
        return picked

    # An id that is no class has weight 0, and a gap of 0 to stay finite.
    alphas = [alpha] * classes if isinstance(alpha, float) else ops.unstack(alpha, classes)
    weight = of_target(alphas, ops.zeros((), dtype=z.dtype))

    def terms(z: Any) -> tuple[list[Any], Any, Any, Any]:
        logits = ops.unstack(z, classes, axis=-1)
        largest = functools.reduce(ops.maximum, logits)
        rest = [ops.where(hit, 0.0, ops.exp(x - largest)) for hit, x in zip(hits, logits, strict=True)]
        others = functools.reduce(ops.add, rest)
        return rest, others, *_of_target(others, largest - of_target(logits, largest), weight, gamma)

    def backward(upstream: Any, z: Any) -> Any:
        rest, others, _, slope = terms(z)
        slope = upstream * slope
        own = -(slope * others)
        parts = [ops.where(hit, own, x * slope) for hit, x in zip(hits, rest, strict=True)]
        # Stacked in front and transposed, as stacking at the end copies single elements on TensorFlow.
        rank = len(ids.shape)
        return ops.transpose(ops.stack(parts, axis=0), (*range(1, rank + 1), 0))

    return with_gradient(lambda z: terms(z)[2], backward)(z)


def _many_from_logits(ids: Any, z: Any, gamma: float, alpha: Any) -> Any:
    """For many classes: sums over the last axis."""
    hit, zero = labels.one_hot(ids, z), ops.zeros((), dtype=z.dtype)
    weight = ops.sum(ops.where(hit, alpha, zero), axis=-1)

    def terms(z: Any) -> tuple[Any, Any, Any, Any]:
        largest = ops.max(z, axis=-1, keepdims=True)
        rest = ops.where(hit, zero, ops.exp(z - largest))
        others = ops.sum(rest, axis=-1)
        gap = ops.sum(ops.where(hit, largest - z, zero), axis=-1)
        return rest, others, *_of_target(others, gap, weight, gamma)

    def backward(upstream: Any, z: Any) -> Any:
        rest, others, _, slope = terms(z)
        return ops.where(hit, -ops.expand_dims(others, -1), rest) * ops.expand_dims(upstream * slope, -1)

    return with_gradient(lambda z: terms(z)[2], backward)(z)
