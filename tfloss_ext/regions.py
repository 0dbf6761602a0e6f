# SPDX-License-Identifier: Apache-2.0
"""Sums over the positions of an image, class by class, with gradients in closed form: what overlap is made of."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from keras import ops

from tfloss_ext import crossentropy, gradients, labels, numerics

Terms = tuple[Callable[[], Any], Callable[[Any], Any]]


class Sums(NamedTuple):
    """Weighted sums over the positions of each image (or of the batch), `(B, C)` unless said otherwise.

    Attributes:
        intersection: Of p*y.
        predicted: Of p, or of p*p.
        actual: Of y, or of y*y.
        positions: Of the weights alone, `(B, 1)`.
        term: Of a loss at each position, `(B,)`, where one was asked for.
    """

    intersection: Any
    predicted: Any
    actual: Any
    positions: Any
    term: Any = None

    @property
    def false_positives(self) -> Any:
        return self.predicted - self.intersection

    @property
    def false_negatives(self) -> Any:
        return self.actual - self.intersection

    def of_batch(self) -> Sums:
        """One image made of all."""
        return Sums(*(None if part is None else ops.sum(part, axis=0, keepdims=True) for part in self))


class Term(NamedTuple):
    """A focal crossentropy at each position, summed in the same pass as the regions.

    Over exclusive classes it is `sum_c alpha_c y_c (1 - p_c)**gamma_c (-log p_c)`; where each class is a decision of
    its own, it is the mean over the classes of `weight_c` times the binary focal loss with one gamma and one alpha.

    Attributes:
        gammas: One for each class, or one for all.
        alphas: One for each class or None; of binary decisions the weight of positives.
        binary: Whether each class is a decision of its own.
        weights: Of the classes, where they are decisions of their own.
    """

    gammas: tuple[float, ...]
    alphas: Any = None
    binary: bool = False
    weights: Any = None


def region_sums(
    y_true: Any,
    y_pred: Any,
    weight: Any = None,
    *,
    activation: str | None = None,
    squared: bool = False,
    term: Term | None = None,
) -> Sums:
    """The sums of each image.

    Args:
        y_true: Ids `(B, ...)` or dense targets `(B, ..., C)`.
        y_pred: `(B, ..., C)`, what `activation` makes probabilities of.
        weight: None, or `(B, ...)`.
        activation: `"softmax"`, `"sigmoid"` or None.
        squared: Sum squares of p and of y in place of p and y.
        term: What else is summed over the positions.
    """
    weight = None if weight is None else flat(ops.cast(weight, y_pred.dtype))
    if y_pred.shape[-1] <= labels.FEW_CLASSES:
        return _sums_of_few(y_true, y_pred, weight, activation, squared, term)
    if labels.are_ids(y_true, y_pred) and activation == "softmax" and not squared and not (term and term.binary):
        return _sums_of_ids(y_true, y_pred, weight, term)
    return _sums_of_many(y_true, y_pred, weight, activation, squared, term)


def flat(tensor: Any) -> Any:
    """`(B, ...)` as `(B, N)`."""
    return ops.reshape(tensor, (ops.shape(tensor)[0], -1))


def by_class(tensor: Any) -> list[Any]:
    """`(B, ..., C)` as C arrays `(B, N)`."""
    # The class first: taking apart along the first axis copies nothing.
    return list(ops.unstack(class_first(tensor), tensor.shape[-1], axis=0))


def class_first(tensor: Any) -> Any:
    """`(B, ..., C)` as `(C, B, N)`."""
    return ops.transpose(ops.reshape(tensor, (ops.shape(tensor)[0], -1, tensor.shape[-1])), (2, 0, 1))


def targets_by_class(y_true: Any, y_pred: Any) -> list[Any]:
    """Targets as C arrays `(B, N)`: boolean from ids and booleans, else numbers of `y_pred`'s type."""
    if labels.are_ids(y_true, y_pred):
        ids = flat(y_true)
        return [ops.equal(ids, c) for c in range(y_pred.shape[-1])]
    return by_class(y_true if labels.is_boolean(y_true) else ops.cast(y_true, y_pred.dtype))


def activated(parts: list[Any], activation: str | None) -> list[Any]:
    """The probabilities of each class."""
    return _activated(parts, activation)[0]


