# SPDX-License-Identifier: Apache-2.0
"""The checks: each a sentence about a loss, and what raises `AssertionError` where it does not hold."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tfloss_ext import gradients, registry
from tfloss_ext.base import Loss
from tfloss_ext.compose import LossSum
from tfloss_ext.parameters import check as checked
from tfloss_ext.testing.process import goes_over_replicas
from tfloss_ext.testing.subject import (
    Oracle,
    Subject,
    alike,
    as_json,
    config_of,
    expect,
    finite,
    in_float64,
    numpy,
    parameters_of,
    reduced,
    single,
    skip,
    slope_by_differences,
    told,
    value_and_slope,
    values_and_slopes,
)
from tfloss_ext.testing.traits import BY_ELEMENT, Pair, Traits, edges

# How exact float64 is, and the slope that differences of it give.
_EXACT = {"rtol": 1e-9, "atol": 1e-12}
_EXACT_SLOPE = {"rtol": 1e-5, "atol": 1e-7}
# So many elements of the predictions are moved where the loss itself gives the slope, which takes its time.
_MOVED = 24

CHECKS: list[Callable[[Subject], None]] = []


def _check(function: Callable[[Subject], None]) -> Callable[[Subject], None]:
    CHECKS.append(function)
    return function


# Construction, names, configs


@_check
def _check_construction(subject: Subject) -> None:
    """Its config makes the loss again, and a reduction that does not exist raises `ValueError`."""
    loss = subject.loss
    again = type(loss).from_config(config_of(loss))
    expect(type(again) is type(loss), f"from_config to give a {type(loss).__name__}", type(again).__name__)
    expect(again.reduction == loss.reduction, f"the reduction {loss.reduction!r}", repr(again.reduction))
    if "reduction" in parameters_of(type(loss)):
        try:
            type(loss).from_config({**config_of(loss), "reduction": "nonsense"})
        except ValueError:
            return
        expect(False, "reduction='nonsense' to raise ValueError", "a loss")


@_check
def _check_names(subject: Subject) -> None:
    """It has a name, takes another one as `name=`, and hands it on with its config."""
    loss = subject.loss
    expect(isinstance(loss.name, str) and loss.name, "a name", repr(loss.name))
    named = type(loss).from_config({**config_of(loss), "name": "mine"})
    expect(named.name == "mine", "name='mine' to be the name", repr(named.name))
    expect(config_of(named).get("name") == "mine", "the name in get_config()", repr(config_of(named).get("name")))


@_check
def _check_config(subject: Subject) -> None:
    """`get_config` is plain JSON, holds every argument of the constructor but `dtype`, and makes the same loss."""
    config = config_of(subject.loss)
    plain = json.loads(json.dumps(config))
    expect(plain == as_json(config), "get_config() to be plain JSON", config)
    missing = [name for name in parameters_of(type(subject.loss)) if name not in (*config, "dtype")]
    expect(
        not missing, "get_config() to hold every argument of the constructor", f"none of {', '.join(sorted(missing))}"
    )
    again = type(subject.loss).from_config(plain)
    expect(as_json(config_of(again)) == plain, f"the config {plain} again", config_of(again))
    for pair in subject.pairs:
        received = numpy(reduced(again, None)(*pair))
        alike(received, subject.values(pair), "the values of the loss that its config makes", rtol=0)


@_check
def _check_parameters(subject: Subject) -> None:
    """Each parameter, changed, comes back from `get_config` and gives the loss and the values that it gave."""
    loss, cls = subject.loss, type(subject.loss)
    config = config_of(loss)
    for name in parameters_of(cls):
        if name in ("dtype", "name", "fn") or _is_object(config.get(name)):
            continue
        others = ["sum"] if name == "reduction" else _others(subject, name, config)
        changed = _first_that_is_taken(subject, name, others)
        if changed is None:
            how = f"traits=Traits(changes={{{name!r}: ...}})"
            raise AssertionError(
                f"Expected another value of {name}, which {how} gives. Received: none of {others} fits"
            )
        value, other = changed
        kept = json.loads(json.dumps(config_of(other)))
        expect(name in kept, f"get_config() to hold {name}={value!r}", "none")
        expect(kept[name] == as_json(value), f"get_config() to hold {name}={value!r}", repr(kept[name]))
        again = cls.from_config(kept)
        expect(as_json(config_of(again)) == kept, f"the config of {name}={value!r}", config_of(again))
        expected = _value_of(other, subject.pairs[0])
        if expected is not None:
            alike(numpy(again(*subject.pairs[0])), expected, f"the value of {name}={value!r}", rtol=0)


def _value_of(loss: Any, pair: Pair) -> np.ndarray | None:
    """What it gives, None where it asks for other inputs."""
    try:
        return numpy(loss(*pair))
    except Exception:  # Backends raise errors of their own.
        return None


def _is_object(value: Any) -> bool:
    """Whether it is what Keras makes an object of again, such as a loss inside a loss."""
    parts = value if isinstance(value, list) else [value]
    return any(isinstance(part, dict) for part in parts)


# A declared parameter takes the first of these that it allows.
_VALUES = (0.3, 0.7, 1.3, 1, 2, 30, True, False, [0.3, 0.7, 0.5])


def _others(subject: Subject, name: str, config: Mapping[str, Any]) -> list[Any]:
    """What a parameter may be instead of what it is."""
    if name in subject.traits.changes:
        return [subject.traits.changes[name]]
    value = config.get(name, parameters_of(type(subject.loss))[name].default)
    if value is inspect.Parameter.empty:
        value = getattr(subject.loss, name, None)
    found: list[Any] = []
    if isinstance(value, bool):
        found = [not value]
    elif isinstance(value, int):
        found = [value + 1, value + 2, value - 1]
    elif isinstance(value, float):
        found = [value / 2, value * 2, value + 0.25, 0.3, 1.3]
    elif isinstance(value, (list, tuple)):
        whole = all(isinstance(each, int) for each in value)
        found = [value[:-1]] if whole else [type(value)(0.5 * each + 0.1 for each in value if isinstance(each, float))]
    elif value is None:
        found = [1, 0.3, True]
    field = getattr(subject.loss, "_fields", {}).get(name)
    if field is not None:
        found += [*getattr(field.metadata["spec"], "options", ()), *_VALUES]
        found = [each for each in found if _allows(field, each) and as_json(each) != as_json(value)]
    return found


def _allows(field: Any, value: Any) -> bool:
    try:
        checked(field, value)
    except ValueError:
        return False
    return True


def _first_that_is_taken(subject: Subject, name: str, others: Sequence[Any]) -> tuple[Any, Any] | None:
    """The first of some values of a parameter that the loss takes, with the inputs if there is one, and that loss."""
    made = []
    for value in others:
        try:
            other = type(subject.loss).from_config({**config_of(subject.loss), name: value})
        except (TypeError, ValueError):
            continue
        if _value_of(other, subject.pairs[0]) is not None:
            return value, other
        made.append((value, other))
    return made[0] if made else None


@_check
def _check_dtype(subject: Subject) -> None:
    """Its `dtype` comes back from `get_config`."""
    if isinstance(subject.loss, LossSum):
        skip("a sum has the precisions of its terms")
    for dtype in ("float64", "mixed_float16"):
        loss = subject.with_dtype(dtype)
        again = type(loss).from_config(json.loads(json.dumps(config_of(loss))))
        expect(again.dtype == loss.dtype, f"dtype={dtype!r} to come back as {loss.dtype}", again.dtype)


@_check
def _check_copies(subject: Subject) -> None:
    """A deep copy, what is unpickled, and what Keras deserializes give the same values."""
    ways: dict[str, Callable[[Any], Any]] = {
        "keras.losses.deserialize": lambda loss: keras.losses.deserialize(
            json.loads(json.dumps(keras.losses.serialize(loss)))
        ),
        "copy.deepcopy": copy.deepcopy,
    }
    if _is_found_by_name(type(subject.loss)):  # Pickle finds no class that is made inside a function.
        ways["pickle"] = lambda loss: pickle.loads(pickle.dumps(loss))  # noqa: S301 - it was dumped here
    for name, copied in ways.items():
        try:
            again = copied(subject.loss)
        except Exception as error:
            expect(
                False,
                f"{name} to find {type(subject.loss).__name__}: give it a key, or @register_keras_serializable()",
                told(error),
            )
        expect(isinstance(again, type(subject.loss)), f"a {type(subject.loss).__name__} from {name}", repr(again))
        for pair in subject.pairs:
            alike(numpy(again(*pair)), numpy(subject.loss(*pair)), f"the value after {name}", rtol=1e-6, atol=1e-12)


def _is_found_by_name(cls: type) -> bool:
    return getattr(sys.modules.get(cls.__module__), cls.__qualname__, None) is cls


@_check
def _check_fresh_process(subject: Subject) -> None:
    """A process that imports the modules of the losses, and nothing else, reloads it and gives the same values."""
    answer = subject.process.answer(subject)
    if "skip" in answer:
        skip(answer["skip"])
    expect("error" not in answer, "a fresh process to reload it", answer.get("error"))
    expect(answer["config"] == as_json(config_of(subject.loss)), "the config in a fresh process", answer["config"])
    expected = subject.values(single(subject.pairs[0]))
    alike(np.array(answer["values"]), expected, "the values of a fresh process", rtol=1e-5, atol=1e-6)


# Shapes


@_check
def _check_values(subject: Subject) -> None:
    """Without a reduction there is a value for each sample or position, of shape `(B, ...)`, never a scalar."""
    for pair in subject.pairs:
        values = subject.values(pair)
        expect(values.ndim, "one value per sample or position, of shape (B, ...), from call", "a scalar")
        expect(len(values) == len(pair[1]), f"{len(pair[1])} values of as many samples", f"shape {values.shape}")


@_check
def _check_ranks(subject: Subject) -> None:
    """`(B,)` and `(B, 1)` are aligned: targets with predictions and the reverse, or ids of either shape."""
    y_true, y_pred = subject.pairs[0]
    if subject.traits.targets in BY_ELEMENT and y_pred.ndim == 2 and y_true.shape == y_pred.shape:
        if any(isinstance(value, list) for value in config_of(subject.loss).values()):
            skip("it has a number for each output")
        y, p = y_true[:, :1], y_pred[:, :1]
        ways = [(y[:, 0], p), (y, p[:, 0])]
    elif subject.traits.targets in ("ids", "identities", "ranks", "pairs") and y_true.ndim == 1:
        y, p, ways = y_true, y_pred, [(y_true[:, None], y_pred)]
    else:
        skip("its samples have more than one number, or no targets")
    expected = subject.values((y, p))
    for way in ways:
        shapes = f"the values of y_true.shape={way[0].shape}, y_pred.shape={way[1].shape}"
        alike(subject.values(way), expected, shapes, atol=1e-7)


@_check
def _check_mismatch(subject: Subject) -> None:
    """Targets of one sample against predictions of several raise; nothing broadcasts silently."""
    if subject.traits.targets == "none":
        skip("targets are not looked at")
    for y_true, y_pred in subject.several():
        value = _of_what_does_not_fit(subject, y_true[:1], y_pred)
        shapes = f"an error of y_true.shape={y_true[:1].shape} against y_pred.shape={y_pred.shape}"
        expect(value is None, shapes, f"a loss of {value}")


def _of_what_does_not_fit(subject: Subject, *inputs: Any) -> float | None:
    """The loss of inputs that do not fit, None where they raise."""
    try:
        return round(float(numpy(subject.loss(*inputs)).mean()), 4)
    except Exception:  # Backends raise errors of their own.
        return None


@_check
def _check_batch_of_one(subject: Subject) -> None:
    """A batch of one sample gives a finite value and gradient."""
    for pair in subject.pairs:
        value, slope = value_and_slope(subject.loss, subject.of(single(pair), slice(1)))
        finite(value, "the loss of one sample")
        finite(slope, "the gradient of one sample")


@_check
def _check_empty_batch(subject: Subject) -> None:
    """A batch without a sample costs nothing."""
    for pair in subject.pairs:
        y_true, y_pred = subject.of(single(pair), slice(0))
        value, slope = value_and_slope(subject.loss, (y_true, y_pred))
        expect(value == 0, "the loss of no sample to be 0", value)
        expect(slope.shape == y_pred.shape, f"a gradient of shape {y_pred.shape}", slope.shape)


# Reductions, weights, masks


@_check
def _check_reductions(subject: Subject) -> None:
    """Each reduction is the sum or the mean of the values, `"mean_with_sample_weight"` too."""
    for pair in subject.pairs:
        values = subject.values(pair)
        mean = values.sum() / max(_count(subject, pair, values), 1)
        for reduction, expected in (
            ("sum", values.sum()),
            ("sum_over_batch_size", mean),
            ("mean", mean),
            ("mean_with_sample_weight", mean),
            ("none", values),
        ):
            received = numpy(reduced(subject.loss, reduction)(*pair))
            rtol = 0.0 if reduction == "none" else 1e-5
            alike(received, expected, f"what {reduction!r} makes of the values", rtol=rtol)


def _count(subject: Subject, pair: Pair, values: np.ndarray) -> int:
    """How many values the mean is over: those whose target says something."""
    loss = subject.loss
    # What couples samples, or sums positions up, has values whose mean over all is the loss of those that are known.
    if not isinstance(loss, Loss) or subject.traits.couples or subject.traits.sums:
        return values.size
    y_pred = ops.convert_to_tensor(pair[1], dtype="float32")
    known = loss.known(*loss.align(loss.read_targets(pair[0]), y_pred))
    return values.size if known is None else int(numpy(known).sum())


@_check
def _check_sample_weight(subject: Subject) -> None:
    """`sample_weight` of shape `(B,)` multiplies the values of the samples, whatever the rank of the values."""
    if subject.traits.couples and subject.traits.sums and isinstance(subject.loss, Loss):
        skip("a weight is the share of the sample in the sums")
    for pair in subject.pairs:
        values = subject.values(pair)
        expect(values.ndim, "values of samples to be weighed, of shape (B, ...), from call", "a scalar")
        weight = np.linspace(0.5, 2.0, len(pair[1])).astype("float32")
        expected = values * weight.reshape(-1, *[1] * (values.ndim - 1))
        for given in (weight, weight[:, None]):
            what = f"sample_weight {given.shape} to weigh the samples of values {values.shape}"
            try:
                received = subject.values(pair, given)
            except Exception as error:  # Backends raise errors of their own.
                expect(False, what, told(error))
            if not isinstance(subject.loss, Loss) and received.size == expected.size:
                received = received.reshape(expected.shape)  # Keras gives (B, 1), with the right numbers.
            alike(received, expected, what)
        alike(subject.values(pair, 3.0), values * 3.0, "a number as the weight to multiply all values")
        constant = np.full_like(weight, 3.0)
        weighted = numpy(reduced(subject.loss, "mean_with_sample_weight")(*pair, constant))
        mean = numpy(reduced(subject.loss, "sum_over_batch_size")(*pair))
        expect(weighted.shape == (), "'mean_with_sample_weight' to give a scalar", f"shape {weighted.shape}")
        expect(np.isclose(weighted, mean, rtol=1e-5), "equal weights to leave the weighted mean", weighted)


@_check
def _check_weight_shape(subject: Subject) -> None:
    """Weights of more samples than there are raise."""
    for y_true, y_pred in subject.several():
        weight = np.ones(len(y_pred) + 1, "float32")
        value = _of_what_does_not_fit(subject, y_true, y_pred, weight)
        expect(value is None, f"an error of sample_weight.shape={weight.shape}", f"a loss of {value}")


@_check
def _check_zero_weight(subject: Subject) -> None:
    """A sample of weight 0 is as good as cut out, for the value and for the gradient."""
    for pair in subject.several():
        _is_cut_out(subject, pair, single(pair), "eager")


@_check
def _check_nan_at_zero_weight(subject: Subject) -> None:
    """A NaN in a sample of weight 0 reaches neither the value nor the gradient."""
    for pair in subject.several():
        for mode in subject.distinct_modes if pair is subject.pairs[0] else ("eager",):
            _is_cut_out(subject, pair, subject.spoilt(pair, _dropped(pair)), mode)


def _spread(samples: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What is of samples, for each of their values."""
    axes = (-1, *[1] * (len(shape) - 1))
    return np.ascontiguousarray(np.broadcast_to(samples.reshape(axes), shape)) if len(shape) > 1 else samples


