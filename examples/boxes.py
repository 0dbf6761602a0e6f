# SPDX-License-Identifier: Apache-2.0
"""Where is the digit? mse, `iou`, `giou`, `diou` and `ciou` as losses of a box, at the same budget.

Scenes of 24 x 24 pixels hold one handwritten digit, enlarged to between 8 and 16 pixels, with a scrap of another digit,
under noise. A small convolutional network predicts the box that fits its ink. What one learns:

* boxes are `(B, 4)`, here as centre and size, `box_format="cxcywh"`, in shares of the image. Corners are `"xyxy"`, the
  default; a wrong format raises no error, as any four numbers are a box;
* mse cares for the four numbers, each by itself; intersection over union for the box, whatever its size. A pixel
  matters more to a small box;
* sizes must be positive, here by a sigmoid: a box of negative size has no area, and may be stuck without a gradient;
* where boxes do not meet, `iou` is 1 and has no gradient: in the last table boxes are moved by the loss alone, without
  a network, and those that are apart at first stay where they are. A network shares its weights among all scenes, and
  the few boxes that meet take the others with them: there `iou` is no worse, even from a bad start;
* `giou` pulls distant boxes together by the box around both, `diou` and `ciou`, which are faster, by their centres,
  `ciou` also by shape;
* `sample_weight` weighs boxes: 0 for the images that show none.
"""

from __future__ import annotations

import argparse

from _start import command_line, read_options

parser = command_line(__doc__)
parser.add_argument("--epochs", type=int, default=8, help="passes over the scenes")
parser.add_argument("--samples", type=int, default=3000, help="scenes to train on, and as many to judge on")
parser.add_argument("--steps", type=int, default=200, help="of the boxes without a network")
parser.add_argument("--seed", type=int, default=0, help="of scenes and weights")
if __name__ == "__main__":
    OPTIONS = read_options(parser)

import keras
import numpy as np
from _data import Digits, digits
from _table import show

import tfloss_ext

SIZE, INK = 24, 0.35
COLUMNS = ["loss", "apart at first", "mean IoU", "share above 0.5", "share above 0.75"]
Arrays = tuple[np.ndarray, np.ndarray]


