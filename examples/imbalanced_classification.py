# SPDX-License-Identifier: Apache-2.0
"""A rare class: what the focal loss changes, and what its alpha does.

Is this handwritten digit an eight? Eights are one image in fifty, and a linear model (64 pixels, one sigmoid) cannot
get all of them right: it has to spend itself where it matters. What one learns:

* `focal` stands where `binary_crossentropy` stood, for the same targets and the same sigmoid output;
* by its name alone it has alpha=0.25, which weighs the rare class *down*, to a third of the others. It comes from
  object detectors, which see a hundred thousand easy negatives in each image; here it undoes what gamma gains. Begin
  with alpha=None, which weighs neither, or with 0.75, which weighs the rare class up;
* gamma turns down the many digits that are easily told from an eight, so that the hard ones decide;
* crossentropy with a `class_weight` for the rare class does as well: compare with it before anything else;
* average precision asks for the ranking alone, whatever the threshold. Log loss asks for probabilities, which is what
  crossentropy is made for: what focal loss returns are scores, too cautious to be read as probabilities.

Every row is the mean of several splits of the data.
"""

from __future__ import annotations

import argparse

from _start import command_line, read_options

parser = command_line(__doc__)
parser.add_argument("--epochs", type=int, default=40, help="passes over the digits")
parser.add_argument("--splits", type=int, default=3, help="of the data, whose mean is printed")
if __name__ == "__main__":
    OPTIONS = read_options(parser)

import keras
import numpy as np
from _data import digits
from _table import show
from sklearn.metrics import average_precision_score, log_loss

import tfloss_ext

RARE, SHARE = 8, 0.02
Arrays = tuple[np.ndarray, np.ndarray]


def load(seed: int) -> tuple[Arrays, Arrays]:
    """Digits and whether they are eights, to learn from and held out, with the same share of eights."""
    rng = np.random.default_rng(seed)
    parts = []
    for part in digits(seed, held_out=0.5):
        rare, usual = np.flatnonzero(part.labels == RARE), np.flatnonzero(part.labels != RARE)
        kept = rng.permutation(np.concatenate([usual, rare[: round(SHARE * len(usual))]]))
        parts.append((part.images[kept].reshape(len(kept), -1), (part.labels[kept] == RARE).astype("float32")))
    return parts[0], parts[1]


def train(
    loss: str | keras.losses.Loss, data: Arrays, *, epochs: int, seed: int, rare_weight: float = 1.0
) -> keras.Model:
    """A linear model after `epochs`."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.Adam(0.03), loss=loss)
    model.fit(*data, batch_size=128, epochs=epochs, class_weight={0: 1.0, 1: rare_weight}, verbose=0)
    return model


def main(options: argparse.Namespace) -> None:
    losses: dict[str, tuple[str | keras.losses.Loss, float]] = {
        '"binary_crossentropy"': ("binary_crossentropy", 1.0),
        '"binary_crossentropy", class_weight 10': ("binary_crossentropy", 10.0),
        '"focal", which has alpha=0.25': ("focal", 1.0),
        "Focal(gamma=2, alpha=None)": (tfloss_ext.Focal(gamma=2.0, alpha=None), 1.0),
        "Focal(gamma=2, alpha=0.75)": (tfloss_ext.Focal(gamma=2.0, alpha=0.75), 1.0),
    }
    scores: dict[str, list[tuple[float, ...]]] = {name: [] for name in losses}
    for seed in range(options.splits):
        learn, (images, truth) = load(seed)
        for name, (loss, rare_weight) in losses.items():
            model = train(loss, learn, epochs=options.epochs, seed=seed, rare_weight=rare_weight)
            p = keras.ops.convert_to_numpy(model(images))[:, 0].astype("float64")
            found, rare = p > 0.5, truth == 1
            scores[name].append(
                (
                    float(average_precision_score(truth, p)),
                    float(log_loss(truth, p)),
                    float(np.mean(found[rare])),
                    float(np.sum(found & rare) / max(np.sum(found), 1)),
                )
            )
    show(
        f"{options.splits} splits, {int(truth.sum())} of {len(truth)} held-out digits are eights",
        ["loss", "average precision", "log loss", "recall at 0.5", "precision at 0.5"],
        [(name, *np.mean(values, axis=0).tolist()) for name, values in scores.items()],
    )


if __name__ == "__main__":
    main(OPTIONS)
