# SPDX-License-Identifier: Apache-2.0
"""The base of every loss: a declaration becomes a constructor, a config, checks, names, and the handling of weights."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, dataclass_transform

import keras
from keras import ops

from tfloss_ext import gradients, numerics, registry, replicas, shapes
from tfloss_ext.parameters import REQUIRED, check, choice, flag, nearest, number, numbers, whole


@dataclass_transform(eq_default=False, field_specifiers=(number, numbers, whole, flag, choice))
class Loss(keras.losses.Loss):
    """A Keras loss that is declared rather than written out.

    A subclass states its parameters with their defaults and ranges, and its maths. From that come the constructor,
    `get_config`, the checks, `repr`, the names that `compile(loss=...)` understands, and the rules that hold for every
    loss: weights aligned on the left, masks, no NaN from what is weighted away, at least float32 inside.

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
        >>> from tfloss_ext import Loss, number
        >>> class Cauchy(Loss, key="cauchy"):
        ...     scale: float = number(default=1.0, above=0)
        ...
        ...     def call(self, y_true, y_pred):
        ...         return keras.ops.mean(keras.ops.log1p(((y_pred - y_true) / self.scale) ** 2), axis=-1)
        >>> Cauchy(scale=2.0).get_config()["scale"]
        2.0
        >>> keras.losses.get("cauchy")
        Cauchy()
    """

    key: ClassVar[str] = ""
    aliases: ClassVar[tuple[str, ...]] = ()
    # Whether XLA makes the values of large arrays faster. Not where it sorts.
    fuses: ClassVar[bool] = True
    _parameters: ClassVar[tuple[dataclasses.Field[Any], ...]] = ()

    if TYPE_CHECKING:
        reduction: str | None = choice(options=(), default="sum_over_batch_size", kw_only=True)
        name: str | None = choice(options=(), default=None, kw_only=True)
        dtype: Any = choice(options=(), default=None, kw_only=True)

    def __init_subclass__(
        cls,
        *,
        key: str | None = None,
        aliases: tuple[str, ...] = (),
        presets: Mapping[str, Any] | None = None,
        package: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        dataclasses.dataclass(init=False, repr=False, eq=False)(cls)
        # Positional parameters before keyword-only ones, whichever class of the family declared them.
        cls._parameters = tuple(sorted(dataclasses.fields(cls), key=lambda field: bool(field.kw_only)))
        if "__init__" not in vars(cls):
            cls.__init__ = _constructor(cls)  # type: ignore[method-assign]
        if key is None:
            return
        cls.key, cls.aliases = key, tuple(aliases)
        inside = cls.__module__.split(".")[0] == registry.PACKAGE
        package = package or (registry.PACKAGE if inside else "Custom")
        registry.register(cls, key, aliases=cls.aliases, package=package, presets=presets or {})

    def _configure(self, parameters: dict[str, Any], reduction: Any, name: str | None, dtype: Any) -> None:
        policy = None if dtype is None else keras.dtype_policies.get(dtype).name
        super().__init__(name=name or self.key or None, reduction=reduction, dtype=policy)
        self._requested_dtype = policy
        for field in self._parameters:
            setattr(self, field.name, check(field, parameters[field.name]))
        self.validate()

    def validate(self) -> None:
        """Check what concerns several parameters at once; raise `ValueError`."""

    def get_config(self) -> dict[str, Any]:
        """Every argument of the constructor, as plain JSON."""
        parameters = {field.name: getattr(self, field.name) for field in self._parameters}
        own = {name: list(value) if isinstance(value, list) else value for name, value in parameters.items()}
        return {**own, "reduction": self.reduction, "name": self.name, "dtype": self._requested_dtype}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The loss that `get_config` described."""
        return cls(**config)

    def __repr__(self) -> str:
        usual = {field.name: field.default for field in self._parameters}
        usual |= {"reduction": "sum_over_batch_size", "name": self.key, "dtype": None}
        shown = (f"{name}={value!r}" for name, value in self.get_config().items() if value != usual[name])
        return f"{type(self).__name__}({', '.join(shown)})"

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
        mask = registry.keras_mask(y_pred)
        with keras.name_scope(self.name):
            y_pred = ops.convert_to_tensor(y_pred, dtype=self.compute_dtype)
            y_true, y_pred = self.align(self.read_targets(y_true), y_pred)
            if sample_weight is not None:
                sample_weight = ops.convert_to_tensor(sample_weight, dtype=self.compute_dtype)
            if mask is not None:
                mask = ops.cast(mask, "bool")
            values, weight, mask = self.evaluate(y_true, y_pred, sample_weight, mask)
            return self.reduce(values, weight, mask)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The maths: one value per sample or position, from aligned targets and predictions in `compute_dtype`."""
        raise NotImplementedError(f"{type(self).__name__} defines no call(y_true, y_pred)")

    def read_targets(self, y_true: Any) -> Any:
        """Targets as a tensor of numbers in `compute_dtype`. Families that take ids, or no targets, override this."""
        if y_true is None:
            raise ValueError(f"Expected targets for {type(self).__name__}. Received: y_true=None")
        return ops.convert_to_tensor(y_true, dtype=self.compute_dtype)

    def align(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """Targets and predictions of one shape `(B, ..., C)`, `(B,)` being read as `(B, 1)`."""
        one, other = shapes.with_last_axis(y_true), shapes.with_last_axis(y_pred)
        if len(one.shape) < 2 or not shapes.fits(one.shape, other.shape):
            raise shapes.mismatch("y_true and y_pred of one shape", y_true, y_pred)
        return shapes.held(one, other, len(one.shape)), other

    def value_shape(self, y_pred: Any) -> tuple[int | None, ...]:
        """The static shape of what `call` returns."""
        return tuple(y_pred.shape)[:-1]

    def known(self, y_true: Any, y_pred: Any) -> Any:
        """A mask of the positions whose target says something, or None where all do."""
        return None

    def per_output(self, name: str, count: int) -> Any:
        """The parameter of this name, a number or one per output or class, to be multiplied with `(..., C)`."""
        value = getattr(self, name)
        if not isinstance(value, list):
            return value
        if len(value) != count:
            raise ValueError(f"Expected {name} to have one number for each of {count}. Received: {name}={value}")
        return ops.convert_to_tensor(value, dtype=self.compute_dtype)

    def evaluate(self, y_true: Any, y_pred: Any, weight: Any, mask: Any) -> tuple[Any, Any, Any]:
        """The values, and what of weight and mask is left for the reduction to apply.

        A family that couples the batch, or that uses weights inside its sums, overrides this.
        """
        shape = self.value_shape(y_pred)
        if mask is not None:
            mask = shapes.to_leading_axes(mask, shape, "mask")
        mask = kept = shapes.both(mask, self.known(y_true, y_pred))
        if weight is not None:
            weight = shapes.to_leading_axes(weight, shape, "sample_weight")
            kept = shapes.both(mask, ops.not_equal(weight, 0))
        values = gradients.values(self, shapes.blank(y_true, kept), shapes.blank(y_pred, kept))
        return values, weight, mask

    def reduce(self, values: Any, weight: Any, mask: Any) -> Any:
        """What Keras does with weights, mask and `reduction`, for weights that broadcast from the left."""
        weight = mask if weight is None else weight * ops.cast(1 if mask is None else mask, values.dtype)
        if weight is not None:
            weight = ops.broadcast_to(ops.cast(weight, values.dtype), ops.shape(values))
            values = ops.where(ops.equal(weight, 0), ops.zeros((), values.dtype), values * weight)
        if self.reduction in (None, "none"):
            return values
        loss = ops.squeeze(numerics.total(ops.reshape(values, (1, -1))), 0)
        if self.reduction == "sum":
            return loss
        if self.reduction == "mean_with_sample_weight" and weight is not None:
            count = ops.sum(weight)
        elif mask is not None:
            count = ops.sum(ops.cast(ops.broadcast_to(mask, ops.shape(values)), values.dtype))
        else:
            count = ops.cast(ops.size(values), values.dtype)
        return replicas.share(numerics.ratio(loss, count))


def _constructor(cls: type[Loss]) -> Any:
    """An `__init__` with the signature that the declaration describes."""
    kinds = {False: inspect.Parameter.POSITIONAL_OR_KEYWORD, True: inspect.Parameter.KEYWORD_ONLY}
    own = [
        inspect.Parameter(
            field.name,
            kinds[bool(field.kw_only)],
            default=inspect.Parameter.empty if field.default is REQUIRED else field.default,
            annotation=field.type,
        )
        for field in cls._parameters
    ]
    common = {"reduction": "sum_over_batch_size", "name": None, "dtype": None}
    tail = [inspect.Parameter(name, kinds[True], default=default) for name, default in common.items()]
    signature = inspect.Signature([*own, *tail])

    def __init__(self: Loss, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise _misuse(type(self), signature, kwargs, error) from None
        bound.apply_defaults()
        arguments = bound.arguments
        self._configure(arguments, *(arguments.pop(name) for name in common))

    me = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    __init__.__signature__ = signature.replace(parameters=[me, *own, *tail])  # type: ignore[attr-defined]
    __init__.__qualname__ = f"{cls.__qualname__}.__init__"
    return __init__


class MissingArgumentError(TypeError, ValueError):
    """A parameter without a default was not given: an error of the call, as in Python, and a bad value, as in Keras."""


def _misuse(cls: type[Loss], signature: inspect.Signature, given: Mapping[str, Any], error: TypeError) -> TypeError:
    hints = [nearest(name, list(signature.parameters), 1) for name in given if name not in signature.parameters]
    meant = ", ".join(name for hint in hints for name in hint)
    if meant:
        return TypeError(f"{cls.__name__}: {error}. Did you mean {meant}?")
    needed = [field.name for field in cls._parameters if field.default is REQUIRED]
    if "missing" not in str(error) or not needed:
        return TypeError(f"{cls.__name__}: {error}. Expected {signature}")
    call = ", ".join(f"{name}=..." for name in needed)
    return MissingArgumentError(
        f"Expected {' and '.join(needed)}, which have no default: {cls.__name__}({call}), "
        f"or tfloss_ext.get({cls.key!r}, {call}). Received: {cls.__name__}({', '.join(given)})"
    )


class BatchLoss(Loss):
    """The family of losses that couple the samples of a batch, with one value per sample, `(B,)`.

    `call(y_true, y_pred, kept)` leaves out the samples that the mask `kept` does not name (None names all): their value
    is 0, and the mean of the values over the whole batch is the loss of those that are left.
    """

    def value_shape(self, y_pred: Any) -> tuple[int | None, ...]:
        return tuple(y_pred.shape)[:1]

    def call(self, y_true: Any, y_pred: Any, kept: Any = None) -> Any:
        """The maths, as in `Loss`, over the samples that are kept."""
        raise NotImplementedError(f"{type(self).__name__} defines no call(y_true, y_pred, kept)")

    def evaluate(self, y_true: Any, y_pred: Any, weight: Any, mask: Any) -> tuple[Any, Any, Any]:
        batch = self.value_shape(y_pred)
        kept = None if mask is None else shapes.to_leading_axes(mask, batch, "mask")
        if weight is not None:
            weight = ops.broadcast_to(shapes.to_leading_axes(weight, batch, "sample_weight"), ops.shape(y_pred)[:1])
            kept = shapes.both(kept, ops.not_equal(weight, 0))
        values = self.call(y_true, y_pred, kept)
        if self.reduction == "mean_with_sample_weight" and kept is not None:
            # Divided by the weights of the samples that are left, not by the size of the batch.
            weight = ops.cast(kept, values.dtype) if weight is None else weight * ops.cast(kept, values.dtype)
            values = values * ops.mean(ops.cast(kept, values.dtype))
        return values, weight, None
