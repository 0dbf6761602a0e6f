# SPDX-License-Identifier: Apache-2.0
"""Sums of losses: `0.5 * Focal() + Dice()` is a loss like any other."""

from __future__ import annotations

import functools
import inspect
import itertools
import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import keras
from keras import ops

from tfloss_ext import handing, moving, registry, replicas, shapes
from tfloss_ext.parameters import Moving


class Addable:
    """What can be added to losses and multiplied with numbers, to give a `LossSum`."""

    def __add__(self, other: Any) -> Any:
        return _added(self, other)

    def __radd__(self, other: Any) -> Any:
        return _added(other, self)

    def __mul__(self, weight: Any) -> Any:
        if isinstance(weight, bool) or not isinstance(weight, (numbers.Real, Moving)):
            return NotImplemented
        return LossSum([term.times(weight) for term in _terms(self)])

    __rmul__ = __mul__


class OfLoss:
    """What another loss is an argument of, `loss`, and is saved with."""

    loss: keras.losses.Loss

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, as plain JSON."""
        known = {**vars(self), **super().get_config()}  # type: ignore[misc]
        known["loss"] = keras.saving.serialize_keras_object(self.loss)
        return {name: known[name] for name in inspect.signature(type(self)).parameters}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """What `get_config` described."""
        return cls(**{**config, "loss": keras.saving.deserialize_keras_object(config["loss"])})


class Term(NamedTuple):
    """A loss of a sum, how much it counts, and its name there."""

    weight: float | Moving
    loss: keras.losses.Loss
    name: str

    def times(self, weight: Any) -> Term:
        """The same term, counting so many times as much."""
        return self._replace(weight=_weight(weight) * self.weight)

    def __repr__(self) -> str:
        weight = self.weight if isinstance(self.weight, Moving) else abs(self.weight)
        return described(self.loss) if weight == 1.0 else f"{weight!r}*{described(self.loss)}"

    @property
    def falls(self) -> bool:
        """Whether it is taken off a sum."""
        return not isinstance(self.weight, Moving) and self.weight < 0


@keras.saving.register_keras_serializable(package=registry.PACKAGE)
class LossSum(Addable, keras.losses.Loss):
    """A weighted sum of losses, as `0.5 * Focal() + Dice()` and `sum([Focal(), Dice()])` give it.

    Each term is computed as if it were alone: with its own reduction, weights, mask and precision. Sums of sums are
    flat. Any `keras.losses.Loss` may be a term; one of Keras's own starts a sum, or is multiplied, as `wrap(loss)`.

    Args:
        terms: `[(weight, loss), ...]`, or with names `{"name": (weight, loss), ...}`. A loss alone has weight 1, and
            one that is no instance is what `tfloss_ext.get` finds by it. Weights are finite numbers. A term without a
            name has that of its loss; equal ones get `_1`, `_2` and so on.
        name: Name of the instance.

    Shapes:
        What the terms take. Values: a scalar, or where every term's reduction is None the values, which then are of one
        shape.

    Raises:
        ValueError: If a weight is no finite number, if only some terms have the reduction None, or if their values
            are not of one shape.

    Example:
        >>> from tfloss_ext import Dice, Focal
        >>> loss = 0.5 * Focal() + Dice(smooth=1.0)
        >>> loss
        0.5*Focal() + Dice(smooth=1.0)
        >>> y_true, y_pred = [[[1.0], [0.0]]], [[[0.5], [0.5]]]
        >>> for name, value in loss.components(y_true, y_pred).items():
        ...     print(f"{name}: {value:.4f}")
        focal: 0.0866
        dice_loss: 0.3333
        >>> print(f"{loss(y_true, y_pred):.4f}")
        0.3767
    """

    def __init__(self, terms: Any, name: str | None = None) -> None:
        named = terms.items() if isinstance(terms, Mapping) else ((None, term) for term in terms)
        self._terms = _with_names([term for name, given in named for term in _read(given, name)])
        if not self._terms:
            raise ValueError(f"Expected terms of a LossSum. Received: {terms!r}")
        reductions = [loss.reduction for _, loss, _ in self._terms]
        unreduced = [reduction in (None, "none") for reduction in reductions]
        if any(unreduced) and not all(unreduced):
            raise ValueError(f"Expected reduction=None of every term of a LossSum or of none. Received: {reductions}")
        same = len(set(reductions)) == 1
        super().__init__(name=name or "loss_sum", reduction=reductions[0] if same else "sum_over_batch_size")

    @property
    def terms(self) -> list[Term]:
        """Each term: its weight, its loss and its name."""
        return list(self._terms)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The sum, of what every term gives times its weight."""
        values = [loss(y_true, y_pred, sample_weight) for _, loss, _ in self._terms]
        return self._added(values, handing.handed(y_pred))

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The sum of what the terms give before weights of samples and reductions."""
        return self._added([loss.call(y_true, y_pred) for _, loss, _ in self._terms], handing.handed(y_pred))

    def _added(self, values: list[Any], handed: Mapping[str, Any]) -> Any:
        if any(not shapes.fits(value.shape, values[0].shape) for value in values):
            found = {term.name: tuple(value.shape) for term, value in zip(self._terms, values, strict=True)}
            raise ValueError(f"Expected values of one shape of every term of a LossSum. Received: {found}")
        weights = [term.weight.now(handed) if isinstance(term.weight, Moving) else term.weight for term in self._terms]
        products = (
            (weight if isinstance(weight, float) else ops.cast(weight, value.dtype)) * value
            for weight, value in zip(weights, values, strict=True)
        )
        return functools.reduce(ops.add, products)

    @property
    def couples(self) -> bool:
        """Whether a value depends on other samples than its own, as those of a term do."""
        return any(getattr(loss, "couples", False) for _, loss, _ in self._terms)

    def components(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """What each term gives, by its name, before it is multiplied with its weight."""
        return {name: loss(y_true, y_pred, sample_weight) for _, loss, name in self._terms}

    def as_metrics(self) -> list[keras.metrics.Metric]:
        """For `compile(metrics=...)`, a metric of each term, by its name and before it is multiplied with its weight.

        Example:
            >>> import numpy as np
            >>> from tfloss_ext import Dice, Focal
            >>> loss = Focal() + Dice()
            >>> model = keras.Sequential([keras.layers.Dense(1, activation="sigmoid")])
            >>> model.compile("sgd", loss=loss, metrics=loss.as_metrics())
            >>> logs = model.fit(np.ones((2, 1)), np.ones((2, 1)), verbose=0).history
            >>> sorted(logs)
            ['dice_loss', 'focal', 'loss']
        """
        return [LossMetric(loss, name=name) for _, loss, name in self._terms]

    def get_config(self) -> dict[str, Any]:
        """The terms and the name, as plain JSON."""
        serialized = keras.saving.serialize_keras_object
        terms = [
            {
                "weight": serialized(term.weight) if isinstance(term.weight, Moving) else term.weight,
                "loss": serialized(term.loss),
                "name": term.name,
            }
            for term in self._terms
        ]
        return {"terms": terms, "name": self.name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The sum that `get_config` described."""
        deserialized = keras.saving.deserialize_keras_object
        terms = [
            Term(moving.restored(term["weight"]), deserialized(term["loss"]), term["name"]) for term in config["terms"]
        ]
        return cls(terms, name=config["name"])

    def __repr__(self) -> str:
        first, *others = self._terms
        rest = (f" {'-' if term.falls else '+'} {term!r}" for term in others)
        return f"{'-' * first.falls}{first!r}{''.join(rest)}"