def product(one: Any, other: Any) -> Any:
    """The product of two weights or masks, None standing for 1."""
    if one is None or other is None:
        return other if one is None else one
    return one * ops.cast(other, one.dtype)


def inside(target: Any, values: Any) -> Any:
    """target * values, for a boolean target too."""
    return ops.where(target, values, ops.zeros((), values.dtype)) if labels.is_boolean(target) else target * values


def _positions(y_pred: Any, weight: Any) -> Any:
    if weight is not None:
        return ops.expand_dims(numerics.total(weight), 1)
    shape = ops.shape(y_pred)
    count = functools.reduce(lambda a, b: a * b, shape[1:-1], 1)
    return ops.broadcast_to(ops.cast(count, y_pred.dtype), (shape[0], 1))


def _activated(parts: list[Any], activation: str | None) -> tuple[list[Any], tuple[Any, Any] | None]:
    """The probabilities; of a softmax also the largest logit, and the sum of the exponentials relative to it."""
    if activation != "softmax":
        return [ops.sigmoid(x) for x in parts] if activation else parts, None
    largest = functools.reduce(numerics.larger, parts)
    exponentials = [ops.exp(x - largest) for x in parts]
    total = functools.reduce(ops.add, exponentials)
    inverse = 1.0 / total
    return [e * inverse for e in exponentials], (largest, total)


def _sums_of_few(
    y_true: Any, y_pred: Any, weight: Any, activation: str | None, squared: bool, term: Term | None
) -> Sums:
    """One array `(B, N)` for each class, no axis of classes: sums over a short last axis are slow everywhere."""
    classes = y_pred.shape[-1]
    marks = targets_by_class(y_true, y_pred)
    # A product with numbers is faster than a choice by a mask.
    targets = [ops.cast(mark, y_pred.dtype) for mark in marks]

    def total(part: Any) -> Any:
        return numerics.total(product(part, weight))

    actual = [
        total(y * y if squared and not labels.is_boolean(mark) else y) for mark, y in zip(marks, targets, strict=True)
    ]
    actual = ops.stack(actual, axis=1)

    def prepared(x: Any) -> tuple[list[Any], list[Any], Terms | None]:
        """The probabilities, their products with the targets, and what gives the term."""
        parts = by_class(x)
        if activation:
            parts = [numerics.certain(part) for part in parts]
        probabilities, normaliser = _activated(parts, activation)
        products = [y * p for y, p in zip(targets, probabilities, strict=True)]
        if term is None:
            return probabilities, products, None
        return probabilities, products, _terms(term, marks, parts, probabilities, products, normaliser, activation)

    def forward(x: Any) -> Any:
        probabilities, products, terms = prepared(x)
        found = [total(part) for part in products]
        found += [total(p * p if squared else p) for p in probabilities]
        if terms is not None:
            found.append(total(terms[0]()))
        return ops.stack(found, axis=0)

    def backward(upstream: Any, x: Any) -> Any:
        probabilities, _, terms = prepared(x)
        upstream = ops.expand_dims(upstream, -1)
        gradients = []
        for c, (y, p) in enumerate(zip(targets, probabilities, strict=True)):
            of_predicted = upstream[classes + c]
            gradients.append(y * upstream[c] + (2.0 * of_predicted * p if squared else of_predicted))
        slopes = None if terms is None else terms[1](upstream[2 * classes])
        gradients = _pulled_back(targets, probabilities, gradients, activation, slopes)
        gradients = [product(g, weight) for g in gradients]
        # Stacked in front and transposed, as stacking at the end copies single elements on TensorFlow.
        return ops.reshape(ops.transpose(ops.stack(gradients, axis=0), (1, 2, 0)), ops.shape(x))

    sums = gradients.with_gradient(forward, backward)(y_pred)
    return Sums(
        ops.transpose(sums[:classes]),
        ops.transpose(sums[classes : 2 * classes]),
        actual,
        _positions(y_pred, weight),
        None if term is None else sums[2 * classes],
    )


