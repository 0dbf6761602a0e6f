# SPDX-License-Identifier: Apache-2.0
"""Stable primitives: logarithms and roots that stay finite."""

from __future__ import annotations

import functools
import math
from typing import Any

import keras
from keras import ops

from tfloss_ext.gradients import fused, with_gradient

EPSILON = 1e-7  # Probabilities are clipped to [EPSILON, 1 - EPSILON] where a logarithm needs it.
# As many numbers are added one after the other at most: a float32 cannot hold the sum of ten million.
RUN = 1024


# Farther apart than any two logits, and small enough to be multiplied and added up: what lies beyond, as infinite ones
# do, is certain, and a class at the lower end is ruled out.
CERTAIN = 1e25

# Keras makes float32 of float64 on PyTorch in `maximum`, `minimum` and powers by a number, on JAX in `tanh`, on both in
# `mean` and `arctan2`. These here keep what they are given.


def larger(x: Any, y: Any) -> Any:
    """The larger of two tensors of one type, NaN where x is; equal ones share the gradient as the backend likes."""
    return ops.where(x < y, y, x) if _is_cut(x) else ops.maximum(x, y)


def smaller(x: Any, y: Any) -> Any:
    """The smaller of two tensors of one type, NaN where x is."""
    return ops.where(y < x, y, x) if _is_cut(x) else ops.minimum(x, y)


def _is_cut(x: Any) -> bool:
    return keras.backend.backend() == "torch" and bool(keras.backend.standardize_dtype(x.dtype) == "float64")


def at_least(x: Any, bound: float) -> Any:
    """The larger of a tensor and a number."""
    if keras.backend.backend() == "torch":
        return x.clamp(min=bound)  # In a tenth of the time that Keras takes for small arrays.
    return larger(x, ops.convert_to_tensor(bound, dtype=x.dtype))


def at_most(x: Any, bound: float) -> Any:
    """The smaller of a tensor and a number."""
    if keras.backend.backend() == "torch":
        return x.clamp(max=bound)
    return smaller(x, ops.convert_to_tensor(bound, dtype=x.dtype))


def clipped(x: Any, low: float, high: float) -> Any:
    """A tensor with what is beyond two numbers replaced by them."""
    return x.clamp(low, high) if keras.backend.backend() == "torch" else ops.clip(x, low, high)


def is_fixed_at(value: Any, *numbers: float) -> bool:
    """Whether a hyper-parameter is one of these numbers. One that moves is a tensor, of which that is not known."""
    return isinstance(value, (int, float)) and value in numbers


def away_from_zero(value: Any, distance: float) -> Any:
    """A hyper-parameter, of which a number is as it is, and one that moves at least so far from 0."""
    if isinstance(value, (int, float)):
        return value
    return ops.where(ops.abs(value) < distance, ops.convert_to_tensor(distance, dtype=value.dtype), value)


def raised(base: Any, exponent: Any) -> Any:
    """base**exponent for a base > 0."""
    return ops.power(base, ops.convert_to_tensor(exponent, dtype=base.dtype))


def mean(x: Any, axis: int = -1) -> Any:
    """The mean over an axis."""
    count = ops.shape(x)[axis]
    if isinstance(count, int):
        return ops.squeeze(x, axis) if count == 1 else ops.sum(x, axis=axis) * (1.0 / count)
    return ops.sum(x, axis=axis) / ops.cast(count, x.dtype)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    if keras.backend.backend() != "jax":
        return ops.tanh(x)
    decay = ops.expm1(-2.0 * ops.abs(x))
    return ops.sign(x) * (-decay / (2.0 + decay))


def log_cosh(x: Any) -> Any:
    """The logarithm of the hyperbolic cosine, without its gradient, which is `tanh`."""
    size = ops.abs(x)
    if fused() and x.dtype == "float32":
        # There expm1 and log1p take several times as long as a polynomial, exp and log together.
        far = size + ops.log(0.5 + 0.5 * ops.exp(-2.0 * size))
        return ops.where(size < 0.75, _log_cosh_near_0(ops.square(x)), far)
    near, _, above = _near_rise_above(size)
    return ops.log1p(above) + (size - near)


