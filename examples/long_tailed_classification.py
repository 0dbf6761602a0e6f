# SPDX-License-Identifier: Apache-2.0
"""A long tail: ten classes of which the last has a fortieth of the samples of the first.

Handwritten digits, of which there are fewer and fewer from zero to nine to learn from, and equally many to be judged
on. What one learns:

* plain crossentropy gives the rare classes up: its recall falls along the tail, and the mean over the classes with it;
* `LogitAdjusted` asks of a frequent class a lead in proportion to its frequency, and is used like any other loss: the
  adjustment is in the loss alone, predictions take the plain logits;
* `LDAM` asks of a rare class a margin. Its logits are cosines, of a layer that normalises both sides. Its paper weighs
  the classes late in training as well; the margin alone is no gain here, where the rarest class has three samples;
* focal loss turns down what is easy, which is not the same as what is frequent: alone it changes little. With
  `effective_number_weights` as its alpha it weighs the classes.

Every row is the mean of several splits of the data.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from _start import command_line, read_options

parser = command_line(__doc__)
parser.add_argument("--epochs", type=int, default=60, help="passes over the digits")
parser.add_argument("--splits", type=int, default=3, help="of the data, whose mean is printed")
if __name__ == "__main__":
    OPTIONS = read_options(parser)

import keras
import numpy as np
from _data import digits
from _table import show
from keras import ops

import tfloss_ext

CLASSES = 10


def tail(ids: np.ndarray, longest: int, shortest: int, rng: np.random.Generator) -> np.ndarray:
    """The samples that are left when class c keeps fewer the larger c is, in geometric progression."""
    kept = []
    for c in range(CLASSES):
        count = round(longest * (shortest / longest) ** (c / (CLASSES - 1)))
        kept.append(rng.permutation(np.flatnonzero(ids == c))[:count])
    return rng.permutation(np.concatenate(kept))


class Cosines(keras.layers.Layer):
    """The cosine between the input and a direction for each class."""

    def build(self, shape: tuple[int, ...]) -> None:
        self.directions = self.add_weight(shape=(shape[-1], CLASSES), initializer="glorot_uniform")

    def call(self, x: object) -> object:
        return ops.matmul(ops.normalize(x, axis=-1), ops.normalize(self.directions, axis=0))


def network(last: keras.layers.Layer) -> keras.Model:
    """Sixty-four pixels, a hidden layer, and what gives one number per class."""
    return keras.Sequential([keras.Input((64,)), keras.layers.Dense(32, activation="relu"), last])


def main(options: argparse.Namespace) -> None:
    # From the number of samples of each class, the loss.
    losses: dict[str, Callable[[list[int]], keras.losses.Loss]] = {
        "Keras: sparse crossentropy": lambda n: keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "CategoricalFocal": lambda n: tfloss_ext.CategoricalFocal(from_logits=True),
        "CategoricalFocal(alpha=effective number)": lambda n: tfloss_ext.CategoricalFocal(
            alpha=tfloss_ext.effective_number_weights(n, beta=0.99), from_logits=True
        ),
        "LDAM": lambda n: tfloss_ext.LDAM(n),
        "LogitAdjusted": lambda n: tfloss_ext.LogitAdjusted(n),
    }
    recalls: dict[str, list[np.ndarray]] = {name: [] for name in losses}
    for seed in range(options.splits):
        learn, judge = digits(seed, held_out=0.3)
        kept = tail(learn.labels, 120, 3, np.random.default_rng(seed))
        x, ids = learn.images[kept].reshape(len(kept), -1), learn.labels[kept]
        counts = np.bincount(ids, minlength=CLASSES).tolist()
        for name, make in losses.items():
            keras.utils.set_random_seed(seed)
            model = network(Cosines() if name == "LDAM" else keras.layers.Dense(CLASSES))
            model.compile(keras.optimizers.Adam(0.01), loss=make(counts))
            model.fit(x, ids, batch_size=64, epochs=options.epochs, verbose=0)
            images = judge.images.reshape(len(judge.labels), -1)
            found = model.predict(images, batch_size=len(images), verbose=0).argmax(axis=-1)
            recalls[name].append(np.array([np.mean(found[judge.labels == c] == c) for c in range(CLASSES)]))
    rows = []
    for name, values in recalls.items():
        mean = np.mean(values, axis=0)
        rows.append((name, float(mean[:4].mean()), float(mean[4:7].mean()), float(mean[7:].mean()), float(mean.mean())))
    show(
        f"recall on held-out digits, {options.splits} splits; learnt from {counts} of each",
        ["loss", "frequent (0-3)", "middle (4-6)", "rare (7-9)", "mean of classes"],
        rows,
    )


if __name__ == "__main__":
    main(OPTIONS)
