# SPDX-License-Identifier: Apache-2.0
"""Two towers: which lower half belongs to this upper half of a handwritten digit?

One small network reads upper halves, another one lower halves, and what belongs together is to be near, as images and
their texts are in search engines. Each half of the digits held out looks for its other half among all 719 (recall@1 and
recall@5, the mean of both ways); half of another seven is as wrong as half of a two. What one learns:

* two tensors have one loss if they are one output: `keras.Model(..., {"pair": (a, b)})`, `loss={"pair": InfoNCE()}`;
* `LogitScale` is the last layer of that output. It learns the scale, one over the temperature, and for `SigLIP` the
  bias, and hands them to a loss with `temperature=None`;
* a temperature that is far off costs recall; learning it does no better than a good one that was guessed;
* regression with mse, which draws the mean of all lower halves that may follow, finds less;
* a loss that draws pairs together, and nothing else, is content with all points in one place.

`--out` names the picture: upper halves of the last seed with the lower halves found for them, and the learned scale.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

from _start import command_line, read_options

LOSSES = {
    "VICReg(variance=0, covariance=0)": ("vicreg", {"variance": 0.0, "covariance": 0.0}),
    "InfoNCE(temperature=1)": ("info_nce", {"temperature": 1.0}),
    "InfoNCE()": ("info_nce", {}),
    "InfoNCE(temperature=None)": ("info_nce", {"temperature": None}),
    "SigLIP()": ("siglip", {}),
    "SigLIP(temperature=None)": ("siglip", {"temperature": None}),
}
# What the layer begins with that learns the scale.
LEARNED = {"InfoNCE(temperature=None)": {}, "SigLIP(temperature=None)": {"initial": 10.0, "bias": -10.0}}

parser = command_line(__doc__)
parser.add_argument("--losses", nargs="+", choices=LOSSES, default=list(LOSSES), help="to compare with regression")
parser.add_argument("--epochs", type=int, default=60, help="passes over the digits")
parser.add_argument("--seeds", type=int, default=3, help="splits of the digits, and trainings of each loss")
parser.add_argument("--out", type=Path, default=Path("docs/two_towers.png"), help="where the picture goes")
if __name__ == "__main__":
    OPTIONS = read_options(parser)

import keras
import matplotlib.pyplot as plt
import numpy as np
from _data import Array, digits
from _picture import mosaic, save, show_mosaic
from _table import show, spread

import tfloss_ext

PIXELS, WIDTH, POINT, BATCH = 32, 256, 32, 154  # Of a half, of a hidden layer, of an embedding, of a batch.
REGRESSION, BEST = "mse of the pixels", "InfoNCE(temperature=None)"
Halves = tuple[Array, Array]


class Trained(NamedTuple):
    """How like each upper half is to each lower half, `(N, N)`; the scale after each epoch, and the bias in the end."""

    likeness: Array
    scales: tuple[float, ...] = ()
    bias: float | None = None


def halves(images: Array) -> Halves:
    """The upper and the lower four rows of each digit."""
    return images[:, :4].reshape(len(images), -1), images[:, 4:].reshape(len(images), -1)


def tower(outputs: int) -> keras.Sequential:
    layers = keras.layers
    hidden = [layers.Dense(WIDTH, activation="relu") for _ in range(2)]
    return keras.Sequential([keras.Input((PIXELS,)), *hidden, layers.Dense(outputs)])


def optimizer(samples: int, epochs: int) -> keras.optimizers.Optimizer:
    return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.002, epochs * -(-samples // BATCH)))


def regress(learn: Halves, judge: Halves, epochs: int, seed: int) -> Trained:
    """Predict the lower half from the upper one; like it is what is near to that."""
    keras.utils.set_random_seed(seed)
    model = tower(PIXELS)
    model.compile(optimizer(len(learn[0]), epochs), loss="mse")
    model.fit(*learn, batch_size=BATCH, epochs=epochs, verbose=0)
    predicted = keras.ops.convert_to_numpy(model(judge[0]))
    return Trained(-np.sum(np.square(predicted[:, None] - judge[1]), axis=-1))


def pair_up(name: str, learn: Halves, judge: Halves, epochs: int, seed: int) -> Trained:
    """Two towers, in whose outputs a loss sees pairs; like is what has a large cosine."""
    keras.utils.set_random_seed(seed)
    inputs = [keras.Input((PIXELS,)) for _ in range(2)]
    pair, layer, scales = tuple(tower(POINT)(half) for half in inputs), None, []
    if name in LEARNED:
        layer = tfloss_ext.LogitScale(**LEARNED[name])
        pair = layer(pair)
    model = keras.Model(inputs, {"pair": pair})
    loss, parameters = LOSSES[name]
    model.compile(optimizer(len(learn[0]), epochs), loss={"pair": tfloss_ext.get(loss, **parameters)})
    note = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: layer and scales.append(float(layer.scale)))
    # There are no targets; Keras wants some.
    model.fit(list(learn), np.zeros(len(learn[0])), batch_size=BATCH, epochs=epochs, verbose=0, callbacks=[note])
    upper, lower = (keras.ops.convert_to_numpy(points) for points in model(list(judge))["pair"])
    cosines = (upper @ lower.T) / np.outer(*(np.linalg.norm(points, axis=-1) for points in (upper, lower)))
    return Trained(cosines, tuple(scales), float(layer.learned_bias) if layer and layer.bias is not None else None)


def recall(likeness: Array) -> tuple[float, float]:
    """How often the other half is the most like of all, and how often among five; the mean of both ways."""
    own = np.diag(likeness)[:, None]
    # What is as like as the right one is ahead of it, or points that are all the same would find everything.
    ahead = np.concatenate([np.sum(matrix >= own, axis=1) - 1 for matrix in (likeness, likeness.T)])
    return float(np.mean(ahead < 1)), float(np.mean(ahead < 5))


def found(likeness: Array, judge: Halves, queries: np.ndarray, count: int = 5) -> Array:
    """A row for each query: the digit, then its upper half on the lower halves found for it, the wrong ones in red."""
    shown = np.column_stack([queries, np.argsort(-likeness[queries], axis=1)[:, :count]])
    upper, lower = (half.reshape(-1, 4, 8) for half in judge)
    digit = np.concatenate([np.repeat(upper[queries][:, None], count + 1, axis=1), lower[shown]], axis=2)
    wrong = (shown != queries[:, None])[..., None, None] & (np.arange(8) >= 4)[:, None]
    return mosaic(digit, wrong)


def draw(mosaics: dict[str, Array], scales: dict[str, list[tuple[float, ...]]], out: Path) -> None:
    figure, (*left, right) = plt.subplots(
        1, len(mosaics) + 1, figsize=(12, 5), width_ratios=[*[1] * len(mosaics), 1.5], layout="constrained"
    )
    for axes, (name, image) in zip(left, mosaics.items(), strict=True):
        show_mosaic(axes, image, name, "on grey the digit, then what was found")
    for (name, values), colour in zip(scales.items(), ("#0b62d6", "#d1402b"), strict=False):
        for seed, line in enumerate(values):
            right.plot(np.arange(len(line)) + 1, line, color=colour, label="" if seed else name)
    right.set(title="the learned scale, 1 / temperature", xlabel="epoch", ylim=(0, None))
    right.legend(frameon=False, loc="lower right")
    right.spines[["top", "right"]].set_visible(False)
    save(figure, out)


def main(options: argparse.Namespace) -> None:
    runs: dict[str, list[Trained]] = {name: [] for name in (REGRESSION, *options.losses)}
    for seed in range(options.seeds):
        learn, judge = (halves(data.images) for data in digits(seed))
        runs[REGRESSION].append(regress(learn, judge, options.epochs, seed))
        for name in options.losses:
            runs[name].append(pair_up(name, learn, judge, options.epochs, seed))

    count = len(judge[0])
    rows = [("chance", f"{1 / count:.3f}", f"{5 / count:.3f}", "", "")]
    for name, trained in runs.items():
        recalls = map(spread, zip(*(recall(run.likeness) for run in trained), strict=True))
        learned = (
            [run.scales[-1] for run in trained if run.scales],
            [run.bias for run in trained if run.bias is not None],
        )
        rows.append((name, *recalls, *(spread(values) if values else "" for values in learned)))
    columns = ["loss", "recall@1", "recall@5", "scale learned", "bias learned"]
    show(f"{count} pairs held out, {options.seeds} seeds", columns, rows)

    queries = np.random.default_rng(0).permutation(count)[:12]
    mosaics = {name: found(runs[name][-1].likeness, judge, queries) for name in (REGRESSION, BEST) if name in runs}
    draw(mosaics, {name: [run.scales for run in runs[name]] for name in LEARNED if name in runs}, options.out)


if __name__ == "__main__":
    main(OPTIONS)
