# SPDX-License-Identifier: Apache-2.0
"""Six losses in one model, by name: trained on real handwriting, compared with Keras's plain losses, saved, reloaded.

Scenes of 10 x 10 pixels hold one of scikit-learn's 1,797 handwritten digits, under noise and a scrap of another digit.
One functional model answers six questions about a scene, each with the loss that was made for it:

* `dark`: which pixels did the pen make fully black? A few in a hundred, and noise hides them. `dice_loss`, which asks
  how much of what is found and of what is there is the same, against binary crossentropy, which when in doubt says no.
* `spot`: on which pixel lies the digit's centre of mass? One in a hundred. `unified_focal`, made for one rare class,
  against binary crossentropy, which with so many empty pixels is soon small and beside five others hardly counts.
* `digit`: which digit is it? Four training labels in ten are wrong. `generalized_crossentropy`, which lets go of what
  it cannot believe, against crossentropy.
* `embedding`: a point on a sphere, near to those of the same digit. `triplet` against the features of a classifier.
* `pair`: does a second scene show the same digit? `contrastive` against a classifier of differences.
* `ink`: how much ink was used? One training label in eight is ten times too small. `log_cosh_loss` against mse.

Both models have the same trunks, optimiser and budget, and every loss is divided by its value before training. What is
printed are measures on digits that neither has seen, over several seeds of the split, the noise and the weights. A row
is a tie where neither is better with every seed.

No loss is better at everything. What crossentropy is made for, probabilities and with them a ranking, it does well: in
average precision the two of `dark` hardly differ, what differs is what lies above 0.5. For rare positives see
`imbalanced_classification.py`: `focal` by its name alone has alpha=0.25, which weighs them down.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from _start import command_line, read_options

parser = command_line(__doc__)
parser.add_argument("--epochs", type=int, default=12, help="passes over the scenes")
parser.add_argument("--samples", type=int, default=2000, help="scenes to train on, and at most to judge on")
parser.add_argument("--seeds", type=int, default=3, help="trainings of each model")
parser.add_argument("--seed", type=int, default=0, help="the first of them")
parser.add_argument("--out", type=Path, default=Path("out/quickstart.png"), help="where the picture goes")
parser.add_argument("--evaluate", type=Path, help=argparse.SUPPRESS)  # What the new process is asked.
if __name__ == "__main__":
    OPTIONS = read_options(parser)

import keras
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from _data import Digits, Scenes, digits, retrieval, scenes
from _table import show, spread
from matplotlib import patheffects
from matplotlib.gridspec import SubplotSpec
from sklearn.manifold import TSNE
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve
from threadpoolctl import threadpool_limits

import tfloss_ext

OURS = {
    "dark": "dice_loss",
    "spot": "unified_focal",
    "digit": "generalized_crossentropy",
    "embedding": "triplet",
    "pair": "contrastive",
    "ink": "log_cosh_loss",
}
PLAIN = {
    "dark": "binary_crossentropy",
    "spot": "binary_crossentropy",
    "digit": "sparse_categorical_crossentropy",
    "embedding": "sparse_categorical_crossentropy",
    "pair": "binary_crossentropy",
    "ink": "mse",
}
WRONG_DIGITS, WRONG_INK, WIDTH, BATCH = 0.4, 0.125, 16, 80
Arrays = dict[str, np.ndarray]
Measures = dict[tuple[str, str], float]
History = dict[str, list[float]]


class Run(NamedTuple):
    """What came of one seed: the held-out scenes and their answers, those of both models, and the history of ours."""

    inputs: Arrays
    truth: Arrays
    theirs: Arrays
    ours: Arrays
    history: History


def targets_of(scene: Scenes, second: np.ndarray) -> Arrays:
    """The six answers about each scene; `second` says which scene is shown beside it."""
    ink = scene.clean[..., 0]
    count, size, _ = ink.shape
    total, pixels = ink.sum(axis=(1, 2)), np.arange(size)
    row, column = (np.rint(ink.sum(axis=axis) @ pixels / total).astype(int) for axis in (2, 1))
    spot = np.zeros_like(scene.clean)
    spot[np.arange(count), row, column] = 1.0
    return {
        "dark": (scene.clean == 1.0).astype("float32"),
        "digit": scene.labels,
        "embedding": scene.labels,
        "pair": (scene.labels == scene.labels[second]).astype("float32"),
        "ink": (total / 4.0).astype("float32"),
        "spot": spot,
    }


def dataset(source: Digits, seed: int, count: int) -> tuple[Arrays, Arrays]:
    """`count` scenes of these digits, each beside a second scene that in half the cases shows the same digit."""
    rng = np.random.default_rng(seed)
    source = Digits(*(array[:count] for array in source))
    scene = scenes(source, rng, copies=-(-count // len(source.labels)))
    scene = Scenes(*(array[:count] for array in scene))
    labels = scene.labels
    same = rng.random(len(labels)) < 0.5
    wanted = np.where(same, labels, (labels + rng.integers(1, 10, len(labels))) % 10)
    second = np.array([rng.choice(np.flatnonzero(labels == w)) if w in labels else i for i, w in enumerate(wanted)])
    return {"scene": scene.images, "other": scene.images[second]}, targets_of(scene, second)


def training_data(samples: int, seed: int) -> tuple[Arrays, Arrays]:
    """Two scenes of each training digit; some labels of `digit` and of `ink` are wrong."""
    learn, _ = digits(seed)
    rng = np.random.default_rng(seed)
    inputs, targets = dataset(learn, seed + 1, min(samples, 2 * len(learn.labels)))
    count = len(targets["ink"])
    ids, ink = targets["digit"], targets["ink"]
    targets["digit"] = np.where(rng.random(count) < WRONG_DIGITS, (ids + rng.integers(1, 10, count)) % 10, ids)
    targets["ink"] = np.where(rng.random(count) < WRONG_INK, ink / 10.0, ink).astype("float32")
    return inputs, targets


def held_out_data(samples: int, seed: int) -> tuple[Arrays, Arrays]:
    """One scene of each digit that is held out, all labels right."""
    _, judge = digits(seed)
    return dataset(judge, seed + 2, min(samples, len(judge.labels)))


def convolution(x: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    x = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    return keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))


def trunk(name: str) -> keras.Model:
    """From a scene to features of each pixel, of each block of four, and of all."""
    layers = keras.layers
    scene = keras.Input((10, 10, 1))
    fine = convolution(scene, 16)
    coarse = convolution(convolution(layers.MaxPooling2D()(fine), 32), 32)
    return keras.Model(scene, [fine, coarse, layers.Dense(64, activation="relu")(layers.Flatten()(coarse))], name=name)


def build(*, plain: bool) -> keras.Model:
    """One model with six outputs. Plain losses need other outputs in two places: `embedding` and `pair`."""
    layers = keras.layers
    scene, other = keras.Input((10, 10, 1), name="scene"), keras.Input((10, 10, 1), name="other")
    look = trunk("look")
    fine, coarse, seen = look(scene)
    # What wrong labels teach stays out of the trunk of the others.
    doubtful = trunk("look_doubtfully")(scene)[2]
    one, two = (layers.Dense(WIDTH, name=f"point_{i}") for i in range(2))
    each_pixel = convolution(layers.Concatenate()([layers.UpSampling2D()(coarse), fine]), 16)
    outputs = {
        "dark": layers.Conv2D(1, 1, activation="sigmoid", name="dark")(each_pixel),
        "digit": layers.Dense(10, activation="softmax", name="digit")(doubtful),
        "ink": layers.Dense(1, name="ink")(doubtful),
        "spot": layers.Conv2D(1, 1, activation="sigmoid", name="spot")(each_pixel),
    }
    points = two(seen), two(look(other)[2])
    if plain:
        features = layers.Activation("linear", name="features")(one(seen))
        outputs["embedding"] = layers.Dense(10, activation="softmax", name="embedding")(features)
        difference = keras.ops.abs(points[0] - points[1])
        outputs["pair"] = layers.Dense(1, activation="sigmoid", name="pair")(difference)
    else:
        outputs["embedding"] = layers.UnitNormalization(name="embedding")(one(seen))
        sphere = [layers.Reshape((1, WIDTH))(layers.UnitNormalization()(point)) for point in points]
        outputs["pair"] = layers.Concatenate(axis=1, name="pair")(sphere)
    return keras.Model({"scene": scene, "other": other}, outputs)


def train(*, plain: bool, data: tuple[Arrays, Arrays], epochs: int, seed: int) -> tuple[keras.Model, History]:
    """The trained model and its history."""
    keras.utils.set_random_seed(seed)
    inputs, targets = data
    model = build(plain=plain)
    loss = PLAIN if plain else OURS
    model.compile(loss=loss, run_eagerly=True)
    some = ({name: array[:512] for name, array in arrays.items()} for arrays in data)
    before = model.evaluate(*some, batch_size=128, verbose=0, return_dict=True)
    steps = epochs * -(-len(targets["ink"]) // BATCH)
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, steps)),
        loss=loss,
        loss_weights={name: 1.0 / max(before[f"{name}_loss"], 1e-3) for name in loss},
    )
    history = model.fit(inputs, targets, batch_size=BATCH, epochs=epochs, verbose=0)
    return model, history.history


def answers(model: keras.Model, inputs: Arrays) -> Arrays:
    """Predictions in one form for both models: points on a sphere, and a score for `pair` that grows with likeness."""
    # Called as they are: `predict` would trace each of the many models for a single use.
    predicted = {name: keras.ops.convert_to_numpy(value) for name, value in model(inputs, training=False).items()}
    if predicted["pair"].ndim == 3:
        predicted["pair"] = -np.linalg.norm(predicted["pair"][:, 0] - predicted["pair"][:, 1], axis=-1)
    else:
        features = keras.Model(model.input, model.get_layer("features").output)
        points = keras.ops.convert_to_numpy(features(inputs, training=False))
        predicted["embedding"] = points / np.linalg.norm(points, axis=-1, keepdims=True)
    return {name: np.squeeze(value, -1) if value.shape[-1] == 1 else value for name, value in predicted.items()}


def dice(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Of what is found above 0.5: the mean of 2 * intersection / (found + true) over the scenes."""
    found, true = predicted > 0.5, truth > 0.5
    both, sizes = np.sum(found & true, axis=(1, 2)), np.sum(found, axis=(1, 2)) + np.sum(true, axis=(1, 2))
    return float(np.mean((2 * both + 1e-9) / (sizes + 1e-9)))


