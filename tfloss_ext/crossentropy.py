# SPDX-License-Identifier: Apache-2.0
"""Crossentropies under the focal factor (1 - p_t)**gamma, which is 1 at gamma = 0, with gradients in closed form.

Every backward function computes its terms anew: within one graph the compiler merges them with those of the forward
pass, and outside one nothing is kept alive between the two. Targets are data and get no gradient.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

from keras import ops

from tfloss_ext import labels
from tfloss_ext.numerics import EPSILON, with_gradient

# Elements per slice of a large array: 1 MiB of float32.
SLICE_ELEMENTS = 2**18


def focus(base: Any, exponent: float) -> Any:
    """base**exponent for a base >= 0, finite at 0; pow costs a CPU twenty multiplications."""
    if exponent == 0:
        return 1.0
    if exponent == 1:
        return base
    # Where the base is 0 all that it is multiplied with is 0 as well.
    return ops.power(ops.maximum(base, 1e-37), exponent)


def scaled(tensor: Any, factor: Any) -> Any:
    return tensor if isinstance(factor, float) and factor == 1.0 else tensor * factor


# Binary


def binary_from_logits(y: Any, z: Any, gamma: float, alpha: float | None) -> Any:
    """The mean over the last axis of a_t (1 - p_t)**gamma * crossentropy(y, sigmoid(z)), for dense targets y."""
    return _mean(hard_binary_terms if labels.hard(y) else soft_binary_terms, y, z, gamma, alpha)


def binary_from_probabilities(y: Any, p: Any, gamma: float, alpha: float | None) -> Any:
    """The mean over the last axis of a_t (1 - p_t)**gamma * crossentropy(y, p), for dense targets y."""
    return _mean(binary_terms_from_probabilities, y, p, gamma, alpha)


def _mean(terms: Callable[..., Any], y: Any, x: Any, gamma: float, alpha: float | None) -> Any:
    """The mean over the last axis of a value whose derivative is known: `terms` gives both, each when called."""
    y = ops.cast(y, x.dtype)
    slices = _slices(x)

    def over_slices(function: Callable[..., Any], *tensors: Any) -> Any:
        parts = [function(*(tensor[part] for tensor in tensors)) for part in slices]
        return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=0)

    def value(y: Any, x: Any) -> Any:
        return ops.mean(terms(y, x, gamma, alpha)[0](), axis=-1)

    def slope(y: Any, x: Any, upstream: Any) -> Any:
        return terms(y, x, gamma, alpha)[1]() * ops.expand_dims(upstream, -1)

    return with_gradient(
        lambda x: over_slices(value, y, x),
        lambda upstream, x: over_slices(slope, y, x, upstream / x.shape[-1]),
    )(x)


def _slices(x: Any) -> list[slice]:
    """Slices of the first axis which, where it is long, are small enough for the intermediates to stay in the cache.

    Outside XLA that takes a fourth off the time and two thirds off the memory.
    """
    rows, known = x.shape[0], None not in tuple(x.shape)
    count = min(rows, math.prod(x.shape) // SLICE_ELEMENTS) if known else 1
    if count < 2:
        return [slice(None)]
    edges = [i * rows // count for i in range(count + 1)]
    return [slice(start, stop) for start, stop in itertools.pairwise(edges)]


def _class_weight(y: Any, alpha: float | None) -> Any:
    return 1.0 if alpha is None else (1.0 - alpha) + y * (2.0 * alpha - 1.0)


def soft_binary_terms(y: Any, z: Any, gamma: float, alpha: float | None) -> Any:
    """Value and derivative for any y in [0, 1], with s = sigmoid(z): 1 - p_t = y + (1 - 2y) s."""
    s = ops.sigmoid(z)
    rest = 1.0 - s
    # -log max(s, 1 - s) is log(1 + exp(-|z|)): softplus is the slowest pointwise kernel of TensorFlow.
    crossentropy = (ops.relu(z) - y * z) - ops.log(ops.maximum(s, rest))
    weight = _class_weight(y, alpha)
    if gamma == 0:
        return lambda: scaled(crossentropy, weight), lambda: scaled(s - y, weight)
    sign = 1.0 - 2.0 * y
    wrong = y + sign * s
    factor = scaled(focus(wrong, gamma - 1.0), weight)
    return (
        lambda: scaled(wrong * crossentropy, factor),
        lambda: scaled((gamma * crossentropy) * (sign * (s * rest)) + wrong * (s - y), factor),
    )


def hard_binary_terms(y: Any, z: Any, gamma: float, alpha: float | None) -> Any:
    """Value and derivative for y of exactly 0 or 1, where 1 - p_t is the sigmoid of one signed logit."""
    sign = 1.0 - 2.0 * y
    v = sign * z
    wrong = ops.sigmoid(v)
    right = 1.0 - wrong
    crossentropy = ops.relu(v) - ops.log1p(-ops.minimum(wrong, right))
    weight = _class_weight(y, alpha)
    if gamma == 0:
        return lambda: scaled(crossentropy, weight), lambda: scaled(sign * wrong, weight)
    factor = scaled(scaled(wrong, focus(wrong, gamma - 1.0)), weight)
    return lambda: factor * crossentropy, lambda: (gamma * crossentropy * right + wrong) * (factor * sign)


def binary_terms_from_probabilities(y: Any, p: Any, gamma: float, alpha: float | None) -> Any:
    """Value and derivative from probabilities."""
    # Clipped from either side by itself: 1 - 1e-7 is not a float32, so 1 - p would end at 1.2e-7.
    clipped, rest = ops.maximum(p, EPSILON), ops.maximum(1.0 - p, EPSILON)
    crossentropy = -(y * ops.log(clipped) + (1.0 - y) * ops.log(rest))
    slope = (1.0 - y) / rest - y / clipped
    weight = _class_weight(y, alpha)
    if gamma == 0:
        return lambda: scaled(crossentropy, weight), lambda: scaled(slope, weight)
    wrong = y * (1.0 - p) + (1.0 - y) * p
    power = scaled(focus(wrong, gamma - 1.0), weight)
    return (
        lambda: scaled(focus(wrong, gamma) * crossentropy, weight),
        lambda: scaled(gamma * (1.0 - 2.0 * y) * crossentropy + wrong * slope, power),
    )


# Categorical


def categorical_from_logits(y: Any, z: Any, gamma: float, alpha: Any) -> Any:
    """sum_c alpha_c y_c (1 - p_c)**gamma (-log p_c), p = softmax(z), for ids or dense targets y."""
    alpha = 1.0 if alpha is None else alpha
    if not labels.are_ids(y, z):
        return _dense_from_logits(ops.cast(y, z.dtype) * alpha, z, gamma)
    return (_few_from_logits if z.shape[-1] <= labels.FEW_CLASSES else _many_from_logits)(y, z, gamma, alpha)


def categorical_from_probabilities(y: Any, p: Any, gamma: float, alpha: Any) -> Any:
    """sum_c alpha_c y_c (1 - p_c)**gamma (-log p_c) for ids or dense targets y."""
    y = scaled(ops.cast(labels.one_hot(y, p), p.dtype), 1.0 if alpha is None else alpha)

    def terms(p: Any) -> tuple[Any, Any]:
        clipped, wrong = ops.maximum(p, EPSILON), 1.0 - p
        nll = -ops.log(clipped)
        if gamma == 0:
            return nll, -1.0 / clipped
        return focus(wrong, gamma) * nll, -focus(wrong, gamma - 1.0) * (gamma * nll + wrong / clipped)

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
        factor = y * focus(wrong, gamma - 1.0)
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
        return scaled(nll, alpha), scaled(inverse, alpha)
    wrong = others * inverse
    factor = scaled(focus(wrong, gamma - 1.0), alpha)
    return scaled(wrong * nll, factor), scaled((gamma * (own * inverse) * nll + wrong) * inverse, factor)


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
