# SPDX-License-Identifier: Apache-2.0
"""What each error weighs in the Lovasz extension of the Jaccard loss."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from tfloss_ext import gradients, numerics


def weights(errors: Any, actual: Any) -> Any:
    """How much each error weighs in the Lovasz extension of the Jaccard loss: its gradient, over the last axis.

    With the errors sorted from the largest, an error's weight is what the Jaccard loss grows by when its position
    joins the wrong ones.

    Args:
        errors: >= 0, `(C, B, N)`.
        actual: Whether a position is of the region, `(C, B, N)`. Where positions do not count at all they have no
        error.
    """
    shape, count = ops.shape(errors), ops.shape(errors)[-1]
    order = _from_the_largest(ops.reshape(ops.stop_gradient(errors), (-1, count)))
    rows = ops.shape(order)[0]
    places = order + ops.expand_dims(ops.arange(rows, dtype=order.dtype) * count, -1)
    hit = ops.take(ops.reshape(actual, (-1,)), places)
    found = ops.cumsum(ops.cast(hit, "int32"), axis=-1)
    region = found[:, -1:]
    left = ops.cast(region - found, errors.dtype)
    union = ops.cast(region + ops.arange(1, count + 1, dtype="int32") - found, errors.dtype)
    # The difference of two Jaccard losses in closed form: for a position of the region the union stays, for any other
    # what is left of the intersection stays. The first position of an empty region takes the whole.
    before = ops.where(union > 1.0, union - 1.0, 1.0)
    growth = ops.where(hit, 1.0 / union, ops.where(union > 1.0, left / (before * union), 1.0))
    # No place comes twice; a scatter takes four times as long on TensorFlow.
    back = numerics.segment_sum(ops.reshape(growth, (-1,)), ops.reshape(places, (-1,)), rows * count)
    return ops.stop_gradient(ops.reshape(back, shape))


def _from_the_largest(errors: Any) -> Any:
    """The places in each row of errors, `(rows, count)`, from the largest to the smallest."""
    if keras.backend.backend() != "tensorflow" or gradients.fused() or errors.dtype != "float32":
        return ops.top_k(errors, ops.shape(errors)[1])[1]
    # Numbers >= 0 are in the order of their bits. Sorting whole numbers that hold the place too takes four fifths of
    # the time of a sort that carries it along.
    bits = ops.cast(numerics.reinterpreted(ops.relu(errors) + 0.0, "int32"), "int64")
    keys = ops.sort(ops.left_shift(-bits, 32) + ops.arange(ops.shape(errors)[1], dtype="int64"))
    return ops.cast(ops.bitwise_and(keys, 2**32 - 1), "int32")
