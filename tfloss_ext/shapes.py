# SPDX-License-Identifier: Apache-2.0
"""Shapes of targets, predictions, weights and masks: aligned here, once, or refused with both shapes named."""

from __future__ import annotations

from typing import Any

from keras import ops


def fits(shape: Any, other: Any) -> bool:
    """Whether two static shapes agree, an unknown dimension agreeing with any."""
    return len(shape) == len(other) and all(
        a == b or a is None or b is None for a, b in zip(tuple(shape), tuple(other), strict=True)
    )


def with_axes_of(tensor: Any, like: Any, rank: int) -> Any:
    """The tensor, whose first `rank` axes have to be those of another: checked as it runs where it could not be before.

    An axis of unknown size may turn out to be 1, and would then broadcast. The batch axis alone is unknown in every
    `fit`, which gives both the same; the check of it would cost a copy.
    """
    sizes, wanted = tuple(tensor.shape)[:rank], tuple(like.shape)[:rank]
    if all(None not in pair for pair in zip(sizes[1:], wanted[1:], strict=True)):
        return tensor
    # Nothing can be joined with nothing else than its own shape. A reshape would be optimised away.
    nothing = ops.zeros((*tuple(ops.shape(like))[:rank], *tuple(ops.shape(tensor))[rank:], 0), dtype=tensor.dtype)
    return ops.squeeze(ops.concatenate([ops.expand_dims(tensor, -1), nothing], axis=-1), -1)


class RefusedError(ValueError):
    """What a loss was called with, or its parameters beside that, makes no sense; the loss adds its name."""


def mismatch(expected: str, y_true: Any, y_pred: Any) -> RefusedError:
    shapes = f"y_true.shape={_show(y_true)}, y_pred.shape={_show(y_pred)}"
    return RefusedError(f"Expected {expected}. Received: {shapes}")


def _show(tensor: Any) -> str:
    return str(tuple(tensor.shape)) if tensor is not None else "None"


def with_last_axis(tensor: Any) -> Any:
    """(B,) read as (B, 1)."""
    return ops.expand_dims(tensor, -1) if len(tensor.shape) == 1 else tensor


def flat_ids(y_true: Any, y_pred: Any) -> Any:
    """One id per sample, (B,), from (B,) or (B, 1)."""
    shape = tuple(y_true.shape)
    if len(shape) == 2 and shape[1] == 1:
        y_true = ops.squeeze(y_true, -1)
    if len(y_true.shape) != 1 or not fits(y_true.shape, y_pred.shape[:1]):
        raise mismatch("ids of shape (B,) or (B, 1) for y_pred of shape (B, ...)", y_true, y_pred)
    return y_true


def to_leading_axes(weight: Any, shape: tuple[int | None, ...], name: str) -> Any:
    """A weight or mask that broadcasts against values of this shape, its axes being their first ones."""
    rank = len(weight.shape)
    trailing = tuple(weight.shape)[len(shape) :]
    if rank > len(shape) and set(trailing) == {1}:
        weight = ops.squeeze(weight, axis=tuple(range(len(shape), rank)))
        rank = len(shape)
    leading = tuple(weight.shape)
    if rank > len(shape) or not all(a in (b, 1, None) or b is None for a, b in zip(leading, shape[:rank], strict=True)):
        raise RefusedError(
            f"Expected {name} to match the first axes of the loss values, {shape}. Received: {name}.shape={leading}"
        )
    return to_rank(weight, len(shape))


def to_rank(tensor: Any, rank: int) -> Any:
    """Axes of size 1 appended; a scalar stays one."""
    missing = rank - len(tensor.shape)
    if missing <= 0 or not len(tensor.shape):
        return tensor
    return ops.expand_dims(tensor, axis=tuple(range(rank - missing, rank)))


def both(mask: Any, other: Any) -> Any:
    """The conjunction of two masks, None standing for no mask."""
    if mask is None or other is None:
        return other if mask is None else mask
    return ops.logical_and(mask, other)


def product(one: Any, other: Any) -> Any:
    """The product of two weights or masks, None standing for 1."""
    if one is None or other is None:
        return other if one is None else one
    return one * ops.cast(other, one.dtype)


def zeroed_unless(tensor: Any, kept: Any) -> Any:
    """The tensor with zeros where `kept`, a mask over its first axes, is False: a NaN there is gone for good."""
    if kept is None or tensor is None:
        return tensor
    return ops.where(to_rank(kept, len(tensor.shape)), tensor, ops.zeros((), dtype=tensor.dtype))
