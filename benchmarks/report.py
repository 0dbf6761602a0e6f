# SPDX-License-Identifier: Apache-2.0
"""Times every loss against its peer in one run and writes `docs/benchmarks.md`.

    python benchmarks/report.py                 everything: an hour on two cores
    python benchmarks/report.py --parts shapes  a part of it, the rest of the page being left as it is

Times are medians over rounds in which ours and the peer take turns, so that what else the machine does hits both.
Memory is the peak of a process of its own: of later steps above what it held before them, and of the first step, in
which XLA compiles.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import functools
import importlib.util
import json
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from timing import race

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

HERE = Path(__file__).parent
TARGET = HERE.parent / "docs" / "benchmarks.md"

# TensorFlow Addons needs an environment of its own: milliseconds and MiB by `tfa.py`, outside XLA.
ADDONS = {"semi_hard_1024": (10_190.0, 17_700.0)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS), help="what to measure anew")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--memory-of", nargs=3, metavar=("WORK", "WHO", "XLA"), help="measure this alone, and print it")
    parser.add_argument("--peers", metavar="PYTHON", help="that of an environment made as peers.py says")
    parser.add_argument("--embedding-peers", metavar="PYTHON", help="that of one made as embedding_peers.py says")
    parser.add_argument("--out", type=Path, default=TARGET)
    arguments = parser.parse_args()
    if arguments.memory_of:
        name, who, xla = arguments.memory_of
        print(*peak_memory(name, who, xla == "1"))
        return
    import tfloss_ext

    page = sections(arguments.out.read_text(encoding="utf-8") if arguments.out.exists() else "")
    for part in arguments.parts:
        if part not in NEEDS or getattr(arguments, NEEDS[part]):
            title, measure = PARTS[part]
            page[title] = [f"Measured with version {tfloss_ext.__version__}.", "", *measure(arguments)]
    in_order = [title for title, _ in PARTS.values() if title in page]
    text = [*heading(), *(line for title in in_order for line in ("", f"## {title}", "", *page[title]))]
    text += ["", (HERE / "shortfalls.md").read_text(encoding="utf-8").rstrip(), ""]
    arguments.out.parent.mkdir(exist_ok=True)
    arguments.out.write_text("\n".join(text), encoding="utf-8")


def sections(page: str) -> dict[str, list[str]]:
    """The parts of a page by their titles, as they were measured before."""
    found = {}
    for part in page.split("\n## ")[1:]:
        title, _, text = part.partition("\n")
        found[title] = text.strip().splitlines()
    return found


def heading() -> list[str]:
    import keras
    import tensorflow as tf

    return [
        "# Benchmarks",
        "",
        "Forward plus backward, float32, CPU. Repeat with `python benchmarks/report.py` (an hour on two cores; parts",
        'of it by `--parts`), which needs `pip install -e ".[benchmarks,test]"`; `pytest benchmarks` gives the spread.',
        "",
        f"Here: {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, "
        f"TensorFlow {tf.__version__}, Keras {keras.__version__}. Times are medians of rounds in which ours and the",
        "peer take turns. More than 1 times as fast is faster than the peer.",
    ]


def over_shapes(arguments: argparse.Namespace) -> list[str]:
    """Each loss at every kind of shape, on each backend that is installed."""
    lines = [
        "Each loss beside Keras's of that kind: Focal beside BinaryFocalCrossentropy, and Poly1, Asymmetric and",
        "QualityFocal beside the plain crossentropy. By `benchmarks/grid.py`.",
    ]
    for backend, title in {"tensorflow": "TensorFlow", "jax": "JAX, compiled", "torch": "PyTorch, eager"}.items():
        if importlib.util.find_spec(backend):
            lines += ["", f"### {title}", "", *grid(backend)]
    lines += [
        "",
        "### Called by Python, small batches, TensorFlow",
        "",
        *grid("tensorflow", "--eager"),
        "",
        "### Batches of many lengths, TensorFlow",
        "",
        "Seconds of 400 steps of Focal in a graph, over 200 lengths of a batch that each come twice, tracing and",
        "compiling included. Shapes are compiled where they come three times among the last sixteen.",
        "",
        *grid("tensorflow", "--lengths"),
    ]
    return lines


def grid(backend: str, *options: str) -> list[str]:
    command, environment = [sys.executable, str(HERE / "grid.py"), *options], {**os.environ, "KERAS_BACKEND": backend}
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=HERE, env=environment)
    print(run.stdout, flush=True)
    return run.stdout.strip().splitlines()


def every_loss(arguments: argparse.Namespace) -> list[str]:
    from work import WORKS

    lines = [
        "Memory is the peak of a step above what the process held before it, once all is compiled; in brackets that of",
        "the first step, tracing and compiling included. The peer is Keras's loss of that kind; of triplets it is",
        "TensorFlow Addons, timed by `benchmarks/tfa.py` in an environment of its own on the same machine. In brackets",
        "behind the times: the least that is wanted, and the aim. The floor is",
        "what no loss can do without, compiled and timed in the same rounds: targets and predictions read once, the",
        "gradient written once, and for each prediction as many exponentials and logarithms as the maths needs.",
        "",
        "| work | XLA | peer ms | ours ms | times as fast (least, aim) | floor ms | peer MiB | ours MiB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in WORKS:
        for xla in (False, True):
            lines.append(row(name, xla, arguments.rounds))
            print(lines[-1], flush=True)
    return lines


def passes(arguments: argparse.Namespace) -> list[str]:
    """Each loss of ours in a graph without and with the compiled pass, whether it takes that by itself or not."""
    from work import WORKS

    import tfloss_ext

    lines = [
        "In a graph, without XLA around it: the loss and its gradient by TensorFlow's kernels, and from one pass that",
        "XLA compiles. What is not faster for the pass does without (`fuses = False` on its class).",
        "",
        "| work | kernels ms | one pass ms | times as fast | takes the pass |",
        "|---|---|---|---|---|",
    ]
    for work in WORKS.values():
        if isinstance(work.ours, tfloss_ext.PairLoss):
            continue  # It goes by blocks, and asks other replicas.
        takes, steps = type(work.ours).fuses, []
        for enabled in (False, True):
            tfloss_ext.set_compiled(enabled)
            step = dataclasses.replace(work, ours=_that_fuses(work.ours)).step("ours", xla=False)
            step()  # Traced, so that the switch may change.
            steps.append(step)
        kernels, one_pass = race(steps, arguments.rounds)
        ratio, taken = f"**{kernels / one_pass:.2f}**", "yes" if takes else "no"
        lines.append(f"| {work.title} | {kernels:.1f} | {one_pass:.1f} | {ratio} | {taken} |")
        print(lines[-1], flush=True)
    return lines


def _that_fuses(loss: Any) -> Any:
    found = copy.copy(loss)
    found.fuses = True
    return found


def batches(arguments: argparse.Namespace) -> list[str]:
    """The losses that compare a whole batch against its size, and an encoder in chunks."""
    from batches import draw, encoders, measured_all, table

    found = measured_all()
    draw(found, arguments.out.with_name("batches.png"))
    return [
        "Forward plus backward in a graph of B embeddings of 128 numbers, eight of each id or two views of a sample",
        "(`nt_xent` compares 2 B), and the peak of memory beyond what came before; this alone is printed by `python",
        "benchmarks/batches.py`. The whole matrix is the same loss as one writes it without blocks. A step of more",
        "than twenty seconds is taken once, tracing included.",
        "",
        *table(found),
        "",
        "![Time and memory of a step against the size of the batch](batches.png)",
        "",
        "`CachedEncoder`: a batch of 4096 images of 28 x 28 through a small convolutional encoder into `SupCon`.",
        "",
        *encoders(),
    ]


def sums(arguments: argparse.Namespace) -> list[str]:
    """Sums of losses against their terms."""
    from sums import table

    return [
        "The terms alone, one after the other, and the sum of them, in the same rounds; this alone is printed by",
        "`python benchmarks/sums.py`.",
        "",
        *table(arguments.rounds),
    ]


def beside_peers(arguments: argparse.Namespace) -> list[str]:
    """The figures of losses on PyTorch, from their own environment, beside ours of the same shapes."""
    from work import peer_works

    run = subprocess.run([arguments.peers, str(HERE / "peers.py")], check=True, stdout=subprocess.PIPE, text=True)
    theirs = json.loads(run.stdout)
    lines = [
        "The same logits and ids, forward plus backward, timed by `benchmarks/peers.py` in an environment of its own",
        "in the same run: Dice, with crossentropy and focal loss, and clDice of MONAI, Lovasz of",
        "segmentation-models-pytorch, sparsemax of entmax, the bi-tempered loss as its authors compute it. Maps have",
        "their channels in front there, where no transposition is needed.",
        "",
        "| loss | PyTorch ms | ours ms, graph | ours ms, XLA |",
        "|---|---|---|---|",
    ]
    for work in peer_works():
        ours = [race([work.step("ours", xla)], arguments.rounds)[0] for xla in (False, True)]
        lines.append(f"| {work.title} | {theirs[work.title]:.1f} | {ours[0]:.1f} | {ours[1]:.1f} |")
        print(lines[-1], flush=True)
    return lines


def embeddings_beside_peers(arguments: argparse.Namespace) -> list[str]:
    """The figures of losses over embeddings from their own environment, beside ours."""
    from batches import beside_peers

    return [
        "Forward plus backward of 1,024 embeddings of 128 numbers, eight of each id, or of two views of 1,024 samples;",
        "the others by `benchmarks/embedding_peers.py` on PyTorch in an environment of its own in the same run. Those",
        "with centres that are learned have these within them, as ours have `CosineHead` before them; miners are timed",
        "along. Times as fast is of the graph.",
        "",
        *beside_peers(arguments.embedding_peers),
    ]


# The environments that parts need.
NEEDS = {"peers": "peers", "embedding_peers": "embedding_peers"}

PARTS: dict[str, tuple[str, Callable[[argparse.Namespace], list[str]]]] = {
    "shapes": ("Over the shapes people use", over_shapes),
    "losses": ("Every loss, with its floor and memory", every_loss),
    "passes": ("With and without the compiled pass", passes),
    "sums": ("Sums of losses", sums),
    "batches": ("Batches of embeddings", batches),
    "peers": ("Beside others on PyTorch", beside_peers),
    "embedding_peers": ("Embeddings beside others on PyTorch", embeddings_beside_peers),
}


def row(name: str, xla: bool, rounds: int) -> str:
    from work import WORKS

    work = WORKS[name]
    whos = ["peer", "ours"] if work.peer else ["ours"]
    *medians, floor = race([*(work.step(who, xla) for who in whos), work.floor()], rounds)
    memory = [memory_of_peer(name, xla)] * bool(work.peer) + [memory_in_a_process(name, "ours", xla)]
    theirs, ratio, their_memory = "-", "-", "-"
    if work.peer:
        theirs, their_memory = f"{medians[0]:.1f}", memory[0]
        ratio = f"**{medians[0] / medians[1]:.2f}** ({work.least[xla]:.2g}, {work.aim[xla]:.2g})"
    elif name in ADDONS:
        time_there, memory_there = ADDONS[name]
        theirs, their_memory = f"{time_there:.0f} (Addons)", f"{memory_there:.0f}"
        ratio = f"**{time_there / medians[0]:.0f}** (100)"
    cells = [theirs, f"{medians[-1]:.1f}", ratio, f"{floor:.1f}", their_memory, memory[-1]]
    return " | ".join([f"| {work.title}", "on" if xla else "off", *cells]) + " |"


def memory_of_peer(name: str, xla: bool) -> str:
    """That of the first work which has the same peer and data: many are measured beside one."""
    from work import WORKS

    def same(work: Any) -> tuple[str, str]:
        return repr(work.peer), repr(work.data)

    first = next(other for other, work in WORKS.items() if same(work) == same(WORKS[name]))
    return _memory_of_peer(first, xla)


@functools.cache
def _memory_of_peer(name: str, xla: bool) -> str:
    return memory_in_a_process(name, "peer", xla)


def memory_in_a_process(name: str, who: str, xla: bool) -> str:
    """The MiB of a later step, and in brackets those of the first."""
    command = [sys.executable, __file__, "--memory-of", name, who, str(int(xla))]
    # Arrays that are freed go back at once, so that a later step does not find room that a former one has left: by
    # malloc, and with oneDNN TensorFlow keeps a pool.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "TF_ENABLE_ONEDNN_OPTS": "0"}
    run = subprocess.run(command, check=True, capture_output=True, text=True, cwd=HERE, env=environment)
    first, later = map(float, run.stdout.split()[-2:])
    return f"{later:.0f} ({first:.0f})"


def peak_memory(name: str, who: str, xla: bool) -> tuple[float, float]:
    """The peaks of the first step and of ten later ones, above what this process held before them, in MiB."""
    from work import WORKS

    step = WORKS[name].step(who, xla)
    return peak_of(step, 1), peak_of(step, 10)


def peak_of(step: Callable[[], Any], times: int) -> float:
    import psutil

    process, done = psutil.Process(), threading.Event()
    before = peak = process.memory_info().rss

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.0005):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(times):
        step()
    done.set()
    watcher.join()
    return (peak - before) / 2**20


if __name__ == "__main__":
    main()
