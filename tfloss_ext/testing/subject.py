# SPDX-License-Identifier: Apache-2.0
"""A loss with what it takes, and the ways of running it, on every backend."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import re
import unittest
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import keras
import numpy as np
from keras import ops

from tfloss_ext import gradients, registry
from tfloss_ext.compose import LossSum, described
from tfloss_ext.testing.traits import Pair, Traits, examples, traits_of

if TYPE_CHECKING:
    from tfloss_ext.testing.process import Process

Oracle = Callable[[Any, Any], Any]

_MODES = {"tensorflow": ("eager", "graph", "xla"), "jax": ("eager", "xla")}


class SkipCheck(unittest.SkipTest):
    """Says why a check does not apply. Test runners take it for a skipped test."""


def label(loss: Any) -> str:
    """A loss in a few words, the same in every process."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text = described(loss)
    except Exception:  # Its config may be what is broken.
        text = ""
    # Keras numbers the names that it makes as it goes.
    text = re.sub(r"(, )?name='\w*'", "", text)
    return text[:80] if text and " at 0x" not in text else type(loss).__name__


@dataclasses.dataclass(frozen=True)
class Subject:
    """A loss with what it takes."""

    loss: Any
    traits: Traits
    pairs: list[Pair]
    oracle: Oracle | None
    modes: tuple[str, ...]
    process: Process

    @property
    def square(self) -> bool:
        return self.traits.predictions == "square"

    @property
    def distinct_modes(self) -> tuple[str, ...]:
        """The modes in which what a loss gives may differ: a graph alone runs what is run eagerly."""
        modes = tuple(mode for mode in self.modes if mode != "graph")
        if not modes:
            skip(f"{keras.backend.backend()} has no other way of running it among those that are asked for")
        return modes

    def values(self, pair: Pair, weight: Any = None) -> np.ndarray:
        """What the loss gives of targets and predictions, unreduced."""
        return numpy(reduced(self.loss, None)(*pair, weight))

    def of(self, pair: Pair, chosen: Any) -> Pair:
        """Some samples alone."""
        return pair[0][chosen], self.predictions_of(pair[1], chosen)

    def predictions_of(self, y_pred: np.ndarray, chosen: Any) -> np.ndarray:
        rows: np.ndarray = y_pred[chosen]
        return rows[:, chosen] if self.square else rows

    def spoilt(self, pair: Pair, rows: Any) -> Pair:
        """The same, with some samples that are not a number."""
        y_true, y_pred = pair[0].copy(), pair[1].copy()
        y_pred[rows] = np.nan
        if self.square:
            y_pred[:, rows] = np.nan
        if y_true.dtype.kind == "f":
            y_true[rows] = np.inf
        return y_true, y_pred.astype("float32")

    def several(self) -> list[Pair]:
        pairs = [pair for pair in self.pairs if len(pair[1]) > 1]
        if not pairs:
            skip("the inputs are of one sample alone")
        return pairs

    def with_dtype(self, dtype: str) -> Any:
        loss = with_dtype(self.loss, dtype)
        if loss is None:
            skip("its constructor takes no dtype")
        return loss


def subject_of(
    loss: Any,
    oracle: Oracle | None,
    inputs: Any,
    traits: Traits | None,
    modes: Sequence[str] | None,
    process: Process,
) -> Subject:
    if inspect.isclass(loss) and issubclass(loss, keras.losses.Loss):
        try:
            loss = loss()
        except TypeError as error:
            raise ValueError(
                f"Expected an instance of {loss.__name__}, whose constructor needs arguments. Received: the class"
            ) from error
    if isinstance(loss, str):
        loss = registry.instance(loss)
    if not isinstance(loss, keras.losses.Loss):
        raise ValueError(f"Expected a keras.losses.Loss, or the class of one. Received: {loss!r}")
    known = _MODES.get(keras.backend.backend(), ("eager",))
    for mode in modes or ():
        if mode not in ("eager", "graph", "xla"):
            raise ValueError(f"Expected modes of 'eager', 'graph' and 'xla'. Received: {mode!r}")
    modes = known if modes is None else tuple(mode for mode in known if mode in modes)
    traits = traits_of(loss) if traits is None else traits
    pairs = examples(traits) if inputs is None else _read_pairs(inputs)
    subject = Subject(loss, traits, pairs, oracle, tuple(modes), process)
    process.add(subject)
    return subject


def _read_pairs(inputs: Any) -> list[Pair]:
    try:
        one = len(inputs) == 2 and not isinstance(inputs[0], (tuple, list))
        pairs = [(np.asarray(y_true), np.asarray(y_pred)) for y_true, y_pred in ([inputs] if one else inputs)]
    except (TypeError, ValueError) as error:
        raise ValueError("Expected inputs to be (y_true, y_pred), two arrays, or a list of such pairs") from error
    for y_true, y_pred in pairs:
        if not y_pred.ndim or y_pred.dtype.kind != "f" or y_true.shape[:1] != y_pred.shape[:1]:
            shown = f"y_true.shape={y_true.shape}, y_pred.shape={y_pred.shape}, {y_pred.dtype}"
            raise ValueError(f"Expected inputs of one batch, with predictions of floats. Received: {shown}")
    return pairs


def skip(reason: str) -> NoReturn:
    raise SkipCheck(reason)