def enlarged(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The image at another size, between its pixels linear."""
    for axis, length in enumerate((height, width)):
        place = np.linspace(0, image.shape[axis] - 1, length)
        low = np.minimum(place.astype(int), image.shape[axis] - 2)
        share = np.expand_dims(place - low, 1 - axis)
        image = (1 - share) * np.take(image, low, axis) + share * np.take(image, low + 1, axis)
    return image


def scenes(source: Digits, count: int, rng: np.random.Generator) -> Arrays:
    """Images, and the boxes around the ink of their digits: centre (x, y) and size, in shares of the image."""
    images = rng.normal(0.0, 0.15, (count, SIZE, SIZE))
    boxes = np.empty((count, 4))
    for image, box, i in zip(images, boxes, rng.permutation(np.arange(count) % len(source.images)), strict=True):
        scrap = enlarged(source.images[rng.integers(len(source.images))], 12, 12)[:5, :5]
        y, x = rng.integers(0, SIZE - 5, 2)
        image[y : y + 5, x : x + 5] += 0.5 * scrap
        digit = enlarged(source.images[i], *rng.integers(8, 17, 2))
        (height, width), ink = digit.shape, digit > INK
        y, x = rng.integers(0, SIZE - height + 1), rng.integers(0, SIZE - width + 1)
        place = image[y : y + height, x : x + width]
        np.copyto(place, np.maximum(place, digit))
        rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
        top, bottom, left, right = y + rows[0], y + rows[-1] + 1, x + columns[0], x + columns[-1] + 1
        box[:] = (left + right) / 2, (top + bottom) / 2, right - left, bottom - top
    return images[..., None].astype("float32"), (boxes / SIZE).astype("float32")


def logit(share: float) -> float:
    return float(np.log(share / (1.0 - share)))


def build(start: tuple[float, float]) -> keras.Model:
    """A network whose first boxes have about this centre, in x and in y, and this side."""
    layers = keras.layers
    centre, side = map(logit, start)
    return keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 1)),
            layers.Conv2D(12, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(24, 3, strides=2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            # Small weights, so that the boxes begin where the bias puts them.
            layers.Dense(
                4,
                activation="sigmoid",
                kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
                bias_initializer=lambda shape, dtype: keras.ops.convert_to_tensor([centre, centre, side, side], dtype),
            ),
        ]
    )


def train(
    loss: str | keras.losses.Loss, start: tuple[float, float], data: Arrays, *, epochs: int, seed: int
) -> tuple[keras.Model, float]:
    """The model after `epochs`, and the share of boxes that did not meet the true ones before."""
    keras.utils.set_random_seed(seed)
    model = build(start)
    apart = float(np.mean(overlap(model, data) == 0))
    steps = epochs * -(-len(data[0]) // 64)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, steps)), loss=loss)
    model.fit(*data, batch_size=64, epochs=epochs, verbose=0)
    return model, apart


def move(loss: str | keras.losses.Loss, truth: np.ndarray, *, steps: int) -> tuple[keras.Model, Arrays, float]:
    """Boxes, one for each true one, that start in a corner and are parameters themselves; how many are apart there."""
    ids = np.arange(len(truth))
    start = keras.initializers.Constant(logit(0.125))
    model = keras.Sequential(
        [
            keras.Input((), dtype="int32"),
            keras.layers.Embedding(len(truth), 4, start),
            keras.layers.Activation("sigmoid"),
        ]
    )
    apart = float(np.mean(overlap(model, (ids, truth)) == 0))
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.05, steps)), loss=loss)
    data = np.tile(ids, steps), np.tile(truth, (steps, 1))
    model.fit(*data, batch_size=len(ids), shuffle=False, verbose=0)
    return model, (ids, truth), apart


def overlap(model: keras.Model, data: Arrays) -> np.ndarray:
    """Intersection over union of each box with the true one: one minus the loss."""
    predicted = model.predict(data[0], batch_size=500, verbose=0)
    values = tfloss_ext.IoU(box_format="cxcywh", reduction=None)(data[1], predicted)
    return 1.0 - keras.ops.convert_to_numpy(values)


def row(name: str, apart: float, iou: np.ndarray) -> tuple[object, ...]:
    return name, apart, float(np.mean(iou)), float(np.mean(iou > 0.5)), float(np.mean(iou > 0.75))


def main(options: argparse.Namespace) -> None:
    losses: dict[str, str | keras.losses.Loss] = {
        '"mse"': "mse",
        "IoU": tfloss_ext.IoU(box_format="cxcywh"),
        "GIoU": tfloss_ext.GIoU(box_format="cxcywh"),
        "DIoU": tfloss_ext.DIoU(box_format="cxcywh"),
        "CIoU": tfloss_ext.CIoU(box_format="cxcywh"),
    }
    rng = np.random.default_rng(options.seed)
    learn, judge = (scenes(part, options.samples, rng) for part in digits(options.seed))
    starts = {"half the image, in its middle": (0.5, 0.5), "an eighth of the image, near a corner": (0.125, 0.125)}
    for title, start in starts.items():
        rows = []
        for name, loss in losses.items():
            model, apart = train(loss, start, learn, epochs=options.epochs, seed=options.seed)
            rows.append(row(name, apart, overlap(model, judge)))
        show(f"First boxes with sides of {title}, {len(judge[0])} held-out scenes", COLUMNS, rows)

    rows = []
    for name, loss in losses.items():
        model, boxes, apart = move(loss, judge[1], steps=options.steps)
        rows.append(row(name, apart, overlap(model, boxes)))
    show(f"No network: {len(boxes[0])} boxes moved from that corner in {options.steps} steps", COLUMNS, rows)


if __name__ == "__main__":
    main(OPTIONS)
