# SPDX-License-Identifier: Apache-2.0
"""TensorFlow Addons on the same triplets, in an environment of its own.

    python3.11 -m venv addons && addons/bin/pip install "tensorflow==2.15.*" "tensorflow-addons==0.23" "numpy<2" psutil
    addons/bin/python benchmarks/tfa.py 1024

Prints time and peak memory of forward plus backward. n = 1024 takes about 19 GB.
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa

n = int(sys.argv[1])
rng = np.random.default_rng(0)
ids = tf.constant((np.arange(n) // 4).astype("int32"))
x = rng.normal(size=(n, 128)).astype("float32")
x = tf.constant(x / np.linalg.norm(x, axis=1, keepdims=True))
loss = tfa.losses.TripletSemiHardLoss()


@tf.function
def step(ids: tf.Tensor, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = loss(ids, x)
    return value, tape.gradient(value, x)


before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
step(ids, x)
times = []
for _ in range(3):
    start = time.perf_counter()
    step(ids, x)[1].numpy()
    times.append(time.perf_counter() - start)
peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10
print(f"n = {n}: {sorted(times)[1]:.3f} s, {peak:.0f} MiB")
