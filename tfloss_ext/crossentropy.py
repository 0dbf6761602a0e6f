# SPDX-License-Identifier: Apache-2.0
"""Crossentropies, and the curves that losses make of them, with gradients in closed form.

Every backward function computes its terms anew: within one graph the compiler merges them with those of the forward
pass, and outside one nothing is kept alive between the two. Targets are data and get no gradient.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from tfloss_ext import labels
from tfloss_ext.gradients import by_slices, with_gradient
from tfloss_ext.numerics import CERTAIN, EPSILON, at_least, at_most, larger, mean, raised, smaller

# From this many classes on an array of logits is large beside all else, and what is not kept counts.
FUSED_CLASSES = 2**13
# Farther apart than any two logits.
_BEYOND = 1e30


def focus(base: Any, exponent: float) -> Any:
    """base**exponent for a base >= 0, finite at 0; pow costs a CPU twenty multiplications."""
    if exponent == 0:
        return 1.0
    if exponent in (1, 2, 3, 4):
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


def binary_from_logits(y: Any, z: Any, gamma: float, alpha: float | None) -> Any:
    """The mean over the last axis of a_t (1 - p_t)**gamma * crossentropy(y, sigmoid(z)), for dense targets y."""
    return _mean(focal_terms(gamma, alpha, from_logits=True, hard=labels.hard(y)), y, z)


def binary_from_probabilities(y: Any, p: Any, gamma: float, alpha: float | None) -> Any:
    """The mean over the last axis of a_t (1 - p_t)**gamma * crossentropy(y, p), for dense targets y."""
    return _mean(focal_terms(gamma, alpha, from_logits=False), y, p)


def focal_terms(gamma: float, alpha: float | None, *, from_logits: bool, hard: bool = False) -> Callable[..., Any]:
    """What gives, from y and predictions, the binary focal loss and its derivative of each element, when called."""
    if from_logits and hard:
        return functools.partial(_hard_terms, gamma=gamma, alpha=alpha)
    return _weighted(_from_logits if from_logits else _from_probabilities, _focal_weight(gamma, alpha))


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
        return mean(terms(y, x)[0]())

    def slope(upstream: Any, x: Any, y: Any) -> Any:
        return terms(y, x)[1]() * ops.expand_dims(upstream / x.shape[-1], -1)

    return by_slices(value, slope, x, ops.cast(y, x.dtype))


def _class_weight(y: Any, alpha: float | None) -> Any:
    return 1.0 if alpha is None else (1.0 - alpha) + y * (2.0 * alpha - 1.0)


def _hard_terms(y: Any, z: Any, gamma: float, alpha: float | None) -> Any:
    """Value and derivative for y of exactly 0 or 1, where 1 - p_t is the sigmoid of one signed logit."""
    sign = 1.0 - 2.0 * y
    v = at_most(sign * z, CERTAIN)
    wrong = ops.sigmoid(v)
    right = 1.0 - wrong
    crossentropy = ops.relu(v) + _softly(larger(wrong, right), smaller(wrong, right))
    weight = _class_weight(y, alpha)
    if gamma == 0:
        return lambda: scaled(crossentropy, weight), lambda: scaled(sign * wrong, weight)
    factor = scaled(scaled(wrong, focus(wrong, gamma - 1.0)), weight)
    return lambda: factor * crossentropy, lambda: (gamma * crossentropy * right + wrong) * (factor * sign)


def _softly(large: Any, small: Any) -> Any:
    """log(1 + exp(-abs(z))) from the probabilities of abs(z) and of -abs(z)."""
    # -log of the larger one, and what its rounding took off it. softplus is the slowest pointwise kernel of TensorFlow,
    # and log1p that of XLA.
    return (small - (1.0 - large)) - ops.log(large)


class _Elements(NamedTuple):
    """What the losses of binary decisions are made of, each exact in proportion to itself.

    Attributes:
        p: The probability, when called.
        slope: The derivative of p by what is predicted.
        wrong: y (1 - p) + (1 - y) p.
        error: p - y.
        crossentropy: -y log p - (1 - y) log(1 - p).
        crossentropy_slope: The derivative of it.
    """

    p: Callable[[], Any]
    slope: Any
    wrong: Any
    error: Any
    crossentropy: Any
    crossentropy_slope: Any


def _weighted(
    elements: Callable[[Any, Any], _Elements], weight: Callable[[Any, _Elements], Any]
) -> Callable[[Any, Any], Any]:
    """The terms of a crossentropy under a weight that depends on p.

    Args:
        elements: Of y and the predictions.
        weight: From y and the elements a factor, what it multiplies, and what it multiplies in the derivative by p,
            None for 0.
    """

    def terms(y: Any, x: Any) -> Any:
        found = elements(y, x)
        factor, inner, inner_slope = weight(y, found)

        # A factor that may be large is multiplied first with what keeps it from being so: the rest may be too small.
        whole = scaled(inner, factor)

        def slope() -> Any:
            total = scaled(found.crossentropy_slope, whole)
            if inner_slope is None:
                return total
            return (inner_slope * found.crossentropy) * scaled(found.slope, factor) + total

        return lambda: scaled(found.crossentropy, whole), slope

    return terms


def _decided(z: Any) -> tuple[Any, Any, Any]:
    """abs(z), infinite ones made finite, and the probabilities of that and of its opposite, exact in proportion."""
    size = at_most(ops.abs(z), CERTAIN)
    small = ops.sigmoid(-size)
    return size, 1.0 - small, small


def _from_logits(y: Any, z: Any) -> _Elements:
    """For any y in [0, 1]."""
    (size, large, small), positive = _decided(z), ops.greater(z, 0)
    # How far y is from what the logit says; all that follows are sums of what is positive, so that nothing is lost.
    distance = ops.where(positive, 1.0 - y, y)
    crossentropy = size * distance + _softly(large, small)
    error = distance - small
    error = ops.where(positive, error, -error)
    wrong = small + distance * (large - small)
    return _Elements(lambda: ops.where(positive, large, small), large * small, wrong, error, crossentropy, error)


def _from_probabilities(y: Any, p: Any) -> _Elements:
    """The same with respect to p itself."""
    # Clipped from either side by itself: 1 - 1e-7 is not a float32, so 1 - p would end at 1.2e-7.
    rest, not_y = 1.0 - p, 1.0 - y
    clipped, clipped_rest = at_least(p, EPSILON), at_least(rest, EPSILON)
    crossentropy = -(y * ops.log(clipped) + not_y * ops.log(clipped_rest))
    slope = not_y / clipped_rest - y / clipped
    return _Elements(lambda: p, 1.0, y * rest + not_y * p, p - y, crossentropy, slope)


def _focal_weight(gamma: float, alpha: float | None) -> Callable[[Any, _Elements], Any]:
    """a_t (1 - p_t)**gamma, 1 - p_t being y (1 - p) + (1 - y) p."""

    def weight(y: Any, x: _Elements) -> Any:
        factor = _class_weight(y, alpha)
        if gamma == 0:
            return factor, 1.0, None
        return scaled(focus(x.wrong, gamma - 1.0), factor), x.wrong, gamma * (1.0 - 2.0 * y)

    return weight


def _error_weight(beta: float) -> Callable[[Any, _Elements], Any]:
    """abs(y - p)**beta."""

    def weight(y: Any, x: _Elements) -> Any:
        if beta == 0:
            return 1.0, 1.0, None
        error = x.error
        return (error if beta == 2 else ops.sign(error) * focus(ops.abs(error), beta - 1.0)), error, beta

    return weight


def _quality_weight(alpha: float, gamma: float) -> Callable[[Any, _Elements], Any]:
    """y where it is above 0, alpha p**gamma where it is not."""

    def weight(y: Any, x: _Elements) -> Any:
        p, positive, zero = x.p(), ops.greater(y, 0), ops.zeros((), y.dtype)
        if gamma == 0:
            return 1.0, ops.where(positive, y, zero + alpha), None
        factor = 1.0 if gamma == 1 else ops.where(positive, zero + 1.0, focus(p, gamma - 1.0))
        return factor, ops.where(positive, y, alpha * p), ops.where(positive, zero, zero + alpha * gamma)

    return weight


def _focused(wrong: Any, wrong_slope: Any, nll: Any, nll_slope: Any, *, gamma: float) -> tuple[Any, Any]:
    """Value and derivative of wrong**gamma * nll, each when called."""
    if gamma == 0:
        return lambda: nll, lambda: nll_slope
    factor = focus(wrong, gamma - 1.0)
    whole = scaled(wrong, factor)
    return (
        lambda: nll * whole,
        lambda: gamma * nll * scaled(wrong_slope, factor) + nll_slope * whole,
    )


def _halves_from_logits(z: Any, clip: float) -> tuple[Any, Any]:
    """1 - p and -log p, then q = max(p - clip, 0) and -log(1 - q), each followed by its derivative."""
    size, large, small = _decided(z)
    above, softly = ops.greater(z, 0), _softly(large, small)
    p, rest = ops.where(above, large, small), ops.where(above, small, large)
    nll, nll_of_rest = (ops.where(one, size, ops.zeros((), z.dtype)) + softly for one in (~above, above))
    slope = large * small
    positive = rest, -slope, nll, -rest
    if clip == 0:
        return positive, (p, slope, nll_of_rest, p)
    q, others = ops.relu(p - clip), at_most(rest + clip, 1.0)
    return positive, (q, slope, _softly(others, q), slope / others)


def _halves_from_probabilities(p: Any, clip: float) -> tuple[Any, Any]:
    """The same with respect to p itself."""
    clipped, q = at_least(p, EPSILON), ops.relu(p - clip)
    others = at_least(1.0 - q, EPSILON)
    return (1.0 - p, -1.0, -ops.log(clipped), -1.0 / clipped), (q, 1.0, -ops.log(others), 1.0 / others)


# Categorical


class Curve(NamedTuple):
    """What a position costs as a function of nll = -log p_t, p_t being the probability of its target.

    Attributes:
        value: Of nll and `wrong` = 1 - p_t, which is a sum of probabilities, never a difference.
        slope: The derivative by nll, of nll, `wrong` and `right` = p_t; `wrong` grows by `right` along nll.
    """

    value: Callable[[Any, Any], Any]
    slope: Callable[[Any, Any, Any], Any]


PLAIN = Curve(lambda nll, wrong: nll, lambda nll, wrong, right: 1.0)


def focal(gamma: float) -> Curve:
    """(1 - p_t)**gamma (-log p_t)."""
    if gamma == 0:
        return PLAIN
    return Curve(
        lambda nll, wrong: nll * scaled(wrong, focus(wrong, gamma - 1.0)),
        lambda nll, wrong, right: (gamma * right * nll + wrong) * focus(wrong, gamma - 1.0),
    )


class Adjustment(NamedTuple):
    """Logits as the softmax sees them: `scale * z + shift`, from the target's of which its margin is subtracted.

    `shift` and `margins` have one number per class; None stands for zeros.
    """

    scale: float = 1.0
    shift: np.ndarray | None = None
    margins: np.ndarray | None = None


UNADJUSTED = Adjustment()


def categorical(
    y: Any,
    x: Any,
    curve: Curve,
    *,
    from_logits: bool,
    alpha: Any = 1.0,
    smoothing: float = 0.0,
    adjustment: Adjustment = UNADJUSTED,
) -> Any:
    """sum_c alpha_c y_c curve(p_c) for ids or dense targets y, moved by `smoothing` to the uniform distribution.

    p is x, or from logits the softmax of x as adjusted.
    """

    def of_ids(ids: Any) -> Any:
        return _of_ids(ids, x, curve, adjustment) if from_logits else _of_probability(of_target(ids, x), curve)

    def of_dense(y: Any) -> Any:
        if from_logits:
            return _dense_from_logits(y, _adjusted(y, x, adjustment), curve)
        return ops.sum(y * _of_probability(x, curve), axis=-1)

    classes = x.shape[-1]
    if not labels.are_ids(y, x):
        return of_dense(scaled(ops.cast(labels.smooth(y, smoothing, classes, x.dtype), x.dtype), alpha))
    ids, known = inside(y, x)
    values = scaled(of_ids(ids), alpha if isinstance(alpha, float) else _entry(ids, alpha))
    if smoothing:
        # Linear in the targets: the smoothed part of ids needs no one-hot targets.
        uniform = ops.ones((classes,), dtype=x.dtype) * (alpha / classes)
        values = (1.0 - smoothing) * values + smoothing * of_dense(uniform)
    return values * known


def _of_probability(p: Any, curve: Curve) -> Any:
    """The curve for each of any probabilities."""

    def terms(p: Any) -> tuple[Any, Any, Any]:
        clipped = at_least(p, EPSILON)
        return -ops.log(clipped), ops.relu(1.0 - p), clipped

    def backward(upstream: Any, p: Any) -> Any:
        nll, wrong, clipped = terms(p)
        return -(upstream * curve.slope(nll, wrong, clipped) / clipped)

    return with_gradient(lambda p: curve.value(*terms(p)[:2]), backward)(p)


def inside(ids: Any, x: Any) -> tuple[Any, Any]:
    """Ids of which each is a class, and the weight of the position: 0 where the id was no class, otherwise 1."""
    known = ops.logical_and(ids >= 0, ids < x.shape[-1])
    return ops.where(known, ids, 0), ops.cast(known, x.dtype)


def of_target(ids: Any, x: Any) -> Any:
    """The entry of the last axis that each id, which is a class, stands for."""
    classes = x.shape[-1]
    if classes > labels.FEW_CLASSES:
        return ops.squeeze(ops.take_along_axis(x, ops.expand_dims(ids, -1), axis=-1), -1)
    hits = _hits(ids, classes)
    return with_gradient(
        lambda x: _pick(hits, ops.unstack(x, classes, axis=-1)),
        lambda upstream, x: _stack([ops.where(hit, upstream, 0.0) for hit in hits]),
    )(x)


def total(x: Any) -> Any:
    """The sum over the last axis."""
    classes = x.shape[-1]
    if classes > labels.FEW_CLASSES:
        return ops.sum(x, axis=-1)
    return with_gradient(
        lambda x: functools.reduce(ops.add, ops.unstack(x, classes, axis=-1)),
        lambda upstream, x: ops.broadcast_to(ops.expand_dims(upstream, -1), ops.shape(x)),
    )(x)


def generalized(y: Any, x: Any, q: float, *, from_logits: bool) -> Any:
    """(1 - p_t**q) / q with p_t = sum_c y_c p_c, for ids or dense targets y."""
    if from_logits:
        # Not by the power: as q goes to 0 nothing would be left of the difference.
        return -ops.expm1(-q * _nll_of_mixture(y, x)) / q

    # The value has no clip, as it has no logarithm; its slope, infinite at 0, has.
    def forward(p: Any) -> Any:
        positive = p > 0
        logs = ops.log(ops.where(positive, p, 1.0))
        return ops.where(positive, -ops.expm1(q * logs), 1.0) / q

    def backward(upstream: Any, p: Any) -> Any:
        return -upstream * ops.exp((q - 1.0) * ops.log(at_least(p, EPSILON)))

    return with_gradient(forward, backward)(_mixture(y, x))


def _mixture(y: Any, p: Any) -> Any:
    """sum_c y_c p_c for ids or dense targets y, 1 for an id that is no class."""
    if not labels.are_ids(y, p):
        return ops.sum(ops.cast(y, p.dtype) * p, axis=-1)
    ids, known = inside(y, p)
    return of_target(ids, p) * known + (1.0 - known)


def _nll_of_mixture(y: Any, z: Any) -> Any:
    """-log sum_c y_c p_c of logits z for ids or dense targets y, 0 for an id that is no class."""
    if labels.are_ids(y, z):
        return categorical(y, z, PLAIN, from_logits=True)
    y, z = ops.cast(y, z.dtype), at_least(z, -CERTAIN)
    # So that a class without a share in the target stays without.
    shares = ops.where(y > 0, ops.log(ops.where(y > 0, y, 1.0)), -_BEYOND)

    def backward(upstream: Any, z: Any) -> Any:
        logs = ops.log_softmax(z, axis=-1)
        return ops.expand_dims(upstream, -1) * (ops.exp(logs) - ops.softmax(logs + shares, axis=-1))

    return with_gradient(lambda z: -ops.logsumexp(ops.log_softmax(z, axis=-1) + shares, axis=-1), backward)(z)


def _hits(ids: Any, classes: int) -> list[Any]:
    return [ops.equal(ids, c) for c in range(classes)]


def _pick(hits: list[Any], values: Any) -> Any:
    """For each position the value, a tensor or a number, of the class that is hit."""
    picked = values[0]
    for hit, value in zip(hits[1:], values[1:], strict=True):
        picked = ops.where(hit, value, picked)
    return picked


def _stack(parts: list[Any]) -> Any:
    """One array per class as one array."""
    # Stacked in front and transposed, as stacking at the end copies single elements on TensorFlow.
    rank = len(parts[0].shape)
    return ops.transpose(ops.stack(parts, axis=0), (*range(1, rank + 1), 0))


def _entry(ids: Any, numbers: Any) -> Any:
    """The number of each id's class."""
    classes = numbers.shape[0]
    if classes > labels.FEW_CLASSES:
        return ops.take(numbers, ids, axis=0)
    return _pick(_hits(ids, classes), ops.unstack(numbers, classes))


