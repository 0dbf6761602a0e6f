# SPDX-License-Identifier: Apache-2.0
"""Times losses against Keras's at every kind of shape, on the backend that KERAS_BACKEND names.

    KERAS_BACKEND=jax python benchmarks/grid.py [--quick] [--only dice focal] [--eager | --lengths]

Forward plus backward: on TensorFlow in a graph, in one whose batch is of unknown size as in `fit`, and under XLA; on
JAX compiled, on PyTorch as Python calls it. Ours and Keras's take turns; the ratio is that of the medians. `--eager`
calls TensorFlow from Python with small batches, `--lengths` trains over 200 lengths of a batch, compilation included.
"""

from __future__ import annotations

import argparse
import functools
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import ops
from timing import race

import tfloss_ext

BACKEND = keras.backend.backend()
MODES = {"tensorflow": ("graph", "batch unknown", "XLA"), "jax": ("jit",), "torch": ("eager",)}[BACKEND]
Data = tuple[Any, Any, Any]


def binary(shape: tuple[int, ...], probabilities: bool = False) -> Data:
    """Targets of Keras's, targets of ours, predictions."""
    rng = np.random.default_rng(0)
    y, z = (rng.random(shape) < 0.3).astype("float32"), 3 * rng.standard_normal(shape, dtype="float32")
    return y, y, 1 / (1 + np.exp(-z)) if probabilities else z


def ids(shape: tuple[int, ...]) -> Data:
    *positions, classes = shape
    rng = np.random.default_rng(0)
    z = 2 * rng.standard_normal(shape, dtype="float32")
    if classes == 1:
        y = (rng.random(shape) < 0.3).astype("float32")
        return y, y, z
    y = rng.integers(0, classes, positions).astype("int32")
    return np.eye(classes, dtype="float32")[y], y, z


def sparse(shape: tuple[int, ...]) -> Data:
    _, y, z = ids(shape)
    return y, y, z


def numbers(shape: tuple[int, ...]) -> Data:
    y, x = np.random.default_rng(0).standard_normal((2, *shape), dtype="float32")
    return y, y, x


# Keras has no such loss: they stand beside the crossentropy that they are made of, which is less to compute.
BESIDE_CROSSENTROPY = ("poly1", "asymmetric", "quality_focal")

_dice = keras.losses.Dice()


def dice(y_true: Any, y_pred: Any) -> Any:
    return _dice(y_true, ops.softmax(y_pred) if y_pred.shape[-1] > 1 else ops.sigmoid(y_pred))


def works() -> dict[str, tuple[Callable[..., Data], Any, Any, list[tuple[int, ...]]]]:
    """Of each loss its data, ours, Keras's, and shapes."""
    maps = [(8, 256, 256, 2), (8, 256, 256, 4), (8, 256, 256, 6), (4, 256, 256, 19), (2, 128, 128, 150)]
    rows = [(4_000_000, 1), (4096, 1024), (64, 1)]
    focal = keras.losses.BinaryFocalCrossentropy
    logits = [(4_000_000, 1), (500_000, 8), (50_000, 80), (4096, 1024), (8, 100_000, 6), (32, 128, 128, 1)]
    return {
        "focal": (
            binary,
            tfloss_ext.Focal(from_logits=True),
            focal(from_logits=True, apply_class_balancing=True),
            [*logits, (64, 1), (1024, 20)],
        ),
        "focal of probabilities": (
            functools.partial(binary, probabilities=True),
            tfloss_ext.Focal(),
            focal(apply_class_balancing=True),
            rows,
        ),
        "categorical_focal": (
            ids,
            tfloss_ext.CategoricalFocal(from_logits=True),
            keras.losses.CategoricalFocalCrossentropy(from_logits=True),
            [*maps, (65536, 10), (4096, 1000), (256, 10)],
        ),
        "dice": (ids, tfloss_ext.Dice(from_logits=True), dice, [*maps, (2, 96, 96, 96, 3), (8, 256, 256, 1)]),
        "log_cosh": (numbers, tfloss_ext.LogCosh(), keras.losses.LogCosh(), rows),
        "weighted_mse": (numbers, tfloss_ext.WeightedMSE(), keras.losses.MeanSquaredError(), rows),
        "poly1": (
            sparse,
            tfloss_ext.Poly1(from_logits=True),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            [(8, 256, 256, 4), (65536, 10), (4096, 1000)],
        ),
        "asymmetric": (
            binary,
            tfloss_ext.Asymmetric(from_logits=True),
            keras.losses.BinaryCrossentropy(from_logits=True),
            rows,
        ),
        "quality_focal": (
            binary,
            tfloss_ext.QualityFocal(from_logits=True),
            keras.losses.BinaryCrossentropy(from_logits=True),
            rows,
        ),
    }


def step(loss: Any, y_true: Any, y_pred: Any, mode: str) -> Callable[[], Any]:
    """A call that gives the gradient and waits for it."""
    if BACKEND == "jax":
        import jax

        run = jax.jit(jax.value_and_grad(lambda y_pred, y_true: loss(y_true, y_pred)))
        y_true, y_pred = jax.numpy.asarray(y_true), jax.numpy.asarray(y_pred)
        return lambda: run(y_pred, y_true)[1].block_until_ready()
    if BACKEND == "torch":
        import torch

        y_true, y_pred = torch.tensor(y_true), torch.tensor(y_pred)

        def called() -> Any:
            leaf = y_pred.detach().requires_grad_(True)
            loss(y_true, leaf).backward()
            return leaf.grad

        return called
    import tensorflow as tf

    y_true, y_pred = tf.constant(y_true), tf.constant(y_pred)
    signature = None
    if mode == "batch unknown":
        signature = [tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype) for tensor in (y_true, y_pred)]
    run = tf_step(loss, mode == "XLA", signature, eager=mode == "eager")
    return lambda: np.asarray(run(y_true, y_pred)[1])  # Which copies nothing.


