# SPDX-License-Identifier: Apache-2.0
"""The base of every loss: targets, shapes, weights, masks and reductions, the same for all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import keras
import numpy as np
from keras import ops

from tfloss_ext import gradients, handing, labels, numerics, registry, replicas, screening, shapes
from tfloss_ext.compose import Addable
from tfloss_ext.declaration import Declared, hook
from tfloss_ext.parameters import Moving, choice


class Loss(Addable, Declared):
    """A Keras loss that is declared rather than written out.

    A subclass states its parameters with their defaults and ranges, and its maths. From that come the constructor,
    `get_config`, the checks, `repr`, the names that `compile(loss=...)` understands, and the rules that hold for every
    loss: weights aligned on the left, masks, no NaN from what is weighted away, at least float32 inside. A subclass
    with an `__init__` and a `get_config` of its own works as in Keras.

    Class arguments:
        key: The bare name, also the default of `name`. A class without one is an abstract family.
        aliases: Further bare names.
        presets: Further bare names that stand for the class with other defaults, `{"name": {"parameter": value}}`.
        package: The first part of the registered name, `"Custom"` outside this package as in Keras.

    Args:
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: The name of the instance; None means the key.
        dtype: The precision of the computation, None meaning Keras's `floatx`; below float32 it is raised to float32.

    Example:
        >>> from tfloss_ext import Loss, number, registry
        >>> class Cauchy(Loss, key="cauchy"):
        ...     scale: float = number(default=1.0, above=0)
        ...
        ...     def call(self, y_true, y_pred):
        ...         return keras.ops.mean(keras.ops.log1p(((y_pred - y_true) / self.scale) ** 2), axis=-1)
        >>> Cauchy(scale=2.0).get_config()["scale"]
        2.0
        >>> keras.losses.get("cauchy")
        Cauchy()
        >>> registry.unregister("cauchy")
    """

    if TYPE_CHECKING:
        reduction: str | None = choice(options=(), default="sum_over_batch_size", kw_only=True)
        name: str | None = choice(options=(), default=None, kw_only=True)
        dtype: Any = choice(options=(), default=None, kw_only=True)

    # What a loss is, in a few words, for tables: its task, what it takes, and when to use it.
    task: ClassVar[str] = ""
    predictions: ClassVar[str] = "numbers"
    targets: ClassVar[str] = "numbers"
    use: ClassVar[str] = ""

    # What a layer handed along with the predictions of this very call, see `handing`.
    handed: ClassVar[Mapping[str, Any]] = {}

    couples = False  # Whether a value depends on other samples than its own.
    fuses = True  # Whether XLA makes it faster over large arrays, as `benchmarks/report.py --parts passes` measures.
    asks_replicas = False  # Whether it looks at the samples of other replicas.
    holds = False  # Whether a factor of it carries no gradient, which then is not the slope of the value.
    saturates = False  # Whether, by its formula, the gradient vanishes where a logit is far on the wrong side.
    _slices = False  # Whether `call` takes slices of large arrays by itself.

    @property
    def compute_dtype(self) -> str:
        """The precision inside: never below float32, where exp(-17) still differs from 0 and 1e4 squared is finite."""
        return "float64" if self.dtype == "float64" else "float32"

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss, reduced as `reduction` says.

        Args:
            y_true: Targets, in a shape that the loss names. Ids keep their integer type.
            y_pred: Predictions.
            sample_weight: None, a number, or weights whose axes are the first ones of the loss values.

        Returns:
            A scalar, or the values themselves where `reduction` is None.

        Raises:
            ValueError: If shapes do not fit.
        """
        inputs = (y_true, y_pred, sample_weight)
        if _holds_symbols(inputs):
            return _Symbolic(self).symbolic_call(*inputs)
        try:
            with keras.name_scope(self.name):
                loss = self.knowing(handing.handed(y_pred))._of_inputs(*inputs)
        except shapes.RefusedError as error:
            raise ValueError(f"{type(self).__name__}: {error}") from error
        return loss if self.reduction in (None, "none", "sum") else replicas.share(loss)

    def knowing(self, handed: Mapping[str, Any]) -> Self:
        """This loss with what was handed along with the predictions, and with what its parameters are now."""
        moving = {name: value for name, value in vars(self).items() if isinstance(value, Moving)}
        if not (handed or moving):
            return self
        now = {name: ops.convert_to_tensor(value.now(handed), self.compute_dtype) for name, value in moving.items()}
        found: Self = gradients.altered(self, {**now, "handed": handed})
        return found

    def _of_inputs(self, y_true: Any, y_pred: Any, weight: Any) -> Any:
        y_true, y_pred, mask = self.unpacked(y_true, y_pred)
        mask = None if mask is None else ops.cast(mask, "bool")
        weight = None if weight is None else ops.convert_to_tensor(weight, dtype=self.compute_dtype)
        if is_structure(y_true) or is_structure(y_pred):
            values = self.call(self._as_tensors(y_true), self._as_tensors(y_pred))
            return self.reduce(*self._weighed(values, weight, mask))
        y_pred = ops.convert_to_tensor(y_pred, dtype=self.compute_dtype)
        y_true, y_pred = self.align(self.read_targets(y_true), y_pred)
        if 0 in tuple(y_pred.shape):
            return self.reduce(self._nothing(y_pred), None, None)
        return gradients.reduced(self, y_true, y_pred, weight, mask)

    def unpacked(self, y_true: Any, y_pred: Any) -> tuple[Any, Any, Any]:
        """Targets, predictions and their Keras mask. Families that take several tensors override this."""
        return y_true, y_pred, registry.keras_mask(y_pred)

    def reduced(self, y_true: Any, y_pred: Any, weight: Any, mask: Any) -> Any:
        """The loss of aligned targets and predictions, weighted and reduced."""
        return self.reduce(*self.evaluate(y_true, y_pred, weight, mask))

    def _as_tensors(self, structure: Any) -> Any:
        return keras.tree.map_structure(lambda leaf: ops.convert_to_tensor(leaf, dtype=self.compute_dtype), structure)

    @hook
    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The maths: one value per sample or position, from aligned targets and predictions in `compute_dtype`."""

    def read_targets(self, y_true: Any) -> Any:
        """Targets as a tensor of numbers in `compute_dtype`. Families that take ids, or no targets, override this."""
        if y_true is None:
            raise shapes.RefusedError("Expected targets. Received: y_true=None")
        return ops.convert_to_tensor(y_true, dtype=self.compute_dtype)

    def align(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """Targets and predictions of one shape `(B, ..., C)`, `(B,)` being read as `(B, 1)`."""
        one, other = shapes.with_last_axis(y_true), shapes.with_last_axis(y_pred)
        if len(one.shape) < 2 or not shapes.fits(one.shape, other.shape):
            raise shapes.mismatch("y_true and y_pred of one shape", y_true, y_pred)
        return shapes.with_axes_of(one, other, len(one.shape)), other

    def value_shape(self, y_pred: Any) -> tuple[int | None, ...]:
        """The static shape of what `call` returns."""
        return tuple(y_pred.shape)[:-1]

    def known(self, y_true: Any, y_pred: Any) -> Any:
        """A mask of the positions whose target says something, or None where all do."""
        return None

    def per_output(self, name: str, count: int | None) -> Any:
        """The parameter of this name, a number or one per output or class, to be multiplied with `(..., C)`."""
        value = getattr(self, name)
        if not isinstance(value, list):
            return value
        if count is None:
            raise shapes.RefusedError(f"Expected a known C for {name}={value}. Received: y_pred.shape=(..., None)")
        if len(value) != count:
            raise shapes.RefusedError(
                f"Expected {name} to have one number for each of {count}. Received: {name}={value}"
            )
        return ops.convert_to_tensor(value, dtype=self.compute_dtype)

    def evaluate(self, y_true: Any, y_pred: Any, weight: Any, mask: Any) -> tuple[Any, Any, Any]:
        """The values, and what of weight and mask is left for the reduction to apply.

        A family that couples the batch, or that uses weights inside its sums, overrides this.
        """
        shape, applied = self.value_shape(y_pred), None
        kept = None if mask is None else shapes.to_leading_axes(mask, shape, "mask")
        mask = kept = shapes.both(kept, self.known(y_true, y_pred))
        if weight is not None:
            applied = shapes.to_leading_axes(weight, shape, "sample_weight")
            kept = shapes.both(mask, ops.not_equal(applied, 0))
        values = self.values(y_true, y_pred, kept)
        return self._weighed(values, weight, mask) if len(values.shape) != len(shape) else (values, applied, mask)

    def values(self, y_true: Any, y_pred: Any, kept: Any, *more: Any) -> Any:
        """What `call` gives for what is kept, a mask or None; where a target says nothing NaN, or an error."""
        y_true, y_pred = shapes.zeroed_unless(y_true, kept), shapes.zeroed_unless(y_pred, kept)
        y_true, mark = self.screen(y_true, y_pred)
        values = gradients.values(self, y_true, y_pred, *more)
        return values if mark is None else mark(values)

    def screen(self, y_true: Any, y_pred: Any) -> tuple[Any, screening.Mark | None]:
        """Targets that `call` can take, and what makes the values NaN that they cannot give, or None.

        Where targets are seen to say nothing, because they are there already, this raises.
        """
        return y_true, None

    def fault(self, targets: np.ndarray, classes: int | None) -> screening.Fault | None:
        """What is wrong with targets before a training: for `check_targets`, which says where.

        Args:
            targets: As they are given to the loss; 0 where they do not count.
            classes: How wide the predictions are, or None where that is not known.
        """
        return screening.fault_of_numbers(targets) if targets.dtype.kind == "f" else None

    def _weighed(self, values: Any, weight: Any, mask: Any) -> tuple[Any, Any, Any]:
        """The values of a `call` of one's own with weight and mask as they fit its shape."""
        shape = tuple(values.shape)
        if not shape and (weight is not None or mask is not None):
            raise shapes.RefusedError(
                "Expected call(y_true, y_pred) to return one value per sample, of shape (B,) or (B, ...), where there "
                "is a sample_weight or a mask. Received: a scalar"
            )
        weight = None if weight is None else shapes.to_leading_axes(weight, shape, "sample_weight")
        return values, weight, None if mask is None else shapes.to_leading_axes(mask, shape, "mask")

    def _nothing(self, y_pred: Any) -> Any:
        """The values of predictions of which there are none: those of an empty sum.

        Said once, and for what comes in without a sample as for what has samples without a position: the backends take
        neither the largest of nothing, nor the shape of it, nor its mean. A size that is unknown is not 0 to them.
        """
        sizes = [ops.shape(y_pred)[axis] for axis in range(len(self.value_shape(y_pred)))]
        return ops.broadcast_to(ops.sum(y_pred), sizes)

    def reduce(self, values: Any, weight: Any, mask: Any) -> Any:
        """What Keras does with weights, mask and `reduction`, for weights that broadcast from the left."""
        weight = mask if weight is None else weight * ops.cast(1 if mask is None else mask, values.dtype)
        if weight is not None:
            weight = ops.broadcast_to(ops.cast(weight, values.dtype), ops.shape(values))
            values = ops.where(ops.equal(weight, 0), ops.zeros((), values.dtype), values * weight)
        if self.reduction in (None, "none"):
            return values
        loss = numerics.total_of_all(values)
        if self.reduction == "sum":
            return loss
        shape = tuple(values.shape)
        if self.reduction == "mean_with_sample_weight" and weight is not None:
            count = ops.sum(weight)
        elif mask is not None:
            count = ops.sum(ops.cast(ops.broadcast_to(mask, ops.shape(values)), values.dtype))
        elif None not in shape:
            return loss * (1.0 / max(math.prod(shape), 1))
        else:
            count = ops.cast(ops.size(values), values.dtype)
        return numerics.ratio(loss, count)