def _adjusted(y: Any, z: Any, adjustment: Adjustment) -> Any:
    """The logits for dense targets; of soft ones each class gets its share of its margin."""
    z = scaled(z, adjustment.scale)
    z = z if adjustment.shift is None else z + ops.convert_to_tensor(adjustment.shift, dtype=z.dtype)
    return z if adjustment.margins is None else z - y * ops.convert_to_tensor(adjustment.margins, dtype=z.dtype)


def _dense_from_logits(y: Any, z: Any, curve: Curve) -> Any:
    """For targets of z's shape, or of one that broadcasts to it, already multiplied with alpha."""

    def terms(z: Any) -> tuple[Any, Any, Any]:
        logs = ops.log_softmax(at_least(z, -CERTAIN), axis=-1)
        return -logs, -ops.expm1(logs), ops.exp(logs)

    def backward(upstream: Any, z: Any) -> Any:
        nll, wrong, p = terms(z)
        slope = y * curve.slope(nll, wrong, p)
        return ops.expand_dims(upstream, -1) * (p * ops.sum(slope, axis=-1, keepdims=True) - slope)

    return with_gradient(lambda z: ops.sum(y * curve.value(*terms(z)[:2]), axis=-1), backward)(z)


def _of_ids(ids: Any, z: Any, curve: Curve, adjustment: Adjustment) -> Any:
    """For ids of which each is a class."""
    classes = z.shape[-1]
    if classes <= labels.FEW_CLASSES:
        return _few_from_logits(ids, z, curve, adjustment)
    flat, z = ops.reshape(ids, (-1,)), ops.reshape(z, (-1, classes))
    if classes < FUSED_CLASSES or adjustment.margins is not None or keras.backend.backend() != "tensorflow":
        values = _many_from_logits(flat, z, curve, adjustment)
    else:
        values = _fused_from_logits(flat, _adjusted(None, z, adjustment), curve)
    return ops.reshape(values, ops.shape(ids))


