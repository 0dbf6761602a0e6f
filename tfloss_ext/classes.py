# SPDX-License-Identifier: Apache-2.0
"""What targets and predictions say about classes, taken apart once for all that is computed of them."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tfloss_ext import labels, numerics
from tfloss_ext.gradients import fused_on_cpu, with_gradient, with_gradients


def flat(tensor: Any, trailing: int = 0) -> Any:
    """`(B, ...)` as `(B, N)`, but for so many trailing axes."""
    sizes = tuple(ops.shape(tensor))
    end = len(sizes) - trailing
    return ops.reshape(tensor, (sizes[0], functools.reduce(operator.mul, sizes[1:end], 1), *sizes[end:]))


def class_first(tensor: Any) -> Any:
    """`(B, ..., C)` as `(C, B, N)`."""
    return ops.transpose(flat(tensor, 1), (2, 0, 1))


class Classes:
    """Targets and predictions over classes: probabilities, and what they give to the target, each computed once.

    Up to `labels.FEW_CLASSES` what there is of each class is a list with an array `(B, N)` for each, as sums over a
    short last axis are slow everywhere, and what there is of each position is `(B, N)`; of more classes it is a list
    of one array `(B, ..., C)`, and `(B, ...)`.

    Args:
        y_true: Ids `(B, ...)` or dense targets `(B, ..., C)`.
        y_pred: `(B, ..., C)`, what `activation` makes probabilities of.
        activation: `"softmax"`, `"sigmoid"` or None.
    """

    def __init__(self, y_true: Any, y_pred: Any, activation: str | None) -> None:
        self.y_true, self.y_pred, self.activation = y_true, y_pred, activation
        self.count = y_pred.shape[-1]
        self.few = self.count <= labels.FEW_CLASSES
        self.ids: Any = None
        if labels.are_ids(y_true, y_pred):
            self.ids = flat(y_true) if self.few else y_true

    @functools.cached_property
    def targets(self) -> list[Any]:
        """Dense targets, numbers of the predictions' type."""
        if self.ids is not None and self.few:
            return [ops.cast(ops.equal(self.ids, c), self.y_pred.dtype) for c in range(self.count)]
        return [ops.cast(part, self.y_pred.dtype) for part in self.apart(labels.one_hot(self.y_true, self.y_pred))]

    @functools.cached_property
    def parts(self) -> list[Any]:
        """The predictions, logits made finite."""
        return self.apart(numerics.certain(self.y_pred) if self.activation else self.y_pred)

    @functools.cached_property
    def p(self) -> list[Any]:
        """The probabilities."""
        if self.activation == "sigmoid":
            return [ops.sigmoid(x) for x in self.apart(self.y_pred)]
        if not self.activation:
            return self.parts
        if not self.few and keras.backend.backend() == "torch":
            # With a slope of their own. Over a short last axis PyTorch goes number by number.
            axis = labels.class_axis(self.y_pred)
            p = ops.softmax(labels.with_classes_at(self.parts[0], axis), axis=axis)
            return [labels.with_classes_last(p, axis)]
        if self.count == 3 and fused_on_cpu():
            return self._p_of_three
        return [e * self._inverse for e in self._exponentials]

    @functools.cached_property
    def nll(self) -> list[Any]:
        """-log p."""
        if self.activation == "softmax":
            level = ops.log1p(self._excess)
            return [(self._largest - x) + level for x in self.parts]
        return [self._nll(x) for x in self.parts]

    @functools.cached_property
    def wrong(self) -> list[Any]:
        """1 - p."""
        if self.activation == "softmax":
            inverse = 1.0 / (1.0 + self._excess)
            found = [((1.0 - e) + self._excess) * inverse for e in self._exponentials]
            return [_along(nll, wrong) for nll, wrong in zip(self.nll, found, strict=True)]
        return [self._wrong(x) for x in self.parts]

    @functools.cached_property
    def nll_of_target(self) -> Any:
        """-log p of the id."""
        if self.activation != "softmax":
            return self._nll(self._part_of_target)
        return self._nll_of_few if self.few else ops.softplus(self._odds)

    @functools.cached_property
    def p_of_target(self) -> Any:
        """The probability of the id."""
        if self.activation != "softmax" or (not self.few and keras.backend.backend() == "torch"):
            return self.of_target(self.p)
        return self._own * (self._inverse if self.few else ops.squeeze(self._inverse, -1))

    @functools.cached_property
    def wrong_of_target(self) -> Any:
        """1 - p of the id."""
        if self.activation != "softmax":
            return self._wrong(self._part_of_target)
        if not self.few:
            return ops.sigmoid(self._odds)
        return _along(self.nll_of_target, self._others / (self._others + self._own))

    def of_target(self, values: Sequence[Any]) -> Any:
        """Of arrays or of numbers for each class that of the id."""
        if not self.few and len(values[0].shape) == 1:
            return ops.take(values[0], self.ids)
        if not self.few:
            return labels.entries(values[0], self.ids)
        # A product with numbers is faster than a choice by a mask.
        return self.sum([value * y for value, y in zip(values, self.targets, strict=True)])

    def numbers(self, numbers: Any) -> list[Any]:
        """A number for each class, `(C,)`, or one for all, as a list like the others."""
        if not isinstance(numbers, (list, tuple)) and not len(np.shape(numbers)):
            return [numbers] * (self.count if self.few else 1)
        numbers = ops.convert_to_tensor(numbers, dtype=self.y_pred.dtype)
        return list(ops.unstack(numbers, self.count)) if self.few else [numbers]

    def sum(self, parts: list[Any]) -> Any:
        """The sum over the classes."""
        return functools.reduce(ops.add, parts) if self.few else ops.sum(parts[0], axis=-1)

    def of_positions(self, values: Any) -> Any:
        """What there is of each position as `(B, ...)`."""
        return values if not self.few else ops.reshape(values, tuple(ops.shape(self.y_pred))[:-1])

    def apart(self, tensor: Any) -> list[Any]:
        """`(B, ..., C)` as the list that it is here."""
        if not self.few:
            return [tensor]
        if self.count == 1:
            return [flat(tensor)]
        # The class first: taking apart along the first axis copies nothing.
        return list(ops.unstack(class_first(tensor), self.count, axis=0))

    def _nll(self, x: Any) -> Any:
        """-log p of predictions that do not exclude each other."""
        return ops.softplus(-x) if self.activation else -numerics.log(x)

    def _wrong(self, x: Any) -> Any:
        """1 - p of predictions that do not exclude each other."""
        return ops.sigmoid(-x) if self.activation else ops.relu(1.0 - x)

    @functools.cached_property
    def _part_of_target(self) -> Any:
        """What is predicted of the id, a logit made finite."""
        if self.few or not self.activation:
            return self.of_target(self.parts)
        # Made finite after they are picked: a compiler does not pick from what it has yet to compute.
        return numerics.certain(self.of_target([self.y_pred]))

    # Of a softmax.

    @functools.cached_property
    def _largest(self) -> Any:
        """The largest logit. It is made finite by itself: finite logits that two need would become an array."""
        parts = self.apart(ops.stop_gradient(self.y_pred))
        largest = functools.reduce(numerics.larger, parts)
        return numerics.certain(largest if self.few else ops.max(largest, axis=-1, keepdims=True))

    @functools.cached_property
    def _exponentials(self) -> list[Any]:
        """Relative to the largest."""
        return [ops.exp(x - self._largest) for x in self.parts]

    @functools.cached_property
    def _inverse(self) -> Any:
        """Of the sum of the exponentials."""
        normaliser = functools.reduce(ops.add, self._exponentials)
        return 1.0 / (normaliser if self.few else ops.sum(normaliser, axis=-1, keepdims=True))

    @functools.cached_property
    def _p_of_three(self) -> list[Any]:
        # By hand, as three classes fill no vector: XLA would compute all of the slope anew for each of them. It does
        # not do so twice with a quotient.
        def parts(logits: Sequence[Any]) -> tuple[list[Any], Any]:
            exponentials = [ops.exp(x - self._largest) for x in logits]
            return exponentials, self.sum(exponentials)

        def forward(*logits: Any) -> tuple[Any, ...]:
            exponentials, normaliser = parts(logits)
            inverse = 1.0 / normaliser
            return tuple(e * inverse for e in exponentials)

        def backward(upstream: Sequence[Any], *logits: Any) -> tuple[Any, ...]:
            exponentials, normaliser = parts(logits)
            mean = self.sum([e * slope for e, slope in zip(exponentials, upstream, strict=True)]) / normaliser
            inverse = 1.0 / normaliser
            return tuple((e * inverse) * (slope - mean) for e, slope in zip(exponentials, upstream, strict=True))

        return list(with_gradients(forward, backward)(*self.parts))

    @functools.cached_property
    def _gap(self) -> Any:
        """How far the id's logit is below the largest."""
        return (self._largest if self.few else ops.squeeze(self._largest, -1)) - self._part_of_target

    # Of ids. The gradient of no part of it is a difference, so that nothing is lost where p nears 1.

    @functools.cached_property
    def _own(self) -> Any:
        """The exponential of the id's class, exactly 1 where its logit is the largest."""
        return self.of_target(self._exponentials) if self.few else ops.exp(-self._gap)

    @functools.cached_property
    def _others(self) -> Any:
        """The sum of the exponentials of all other classes than the id's, of few."""
        return self.sum([e * (1.0 - y) for e, y in zip(self._exponentials, self.targets, strict=True)])

    @functools.cached_property
    def _nll_of_few(self) -> Any:
        # With respect to the logits by hand: through the exponentials, of which much else is made, it would keep XLA
        # from merging what there is of them into few loops.
        gap, own, others = map(ops.stop_gradient, (self._gap, self._own, self._others))

        def slopes(upstream: Any, *logits: Any) -> tuple[Any, ...]:
            exponentials = [ops.exp(x - self._largest) for x in logits]
            rest = [e * (1.0 - y) for e, y in zip(exponentials, self.targets, strict=True)]
            others, share = self.sum(rest), upstream / self.sum(exponentials)
            return tuple(share * (e - y * others) for e, y in zip(rest, self.targets, strict=True))

        return with_gradient(lambda *logits: gap + ops.log1p(others + (own - 1.0)), slopes)(*self.parts)

    @functools.cached_property
    def _odds(self) -> Any:
        """The logarithm of the odds against the id, of many classes."""
        rest = labels.with_entries(self.parts[0], self.ids, -numerics.CERTAIN)
        return ops.logsumexp(rest, axis=-1) - self._part_of_target

    @functools.cached_property
    def _excess(self) -> Any:
        """What the sum of the exponentials exceeds 1 by, as a sum of what is positive, for dense targets."""
        # 1 for the largest, of which there may be several.
        ones = [ops.cast(x >= self._largest, x.dtype) for x in self.parts]
        small = functools.reduce(ops.add, [e - one for e, one in zip(self._exponentials, ones, strict=True)])
        count = functools.reduce(ops.add, ones)
        if not self.few:
            small, count = (ops.sum(part, axis=-1, keepdims=True) for part in (small, count))
        return small + (count - 1.0)


def _along(nll: Any, wrong: Any) -> Any:
    """1 - exp(-nll), given as it is known best, which changes with nll alone."""
    wrong = ops.stop_gradient(wrong)
    return with_gradient(lambda nll: wrong, lambda upstream, nll: upstream * ops.exp(-nll))(nll)