def measures(predicted: Arrays, truth: Arrays) -> Measures:
    """What matters about each output. An arrow says where better lies."""
    dark, spot = (truth[name][..., 0] for name in ("dark", "spot"))
    likeliest = [each.reshape(len(each), -1).argmax(axis=-1) for each in (predicted["spot"], spot)]
    nearest, ranked = retrieval(predicted["embedding"], truth["embedding"])
    false_alarms, hits, _ = roc_curve(truth["pair"], predicted["pair"])
    return {
        ("dark", "Dice at 0.5 ↑"): dice(predicted["dark"], dark),
        ("dark", "average precision ↑"): float(average_precision_score(dark.ravel(), predicted["dark"].ravel())),
        ("spot", "Dice at 0.5 ↑"): dice(predicted["spot"], spot),
        ("spot", "likeliest pixel right ↑"): float(np.mean(likeliest[0] == likeliest[1])),
        ("digit", "accuracy ↑"): float(np.mean(predicted["digit"].argmax(axis=-1) == truth["digit"])),
        ("embedding", "nearest neighbour right ↑"): nearest,
        ("embedding", "MAP@R ↑"): ranked,
        ("pair", "area under ROC ↑"): float(roc_auc_score(truth["pair"], predicted["pair"])),
        ("pair", "hits at 5% false alarms ↑"): float(hits[false_alarms <= 0.05].max()),
        ("ink", "median error ↓"): float(np.median(np.abs(predicted["ink"] - truth["ink"]))),
    }


