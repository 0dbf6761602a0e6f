# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/segmentation.md: which overlap loss for which imbalance, and what their options do.

The images, the network and the measures are those of segmentation.py. Each row is trained from several seeds; behind a
mean stand, in brackets, the lowest and the highest. All of it takes about half an hour on two cores; name the tables
that you want: `python examples/segmentation_study.py --tables smooth weights`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence

from _start import command_line, read_options

TABLES = ("shares", "budget", "smooth", "per_image", "weights", "normalisation")
parser = command_line(__doc__)
parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES, help="which to make")
parser.add_argument("--epochs", type=int, default=8, help="passes over the images")
parser.add_argument("--samples", type=int, default=1200, help="images to train on")
parser.add_argument("--held-out", type=int, default=600, help="images to judge on")
parser.add_argument("--seeds", type=int, default=3, help="trainings of each loss")
if __name__ == "__main__":
    OPTIONS = read_options(parser)

import keras
import numpy as np
from _data import digits
from _table import show
from segmentation import USUAL, Arrays, Losses, Scores, classify, crossentropy, ours, patches, scores, train

import tfloss_ext


def spread(values: Sequence[float]) -> str:
    """The mean, and in brackets the lowest and the highest."""
    mean = f"{np.mean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.2f}-{max(values):.2f})"


class Study:
    """Trainings that several tables may share, each done once."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.found: dict[tuple[object, ...], list[Scores]] = {}
        self.data: dict[tuple[object, ...], tuple[Arrays, Arrays]] = {}

    def images(self, numbers: Mapping[str, float]) -> tuple[Arrays, Arrays]:
        """What is learnt from, and what is held out."""
        key = tuple(numbers.items())
        if key not in self.data:
            learn, judge = digits(seed=0)
            self.data[key] = (
                patches(learn, self.options.samples, 0, half=0, numbers=numbers),
                patches(judge, self.options.held_out, 1, half=1, numbers=numbers),
            )
        return self.data[key]

    def run(
        self,
        name: str,
        loss: keras.losses.Loss,
        *,
        numbers: Mapping[str, float] = USUAL,
        longer: int = 1,
        normalise: bool = True,
    ) -> list[Scores]:
        """The scores after one training for each seed."""
        key = (name, *numbers.items(), longer, normalise)
        if key not in self.found:
            (images, ids), (held_out, truth) = self.images(numbers)
            classes = len(numbers) + 1
            settings = {"classes": classes, "epochs": longer * self.options.epochs, "normalise": normalise}
            self.found[key] = [
                scores(classify(train(loss, (images, ids), seed=seed, **settings), held_out), truth, classes)
                for seed in range(self.options.seeds)
            ]
        return self.found[key]

    def options_table(self, title: str, losses: Losses, **settings: object) -> None:
        """What each loss does to the rare class of the three."""
        rows = []
        for name, loss in losses.items():
            found = self.run(name, loss, **settings)
            mean = Scores(*(np.mean(values, axis=0) for values in zip(*found, strict=True)))
            of_one = spread([each.iou[2] for each in found])
            rows.append(
                (name, float(mean.iou[1]), of_one, *map(float, (mean.recall, mean.precision, mean.false_alarms)))
            )
        columns = ["loss", "IoU zero", "IoU one", "recall one", "precision one", "false alarms"]
        show(title, columns, rows)

    def shares(self) -> None:
        losses = {
            **crossentropy(),
            **ours(tfloss_ext.CategoricalFocal),
            **ours(tfloss_ext.Dice),
            **ours(tfloss_ext.Tversky, alpha=0.3, beta=0.7),
            **ours(tfloss_ext.Lovasz),
            **ours(tfloss_ext.DiceCrossentropy),
            **ours(tfloss_ext.DiceFocal),
            **ours(tfloss_ext.UnifiedFocal),
        }
        numbers = [{"digit": number} for number in (5.0, 0.5, 0.1)]
        shares = [f"{np.mean(self.images(each)[1][1] == 1):.1%}" for each in numbers]
        rows = [
            (name, *(spread([score.iou[1] for score in self.run(name, loss, numbers=each)]) for each in numbers))
            for name, loss in losses.items()
        ]
        show("IoU of digits, by the share of the pixels that is theirs", ["loss", *shares], rows)

    def budget(self) -> None:
        losses = {**crossentropy(), **ours(tfloss_ext.Dice), **ours(tfloss_ext.DiceCrossentropy)}
        losses |= ours(tfloss_ext.Dice, per_image=False)
        for longer in (1, 3):
            self.options_table(f"{longer * self.options.epochs} epochs", losses, longer=longer)

    def smooth(self) -> None:
        losses: Losses = {}
        for cls in (tfloss_ext.Dice, tfloss_ext.DiceCrossentropy):
            losses |= {**ours(cls), **ours(cls, smooth=1.0), **ours(cls, smooth=100.0)}
        self.options_table("smooth, which is 1e-6 by itself", losses)

    def per_image(self) -> None:
        losses: Losses = {}
        for cls in (tfloss_ext.Dice, tfloss_ext.DiceCrossentropy, tfloss_ext.Lovasz):
            losses |= {**ours(cls), **ours(cls, per_image=False)}
        self.options_table("sums over each image, or over the batch", losses)

    def weights(self) -> None:
        losses: Losses = {}
        for cls in (tfloss_ext.Dice, tfloss_ext.DiceCrossentropy):
            losses |= {**ours(cls), **ours(cls, class_weights=[1, 1, 5]), **ours(cls, include_background=False)}
        self.options_table("how much the classes count", losses)

    def normalisation(self) -> None:
        losses = {**crossentropy(), **ours(tfloss_ext.Dice), **ours(tfloss_ext.DiceCrossentropy)}
        self.options_table("the same network without its normalisations", losses, normalise=False)


def main(options: argparse.Namespace) -> None:
    start = time.perf_counter()
    study = Study(options)
    for name in options.tables:
        getattr(study, name)()
    print(f"seconds: {time.perf_counter() - start:.0f}")


if __name__ == "__main__":
    main(OPTIONS)
