# SPDX-License-Identifier: Apache-2.0
"""A training loop of one's own on TensorFlow: losses as plain callables, with weights and without a reduction.

What one learns here, on the breast cancer data that come with scikit-learn (569 tumours, 30 measurements each):

* a loss is called as `loss(y_true, y_pred, sample_weight)` inside `tf.GradientTape` and `tf.function`;
* `sample_weight` of shape `(B,)` says what a mistake costs: here overlooking a malignant tumour costs five;
* `reduction=None` gives one value per sample, to choose examples in the loop or to find the worst ones afterwards.

On PyTorch the same call returns a tensor with `.backward()`, on JAX it is what `jax.value_and_grad` differentiates.
"""

from __future__ import annotations

import argparse
import os

from _start import command_line, read_options

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

parser = command_line(__doc__)
parser.add_argument("--epochs", type=int, default=30, help="passes over the tumours")
if __name__ == "__main__":
    OPTIONS = read_options(parser)

import keras
import numpy as np
import tensorflow as tf
from _table import show
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

import tfloss_ext

COST_OF_A_MISS = 5
Arrays = tuple[np.ndarray, np.ndarray]


def load() -> tuple[Arrays, Arrays]:
    """Inputs and targets, 1 for malignant, to learn from and held out."""
    data = load_breast_cancer()
    inputs, malignant = data.data.astype("float32"), (data.target == 0).astype("float32")
    train, test = train_test_split(np.arange(len(inputs)), test_size=0.5, stratify=malignant, random_state=0)
    inputs = (inputs - inputs[train].mean(axis=0)) / inputs[train].std(axis=0)
    return (inputs[train], malignant[train]), (inputs[test], malignant[test])


def train(loss: keras.losses.Loss, data: Arrays, *, epochs: int, costs: bool, hardest: float = 1.0) -> keras.Model:
    """A small network after `epochs`, each step learning from the hardest part of its batch."""
    keras.utils.set_random_seed(0)
    hidden = keras.layers.Dense(16, activation="relu")
    model = keras.Sequential([keras.Input((30,)), hidden, keras.layers.Dense(1)])
    optimizer = keras.optimizers.Adam(0.003)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(inputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        weight = 1.0 + (COST_OF_A_MISS - 1) * targets if costs else None
        with tf.GradientTape() as tape:
            logits = model(inputs, training=True)
            if hardest < 1.0:
                values = loss(targets, logits, sample_weight=weight)
                count = tf.cast(tf.math.ceil(hardest * tf.cast(tf.size(values), "float32")), "int32")
                value = tf.reduce_mean(tf.math.top_k(values, count).values)
            else:
                value = loss(targets, logits, sample_weight=weight)
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return value

    batches = tf.data.Dataset.from_tensor_slices(data).shuffle(len(data[0]), seed=0).batch(32)
    for _ in range(epochs):
        for inputs, targets in batches:
            step(inputs, targets)
    return model


def main(options: argparse.Namespace) -> None:
    if keras.backend.backend() != "tensorflow":
        raise SystemExit("This loop is written for TensorFlow: set KERAS_BACKEND=tensorflow.")
    data, (inputs, malignant) = load()

    crossentropy = keras.losses.BinaryCrossentropy(from_logits=True)
    focal = tfloss_ext.Focal(alpha=None, from_logits=True)
    each = tfloss_ext.Focal(alpha=None, from_logits=True, reduction=None)
    models = {
        "Keras: binary crossentropy": train(crossentropy, data, epochs=options.epochs, costs=False),
        "Keras, a miss costs five": train(crossentropy, data, epochs=options.epochs, costs=True),
        "Focal": train(focal, data, epochs=options.epochs, costs=False),
        "Focal, a miss costs five": train(focal, data, epochs=options.epochs, costs=True),
        "Focal, hardest quarter of a batch": train(each, data, epochs=options.epochs, costs=False, hardest=0.25),
    }
    rows = []
    for name, model in models.items():
        logits = model.predict(inputs, verbose=0)[:, 0]
        missed = int(np.sum((logits < 0) & (malignant == 1)))
        alarms = int(np.sum((logits >= 0) & (malignant == 0)))
        rows.append((name, missed, alarms, COST_OF_A_MISS * missed + alarms))
    show(
        f"{len(inputs)} tumours held out, {int(malignant.sum())} of them malignant",
        ["loss", "missed", "false alarms", "5 * missed + alarms"],
        rows,
    )

    values = keras.ops.convert_to_numpy(each(malignant, models["Focal"](inputs)))
    worst = np.argsort(values)[::-1][:5]
    print("\nvalues with reduction=None:", values.shape, values.dtype)
    print("hardest tumours held out:", ", ".join(f"no. {i} ({values[i]:.2f})" for i in worst))


if __name__ == "__main__":
    main(OPTIONS)