def _pulled_back(
    targets: list[Any], probabilities: list[Any], gradients: list[Any], activation: str | None, slopes: Any
) -> list[Any]:
    """Gradients with respect to what was activated, from those with respect to the probabilities, plus a term's.

    A term of the target alone gives one array, the derivative with respect to -log p_t: times p - y the gradient.
    """
    pairs = list(zip(probabilities, gradients, strict=True))
    if activation == "softmax":
        products = [p * g for p, g in pairs]
        common = functools.reduce(ops.add, products)
        common = common if slopes is None or isinstance(slopes, list) else common - slopes
        pulled = [product - p * common for p, product in zip(probabilities, products, strict=True)]
    else:
        pulled = [g * (p * (1.0 - p)) for p, g in pairs] if activation else gradients
    if slopes is None:
        return pulled
    if isinstance(slopes, list):
        return [one + other for one, other in zip(pulled, slopes, strict=True)]
    return [one - y * slopes for one, y in zip(pulled, targets, strict=True)]


def _terms(
    term: Term,
    targets: list[Any],
    parts: list[Any],
    probabilities: list[Any],
    products: list[Any],
    normaliser: Any,
    activation: str | None,
) -> Terms:
    """What gives a term's value at each position, `(B, N)`, and what its gradients with respect to `parts`."""
    if term.binary:
        return _binary_terms(term, targets, parts, activation)
    if labels.is_boolean(targets[0]) and activation == "softmax":
        return _terms_of_target(term, targets, parts, products, normaliser)
    return _class_terms(term, targets, parts, probabilities, normaliser, activation)


def _binary_terms(term: Term, targets: list[Any], parts: list[Any], activation: str | None) -> Terms:
    classes = len(parts)
    weights = [1.0 / classes if term.weights is None else term.weights[c] / classes for c in range(classes)]
    hard = labels.is_boolean(targets[0])
    terms = crossentropy.focal_terms(term.gammas[0], term.alphas, from_logits=activation is not None, hard=hard)
    found = [terms(ops.cast(y, x.dtype), x) for y, x in zip(targets, parts, strict=True)]
    return (
        lambda: functools.reduce(ops.add, [w * value() for w, (value, _) in zip(weights, found, strict=True)]),
        lambda upstream: [(w * upstream) * slope() for w, (_, slope) in zip(weights, found, strict=True)],
    )


def _terms_of_target(term: Term, targets: list[Any], parts: list[Any], products: list[Any], normaliser: Any) -> Terms:
    """Of exclusive classes with hard targets and a softmax: all that matters is the probability of the target."""
    gammas = set(term.gammas)
    largest, total = normaliser

    def of_target(values: Any, otherwise: Any) -> Any:
        found = ops.convert_to_tensor(otherwise, dtype=largest.dtype)
        for hit, value in zip(targets, values, strict=True):
            found = ops.where(hit, ops.convert_to_tensor(value, dtype=largest.dtype), found)
        return found

    def curve() -> tuple[Any, Any]:
        """The value, and its derivative with respect to -log p_t."""
        nll = ops.log(total) + (largest - of_target(parts, largest))

        def of(gamma: float) -> tuple[Any, Any]:
            p = functools.reduce(ops.add, products) if gamma else 1.0
            # Below 1 the power has an infinite slope at 0, where it and the crossentropy must vanish together.
            wrong = -ops.expm1(-nll) if 0 < gamma < 1 else 1.0 - p
            curve = crossentropy.focal(gamma)
            return curve.value(nll, wrong), curve.slope(nll, wrong, p) * ops.ones_like(nll)

        found = {gamma: of(gamma) for gamma in gammas}
        if len(gammas) == 1:
            value, slope = found[term.gammas[0]]
        else:
            value, slope = (of_target([found[gamma][i] for gamma in term.gammas], nll) for i in (0, 1))
        if term.alphas is not None:
            weight = of_target(term.alphas, 0.0)
            return weight * value, weight * slope
        # An id that is no class has neither value nor gradient.
        any_class = functools.reduce(ops.logical_or, targets)
        return inside(any_class, value), inside(any_class, slope)

    return lambda: curve()[0], lambda upstream: upstream * curve()[1]


