# SPDX-License-Identifier: Apache-2.0
"""Times the losses that compare a whole batch against its size, and says how much memory a step takes.

    python benchmarks/batches.py [--sizes 1024 4096] [--only info_nce triplet_hard]

Forward plus backward in a graph, outside XLA, of embeddings of 128 numbers in float32, eight samples of each id. Each
is a process of its own: the time is the median of later steps, the memory the peak of all, tracing included, above what
came before. The whole matrix, as one writes it without blocks, stands beside the losses of two views.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

WIDTH, PER_ID = 128, 8
LONG = 20_000  # Milliseconds of a step that is taken but once, tracing included.
SIZES = (1024, 4096, 8192, 16384, 32768)
OF_VIEWS = ("info_nce", "siglip", "nt_xent")
OF_IDS = (
    "sup_con",
    "triplet_hard",
    "triplet_semi_hard",
    "multi_similarity",
    "circle_loss",
    "lifted_structure",
)
WHOLE = ("info_nce, the whole matrix", "siglip, the whole matrix")
ENCODERS = ("encoder of 4096, whole", "encoder of 4096, in chunks of 256")
# What `embedding_peers.py` times, and with which it begins: cosines with centres that are learned along.
BATCH_BESIDE_PEERS = 1024
MORE_OF_VIEWS = ("barlow_twins", "vicreg", "negative_cosine")
SUB_CENTERS = {"arcface": 1, "cosface": 1, "proxy_anchor": 1, "soft_triple": 10}
# Beyond these a step takes minutes, or more memory than most machines have.
LARGEST = dict.fromkeys(("nt_xent", "multi_similarity", "circle_loss", "lifted_structure"), 16384)
LARGEST |= dict.fromkeys(WHOLE, 8192)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="*", type=int, default=SIZES)
    parser.add_argument("--only", nargs="*", default=(*OF_VIEWS, *WHOLE, *OF_IDS), help="names of losses")
    parser.add_argument("--draw", type=Path, metavar="PNG", help="where to put a picture of the curves")
    parser.add_argument("--measure", nargs=2, metavar=("NAME", "SIZE"), help="measure this alone, and print it")
    arguments = parser.parse_args()
    if arguments.measure:
        print(*measured(arguments.measure[0], int(arguments.measure[1])))
        return
    found = measured_all(arguments.sizes, arguments.only)
    print("\n".join(table(found)))
    if arguments.draw:
        draw(found, arguments.draw)


# Milliseconds and MiB by the name of the loss and the size of the batch.
Figures = dict[str, dict[int, tuple[float, float]]]


def measured_all(sizes: Any = SIZES, names: Any = (*OF_VIEWS, *WHOLE, *OF_IDS)) -> Figures:
    """Time and memory of each loss for each size of a batch."""
    found: Figures = {}
    for name in names:
        found[name] = {}
        for size in sizes:
            if size <= LARGEST.get(name, size):
                found[name][size] = in_its_own_process(name, size)
                print(name, size, found[name][size], file=sys.stderr, flush=True)
    return found


def table(found: Figures) -> list[str]:
    """A loss in each line, and a size of a batch in each column."""
    sizes = sorted({size for of_loss in found.values() for size in of_loss})
    lines = [f"| loss | {' | '.join(f'B = {size}' for size in sizes)} |", f"|---|{'---|' * len(sizes)}"]
    for name, of_loss in found.items():
        cells = ("{:.0f} ms, {:.0f} MiB".format(*of_loss[size]) if size in of_loss else "-" for size in sizes)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def draw(found: Figures, out: Path) -> None:
    """Time and memory against the size of the batch; the whole matrix is grey."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    for of_measure, each, unit in zip((0, 1), axes, ("ms", "MiB"), strict=True):
        for name, of_loss in found.items():
            style = {"color": "#b0b8c0", "linestyle": "--"} if name in WHOLE else {}
            each.plot(
                list(of_loss), [figures[of_measure] for figures in of_loss.values()], marker="o", label=name, **style
            )
        sizes = sorted({size for of_loss in found.values() for size in of_loss})
        each.set_xscale("log", base=2)
        each.set_yscale("log")
        each.set_xticks(sizes, map(str, sizes))
        each.set(xlabel="samples in the batch", title=f"a step, {unit}")
    axes[1].legend(fontsize=7)
    figure.savefig(out, dpi=110)
    plt.close(figure)


def encoders() -> list[str]:
    """A step with and without `CachedEncoder`."""
    lines = ["| a step | ms | MiB |", "|---|---|---|"]
    for name in ENCODERS:
        milliseconds, mebibytes = in_its_own_process(name, 4096)
        lines.append(f"| {name} | {milliseconds:.0f} | {mebibytes:.0f} |")
    return lines


