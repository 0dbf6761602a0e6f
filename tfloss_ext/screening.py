# SPDX-License-Identifier: Apache-2.0
"""Targets that say nothing, ids of no class and shares beyond [0, 1]: refused where they are seen, otherwise found."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from tfloss_ext import gradients
from tfloss_ext.shapes import RefusedError

# How far beyond [0, 1] a dense target may be, as rounding and resizing leave it.
TOLERANCE = 1e-3
# Targets of fewer elements are masked sooner than a branch is taken.
_LARGE = 2**16


Mark = Callable[[Any], Any]


def ids(targets: Any, classes: int, rank: int) -> tuple[Any, Mark | None]:
    """Targets as ids, int32 and each that of a class, and what makes the values NaN of which one was not.

    Args:
        targets: Ids of any type of number.
        classes: How many classes there are.
        rank: That of the values, whose axes are the first ones of the targets; 0 where they depend on all targets.

    Raises:
        RefusedError: If one is seen that is no id of a class.
    """
    values = seen(targets)
    if values is not None:
        refuse(values, fault_of_ids(values, classes))
        return ops.cast(targets, "int32"), None

    def known() -> Any:
        of_a_class = ops.logical_and(targets >= 0, targets < classes)
        return ops.logical_and(of_a_class, ops.equal(targets, ops.floor(targets))) if _is_float(targets) else of_a_class

    def cleaned() -> Any:
        return ops.cast(ops.where(known(), targets, ops.zeros((), targets.dtype)), "int32")

    if not _branching(targets):
        return cleaned(), _marking(known, rank)
    # Reductions read, and write nothing; a 0 more changes nothing, and there may be no id at all.
    fine = ops.logical_and(ops.min(targets, initial=0) >= 0, ops.max(targets, initial=0) < classes)
    fine = ops.all(known()) if _is_float(targets) else fine
    return ops.cond(fine, lambda: ops.cast(targets, "int32"), cleaned), _marking(known, rank, fine)


def shares(targets: Any, rank: int) -> tuple[Any, Mark | None]:
    """Dense targets, and what makes the values NaN of which one is beyond [0, 1], or None.

    Args:
        targets: Shares of classes of any type.
        rank: As for `ids`.

    Raises:
        RefusedError: If one is seen that is beyond.
    """
    if keras.backend.standardize_dtype(targets.dtype) == "bool":
        return targets, None
    values = seen(targets)
    if values is not None:
        refuse(values, fault_of_shares(values))
        return targets, None
    low, high = (-TOLERANCE, 1.0 + TOLERANCE) if _is_float(targets) else (0, 1)

    def known() -> Any:
        return ops.logical_and(targets >= low, targets <= high)

    if not _branching(targets):
        if not _is_float(targets) or keras.backend.backend() == "jax":
            return targets, _marking(known, rank)
        # NaN themselves: what is computed of them says it without a pass of its own. JAX fuses less around a choice.
        return ops.where(known(), targets, ops.cast(float("nan"), targets.dtype)), None
    fine = ops.logical_and(ops.min(targets, initial=0) >= low, ops.max(targets, initial=0) <= high)
    return targets, _marking(known, rank, fine)


def _marking(known: Callable[[], Any], rank: int, fine: Any = None) -> Mark:
    """What makes values NaN where not all is known; `fine` says that all is."""

    def marked(values: Any) -> Any:
        mask = known()
        axes = tuple(range(rank, len(mask.shape)))
        mask = ops.all(mask, axis=axes) if axes else mask
        return ops.where(mask, values, ops.cast(float("nan"), values.dtype))

    return marked if fine is None else lambda values: ops.cond(fine, lambda: values, lambda: marked(values))


def _is_float(tensor: Any) -> bool:
    return bool(keras.backend.is_float_dtype(keras.backend.standardize_dtype(tensor.dtype)))


def _branching(targets: Any) -> bool:
    """Whether it is faster to ask first whether all is fine: where masks are arrays of their own, and large ones."""
    if keras.backend.backend() != "tensorflow" or gradients.fused():
        return False
    sizes = tuple(targets.shape)
    return None in sizes or math.prod(sizes) >= _LARGE


class Fault(NamedTuple):
    """What is wrong with targets.

    Attributes:
        expected: What they should be.
        wrong: Where they are not.
        hint: What it looks like, or nothing.
    """

    expected: str
    wrong: np.ndarray
    hint: str = ""


def fault_of_ids(values: np.ndarray, classes: int) -> Fault | None:
    """What is wrong with values that should be whole numbers from 0 to classes - 1."""
    # Without its sign a negative number is a very large one: a single pass over what is nearly always right.
    if not values.size or (values.dtype == np.int32 and values.view(np.uint32).max() < classes):
        return None
    wrong = ~((values >= 0) & (values < classes) & (values == np.floor(values)))
    if not wrong.any():
        return None
    hint = ": ids begin at 0" if values.min() >= 1 and values.max() == classes else ""
    return Fault(f"ids of {classes} classes, 0 to {classes - 1}", wrong, hint)


def fault_of_shares(values: np.ndarray) -> Fault | None:
    """What is wrong with values that should be in [0, 1]."""
    if not values.size or (values.min() >= -TOLERANCE and values.max() <= 1.0 + TOLERANCE):
        return None
    wrong = ~((values >= -TOLERANCE) & (values <= 1.0 + TOLERANCE))
    return Fault("targets in [0, 1]", wrong, ": divide a mask of 0 and 255 by 255" if is_mask_of_255(values) else "")


def fault_of_numbers(values: np.ndarray) -> Fault | None:
    """What is wrong with values that should be finite."""
    wrong = ~np.isfinite(values)
    return Fault("finite targets", wrong) if wrong.any() else None


def is_mask_of_255(values: np.ndarray) -> bool:
    """Whether values are 0 and 255, and nothing else."""
    return values.size > 0 and values.max() == 255 and bool(np.isin(values, (0, 255)).all())


def refuse(values: np.ndarray, fault: Fault | None) -> None:
    """Raise where there is a fault."""
    if fault is not None:
        count = int(fault.wrong.sum())
        raise RefusedError(f"Expected {fault.expected}. {received(values, fault, count)}{fault.hint}")


def received(values: np.ndarray, fault: Fault, count: int, of: str = "") -> str:
    """The first value that is wrong and its place, and of how many."""
    place = np.unravel_index(int(np.argmax(fault.wrong)), fault.wrong.shape)
    where = ", ".join(str(int(i)) for i in place)
    more = f" and {count - 1} more" if count > 1 else ""
    return f"Received: {values[place]!s} at y_true[{where}]{of}{more}"


def seen(tensor: Any) -> np.ndarray | None:
    """The values of a tensor where looking costs next to nothing: they are computed, and in this machine's memory."""
    backend = keras.backend.backend()
    there = False
    if backend == "tensorflow":
        there = hasattr(tensor, "numpy") and "CPU" in tensor.device
    elif backend == "jax":
        import jax

        there = not isinstance(tensor, jax.core.Tracer) and tensor.is_fully_addressable
        there = there and all(device.platform == "cpu" for device in tensor.devices())
    elif backend == "torch":
        import torch

        there = tensor.device.type == "cpu" and not torch.compiler.is_compiling()
        tensor = tensor.detach()
    return np.asarray(tensor) if there else None