def table(theirs: list[Measures], ours: list[Measures]) -> list[tuple[str, ...]]:
    """Mean and standard deviation over the seeds, and which loss was better with every one of them."""
    rows = []
    for name, what in ours[0]:
        plain, special = (np.array([each[name, what] for each in found]) for found in (theirs, ours))
        gains = (special - plain) * (1 if "↑" in what else -1)
        better = "ours" if np.all(gains > 0) else "Keras's" if np.all(gains < 0) else "tie"
        rows.append((name, OURS[name], what, spread(plain), spread(special), better))
    return rows


def evaluate(path: Path, samples: int, seed: int) -> dict[str, float]:
    """The losses of a saved model on held-out data."""
    inputs, truth = held_out_data(samples, seed)
    model = keras.saving.load_model(path)
    return model.evaluate(inputs, truth, batch_size=BATCH, verbose=0, return_dict=True)


def save_and_reload(model: keras.Model, samples: int, seed: int) -> None:
    """Save the model, evaluate it here and in a new Python process, and compare."""
    inputs, truth = held_out_data(samples, seed)
    here = model.evaluate(inputs, truth, batch_size=BATCH, verbose=0, return_dict=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "quickstart.keras"
        model.save(path)
        size = path.stat().st_size
        command = [sys.executable, __file__, "--evaluate", str(path), "--samples", str(samples), "--seed", str(seed)]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    there = json.loads(output.splitlines()[-1])
    rows = [(name.removesuffix("_loss"), f"{here[name]:.6f}", f"{there[name]:.6f}") for name in sorted(here)]
    show(
        f"held-out losses before saving ({size / 1024:.0f} KiB) and in a new process", ["", "before", "reloaded"], rows
    )
    if not all(np.isclose(here[name], there[name], rtol=1e-5, atol=1e-7) for name in here):
        raise SystemExit("The reloaded model evaluates differently.")
    print("The reloaded model evaluates equally.", flush=True)


GREY, BLUE, RED, PALE, DARK, LINE = "#8c959f", "#0b62d6", "#d1402b", "#54aeff", "#24292f", "#d0d7de"
STYLE = {
    "axes.edgecolor": LINE,
    "axes.labelcolor": DARK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlepad": 10,
    "font.size": 10,
    "legend.frameon": False,
    "text.color": DARK,
    "xtick.color": DARK,
    "ytick.color": DARK,
}


def draw_overview(axes: plt.Axes, rows: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """A dot for each seed, and a line between the means."""
    places = np.arange(len(rows))[::-1]
    for place, both in zip(places, rows.values(), strict=True):
        axes.plot([each.mean() for each in both], [place, place], color=LINE, linewidth=3, zorder=0)
        for values, colour in zip(both, (GREY, BLUE), strict=True):
            axes.scatter(values, np.full(len(values), place), s=34, color=colour, alpha=0.8, linewidths=0)
    axes.set(title="a dot for each seed", xlim=(0, 1), ylim=(-0.6, len(rows) - 0.4), yticks=places)
    axes.set_yticklabels(rows)
    axes.grid(axis="x", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)


def draw_curves(axes: plt.Axes, history: History) -> None:
    epochs = np.arange(1, len(history["loss"]) + 1)
    for name, key in OURS.items():
        values = np.array(history[f"{name}_loss"])
        axes.plot(epochs, values / values[0], linewidth=2, label=key)
    axes.set(title="six losses in one fit", xlabel="epoch", ylabel="loss / first epoch", ylim=(0, 1.55))
    axes.set_yticks(np.arange(0.0, 1.01, 0.25))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(loc="upper right", ncols=2, fontsize=9, columnspacing=1.0)


def draw_pair(axes: plt.Axes, runs: Sequence[Run]) -> None:
    for which, colour, name in (("theirs", GREY, PLAIN["pair"]), ("ours", BLUE, OURS["pair"])):
        areas = []
        for run in runs:
            score = getattr(run, which)["pair"]
            false_alarms, hits, _ = roc_curve(run.truth["pair"], score)
            axes.plot(false_alarms, hits, color=colour, linewidth=1.2, alpha=0.9)
            areas.append(roc_auc_score(run.truth["pair"], score))
        label = f"{name.removeprefix('binary_')} {np.mean(areas):.2f}"
        axes.plot([], [], color=colour, linewidth=2, label=label)
    axes.plot([0, 1], [0, 1], color=LINE, linewidth=1, zorder=0)
    axes.set(title="pair: the same digit?", xlabel="false alarms", ylabel="hits", xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(loc="lower right", title="area under the curve", alignment="left")


def draw_ink(axes: plt.Axes, run: Run) -> None:
    for predicted, colour, name in ((run.theirs, GREY, PLAIN["ink"]), (run.ours, BLUE, OURS["ink"])):
        error = np.median(np.abs(predicted["ink"] - run.truth["ink"]))
        options = {"color": colour, "alpha": 0.55, "linewidths": 0, "label": f"{name} {error:.2f}"}
        axes.scatter(run.truth["ink"], predicted["ink"], s=12, **options)
    ends = [run.truth["ink"].min(), run.truth["ink"].max()]
    axes.plot(ends, ends, color=DARK, linewidth=1.2)
    axes.set(title="ink, one training label in eight wrong", xlabel="true ink", ylabel="predicted ink")
    axes.legend(loc="upper left", markerscale=2, title="median error", alignment="left")


def first_of_each(truth: Arrays) -> list[int]:
    return [int(np.flatnonzero(truth["digit"] == label)[0]) for label in np.unique(truth["digit"])]


def draw_masks(cell: SubplotSpec, run: Run) -> None:
    dark, shown = run.truth["dark"][..., 0] > 0.5, first_of_each(run.truth)
    rows = {
        "scene": run.inputs["scene"][..., 0],
        "truth": dark,
        "crossentropy": run.theirs["dark"],
        OURS["dark"]: run.ours["dark"],
    }
    grid = cell.subgridspec(len(rows), len(shown), wspace=0.08, hspace=0.08)
    corners = grid.subplots(squeeze=False)
    for (label, images), line in zip(rows.items(), corners, strict=True):
        for axes, k in zip(line, shown, strict=True):
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set(visible=True, color=LINE)
            if label == "scene":
                axes.imshow(images[k], cmap="gray_r", vmin=-0.3, vmax=1.2)
                continue
            found = images[k] > 0.5
            picture = np.ones((*found.shape, 3))
            picture[found & dark[k]] = mpl.colors.to_rgb(DARK)
            picture[~found & dark[k]] = mpl.colors.to_rgb(RED)
            picture[found & ~dark[k]] = mpl.colors.to_rgb(PALE)
            axes.imshow(picture)
        line[0].set_ylabel(label, rotation=0, ha="right", va="center")
    corners[0, 0].set_title("dark: where the pen left black")
    corners[0, -1].set_title("red: missed   blue: invented", loc="right", fontsize=10, fontweight="normal")


def draw_spots(cell: SubplotSpec, run: Run) -> None:
    shown = first_of_each(run.truth)[-3:]
    corners = cell.subgridspec(len(shown), 3, wspace=0.08, hspace=0.08).subplots(squeeze=False)
    for line, k in zip(corners, shown, strict=False):
        line[0].imshow(run.inputs["scene"][k, ..., 0], cmap="gray_r", vmin=-0.3, vmax=2.0)
        for axes, answer in zip(line[1:], (run.theirs["spot"], run.ours["spot"]), strict=True):
            axes.imshow(answer[k], cmap="Blues", vmin=0, vmax=1)
        row, column = np.argwhere(run.truth["spot"][k, ..., 0])[0]
        for axes in line:
            axes.scatter(column, row, s=90, facecolor="none", edgecolor=RED, linewidth=1.8)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set(visible=True, color=LINE)
    for axes, name in zip(corners[-1], ("scene", "crossentropy", OURS["spot"]), strict=True):
        axes.set_xlabel(name)
    corners[0, 0].set_title("spot: where is the centre?")


def draw_map(axes: plt.Axes, points: np.ndarray, labels: np.ndarray, title: str) -> None:
    perplexity = min(30.0, (len(points) - 1) / 3)
    with threadpool_limits(1):  # More threads only wait for each other on so few points.
        flat = TSNE(perplexity=perplexity, init="pca", max_iter=500, random_state=0).fit_transform(points)
    colours = plt.get_cmap("tab10")
    axes.scatter(*flat.T, c=labels, cmap=colours, vmin=-0.5, vmax=9.5, s=13, alpha=0.8, linewidths=0)
    for label in np.unique(labels):
        text = axes.text(*np.median(flat[labels == label], axis=0), str(label), fontsize=17, fontweight="bold")
        text.set(ha="center", va="center", color=colours(int(label)))
        text.set_path_effects([patheffects.withStroke(linewidth=4, foreground="white")])
    axes.set(title=title, xticks=[], yticks=[])
    axes.spines[:].set(visible=True)


def picture(path: Path, runs: Sequence[Run], theirs: Sequence[Measures], ours: Sequence[Measures]) -> None:
    """Everything on one page: of all seeds where there is room, else of the first."""
    run = runs[0]
    labels = run.truth["embedding"]
    overview = {
        f"{name}: {what}": tuple(np.array([each[name, what] for each in found]) for found in (theirs, ours))
        for name, what in ours[0]
    }
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(16, 14.5))
        grid = figure.add_gridspec(3, 12, height_ratios=[0.95, 1.12, 1.15], hspace=0.3, wspace=1.3)
        draw_overview(figure.add_subplot(grid[0, 2:5]), overview)
        draw_curves(figure.add_subplot(grid[0, 5:9]), run.history)
        draw_pair(figure.add_subplot(grid[0, 9:]), runs)
        draw_masks(grid[1, :8], run)
        draw_ink(figure.add_subplot(grid[1, 8:]), run)
        draw_spots(grid[2, 8:], run)
        named = (("classifier", run.theirs), ("triplet", run.ours))
        for part, (name, predicted) in zip((grid[2, :4], grid[2, 4:8]), named, strict=True):
            right = retrieval(predicted["embedding"], labels)[0]
            axes = figure.add_subplot(part)
            draw_map(axes, predicted["embedding"], labels, f"embedding: {name}")
            axes.set_xlabel(f"nearest neighbour right: {right:.0%}")
        title = "One model, six losses by name (blue), beside Keras's plain losses (grey): digits held out"
        figure.suptitle(title, x=0.125, y=0.93, ha="left", fontsize=16)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=110, bbox_inches="tight", facecolor="white")
        plt.close(figure)


def main(options: argparse.Namespace) -> None:
    if options.evaluate:
        print(json.dumps(evaluate(options.evaluate, options.samples, options.seed)))
        return

    begin = time.perf_counter()
    print("names of this package:", ", ".join(tfloss_ext.names()))
    print(f"\nKeras: compile(loss={PLAIN})\ntfloss_ext: compile(loss={OURS})\n", flush=True)
    runs = []
    for seed in range(options.seed, options.seed + options.seeds):
        data, held_out = training_data(options.samples, seed), held_out_data(options.samples, seed)
        baseline, _ = train(plain=True, data=data, epochs=options.epochs, seed=seed)
        model, history = train(plain=False, data=data, epochs=options.epochs, seed=seed)
        runs.append(Run(*held_out, answers(baseline, held_out[0]), answers(model, held_out[0]), history))
        print(f"seed {seed}: both trained after {time.perf_counter() - begin:.0f} seconds", flush=True)

    theirs, ours = ([measures(getattr(run, which), run.truth) for run in runs] for which in ("theirs", "ours"))
    columns = ["output", "our loss", "measure", "Keras's", "ours", "better with every seed"]
    title = f"{len(runs[0].truth['ink'])} scenes of digits held out, {len(runs)} seeds"
    show(title, columns, table(theirs, ours))
    save_and_reload(model, options.samples, seed)
    picture(options.out, runs, theirs, ours)
    print(f"\npicture: {options.out}\nseconds: {time.perf_counter() - begin:.0f}")


if __name__ == "__main__":
    main(OPTIONS)
