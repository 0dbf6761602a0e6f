# SPDX-License-Identifier: Apache-2.0
"""The work that is timed: each loss on its data, beside its peer, as a compiled step from predictions to gradient."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

import tfloss_ext

Step = Callable[[], Any]


@dataclasses.dataclass(frozen=True)
class Work:
    """One comparison.

    Attributes:
        title: What is computed, in words.
        data: Gives the targets of the peer, those of ours, and the predictions.
        ours: The loss.
        peer: What it is compared with, None where the peer needs an environment of its own.
        least, aim: How many times as fast as the peer ours is to be, outside XLA and under it.
    """

    title: str
    data: Callable[[], tuple[Any, Any, Any]]
    ours: Callable[[Any, Any], Any]
    peer: Callable[[Any, Any], Any] | None = None
    least: tuple[float, float] = (1.0, 1.0)
    aim: tuple[float, float] = (1.0, 1.0)

    def step(self, who: str, xla: bool) -> Step:
        """A call that computes loss and gradient once and waits for the result."""
        for_peer, for_ours, y_pred = (tf.constant(array) for array in self.data())
        loss, y_true = (self.ours, for_ours) if who == "ours" else (self.peer, for_peer)

        @tf.function(jit_compile=xla, autograph=False)
        def run(y_true: Any, y_pred: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(y_pred)
                value = loss(y_true, y_pred)
            return value, tape.gradient(value, y_pred)

        def step() -> Any:
            return run(y_true, y_pred)[1].numpy()

        return step


def _binary() -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    y = (rng.random((4096, 1024)) < 0.3).astype("float32")
    return y, y, rng.normal(size=y.shape).astype("float32") * 3


def _segments() -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 4, (8, 256, 256)).astype("int32")
    return np.eye(4, dtype="float32")[ids], ids, rng.normal(size=(*ids.shape, 4)).astype("float32") * 2


def _classes() -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 1000, 4096).astype("int32")
    return ids, ids, rng.normal(size=(4096, 1000)).astype("float32") * 2


def _ranks() -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    ranks = rng.integers(0, 10, 2**18).astype("int32")
    above = (ranks[:, None] > np.arange(9)).astype("float32")
    return above, ranks, rng.normal(size=above.shape).astype("float32") * 2


def _embeddings(n: int, ids_per_class: int) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    ids = (np.arange(n) // ids_per_class).astype("int32")
    x = rng.normal(size=(n, 128)).astype("float32")
    return ids, ids, x / np.linalg.norm(x, axis=1, keepdims=True)


_keras_dice = keras.losses.Dice()

WORKS = {
    "focal": Work(
        "binary focal from logits, 4 M elements",
        _binary,
        tfloss_ext.Focal(from_logits=True),
        keras.losses.BinaryFocalCrossentropy(from_logits=True, apply_class_balancing=True),
        least=(2.0, 1.0),
        aim=(2.5, 1.0),
    ),
    "focal_ids": Work(
        "the same, integer labels",
        lambda: (_binary()[0], _binary()[1].astype("int32"), _binary()[2]),
        tfloss_ext.Focal(from_logits=True),
        keras.losses.BinaryFocalCrossentropy(from_logits=True, apply_class_balancing=True),
        least=(2.0, 1.0),
        aim=(2.5, 1.0),
    ),
    "asymmetric": Work(
        "asymmetric from logits, 4 M elements, beside binary crossentropy",
        _binary,
        tfloss_ext.Asymmetric(from_logits=True),
        keras.losses.BinaryCrossentropy(from_logits=True),
        least=(0.67, 0.5),
        aim=(1.0, 0.83),
    ),
    "quality_focal": Work(
        "quality focal from logits, 4 M elements, beside binary crossentropy",
        _binary,
        tfloss_ext.QualityFocal(from_logits=True),
        keras.losses.BinaryCrossentropy(from_logits=True),
        least=(0.67, 0.5),
        aim=(1.5, 0.83),
    ),
    "varifocal": Work(
        "varifocal from logits, 4 M elements, beside binary crossentropy",
        _binary,
        tfloss_ext.Varifocal(from_logits=True),
        keras.losses.BinaryCrossentropy(from_logits=True),
        least=(0.67, 0.5),
        aim=(1.2, 0.83),
    ),
    "coral": Work(
        "Coral, 262144 x 9 thresholds, beside binary crossentropy",
        _ranks,
        tfloss_ext.Coral(),
        keras.losses.BinaryCrossentropy(from_logits=True),
    ),
    "sparsemax": Work(
        "sparsemax, 4096 x 1000, ids, beside crossentropy",
        _classes,
        tfloss_ext.Sparsemax(),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        least=(0.4, 0.3),
        aim=(0.5, 0.4),
    ),
    "bi_tempered": Work(
        "bi-tempered, 4096 x 1000, ids, beside crossentropy",
        _classes,
        tfloss_ext.BiTempered(),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        least=(0.2, 0.1),
        aim=(0.25, 0.15),
    ),
    "categorical_focal": Work(
        "categorical focal from logits, 8 x 256 x 256 x 4, ids",
        _segments,
        tfloss_ext.CategoricalFocal(from_logits=True),
        keras.losses.CategoricalFocalCrossentropy(from_logits=True),
        least=(2.5, 1.1),
        aim=(4.0, 1.1),
    ),
    "dice": Work(
        "Dice from logits, 8 x 256 x 256 x 4, ids",
        _segments,
        tfloss_ext.Dice(from_logits=True),
        lambda y_true, y_pred: _keras_dice(y_true, ops.softmax(y_pred)),
        least=(1.6, 1.0),
        aim=(2.5, 1.3),
    ),
    "semi_hard_1024": Work(
        "triplet semi-hard, n = 1024, D = 128, 4 per id", lambda: _embeddings(1024, 4), tfloss_ext.Triplet()
    ),
    "semi_hard_8192": Work(
        "triplet semi-hard, n = 8192, D = 128, 4 per id", lambda: _embeddings(8192, 4), tfloss_ext.Triplet()
    ),
    "all_1024": Work(
        "all triplets, n = 1024, D = 128, 4 per id", lambda: _embeddings(1024, 4), tfloss_ext.Triplet(mining="all")
    ),
    "all_1024_10": Work(
        "all triplets, n = 1024, 10 classes", lambda: _embeddings(1024, 103), tfloss_ext.Triplet(mining="all")
    ),
}
