# SPDX-License-Identifier: Apache-2.0
"""Six losses in one model, by name: trained on real handwriting, compared with Keras's plain losses, saved, reloaded.

Scenes of 10 x 10 pixels hold one of scikit-learn's 1,797 handwritten digits, under noise and a scrap of another digit.
One functional model answers six questions about a scene, each with the loss that was made for it:

* `rare`: is it an eight? Eights are made rare in training. `focal` against binary crossentropy. By name it has
  alpha=0.25, made for images with thousands of easy negatives. There are fewer here, and binary crossentropy may well
  rank better: `imbalanced_classification.py` shows what other values of alpha and gamma do.
* `mask`: where did the pen press hard? Few pixels, and noise hides them. `dice_loss` against binary crossentropy.
* `embedding`: a point on a sphere, near to those of the same digit. `triplet` against the features of a classifier.
* `pair`: does a second scene show the same digit? `contrastive` against a classifier of differences.
* `ink`: how much ink was used? One training label in eight is wrong, ten times too small. `log_cosh_loss` against mse.
* `place`: its centre and its height and width. `weighted_mse`, which by name weighs all alike and is then mse: a row in
  which the two should agree. `tfloss_ext.get("weighted_mse", weight=[...])` gives weights.

Both models have the same trunk, optimiser and budget, and every loss is divided by its value before training. What is
printed are measures on digits that neither has seen. Run `python quickstart.py --help` for the options.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib as mpl
import numpy as np
from _data import Digits, Scenes, digits, retrieval, scenes
from _table import show
from sklearn.manifold import TSNE
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve
from threadpoolctl import threadpool_limits

import tfloss_ext

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib import patheffects
from matplotlib.gridspec import SubplotSpec

OURS = {
    "rare": "focal",
    "mask": "dice_loss",
    "embedding": "triplet",
    "pair": "contrastive",
    "ink": "log_cosh_loss",
    "place": "weighted_mse",
}
PLAIN = {
    "rare": "binary_crossentropy",
    "mask": "binary_crossentropy",
    "embedding": "sparse_categorical_crossentropy",
    "pair": "binary_crossentropy",
    "ink": "mse",
    "place": "mse",
}
RARE, RARE_SHARE, PRESSED, WIDTH, BATCH = 8, 0.04, 0.8, 16, 64
Arrays = dict[str, np.ndarray]
Measures = dict[tuple[str, str], float]
History = dict[str, list[float]]
Pair = tuple[Arrays, Arrays]


def targets_of(scene: Scenes, second: np.ndarray) -> Arrays:
    """The six answers about each scene; `second` says which scene is shown beside it."""
    ink = scene.clean[..., 0]
    total = ink.sum(axis=(1, 2))
    centred, spread = [], []
    for axis in (1, 2):
        profile = ink.sum(axis=3 - axis) / total[:, None]
        pixels = np.arange(profile.shape[1])
        centre = profile @ pixels
        centred.append(centre - pixels.mean())
        spread.append(np.sqrt(np.maximum(profile @ pixels**2 - centre**2, 0.0)))
    return {
        "rare": (scene.labels == RARE).astype("float32"),
        "mask": (scene.clean >= PRESSED).astype("float32"),
        "embedding": scene.labels,
        "pair": (scene.labels == scene.labels[second]).astype("float32"),
        "ink": (total / 4.0).astype("float32"),
        "place": np.stack([*centred, *spread], axis=-1).astype("float32"),
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
    """Two scenes of each training digit, but few eights, and one wrong ink label in eight."""
    learn, _ = digits(seed)
    rng = np.random.default_rng(seed)
    usual, rare = np.flatnonzero(learn.labels != RARE), np.flatnonzero(learn.labels == RARE)
    kept = rng.permutation(np.concatenate([usual, rare[: max(int(RARE_SHARE * len(usual)), 2)]]))
    learn = Digits(learn.images[kept], learn.labels[kept])
    inputs, targets = dataset(learn, seed + 1, min(samples, 2 * len(kept)))
    wrong = rng.random(len(targets["ink"])) < 0.125
    targets["ink"] = np.where(wrong, targets["ink"] / 10.0, targets["ink"]).astype("float32")
    return inputs, targets


def held_out_data(samples: int, seed: int) -> tuple[Arrays, Arrays]:
    """One scene of each digit that is held out, all labels right."""
    _, judge = digits(seed)
    return dataset(judge, seed + 2, min(samples, len(judge.labels)))


def convolution(x: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    x = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    return keras.layers.ReLU()(keras.layers.BatchNormalization()(x))


def build(*, plain: bool) -> keras.Model:
    """One model with six outputs. Plain losses need other outputs in two places: `embedding` and `pair`."""
    layers = keras.layers
    scene, other = keras.Input((10, 10, 1), name="scene"), keras.Input((10, 10, 1), name="other")
    fine = convolution(scene, 16)
    coarse = convolution(convolution(layers.MaxPooling2D()(fine), 32), 32)
    trunk = layers.Dense(64, activation="relu")(layers.Flatten()(coarse))
    look = keras.Model(scene, [fine, coarse, trunk], name="look")

    fine, coarse, seen = look(scene)
    one, two = (layers.Dense(WIDTH, name=f"point_{i}") for i in range(2))
    upward = layers.Concatenate()([layers.UpSampling2D()(coarse), fine])
    outputs = {
        "rare": layers.Dense(1, activation="sigmoid", name="rare")(seen),
        "mask": layers.Conv2D(1, 1, activation="sigmoid", name="mask")(convolution(upward, 16)),
        "ink": layers.Dense(1, name="ink")(seen),
        "place": layers.Dense(4, name="place")(seen),
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


def train(
    *, plain: bool, data: tuple[Arrays, Arrays], epochs: int, seed: int
) -> tuple[keras.Model, dict[str, list[float]]]:
    """The trained model and its history."""
    keras.utils.set_random_seed(seed)
    inputs, targets = data
    model = build(plain=plain)
    loss = PLAIN if plain else OURS
    model.compile(loss=loss, run_eagerly=True)
    some = ({name: array[:512] for name, array in arrays.items()} for arrays in data)
    before = model.evaluate(*some, batch_size=128, verbose=0, return_dict=True)
    steps = epochs * -(-len(targets["rare"]) // BATCH)
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, steps)),
        loss=loss,
        loss_weights={name: 1.0 / max(before[f"{name}_loss"], 1e-3) for name in loss},
    )
    history = model.fit(inputs, targets, batch_size=BATCH, epochs=epochs)
    return model, history.history


def answers(model: keras.Model, inputs: Arrays) -> Arrays:
    """Predictions in one form for both models: points on a sphere, and a score for `pair` that grows with likeness."""
    predicted = model.predict(inputs, batch_size=BATCH, verbose=0)
    if predicted["pair"].ndim == 3:
        predicted["pair"] = -np.linalg.norm(predicted["pair"][:, 0] - predicted["pair"][:, 1], axis=-1)
    else:
        features = keras.Model(model.inputs, model.get_layer("features").output)
        points = features.predict([inputs[tensor.name] for tensor in model.inputs], batch_size=BATCH, verbose=0)
        predicted["embedding"] = points / np.linalg.norm(points, axis=-1, keepdims=True)
    return {name: np.squeeze(value, -1) if value.shape[-1] == 1 else value for name, value in predicted.items()}


def measures(predicted: Arrays, truth: Arrays) -> Measures:
    """What matters about each output. An arrow says where better lies."""
    precision, recall, _ = precision_recall_curve(truth["rare"], predicted["rare"])
    mask, strokes = predicted["mask"] > 0.5, truth["mask"][..., 0] > 0.5
    both, either = np.sum(mask & strokes, axis=(1, 2)) + 1e-9, np.sum(mask | strokes, axis=(1, 2)) + 1e-9
    nearest, ranked = retrieval(predicted["embedding"], truth["embedding"])
    false_alarms, hits, _ = roc_curve(truth["pair"], predicted["pair"])
    return {
        ("rare", "average precision ↑"): float(average_precision_score(truth["rare"], predicted["rare"])),
        ("rare", "recall at precision 0.8 ↑"): float(recall[precision >= 0.8].max()),
        ("rare", "Brier score ↓"): float(np.mean((predicted["rare"] - truth["rare"]) ** 2)),
        ("mask", "Dice per scene ↑"): float(np.mean(2 * both / (both + either))),
        ("mask", "intersection over union ↑"): float(np.mean(both / either)),
        ("embedding", "nearest neighbour right ↑"): nearest,
        ("embedding", "MAP@R ↑"): ranked,
        ("pair", "area under ROC ↑"): float(roc_auc_score(truth["pair"], predicted["pair"])),
        ("pair", "hits at 5% false alarms ↑"): float(hits[false_alarms <= 0.05].max()),
        ("ink", "median error ↓"): float(np.median(np.abs(predicted["ink"] - truth["ink"]))),
        ("place", "error, pixels (RMS) ↓"): float(np.sqrt(np.mean((predicted["place"] - truth["place"]) ** 2))),
    }


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


def draw_curves(axes: plt.Axes, history: History) -> None:
    epochs = np.arange(1, len(history["loss"]) + 1)
    for name, key in OURS.items():
        values = np.array(history[f"{name}_loss"])
        axes.plot(epochs, values / values[0], linewidth=2, label=key)
    axes.set(title="six losses in one fit", xlabel="epoch", ylabel="loss, first epoch = 1", ylim=(0, 1.45))
    axes.set_yticks(np.arange(0.0, 1.01, 0.25))
    axes.legend(loc="upper right", ncols=2)


def draw_rare(axes: plt.Axes, truth: Arrays, both: Pair) -> None:
    for predicted, colour, label in zip(both, (GREY, BLUE), (PLAIN["rare"], OURS["rare"]), strict=True):
        precision, recall, _ = precision_recall_curve(truth["rare"], predicted["rare"])
        area = average_precision_score(truth["rare"], predicted["rare"])
        axes.plot(recall, precision, color=colour, linewidth=2, label=f"{label} {area:.2f}")
    axes.set(title="rare: the eights", xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.03))
    axes.legend(loc="lower left", title="average precision", alignment="left")


def draw_pair(axes: plt.Axes, truth: Arrays, both: Pair) -> None:
    for predicted, colour, label in zip(both, (GREY, BLUE), (PLAIN["pair"], OURS["pair"]), strict=True):
        false_alarms, hits, _ = roc_curve(truth["pair"], predicted["pair"])
        area = roc_auc_score(truth["pair"], predicted["pair"])
        axes.plot(false_alarms, hits, color=colour, linewidth=2, label=f"{label} {area:.2f}")
    axes.plot([0, 1], [0, 1], color=LINE, linewidth=1, zorder=0)
    axes.set(title="pair: the same digit?", xlabel="false alarms", ylabel="hits", xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(loc="lower right", title="area under the curve", alignment="left")


def draw_ink(axes: plt.Axes, truth: Arrays, both: Pair) -> None:
    for predicted, colour, label in zip(both, (GREY, BLUE), (PLAIN["ink"], OURS["ink"]), strict=True):
        error = np.median(np.abs(predicted["ink"] - truth["ink"]))
        options = {"color": colour, "alpha": 0.55, "linewidths": 0, "label": f"{label} {error:.2f}"}
        axes.scatter(truth["ink"], predicted["ink"], s=12, **options)
    ends = [truth["ink"].min(), truth["ink"].max()]
    axes.plot(ends, ends, color=DARK, linewidth=1.2)
    axes.set(title="ink: one training label in eight was wrong", xlabel="true ink", ylabel="predicted ink")
    axes.legend(loc="upper left", markerscale=2, title="median error", alignment="left")


def draw_masks(cell: SubplotSpec, inputs: Arrays, truth: Arrays, both: Pair) -> None:
    labels, strokes = truth["embedding"], truth["mask"][..., 0] > 0.5
    shown = [int(np.flatnonzero(labels == label)[0]) for label in np.unique(labels)]
    rows = {
        "scene": inputs["scene"][..., 0],
        "truth": strokes,
        "crossentropy": both[0]["mask"],
        "dice_loss": both[1]["mask"],
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
            picture[found & strokes[k]] = mpl.colors.to_rgb(DARK)
            picture[~found & strokes[k]] = mpl.colors.to_rgb(RED)
            picture[found & ~strokes[k]] = mpl.colors.to_rgb(PALE)
            axes.imshow(picture)
        line[0].set_ylabel(label, rotation=0, ha="right", va="center")
    corners[0, 0].set_title("mask: where the pen pressed hard")
    corners[0, -1].set_title("red: missed   blue: invented", loc="right", fontsize=10, fontweight="normal")


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


def picture(path: Path, history: History, data: tuple[Arrays, Arrays], both: Pair) -> None:
    """Everything on one page."""
    inputs, truth = data
    labels = truth["embedding"]
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(16, 14.5))
        grid = figure.add_gridspec(3, 12, height_ratios=[0.85, 1.12, 1.2], hspace=0.3, wspace=1.3)
        draw_curves(figure.add_subplot(grid[0, :4]), history)
        draw_rare(figure.add_subplot(grid[0, 4:8]), truth, both)
        draw_pair(figure.add_subplot(grid[0, 8:]), truth, both)
        draw_masks(grid[1, :8], inputs, truth, both)
        draw_ink(figure.add_subplot(grid[1, 8:]), truth, both)
        for part, predicted, name in zip((grid[2, :6], grid[2, 6:]), both, ("a classifier", "triplet"), strict=True):
            right = retrieval(predicted["embedding"], labels)[0]
            title = f"embedding: {name}, nearest neighbour right {right:.0%}"
            draw_map(figure.add_subplot(part), predicted["embedding"], labels, title)
        title = "One model, six losses by name (blue), beside Keras's plain losses (grey): digits held out"
        figure.suptitle(title, x=0.125, y=0.93, ha="left", fontsize=16)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=110, bbox_inches="tight", facecolor="white")
        plt.close(figure)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--samples", type=int, default=2000, help="scenes to train on, and at most to judge on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out/quickstart.png"), help="where the picture goes")
    parser.add_argument("--evaluate", type=Path, metavar="FILE", help="only evaluate this saved model")
    options = parser.parse_args(argv)
    if options.evaluate:
        print(json.dumps(evaluate(options.evaluate, options.samples, options.seed)))
        return

    start = time.perf_counter()
    print("names of this package:", ", ".join(tfloss_ext.names()))
    data = training_data(options.samples, options.seed)
    held_out = held_out_data(options.samples, options.seed)
    predictions, model, history = {}, None, {}
    for plain in (True, False):
        print(f"\n{'Keras' if plain else 'tfloss_ext'}: compile(loss={PLAIN if plain else OURS})", flush=True)
        model, history = train(plain=plain, data=data, epochs=options.epochs, seed=options.seed)
        predictions[plain] = answers(model, held_out[0])

    theirs, ours = measures(predictions[True], held_out[1]), measures(predictions[False], held_out[1])
    rows = [(name, PLAIN[name], OURS[name], what, theirs[name, what], ours[name, what]) for name, what in ours]
    columns = ["output", "Keras's loss", "our loss", "measure", "Keras", "ours"]
    show(f"{len(held_out[1]['rare'])} scenes of digits held out", columns, rows)
    save_and_reload(model, options.samples, options.seed)
    picture(options.out, history, held_out, (predictions[True], predictions[False]))
    print(f"\npicture: {options.out}\nseconds: {time.perf_counter() - start:.0f}")


if __name__ == "__main__":
    main()
