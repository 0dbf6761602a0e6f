# SPDX-License-Identifier: Apache-2.0
"""Values and gradients as NumPy arrays, the same on every backend."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest

BACKEND = keras.backend.backend()

# How a loss is run: as Python calls it, as a graph whose batch size is unknown, and compiled.
MODES = {"tensorflow": ["eager", "graph", "xla"], "jax": ["eager", "xla"], "torch": ["eager"]}[BACKEND]

# Kernel by kernel each time, compiled among the slow tests.
SLOWLY_COMPILED = [MODES[0], *(pytest.param(mode, marks=pytest.mark.slow) for mode in MODES[1:])]

# How exact float64 is.
EXACT = {"rtol": 1e-9, "atol": 1e-12}
EXACT_SLOPE = {"rtol": 1e-5, "atol": 1e-7}


@contextlib.contextmanager
def float64() -> Iterator[None]:
    """Lets JAX compute in float64, which it otherwise does not."""
    if BACKEND != "jax":
        yield
        return
    import jax

    # As a context it is in no place that all versions of JAX agree on.
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)


def to_numpy(tensor: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def value_and_gradient(
    loss: Callable[..., Any], y_true: Any, y_pred: Any, sample_weight: Any = None, mode: str = "eager"
) -> tuple[np.ndarray, np.ndarray]:
    """The sum of what `loss` returns, and its gradient with respect to `y_pred`."""
    return values_and_gradients(loss, y_true, [np.asarray(y_pred)], sample_weight, mode)[0]


def values_and_gradients(
    loss: Callable[..., Any], y_true: Any, y_preds: list[np.ndarray], sample_weight: Any = None, mode: str = "eager"
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The same for several predictions of one shape, compiled once."""

    def total(prediction: Any) -> Any:
        return keras.ops.sum(loss(y_true, prediction, sample_weight))

    run = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[BACKEND](total, y_preds[0], mode)
    return [tuple(to_numpy(tensor) for tensor in run(y_pred)) for y_pred in y_preds]


def _jax(total: Callable[[Any], Any], like: np.ndarray, mode: str) -> Callable[[np.ndarray], Any]:
    import jax

    run = jax.value_and_grad(total)
    run = jax.jit(run) if mode == "xla" else run
    return lambda y_pred: run(jax.numpy.asarray(y_pred))


def _torch(total: Callable[[Any], Any], like: np.ndarray, mode: str) -> Callable[[np.ndarray], Any]:
    def run(y_pred: np.ndarray) -> Any:
        leaf = keras.ops.convert_to_tensor(y_pred).requires_grad_(True)
        value = total(leaf)
        value.backward()
        return value.detach(), keras.ops.zeros_like(leaf) if leaf.grad is None else leaf.grad

    return run


def _tensorflow(total: Callable[[Any], Any], like: np.ndarray, mode: str) -> Callable[[np.ndarray], Any]:
    import tensorflow as tf

    def run(prediction: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch(prediction)
            value = total(prediction)
        return value, tape.gradient(value, prediction, unconnected_gradients="zero")

    if mode != "eager":
        batch = like.shape[0] if mode == "fixed graph" else None
        signature = [tf.TensorSpec((batch, *like.shape[1:]), like.dtype)]
        run = tf.function(run, jit_compile=mode == "xla", input_signature=signature, autograph=False)
    return lambda y_pred: run(tf.constant(y_pred))


def slope(function: Callable[[np.ndarray], float], x: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """The gradient of a float64 function by central differences."""
    x = np.array(x, "float64")
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        gradient[index] = (function(up) - function(down)) / (2 * step)
    return gradient
