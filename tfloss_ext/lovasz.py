# SPDX-License-Identifier: Apache-2.0
"""What each error weighs in the Lovasz extension of the Jaccard loss."""

from __future__ import annotations

from typing import Any

from keras import ops


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
    order = ops.reshape(ops.top_k(ops.stop_gradient(errors), count)[1], (-1, count))
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
    back = ops.scatter(ops.reshape(places, (-1, 1)), ops.reshape(growth, (-1,)), (rows * count,))
    return ops.stop_gradient(ops.reshape(back, shape))
