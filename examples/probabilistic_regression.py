# SPDX-License-Identifier: Apache-2.0
"""How sure is the model? Prediction intervals from `Quantile` and from `GaussianNLL`, beside mse.

From ten measurements of a patient a linear model predicts how far diabetes has progressed a year later (442 patients,
shipped with scikit-learn), and between which two numbers it lies with a probability of 90 %. What one learns:

* mse gives a mean. An interval around it needs a spread, here that of the residuals in training: one width for all;
* `Quantile(quantiles=[0.05, 0.5, 0.95])` has an output for each quantile, in that order, and assumes no distribution.
  Nothing keeps the outputs of a quantile regression in order; here they are sorted, which never makes it worse;
* `GaussianNLL` has two outputs, the mean and the logarithm of the variance, and assumes the bell curve. With beta=0 it
  is the likelihood; beta=0.5 keeps a large variance from excusing a bad mean;
* coverage over all patients hides where an interval fails: progression varies more where more of it is predicted, so
  that one width covers too many of those predicted low, and too few of those predicted high. Over all, width and
  pinball loss, which judges coverage and width at once, may well be alike;
* intervals promise what they do in training. On patients they have not seen they cover somewhat less.

Every row is the mean of several splits of the data. `--out` names the picture of the last split.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from _start import command_line, read_options

parser = command_line(__doc__)
parser.add_argument("--epochs", type=int, default=30, help="passes over the patients")
parser.add_argument("--splits", type=int, default=5, help="of the data, whose mean is printed")
default = Path("docs/probabilistic_regression.png")
parser.add_argument("--out", type=Path, default=default, help="where the picture goes")
if __name__ == "__main__":
    OPTIONS = read_options(parser)

import keras
import matplotlib.pyplot as plt
import numpy as np
from _table import show
from sklearn.datasets import load_diabetes
from sklearn.metrics import mean_pinball_loss
from sklearn.model_selection import train_test_split

import tfloss_ext

QUANTILES = [0.05, 0.5, 0.95]
Z = 1.6449  # A standard normal number lies beyond it with a probability of 5 %.
Arrays = tuple[np.ndarray, np.ndarray]


def load(seed: int) -> tuple[Arrays, Arrays, float, float]:
    """Standardised patients to learn from and held out, and the mean and spread of their progression in training."""
    features, target = load_diabetes(return_X_y=True)
    split = train_test_split(features, target, test_size=0.35, random_state=seed)
    learn, judge, learn_target, judge_target = (array.astype("float32") for array in split)
    scale, centre, spread = learn.std(axis=0), float(learn_target.mean()), float(learn_target.std())
    middle = learn.mean(axis=0)
    standard = ((target - centre) / spread for target in (learn_target, judge_target))
    learn_target, judge_target = standard
    return ((learn - middle) / scale, learn_target), ((judge - middle) / scale, judge_target), centre, spread


def train(loss: str | keras.losses.Loss, outputs: int, data: Arrays, *, epochs: int, seed: int) -> keras.Model:
    """A linear model with so many outputs after `epochs`."""
    keras.utils.set_random_seed(seed)
    layer = keras.layers.Dense(outputs, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((data[0].shape[1],)), layer])
    model.compile(keras.optimizers.Adam(0.02), loss=loss)
    model.fit(*data, batch_size=32, epochs=epochs, verbose=0)
    return model


def around(mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """The three quantiles of bell curves."""
    return np.stack([mean - Z * spread, mean, mean + Z * spread], axis=-1)


def constant(raw: np.ndarray, residual: float) -> np.ndarray:
    return around(raw[:, 0], np.full(len(raw), residual))


def sorted_quantiles(raw: np.ndarray, _: float) -> np.ndarray:
    return np.sort(raw, axis=-1)


def gaussian(raw: np.ndarray, _: float) -> np.ndarray:
    return around(raw[:, 0], np.exp(0.5 * raw[:, 1]))


# The loss, how many outputs it needs, and how its outputs become quantiles.
WAYS: dict[str, tuple[str | keras.losses.Loss, int, Callable[[np.ndarray, float], np.ndarray]]] = {
    '"mse", one spread': ("mse", 1, constant),
    "Quantile([0.05, 0.5, 0.95])": (tfloss_ext.Quantile(quantiles=QUANTILES), 3, sorted_quantiles),
    "GaussianNLL(beta=0)": (tfloss_ext.GaussianNLL(beta=0.0), 2, gaussian),
    "GaussianNLL(beta=0.5)": (tfloss_ext.GaussianNLL(beta=0.5), 2, gaussian),
}


def covered(quantiles: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return (quantiles[:, 0] <= truth) & (truth <= quantiles[:, -1])


def measures(quantiles: np.ndarray, truth: np.ndarray) -> tuple[float, ...]:
    """Coverage of all, and of those predicted low and high; width; pinball loss."""
    inside, order = covered(quantiles, truth), np.argsort(quantiles[:, 1])
    third = len(order) // 3
    pinball = [mean_pinball_loss(truth, quantiles[:, i], alpha=q) for i, q in enumerate(QUANTILES)]
    return (
        float(np.mean(inside)),
        float(np.mean(inside[order[:third]])),
        float(np.mean(inside[order[-third:]])),
        float(np.mean(quantiles[:, -1] - quantiles[:, 0])),
        float(np.mean(pinball)),
    )


def draw(pictured: dict[str, np.ndarray], truth: np.ndarray, out: Path) -> None:
    """Patients in the order of their prediction: interval, prediction and what came true."""
    figure, axes = plt.subplots(1, len(pictured), figsize=(4.2 * len(pictured), 3.9), sharey=True, layout="constrained")
    for axis, (name, quantiles) in zip(axes, pictured.items(), strict=True):
        order = np.argsort(quantiles[:, 1])
        low, middle, high = quantiles[order].T
        place, inside = np.arange(len(order)), covered(quantiles, truth)[order]
        axis.bar(place, high - low, 1.0, low, color="#c6dbef", linewidth=0, label="90 % interval")
        axis.plot(place, middle, color="#08519c", linewidth=1.8, label="prediction")
        axis.scatter(place[inside], truth[order][inside], 9, color="#4d4d4d", linewidths=0, label="truth, inside")
        outside = place[~inside], truth[order][~inside]
        axis.scatter(*outside, 26, color="#d7301f", marker="D", linewidths=0, label="truth, outside")
        axis.set_title(f"{name}\ncovers {np.mean(inside):.0%}, mean width {np.mean(high - low):.0f}", fontsize=11)
        axis.set_xlabel("held-out patients, by prediction")
        axis.set_xlim(-1, len(order))
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("progression of diabetes in a year")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)
    plt.close(figure)


def main(options: argparse.Namespace) -> None:
    scores: dict[str, list[tuple[float, ...]]] = {name: [] for name in WAYS}
    for seed in range(options.splits):
        learn, (patients, target), centre, spread = load(seed)
        truth, pictured = centre + spread * target, {}
        for name, (loss, outputs, quantiles_of) in WAYS.items():
            model = train(loss, outputs, learn, epochs=options.epochs, seed=seed)
            known, raw = (keras.ops.convert_to_numpy(model(x)) for x in (learn[0], patients))
            residual = float(np.std(learn[1] - known[:, 0]))
            pictured[name] = centre + spread * quantiles_of(raw, residual)
            scores[name].append(measures(pictured[name], truth))
    show(
        f"{options.splits} splits, {len(truth)} held-out patients, intervals of 90 %",
        ["loss", "coverage", "lowest third", "highest third", "mean width", "pinball loss"],
        [(name, *np.mean(values, axis=0).tolist()) for name, values in scores.items()],
    )
    draw({name: pictured[name] for name in pictured if name != "GaussianNLL(beta=0)"}, truth, options.out)
    print(f"The picture is in {options.out}.")


if __name__ == "__main__":
    main(OPTIONS)
