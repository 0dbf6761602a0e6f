# SPDX-License-Identifier: Apache-2.0
"""What the time of a step outside XLA goes to, kernel by kernel, from TensorFlow's profiler.

python benchmarks/kernels.py dice
"""

from __future__ import annotations

import argparse
import collections
import os
import re
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2
from work import WORKS, Step

ROUNDS = 20
# The profiler writes `path/of/the/node:Kernel`, and of all else names without a colon or with `::`.
KERNEL = re.compile(r"[^:]+:(?:_Mkl)?(\w+)")


def kernels(step: Step) -> dict[str, tuple[float, float]]:
    """How often a step runs each kernel, and the milliseconds it spends there, summed over the threads."""
    step()
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder, tf.profiler.experimental.ProfilerOptions(host_tracer_level=3)):
            for _ in range(ROUNDS):
                step()
        space = xplane_pb2.XSpace()
        for path in Path(folder).rglob("*.xplane.pb"):
            space.MergeFromString(path.read_bytes())
    runs: collections.Counter[str] = collections.Counter()
    times: collections.Counter[str] = collections.Counter()
    for plane in space.planes:
        for event in (event for line in plane.lines for event in line.events):
            if found := KERNEL.fullmatch(plane.event_metadata[event.metadata_id].name):
                runs[found[1]] += 1
                times[found[1]] += event.duration_ps / 1e9
    return {name: (runs[name] / ROUNDS, time / ROUNDS) for name, time in times.most_common()}


def table(name: str, shown: int = 12) -> list[str]:
    found = kernels(WORKS[name].step("ours", False))
    rows = [(f"`{kernel}`", *numbers) for kernel, numbers in list(found.items())[:shown]]
    rest = list(found.values())[shown:]
    if rest:
        rows.append(("others", sum(runs for runs, _ in rest), sum(time for _, time in rest)))
    rows.append(("together", sum(runs for runs, _ in found.values()), sum(time for _, time in found.values())))
    return [
        "| kernel | runs in a step | ms, all threads |",
        "|---|---|---|",
        *(f"| {kernel} | {runs:.0f} | {time:.1f} |" for kernel, runs, time in rows),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", choices=WORKS)
    print("\n".join(table(parser.parse_args().work)))
