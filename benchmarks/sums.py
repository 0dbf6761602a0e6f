# SPDX-License-Identifier: Apache-2.0
"""Times sums of losses against their terms.

    python benchmarks/sums.py [--rounds 21]

Forward plus backward on TensorFlow, in a graph and under XLA: each term alone and the sum of them, taking turns.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from timing import race  # noqa: E402

import tfloss_ext  # noqa: E402
from tfloss_ext import CategoricalFocal, Dice, Focal, InfoNCE, LogCosh, LossSum, SupCon, wrap  # noqa: E402


def of_classes(*shape: int) -> Callable[[np.random.Generator], tuple[Any, Any]]:
    """Ids and logits of one of their predictions."""
    return lambda rng: (rng.integers(0, shape[-1], shape[:-1]), rng.normal(size=shape).astype("float32"))


def of_masks(*shape: int) -> Callable[[np.random.Generator], tuple[Any, Any]]:
    """Masks and logits, or numbers and numbers."""
    return lambda rng: (rng.integers(0, 2, shape).astype("float32"), rng.normal(size=shape).astype("float32"))


CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
SUMS: dict[str, tuple[LossSum, Callable[[np.random.Generator], tuple[Any, Any]]]] = {
    "8 x 256 x 256 x 4": (
        0.5 * CategoricalFocal(from_logits=True) + Dice(from_logits=True) + 0.1 * wrap(CROSSENTROPY),
        of_classes(8, 256, 256, 4),
    ),
    "4 x 256 x 256 x 19": (CategoricalFocal(from_logits=True) + Dice(from_logits=True), of_classes(4, 256, 256, 19)),
    "8 x 256 x 256 x 1": (0.5 * Focal(from_logits=True) + Dice(from_logits=True), of_masks(8, 256, 256, 1)),
    "4096 x 1024": (LogCosh() + 0.5 * wrap("mse"), of_masks(4096, 1024)),
    "64 x 1": (LogCosh() + Focal(from_logits=True) + wrap("mse"), of_masks(64, 1)),
    "1024 x 128, ids": (
        SupCon() + 0.5 * tfloss_ext.Triplet(),
        lambda rng: (np.arange(1024) // 8, rng.normal(size=(1024, 128)).astype("float32")),
    ),
    "1024 x 2 x 128, views": (
        InfoNCE() + 0.1 * tfloss_ext.VICReg(),
        lambda rng: (np.zeros(1024), rng.normal(size=(1024, 2, 128)).astype("float32")),
    ),
}


def step(loss: Any, y_true: Any, y_pred: Any, xla: bool) -> Callable[[], Any]:
    """A call that computes loss and gradient once and waits for the result."""

    @tf.function(jit_compile=xla, autograph=False)
    def run(y_true: Any, y_pred: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            value = loss(y_true, y_pred)
        return tape.gradient(value, y_pred)

    return lambda: np.asarray(run(y_true, y_pred))


def table(rounds: int) -> list[str]:
    """Each sum in a line: the milliseconds of its terms together, and its own."""
    lines = ["| sum | shape | XLA | terms ms | sum ms | share |", "|---|---|---|---|---|---|"]
    for shape, (loss, data) in SUMS.items():
        y_true, y_pred = (tf.constant(array) for array in data(np.random.default_rng(0)))
        for xla in (False, True):
            alone = [step(term.loss, y_true, y_pred, xla) for term in loss.terms]
            *terms, whole = race([*alone, step(loss, y_true, y_pred, xla)], rounds)
            cells = [f"`{loss!r}`", shape, "on" if xla else "off", f"{sum(terms):.2f}", f"{whole:.2f}"]
            lines.append(f"| {' | '.join(cells)} | **{whole / sum(terms):.2f}** |")
            print(lines[-1], flush=True)
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=21)
    table(parser.parse_args().rounds)
