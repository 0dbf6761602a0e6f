# SPDX-License-Identifier: Apache-2.0
"""Pretraining without labels: what do `nt_xent`, `barlow_twins` and `vicreg` save in labels?

A small network sees two views of each of a thousand handwritten digits, turned, scaled, moved and noisy, and learns to
tell that they are of one digit. It never sees a label. Then a linear classifier learns from what it computes of one to
twenty labelled digits of each kind, and is judged on digits held out. What one learns:

* two views of a batch are one input, `(B, 2, ...)`, and one output, `(B, 2, D)`; targets are not looked at;
* the losses see a projection of the features, which is thrown away afterwards;
* raw pixels are a strong baseline where digits are centred and of one size, better than an untrained network;
* pretraining helps most where labels are fewest; with more of them the others catch up;
* the views decide what is learnt: with views that differ by noise alone (`--views noise`) half of the gain is lost.

Every figure is the mean of `--draws` of the labelled digits, then of the seeds. `--out` names the picture.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from _start import command_line, read_options

parser = command_line(__doc__)
parser.add_argument("--steps", type=int, default=400, help="batches that each loss learns from")
parser.add_argument("--seeds", type=int, default=3, help="splits of the digits, and trainings of each loss")
parser.add_argument("--draws", type=int, default=10, help="of the labelled digits, for each figure of a seed")
parser.add_argument("--views", choices=("all", "noise"), default="all", help="in what two views differ")
parser.add_argument("--out", type=Path, default=Path("docs/self_supervised.png"), help="where the picture goes")
if __name__ == "__main__":
    OPTIONS = read_options(parser)

import keras
import matplotlib.pyplot as plt
import numpy as np
from _data import Array, Digits, digits
from _picture import GREY, PALE, band, mosaic, save, show_mosaic
from _table import show, spread
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import tfloss_ext

LOSSES = ("nt_xent", "barlow_twins", "vicreg")
PIXELS, RANDOM = "raw pixels", "encoder before training"
LABELS, BATCH, WIDTH = (1, 2, 5, 10, 20), 128, 64


def view(images: Array, rng: np.random.Generator, kind: str) -> Array:
    """Each image turned by up to 15 degrees, scaled by up to 15 %, moved by up to a pixel, and noisy."""
    count, centre = len(images), (images.shape[1] - 1) / 2
    angle, zoom, right, down = rng.uniform(-1.0, 1.0, (4, count)) * [[np.pi / 12], [0.15], [1.0], [1.0]]
    cos, sin, zero = (1 + zoom) * np.cos(angle), (1 + zoom) * np.sin(angle), np.zeros(count)
    # Where in the image each pixel of the view comes from: x' = cos x - sin y + ..., y' = sin x + cos y + ...
    right, down = right + centre * (1 - cos + sin), down + centre * (1 - sin - cos)
    if kind == "all":
        transform = np.stack([cos, -sin, right, sin, cos, down, zero, zero], axis=-1).astype("float32")
        turned = keras.ops.image.affine_transform(images[..., None], transform, fill_mode="constant")
        images = keras.ops.convert_to_numpy(turned)[..., 0]
    return (images + rng.normal(0.0, 0.1, images.shape)).astype("float32")[..., None]


def batches(images: Array, steps: int, seed: int, kind: str) -> Array:
    """Two views of each digit of each batch, `(steps * BATCH, 2, 8, 8, 1)`, the same for every loss."""
    rng = np.random.default_rng(seed)
    pick = np.concatenate([rng.permutation(len(images))[:BATCH] for _ in range(steps)])
    return np.stack([view(images[pick], rng, kind) for _ in range(2)], axis=1)


def encoder() -> keras.Sequential:
    """From a digit to the features that are kept."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu", padding="same"),
            layers.Flatten(),
            layers.Dense(WIDTH, activation="relu"),
        ]
    )


