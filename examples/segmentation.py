# SPDX-License-Identifier: Apache-2.0
"""Semantic segmentation with the Dice loss: from logits and integer ids, with pixels that no one has labelled.

Small handwritten digits lie on patches of a real photograph, a zero on every patch and a one on every fourth. A tiny
convolutional network says for each pixel: photograph, zero or one. The rim of a stroke is neither: it has the id 255.
What one learns here:

* `Dice(from_logits=True)` takes ids `(B, H, W)` for logits `(B, H, W, C)`, no one-hot coding, no softmax layer;
* `ignore_class=255` drops pixels, as in Keras's crossentropy;
* `class_weights` and `include_background` say how much a class counts, and `per_image=False` takes the sums over the
  batch, which has ones in it where most images have none.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from _data import Digits, digits
from _table import show
from sklearn.datasets import load_sample_image

import tfloss_ext

CLASSES = ("photograph", "zero", "one")
UNLABELLED = 255


def patches(source: Digits, photograph: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images `(B, 24, 24, 1)` and their ids `(B, 24, 24)`."""
    rng = np.random.default_rng(seed)
    images, ids = np.zeros((count, 24, 24), "float32"), np.zeros((count, 24, 24), "int64")
    for i in range(count):
        top, left = (rng.integers(0, size - 24) for size in photograph.shape)
        images[i] = photograph[top : top + 24, left : left + 24]
        halves = rng.permutation(2)
        for label in (0, 1) if i % 4 == 0 else (0,):
            ink = source.images[rng.choice(np.flatnonzero(source.labels == label))]
            row, column = rng.integers(0, 17), 12 * halves[label] + rng.integers(0, 5)
            window = np.s_[i, row : row + 8, column : column + 8]
            images[window] += ink * (rng.choice([0.0, 1.0]) - images[window])
            ids[window] = np.where(ink > 0.6, label + 1, np.where(ink > 0.2, UNLABELLED, 0))
    return images[..., None], ids


def train(loss: keras.losses.Loss, images: np.ndarray, ids: np.ndarray, epochs: int) -> keras.Model:
    """A small network that looks at 15 pixels around each."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((24, 24, 1))])
    for dilation in (1, 2, 3):
        model.add(keras.layers.Conv2D(16, 3, padding="same", dilation_rate=dilation, use_bias=False))
        model.add(keras.layers.BatchNormalization(momentum=0.9))
        model.add(keras.layers.ReLU())
    model.add(keras.layers.Conv2D(16, 3, padding="same", activation="relu"))
    model.add(keras.layers.Conv2D(len(CLASSES), 1))
    model.compile(keras.optimizers.Adam(0.005), loss=loss)
    model.fit(images, ids, batch_size=16, epochs=epochs, verbose=0)
    return model


def overlap(model: keras.Model, images: np.ndarray, ids: np.ndarray) -> list[float]:
    """Intersection over union of each class, over all labelled pixels."""
    predicted = model.predict(images, verbose=0).argmax(axis=-1)
    labelled = ids != UNLABELLED
    result = []
    for c in range(len(CLASSES)):
        ours, truth = (predicted == c) & labelled, ids == c
        result.append(float(np.sum(ours & truth) / max(np.sum(ours | truth), 1)))
    return result


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--samples", type=int, default=400)
    arguments = parser.parse_args(argv)

    # One photograph to learn on, another, and other people's digits, to be judged on.
    learn, judge = digits(seed=0)
    china, flower = (load_sample_image(f"{name}.jpg").mean(axis=-1)[::2, ::2] / 255.0 for name in ("china", "flower"))
    images, ids = patches(learn, china.astype("float32"), arguments.samples, seed=0)
    held_out, truth = patches(judge, flower.astype("float32"), 200, seed=1)

    losses = {
        "Keras: sparse crossentropy": keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, ignore_class=UNLABELLED
        ),
        "Dice()": tfloss_ext.Dice(from_logits=True, ignore_class=UNLABELLED),
        "Dice(class_weights=[0.5, 1, 1])": tfloss_ext.Dice(
            from_logits=True, ignore_class=UNLABELLED, class_weights=[0.5, 1.0, 1.0]
        ),
        "Dice(per_image=False)": tfloss_ext.Dice(from_logits=True, ignore_class=UNLABELLED, per_image=False),
    }
    rows = []
    for name, loss in losses.items():
        scores = overlap(train(loss, images, ids, arguments.epochs), held_out, truth)
        rows.append((name, *scores, float(np.mean(scores))))
    shares = ", ".join(f"{name} {np.mean(truth == c):.1%}" for c, name in enumerate(CLASSES))
    show(f"intersection over union, held out ({shares} of the pixels)", ["loss", *CLASSES, "mean"], rows)


if __name__ == "__main__":
    main()