def _few_from_logits(ids: Any, z: Any, curve: Curve, adjustment: Adjustment) -> Any:
    """For few classes: one array per class, no axis of classes."""
    classes = z.shape[-1]
    hits = _hits(ids, classes)
    scale = adjustment.scale
    shift, margins = (None if numbers is None else numbers.tolist() for numbers in adjustment[1:])

    def terms(z: Any) -> tuple[list[Any], Any, Any, Any, Any, Any]:
        logits = [scaled(x, scale) for x in ops.unstack(z, classes, axis=-1)]
        if shift is not None:
            logits = [x + by for x, by in zip(logits, shift, strict=True)]
        if margins is not None:
            logits = [ops.where(hit, x - by, x) for hit, x, by in zip(hits, logits, margins, strict=True)]
        logits = [at_least(x, -CERTAIN) for x in logits]
        # With exponentials relative to the largest logit, `others` is their sum over all classes but the target's.
        largest = functools.reduce(larger, logits)
        gap = largest - _pick(hits, logits)
        rest = [ops.where(hit, 0.0, ops.exp(x - largest)) for hit, x in zip(hits, logits, strict=True)]
        others = functools.reduce(ops.add, rest)
        own = ops.exp(-gap)
        inverse = 1.0 / (others + own)
        nll = gap + ops.log1p(others + (own - 1.0))  # own - 1 is exactly 0 where the target is the largest.
        return rest, others, inverse, nll, others * inverse, own * inverse

    def backward(upstream: Any, z: Any) -> Any:
        rest, others, inverse, *probabilities = terms(z)
        slope = scaled(upstream, scale) * curve.slope(*probabilities) * inverse
        own = -(slope * others)
        return _stack([ops.where(hit, own, x * slope) for hit, x in zip(hits, rest, strict=True)])

    return with_gradient(lambda z: curve.value(*terms(z)[3:5]), backward)(z)