def _class_terms(
    term: Term, targets: list[Any], parts: list[Any], probabilities: list[Any], normaliser: Any, activation: str | None
) -> Terms:
    gammas = term.gammas * len(parts) if len(term.gammas) == 1 else term.gammas

    def weighted(c: int, values: Any) -> Any:
        values = inside(targets[c], values)
        return values if term.alphas is None else term.alphas[c] * values

    def nll(c: int) -> Any:
        if activation is None:
            return -ops.log(numerics.at_least(parts[c], numerics.EPSILON))
        if activation == "sigmoid":
            return ops.relu(-parts[c]) + ops.log1p(ops.exp(-ops.abs(parts[c])))
        largest, total = normaliser
        return (largest - parts[c]) + ops.log(total)

    def focus(c: int, gamma: float) -> Any:
        # Below 1 the power has an infinite slope at 0, where it and the crossentropy must vanish together.
        exact = activation is not None and 0 < gammas[c] < 1
        return crossentropy.focus(-ops.expm1(-nll(c)) if exact else 1.0 - probabilities[c], gamma)

    def value(c: int) -> Any:
        return weighted(c, nll(c) * focus(c, gammas[c]) if gammas[c] else nll(c))

    def slope(c: int) -> Any:
        """The derivative with respect to log p_c, or to p_c where probabilities are given."""
        gamma, p = gammas[c], probabilities[c]
        clipped = 1.0 if activation else numerics.at_least(p, numerics.EPSILON)
        if gamma == 0:
            return weighted(c, -ops.ones_like(p) / clipped)
        of_focus = gamma * focus(c, gamma - 1.0) * nll(c)
        return weighted(c, -(of_focus * p if activation else of_focus) - focus(c, gamma) / clipped)

    def slopes(upstream: Any) -> list[Any]:
        found = [upstream * slope(c) for c in range(len(parts))]
        if activation is None:
            return found
        if activation == "sigmoid":
            return [g * (1.0 - p) for g, p in zip(found, probabilities, strict=True)]
        total = functools.reduce(ops.add, found)
        return [g - p * total for g, p in zip(found, probabilities, strict=True)]

    return lambda: functools.reduce(ops.add, [value(c) for c in range(len(parts))]), slopes


