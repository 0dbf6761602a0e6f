# SPDX-License-Identifier: Apache-2.0
"""Sums over the positions of an image, class by class, with gradients in closed form: what overlap is made of."""

from __future__ import annotations

import functools
import operator
from typing import Any, NamedTuple

from keras import ops

from tfloss_ext import numerics, shapes
from tfloss_ext.classes import Classes, flat


class Sums(NamedTuple):
    """Weighted sums over the positions of each image (or of the batch), `(B, C)` unless said otherwise.

    Attributes:
        intersection: Of p*y.
        predicted: Of p, or of p*p.
        actual: Of y, or of y*y.
        positions: Of the weights alone, `(B, 1)`.
    """

    intersection: Any
    predicted: Any
    actual: Any
    positions: Any

    @property
    def false_positives(self) -> Any:
        return self.predicted - self.intersection

    @property
    def false_negatives(self) -> Any:
        return self.actual - self.intersection

    def of_batch(self) -> Sums:
        """One image made of all."""
        return Sums(*(ops.sum(part, axis=0, keepdims=True) for part in self))


def region_sums(classes: Classes, weight: Any = None, *, squared: bool = False) -> Sums:
    """The sums of each image, weighted by None or `(B, ...)`, of p*p and y*y where `squared`."""
    weight = None if weight is None else flat(ops.cast(weight, classes.y_pred.dtype))

    def of_each(parts: list[Any]) -> Any:
        return _over_positions([part * part for part in parts] if squared else parts, weight, classes.few)

    if classes.ids is not None and not classes.few:  # No array says which class each position is of.
        p = classes.p_of_target
        intersection, actual = _by_id(classes, [p, ops.ones_like(p)], weight)
    else:
        products = [p * y for p, y in zip(classes.p, classes.targets, strict=True)]
        intersection, actual = _over_positions(products, weight, classes.few), of_each(classes.targets)
    return Sums(intersection, of_each(classes.p), actual, positions(classes.y_pred, weight))


def _over_positions(parts: list[Any], weight: Any, few: bool) -> Any:
    """The sums of each class over the positions, `(B, C)`, from what `Classes` has of each."""
    if few:
        sums = [numerics.long_sum(shapes.product(part, weight)) for part in parts]
        return ops.expand_dims(sums[0], 1) if len(sums) == 1 else ops.stack(sums, axis=1)
    return numerics.long_sum(shapes.product(flat(parts[0], 1), None if weight is None else ops.expand_dims(weight, -1)))


def _by_id(classes: Classes, arrays: list[Any], weight: Any) -> list[Any]:
    """Of each array `(B, ...)` the sums over the positions whose id is the class, `(B, C)`."""
    ids, count = flat(classes.ids), classes.count
    batch, length = ops.shape(ids)
    # Class by class in each run, as they are added one after the other.
    runs = -(-length // numerics.RUN)
    run = ops.expand_dims(ops.arange(length, dtype="int32") // numerics.RUN, 0)
    place = (ops.expand_dims(ops.arange(batch, dtype="int32"), -1) * runs + run) * count + ids
    place = ops.reshape(place, (-1,))

    def sums(values: Any) -> Any:
        values = ops.reshape(shapes.product(flat(values), weight), (-1,))
        found = numerics.segment_sum(values, place, batch * runs * count)
        return numerics.long_sum(ops.reshape(found, (batch, runs, count)))

    return [sums(values) for values in arrays]


def positions(y_pred: Any, weight: Any) -> Any:
    """How many positions there are, or how much they weigh, `(B, 1)`."""
    if weight is not None:
        return ops.expand_dims(numerics.long_sum(weight), 1)
    shape = ops.shape(y_pred)
    count = functools.reduce(operator.mul, shape[1:-1], 1)
    return ops.broadcast_to(ops.cast(count, y_pred.dtype), (shape[0], 1))