def _dropped(pair: Pair) -> np.ndarray:
    dropped = np.zeros(len(pair[1]), bool)
    dropped[:: max(len(dropped) - 1, 2)] = True
    return dropped


def _is_cut_out(subject: Subject, pair: Pair, weighted: Pair, mode: str) -> None:
    dropped, loss = _dropped(pair), reduced(subject.loss, "sum")
    weight = (~dropped).astype("float32")
    if not isinstance(subject.loss, Loss):
        weight = _spread(weight, subject.values(pair).shape)  # How weights are aligned has a check of its own.
    value, slope = value_and_slope(loss, weighted, weight, mode)
    expected, left = value_and_slope(loss, single(subject.of(pair, ~dropped)), mode=mode)
    # A coupled loss is "sum" = B times the mean over what is left to compare.
    scale = len(dropped) / (~dropped).sum() if subject.traits.couples else 1.0
    alike(value, expected * scale, "the loss of the samples that count", atol=1e-6)
    alike(subject.predictions_of(slope, ~dropped), left * scale, "the gradient of those", rtol=1e-4, atol=1e-6)
    found = slope[dropped]
    expect(not found.any(), "no gradient of a sample of weight 0", found.ravel()[0] if found.size else "")


@_check
def _check_mask(subject: Subject) -> None:
    """A sample that the Keras mask of the predictions hides is as good as cut out."""
    for pair in subject.several():
        _is_hidden(subject, pair, single(pair))