def told(error: Exception) -> str:
    """What was raised, in a line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:400]


def expect(holds: Any, expected: str, received: Any) -> None:
    if not holds:
        raise AssertionError(f"Expected {expected}. Received: {received}")


def alike(received: Any, expected: Any, what: str, *, rtol: float = 1e-5, atol: float = 0.0) -> None:
    received, expected = np.asarray(received), np.asarray(expected)
    expect(received.shape == expected.shape, f"{what}, of shape {expected.shape}", f"shape {received.shape}")
    close = np.isclose(received, expected, rtol=rtol, atol=atol, equal_nan=True)
    if close.all():
        return
    where = tuple(int(index) for index in np.argwhere(~close)[0])
    place = f" at {list(where)}" if where else ""
    expect(False, f"{what}, {float(expected[where]):.6g}{place}", f"{float(received[where]):.6g}")


def finite(value: Any, what: str) -> None:
    value = np.asarray(value)
    wrong = value[~np.isfinite(value)]
    expect(not wrong.size, f"{what} to be finite", wrong.ravel()[0] if wrong.size else "")


# Running a loss


def numpy(tensor: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(tensor))


def reduced(loss: Any, reduction: str | None) -> Any:
    """The same loss, reduced in another way; not made anew, as its config may forget what it is."""
    if isinstance(loss, LossSum):
        return LossSum([term._replace(loss=reduced(term.loss, reduction)) for term in loss.terms], name=loss.name)
    other = object.__new__(type(loss))
    other.__dict__.update(loss.__dict__)
    other.reduction = reduction
    return other


def with_dtype(loss: Any, dtype: str) -> Any:
    """The same loss in another precision, None where its constructor takes none."""
    if isinstance(loss, LossSum):
        terms = [term._replace(loss=with_dtype(term.loss, dtype)) for term in loss.terms]
        return None if any(term.loss is None for term in terms) else LossSum(terms, name=loss.name)
    if "dtype" not in parameters_of(type(loss)):
        return None
    return type(loss).from_config({**config_of(loss), "dtype": dtype})


def parameters_of(cls: type) -> dict[str, inspect.Parameter]:
    """What a constructor takes by name, with what its `**kwargs` hand on to that of its base."""
    found: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        _, *parameters = inspect.signature(base.__init__).parameters.values()  # type: ignore[misc]
        for each in parameters:
            if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY):
                found.setdefault(each.name, each)
        if base is keras.losses.Loss or all(each.kind is not each.VAR_KEYWORD for each in parameters):
            break
    return found


def config_of(loss: Any) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # That Keras will not find the class is told by the checks of saving.
        return dict(loss.get_config())


def value_and_slope(
    loss: Any, pair: Pair, weight: Any = None, mode: str = "eager", factors: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """The sum of what a loss gives, and its gradient by the predictions."""
    return values_and_slopes(loss, pair[0], [np.asarray(pair[1])], weight, mode, factors)[0]


def values_and_slopes(
    loss: Any, y_true: Any, y_preds: Sequence[np.ndarray], weight: Any = None, mode: str = "eager", factors: Any = None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The same of several predictions of one shape, compiled once."""

    def total(y_true: Any, y_pred: Any, weight: Any) -> Any:
        values = loss(y_true, y_pred, weight)
        if factors is not None and len(values.shape):
            factor = np.reshape(factors, (-1, *[1] * (len(values.shape) - 1)))
            values = values * ops.convert_to_tensor(factor, dtype=values.dtype)
        return ops.sum(values)

    def run(y_true: Any, y_pred: Any, *weights: Any) -> tuple[Any, Any]:
        weight = weights[0] if weights else None
        value, pull = gradients.pullback(lambda y_pred: total(y_true, y_pred, weight), y_pred)
        return value, pull(ops.ones_like(value))[0]

    more = [] if weight is None else [weight]
    step = gradients.compiled(run, [y_true, y_preds[0], *more], mode)
    found = [step(y_true, ops.convert_to_tensor(y_pred), *more) for y_pred in y_preds]
    return [(numpy(value), numpy(slope)) for value, slope in found]


def slope_by_differences(
    function: Callable[[np.ndarray], float], x: np.ndarray, step: float, most: int | None = None
) -> tuple[list[Any], np.ndarray]:
    """Indices, all or so many of them, and the gradient of a function there by central differences."""
    every = list(np.ndindex(x.shape))
    chosen = every if most is None else every[:: max(-(-len(every) // most), 1)]
    found = []
    for index in chosen:
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        found.append((function(up) - function(down)) / (up[index] - down[index]))
    return chosen, np.array(found, "float64")


def in_float64(loss: Any, pair: Pair) -> tuple[Any, bool]:
    """The loss unreduced, in float64 where it can be that."""
    if type(loss).__module__.split(".")[0] == registry.PACKAGE and not classes_inside(loss):
        return reduced(with_dtype(loss, "float64"), None), True
    # Elsewhere `keras.ops.mean` and others make float32 of it half-way.
    known = keras.backend.backend() == "tensorflow"
    with contextlib.suppress(Exception):  # Some losses have no such operation.
        double = with_dtype(loss, "float64") if known else None
        if double is not None:
            double = reduced(double, None)
            value, _ = value_and_slope(double, (pair[0], pair[1].astype("float64")))
            values = numpy(double(pair[0], pair[1].astype("float64")))
            # Someone else's may compute in float32, and call it float64.
            if values.dtype == value.dtype == np.float64 and (values != values.astype("float32")).any():
                return double, True
    return reduced(loss, None), False


def classes_inside(loss: Any) -> list[type]:
    """The classes of the losses that a loss is made of."""
    inner = [term.loss for term in loss.terms] if isinstance(loss, LossSum) else []
    inner += [value for value in vars(loss).values() if isinstance(value, keras.losses.Loss)]
    return [cls for each in inner for cls in (type(each), *classes_inside(each))]


def as_json(value: Any) -> Any:
    """As JSON gives it back."""
    if isinstance(value, (list, tuple)):
        return [as_json(each) for each in value]
    return {name: as_json(each) for name, each in value.items()} if isinstance(value, dict) else value


def single(pair: Pair) -> Pair:
    return pair[0], pair[1].astype("float32")
