# SPDX-License-Identifier: Apache-2.0
"""Semantic segmentation of a rare class: the overlap losses beside Keras's crossentropy, at the same budget.

Small handwritten digits lie on patches of two real photographs: on average one zero on each patch, and a one on every
eighth, which makes two pixels in a thousand. A U-Net of three levels says for each pixel: photograph, zero or one. The
rim of a stroke is neither: it has the id 255. What is printed and drawn was measured on other people's digits, on the
other halves of the photographs. What one learns here:

* every loss takes logits `(B, H, W, C)` and ids `(B, H, W)`: no softmax layer, no one-hot coding;
* `ignore_class=255` drops the pixels that no one has labelled, as in Keras's crossentropy;
* at this budget crossentropy leaves out a class that has so few pixels. Given three times the epochs it finds the
  class, and then does better than most: `--epochs 24`. Some overlap losses leave it out at both budgets;
* one training proves little: `--seeds 3` repeats each of them.

segmentation_study.py asks with the same network which loss suits which share, and what the options do.
"""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from _start import command_line, read_options

parser = command_line(__doc__)
parser.add_argument("--epochs", type=int, default=8, help="passes over the images")
parser.add_argument("--samples", type=int, default=1200, help="images to train on")
parser.add_argument("--held-out", type=int, default=600, help="images to judge on")
parser.add_argument("--seeds", type=int, default=1, help="trainings of each loss, whose mean is printed")
parser.add_argument("--out", type=Path, default=Path("docs/segmentation.png"), help="where the picture goes")
if __name__ == "__main__":
    OPTIONS = read_options(parser)

import keras
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from _data import Digits, digits
from _table import show
from matplotlib.patches import Patch
from sklearn.datasets import load_sample_image

import tfloss_ext

UNLABELLED, BATCH = 255, 16
CLASSES = {"photograph": (), "zero": (0,), "one": (1,)}
USUAL = {"zero": 1.0, "one": 1 / 8}
LOGITS_AND_IDS = {"from_logits": True, "ignore_class": UNLABELLED}
Arrays = tuple[np.ndarray, np.ndarray]
Losses = dict[str, keras.losses.Loss]


@functools.cache
def photographs() -> list[np.ndarray]:
    """The two that come with scikit-learn, at half their size."""
    return [load_sample_image(f"{name}.jpg")[::2, ::2].astype("float32") / 255.0 for name in ("china", "flower")]


def patches(
    source: Digits, count: int, seed: int, *, half: int, numbers: Mapping[str, float], size: int = 32
) -> Arrays:
    """Images `(B, size, size, 3)` and ids `(B, size, size)`.

    Args:
        source: The digits to draw from.
        count: B.
        seed: Of everything random.
        half: 0 for the left halves of the photographs, 1 for the right ones.
        numbers: How many of each kind lie on a patch on average; ids count from 1 in this order.
        size: Of a patch.
    """
    rng = np.random.default_rng(seed)
    images, ids = np.zeros((count, size, size, 3), "float32"), np.zeros((count, size, size), "int64")
    for i in range(count):
        photograph = np.array_split(photographs()[i % 2], 2, axis=1)[half]
        top, left = (rng.integers(0, length - size) for length in photograph.shape[:2])
        images[i] = photograph[top : top + size, left : left + size]
        free = np.ones((size, size), bool)
        for c, (kind, expected) in enumerate(numbers.items(), start=1):
            choice = np.flatnonzero(np.isin(source.labels, CLASSES.get(kind, range(10))))
            for _ in range(int(expected + rng.random())):
                places = [rng.integers(0, size - 7, 2) for _ in range(20)]
                places = [(y, x) for y, x in places if free[y : y + 8, x : x + 8].all()]
                if not places:
                    continue
                y, x = places[0]
                window = np.s_[i, y : y + 8, x : x + 8]
                ink = source.images[rng.choice(choice)]
                images[window] += ink[..., None] * (rng.choice([0.0, 1.0]) - images[window])
                ids[window] = np.where(ink > 0.5, c, np.where(ink > 0.2, UNLABELLED, 0))
                free[window[1:]] = False
    return images, ids


