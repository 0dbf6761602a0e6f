# SPDX-License-Identifier: Apache-2.0
"""Ratings from 0 to 4: `coral` and `weighted_kappa` know that a 3 is nearer to a 4 than a 0 is.

How far diabetes progresses in a year (442 patients, shipped with scikit-learn), in five grades of equal frequency. What
one learns:

* crossentropy sees five names without an order: to take a 4 for a 3 costs what it costs to take it for a 0;
* `coral` asks four questions, "above 0?" to "above 3?", and needs a layer made for it: one score, shared weights, and
  four biases. `Thresholds`, below, is that layer. The rank is how many answers are yes;
* `weighted_kappa` takes the same softmax as crossentropy and optimises the measure itself, over the batch: let batches
  be large. The measure is then better in training, but with few patients, as here, not always on others; and the
  probabilities are far too sure of themselves;
* from a softmax a rating is read in two ways: the likeliest, or the mean of the ranks, rounded, which costs nothing and
  is wrong by less;
* the measure decides. Quadratic kappa and the mean error in ranks ask how far off a rating is, accuracy only whether.

Every row is the mean of several splits of the data, and all models are linear.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from _start import command_line, read_options

parser = command_line(__doc__)
parser.add_argument("--epochs", type=int, default=40, help="passes over the patients")
parser.add_argument("--splits", type=int, default=5, help="of the data, whose mean is printed")
if __name__ == "__main__":
    OPTIONS = read_options(parser)

import keras
import numpy as np
from _table import show
from sklearn.datasets import load_diabetes
from sklearn.metrics import cohen_kappa_score
from sklearn.model_selection import train_test_split

import tfloss_ext

RANKS = 5
Arrays = tuple[np.ndarray, np.ndarray]


def load(seed: int) -> tuple[Arrays, Arrays]:
    """Standardised patients and their grades, to learn from and held out."""
    features, target = load_diabetes(return_X_y=True)
    learn, judge, learn_target, judge_target = train_test_split(features, target, test_size=0.35, random_state=seed)
    bounds = np.quantile(learn_target, np.arange(1, RANKS) / RANKS)
    mean, spread = learn.mean(axis=0), learn.std(axis=0)
    learn, judge = (((part - mean) / spread).astype("float32") for part in (learn, judge))
    return (learn, np.digitize(learn_target, bounds)), (judge, np.digitize(judge_target, bounds))


class Thresholds(keras.layers.Layer):
    """From one score to a logit for each threshold between ranks: the score plus a bias."""

    def __init__(self, ranks: int) -> None:
        super().__init__()
        self.ranks = ranks

    def build(self, _: tuple[int | None, ...]) -> None:
        # As if all ranks were equally frequent; from zeros the biases would first have to part.
        above = 1.0 - np.arange(1, self.ranks) / self.ranks
        start = keras.initializers.Constant(np.log(above / (1.0 - above)))
        self.bias = self.add_weight(shape=(self.ranks - 1,), initializer=start, name="bias")

    def call(self, score: keras.KerasTensor) -> keras.KerasTensor:
        return score + self.bias


def softmax() -> list[keras.layers.Layer]:
    return [keras.layers.Dense(RANKS, activation="softmax")]


def shared_weights() -> list[keras.layers.Layer]:
    return [keras.layers.Dense(1, use_bias=False), Thresholds(RANKS)]


def train(
    loss: str | keras.losses.Loss, layers: list[keras.layers.Layer], data: Arrays, *, epochs: int, seed: int
) -> keras.Model:
    """The layers after `epochs`."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((data[0].shape[1],)), *layers])
    model.compile(keras.optimizers.Adam(0.03), loss=loss)
    # Kappa is the kappa of a batch, so all of them are large here.
    model.fit(*data, batch_size=96, epochs=epochs, verbose=0)
    return model


def likeliest(p: np.ndarray) -> np.ndarray:
    return np.argmax(p, axis=-1)


def mean_rank(p: np.ndarray) -> np.ndarray:
    return np.rint(p @ np.arange(RANKS)).astype("int64")


def thresholds_passed(logits: np.ndarray) -> np.ndarray:
    return np.sum(logits > 0, axis=-1)


Rating = Callable[[np.ndarray], np.ndarray]
# The loss, the layers it needs, and how a rating is read from what they give.
WAYS: dict[str, tuple[str | keras.losses.Loss, Callable[[], list[keras.layers.Layer]], dict[str, Rating]]] = {
    '"sparse_categorical_crossentropy"': (
        "sparse_categorical_crossentropy",
        softmax,
        {"likeliest": likeliest, "mean rank": mean_rank},
    ),
    '"coral"': ("coral", shared_weights, {"thresholds passed": thresholds_passed}),
    '"weighted_kappa"': ("weighted_kappa", softmax, {"likeliest": likeliest, "mean rank": mean_rank}),
    'WeightedKappa(weighting="linear")': (
        tfloss_ext.WeightedKappa(weighting="linear"),
        softmax,
        {"likeliest": likeliest},
    ),
}


def main(options: argparse.Namespace) -> None:
    scores: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for seed in range(options.splits):
        learn, (patients, grades) = load(seed)
        for name, (loss, layers_of, ratings) in WAYS.items():
            model = train(loss, layers_of(), learn, epochs=options.epochs, seed=seed)
            output = keras.ops.convert_to_numpy(model(patients))
            for reading, rating_of in ratings.items():
                rated = rating_of(output)
                off = np.abs(rated - grades)
                kappa = cohen_kappa_score(grades, rated, weights="quadratic", labels=np.arange(RANKS))
                measured = float(np.mean(off)), float(kappa), float(np.mean(off == 0)), float(np.mean(off > 1))
                scores.setdefault((name, reading), []).append(measured)
    show(
        f"{options.splits} splits, {len(grades)} held-out patients, grades 0 to {RANKS - 1}",
        ["loss", "rating", "mean error in ranks", "quadratic kappa", "accuracy", "off by 2 or more"],
        [(*key, *np.mean(values, axis=0).tolist()) for key, values in scores.items()],
    )


if __name__ == "__main__":
    main(OPTIONS)