def log_cosh_and_tanh(x: Any) -> tuple[Any, Any]:
    """Both from one exponential."""
    size = ops.abs(x)
    near, rise, above = _near_rise_above(size)
    return ops.log1p(above) + (size - near), ops.sign(x) * ((rise - above) / (above + 1.0))


def _near_rise_above(size: Any) -> tuple[Any, Any, Any]:
    """x >= 0 up to 20, beyond which log cosh is a straight line, expm1(x), and cosh x - 1, without a difference."""
    near = at_most(size, 20.0)
    rise = ops.expm1(near)
    return near, rise, rise * rise / (2.0 * rise + 2.0)


def _log_cosh_near_0(square: Any) -> Any:
    """log cosh x from x**2 up to 0.75**2: a Chebyshev polynomial, 1e-7 off at most."""
    coefficients = (0.001407175034, -0.006398225939, 0.022155388408, -0.083328727767, 0.499999948387)
    return square * functools.reduce(lambda value, coefficient: value * square + coefficient, coefficients)


def arctan2(y: Any, x: Any) -> Any:
    """The angle of (x, y), both >= 0; 0 where both are 0."""
    if keras.backend.backend() == "tensorflow":
        return ops.arctan2(y, x)
    unit = larger(x, y)
    y, x = ratio(y, unit), ratio(x, unit)
    # The tangent of half the angle, then of a sixteenth of it, for which eight terms of the series are enough.
    tangent = ratio(y, ops.sqrt(ops.square(x) + ops.square(y)) + x)
    for _ in range(3):
        tangent = tangent / (1.0 + ops.sqrt(1.0 + ops.square(tangent)))
    square = ops.square(tangent)
    series = 0.0
    for power in range(17, 0, -2):
        series = 1.0 / power - square * series
    return 16.0 * tangent * series


def certain(z: Any) -> Any:
    """Logits with what is infinite made finite."""
    # A slope of 0 where it is clipped would be a mask to compute and to keep; what is certain has none anyway.
    return with_gradient(lambda z: clipped(z, -CERTAIN, CERTAIN), lambda upstream, z: upstream)(z)


def hypot(x: Any, constant: Any) -> Any:
    """sqrt(x**2 + constant**2) for a constant > 0, also where x**2 is no longer finite."""
    # abs(x) + constant is never less, and is right where a square is too large or too small for a float32. No constant
    # may become 0 there: derivatives are quotients by the result.
    lowest = max if isinstance(constant, (int, float)) else at_least
    constant = lowest(constant, 1e-37)
    return smaller(ops.sqrt(ops.square(x) + lowest(constant * constant, 1e-37)), ops.abs(x) + constant)


def maximum(x: Any, y: Any) -> Any:
    """The larger of two tensors of one shape; where they are equal, each gets half of the gradient."""

    # The backends differ about that, and only halves give a perfect prediction the gradient 0.
    def backward(upstream: Any, x: Any, y: Any) -> tuple[Any, Any]:
        share = 0.5 * ops.sign(x - y)
        return upstream * (0.5 + share), upstream * (0.5 - share)

    return with_gradient(larger, backward)(x, y)


def minimum(x: Any, y: Any) -> Any:
    """The smaller of two tensors of one shape; where they are equal, each gets half of the gradient."""
    return -maximum(-x, -y)


def ratio(numerator: Any, denominator: Any) -> Any:
    """numerator / denominator, and 0 where the denominator is 0."""
    # Not `ops.divide_no_nan`, which makes float32 of float64 on PyTorch.
    empty = ops.equal(denominator, 0)
    return ops.where(empty, 0.0, numerator / ops.where(empty, 1.0, denominator))


