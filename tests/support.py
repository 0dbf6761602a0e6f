# SPDX-License-Identifier: Apache-2.0
"""Values and gradients as NumPy arrays, the same on every backend."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

BACKEND = keras.backend.backend()

# How a loss is run: as Python calls it, as a graph whose batch size is unknown, and compiled.
MODES = {"tensorflow": ["eager", "graph", "xla"], "jax": ["xla"], "torch": ["eager"]}[BACKEND]

# How exact float64 is: Keras makes float32 of it in some operations on PyTorch (`maximum`, `matmul`).
EXACT = {"rtol": 1e-5, "atol": 1e-6} if BACKEND == "torch" else {"rtol": 1e-9, "atol": 1e-12}
EXACT_SLOPE = {"rtol": 1e-3, "atol": 2e-5} if BACKEND == "torch" else {"rtol": 1e-5, "atol": 1e-7}


@contextlib.contextmanager
def float64() -> Iterator[None]:
    """Lets JAX compute in float64, which it otherwise does not."""
    if BACKEND != "jax":
        yield
        return
    import jax

    with jax.enable_x64(True):
        yield


def to_numpy(tensor: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def value_and_gradient(
    loss: Callable[..., Any], y_true: Any, y_pred: Any, sample_weight: Any = None, mode: str = "eager"
) -> tuple[np.ndarray, np.ndarray]:
    """The sum of what `loss` returns, and its gradient with respect to `y_pred`."""

    def total(prediction: Any) -> Any:
        return keras.ops.sum(loss(y_true, prediction, sample_weight))

    y_pred = np.asarray(y_pred)
    if BACKEND == "tensorflow":
        return _tensorflow(total, y_pred, mode)
    if BACKEND == "jax":
        import jax

        run = jax.value_and_grad(total)
        value, gradient = (jax.jit(run) if mode == "xla" else run)(jax.numpy.asarray(y_pred))
        return to_numpy(value), to_numpy(gradient)
    leaf = keras.ops.convert_to_tensor(y_pred).requires_grad_(True)
    value = total(leaf)
    value.backward()
    gradient = leaf.grad if leaf.grad is not None else keras.ops.zeros_like(leaf)
    return to_numpy(value.detach()), to_numpy(gradient)


def _tensorflow(total: Callable[[Any], Any], y_pred: np.ndarray, mode: str) -> tuple[np.ndarray, np.ndarray]:
    import tensorflow as tf

    def run(prediction: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch(prediction)
            value = total(prediction)
        return value, tape.gradient(value, prediction, unconnected_gradients="zero")

    if mode != "eager":
        unknown_batch = tf.TensorSpec((None, *y_pred.shape[1:]), y_pred.dtype)
        run = tf.function(run, jit_compile=mode == "xla", input_signature=[unknown_batch], autograph=False)
    value, gradient = run(tf.constant(y_pred))
    return value.numpy(), tf.convert_to_tensor(gradient).numpy()


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
