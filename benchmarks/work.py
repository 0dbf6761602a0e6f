# SPDX-License-Identifier: Apache-2.0
"""The work that is timed: each loss on its data, beside its peer, as a compiled step from predictions to gradient."""

from __future__ import annotations

import dataclasses
import functools
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
        functions: Exponentials and logarithms that the maths needs for each prediction, forward and backward together.
    """

    title: str
    data: Callable[[], tuple[Any, Any, Any]]
    ours: Callable[[Any, Any], Any]
    peer: Callable[[Any, Any], Any] | None = None
    least: tuple[float, float] = (1.0, 1.0)
    aim: tuple[float, float] = (1.0, 1.0)
    functions: int = 1

    def floor(self) -> Step:
        """The least there is to do: read targets and predictions once, write the gradient once, and the functions."""
        _, y_true, y_pred = (tf.constant(array) for array in self.data())

        @tf.function(jit_compile=True, autograph=False)
        def run(y_true: Any, y_pred: Any) -> Any:
            found = y_pred
            for function in (tf.exp, tf.math.log1p, tf.math.log)[: self.functions]:
                found = function(tf.abs(found))
            return found * tf.reduce_sum(tf.cast(y_true, found.dtype))

        return lambda: np.asarray(run(y_true, y_pred))  # Which copies nothing.

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
            return np.asarray(run(y_true, y_pred)[1])

        return step


def _binary() -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    y = (rng.random((4096, 1024)) < 0.3).astype("float32")
    return y, y, rng.normal(size=y.shape).astype("float32") * 3


def _segments(positions: tuple[int, ...] = (8, 256, 256), classes: int = 4) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, classes, positions).astype("int32")
    return np.eye(classes, dtype="float32")[ids], ids, rng.normal(size=(*positions, classes)).astype("float32") * 2


def _ids_twice(classes: int = 4) -> tuple[Any, Any, Any]:
    _, ids, z = _segments(classes=classes)
    return ids, ids, z


def _classes(rows: int = 4096, classes: int = 1000) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, classes, rows).astype("int32")
    return ids, ids, rng.normal(size=(rows, classes)).astype("float32") * 2


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


def _numbers() -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    y, y_pred = rng.normal(size=(2, 4096, 1024)).astype("float32")
    return y, y, y_pred


def _amounts() -> tuple[Any, Any, Any]:
    y, _, y_pred = (np.abs(array) + 0.1 for array in _numbers())
    return y, y, y_pred


def _means_and_variances() -> tuple[Any, Any, Any]:
    y, _, y_pred = _numbers()
    return y, y[:, :512].copy(), y_pred


def _boxes() -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    corners = rng.random((2, 2**18, 2)).astype("float32")
    y, y_pred = (np.concatenate([c, c + 0.1 + rng.random(c.shape).astype("float32")], axis=-1) for c in corners)
    return y, y, y_pred


def _grades() -> tuple[Any, Any, Any]:
    ids, _, z = _classes(2**18, 5)
    p = np.exp(z)
    return ids, ids, p / p.sum(axis=-1, keepdims=True)


_keras_dice = keras.losses.Dice()

# What an overlap loss may take beside Dice: 1.3 times as long.
_BESIDE_DICE = (1 / 1.3, 1 / 1.3)


def _beside_dice(key: str) -> Work:
    """A loss of the overlap family, with Dice as its peer."""
    return Work(
        f"`{key}` beside Dice, same shape{', two classes' if key == 'unified_focal' else ''}",
        {"boundary": _maps, "unified_focal": functools.partial(_ids_twice, 2)}.get(key, _ids_twice),
        tfloss_ext.get(key, from_logits=True),
        tfloss_ext.Dice(from_logits=True),
        least=_BESIDE_DICE,
        aim=_BESIDE_DICE,
    )


def _maps() -> tuple[Any, Any, Any]:
    hot, ids, z = _segments()
    return ids, hot * -3.0 + 1.0, z


# What the others may take beside Keras's nearest: 1.5 times as long outside XLA, 1.2 times under it.
_BESIDE_KERAS = (1 / 1.5, 1 / 1.2)
_bce = keras.losses.BinaryCrossentropy(from_logits=True)
_mse = keras.losses.MeanSquaredError()
_ce = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _against(title: str, data: Callable[[], Any], ours: Any, peer: Any, functions: int) -> Work:
    """A loss beside the nearest that Keras has."""
    return Work(f"{title}, beside {type(peer).__name__}", data, ours, peer, _BESIDE_KERAS, _BESIDE_KERAS, functions)


def _long_tail(classes: int) -> list[float]:
    return [1e6 / (1 + c) for c in range(classes)]


def _crossentropies() -> dict[str, Work]:
    """The losses that are crossentropy with a twist, of ids."""
    title = "{}, 4096 x 1000, ids"
    losses = {
        "poly1": tfloss_ext.Poly1(from_logits=True),
        "logit_adjusted": tfloss_ext.LogitAdjusted(_long_tail(1000)),
        "ldam": tfloss_ext.LDAM(_long_tail(1000)),
        "symmetric_crossentropy": tfloss_ext.SymmetricCrossentropy(from_logits=True),
        "generalized_crossentropy": tfloss_ext.GeneralizedCrossentropy(from_logits=True),
    }
    works = {key: _against(title.format(type(loss).__name__), _classes, loss, _ce, 1) for key, loss in losses.items()}
    title = "{}, 512 x 100000, ids"
    many = {"poly1_100000": losses["poly1"], "logit_adjusted_100000": tfloss_ext.LogitAdjusted(_long_tail(100_000))}
    return works | {
        key: _against(title.format(type(loss).__name__), functools.partial(_classes, 512, 100_000), loss, _ce, 1)
        for key, loss in many.items()
    }


_OVERLAP = ["jaccard", "tversky_loss", "focal_tversky", "generalized_dice", "mcc", "boundary"]
_OVERLAP += ["dice_crossentropy", "dice_focal", "unified_focal", "lovasz", "cl_dice"]

WORKS = {
    "focal": Work(
        "binary focal from logits, 4 M elements",
        _binary,
        tfloss_ext.Focal(from_logits=True),
        keras.losses.BinaryFocalCrossentropy(from_logits=True, apply_class_balancing=True),
        least=(2.0, 1.0),
        aim=(2.5, 1.0),
        functions=2,
    ),
    "focal_ids": Work(
        "the same, integer labels",
        lambda: (_binary()[0], _binary()[1].astype("int32"), _binary()[2]),
        tfloss_ext.Focal(from_logits=True),
        keras.losses.BinaryFocalCrossentropy(from_logits=True, apply_class_balancing=True),
        least=(2.0, 1.0),
        aim=(2.5, 1.0),
        functions=2,
    ),
    "asymmetric": _against("Asymmetric from logits, 4 M", _binary, tfloss_ext.Asymmetric(from_logits=True), _bce, 3),
    "quality_focal": _against(
        "QualityFocal from logits, 4 M", _binary, tfloss_ext.QualityFocal(from_logits=True), _bce, 2
    ),
    "varifocal": _against("Varifocal from logits, 4 M", _binary, tfloss_ext.Varifocal(from_logits=True), _bce, 2),
    "coral": _against("Coral, 262144 x 9 thresholds", _ranks, tfloss_ext.Coral(), _bce, 2),
    **_crossentropies(),
    "sparsemax": _against("Sparsemax, 4096 x 1000, ids", _classes, tfloss_ext.Sparsemax(), _ce, 0),
    "bi_tempered": _against("BiTempered, 4096 x 1000, ids", _classes, tfloss_ext.BiTempered(), _ce, 2),
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
    "dice_3d": Work(
        "Dice from logits, 2 x 96 x 96 x 96 x 3, ids",
        lambda: _segments((2, 96, 96, 96), 3),
        tfloss_ext.Dice(from_logits=True),
        lambda y_true, y_pred: _keras_dice(y_true, ops.softmax(y_pred)),
    ),
    **{key: _beside_dice(key) for key in _OVERLAP},
    **{
        key: Work(f"`{key}`, 262144 boxes", _boxes, tfloss_ext.get(key), functions=0)
        for key in ("iou", "giou", "diou", "ciou")
    },
    "weighted_kappa": Work("WeightedKappa, 262144 x 5", _grades, tfloss_ext.WeightedKappa()),
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
    "quantile": _against("Quantile, 4096 x 1024", _numbers, tfloss_ext.Quantile(), _mse, 0),
    "expectile": _against("Expectile, 4096 x 1024", _numbers, tfloss_ext.Expectile(), _mse, 0),
    "charbonnier": _against("Charbonnier, 4096 x 1024", _numbers, tfloss_ext.Charbonnier(), _mse, 0),
    "general_robust": _against("GeneralRobust, 4096 x 1024", _numbers, tfloss_ext.GeneralRobust(), _mse, 0),
    "general_robust_between": _against(
        "GeneralRobust(alpha=0.5), 4096 x 1024", _numbers, tfloss_ext.GeneralRobust(alpha=0.5), _mse, 2
    ),
    "gaussian_nll": _against("GaussianNLL, 4096 x 1024", _means_and_variances, tfloss_ext.GaussianNLL(), _mse, 1),
    "tweedie": _against("Tweedie, 4096 x 1024", _amounts, tfloss_ext.Tweedie(), _mse, 0),
}


def peer_works() -> list[Work]:
    """What `peers.py` times."""
    maps, volumes, rows = (8, 256, 256, 4), (2, 96, 96, 96, 3), [(4096, 1000), (65536, 10), (256, 10)]
    losses = [
        (tfloss_ext.Dice(from_logits=True), [maps, volumes]),
        (tfloss_ext.DiceCrossentropy(from_logits=True), [maps, volumes]),
        (tfloss_ext.DiceFocal(from_logits=True), [maps, volumes]),
        (tfloss_ext.ClDice(from_logits=True), [maps]),
        (tfloss_ext.Lovasz(from_logits=True), [maps]),
        (tfloss_ext.Sparsemax(), rows),
        (tfloss_ext.BiTempered(), rows),
    ]
    return [
        Work(
            f"{type(loss).__name__}, {' x '.join(map(str, shape))}",
            functools.partial(_segments, shape[:-1], shape[-1]),
            loss,
        )
        for loss, shapes in losses
        for shape in shapes
    ]