def _many_from_logits(ids: Any, z: Any, curve: Curve, adjustment: Adjustment) -> Any:
    """For many classes, without a mask of the targets.

    All follows from the odds against the target, the sum of exp(z_c - z_t) over the other classes c.
    """
    scale, classes = adjustment.scale, z.shape[-1]
    shift, margins = (
        None if numbers is None else ops.convert_to_tensor(numbers, dtype=z.dtype) for numbers in adjustment[1:]
    )
    places = ops.stack([ops.arange(ops.shape(ids)[0], dtype="int32"), ids], axis=-1)
    nowhere = ops.full_like(ids, -_BEYOND, dtype=z.dtype)

    def target(z: Any) -> Any:
        z = scaled(of_target(ids, z), scale)
        z = z if shift is None else z + ops.take(shift, ids, axis=0)
        z = z if margins is None else z - ops.take(margins, ids, axis=0)
        return at_least(z, -CERTAIN)

    def terms(z: Any) -> tuple[Any, Any, Any]:
        """The exponentials of the others relative to the largest, 0 for the target; their sum; the log of the odds."""
        # One name, as each step is in the way of the next.
        rest = scaled(ops.scatter_update(z, places, nowhere), scale)
        rest = rest if shift is None else rest + shift
        largest = ops.max(rest, axis=-1, keepdims=True)
        none, largest = ops.squeeze(largest < -CERTAIN, -1), at_least(largest, -CERTAIN)
        rest = rest - largest
        rest = ops.exp(rest)
        # Where all others are ruled out, each weighs as much as the largest of them.
        others = ops.where(none, ops.full((), classes - 1, dtype=z.dtype), ops.sum(rest, axis=-1))
        return rest, others, ops.log(others) + (ops.squeeze(largest, -1) - target(z))

    def forward(z: Any) -> Any:
        # Not as a part of the tape, which would hold on to each step.
        odds = terms(ops.stop_gradient(z))[2]
        return curve.value(ops.softplus(odds), ops.sigmoid(odds))

    def backward(upstream: Any, z: Any) -> Any:
        rest, others, odds = terms(z)
        wrong = ops.sigmoid(odds)
        slope = scaled(upstream, scale) * curve.slope(ops.softplus(odds), wrong, ops.sigmoid(-odds)) * wrong
        rest = rest * ops.expand_dims(slope / others, -1)
        return ops.scatter_update(rest, places, -slope)

    return with_gradient(forward, backward)(z)


def _fused_from_logits(ids: Any, z: Any, curve: Curve) -> Any:
    """For very many classes on TensorFlow, whose kernel writes the gradient over the logits: one array fewer.

    nll is then exact to 1e-7, as in Keras, not in proportion to itself.
    """

    def backward(upstream: Any, nll: Any) -> Any:
        return upstream * curve.slope(nll, -ops.expm1(-nll), ops.exp(-nll))

    nll = at_most(ops.sparse_categorical_crossentropy(ids, z, from_logits=True), CERTAIN)
    return with_gradient(lambda nll: curve.value(nll, -ops.expm1(-nll)), backward)(nll)