def tf_step(loss: Any, xla: bool = False, signature: Any = None, eager: bool = False) -> Any:
    import tensorflow as tf

    def run(y_true: Any, y_pred: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            value = loss(y_true, y_pred)
        return value, tape.gradient(value, y_pred)

    return run if eager else tf.function(run, jit_compile=xla, autograph=False, input_signature=signature)


def table(only: list[str] | None, quick: bool) -> None:
    print(f"| loss | shape | {' | '.join(f'{mode}: Keras ms | ours ms | ratio' for mode in MODES)} |")
    print("|---|---|" + "---|---|---|" * len(MODES))
    ratios: dict[str, list[float]] = {mode: [] for mode in MODES}
    of_keras: dict[str, list[float]] = {mode: [] for mode in MODES}
    for name, (data, ours, theirs, shapes) in works().items():
        if only and name.split()[0] not in only:
            continue
        for shape in shapes:
            small = np.prod(shape) < 100_000
            if quick and not small and np.prod(shape) > 2_500_000:
                continue
            for_theirs, for_ours, y_pred = data(shape)
            cells = []
            for mode in MODES:
                steps = [step(theirs, for_theirs, y_pred, mode), step(ours, for_ours, y_pred, mode)]
                peer, own = race(steps, 201 if small else 7 if quick else 15)
                ratios[mode].append(peer / own)
                if name not in BESIDE_CROSSENTROPY:
                    of_keras[mode].append(peer / own)
                cells.append(f"{peer:.2f} | {own:.2f} | **{peer / own:.2f}**")
            print(f"| {name} | {' x '.join(map(str, shape))} | {' | '.join(cells)} |", flush=True)
    print(f"\nGeometric mean beside Keras's loss of that kind: {means(of_keras)}; of all rows: {means(ratios)}.")


def means(ratios: dict[str, list[float]]) -> str:
    return ", ".join(f"{statistics.geometric_mean(found):.2f} ({mode})" for mode, found in ratios.items() if found)


def eager() -> None:
    """Small batches called by Python, target checks included."""
    print("| loss | shape | Keras ms | ours ms | times Keras's time |\n|---|---|---|---|---|")
    small = {"focal": [(64, 1), (32, 10)], "dice": [(4, 16, 16, 1), (4, 16, 16, 3)], "log_cosh": [(64, 1)]}
    small |= {"categorical_focal": [(32, 10)], "weighted_mse": [(64, 1)], "poly1": [(32, 10)]}
    for name, (data, ours, theirs, _) in works().items():
        for shape in small.get(name, []):
            for_theirs, for_ours, y_pred = data(shape)
            peer, own = race([step(theirs, for_theirs, y_pred, "eager"), step(ours, for_ours, y_pred, "eager")], 301)
            print(f"| {name} | {' x '.join(map(str, shape))} | {peer:.2f} | {own:.2f} | **{own / peer:.2f}** |")


def lengths() -> None:
    """What 400 steps take, of batches of 200 lengths that each come twice, tracing and compiling included."""
    import tensorflow as tf

    from tfloss_ext import gradients

    print("| batches | elements | Keras s | ours without the pass s | with it s | compiled |")
    print("|---|---|---|---|---|---|")
    rng = np.random.default_rng(0)
    losses = [keras.losses.BinaryFocalCrossentropy(from_logits=True), *[tfloss_ext.Focal(from_logits=True)] * 2]
    for shape in ((None, 4096), (None, 16384), (16, None, 64), (16, None, 512)):
        taken = []
        specs = [tf.TensorSpec((None, *shape[1:]))] * 2
        all_lengths = np.concatenate([rng.permutation(np.arange(100, 300)) for _ in range(2)])
        for loss, enabled in zip(losses, (False, False, True), strict=True):
            tfloss_ext.set_compiled(enabled)
            gradients._passes.cache_clear()
            run, total = tf_step(loss, signature=specs), 0.0
            for length in all_lengths:
                sizes = tuple(int(length) if size is None else size for size in shape)
                y, _, z = binary(sizes)
                y, z = tf.constant(y), tf.constant(z)
                start = time.perf_counter()
                np.asarray(run(y, z)[1])
                total += time.perf_counter() - start
            taken.append(total)
        formula, _ = gradients._Formula.of(losses[-1], (z, y, None, None), whole=True)
        compiled = len(gradients._passes(formula).admitted)
        biggest = np.prod([size or 300 for size in shape])
        shown = " x ".join("100 to 299" if size is None else str(size) for size in shape)
        print(f"| {shown} | up to {biggest:,} | {' | '.join(f'{t:.2f}' for t in taken)} | {compiled} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", help="names of losses")
    parser.add_argument("--quick", action="store_true", help="no array above 2.5 million elements, fewer rounds")
    parser.add_argument("--eager", action="store_true", help="small batches called by Python instead (TensorFlow)")
    parser.add_argument("--lengths", action="store_true", help="train over 200 lengths instead (TensorFlow)")
    arguments = parser.parse_args()
    if arguments.lengths:
        lengths()
    elif arguments.eager:
        eager()
    else:
        table(arguments.only, arguments.quick)


if __name__ == "__main__":
    main()