def convolution(x: keras.KerasTensor, filters: int, *, normalise: bool = False) -> keras.KerasTensor:
    layers = keras.layers
    x = layers.Conv2D(filters, 3, padding="same", use_bias=not normalise, kernel_initializer="he_normal")(x)
    x = layers.BatchNormalization(momentum=0.9)(x) if normalise else x
    return layers.ReLU()(x)


def unet(classes: int, *, width: int = 8, levels: int = 3, normalise: bool = True) -> keras.Model:
    """A small U-Net whose outputs are logits, with or without a normalisation in each block."""
    image = x = keras.Input((None, None, 3))
    skips = []
    for level in range(levels):
        x = convolution(x, width * 2**level)
        x = convolution(x, width * 2**level, normalise=normalise)
        skips.append(x)
        x = keras.layers.MaxPooling2D()(x) if level < levels - 1 else x
    for level in reversed(range(levels - 1)):
        x = keras.layers.UpSampling2D()(convolution(x, width * 2**level))
        x = keras.layers.Concatenate()([x, skips[level]])
        x = convolution(x, width * 2**level, normalise=normalise)
    return keras.Model(image, keras.layers.Conv2D(classes, 1)(x))


def train(
    loss: keras.losses.Loss, data: Arrays, *, classes: int, epochs: int, seed: int, normalise: bool = True
) -> keras.Model:
    """The network after `epochs`, which for every loss began with the same weights."""
    images, ids = data
    keras.utils.set_random_seed(seed)
    model = unet(classes, normalise=normalise)
    rate = keras.optimizers.schedules.CosineDecay(0.01, epochs * -(-len(images) // BATCH))
    model.compile(keras.optimizers.Adam(rate), loss=loss)
    model.fit(images, ids, batch_size=BATCH, epochs=epochs, verbose=0)
    return model


class Scores(NamedTuple):
    """Over all labelled pixels of the held-out images: per class, then of the last class, the rare one.

    Attributes:
        iou: Intersection over union.
        dice: Twice the intersection over the sum of both sizes.
        recall: The share of the true pixels that were found.
        precision: The share of what was found that is true.
        false_alarms: The share of images without that class in which some pixel was taken for it.
    """

    iou: list[float]
    dice: list[float]
    recall: float
    precision: float
    false_alarms: float


def scores(predicted: np.ndarray, ids: np.ndarray, classes: int) -> Scores:
    labelled = ids != UNLABELLED
    iou, dice = [], []
    for c in range(classes):
        found, true = (predicted == c) & labelled, ids == c
        both, sizes = np.sum(found & true), np.sum(found) + np.sum(true)
        iou.append(float(both / max(sizes - both, 1)))
        dice.append(float(2 * both / max(sizes, 1)))
    # Of the last class.
    empty = ~true.any(axis=(1, 2))
    return Scores(
        iou,
        dice,
        float(both / max(np.sum(true), 1)),
        float(both / max(np.sum(found), 1)),
        float(np.mean(found[empty].any(axis=(1, 2)))) if empty.any() else 0.0,
    )


def classify(model: keras.Model, images: np.ndarray) -> np.ndarray:
    # Called as it is: `predict` would compile each of the many models for a single use.
    parts = np.array_split(images, -(-len(images) // 100))
    return np.concatenate([keras.ops.convert_to_numpy(model(part, training=False)).argmax(axis=-1) for part in parts])


def ours(cls: type[tfloss_ext.Loss], **options: object) -> Losses:
    """A loss from logits and ids under the name that says what was chosen."""
    name = f"{cls.__name__}({', '.join(f'{key}={value}' for key, value in options.items())})"
    return {name: cls(**options, **LOGITS_AND_IDS)}


def crossentropy() -> Losses:
    return {"Keras's crossentropy": keras.losses.SparseCategoricalCrossentropy(**LOGITS_AND_IDS)}


def compare(options: argparse.Namespace) -> None:
    """The losses side by side: a table, and a picture of masks."""
    losses = {
        **crossentropy(),
        **ours(tfloss_ext.Dice),
        **ours(tfloss_ext.Jaccard),
        **ours(tfloss_ext.Tversky, alpha=0.3, beta=0.7),
        **ours(tfloss_ext.FocalTversky),
        **ours(tfloss_ext.GeneralizedDice),
        **ours(tfloss_ext.Lovasz),
        **ours(tfloss_ext.DiceCrossentropy),
        **ours(tfloss_ext.DiceFocal),
    }
    learn, judge = digits(seed=0)
    data = patches(learn, options.samples, 0, half=0, numbers=USUAL)
    images, truth = patches(judge, options.held_out, 1, half=1, numbers=USUAL)
    scenes = patches(judge, 4, 2, half=1, numbers={"zero": 3.0, "one": 2.0}, size=64)
    rows, masks = [], {}
    for name, loss in losses.items():
        found = []
        for seed in range(options.seeds):
            model = train(loss, data, classes=len(CLASSES), epochs=options.epochs, seed=seed)
            found.append(scores(classify(model, images), truth, len(CLASSES)))
            if seed == 0:
                masks[name] = classify(model, scenes[0])
        iou, dice = (np.mean([getattr(each, measure) for each in found], axis=0) for measure in ("iou", "dice"))
        rows.append((name, *iou.tolist(), *dice.tolist()))
    shares = ", ".join(f"{name} {np.mean(truth == c):.1%}" for c, name in enumerate(CLASSES))
    columns = ["loss", *(f"{measure} {name}" for measure in ("IoU", "Dice") for name in CLASSES)]
    show(f"{len(images)} held-out images, of whose pixels are {shares}", columns, rows)
    drawn = ["Keras's crossentropy", "GeneralizedDice()", "Dice()", "DiceCrossentropy()"]
    picture(options.out, scenes, {name: masks[name] for name in drawn})
    print(f"\npicture: {options.out}")


DARK, LINE = "#24292f", "#d0d7de"
COLOURS = {"photograph": "#ffffff", "zero": "#0b62d6", "one": "#e8590c", "unlabelled": LINE}


def picture(path: Path, scenes: Arrays, masks: Mapping[str, np.ndarray]) -> None:
    """A row for each scene: the image, the truth, and what each network says."""
    images, truth = scenes
    palette = np.array([mpl.colors.to_rgb(colour) for colour in COLOURS.values()])
    labels = np.where(truth == UNLABELLED, len(CLASSES), truth)
    columns = {"image": images, "truth": palette[labels]} | {name: palette[mask] for name, mask in masks.items()}
    with plt.rc_context({"text.color": DARK, "font.size": 11}):
        figure, axes = plt.subplots(
            len(images), len(columns), figsize=(2.3 * len(columns), 2.3 * len(images) + 0.9), squeeze=False
        )
        for column, (name, shown) in zip(axes.T, columns.items(), strict=True):
            for cell, panel in zip(column, shown, strict=True):
                cell.imshow(np.clip(panel, 0.0, 1.0))
                cell.set(xticks=[], yticks=[])
                cell.spines[:].set(color=LINE)
            under = ""
            if name in masks:
                iou = scores(masks[name], truth, len(CLASSES)).iou
                under = f"zero {iou[1]:.2f}   one {iou[2]:.2f}"
            column[0].set_title(name, fontweight="bold", fontsize=12, pad=8)
            column[-1].set_xlabel(under, color=DARK, labelpad=8)
        figure.subplots_adjust(left=0.01, right=0.99, bottom=0.05, top=0.87, wspace=0.05, hspace=0.05)
        figure.text(0.01, 0.955, "Digits on photographs, held out; intersection over union below", fontsize=15)
        handles = [
            Patch(facecolor=COLOURS[name], edgecolor=LINE, label=name) for name in COLOURS if name != "photograph"
        ]
        figure.legend(handles=handles, loc="upper right", bbox_to_anchor=(0.99, 0.99), ncols=3, frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=100, facecolor="white")
        plt.close(figure)


def main(options: argparse.Namespace) -> None:
    start = time.perf_counter()
    compare(options)
    print(f"seconds: {time.perf_counter() - start:.0f}")


if __name__ == "__main__":
    main(OPTIONS)