def _sums_of_ids(y_true: Any, y_pred: Any, weight: Any, term: Term | None) -> Sums:
    """Of ids and logits of many exclusive classes: no mask of the targets, whose probabilities alone are picked."""
    batch, classes = ops.shape(y_pred)[0], y_pred.shape[-1]
    ids, known = crossentropy.inside(flat(y_true), y_pred)
    wide = None if weight is None else ops.expand_dims(weight, -1)
    length = ops.shape(ids)[1]
    images = ops.expand_dims(ops.arange(batch, dtype="int32"), -1)
    # Class by class in each run, as they are added one after the other.
    runs = -(-length // numerics.RUN)
    place = ((images * runs) + ops.expand_dims(ops.arange(length, dtype="int32") // numerics.RUN, 0)) * classes + ids
    place, of_class = ops.reshape(place, (-1,)), ops.reshape(images * classes + ids, (-1,))
    ids, counted = ops.reshape(ids, (-1,)), ops.reshape(product(known, weight), (-1,))
    target = ops.stack([ops.arange(ops.shape(ids)[0], dtype="int32"), ids], axis=-1)
    alpha = counted
    if term is not None and term.alphas is not None:
        alpha = counted * ops.take(ops.convert_to_tensor(term.alphas, dtype=y_pred.dtype), ids)
    curve = crossentropy.focal(term.gammas[0]) if term is not None else crossentropy.PLAIN

    def by_class(values: Any) -> Any:
        found = numerics.segment_sum(values, place, batch * runs * classes)
        return numerics.total(ops.reshape(found, (batch, runs, classes)))

    def prepared(x: Any) -> tuple[Any, Any, Any]:
        """Exponentials by image, position and class, the inverse of their sum, and -log p of the targets."""
        x = numerics.certain(ops.reshape(x, (-1, classes)))
        largest = ops.max(x, axis=-1, keepdims=True)
        exponentials = ops.exp(x - largest)
        total = ops.sum(exponentials, axis=-1, keepdims=True)
        nll = (ops.squeeze(largest, -1) - crossentropy.of_target(ids, x)) + ops.squeeze(ops.log(total), -1)
        by_image = (batch, length)
        return ops.reshape(exponentials, (*by_image, classes)), ops.reshape(1.0 / total, (*by_image, 1)), nll

    def forward(x: Any) -> Any:
        exponentials, inverse, nll = prepared(x)
        found = [by_class(ops.exp(-nll) * counted), numerics.total(exponentials * product(inverse, wide))]
        if term is not None:
            values = alpha * curve.value(nll, -ops.expm1(-nll))
            found.append(ops.expand_dims(numerics.total(ops.reshape(values, (batch, length))), -1))
        return ops.concatenate(found, axis=1)

    def backward(upstream: Any, x: Any) -> Any:
        exponentials, inverse, nll = prepared(x)
        right = ops.exp(-nll)
        of_right, of_all = upstream[:, :classes], upstream[:, classes : 2 * classes]
        own = right * counted * ops.take(ops.reshape(of_right, (-1,)), of_class)
        if term is not None:
            of_term = ops.reshape(ops.broadcast_to(upstream[:, -1:], (batch, length)), (-1,))
            own = own - of_term * alpha * curve.slope(nll, -ops.expm1(-nll), right)
        of_mean = ops.sum(exponentials * ops.expand_dims(of_all, 1), axis=-1, keepdims=True) * inverse
        level = product(ops.expand_dims(of_all, 1) - of_mean, wide) - ops.reshape(own, (batch, length, 1))
        slopes = ops.reshape(exponentials * (inverse * level), (-1, classes))
        # Of the target by itself, which is not found by comparing all with it.
        of_target = ops.take(ops.reshape(of_all, (-1,)), of_class) - ops.reshape(of_mean, (-1,))
        of_target = product(of_target, None if weight is None else ops.reshape(weight, (-1,)))
        slopes = ops.scatter_update(slopes, target, right * (of_target - own) + own)
        return ops.reshape(slopes, ops.shape(x))

    sums = gradients.with_gradient(forward, backward)(y_pred)
    return Sums(
        sums[:, :classes],
        sums[:, classes : 2 * classes],
        by_class(counted),
        _positions(y_pred, weight),
        None if term is None else sums[:, -1],
    )


def _sums_of_many(
    y_true: Any, y_pred: Any, weight: Any, activation: str | None, squared: bool, term: Term | None
) -> Sums:
    """Sums next to the axis of classes, which is long enough for the kernels of the backend."""
    classes = y_pred.shape[-1]
    x = ops.reshape(y_pred, (ops.shape(y_pred)[0], -1, classes))
    y = labels.one_hot(flat(y_true) if labels.are_ids(y_true, y_pred) else ops.reshape(y_true, ops.shape(x)), x)
    y = ops.cast(y, x.dtype)
    x = numerics.certain(x) if activation else x
    logs = ops.log_softmax(x, axis=-1) if activation == "softmax" else None
    p = ops.exp(logs) if logs is not None else ops.sigmoid(x) if activation else x
    wide = None if weight is None else ops.expand_dims(weight, -1)
    parts = [p * y, p * p if squared else p, y * y if squared else y]
    sums = [numerics.total(product(part, wide)) for part in parts]
    if term is not None:
        values = _term_of_many(term, y, x, p, logs, activation)
        sums.append(numerics.total(product(values, weight)))
    return Sums(sums[0], sums[1], sums[2], _positions(y_pred, weight), sums[3] if term else None)


def _term_of_many(term: Term, y: Any, x: Any, p: Any, logs: Any, activation: str | None) -> Any:
    if term.binary:
        terms = crossentropy.focal_terms(term.gammas[0], term.alphas, from_logits=activation is not None)
        values = gradients.with_gradient(
            lambda x: terms(y, x)[0](),
            lambda upstream, x: upstream * terms(y, x)[1](),
        )(x)
        return numerics.mean(values if term.weights is None else values * ops.convert_to_tensor(term.weights, x.dtype))
    nll = -ops.log(numerics.at_least(p, numerics.EPSILON)) if logs is None else -logs
    values = y * crossentropy.focus(-ops.expm1(logs) if logs is not None else 1.0 - p, term.gammas[0]) * nll
    return ops.sum(values if term.alphas is None else values * ops.convert_to_tensor(term.alphas, x.dtype), axis=-1)