def beside_peers(python: str) -> list[str]:
    """Milliseconds of each loss at one size beside those of other packages, which `python` has, of the same run."""
    from timing import race

    script = Path(__file__).with_name("embedding_peers.py")
    run = subprocess.run([python, str(script)], check=True, stdout=subprocess.PIPE, text=True)
    lines = ["| loss | package | its ms | ours ms, graph | ours ms, XLA | times as fast |", "|---|---|---|---|---|---|"]
    for name, theirs in json.loads(run.stdout).items():
        make = head_step if name in SUB_CENTERS else loss_step
        graph, compiled = race([make(name, BATCH_BESIDE_PEERS, xla) for xla in (False, True)])
        for package, milliseconds in theirs.items():
            cells = f"{milliseconds:.1f} | {graph:.1f} | {compiled:.1f} | **{milliseconds / graph:.2f}**"
            lines.append(f"| {name} | {package} | {cells} |")
            print(lines[-1], file=sys.stderr, flush=True)
    return lines


def in_its_own_process(name: str, size: int) -> tuple[float, float]:
    """The time of a step and the peak of memory, each of a process of its own."""
    milliseconds, _ = _in_a_process(name, size)
    # Arrays that are freed go back at once where memory is measured, which takes half as long again.
    _, mebibytes = _in_a_process(name, size, MALLOC_MMAP_THRESHOLD_="65536")
    return milliseconds, mebibytes


def _in_a_process(name: str, size: int, **environment: str) -> tuple[float, float]:
    command = [sys.executable, __file__, "--measure", name, str(size)]
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})
    milliseconds, mebibytes = map(float, run.stdout.split()[-2:])
    return milliseconds, mebibytes


def measured(name: str, size: int) -> tuple[float, float]:
    """The median time of a step in milliseconds, of a long one that of the first, and the peak of memory in MiB."""
    step = encoder_step(name, size) if name in ENCODERS else loss_step(name, size)
    before = resident("VmRSS")
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")
    times: list[float] = []
    while len(times) < 2 or sum(times) < 5:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
        if 1000 * times[0] > LONG:
            break
    return 1000 * statistics.median(times[1:] or times), resident("VmHWM") - before


def resident(field: str) -> float:
    with open("/proc/self/status", encoding="ascii") as file:
        line = next(line for line in file if line.startswith(field))
    return int(line.split()[1]) / 1024


def loss_step(name: str, size: int, xla: bool = False) -> Callable[[], Any]:
    import tensorflow as tf

    import tfloss_ext

    loss = {WHOLE[0]: whole_info_nce, WHOLE[1]: whole_siglip}.get(name) or tfloss_ext.get(name)
    ids, x = embeddings(size, 2 if name in (*OF_VIEWS, *MORE_OF_VIEWS, *WHOLE) else None)

    @tf.function(autograph=False, jit_compile=xla)
    def step(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(ids, x)
        return value, tape.gradient(value, x)

    return lambda: step(x)[0].numpy()


def head_step(name: str, size: int, xla: bool = False) -> Callable[[], Any]:
    """With the gradient of the centres."""
    import tensorflow as tf

    import tfloss_ext

    loss, several = tfloss_ext.get(name), name == "soft_triple"
    head = tfloss_ext.CosineHead(size // PER_ID, SUB_CENTERS[name], pool=not several)
    ids, x = embeddings(size)
    head.build(x.shape)

    @tf.function(autograph=False, jit_compile=xla)
    def step(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(ids, head(x))
        return value, tape.gradient(value, [x, head.kernel.value])

    return lambda: step(x)[0].numpy()


def embeddings(size: int, views: int | None = None) -> tuple[Any, Any]:
    """Ids, and one embedding of each or several."""
    import numpy as np
    import tensorflow as tf

    shape = (size, WIDTH) if views is None else (size, views, WIDTH)
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    return tf.constant(np.arange(size, dtype="int32") // PER_ID), tf.constant(x)


def whole_info_nce(_: Any, views: Any) -> Any:
    import tensorflow as tf

    x, y = tf.unstack(tf.math.l2_normalize(views, axis=-1), axis=1)
    logits, own = tf.matmul(x, y, transpose_b=True) / 0.07, tf.range(tf.shape(x)[0])
    both = (
        tf.nn.sparse_softmax_cross_entropy_with_logits(own, logits),
        tf.nn.sparse_softmax_cross_entropy_with_logits(own, tf.transpose(logits)),
    )
    return tf.reduce_mean(both)


def whole_siglip(_: Any, views: Any) -> Any:
    import tensorflow as tf

    x, y = tf.unstack(tf.math.l2_normalize(views, axis=-1), axis=1)
    logits, size = tf.matmul(x, y, transpose_b=True) * 10.0 - 10.0, tf.shape(x)[0]
    costs = tf.nn.sigmoid_cross_entropy_with_logits(tf.eye(size), logits)
    return tf.reduce_sum(costs) / tf.cast(size, "float32")


def encoder_step(name: str, size: int) -> Callable[[], Any]:
    import keras
    import numpy as np
    from keras import layers

    import tfloss_ext

    encoder = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu", padding="same"),
            layers.Conv2D(32, 3, strides=2, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(WIDTH),
        ]
    )
    tower = encoder if name == ENCODERS[0] else tfloss_ext.CachedEncoder(encoder, 256)
    model = keras.Sequential([keras.Input((28, 28, 1)), tower])
    model.compile("sgd", "sup_con")
    x = np.random.default_rng(0).normal(size=(size, 28, 28, 1)).astype("float32")
    ids = np.arange(size) // PER_ID
    return lambda: model.train_on_batch(x, ids)


if __name__ == "__main__":
    main()
