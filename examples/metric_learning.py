# SPDX-License-Identifier: Apache-2.0
"""Metric learning: a space in which letters that were never seen in training lie together, too.

Two hundred letters, Latin, Greek and Cyrillic, are learnt in the sixteen fonts that come with Matplotlib; a hundred
others are judged, all of them moved by up to a pixel and noisy. Is the nearest neighbour of a letter the same letter
(recall@1), and how many of its fifteen relatives come first (MAP@R)? Every loss has its own defaults and the same
encoder, batches, steps and seeds, which choose the letters, too. What one learns:

* `triplet`, `multi_similarity` and `circle_loss` take embeddings `(B, D)` and ids `(B,)` and find their pairs in the
  batch. It has to hold several samples of one letter: here four fonts of each of sixteen letters;
* `arcface` and `proxy_anchor` take the cosines to a learned centre of each letter. `CosineHead` holds the centres, is
  needed in training only, and takes its time: with few steps the features of a classifier may be better;
* the hardest triplets are no way to begin: `triplet_hard` draws all points together, where no triplet is told from
  another. `triplet` by itself takes semi-hard ones.

`--out` names the picture: both measures over the steps, and the nearest neighbours of a few letters of the first seed.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

from _start import command_line, read_options

CROSSENTROPY = "sparse_categorical_crossentropy"
PAIRS = ("triplet", "triplet_hard", "multi_similarity", "circle_loss")
CENTRES = ("arcface", "proxy_anchor")
LOSSES = (CROSSENTROPY, *PAIRS, *CENTRES)
parser = command_line(__doc__)
parser.add_argument("--losses", nargs="+", choices=LOSSES, default=LOSSES, help="to compare")
parser.add_argument("--steps", type=int, default=1200, help="batches that each loss learns from")
parser.add_argument("--seeds", type=int, default=3, help="trainings of each loss")
parser.add_argument("--out", type=Path, default=Path("docs/metric_learning.png"), help="where the picture goes")
if __name__ == "__main__":
    OPTIONS = read_options(parser)

import unicodedata

import keras
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from _data import Array, Ids, retrieval
from _picture import GREY, PALE, band, mosaic, save, show_mosaic
from _table import show, spread
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont

import tfloss_ext

SIZE, WIDTH, IDS, FONTS = 16, 32, 16, 4  # Pixels, outputs of the encoder, letters of a batch and fonts of each.
PIXELS, RANDOM, MEASURES = "raw pixels", "encoder before training", ("recall@1", "MAP@R")
PICTURED = (CROSSENTROPY, "proxy_anchor", "triplet")


class Task(NamedTuple):
    """Batches `(steps, B, ...)` of letters to learn from, and `(N, ...)` that are judged."""

    images: Array
    ids: Ids
    unseen: Array
    labels: Ids


def letters() -> Array:
    """Letters without accents in sixteen fonts, `(L, 16, SIZE, SIZE)`; of those that look the same, as A and Α, one."""
    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    paths = [path for name in ("DejaVuS*", "STIXGeneral*") for path in sorted(folder.glob(name))]
    paths = [path for path in paths if "Display" not in path.name]
    common = set.intersection(*(set(FT2Font(str(path)).get_charmap()) for path in paths))
    fonts = [ImageFont.truetype(str(path), 13) for path in paths]
    found: dict[bytes, Array] = {}
    for letter in map(chr, sorted(common)):
        if unicodedata.category(letter) in ("Lu", "Ll") and unicodedata.normalize("NFD", letter) == letter:
            drawn = np.stack([draw_letter(letter, font) for font in fonts])
            found.setdefault(drawn[0].tobytes(), drawn)
    return np.stack(list(found.values()))


def draw_letter(letter: str, font: ImageFont.FreeTypeFont) -> Array:
    """White on black, in the middle."""
    left, top, right, bottom = font.getbbox(letter)
    image = Image.new("L", (SIZE, SIZE))
    ImageDraw.Draw(image).text(((SIZE - left - right) / 2, (SIZE - top - bottom) / 2), letter, fill=255, font=font)
    return np.asarray(image, "float32") / 255.0


def photographed(images: Array, rng: np.random.Generator) -> Array:
    """Each image moved by up to a pixel and noisy, `(N, SIZE, SIZE, 1)`."""
    wide, pixels, count = np.pad(images, ((0, 0), (1, 1), (1, 1))), np.arange(SIZE), len(images)
    row, column = rng.integers(0, 3, (2, count, 1, 1))
    moved = wide[np.arange(count)[:, None, None], row + pixels[:, None], column + pixels]
    return (moved + rng.normal(0.0, 0.1, moved.shape)).astype("float32")[..., None]


def task(drawn: Array, steps: int, seed: int) -> Task:
    """Two thirds of the letters to learn from, and the others."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(drawn))
    seen, unseen = drawn[order[: 2 * len(order) // 3]], drawn[order[2 * len(order) // 3 :]]
    ids = np.stack([rng.permutation(len(seen))[:IDS] for _ in range(steps)])
    fonts = rng.permuted(np.tile(np.arange(drawn.shape[1]), (steps, IDS, 1)), axis=-1)[..., :FONTS]
    images = photographed(seen[ids[..., None], fonts].reshape(-1, SIZE, SIZE), rng)
    return Task(
        images.reshape(steps, IDS * FONTS, SIZE, SIZE, 1),
        np.repeat(ids, FONTS, axis=1),
        photographed(unseen.reshape(-1, SIZE, SIZE), rng),
        np.repeat(np.arange(len(unseen)), drawn.shape[1]),
    )


def encoder() -> keras.Sequential:
    """From an image to `WIDTH` numbers."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 1)),
            layers.Conv2D(16, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(WIDTH),
        ]
    )


def head(loss: str, classes: int) -> keras.layers.Layer:
    """What makes predictions of this loss from the encoder's outputs."""
    if loss in CENTRES:
        return tfloss_ext.CosineHead(classes)
    if loss == CROSSENTROPY:
        return keras.layers.Dense(classes, activation="softmax")
    return keras.layers.UnitNormalization()


def on_sphere(points: Array) -> Array:
    return points / np.linalg.norm(points, axis=-1, keepdims=True)


def embed(features: keras.Model, images: Array) -> Array:
    """Points on the sphere."""
    return on_sphere(keras.ops.convert_to_numpy(features(images)))


def stops(steps: int) -> list[int]:
    """After how many steps it is judged: at the end, and at halves of that."""
    return sorted({max(steps // 2**i, 1) for i in range(4)})


def train(loss: str, data: Task, seed: int) -> tuple[list[tuple[float, float]], Array]:
    """Recall@1 and MAP@R at each stop, and where the unseen letters lie in the end."""
    keras.utils.set_random_seed(seed)
    features, found, begin = encoder(), [], 0
    model = keras.Sequential([features, head(loss, int(data.ids.max()) + 1)])
    model.compile(keras.optimizers.Adam(0.002), loss=loss, steps_per_execution=25)
    for end in stops(len(data.ids)):
        images, ids = (array[begin:end].reshape(-1, *array.shape[2:]) for array in (data.images, data.ids))
        model.fit(images, ids, batch_size=IDS * FONTS, shuffle=False, verbose=0)
        points, begin = embed(features, data.unseen), end
        found.append(retrieval(points, data.labels))
    return found, points


def neighbours(data: Task, points: Array, queries: Ids, count: int = 8) -> Array:
    """A row for each query: the query and its nearest neighbours, the wrong ones in red."""
    likeness = points[queries] @ points.T
    likeness[np.arange(len(queries)), queries] = np.inf
    shown = np.argsort(-likeness, axis=-1)[:, : count + 1]
    wrong = data.labels[shown] != data.labels[queries][:, None]
    return mosaic(data.unseen[shown][..., 0], wrong[..., None, None])


def draw(scores: dict[str, np.ndarray], steps: list[int], mosaics: dict[str, Array], out: Path) -> None:
    """The measures over the steps, `scores` being `(seeds, stops, 2)`, and neighbours."""
    figure = plt.figure(figsize=(16, 5), layout="constrained")
    axes = figure.subplots(1, 2 + len(mosaics), width_ratios=[1.1, 1.1, *[1] * len(mosaics)])
    for measure, (axis, name) in enumerate(zip(axes, MEASURES, strict=False)):
        for loss in [name for name in LOSSES if name in scores]:
            style = {"color": GREY, "linestyle": "--"} if loss == CROSSENTROPY else {}
            band(axis, steps, scores[loss][..., measure], loss, **style)
        axis.axhline(scores[PIXELS][..., measure].mean(), color=PALE, linestyle=":", zorder=0, label=PIXELS)
        axis.set(title=f"{name} of unseen letters", xscale="log", xlabel="steps", ylim=(0, None))
        axis.set_xticks(steps, steps)
        axis.minorticks_off()
        axis.spines[["top", "right"]].set_visible(False)
    for axis, (loss, image) in zip(axes[len(MEASURES) :], mosaics.items(), strict=True):
        show_mosaic(axis, image, loss.removeprefix("sparse_categorical_"), "on grey a letter, then its nearest")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=8, frameon=False)
    save(figure, out)


def main(options: argparse.Namespace) -> None:
    drawn = letters()
    found: dict[str, list[list[tuple[float, float]]]] = {name: [] for name in (PIXELS, RANDOM, *options.losses)}
    mosaics = {}
    for seed in range(options.seeds):
        data = task(drawn, options.steps, seed)
        keras.utils.set_random_seed(seed)
        for name, points in (
            (PIXELS, on_sphere(data.unseen.reshape(len(data.unseen), -1))),
            (RANDOM, embed(encoder(), data.unseen)),
        ):
            found[name].append([retrieval(points, data.labels)])
        queries = np.random.default_rng(seed).permutation(len(data.labels))[:12]
        for loss in options.losses:
            scores, points = train(loss, data, seed)
            found[loss].append(scores)
            if seed == 0 and loss in PICTURED:
                mosaics[loss] = neighbours(data, points, queries)

    scores = {name: np.array(values) for name, values in found.items()}
    show(
        f"{options.seeds} seeds, {data.labels.max() + 1} letters never seen, {options.steps} steps",
        ["embedding", *MEASURES],
        [(name, *(spread(values[:, -1, measure]) for measure in (0, 1))) for name, values in scores.items()],
    )
    draw(scores, stops(options.steps), mosaics, options.out)


if __name__ == "__main__":
    main(OPTIONS)
