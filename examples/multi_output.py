# SPDX-License-Identifier: Apache-2.0
"""A model with several outputs: one loss for each, by name or as an instance, beside Keras's own.

What one learns here, on the 178 wines that come with scikit-learn:

* a dict or a list of losses may mix names of this package, names of Keras and instances with parameters;
* `loss_weights` and the logs of `evaluate` work as with any Keras loss;
* `weighted_mse` brings outputs in different units to one scale, where plain `mse` hears only the loudest unit;
* `.keras` files bring back every loss with its parameters, the model evaluates to the same numbers.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from _start import command_line, read_options

parser = command_line(__doc__)
parser.add_argument("--epochs", type=int, default=60, help="passes over the wines")
if __name__ == "__main__":
    OPTIONS = read_options(parser)

import keras
import numpy as np
from _table import show
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

import tfloss_ext

CHEMISTRY = {"alcohol": "% vol", "color_intensity": "", "proline": "mg/l"}
Targets = dict[str, np.ndarray]


def load() -> tuple[np.ndarray, np.ndarray, Targets, Targets]:
    """Inputs and targets to learn from and held out: nine measurements of a wine tell its grower and five others."""
    wine = load_wine()
    values = dict(zip(wine.feature_names, wine.data.astype("float32").T, strict=True))
    outputs = {
        "grower": wine.target.astype("int64"),
        "chemistry": np.stack([values.pop(name) for name in CHEMISTRY], axis=-1),
        "magnesium": values.pop("magnesium") / 10.0,
    }
    inputs = np.stack(list(values.values()), axis=-1)
    train, test = train_test_split(np.arange(len(inputs)), test_size=0.4, stratify=wine.target, random_state=0)
    inputs = (inputs - inputs[train].mean(axis=0)) / inputs[train].std(axis=0)
    return (
        inputs[train],
        inputs[test],
        {k: v[train] for k, v in outputs.items()},
        {k: v[test] for k, v in outputs.items()},
    )


def build(targets: Targets) -> keras.Model:
    """Three heads on one trunk; those of the regressions speak in the units of their targets."""

    def measured(name: str, width: int) -> keras.KerasTensor:
        spread, centre = (moment(targets[name], axis=0).reshape(-1).tolist() for moment in (np.std, np.mean))
        return keras.layers.Rescaling(spread, centre, name=name)(keras.layers.Dense(width)(trunk))

    inputs = keras.Input((9,), name="measurements")
    trunk = keras.layers.Dense(32, activation="relu")(inputs)
    grower = keras.layers.Dense(3, activation="softmax", name="grower")(trunk)
    return keras.Model(
        inputs, {"grower": grower, "chemistry": measured("chemistry", 3), "magnesium": measured("magnesium", 1)}
    )


def train(loss: Any, epochs: int, inputs: np.ndarray, targets: Targets, **options: Any) -> keras.Model:
    """The model after a fit with these losses."""
    keras.utils.set_random_seed(0)
    model = build(targets)
    model.compile(keras.optimizers.Adam(0.01), loss=loss, **options)
    model.fit(inputs, targets, batch_size=16, epochs=epochs, verbose=0)
    return model


def results(model: keras.Model, inputs: np.ndarray, targets: Targets) -> dict[str, float]:
    """What matters about each output, on wines that the model has not seen."""
    predicted = model.predict(inputs, verbose=0)
    error = np.abs(predicted["chemistry"] - targets["chemistry"])
    magnesium = np.abs(predicted["magnesium"][:, 0] - targets["magnesium"]) * 10.0
    accuracy = float(np.mean(predicted["grower"].argmax(axis=-1) == targets["grower"]))
    chemistry = {
        f"{name}, median error {unit}".strip(): float(np.median(error[:, i]))
        for i, (name, unit) in enumerate(CHEMISTRY.items())
    }
    return {"grower, accuracy": accuracy, **chemistry, "magnesium, median error mg/l": float(np.median(magnesium))}


def main(options: argparse.Namespace) -> None:
    inputs, held_out, targets, truth = load()

    plain = {"grower": "sparse_categorical_crossentropy", "chemistry": "mse", "magnesium": "mse"}
    ours = {
        "grower": "categorical_focal",  # A name: ids or one-hot targets, told apart by their shape.
        "chemistry": tfloss_ext.get("weighted_mse", weight=(1.0 / targets["chemistry"].var(axis=0)).tolist()),
        "magnesium": "log_cosh_loss",
    }
    baseline = train(plain, options.epochs, inputs, targets)
    model = train(
        ours, options.epochs, inputs, targets, loss_weights={"grower": 1.0, "chemistry": 1.0, "magnesium": 0.5}
    )
    columns = results(baseline, held_out, truth), results(model, held_out, truth)
    rows = [(name, columns[0][name], columns[1][name]) for name in columns[0]]
    show(f"{len(held_out)} wines held out", ["output", "Keras: crossentropy, mse, mse", "tfloss_ext"], rows)

    # A list, in the order of the outputs, is the same thing; names of Keras and ours may stand side by side.
    mixed = build(targets)
    order = ["grower", "chemistry", "magnesium"]
    model_of_list = keras.Model(mixed.inputs, [mixed.output[name] for name in order])
    model_of_list.compile("adam", loss=["sparse_categorical_crossentropy", ours["chemistry"], "log_cosh_loss"])
    logs = model_of_list.evaluate(held_out, [truth[name] for name in order], verbose=0, return_dict=True)
    print("\nlogs of a list of losses:", ", ".join(f"{name} {value:.3f}" for name, value in logs.items()))

    before = model.evaluate(held_out, truth, verbose=0, return_dict=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "wine.keras"
        model.save(path)
        again = keras.saving.load_model(path)
    after = again.evaluate(held_out, truth, verbose=0, return_dict=True)
    for name, loss in again.loss.items():
        print(f"reloaded loss of {name}: {loss!r}")
    print(f"evaluation before saving {before['loss']:.6f}, after reloading {after['loss']:.6f}")
    np.testing.assert_allclose(list(after.values()), list(before.values()), rtol=1e-6)


if __name__ == "__main__":
    main(OPTIONS)