@_check
def _check_nan_under_mask(subject: Subject) -> None:
    """A NaN in a sample that the Keras mask hides reaches neither the value nor the gradient."""
    for pair in subject.several():
        _is_hidden(subject, pair, (pair[0], subject.spoilt(pair, 1)[1]))


def _is_hidden(subject: Subject, pair: Pair, masked: Pair) -> None:
    kept = np.ones(len(pair[1]), bool)
    kept[1] = False
    values = subject.values(pair).shape
    masks = [kept]
    if len(values) > 1:
        # As layers make them, of samples and steps; losses of this package take those of samples as well.
        whole = _spread(kept, values)
        masks = [whole, kept] if isinstance(subject.loss, Loss) else [whole]
    loss = subject.loss
    expected, left = value_and_slope(loss, single(subject.of(pair, kept)))
    for mask in masks:

        def hidden(y_true: Any, y_pred: Any, weight: Any, mask: np.ndarray = mask) -> Any:
            registry.set_attribute(y_pred, "_keras_mask", ops.convert_to_tensor(mask))
            return loss(y_true, y_pred, weight)

        value, slope = value_and_slope(hidden, masked)
        alike(value, expected, "the loss of the samples that the mask keeps", atol=1e-6)
        if loss.reduction not in (None, "none"):
            alike(subject.predictions_of(slope, kept), left, "the gradient of those", rtol=1e-4, atol=1e-6)
        expect(not slope[~kept].any(), "no gradient of a sample that the mask hides", slope[~kept].ravel()[0])


