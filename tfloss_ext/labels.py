# SPDX-License-Identifier: Apache-2.0
"""Targets over classes, ids or dense, as data: they are ids where they have an axis fewer than the predictions."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from tfloss_ext import gradients, numerics

# Up to this many, the kernels of the losses take the classes apart: sums over a short last axis are slow.
FEW_CLASSES = 4
# Up to this many, kernels that take the classes together put them in front, for the same reason.
SHORT_AXIS = 16
# Ids are 32 bits wide inside: those beyond become the nearest of these, which are no class of anything that fits into
# memory, and the ignored one, should it be beyond, one that no other becomes.
_FARTHEST, _IGNORED_FAR = (-(2**31) + 1, 2**31 - 1), -(2**31)


def as_targets(y_true: Any, dtype: str, ignored: int | None) -> Any:
    """Targets as a tensor: floats of this type, booleans as they are, integers as int32.

    No class stays no class, and no other id becomes the ignored one.
    """
    y_true = y_true if ops.is_tensor(y_true) else np.asarray(y_true)
    given = keras.backend.standardize_dtype(y_true.dtype)
    if given == "bool" or keras.backend.is_float_dtype(given):
        return ops.convert_to_tensor(y_true, dtype="bool" if given == "bool" else dtype)
    kinds, far = np.iinfo(given), _is_far(ignored)
    if kinds.min >= -(2**31) and kinds.max < 2**31 and not far:
        return ops.convert_to_tensor(y_true, dtype="int32")
    # NumPy's arrays by NumPy: JAX would keep 32 of 64 bits, whatever they are.
    of = ops if ops.is_tensor(y_true) else np
    nearest = of.clip(y_true, max(kinds.min, _FARTHEST[0]), min(kinds.max, _FARTHEST[1]))
    nearest = ops.convert_to_tensor(nearest, dtype="int32")
    if ignored is None or not far or not kinds.min <= ignored <= kinds.max:
        return nearest
    dropped = ops.convert_to_tensor(of.equal(y_true, np.asarray(ignored, given)))
    return ops.where(dropped, ops.cast(_IGNORED_FAR, "int32"), nearest)


def not_ignored(y_true: Any, y_pred: Any, ignored: int | None) -> Any:
    """A mask of the positions whose class is another than the ignored one, None where none is."""
    if ignored is None:
        return None
    ids = class_ids(y_true, y_pred)
    return ops.not_equal(ids, ops.cast(_IGNORED_FAR if _is_far(ignored) else ignored, ids.dtype))


def _is_far(ignored: int | None) -> bool:
    return ignored is not None and not _FARTHEST[0] < ignored < _FARTHEST[1]


def are_ids(y_true: Any, y_pred: Any) -> bool:
    """Whether aligned targets are ids rather than dense."""
    return len(y_true.shape) < len(y_pred.shape)


def class_ids(y_true: Any, y_pred: Any) -> Any:
    """The id of each position: itself, the argmax of a dense target, or the rounded target of a single class."""
    if are_ids(y_true, y_pred):
        return y_true
    if y_pred.shape[-1] == 1:
        y_true = ops.squeeze(y_true, -1)
        return ops.cast(y_true if are_hard(y_true) else ops.round(y_true), "int32")
    return ops.argmax(y_true, axis=-1)


def one_hot(y_true: Any, y_pred: Any) -> Any:
    """Dense targets from aligned ones; from ids they are boolean, and an id that is no class has none."""
    if not are_ids(y_true, y_pred):
        return y_true
    return ops.equal(ops.expand_dims(y_true, -1), ops.arange(y_pred.shape[-1], dtype=y_true.dtype))


def class_axis(x: Any) -> int:
    """Where kernels put the classes of `(..., C)`: 0 or -1."""
    return 0 if x.shape[-1] <= SHORT_AXIS else -1


def with_classes_at(tensor: Any, axis: int) -> Any:
    """`(..., C)` with the classes on that axis, 0 or -1."""
    return tensor if axis else ops.transpose(tensor, (len(tensor.shape) - 1, *range(len(tensor.shape) - 1)))


def with_classes_last(tensor: Any, axis: int) -> Any:
    """`(..., C)` again."""
    return tensor if axis else ops.transpose(tensor, (*range(1, len(tensor.shape)), 0))


def entries(x: Any, ids: Any) -> Any:
    """Of `(..., C)` the entries that ids `(...)` stand for."""

    if keras.backend.backend() == "torch":
        return x.gather(-1, ids.long()[..., None])[..., 0]

    def forward(x: Any) -> Any:
        return ops.squeeze(ops.take_along_axis(x, ops.expand_dims(ids, -1), axis=-1), -1)

    if keras.backend.backend() != "tensorflow" or not gradients.fused():
        return forward(x)
    # TensorFlow's XLA makes the gradient where it is added up, where a scatter would need an array of its own.
    return gradients.with_gradient(
        forward, lambda upstream, x: _at_entries(x, ids, ops.expand_dims(upstream, -1), 0.0)
    )(x)


def with_entries(x: Any, ids: Any, value: float) -> Any:
    """`(..., C)` with this value at the entries that ids `(...)` stand for."""
    if keras.backend.backend() == "torch":
        return x.scatter(-1, ids.long()[..., None], value)
    value = ops.convert_to_tensor(value, dtype=x.dtype)
    if gradients.fused():
        return _at_entries(x, ids, value, x)
    # No array says which entries these are.
    flat = ops.reshape(ids, (-1,))
    places = ops.stack([ops.arange(ops.shape(flat)[0], dtype=ids.dtype), flat], axis=-1)
    values = ops.broadcast_to(value, ops.shape(flat))
    found = ops.scatter_update(ops.reshape(x, (-1, x.shape[-1])), places, values)
    return ops.reshape(found, ops.shape(x))


def _at_entries(like: Any, ids: Any, there: Any, elsewhere: Any) -> Any:
    """`(..., C)` of what there is at the entries that ids stand for, and elsewhere."""
    return ops.where(ops.equal(ops.expand_dims(ids, -1), ops.arange(like.shape[-1], dtype=ids.dtype)), there, elsewhere)


def are_hard(y_true: Any) -> bool:
    """Whether dense targets are known to be 0 or 1, whatever their values will be."""
    return not keras.backend.is_float_dtype(keras.backend.standardize_dtype(y_true.dtype))


def is_boolean(y_true: Any) -> bool:
    """Whether targets are of boolean type."""
    return bool(keras.backend.standardize_dtype(y_true.dtype) == "bool")


def smooth(y_true: Any, amount: Any, classes: int, dtype: str) -> Any:
    """Targets moved by `amount` toward the uniform distribution over the classes."""
    if numerics.is_fixed_at(amount, 0):
        return y_true
    return ops.cast(y_true, dtype) * (1.0 - amount) + amount / classes


def two_classes(y_true: Any, y_pred: Any, *, from_logits: bool) -> tuple[Any, Any]:
    """What one probability (or logit) per position says, `(..., 1)`, said of two classes, `(..., 2)`."""
    if y_pred.shape[-1] != 1:
        return y_true, y_pred
    y_pred = numerics.certain(y_pred) if from_logits else y_pred
    first = ops.zeros_like(y_pred) if from_logits else 1.0 - y_pred
    y_pred = ops.concatenate([first, y_pred], axis=-1)
    if are_hard(y_true):
        return ops.cast(ops.squeeze(y_true, -1), "int32"), y_pred
    return ops.concatenate([1.0 - y_true, y_true], axis=-1), y_pred
