# SPDX-License-Identifier: Apache-2.0
"""Where a reference is put down, and what several of them need."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

ORACLES: dict[str, Callable[..., np.ndarray]] = {}


def oracle(key: str) -> Callable[[Callable[..., np.ndarray]], Callable[..., np.ndarray]]:
    """Put a function down as the reference of the loss with this key."""

    def put(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        ORACLES[key] = function
        return function

    return put


def sigmoid(z: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -z))


def log_softmax(z: np.ndarray) -> np.ndarray:
    z = z - z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def one_hot(y: np.ndarray, classes: int) -> np.ndarray:
    """Targets with a class axis, from ids or from targets that have it."""
    y = np.asarray(y)
    if classes == 1:
        return y.reshape(*y.shape, 1) if y.shape[-1:] != (1,) else y.astype("float64")
    if y.shape[-1:] == (classes,) and y.ndim > 1:
        return y.astype("float64")
    if y.shape[-1:] == (1,) and y.ndim > 1:
        y = y[..., 0]
    return np.stack([y == c for c in range(classes)], -1).astype("float64")


def log_of(p: np.ndarray) -> np.ndarray:
    return np.log(np.clip(p, 1e-7, 1 - 1e-7))