# Precision


@_check
def _check_extremes(subject: Subject) -> None:
    """Value and gradient are finite at the edges of what it takes."""
    if not subject.traits.extremes:
        skip("it is declared as not defined there")
    for y_true, y_pred in subject.pairs:
        y_preds = [edge.astype("float32") for edge in edges(subject.loss, subject.traits, (y_true, y_pred))]
        for mode in subject.distinct_modes if y_pred is subject.pairs[0][1] else ("eager",):
            for edge, (value, slope) in zip(
                y_preds, values_and_slopes(subject.loss, y_true, y_preds, mode=mode), strict=True
            ):
                shown = f"predictions such as {np.array2string(edge.ravel()[:3], separator=', ')}"
                finite(value, f"the loss of {shown} in mode {mode!r}")
                finite(slope, f"the gradient at {shown} in mode {mode!r}")


@_check
def _check_half_inputs(subject: Subject) -> None:
    """Predictions in float16 or bfloat16 give what the same numbers in float32 give."""
    for y_true, y_pred in subject.pairs:
        for dtype in ("float16", "bfloat16"):
            half = ops.cast(ops.convert_to_tensor(y_pred.astype("float32")), dtype)
            expected = subject.values((y_true, numpy(ops.cast(half, "float32"))))
            received = numpy(ops.cast(reduced(subject.loss, None)(y_true, half), "float32"))
            alike(received, expected, f"the values of the same numbers in float32 as of {dtype}", atol=1e-6)


