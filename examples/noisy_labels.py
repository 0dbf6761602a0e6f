# SPDX-License-Identifier: Apache-2.0
"""Wrong labels: which losses learn the digits, and which learn the mistakes.

A share of the labels of handwritten digits is replaced by any other digit; what counts is the accuracy on clean,
held-out ones. The network is large enough to learn every mistake by heart. What one learns:

* crossentropy does just that: a confident wrong answer costs without bound, so that wrong labels rule the gradient;
* `GeneralizedCrossentropy` and `SymmetricCrossentropy` put a bound, or a bounded part, in its place: what the model
  will not believe is in the end let go;
* `BiTempered` is bounded (t1 < 1) and its softmax has heavy tails (t2 > 1);
* all three take logits, ids and a compile line like any other loss, and each has one or two numbers to choose: the more
  noise, the further from crossentropy.

Every number is the mean of several splits of the data.
"""

from __future__ import annotations

import argparse

from _start import command_line, read_options

parser = command_line(__doc__)
parser.add_argument("--epochs", type=int, default=40, help="passes over the digits")
parser.add_argument("--splits", type=int, default=2, help="of the data, whose mean is printed")
parser.add_argument("--rates", type=float, nargs="+", default=[0.0, 0.2, 0.4, 0.6], help="shares of wrong labels")
if __name__ == "__main__":
    OPTIONS = read_options(parser)

import keras
import numpy as np
from _data import digits
from _table import show

import tfloss_ext

CLASSES = 10


def corrupted(ids: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """The ids, of which this share is replaced by one of the nine others."""
    wrong = rng.random(len(ids)) < share
    return np.where(wrong, (ids + rng.integers(1, CLASSES, len(ids))) % CLASSES, ids)


def accuracy(loss: keras.losses.Loss, rate: float, seed: int, epochs: int) -> float:
    """On clean digits, of a network that has learnt from corrupted ones."""
    learn, judge = digits(seed, held_out=0.4)
    x, clean = (part.images.reshape(len(part.labels), -1) for part in (learn, judge))
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.Input((64,)), keras.layers.Dense(256, activation="relu"), keras.layers.Dense(CLASSES)]
    )
    model.compile(keras.optimizers.Adam(0.003), loss=loss)
    noisy = corrupted(learn.labels, rate, np.random.default_rng(seed))
    model.fit(x, noisy, batch_size=128, epochs=epochs, verbose=0)
    found = model.predict(clean, batch_size=len(clean), verbose=0).argmax(axis=-1)
    return float(np.mean(found == judge.labels))


def main(options: argparse.Namespace) -> None:
    losses = {
        "Keras: sparse crossentropy": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "SymmetricCrossentropy": tfloss_ext.SymmetricCrossentropy(from_logits=True),
        "GeneralizedCrossentropy": tfloss_ext.GeneralizedCrossentropy(from_logits=True),
        "BiTempered(t1=0.5, t2=2)": tfloss_ext.BiTempered(t1=0.5, t2=2.0),
    }
    rows = []
    for name, loss in losses.items():
        means = [
            float(np.mean([accuracy(loss, rate, seed, options.epochs) for seed in range(options.splits)]))
            for rate in options.rates
        ]
        rows.append((name, *means))
    columns = ["loss", *(f"{rate:.0%} wrong" for rate in options.rates)]
    show(f"accuracy on clean, held-out digits, {options.splits} splits", columns, rows)


if __name__ == "__main__":
    main(OPTIONS)
