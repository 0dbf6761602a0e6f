# SPDX-License-Identifier: Apache-2.0
"""What targets and predictions say about classes, taken apart once for all that is computed of them."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from tfloss_ext import labels, numerics


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
        self.ids = None
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
        if self.activation != "softmax":
            return [ops.sigmoid(x) for x in self.parts] if self.activation else self.parts
        _, exponentials, normaliser = self._softmax
        inverse = 1.0 / normaliser
        return [e * inverse for e in exponentials]

    @functools.cached_property
    def nll(self) -> list[Any]:
        """-log p."""
        if self.activation == "softmax":
            largest, _, normaliser = self._softmax
            level = ops.log(normaliser)
            return [(largest - x) + level for x in self.parts]
        return [self._nll(x) for x in self.parts]

    @functools.cached_property
    def wrong(self) -> list[Any]:
        """1 - p."""
        if self.activation == "softmax":
            return [1.0 - ops.exp(-nll) for nll in self.nll]
        return [self._wrong(x) for x in self.parts]

    @functools.cached_property
    def nll_of_target(self) -> Any:
        """-log p of the id."""
        if self.few or not self.activation:
            x = self.of_target(self.parts)
        else:  # Made finite after they are picked: a compiler does not pick from what it has yet to compute.
            x = numerics.certain(self.of_target([self.y_pred]))
        if self.activation != "softmax":
            return self._nll(x)
        largest, normaliser = (part if self.few else ops.squeeze(part, -1) for part in self._softmax[::2])
        return (largest - x) + ops.log(normaliser)

    @functools.cached_property
    def p_of_target(self) -> Any:
        """The probability of the id."""
        return ops.exp(-self.nll_of_target) if self.activation == "softmax" else self.of_target(self.p)

    @functools.cached_property
    def wrong_of_target(self) -> Any:
        """1 - p of the id."""
        if self.activation != "softmax":
            return self._wrong(self.of_target(self.parts))
        # Of the id's -log p alone, which XLA makes the better loop of; it is 0 where that is.
        return 1.0 - self.p_of_target

    def of_target(self, values: Sequence[Any]) -> Any:
        """Of arrays or of numbers for each class that of the id."""
        if not self.few and len(values[0].shape) == 1:
            return ops.take(values[0], self.ids)
        if not self.few:
            return ops.squeeze(ops.take_along_axis(values[0], ops.expand_dims(self.ids, -1), axis=-1), -1)
        # A product with numbers is faster than a choice by a mask.
        return self.sum([value * y for value, y in zip(values, self.targets, strict=True)])

    def numbers(self, numbers: Any) -> list[Any]:
        """A number for each class, `(C,)`, or one for all, as a list like the others."""
        if isinstance(numbers, float) or not np.ndim(numbers):
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
        # The class first: taking apart along the first axis copies nothing.
        return list(ops.unstack(class_first(tensor), self.count, axis=0))

    def _nll(self, x: Any) -> Any:
        """-log p of predictions that do not exclude each other."""
        return ops.softplus(-x) if self.activation else -numerics.log(x)

    def _wrong(self, x: Any) -> Any:
        """1 - p of predictions that do not exclude each other."""
        return ops.sigmoid(-x) if self.activation else ops.relu(1.0 - x)

    @functools.cached_property
    def _softmax(self) -> tuple[Any, list[Any], Any]:
        """The largest logit, the exponentials relative to it, and their sum."""
        largest = functools.reduce(numerics.larger, self.parts)
        largest = ops.stop_gradient(largest if self.few else ops.max(largest, axis=-1, keepdims=True))
        exponentials = [ops.exp(x - largest) for x in self.parts]
        normaliser = functools.reduce(ops.add, exponentials)
        return largest, exponentials, normaliser if self.few else ops.sum(normaliser, axis=-1, keepdims=True)
