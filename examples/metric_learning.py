# SPDX-License-Identifier: Apache-2.0
"""Metric learning: a space in which digits that were never seen in training lie together, too.

A small network learns from the handwritten digits 0 to 5, moved and noisy, and is judged on 6 to 9: is the nearest
neighbour of a digit the same digit (recall@1), and how many of all its relatives come first (MAP@R)? What one learns:

* `triplet` takes embeddings `(B, D)` and ids `(B,)`: the triplets are found in the batch, no triplets to prepare;
* the minings `triplet_semi_hard`, `triplet_hard` and `triplet_all` by name, other parameters with `tfloss_ext.get`;
* mining and margin belong together: on a sphere of radius 1 a margin of 1 asks much of the hardest triplets;
* the plain ways to compare with: the features of a classifier, and raw pixels, which find the one digit that happens to
  lie on the same pixels, but not its relatives.
"""

from __future__ import annotations

import argparse

from _start import command_line, read_options

parser = command_line(__doc__)
parser.add_argument("--epochs", type=int, default=20, help="passes over the digits")
parser.add_argument("--samples", type=int, default=1083, help="digits to learn from")
if __name__ == "__main__":
    OPTIONS = read_options(parser)

import keras
import numpy as np
from _data import Digits, retrieval
from _table import show
from sklearn.datasets import load_digits

import tfloss_ext

SEEN, NOISE = 6, 0.1


def load() -> tuple[Digits, Digits]:
    """The digits below `SEEN`, each in the middle of its image, and the others, moved by up to two pixels and noisy."""
    data, rng = load_digits(), np.random.default_rng(0)
    images, labels = np.pad(data.images / 16.0, ((0, 0), (2, 2), (2, 2))).astype("float32"), data.target.astype("int64")
    seen = labels < SEEN
    moved = [np.roll(image, rng.integers(-2, 3, 2), axis=(0, 1)) for image in images[~seen]]
    noisy = (np.stack(moved) + rng.normal(0.0, NOISE, (len(moved), 12, 12))).astype("float32")
    return Digits(images[seen], labels[seen]), Digits(noisy, labels[~seen])


def network() -> keras.Sequential:
    """From an image to 16 numbers. In training the images are moved and made noisy, differently in every epoch."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            layers.RandomTranslation(0.17, 0.17, fill_mode="constant"),
            layers.GaussianNoise(NOISE),
            layers.Conv2D(32, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(16),
        ]
    )


def classifier_features(data: Digits, epochs: int) -> keras.Model:
    """What a softmax classifier of the seen digits computes before its last layer."""
    keras.utils.set_random_seed(0)
    features = network()
    model = keras.Sequential([features, keras.layers.Dense(SEEN, activation="softmax")])
    model.compile(keras.optimizers.Adam(0.002), loss="sparse_categorical_crossentropy")
    model.fit(data.images[..., None], data.labels, batch_size=64, epochs=epochs, verbose=0)
    return features


def embedding(loss: str | keras.losses.Loss, data: Digits, epochs: int) -> keras.Model:
    """The same network, its output on the unit sphere, trained on ids."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([network(), keras.layers.UnitNormalization()])
    model.compile(keras.optimizers.Adam(0.002), loss=loss)
    model.fit(data.images[..., None], data.labels, batch_size=64, epochs=epochs, verbose=0)
    return model


def main(options: argparse.Namespace) -> None:
    epochs = options.epochs
    seen, unseen = load()
    seen = Digits(seen.images[: options.samples], seen.labels[: options.samples])

    ours: dict[str, str | keras.losses.Loss] = {
        '"triplet_semi_hard"': "triplet_semi_hard",
        '"triplet_hard"': "triplet_hard",
        '"triplet_all"': "triplet_all",
        'get("triplet_all", margin=0.3)': tfloss_ext.get("triplet_all", margin=0.3),
    }
    models = {"features of a classifier": classifier_features(seen, epochs)}
    models |= {name: embedding(loss, seen, epochs) for name, loss in ours.items()}

    points = {"raw pixels": unseen.images.reshape(len(unseen.images), -1)}
    points |= {name: model.predict(unseen.images[..., None], verbose=0) for name, model in models.items()}
    rows = []
    for name, found in points.items():
        rows.append((name, *retrieval(found / np.linalg.norm(found, axis=-1, keepdims=True), unseen.labels)))
    show(
        f"{len(unseen.labels)} digits of classes {SEEN} to 9, trained on 0 to {SEEN - 1}",
        ["embedding", "recall@1", "MAP@R"],
        rows,
    )


if __name__ == "__main__":
    main(OPTIONS)