@_check
def _check_float16(subject: Subject) -> None:
    """With `dtype="float16"` the values are those of float32 but for rounding, and overflow nowhere."""
    _is_near_float32(subject, "float16", rtol=1e-2)


@_check
def _check_bfloat16(subject: Subject) -> None:
    """With `dtype="bfloat16"` the values are those of float32 but for rounding, and overflow nowhere."""
    _is_near_float32(subject, "bfloat16", rtol=6e-2)


def _is_near_float32(subject: Subject, dtype: str, rtol: float) -> None:
    loss = reduced(subject.with_dtype(dtype), None)
    full = reduced(subject.with_dtype("float32"), None)
    for y_true, y_pred in subject.pairs:
        # The same numbers for both.
        y_pred = numpy(ops.cast(ops.cast(ops.convert_to_tensor(y_pred.astype("float32")), dtype), "float32"))
        expected = numpy(full(y_true, y_pred))
        received = numpy(ops.cast(loss(y_true, y_pred), "float32"))
        scale = float(np.abs(expected).max(initial=0))
        alike(received, expected, f"the values of float32 with dtype={dtype!r}", rtol=rtol, atol=rtol * scale)
        for edge in edges(subject.loss, subject.traits, (y_true, y_pred)) if subject.traits.extremes else ():
            edge = edge.astype("float32")
            if np.isfinite(numpy(full(y_true, edge))).all():
                shown = np.array2string(edge.ravel()[:3], separator=", ")
                values = numpy(ops.cast(loss(y_true, edge), "float32"))
                finite(values, f"the values of predictions such as {shown} with dtype={dtype!r}")