class ClassLoss(Loss):
    """The family of losses over classes.

    Targets are ids, `(B, ...)` or `(B, ..., 1)`, or one-hot or soft targets of `y_pred`'s shape, `(B, ..., C)`. `call`
    gets numbers of `y_pred`'s shape whichever they are, and returns one value per sample or position.

    With `takes_ids`, for losses that pick what they need, it gets ids as they are, int32 and each that of a class, and
    dense targets in the type they have: integers and booleans are hard ones. With C == 1 all targets are dense.

    Example:
        >>> from tfloss_ext import ClassLoss
        >>> class Brier(ClassLoss):
        ...     def call(self, y_true, y_pred):
        ...         return keras.ops.sum((y_pred - y_true) ** 2, axis=-1)
        >>> probabilities = [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]
        >>> print(f"{Brier()([0, 2], probabilities):.2f}, {Brier()([[1, 0, 0], [0, 0, 1]], probabilities):.2f}")
        0.25, 0.25
    """

    task = "classification"
    predictions = "probabilities"
    targets = "ids, one-hot or soft"

    # Whether every element is a decision of its own, however many classes there are.
    independent = False
    takes_ids = False

    def read_targets(self, y_true: Any) -> Any:
        if y_true is None:
            return super().read_targets(y_true)
        return labels.as_targets(y_true, self.compute_dtype, getattr(self, "ignore_class", None))

    def align(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        pred = shapes.with_last_axis(y_pred)
        if len(pred.shape) < 2:
            raise shapes.mismatch("y_pred of shape (B, ..., C)", y_true, y_pred)
        if pred.shape[-1] is None and not (self.independent and len(y_true.shape) == len(pred.shape)):
            raise shapes.mismatch("y_pred of shape (B, ..., C) with a known number of classes", y_true, y_pred)
        if pred.shape[-1] == 1 and len(y_true.shape) < len(pred.shape):
            target, axes = ops.expand_dims(y_true, -1), tuple(pred.shape)
        elif shapes.fits(y_true.shape, pred.shape):
            target, axes = y_true, tuple(pred.shape)
        else:
            one = len(y_true.shape) == len(pred.shape) and y_true.shape[-1] == 1
            target, axes = ops.squeeze(y_true, -1) if one else y_true, tuple(pred.shape)[:-1]
            target = ops.cast(target, "int32") if labels.is_boolean(target) else target
        if not shapes.fits(target.shape, axes):
            raise shapes.mismatch("y_true of y_pred's shape, or ids without its last axis", y_true, y_pred)
        return shapes.with_axes_of(target, pred, len(axes)), pred

    def known(self, y_true: Any, y_pred: Any) -> Any:
        return labels.not_ignored(y_true, y_pred, getattr(self, "ignore_class", None))

    def classes(self, y_pred: Any) -> int:
        """How many classes `(..., C)` distinguishes: two where one probability is given."""
        return max(int(y_pred.shape[-1]), 2)

    def screen(self, y_true: Any, y_pred: Any) -> tuple[Any, screening.Mark | None]:
        rank = 0 if self.couples else len(self.value_shape(y_pred))
        if labels.are_ids(y_true, y_pred):
            y_true, mark = screening.ids(y_true, self.classes(y_pred), rank)
        else:
            y_true, mark = screening.shares(y_true, rank)
        if not self.takes_ids:
            y_true = ops.cast(labels.one_hot(y_true, y_pred), y_pred.dtype)
        return y_true, mark

    def fault(self, targets: np.ndarray, classes: int | None) -> screening.Fault | None:
        width = classes if classes is not None else self._width()
        if width is None:
            dense = targets.dtype.kind == "f" and bool((targets != np.floor(targets)).any())
        else:
            dense = width == 1 or (targets.ndim > 1 and targets.shape[-1] == width)
        targets = self._without_ignored(targets, dense and targets.ndim > 1 and targets.shape[-1] > 1)
        if dense:
            return screening.fault_of_shares(targets)
        if width is None and screening.is_mask_of_255(targets):
            return screening.Fault("ids, or a mask of 0 and 1", targets == 255, ": divide a mask of 0 and 255 by 255")
        return screening.fault_of_ids(targets, width or int(targets.max(initial=0)) + 1)

    def _width(self) -> int | None:
        """How wide the predictions are by the parameters that have a number for each class."""
        for name in self._fields:
            value = getattr(self, name)
            if isinstance(value, list):
                return len(value) + (name == "class_weights" and not getattr(self, "include_background", True))
        return None

    def _without_ignored(self, targets: np.ndarray, one_hot: bool) -> np.ndarray:
        ignored = getattr(self, "ignore_class", None)
        if ignored is None:
            return targets
        dropped = np.expand_dims(targets.argmax(-1) == ignored, -1) if one_hot else targets == ignored
        return np.where(dropped, np.zeros((), targets.dtype), targets)


class BatchLoss(Loss):
    """The family of losses that couple the samples of a batch, with one value per sample, `(B,)`.

    `call(y_true, y_pred, kept)` leaves out the samples that the mask `kept` does not name (None names all): their value
    is 0, and the mean of the values over the whole batch is the loss of those that are left. They hold zeros.
    """

    couples = True

    def value_shape(self, y_pred: Any) -> tuple[int | None, ...]:
        return tuple(y_pred.shape)[:1]

    @hook
    def call(self, y_true: Any, y_pred: Any, kept: Any = None) -> Any:
        """The maths, as in `Loss`, over the samples that are kept."""

    def evaluate(self, y_true: Any, y_pred: Any, weight: Any, mask: Any) -> tuple[Any, Any, Any]:
        batch = self.value_shape(y_pred)
        kept = None if mask is None else shapes.to_leading_axes(mask, batch, "mask")
        kept = shapes.both(kept, self.known(y_true, y_pred))
        if weight is not None:
            weight = ops.broadcast_to(shapes.to_leading_axes(weight, batch, "sample_weight"), ops.shape(y_pred)[:1])
            kept = shapes.both(kept, ops.not_equal(weight, 0))
        values = self.values(y_true, y_pred, kept, kept)
        if self.reduction == "mean_with_sample_weight" and kept is not None:
            # Divided by the weights of the samples that are left, not by the size of the batch.
            weight = ops.cast(kept, values.dtype) if weight is None else weight * ops.cast(kept, values.dtype)
            values = values * numerics.mean(ops.cast(kept, values.dtype))
        return values, weight, None


class _Symbolic(keras.Operation):
    """A loss over `KerasTensor`s, whose shape and type it finds out."""

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.loss = loss

    def call(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        return self.loss(y_true, y_pred, sample_weight)


def _holds_symbols(data: Any) -> bool:
    if isinstance(data, (list, tuple, dict)):
        return any(_holds_symbols(item) for item in (data.values() if isinstance(data, dict) else data))
    return isinstance(data, keras.KerasTensor)


def is_structure(data: Any) -> bool:
    """Whether data are several tensors, as `call` of one's own may take them, and not one."""
    if isinstance(data, (list, tuple)):
        return any(ops.is_tensor(item) or isinstance(item, dict) for item in data)
    return isinstance(data, dict)