def pretrain(loss: str, pairs: Array, seed: int) -> keras.Model:
    """The encoder after training; what stands on it in training is thrown away."""
    keras.utils.set_random_seed(seed)
    features, layers = encoder(), keras.layers
    project = keras.Sequential([layers.Dense(WIDTH, activation="relu"), layers.Dense(WIDTH)])
    views = keras.Input(pairs.shape[1:])
    # Both views go through as one batch.
    flat = keras.ops.reshape(views, (-1, *pairs.shape[2:]))
    model = keras.Model(views, keras.ops.reshape(project(features(flat)), (-1, 2, WIDTH)))
    model.compile(keras.optimizers.Adam(0.002), loss=tfloss_ext.get(loss))
    model.fit(pairs, np.zeros(len(pairs)), batch_size=BATCH, shuffle=False, verbose=0)
    return features


def describe(features: keras.Model | None, images: Array) -> Array:
    """What the linear classifier gets to see; without a network the pixels."""
    if features is None:
        return images.reshape(len(images), -1)
    return keras.ops.convert_to_numpy(features(images[..., None]))


def probe(features: keras.Model | None, learn: Digits, judge: Digits, draws: int, seed: int) -> list[float]:
    """Accuracies of linear classifiers of few labelled digits, for each number of them in `LABELS`."""
    known, unknown = (describe(features, data.images) for data in (learn, judge))
    scale = StandardScaler().fit(known)
    known, unknown = scale.transform(known), scale.transform(unknown)
    rng, of_digit, accuracies = np.random.default_rng(seed), [np.flatnonzero(learn.labels == d) for d in range(10)], []
    for number in LABELS:
        scores = []
        for _ in range(draws):
            rows = np.concatenate([rng.choice(rows, number, replace=False) for rows in of_digit])
            classifier = LogisticRegression(max_iter=1000).fit(known[rows], learn.labels[rows])
            scores.append(classifier.score(unknown, judge.labels))
        accuracies.append(float(np.mean(scores)))
    return accuracies


def draw(scores: dict[str, np.ndarray], pairs: Array, out: Path) -> None:
    """Two views of some digits, and the accuracies, `(seeds, numbers of labels)`."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), width_ratios=[1, 1.25], layout="constrained")
    views = mosaic(pairs[:24, ..., 0].reshape(6, 8, 8, 8), every=2)
    show_mosaic(left, views, "two views of a digit, side by side")
    styles = {PIXELS: {"color": GREY, "linestyle": "--"}, RANDOM: {"color": PALE, "linestyle": "--"}}
    for name, values in scores.items():
        band(right, LABELS, values, name, **styles.get(name, {}))
    right.set(title="linear classifiers on digits held out", xscale="log", ylabel="accuracy")
    right.set(xlabel="labels of each digit")
    right.set_xticks(LABELS, LABELS)
    right.minorticks_off()
    right.legend(frameon=False, loc="lower right")
    right.spines[["top", "right"]].set_visible(False)
    save(figure, out)


def main(options: argparse.Namespace) -> None:
    found: dict[str, list[list[float]]] = {name: [] for name in (PIXELS, RANDOM, *LOSSES)}
    for seed in range(options.seeds):
        learn, judge = digits(seed)
        task = {"learn": learn, "judge": judge, "draws": options.draws, "seed": seed}
        pairs = batches(learn.images, options.steps, seed, options.views)
        keras.utils.set_random_seed(seed)
        found[PIXELS].append(probe(None, **task))
        found[RANDOM].append(probe(encoder(), **task))
        for loss in LOSSES:
            found[loss].append(probe(pretrain(loss, pairs, seed), **task))

    scores = {name: np.array(values) for name, values in found.items()}
    show(
        f"accuracy on {len(judge.labels)} digits held out, by labels of each digit; {options.seeds} seeds",
        ["features", *map(str, LABELS)],
        [(name, *(spread(column) for column in values.T)) for name, values in scores.items()],
    )
    draw(scores, pairs, options.out)


if __name__ == "__main__":
    main(OPTIONS)
