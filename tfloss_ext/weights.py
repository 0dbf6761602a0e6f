# SPDX-License-Identifier: Apache-2.0
"""Looking at the targets of a data set before training: weights for its classes, and what no loss can use."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from tfloss_ext import registry, screening
from tfloss_ext.base import Loss
from tfloss_ext.parameters import checked, number, numbers, whole


def effective_number_weights(samples_per_class: Any, beta: float = 0.999) -> list[float]:
    """Weights of classes by the effective number of their samples, for any `alpha` or `class_weights`.

    `(1 - beta) / (1 - beta**n_c)`, scaled so that the mean over the classes is 1: 1 for all at beta = 0, and toward
    beta = 1 in proportion to 1 / n_c.

    Args:
        samples_per_class: > 0, a list with the number n_c of training samples of each class.
        beta: In [0, 1).

    Returns:
        One number per class.

    Raises:
        ValueError: If an argument is out of its range.

    Reference:
        Cui et al., Class-Balanced Loss Based on Effective Number of Samples, arXiv:1901.05555.

    Example:
        >>> import tfloss_ext
        >>> weights = effective_number_weights([1000, 10], beta=0.99)
        >>> print([round(weight, 3) for weight in weights])
        [0.175, 1.825]
        >>> loss = tfloss_ext.CategoricalFocal(alpha=weights)
    """
    counts = checked("samples_per_class", samples_per_class, numbers(above=0, single=False))
    beta = checked("beta", beta, number(at_least=0, below=1))
    # 1 - beta**n without the difference, which a beta close to 1 would leave nothing of.
    rate = math.log(beta) if beta else -math.inf
    shares = [-1.0 / math.expm1(count * rate) for count in counts]
    mean = math.fsum(shares) / len(shares)
    return [share / mean for share in shares]


def check_targets(loss: Any, y_true: Any, *, classes: Any = None, sample_weight: Any = None) -> None:
    """Look through the targets of a training for those that a loss cannot use, and say what is wrong and where.

    In `fit` all is a graph, where a target that says nothing, such as an id that is no class, makes the loss NaN. This
    finds the reason, before or after: ids beyond the classes or not whole, shares beyond [0, 1], masks of 0 and 255,
    NaN, maps of integers. Positions of weight 0 and those that the loss ignores may hold anything.

    Args:
        loss: What `compile(loss=...)` takes: a loss, a name, or a dict or list of them for several outputs. A loss that
            is not of this package lets everything pass.
        y_true: Targets as arrays, in a dict or list where the model has several outputs; or what gives batches
            `(x, y_true)` or `(x, y_true, sample_weight)`: a `tf.data.Dataset`, a `keras.utils.PyDataset`, a
            `DataLoader`, a generator.
        classes: The size of the last axis of the predictions, in a dict or list for several outputs, where the loss
            does not know it by its parameters. Without it ids are right up to the largest, but for a mask of 0 and 255.
        sample_weight: Weights for targets that are given as arrays, as in `fit`.

    Raises:
        ValueError: If anything is wrong. The message has one line for each kind of fault in an output: what was
            expected, the first value and its place, and how many more there are.

    Example:
        >>> import numpy as np
        >>> check_targets("categorical_focal", np.array([0, 2, 1]), classes=3)
        >>> check_targets("categorical_focal", np.array([1, 3, 2]), classes=3)
        Traceback (most recent call last):
        ...
        ValueError: CategoricalFocal: Expected ids of 3 classes, 0 to 2. Received: 3 at y_true[1]: ids begin at 0
    """
    found: dict[str, tuple[Any, ...]] = {}
    for targets, weight, of in _batches(y_true, sample_weight):
        for path, one, values, width in _outputs("", loss, targets, weight, classes):
            fault = one.fault(values, width)
            if fault is not None:
                kind = f"{path}{type(one).__name__}: Expected {fault.expected}."
                *first, count = found.get(kind, (values, fault, of, 0))
                found[kind] = (*first, count + int(fault.wrong.sum()))
    if found:
        lines = (
            f"{kind} {screening.received(values, fault, count, of)}{fault.hint}"
            for kind, (values, fault, of, count) in found.items()
        )
        raise ValueError("\n".join(lines))


def _batches(y_true: Any, sample_weight: Any) -> Iterator[tuple[Any, Any, str]]:
    """Targets, weights and, where there are several batches, which one it is."""
    if isinstance(y_true, (Mapping, list, tuple)) or hasattr(y_true, "shape") or np.isscalar(y_true):
        yield y_true, sample_weight, ""
        return
    batches = y_true
    if isinstance(y_true, keras.utils.PyDataset):
        batches = (y_true[i] for i in range(y_true.num_batches))
    for index, batch in enumerate(batches):
        if not isinstance(batch, (list, tuple)) or len(batch) not in (2, 3):
            raise ValueError(
                f"Expected batches (x, y_true) or (x, y_true, sample_weight). Received: a {type(batch).__name__}"
            )
        yield batch[1], batch[2] if len(batch) == 3 else None, f" of batch {index}"


def _outputs(
    path: str, loss: Any, targets: Any, weight: Any, classes: Any
) -> Iterator[tuple[str, Loss, np.ndarray, int | None]]:
    """Every output of a model that has a loss of this package: where it is, the loss, targets and number of classes.

    Targets of weight 0 are 0.
    """
    if isinstance(loss, (Mapping, list, tuple)):
        for key in loss if isinstance(loss, Mapping) else range(len(loss)):
            inner = (_at(part, key) for part in (loss, targets, weight, classes))
            yield from _outputs(f"{path}{key!r}: ", *inner)
        return
    if isinstance(targets, Mapping) or (isinstance(targets, (list, tuple)) and _holds_arrays(targets)):
        for key in targets if isinstance(targets, Mapping) else range(len(targets)):
            yield from _outputs(f"{path}{key!r}: ", loss, *(_at(part, key) for part in (targets, weight, classes)))
        return
    one = registry.get(loss) if isinstance(loss, (str, type)) else loss
    if targets is None or not isinstance(one, Loss):
        return
    values = _as_numpy(targets)
    if weight is not None:
        kept = _as_numpy(weight) != 0
        kept = kept.reshape(kept.shape + (1,) * (values.ndim - kept.ndim))
        values = np.where(kept if kept.ndim == values.ndim else kept[..., 0], values, np.zeros((), values.dtype))
    yield path, one, values, None if classes is None else checked("classes", classes, whole(at_least=1))


def _at(part: Any, key: Any) -> Any:
    """What belongs to one output; numbers, and what is missing, belong to all."""
    if isinstance(part, Mapping):
        return part.get(key)
    return part[key] if isinstance(part, (list, tuple)) else part


def _holds_arrays(targets: Any) -> bool:
    return any(hasattr(item, "shape") for item in targets)


def _as_numpy(tensor: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(tensor) if keras.ops.is_tensor(tensor) else tensor)