@keras.saving.register_keras_serializable(package=registry.PACKAGE)
class LossMetric(OfLoss, keras.metrics.Mean):
    """The mean over the samples of what a loss gives, for the logs of `fit` and `evaluate`.

    Args:
        loss: A loss, or what `tfloss_ext.get` finds by it.
        name: Name of the metric; None means that of the loss.
        dtype: Of the mean.

    Example:
        >>> metric = LossMetric("log_cosh")
        >>> metric.update_state([[0.0]], [[0.0]])
        >>> print(f"{metric.result():.1f}")
        0.0
    """

    def __init__(self, loss: Any, name: str | None = None, dtype: Any = None) -> None:
        self.loss = registry.instance(loss)
        super().__init__(name=name or self.loss.name, dtype=dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch."""
        value = replicas.unshared(self.loss(y_true, y_pred, sample_weight), self.loss.reduction)
        first = next((leaf for leaf in keras.tree.flatten(y_pred) if hasattr(leaf, "shape")), y_pred)
        super().update_state(ops.mean(value), sample_weight=ops.shape(ops.convert_to_tensor(first))[0])


def weighted_sum(terms: Mapping[str, Any]) -> LossSum:
    """A `LossSum` of named terms.

    Args:
        terms: `{"name": (weight, loss)}` or `{"name": loss}`. A loss that is no instance is what `tfloss_ext.get` finds
            by it.

    Raises:
        ValueError: If a weight is no finite number, or a loss unknown.

    Example:
        >>> weighted_sum({"rare": (0.5, "focal"), "overlap": "dice_loss"})
        0.5*Focal() + Dice()
    """
    return LossSum(terms)


def wrap(loss: Any) -> LossSum:
    """A loss as a sum of one term, which other losses can be added to and numbers multiplied with.

    Args:
        loss: Any `keras.losses.Loss`, such as those of Keras itself, or what `tfloss_ext.get` finds by it.

    Raises:
        ValueError: If it is no loss.

    Example:
        >>> import tfloss_ext
        >>> tfloss_ext.wrap(keras.losses.MeanSquaredError()) + 2 * tfloss_ext.Dice()
        MeanSquaredError() + 2.0*Dice()
    """
    return LossSum([loss])


def _added(first: Any, second: Any) -> Any:
    given = [each for each in (first, second) if not (isinstance(each, numbers.Real) and each == 0)]
    for each in given:
        if isinstance(each, numbers.Real):
            raise ValueError(f"Expected a loss to be added to a loss, or 0 to begin with. Received: {each!r}")
        if not isinstance(each, keras.losses.Loss):
            return NotImplemented
    return LossSum([term for each in given for term in _terms(each)])


def _terms(loss: Any) -> Sequence[Term]:
    """Those of a sum, or one."""
    return loss.terms if isinstance(loss, LossSum) else [Term(1.0, loss, "")]


def _read(given: Any, name: str | None) -> list[Term]:
    """The terms that one entry of a list or a dict stands for."""
    if isinstance(given, Term):
        return [given]
    weight, loss = given if isinstance(given, (tuple, list)) and len(given) == 2 else (1.0, given)
    terms = [term.times(weight) for term in _terms(registry.instance(loss))]
    if name is None:
        return terms
    return [term._replace(name=name if len(terms) == 1 else f"{name}_{term.name}") for term in terms]


def _weight(value: Any) -> float | Moving:
    value = moving.restored(value)
    if isinstance(value, Moving):
        return value
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise ValueError(f"Expected the weight of a loss to be a finite number. Received: {value!r}")
    return float(value)


def _with_names(terms: list[Term]) -> tuple[Term, ...]:
    """Terms of which each has a name of its own."""
    found: dict[str, Term] = {}
    for term in terms:
        name = base = term.name or term.loss.name
        for count in itertools.count(1):
            if name not in found:
                break
            name = f"{base}_{count}"
        found[name] = term._replace(name=name)
    return tuple(found.values())


def described(loss: keras.losses.Loss) -> str:
    """A loss as it is written down, which those of Keras do not say."""
    if isinstance(loss, Addable):
        return repr(loss)
    parameters, config = inspect.signature(type(loss).__init__).parameters, loss.get_config()
    shown = (
        f"{name}={config[name]!r}"
        for name, parameter in parameters.items()
        if name not in ("name", "dtype") and name in config and config[name] != parameter.default
    )
    return f"{type(loss).__name__}({', '.join(shown)})"