def norm(vectors: Any) -> Any:
    """The Euclidean norm over the last axis, whose gradient at the zero vector is 0."""

    def forward(x: Any) -> Any:
        # Scaled by the largest entry: squares neither overflow nor vanish.
        largest = ops.max(ops.abs(x), axis=-1, keepdims=True)
        scaled = ratio(x, largest)
        return ops.squeeze(largest, -1) * ops.sqrt(ops.sum(ops.square(scaled), axis=-1))

    def backward(upstream: Any, x: Any) -> Any:
        return ops.expand_dims(upstream, -1) * ratio(x, ops.expand_dims(norm(x), -1))

    return with_gradient(forward, backward)(vectors)


def normalize(vectors: Any) -> Any:
    """Vectors of length 1 over the last axis; a zero vector stays one and gets no gradient."""
    return ratio(vectors, ops.expand_dims(norm(vectors), -1))


def power(base: Any, exponent: Any) -> Any:
    """base**exponent for a base >= 0; at 0 it and its gradient are 0."""
    positive = base > 0
    return ops.where(positive, raised(ops.where(positive, base, 1.0), exponent), 0.0)


def root(x: Any) -> Any:
    """The square root of x >= 0; at 0 its gradient is 0."""
    positive = x > 0
    return ops.where(positive, ops.sqrt(ops.where(positive, x, 1.0)), 0.0)


def log(p: Any) -> Any:
    """The logarithm of a probability, clipped from below at EPSILON but for its slope, which pulls from there too."""
    return with_gradient(
        lambda p: ops.log(at_least(p, EPSILON)),
        lambda upstream, p: upstream / at_least(p, EPSILON),
    )(p)


def softplus(x: Any) -> Any:
    """log(1 + exp(x)); that of TensorFlow takes five times as long."""

    def value(x: Any) -> Any:
        if keras.backend.backend() == "torch":
            return -ops.log_sigmoid(-x)
        p = ops.sigmoid(x)
        return ops.relu(x) + softly(larger(p, 1.0 - p), smaller(p, 1.0 - p))

    return with_gradient(value, lambda upstream, x: upstream * ops.sigmoid(x))(x)


def softly(large: Any, small: Any) -> Any:
    """log(1 + exp(-abs(z))) from the probabilities of abs(z) and of -abs(z)."""
    # -log of the larger one, and what its rounding took off it. log1p is the slowest pointwise kernel of XLA.
    return (small - (1.0 - large)) - ops.log(large)


def logit(p: Any) -> Any:
    """log(p / (1 - p)) of a probability clipped to [EPSILON, 1 - EPSILON]."""
    return ops.log(at_least(p, EPSILON)) - ops.log(at_least(1.0 - p, EPSILON))


def logsumexp(z: Any, mask: Any) -> tuple[Any, Any]:
    """log sum exp(z) over the last axis, of what a mask names: the largest z, and what the logarithm is above it.

    Of nothing -CERTAIN and something finite, without gradient.
    """
    z = ops.where(mask, z, -CERTAIN)
    largest = ops.stop_gradient(ops.max(z, axis=-1, keepdims=True))
    return ops.squeeze(largest, -1), ops.log(ops.sum(ops.exp(z - largest), axis=-1))


def reinterpreted(tensor: Any, dtype: str) -> Any:
    """Its bits, taken for numbers of another type of that size."""
    # Keras cannot view a last axis of unknown size.
    return ops.reshape(ops.view(ops.reshape(tensor, (-1, 1)), dtype), ops.shape(tensor))


def segment_sum(values: Any, places: Any, count: Any) -> Any:
    """Of so many places the sum of the values, `(N, ...)`, that belong there."""
    if keras.backend.backend() == "torch":
        # Keras adds up in float32 there, and scatters one by one in Python.
        return values.new_zeros((count, *values.shape[1:])).index_add(0, places.long(), values)
    return ops.segment_sum(values, places, count)


def flat_index(index: Any, width: Any) -> Any:
    """Where [row, index[row, j]] is in a matrix `(b, width)` that is laid out flat."""
    starts = ops.expand_dims(ops.arange(ops.shape(index)[0], dtype="int32"), 1) * width
    return ops.cast(index, "int32") + starts


