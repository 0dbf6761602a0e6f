# SPDX-License-Identifier: Apache-2.0
"""Numbers that move as a model is trained: hyper-parameters by the step, weights of tasks by what a layer holds.

A loss holds no state, which JAX would not let it change. What moves is held by a layer of the model, saved and resumed
with it, and handed along with the predictions.
"""

from __future__ import annotations

import functools
import math
import numbers
from collections.abc import Mapping
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from tfloss_ext import registry
from tfloss_ext.parameters import Moving


class _Factor(Moving):
    """What numbers and other moving numbers can be multiplied with; with a loss it is a term of a sum."""

    def __mul__(self, other: Any) -> Any:
        return Product([other, self]) if _is_factor(other) else NotImplemented

    __rmul__ = __mul__

    def __eq__(self, other: Any) -> bool:
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash(repr(self))

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, as plain JSON."""
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """What `get_config` described."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


@keras.saving.register_keras_serializable(package=registry.PACKAGE)
class Scheduled(_Factor):
    """A number by the step of the training: a hyper-parameter of a loss, or the weight of a loss.

    `Focal(gamma=Scheduled(schedule))` or `Dice() + Scheduled(schedule) * Boundary()`. Steps are counted, and handed
    along with the predictions, by the layer `StepCounter`, which the model ends in. While it evaluates the number is
    that of the step at which the training stands.

    Args:
        schedule: A number that stays, or what gives one for a step: a schedule of `keras.optimizers.schedules`, which
            serve for any number, or a function of a whole number as a tensor, which has to be registered with
            `keras.saving.register_keras_serializable` to be saved.

    Raises:
        ValueError: If it is neither, and where a loss is given predictions without a step.

    Example:
        >>> import tfloss_ext
        >>> from keras.optimizers.schedules import PolynomialDecay
        >>> rising = tfloss_ext.Scheduled(PolynomialDecay(0.0, decay_steps=1000, end_learning_rate=1.0))
        >>> loss = tfloss_ext.Dice() + rising * tfloss_ext.Boundary()
        >>> features = keras.Input((8, 8, 3))
        >>> mask = keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid")(features)
        >>> model = keras.Model(features, tfloss_ext.StepCounter()(mask))
        >>> model.compile("adam", loss=loss)
    """

    def __init__(self, schedule: Any) -> None:
        if _is_number(schedule):
            schedule = float(schedule)
        elif not callable(schedule):
            raise ValueError(f"Expected a finite number or a function of the step. Received: schedule={schedule!r}")
        self.schedule = schedule

    def now(self, handed: Mapping[str, Any]) -> Any:
        if isinstance(self.schedule, float):
            return self.schedule
        return self.schedule(_found("step", handed, self, "StepCounter", 0))

    @property
    def start(self) -> float:
        if isinstance(self.schedule, float):
            return self.schedule
        return float(ops.convert_to_numpy(self.schedule(ops.convert_to_tensor(np.int32(0)))))

    def get_config(self) -> dict[str, Any]:
        return {"schedule": keras.saving.serialize_keras_object(self.schedule)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        return cls(keras.saving.deserialize_keras_object(config["schedule"]))

    def __repr__(self) -> str:
        schedule = self.schedule
        if hasattr(schedule, "get_config"):
            shown = ", ".join(f"{name}={value!r}" for name, value in schedule.get_config().items() if name != "name")
            return f"Scheduled({type(schedule).__name__}({shown}))"
        return f"Scheduled({getattr(schedule, '__name__', schedule)})"


@keras.saving.register_keras_serializable(package=registry.PACKAGE)
class TaskWeight(_Factor):
    """The weight of an output among several, as the layer `UncertaintyWeights` learns or `TaskWeights` holds it.

    Raises:
        ValueError: Where a loss is given predictions without a weight.

    Example:
        >>> import tfloss_ext
        >>> tfloss_ext.TaskWeight() * tfloss_ext.Dice()
        TaskWeight()*Dice()
        >>> tfloss_ext.TaskWeight() * tfloss_ext.wrap("mse")
        TaskWeight()*MeanSquaredError()
    """

    start = 1.0

    def now(self, handed: Mapping[str, Any]) -> Any:
        return _found("task_weight", handed, self, "UncertaintyWeights", 1.0)


@keras.saving.register_keras_serializable(package=registry.PACKAGE)
class Product(_Factor):
    """A product of numbers that move and one that does not, as `0.5 * Scheduled(schedule)` gives it.

    Args:
        factors: Numbers, and what moves.
    """

    def __init__(self, factors: Any) -> None:
        flat: list[Any] = []
        for factor in factors:
            flat += factor.factors if isinstance(factor, Product) else [factor]
        self.fixed = float(math.prod(factor for factor in flat if not isinstance(factor, Moving)))
        self.moving = [factor for factor in flat if isinstance(factor, Moving)]

    @property
    def factors(self) -> list[Any]:
        """The number, and what moves."""
        return [self.fixed, *self.moving]

    def now(self, handed: Mapping[str, Any]) -> Any:
        return functools.reduce(lambda one, other: one * other, (each.now(handed) for each in self.moving), self.fixed)

    @property
    def start(self) -> float:
        return self.fixed * float(math.prod(each.start for each in self.moving))

    def get_config(self) -> dict[str, Any]:
        return {"factors": [self.fixed, *map(keras.saving.serialize_keras_object, self.moving)]}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        return cls(list(map(restored, config["factors"])))

    def __repr__(self) -> str:
        shown = [repr(each) for each in self.moving]
        return "*".join(shown if self.fixed == 1.0 else [repr(self.fixed), *shown])


def restored(value: Any) -> Any:
    """What moves from the config that was saved of it; all else as it is."""
    named = value.get("registered_name") if isinstance(value, Mapping) else None
    kinds = {keras.saving.get_registered_name(kind) for kind in (Scheduled, TaskWeight, Product)}
    return keras.saving.deserialize_keras_object(value) if named in kinds else value


def _is_factor(value: Any) -> bool:
    return _is_number(value) or isinstance(value, Moving)


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and value is not True and value is not False and math.isfinite(value)


def _found(what: str, handed: Mapping[str, Any], who: Moving, layer: str, symbolic: Any) -> Any:
    """What was handed along, or what stands for it while Keras only finds out shapes."""
    if what in handed:
        return handed[what]
    if registry.is_symbolic():
        return ops.convert_to_tensor(symbolic)
    raise ValueError(
        f"Expected predictions with which the layer {layer} hands along what {who!r} is now: end the model, or this "
        f"output of it, in one. Received: none handed along"
    )