# Gradients


@_check
def _check_gradient(subject: Subject) -> None:
    """Its gradient is the slope that differences of its value give."""
    if subject.traits.holds:
        skip("a factor of it carries no gradient, as it is declared")
    with gradients.float64():
        for pair in subject.pairs[:1]:
            loss, exact = in_float64(subject.loss, pair)
            y_true, y_pred = pair[0], pair[1].astype("float64" if exact else "float32")
            factors = np.linspace(0.5, 2.0, len(y_pred))  # Equal ones would not tell samples that are mixed up.
            _, slope = value_and_slope(loss, (y_true, y_pred), factors=factors)

            def total(x: np.ndarray, loss: Any = loss, y_true: Any = y_true, factors: np.ndarray = factors) -> float:
                values = numpy(loss(y_true, x)).astype("float64")
                factor = factors.reshape(-1, *[1] * (values.ndim - 1)) if values.ndim else 1.0
                return float((factor * values).sum())

            where, expected = slope_by_differences(total, y_pred, 1e-6 if exact else 1e-2, _MOVED)
            received = np.array([slope[index] for index in where])
            close = _EXACT_SLOPE if exact else {"rtol": 5e-2, "atol": 1e-2 * float(np.abs(expected).max(initial=0))}
            alike(received, expected, "the gradient to be the slope of the value", **close)