def sums_at(values: Any, index: Any, width: Any) -> Any:
    """A matrix `(b, width)` of each value added up at [row, index[row, j]]."""
    # A scatter takes four times as long on TensorFlow.
    b, places = ops.shape(values)[0], ops.reshape(flat_index(index, width), (-1,))
    return ops.reshape(segment_sum(ops.reshape(values, (-1,)), places, b * width), (b, width))


def least_at(values: Any, index: Any, width: Any) -> Any:
    """A matrix `(b, width)` of the least of the values at [row, index[row, j]], inf where there is none."""
    b, places = ops.shape(values)[0], ops.reshape(flat_index(index, width), (-1,))
    values = ops.reshape(values, (-1,))
    if keras.backend.backend() == "torch":
        least = values.new_full((b * width,), math.inf).scatter_reduce(0, places.long(), values, "amin")
    else:
        least = -ops.segment_max(-values, places, b * width)
        least = ops.where(least < 3e38, least, math.inf)  # TensorFlow has the largest float there.
    return ops.reshape(least, (b, width))


def searchsorted(ascending: Any, values: Any) -> Any:
    """How many of the numbers `(b, k)` in each row are less than each of the values `(b, n)` there."""
    return ops.vectorized_map(lambda row: ops.searchsorted(*row), (ascending, values))


def long_sum(x: Any) -> Any:
    """The sum over the second axis, which may be long.

    XLA as TensorFlow has it adds up one after the other on CPUs, a number at a time. Here it adds up slices, which are
    vectors to it, of four at a time it needs no copy, and the result has the precision of a sum in pairs.
    """

    def forward(x: Any) -> Any:
        levels = 5 if x.shape[1] is None else math.ceil(math.log(max(x.shape[1] / RUN, 1.0), 4))
        for _ in range(levels):
            x = _folded(x)
        return ops.sum(x, axis=1)

    def backward(upstream: Any, x: Any) -> Any:
        return ops.broadcast_to(ops.expand_dims(upstream, 1), ops.shape(x))

    if keras.backend.backend() != "tensorflow" or not fused():
        return ops.sum(x, axis=1)
    return with_gradient(forward, backward)(x)


def total_of_all(x: Any) -> Any:
    """The sum of all there is."""
    if keras.backend.backend() != "tensorflow" or not fused():
        return ops.sum(x)

    def forward(x: Any) -> Any:
        return ops.squeeze(long_sum(_sums_of_runs(ops.reshape(x, (1, -1)))), 0)

    return with_gradient(forward, lambda upstream, x: ops.broadcast_to(upstream, ops.shape(x)))(x)


def _sums_of_runs(x: Any) -> Any:
    """The sums of runs of `(1, N)`, for what is not cheap to compute and so becomes an array by itself."""
    length = ops.shape(x)[1]
    # Runs that leave nothing over, if there are such: what is needed twice is not fused. XLA takes them by 32.
    runs = (*range(RUN, 127, -32), *range(RUN, 127, -1))
    fitting = [run for run in runs if x.shape[1] is not None and length % run == 0]
    run = fitting[0] if fitting else RUN
    count = length // run
    sums = ops.sum(ops.reshape(x[:, : count * run], (1, count, run)), axis=2)
    # The bound, which no sum reaches, keeps the sums of runs apart from their own.
    sums = at_least(sums, -3e38)
    return sums if fitting else ops.concatenate([sums, ops.sum(x[:, count * run :], axis=1, keepdims=True)], axis=1)


def _folded(x: Any) -> Any:
    """The sum of four slices of the second axis, and what is left over."""
    length = ops.shape(x)[1]
    size = length // 4
    first, second, third, fourth = (x[:, k * size : (k + 1) * size] for k in range(4))
    total = (first + second) + (third + fourth)
    return total if 4 * size == x.shape[1] else ops.concatenate([total, x[:, 4 * size :]], axis=1)