@_check
def _check_gradient_when_wrong(subject: Subject) -> None:
    """Where a logit is far on the wrong side, the gradient still leads back."""
    if subject.traits.predictions != "logits":
        skip("it takes no logits")
    if subject.traits.saturates:
        skip("its formula saturates, as it is declared")
    for y_true, y_pred in subject.pairs:
        hot = _hot(subject.traits, y_true, y_pred.shape)
        if hot is None:
            skip("the targets of its inputs are not all hard")
        alone = subject.traits.targets in ("binary", "ranks") or y_pred.shape[-1] == 1
        wrong = np.where(hot, -30.0, 30.0).astype("float32")
        results = values_and_slopes(reduced(subject.loss, "sum"), y_true, [wrong, np.zeros_like(wrong)])
        # Of decisions each on its own all count, else the logit of the class that is right.
        counts = np.ones_like(hot) if alone else hot
        far, near = (np.where(hot, -slope, slope)[counts] for _, slope in results)
        expect((far > 1e-3 * np.abs(near)).all(), "a gradient that leads back from logits of 30", f"{far.min():.3g}")


def _hot(traits: Traits, y_true: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """Where the targets say yes, in the shape of the predictions; None where they are not hard."""
    if traits.targets == "ranks":
        return np.asarray(y_true.reshape(*shape[:-1], 1) > np.arange(shape[-1]))
    if y_true.size == np.prod(shape):
        y_true = y_true.reshape(shape)
        return y_true == 1 if np.isin(y_true, (0, 1)).all() else None
    ids = y_true.reshape(shape[:-1])
    inside = np.isin(ids, np.arange(shape[-1])).all()
    return ids[..., None] == np.arange(shape[-1]) if inside else None


# Ways of running


@_check
def _check_modes(subject: Subject) -> None:
    """A graph and what XLA compiles, for batches of any size, give the loss that eager execution gives."""
    for pair in subject.pairs:
        pair = single(pair)
        value = numpy(subject.loss(*pair))
        for mode in _other_modes(subject):
            received = numpy(gradients.compiled(subject.loss, pair, mode)(*pair))
            alike(received, value, f"the eager loss in mode {mode!r}", atol=1e-6)


@_check
def _check_gradient_modes(subject: Subject) -> None:
    """A graph and what XLA compiles give the gradient of eager execution too."""
    for pair in subject.pairs:
        pair = single(pair)
        _, slope = value_and_slope(subject.loss, pair)
        close = 1e-6 * max(1.0, float(np.abs(slope).max(initial=0)))
        for mode in _other_modes(subject):
            _, received = value_and_slope(subject.loss, pair, mode=mode)
            alike(received, slope, f"the eager gradient in mode {mode!r}", rtol=1e-4, atol=close)


def _other_modes(subject: Subject) -> list[str]:
    modes = [mode for mode in subject.modes if mode != "eager"]
    if not modes:
        skip(f"{keras.backend.backend()} runs eagerly here")
    return modes


@_check
def _check_permutation(subject: Subject) -> None:
    """The samples of a batch may come in any order."""
    for pair in subject.several():
        order = np.random.default_rng(3).permutation(len(pair[1]))
        values = subject.values(pair)
        expected = values[order] if values.ndim else values
        received = subject.values(subject.of(pair, order))
        alike(received, expected, "the values of the same samples in another order", atol=1e-6)


@_check
def _check_coupling(subject: Subject) -> None:
    """A loss that is not declared to couple samples gives each the value that it has alone."""
    if subject.traits.couples:
        skip("it couples samples, as it is declared")
    for pair in subject.several():
        values = subject.values(pair)
        expect(values.ndim, "one value per sample or position, of shape (B, ...), from call", "a scalar")
        alone = [subject.values(subject.of(pair, slice(i, i + 1))) for i in range(len(pair[1]))]
        alike(np.concatenate(alone), values, "each sample to have its own value, alone or in a batch", atol=1e-6)


@_check
def _check_replicas(subject: Subject) -> None:
    """Two replicas, each with half of the batch, take the step that one takes with all of it."""
    if keras.backend.backend() != "tensorflow":
        skip(f"on {keras.backend.backend()} a loss sees the whole batch")
    if not goes_over_replicas(subject):
        skip("what it compares is not gathered from other replicas, or the inputs are an odd number")
    answer = subject.process.answer(subject)
    if "skip" in answer:
        skip(answer["skip"])
    expect("error" not in answer, "a fresh process to reload it", answer.get("error"))
    expect("replicas" in answer, "two replicas to run it", answer.get("replicas_error"))
    _, slope = value_and_slope(reduced(subject.loss, "sum_over_batch_size"), single(subject.pairs[0]))
    received = np.array(answer["replicas"])
    atol = 1e-6 * max(1.0, float(np.abs(slope).max(initial=0)))
    alike(received, slope, "the gradient of one device on two replicas", rtol=1e-4, atol=atol)


@_check
def _check_oracle(subject: Subject) -> None:
    """Its values are those of the reference."""
    oracle = _oracle(subject)
    for y_true, y_pred in subject.pairs:
        with gradients.float64():
            loss, exact = in_float64(subject.loss, (y_true, y_pred))
            if exact:
                values = numpy(loss(y_true, y_pred))
                alike(values, oracle(y_true, y_pred), "the values of the reference in float64", **_EXACT)
        single = y_pred.astype("float32")
        values = subject.values((y_true, single))
        expect(values.dtype == np.float32 or not _is_single(subject.loss), "values in float32", values.dtype)
        alike(values, oracle(y_true, single), "the values of the reference", rtol=2e-5, atol=1e-6)


def _is_single(loss: Any) -> bool:
    return str(getattr(loss, "dtype", "")) == "float32"


@_check
def _check_oracle_gradient(subject: Subject) -> None:
    """Its gradient is the slope of the reference."""
    oracle = _oracle(subject)
    for y_true, y_pred in subject.pairs:
        factors = np.linspace(0.5, 2.0, len(y_pred))  # Equal ones would not tell samples that are mixed up.

        def total(x: np.ndarray, y_true: Any = y_true, factors: np.ndarray = factors) -> float:
            values = np.asarray(oracle(y_true, x))
            return float((factors.reshape(-1, *[1] * (values.ndim - 1)) * values).sum())

        where, expected = slope_by_differences(total, y_pred.astype("float64"), 1e-6)
        for mode in subject.modes:
            with gradients.float64():
                loss, exact = in_float64(subject.loss, (y_true, y_pred))
                given = y_pred.astype("float64" if exact else "float32")
                value, slope = value_and_slope(loss, (y_true, given), mode=mode, factors=factors)
            close = _EXACT if exact else {"rtol": 2e-5, "atol": 1e-6}
            alike(
                value, total(y_pred.astype("float64")), f"the weighted sum of the reference in mode {mode!r}", **close
            )
            close = _EXACT_SLOPE if exact else {"rtol": 1e-3, "atol": 1e-5}
            received = np.array([slope[index] for index in where])
            alike(received, expected, f"the gradient in mode {mode!r} to be the slope of the reference", **close)


def _oracle(subject: Subject) -> Oracle:
    if subject.oracle is None:
        skip("no reference is given")
    return subject.oracle
